//! Receipts: each finds its message, or is parked until the message is known.
//!
//! The carrier's id leads to the message when the book has it; our own id does when the carrier echoes
//! it; else the records are asked ([`super::lookup`]), and a receipt whose message nobody knows is parked.

use didfarm_carriers::Receipt;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{DeliveryEvent, Input, Outcome, Phase};
use didfarm_core::event::{Event, ParkedReceipt};
use didfarm_core::ids::{CarrierId, MessageId};

use super::DeliverySupervisor;
use super::lookup::{Asked, Question};
use crate::callback::Share;
use crate::meters::ReceiptOutcome;

impl DeliverySupervisor {
    /// Takes a receipt; `share` is the callback's that brought it.
    pub(super) fn receipt(&mut self, carrier: CarrierId, receipt: Receipt, share: Option<&Share>) {
        let Some(receipt) = self.join_known(carrier, receipt) else {
            return;
        };
        let question = match receipt.message {
            Some(message) if self.book.get(message).is_none() => Question::Message(message),
            // It is known and does not have the id yet: the submit answer is still to come.
            Some(_) => {
                self.park(carrier, receipt);
                return;
            }
            None if self.is_parked(carrier, &receipt) => {
                self.batch.count(ReceiptOutcome::Duplicate, 1);
                return;
            }
            None => Question::Owner,
        };
        self.asked.push(Asked {
            carrier,
            receipt,
            question,
            share: share.map(Share::split),
        });
    }

    /// Joins a receipt to a message that the book has; gives it back when there is none.
    pub(super) fn join_known(&mut self, carrier: CarrierId, receipt: Receipt) -> Option<Receipt> {
        let abilities = self.carriers.abilities(carrier);
        let owner = self.book.owner(carrier, &receipt.id);
        let named = receipt.message.filter(|message| {
            let delivery = self.book.get(*message).map(|open| &open.delivery);
            abilities.one_id && delivery.and_then(|delivery| delivery.carrier()) == Some(carrier)
        });
        // The carrier's id says whose it is; only an id that nobody has may be named by ours.
        let message = match (owner, named) {
            (Some(owner), _) => owner,
            (None, Some(named)) => named,
            (None, None) => return Some(receipt),
        };
        let Receipt {
            id, claim, reason, ..
        } = receipt;
        self.join(
            carrier,
            message,
            Input::Receipt {
                id,
                claim,
                reason,
                named: owner.is_none(),
            },
        );
        None
    }

    fn join(&mut self, carrier: CarrierId, message: MessageId, input: Input) {
        let phase = self.book.get(message).map(|open| open.delivery.phase);
        let arrived = matches!(
            input,
            Input::Receipt {
                claim: Claim::Delivered | Claim::Read,
                ..
            }
        );
        let outcome = self.drive(message, input.clone());
        if matches!(outcome, Outcome::Moved(_) | Outcome::Contradiction(_)) {
            self.learn_from(message, &input);
        }
        if matches!(outcome, Outcome::Moved(DeliveryEvent::ReceiptAccepted(..))) {
            if phase == Some(Phase::Submitting) {
                self.answered_by_receipt(carrier, message);
            }
            self.claim_parked(carrier, message);
        }
        let kind = match outcome {
            Outcome::Moved(_) => ReceiptOutcome::Moved,
            Outcome::Contradiction(_) => ReceiptOutcome::Contradiction,
            Outcome::Duplicate => ReceiptOutcome::Duplicate,
            Outcome::Late | Outcome::OutOfPlace if arrived && phase == Some(Phase::Refused) => {
                tracing::error!(%message, "a message whose charge was given back has arrived");
                ReceiptOutcome::AfterRefund
            }
            Outcome::Late | Outcome::OutOfPlace => ReceiptOutcome::Late,
        };
        self.batch.count(kind, 1);
    }

    /// Gives a message the receipts that came before its ids were known.
    pub(super) fn claim_parked(&mut self, carrier: CarrierId, message: MessageId) {
        for id in self.book.carrier_ids(message) {
            let receipts = self.parked.claim(carrier, &id);
            if receipts.is_empty() {
                continue;
            }
            self.batch.events.push(Event::ReceiptsUnparked(carrier, id));
            for receipt in receipts {
                let ParkedReceipt {
                    id, claim, reason, ..
                } = receipt;
                let input = Input::Receipt {
                    id,
                    claim,
                    reason,
                    named: false,
                };
                self.join(carrier, message, input);
            }
        }
    }

    fn is_parked(&self, carrier: CarrierId, receipt: &Receipt) -> bool {
        self.parked.holds(&parked(carrier, receipt.clone()))
    }

    /// Keeps a receipt until its message is known.
    pub(super) fn park(&mut self, carrier: CarrierId, receipt: Receipt) {
        let receipt = parked(carrier, receipt);
        if self.parked.holds(&receipt) {
            self.batch.count(ReceiptOutcome::Duplicate, 1);
            return;
        }
        if let Some((carrier, id, count)) = self.parked.make_room() {
            self.batch.events.push(Event::ReceiptsAgedOut(carrier, id));
            self.batch.count(ReceiptOutcome::AgedOut, count);
        }
        self.batch
            .events
            .push(Event::ReceiptParked(receipt.clone()));
        self.parked.put(self.batch.at, receipt);
        self.batch.count(ReceiptOutcome::Parked, 1);
    }
}

fn parked(carrier: CarrierId, receipt: Receipt) -> ParkedReceipt {
    ParkedReceipt {
        carrier,
        id: receipt.id,
        claim: receipt.claim,
        reason: receipt.reason,
    }
}
