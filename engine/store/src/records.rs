//! Records: what the journal amounts to, kept in sled so that nothing has to be replayed from the start.
//!
//! One thread (the [`keeper`]) follows the journal, applies its events in rounds through core's `evolve`
//! and writes each round as one atomic batch together with the sequence that it reaches. Live work never
//! writes here; a restart runs the same rounds over the journal's tail. Reads wait until the records have
//! caught up with what was acknowledged when they were asked.

pub mod codec;
pub mod keeper;
pub mod keys;
pub mod read;
pub mod round;
pub(crate) mod rules;
mod working;

use std::sync::Arc;

use didfarm_core::event::Entry;
use didfarm_core::ids::EventId;
use serde::{Deserialize, Serialize};

use crate::journal::{JournalReadError, JournalReader};
use crate::packed::PackedError;
use crate::seq::Seq;
use crate::shelf::{Shelf, ShelfError};
use codec::CodecError;

/// The key of the [`Meta`] row, before every map.
const META_KEY: &[u8] = b"M";
/// Events that one round applies at most, or those of one group if these are more: it bounds what a
/// round holds in memory.
pub const ROUND_EVENTS_MAX: usize = 32_768;
/// The same where much is behind and nobody is held up by it: one write takes more changes of a record.
pub const LARGE_ROUND_EVENTS_MAX: usize = 262_144;
/// Receipts that are kept after they aged out; the oldest makes room.
pub const AGED_RECEIPTS_MAX: u64 = 100_000;

/// Mails that are kept after they were given up; the oldest makes room.
pub const MAILS_GIVEN_UP_MAX: u64 = 10_000;

/// Why records cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// A leaf is damaged or missing.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// The store beneath failed.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// A record's bytes are wrong although its leaf is sound.
    #[error("the {kind} record {key} is unreadable: {source}")]
    Record {
        /// What kind of record.
        kind: &'static str,
        /// Its key, in hexadecimal.
        key: String,
        /// What is wrong.
        source: CodecError,
    },
    /// The journal tells of something that the records do not have.
    #[error(
        "journal entry {seq} speaks of {what}, which the records do not hold: run `didfarm verify`"
    )]
    Inconsistent {
        /// The entry.
        seq: Seq,
        /// What is missing.
        what: String,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalReadError),
}

/// How far the records are, which ids come next, and how much each map holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The last journal sequence that is applied.
    pub seq: Seq,
    /// The next extent (and conversation id) to give out.
    pub extent_next: u64,
    /// The next account id.
    pub account_next: u32,
    /// The next number id.
    pub number_next: u32,
    /// How many rows the maps hold.
    pub counts: Counts,
    /// How many receipts ever aged out; the last [`AGED_RECEIPTS_MAX`] of them are kept.
    pub aged_total: u64,
    /// The highest event id that was given out; 0 before the first.
    pub event_last: EventId,
    /// The next endpoint id.
    pub endpoint_next: u32,
    /// The next mail id.
    pub mail_next: u64,
    /// The next batch id.
    pub batch_next: u64,
    /// How many mails were ever given up; the last [`MAILS_GIVEN_UP_MAX`] of them are kept.
    pub mails_given_up_total: u64,
}

/// Rows of each map; an audit compares them with what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Numbers.
    pub numbers: u64,
    /// Conversations, and so inbox rows.
    pub conversations: u64,
    /// Further extents.
    pub extents: u64,
    /// Messages, and so timeline rows.
    pub messages: u64,
    /// Open deliveries.
    pub in_flight: u64,
    /// Parked receipts.
    pub parked: u64,
    /// Ledger entries.
    pub ledger: u64,
    /// Rows of the pair index: one for each conversation, and those of aliases.
    pub pairs: u64,
    /// Carrier message ids that lead to their message.
    pub owners: u64,
    /// Carrier message ids that lead to an older inbound message.
    pub inbound: u64,
    /// Parts of long inbound messages that wait for the others.
    pub parts: u64,
    /// Rows of auto-reply rules.
    pub auto_replies: u64,
    /// Endpoints, and deleted ones for which something still waits.
    pub endpoints: u64,
    /// Events that endpoints are told of.
    pub events: u64,
    /// Events that wait for an endpoint: one for each endpoint.
    pub pending: u64,
    /// Rows of attempts: one for each, and one for each further part of its body.
    pub attempts: u64,
    /// Mails that wait.
    pub mails: u64,
    /// Idempotency keys that are kept.
    pub guarded: u64,
    /// Opt-outs, also those that ended.
    pub opt_outs: u64,
    /// Batches.
    pub batches: u64,
    /// Rows of batches.
    pub batch_rows: u64,
    /// Pools of numbers.
    pub pools: u64,
}

impl Meta {
    const EMPTY: Meta = Meta {
        seq: Seq::ZERO,
        extent_next: 1,
        account_next: 1,
        number_next: 1,
        counts: Counts {
            accounts: 0,
            numbers: 0,
            conversations: 0,
            extents: 0,
            messages: 0,
            in_flight: 0,
            parked: 0,
            ledger: 0,
            pairs: 0,
            owners: 0,
            inbound: 0,
            parts: 0,
            auto_replies: 0,
            endpoints: 0,
            events: 0,
            pending: 0,
            attempts: 0,
            mails: 0,
            guarded: 0,
            opt_outs: 0,
            batches: 0,
            batch_rows: 0,
            pools: 0,
        },
        aged_total: 0,
        event_last: EventId(0),
        endpoint_next: 1,
        mail_next: 1,
        batch_next: 1,
        mails_given_up_total: 0,
    };
}

/// The records of one store.
#[derive(Clone)]
pub struct Records {
    shelf: Arc<dyn Shelf>,
}

impl Records {
    /// The records on a shelf.
    pub fn new(shelf: Arc<dyn Shelf>) -> Records {
        Records { shelf }
    }

    /// How far they are.
    ///
    /// # Errors
    /// The row cannot be read.
    pub fn meta(&self) -> Result<Meta, RecordsError> {
        match self.shelf.get(META_KEY)? {
            None => Ok(Meta::EMPTY),
            Some(bytes) => codec::decode(&bytes).map_err(|source| RecordsError::Record {
                kind: "meta",
                key: "M".into(),
                source,
            }),
        }
    }

    /// The shelf beneath.
    pub fn shelf(&self) -> &dyn Shelf {
        &*self.shelf
    }

    /// Applies what the reader has, up to `upto`, as one atomic round of bounded size. Returns how far
    /// the records are then, `None` when the reader has nothing more.
    ///
    /// # Errors
    /// The journal or the records cannot be read, or the batch cannot be written.
    pub fn apply_round(
        &self,
        reader: &mut JournalReader<Entry>,
        upto: Seq,
    ) -> Result<Option<Seq>, RecordsError> {
        self.apply_round_of(reader, upto, ROUND_EVENTS_MAX)
    }

    /// [`Records::apply_round`] with a bound of the caller's, in events.
    ///
    /// # Errors
    /// As [`Records::apply_round`].
    pub fn apply_round_of(
        &self,
        reader: &mut JournalReader<Entry>,
        upto: Seq,
        events_max: usize,
    ) -> Result<Option<Seq>, RecordsError> {
        let mut round = round::Round::begin(&*self.shelf, self.meta()?);
        let mut applied = 0;
        while applied < events_max {
            let Some(group) = reader.next_group(upto)? else {
                break;
            };
            for (seq, entry) in &group {
                applied += entry.events.len().max(1);
                round.apply(*seq, entry)?;
            }
        }
        if applied == 0 {
            return Ok(None);
        }
        round.commit().map(Some)
    }
}
