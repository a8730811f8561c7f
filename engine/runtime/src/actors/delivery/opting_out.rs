//! Opting out: messages that do not go any more, and what carriers teach of their peers.
//!
//! A message whose peer opted out is settled where it is met: when its turn comes, when it is about to be
//! given to the carrier, and by a scan of the book for those that wait longer. One that a carrier may have
//! is left to its answer; if it was not taken, it meets the bar at its next turn.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::consent::{ConsentCause, ConsentChange, ConsentEvent};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Input, Outcome, Phase};
use didfarm_core::ids::{CarrierId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::reason::Reason;
use rustc_hash::FxHashSet;

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use crate::actors::conversation::{ConsentCommand, ConsentReply};
use crate::actors::partition::PartitionInput;
use crate::shared::Shared;

impl DeliverySupervisor {
    /// Whether a message does not go because its peer opted out after it was accepted.
    pub(super) fn is_barred(&self, message: MessageId) -> bool {
        let open = self.book.get(message);
        open.is_some_and(|open| self.engine.bars.holds(open))
    }

    /// Settles the messages behind bars that wait, and takes down the bars with nothing open behind them.
    pub(super) fn settle_barred(&mut self) {
        let Some(bars) = self.engine.bars.list() else {
            return;
        };
        let (mut waiting, mut unsettled) = (Vec::new(), FxHashSet::default());
        for open in self.book.open_deliveries() {
            let upto = || bars.get(&open.conversation);
            let is_barred =
                || upto().is_some_and(|upto| upto.holds(open.message, open.is_template));
            match open.delivery.phase {
                Phase::Scheduled | Phase::Queued if is_barred() => waiting.push(open.message),
                Phase::Submitting | Phase::InDoubt if is_barred() => {
                    unsettled.insert(open.conversation);
                }
                Phase::Scheduled | Phase::Queued | Phase::Submitting | Phase::InDoubt => {}
                // Most of the book: a carrier has them, or they are over.
                Phase::Submitted | Phase::Refused | Phase::Cancelled | Phase::GivenUp => {}
            }
        }
        for message in waiting {
            let reason = Reason::OptedOut;
            self.drive(message, Input::Forbid { reason });
            self.flush_if_full();
        }
        self.engine.bars.settle(&unsettled);
    }

    /// Settles a message that was about to be given to the carrier: the intent is durable, and nobody was
    /// asked.
    pub(super) fn withhold(&mut self, carrier: CarrierId, message: MessageId) {
        let phase = self.book.get(message).map(|open| open.delivery.phase);
        let reason = Reason::OptedOut;
        let outcome = self.drive(message, Input::Refused { reason });
        if matches!(outcome, Outcome::Moved(_)) && phase == Some(Phase::Submitting) {
            self.submitting.withheld(carrier, message);
        }
    }

    /// Learns from a carrier's word on a message that its peer opted out there, once that is durable.
    pub(super) fn learn_from(&mut self, message: MessageId, input: &Input) {
        let says_so = matches!(
            input,
            Input::Refused {
                reason: Reason::OptedOut,
            } | Input::Receipt {
                claim: Claim::Failed,
                reason: Some(Reason::OptedOut),
                ..
            }
        );
        if says_so {
            self.batch.effects.push(DeliveryEffect::OptedOut(message));
        }
    }
}

/// Tells the conversation of a message that its peer opted out at the carrier.
///
/// A crash on the way loses the lesson and nothing else: the next message is refused the same way.
pub(super) fn teach(engine: &Arc<Shared>, message: MessageId) {
    let shared = Arc::clone(engine);
    engine.read_after(
        &engine.loaders,
        engine.journal.durable(),
        move |records| records.message(message),
        move |found| match found {
            Ok(Some(found)) => {
                let command = command(&found);
                shared
                    .partition_of(found.number)
                    .push(PartitionInput::Consent(Box::new(command)));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "a message cannot be read; its peer's opt-out is not recorded");
            }
        },
    );
}

fn command(message: &Message) -> ConsentCommand {
    let cause = match message.channel {
        Channel::Sms => ConsentCause::Carrier,
        Channel::WhatsApp => ConsentCause::WhatsApp,
    };
    ConsentCommand {
        number: message.number,
        peer: message.to.clone(),
        said: ConsentEvent {
            change: ConsentChange::OptedOut,
            cause,
            evidence: Some(message.id),
            word: None,
            note: None,
            stated_at: None,
        },
        reply: ConsentReply::Nobody,
        permit: None,
    }
}
