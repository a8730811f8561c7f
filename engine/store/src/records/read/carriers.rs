//! Reading what carriers' ids lead to, and what carriers brought that waits or waited in vain.

use std::ops::Bound;

use didfarm_core::ids::{CarrierId, CarrierMessageId, ConversationId, MessageId};
use didfarm_core::parts::Part;
use didfarm_core::time::Timestamp;

use super::Take;
use crate::records::keys::{self, MAPS};
use crate::records::round::{AgedReceipt, HeldPart, ParkedRow};
use crate::records::{AGED_RECEIPTS_MAX, Records, RecordsError};

impl Records {
    /// The message that a carrier took under an id, if its accept asked for the index.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn owner(
        &self,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Result<Option<MessageId>, RecordsError> {
        let message = self.id_at(MAPS.owners, &keys::owner(carrier, id))?;
        Ok(message.map(MessageId))
    }

    /// The message that a carrier brought to a conversation under an id, if the conversation itself
    /// no longer knows it (`Conversation::wants_index`).
    ///
    /// # Errors
    /// A record is damaged.
    pub fn inbound_message(
        &self,
        conversation: ConversationId,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Result<Option<MessageId>, RecordsError> {
        let key = keys::inbound(conversation, carrier, id);
        Ok(self.id_at(MAPS.inbound, &key)?.map(MessageId))
    }

    /// Walks every row of parked receipts.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_parked(&self, mut visit: impl FnMut(ParkedRow)) -> Result<(), RecordsError> {
        self.each(
            MAPS.parked,
            "parked receipt",
            Bound::Unbounded,
            |_, record| {
                visit(record);
                Ok(Take::Next)
            },
        )
    }

    /// Walks every part that waits for the others, those of one message side by side, with the time
    /// when it came.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_part(&self, mut visit: impl FnMut(Timestamp, Part)) -> Result<(), RecordsError> {
        self.each(
            MAPS.parts,
            "part",
            Bound::Unbounded,
            |_, (at, part): HeldPart| {
                visit(at, part);
                Ok(Take::Next)
            },
        )
    }

    /// The receipts that aged out last, newest first, `limit` at most and never more than
    /// [`AGED_RECEIPTS_MAX`]; `Meta::aged_total` says how many there ever were.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn aged_receipts(&self, limit: usize) -> Result<Vec<AgedReceipt>, RecordsError> {
        let total = self.meta()?.aged_total;
        let limit =
            u64::try_from(limit).map_or(AGED_RECEIPTS_MAX, |limit| limit.min(AGED_RECEIPTS_MAX));
        let mut newest = Vec::new();
        for n in (total.saturating_sub(limit)..total).rev() {
            newest.extend(self.get(MAPS.aged, "aged receipt", &keys::aged(n))?);
        }
        Ok(newest)
    }
}
