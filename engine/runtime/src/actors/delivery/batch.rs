//! What the next journal entry of the delivery supervisor holds, and what is done once it is durable.

use didfarm_carriers::{Query, Submit};
use didfarm_core::account::AccountEvent;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{DeliveryEvent, InFlight};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, CarrierId};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

use super::DeliverySupervisor;
use crate::callback::Share;
use crate::meters::ReceiptOutcome;
use crate::operate::OperateError;

/// Events that one journal entry holds at most, but for those of one last input.
const ENTRY_EVENTS_MAX: usize = 1_024;

/// What is done once its cause is durable.
pub(crate) enum DeliveryEffect {
    Submit(CarrierId, Submit),
    Query(CarrierId, Query),
    Refund(AccountId, Micros),
    Status(Status),
    Receipts(ReceiptOutcome, u64),
    Done(Share),
    Resolved(oneshot::Sender<Result<(), OperateError>>),
}

/// The next entry.
pub(super) struct Batch {
    /// The wall clock: facts are dated by it.
    pub(super) at: Timestamp,
    /// The monotonic clock, on the same scale: waiting is measured by it.
    pub(super) mono: Timestamp,
    pub(super) events: Vec<Event>,
    pub(super) effects: Vec<DeliveryEffect>,
}

impl Batch {
    pub(super) fn new(at: Timestamp, mono: Timestamp) -> Batch {
        Batch {
            at,
            mono,
            events: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Applies what happened to a delivery and notes it, with what follows for the wallet.
    pub(super) fn apply(&mut self, in_flight: &mut InFlight, event: &DeliveryEvent) {
        let before = in_flight.delivery.status();
        in_flight.evolve(event, self.at);
        let after = in_flight.delivery.status();
        if after != before {
            self.effects.push(DeliveryEffect::Status(after));
        }
        let message = in_flight.message;
        self.events.push(Event::Delivery(message, event.clone()));
        if event.gives_back() {
            let (account, amount) = (in_flight.account, in_flight.charge);
            let refunded = AccountEvent::Refunded { message, amount };
            self.events.push(Event::Account(account, refunded));
            self.effects.push(DeliveryEffect::Refund(account, amount));
        }
    }

    /// Receipts are counted once what they did is durable.
    pub(super) fn count(&mut self, outcome: ReceiptOutcome, count: u64) {
        self.effects.push(DeliveryEffect::Receipts(outcome, count));
    }
}

impl DeliverySupervisor {
    pub(super) fn flush_if_full(&mut self) {
        if self.batch.events.len() >= ENTRY_EVENTS_MAX {
            self.flush();
        }
    }

    /// Hands what was decided to the journal. Effects without events wait for everything before them.
    pub(super) fn flush(&mut self) {
        if self.batch.events.is_empty() && self.batch.effects.is_empty() {
            return;
        }
        let entry = Entry {
            at: self.batch.at,
            events: std::mem::take(&mut self.batch.events),
        };
        let effects = std::mem::take(&mut self.batch.effects);
        let seq = self.outbox.append(entry, effects);
        self.book.flushed(seq);
    }

    /// Does what is due, in the order in which it was decided.
    pub(super) fn perform(&mut self) {
        let mut submits: Vec<(CarrierId, Vec<Submit>)> = Vec::new();
        let mut queries: Vec<(CarrierId, Vec<Query>)> = Vec::new();
        while let Some(effect) = self.outbox.next_due() {
            match effect {
                DeliveryEffect::Submit(carrier, submit) => add(&mut submits, carrier, submit),
                DeliveryEffect::Query(carrier, query) => add(&mut queries, carrier, query),
                DeliveryEffect::Refund(account, amount) => {
                    if let Some(account) = self.engine.directory.account(account) {
                        account.credit(amount);
                    }
                }
                DeliveryEffect::Status(status) => self.engine.meters.status(status),
                DeliveryEffect::Receipts(outcome, count) => {
                    self.engine.meters.receipt(outcome, count);
                    self.engine.pace.count(count);
                }
                DeliveryEffect::Done(share) => share.done(),
                // An operator who has gone sees it in the message.
                DeliveryEffect::Resolved(reply) => drop(reply.send(Ok(()))),
            }
        }
        for (carrier, group) in submits {
            self.engine.meters.submits.increment(group.len() as u64);
            if let Some(carrier) = self.carriers.get(carrier) {
                carrier.submit(group);
            }
        }
        for (carrier, group) in queries {
            if let Some(carrier) = self.carriers.get(carrier) {
                carrier.query(group);
            }
        }
    }
}

/// Adds to a carrier's group; there are few carriers.
fn add<T>(groups: &mut Vec<(CarrierId, Vec<T>)>, carrier: CarrierId, item: T) {
    match groups.iter_mut().find(|(known, _)| *known == carrier) {
        Some((_, group)) => group.push(item),
        None => groups.push((carrier, vec![item])),
    }
}
