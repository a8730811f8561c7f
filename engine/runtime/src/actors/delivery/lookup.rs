//! Receipts about deliveries that the book does not have: the records are asked, on a loader thread.
//!
//! All that are asked for in one turn go together. The records must hold everything up to the last
//! delivery that the book forgot, so that what is neither in the book nor there is not known at all.

use didfarm_carriers::Receipt;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::{CarrierId, MessageId};
use didfarm_core::message::Message;
use didfarm_store::records::{Records, RecordsError};

use super::batch::DeliveryEffect;
use super::{DeliveryInput, DeliverySupervisor};
use crate::callback::Share;

/// Receipts that go to a loader thread as one job.
const RECEIPTS_PER_JOB_MAX: usize = 1_024;

/// What the records are asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    /// Which message has the carrier's id.
    Owner,
    /// What became of this message.
    Message(MessageId),
}

/// A receipt that waits for what the records say.
pub(crate) struct Asked {
    pub(super) carrier: CarrierId,
    pub(super) receipt: Receipt,
    pub(super) question: Question,
    pub(super) share: Option<Share>,
}

/// What they said.
pub(crate) struct LookedUp {
    asked: Asked,
    found: Result<Option<Box<InFlight>>, RecordsError>,
}

impl Asked {
    fn look_up(self, records: &Records) -> LookedUp {
        let found = self.find(records);
        LookedUp { asked: self, found }
    }

    fn find(&self, records: &Records) -> Result<Option<Box<InFlight>>, RecordsError> {
        let message = match self.question {
            Question::Owner => records.owner(self.carrier, &self.receipt.id)?,
            Question::Message(message) => Some(message),
        };
        let Some(message) = message else {
            return Ok(None);
        };
        let finished = records.message(message)?.and_then(finished);
        Ok(finished.filter(|delivery| delivery.delivery.carrier() == Some(self.carrier)))
    }
}

/// The delivery of a message that is finished.
fn finished(message: Message) -> Option<Box<InFlight>> {
    Some(Box::new(InFlight {
        message: message.id,
        account: message.account,
        number: message.number,
        conversation: message.conversation,
        channel: message.channel,
        charge: message.charge,
        accepted_at: message.created_at,
        phase_at: message.created_at,
        valid_until: message.valid_until.unwrap_or(message.created_at),
        batch: message.batch,
        has_status_url: message.status_url.is_some(),
        delivery: message.closed?,
        is_urgent: false,
        // It is not handed over any more.
        is_template: false,
    }))
}

impl DeliverySupervisor {
    /// Sends off what this turn wants to know.
    pub(super) fn send_lookups(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(RECEIPTS_PER_JOB_MAX));
            let job = std::mem::replace(&mut asked, rest);
            let engine = std::sync::Arc::clone(&self.engine);
            self.engine.read_after(
                &self.engine.loaders,
                self.book.forgotten(),
                move |records| {
                    job.into_iter()
                        .map(|asked| asked.look_up(records))
                        .collect()
                },
                move |found| engine.delivery.push(DeliveryInput::LookedUp(found)),
            );
        }
    }

    /// Joins a receipt to what the records know, or parks it.
    pub(super) fn looked_up(&mut self, looked_up: LookedUp) {
        let LookedUp { asked, found } = looked_up;
        let Asked {
            carrier,
            receipt,
            share,
            ..
        } = asked;
        match found {
            Ok(Some(finished)) => self.book.recall(*finished),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a receipt's message cannot be read");
                match share {
                    // The carrier brings it again.
                    Some(share) => drop(share),
                    None => self.park(carrier, receipt),
                }
                return;
            }
        }
        if let Some(receipt) = self.join_known(carrier, receipt) {
            self.park(carrier, receipt);
        }
        if let Some(share) = share {
            self.batch.effects.push(DeliveryEffect::Done(share));
        }
    }
}
