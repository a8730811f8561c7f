//! What the next journal entry of the delivery supervisor holds, and what is done once it is durable.

use std::sync::Arc;

use didfarm_carriers::{Query, Submit};
use didfarm_core::account::AccountEvent;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{DeliveryEvent, InFlight, Phase};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, CarrierId, MessageId};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::{EventType, Fact};
use didfarm_store::seq::Seq;
use tokio::sync::oneshot;

use super::batches::CommandReply;
use super::scheduling::{ScheduleReply, Sweep};
use super::{DeliverySupervisor, opting_out};
use crate::batches::BatchWriter;
use crate::callback::Share;
use crate::meters::ReceiptOutcome;
use crate::offers::{About, Offer, Tell};
use crate::operate::OperateError;
use crate::schedule::NotWaiting;
use crate::shared::Shared;

/// Events that one journal entry holds at most, but for those of one last input.
const ENTRY_EVENTS_MAX: usize = 1_024;

/// What is done once its cause is durable.
pub(crate) enum DeliveryEffect {
    Submit(CarrierId, Submit),
    Query(CarrierId, Query),
    Refund(AccountId, Micros),
    Status(Status),
    Receipts(ReceiptOutcome, u64),
    Tell(Tell),
    Done(Share),
    /// A carrier did not take a message because its peer opted out there.
    OptedOut(MessageId),
    Resolved(oneshot::Sender<Result<(), OperateError>>),
    BatchOpened(oneshot::Sender<Arc<BatchWriter>>, Arc<BatchWriter>),
    Noted(oneshot::Sender<()>, Arc<BatchWriter>),
    Caught(CommandReply, u64),
    Changed(ScheduleReply, Result<(), NotWaiting>),
    Swept(Sweep, u64),
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

    /// Applies what happened to a delivery and notes it, with what follows for the wallet and whom it is
    /// told.
    pub(super) fn apply(
        &mut self,
        engine: &Shared,
        in_flight: &mut InFlight,
        event: &DeliveryEvent,
    ) {
        let shown = |open: &InFlight| (open.delivery.status(), open.delivery.is_read());
        let before = shown(in_flight);
        in_flight.evolve(event, self.at);
        let after = shown(in_flight);
        if after.0 != before.0 {
            self.effects.push(DeliveryEffect::Status(after.0));
            engine.heard(in_flight);
        }
        let message = in_flight.message;
        self.events.push(Event::Delivery(message, event.clone()));
        if after != before {
            self.tell_status(engine, in_flight);
        }
        if event.gives_back() {
            let (account, amount) = (in_flight.account, in_flight.charge);
            let refunded = AccountEvent::Refunded { message, amount };
            self.events.push(Event::Account(account, refunded));
            self.effects.push(DeliveryEffect::Refund(account, amount));
        }
    }

    /// Tells endpoints the status that a message has now.
    fn tell_status(&mut self, engine: &Shared, in_flight: &InFlight) {
        let Some(account) = engine.directory.account(in_flight.account) else {
            return;
        };
        let about = About {
            number: Some(in_flight.number),
            channel: Some(in_flight.channel),
            conversation: Some(in_flight.conversation),
        };
        let delivery = &in_flight.delivery;
        let fact = || Fact::MessageStatus {
            message: in_flight.message,
            status: delivery.status(),
            reason: delivery.reason(),
            is_read: delivery.is_read(),
            is_taken: delivery.phase == Phase::Submitted,
        };
        let mut to = account.targets(EventType::MessageStatus, about.number, about.channel);
        if in_flight.has_status_url {
            to.extend(account.status_target());
        }
        let offer = engine.offer_to(self.at, &account, about, to, fact);
        if let Some(Offer { event, tell }) = offer {
            self.events.push(event);
            self.effects.push(DeliveryEffect::Tell(tell));
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
        if !self.batch.events.is_empty() || !self.batch.effects.is_empty() {
            self.flush_now();
        }
    }

    /// As [`DeliverySupervisor::flush`]; gives the entry.
    pub(super) fn flush_now(&mut self) -> Seq {
        let entry = Entry {
            at: self.batch.at,
            events: std::mem::take(&mut self.batch.events),
        };
        let effects = std::mem::take(&mut self.batch.effects);
        let seq = self.outbox.append(entry, effects);
        self.book.flushed(seq);
        seq
    }

    fn withhold_all(&mut self, messages: Vec<(CarrierId, MessageId)>) {
        if messages.is_empty() {
            return;
        }
        self.batch.at = self.engine.now();
        for (carrier, message) in messages {
            self.withhold(carrier, message);
            self.flush_if_full();
        }
        self.flush();
    }

    /// Does what is due, in the order in which it was decided.
    pub(super) fn perform(&mut self) {
        let mut submits: Vec<(CarrierId, Vec<Submit>)> = Vec::new();
        let mut withheld = Vec::new();
        let mut queries: Vec<(CarrierId, Vec<Query>)> = Vec::new();
        while let Some(effect) = self.outbox.next_due() {
            match effect {
                DeliveryEffect::Submit(carrier, submit) if self.is_barred(submit.message) => {
                    withheld.push((carrier, submit.message));
                }
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
                DeliveryEffect::OptedOut(message) => opting_out::teach(&self.engine, message),
                DeliveryEffect::Tell(tell) => tell.perform(&self.engine),
                DeliveryEffect::Done(share) => share.done(),
                // An operator who has gone sees it in the message.
                DeliveryEffect::Resolved(reply) => drop(reply.send(Ok(()))),
                DeliveryEffect::Changed(reply, done) => drop(reply.send(done)),
                DeliveryEffect::Swept(sweep, caught) => sweep.reply.caught(caught),
                // A customer who has gone goes on with the same key, or does not.
                DeliveryEffect::BatchOpened(reply, writer) => drop(reply.send(writer)),
                DeliveryEffect::Noted(reply, _writer) => drop(reply.send(())),
                DeliveryEffect::Caught(reply, caught) => drop(reply.send(Ok(caught))),
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
        self.withhold_all(withheld);
    }
}

/// Adds to a carrier's group; there are few carriers.
fn add<T>(groups: &mut Vec<(CarrierId, Vec<T>)>, carrier: CarrierId, item: T) {
    match groups.iter_mut().find(|(known, _)| *known == carrier) {
        Some((_, group)) => group.push(item),
        None => groups.push((carrier, vec![item])),
    }
}
