//! The delivery supervisor: every message on its way to a handset.
//!
//! Owns: the open deliveries, the carrier message ids that they own, parked receipts, the lane to the
//! carrier, and the deadlines. It alone decides transitions of deliveries. Never does: I/O; carriers
//! answer through its inbox. Messages: [`Drain`], [`Durable`]. Restart: the root supervisor
//! rebuilds it from the records; what was being submitted is in doubt then. Limits: those of the
//! settings (`submit_window`, `recent_finished_max`, `parked_receipts_max`), and the constants below.

mod book;
mod parked;
pub(crate) mod rebuild;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use didfarm_carriers::{Carrier, CarrierEvent, CarrierSink, Receipt, Submit, SubmitAnswer};
use didfarm_core::account::AccountEvent;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{Delivery, DeliveryEvent, InFlight, Input, Outcome, Phase};
use didfarm_core::event::{Entry, Event, ParkedReceipt};
use didfarm_core::ids::{AccountId, CarrierId, MessageId};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;

use self::book::Book;
use self::parked::ParkedReceipts;
use self::rebuild::Rebuilt;
use super::root::{Exited, RootSupervisor};
use crate::inbox::Drain;
use crate::meters::{AnswerOutcome, Kind, ReceiptOutcome};
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::shared::Shared;

/// Events that one journal entry holds at most.
const ENTRY_EVENTS_MAX: usize = 1_024;
/// How long a carrier has for its answer; past it the message is in doubt.
const ANSWER_DEADLINE_MS: u64 = 10_000;
/// How long work gathers before it is taken on: a message takes seconds to reach a handset, and a
/// group costs the threads a fraction of what its messages would one by one.
const LINGER: Duration = Duration::from_millis(5);
/// How often deadlines are looked at.
pub(crate) const TICK_MS: u64 = 50;
/// How often missing receipts are looked for.
const RECEIPT_SCAN_INTERVAL_MS: u64 = 10_000;

/// A message just accepted.
pub(crate) struct NewDelivery {
    pub(crate) in_flight: InFlight,
    pub(crate) submit: Submit,
}

/// What comes to the delivery supervisor from other threads.
pub(crate) enum DeliveryInput {
    New(Box<NewDelivery>),
    Carrier(CarrierId, Vec<CarrierEvent>),
    Released,
    /// Time has passed.
    Tick,
}

/// What is done once its cause is durable.
pub(crate) enum DeliveryEffect {
    Submit(Submit),
    Refund(AccountId, Micros),
    Status(Status),
    Receipts(ReceiptOutcome, u64),
}

/// Where carriers put answers and receipts.
pub(crate) struct DeliverySink(pub(crate) Arc<Shared>);

impl CarrierSink for DeliverySink {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        self.0.delivery.push(DeliveryInput::Carrier(carrier, group));
    }
}

/// What the next entry holds.
struct Batch {
    at: Timestamp,
    events: Vec<Event>,
    effects: Vec<DeliveryEffect>,
}

/// The actor.
pub(crate) struct DeliverySupervisor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<DeliveryEffect>>,
    bell: Arc<DurableBell>,
    root: Addr<RootSupervisor>,
    carrier: Arc<dyn Carrier>,
    book: Book,
    parked: ParkedReceipts,
    /// The lane: messages that wait for a place in the carrier's window.
    lane: VecDeque<MessageId>,
    /// Messages of quarantined numbers.
    held: Vec<MessageId>,
    /// Messages handed over and not answered, with their deadlines, oldest first.
    unanswered: VecDeque<(Timestamp, MessageId)>,
    outstanding: usize,
    /// Throttled messages and when they go again, soonest first.
    throttled: VecDeque<(Timestamp, MessageId)>,
    deadlines_at: Timestamp,
    receipts_scanned_at: Timestamp,
    batch: Batch,
}

impl DeliverySupervisor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        outbox: Rc<Outbox<DeliveryEffect>>,
        bell: Arc<DurableBell>,
        root: Addr<RootSupervisor>,
        carrier: Arc<dyn Carrier>,
        rebuilt: Rebuilt,
    ) -> DeliverySupervisor {
        engine.meters.born(Kind::Delivery);
        let now = engine.now();
        let engine_settings = &engine.settings.engine;
        let mut supervisor = DeliverySupervisor {
            book: Book::new(engine_settings.recent_finished_max),
            parked: ParkedReceipts::new(engine_settings.parked_receipts_max),
            engine,
            outbox,
            bell,
            root,
            carrier,
            lane: VecDeque::new(),
            held: Vec::new(),
            unanswered: VecDeque::new(),
            outstanding: 0,
            throttled: VecDeque::new(),
            deadlines_at: now,
            receipts_scanned_at: now,
            batch: Batch {
                at: now,
                events: Vec::new(),
                effects: Vec::new(),
            },
        };
        supervisor.take_over(rebuilt);
        supervisor
    }

    /// Starts from the records: the queued go on, what was being submitted is in doubt.
    fn take_over(&mut self, rebuilt: Rebuilt) {
        for (at, receipt) in rebuilt.parked {
            self.parked.put(at, receipt);
        }
        for (in_flight, submit) in rebuilt.open {
            let (message, phase) = (in_flight.message, in_flight.delivery.phase);
            self.book.open(in_flight, submit);
            match phase {
                Phase::Queued => self.lane.push_back(message),
                Phase::Submitting => {
                    self.drive(message, Input::NoAnswer);
                }
                Phase::InDoubt | Phase::Submitted | Phase::Refused => {}
            }
        }
        self.pump();
        self.flush();
    }

    fn input(&mut self, input: DeliveryInput) {
        match input {
            DeliveryInput::New(new) => {
                self.engine.faults.on_delivery(&new.submit.body);
                let message = new.in_flight.message;
                // After a restart of this actor the records already told of it.
                if self.book.open(new.in_flight, Some(new.submit)) {
                    self.lane.push_back(message);
                }
            }
            DeliveryInput::Carrier(carrier, group) => {
                for event in group {
                    match event {
                        CarrierEvent::Answer(message, answer) => {
                            self.answer(carrier, message, answer)
                        }
                        CarrierEvent::Receipt(receipt) => self.receipt(carrier, receipt),
                    }
                    self.flush_if_full();
                }
            }
            DeliveryInput::Released => self.lane.extend(self.held.drain(..)),
            DeliveryInput::Tick => {}
        }
    }

    fn answer(&mut self, carrier: CarrierId, message: MessageId, answer: SubmitAnswer) {
        let (input, kind) = match answer {
            SubmitAnswer::Accepted(ids) => (Input::Accepted { ids }, AnswerOutcome::Accepted),
            SubmitAnswer::Refused(reason) => (Input::Refused { reason }, AnswerOutcome::Refused),
            SubmitAnswer::Throttled => (Input::Throttled, AnswerOutcome::Throttled),
            SubmitAnswer::NoAnswer => (Input::NoAnswer, AnswerOutcome::NoAnswer),
        };
        let was_waiting = self.phase(message) == Some(Phase::Submitting);
        let outcome = self.drive(message, input);
        if !matches!(outcome, Outcome::Moved(_)) {
            self.engine.meters.answer(AnswerOutcome::OutOfPlace);
            return;
        }
        self.engine.meters.answer(kind);
        if was_waiting {
            self.outstanding -= 1;
        }
        match kind {
            AnswerOutcome::Accepted => self.claim_parked(carrier, message),
            AnswerOutcome::Throttled => {
                let due = self
                    .batch
                    .at
                    .plus_ms(self.engine.settings.engine.throttle_retry_ms);
                self.throttled.push_back((due, message));
            }
            AnswerOutcome::Refused | AnswerOutcome::NoAnswer | AnswerOutcome::OutOfPlace => {}
        }
    }

    /// Gives a message the receipts that came before its submit answer.
    fn claim_parked(&mut self, carrier: CarrierId, message: MessageId) {
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
                self.join(message, Input::Receipt { id, claim, reason });
            }
        }
    }

    fn receipt(&mut self, carrier: CarrierId, receipt: Receipt) {
        let Receipt { id, claim, reason } = receipt;
        if let Some(message) = self.book.owner(carrier, &id) {
            self.join(message, Input::Receipt { id, claim, reason });
            return;
        }
        let receipt = ParkedReceipt {
            carrier,
            id,
            claim,
            reason,
        };
        if self.parked.holds(&receipt) {
            self.count(ReceiptOutcome::Duplicate, 1);
            return;
        }
        if let Some(out) = self.parked.make_room() {
            self.batch
                .events
                .push(Event::ReceiptsUnparked(out.0, out.1));
            self.count(ReceiptOutcome::AgedOut, out.2);
        }
        self.batch
            .events
            .push(Event::ReceiptParked(receipt.clone()));
        self.parked.put(self.batch.at, receipt);
        self.count(ReceiptOutcome::Parked, 1);
    }

    fn join(&mut self, message: MessageId, input: Input) {
        let kind = match self.drive(message, input) {
            Outcome::Moved(_) => ReceiptOutcome::Moved,
            Outcome::Contradiction(_) => ReceiptOutcome::Contradiction,
            Outcome::Duplicate => ReceiptOutcome::Duplicate,
            Outcome::Late | Outcome::OutOfPlace => ReceiptOutcome::Late,
        };
        self.count(kind, 1);
    }

    /// Receipts are counted once what they did is durable.
    fn count(&mut self, outcome: ReceiptOutcome, count: u64) {
        self.batch
            .effects
            .push(DeliveryEffect::Receipts(outcome, count));
    }

    fn phase(&self, message: MessageId) -> Option<Phase> {
        self.book
            .get(message)
            .map(|in_flight| in_flight.delivery.phase)
    }

    /// Decides an input and applies what it comes to.
    fn drive(&mut self, message: MessageId, input: Input) -> Outcome {
        let Some(in_flight) = self.book.get_mut(message) else {
            return Outcome::Late;
        };
        let outcome = in_flight.delivery.decide(input);
        let (Outcome::Moved(event) | Outcome::Contradiction(event)) = &outcome else {
            return outcome;
        };
        let before = in_flight.delivery.status();
        in_flight.evolve(event, self.batch.at);
        let after = in_flight.delivery.status();
        if after != before {
            self.batch.effects.push(DeliveryEffect::Status(after));
        }
        self.batch
            .events
            .push(Event::Delivery(message, event.clone()));
        if let DeliveryEvent::SubmitRefused(_) = event {
            let (account, amount) = (in_flight.account, in_flight.charge);
            self.batch.events.push(Event::Account(
                account,
                AccountEvent::Refunded { message, amount },
            ));
            self.batch
                .effects
                .push(DeliveryEffect::Refund(account, amount));
        }
        self.book.settle(message, event);
        outcome
    }

    /// Hands over as many as the carrier's window takes.
    fn pump(&mut self) {
        let window = self.engine.settings.engine.submit_window;
        while self.outstanding < window {
            let Some(message) = self.lane.pop_front() else {
                return;
            };
            let Some(number) = self.book.get(message).map(|in_flight| in_flight.number) else {
                continue;
            };
            if self.engine.quarantine.holds(number) {
                self.held.push(message);
                continue;
            }
            if !matches!(self.drive(message, Input::Start), Outcome::Moved(_)) {
                continue;
            }
            let Some(submit) = self.book.submit(message) else {
                tracing::error!(%message, "a queued message has nothing to submit; it stays in doubt");
                self.drive(message, Input::NoAnswer);
                continue;
            };
            self.batch.effects.push(DeliveryEffect::Submit(submit));
            self.outstanding += 1;
            self.unanswered
                .push_back((self.batch.at.plus_ms(ANSWER_DEADLINE_MS), message));
            self.flush_if_full();
        }
    }

    fn flush_if_full(&mut self) {
        if self.batch.events.len() >= ENTRY_EVENTS_MAX {
            self.flush();
        }
    }

    /// Hands what was decided to the journal.
    fn flush(&mut self) {
        if self.batch.events.is_empty() && self.batch.effects.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.batch.events);
        let effects = std::mem::take(&mut self.batch.effects);
        self.outbox.append(
            Entry {
                at: self.batch.at,
                events,
            },
            effects,
        );
    }

    fn perform(&mut self) {
        let mut group = Vec::new();
        while let Some(effect) = self.outbox.next_due() {
            match effect {
                DeliveryEffect::Submit(submit) => group.push(submit),
                DeliveryEffect::Refund(account, amount) => {
                    if let Some(account) = self.engine.directory.account(account) {
                        account.credit(amount);
                    }
                }
                DeliveryEffect::Status(status) => self.engine.meters.status(status),
                DeliveryEffect::Receipts(outcome, count) => {
                    self.engine.meters.receipt(outcome, count)
                }
            }
        }
        if !group.is_empty() {
            self.engine.meters.submits.increment(group.len() as u64);
            self.carrier.submit(group);
        }
    }

    fn deadlines(&mut self) {
        let now = self.batch.at;
        while self.unanswered.front().is_some_and(|(due, _)| *due <= now) {
            let Some((due, message)) = self.unanswered.pop_front() else {
                break;
            };
            let overdue = self.book.get(message).is_some_and(|in_flight| {
                in_flight.delivery.phase == Phase::Submitting
                    && in_flight.phase_at.plus_ms(ANSWER_DEADLINE_MS) <= due
            });
            if overdue {
                self.drive(message, Input::NoAnswer);
                self.engine.meters.answer(AnswerOutcome::NoAnswer);
                self.outstanding -= 1;
            }
            self.flush_if_full();
        }
        while self.throttled.front().is_some_and(|(due, _)| *due <= now) {
            self.lane
                .extend(self.throttled.pop_front().map(|(_, message)| message));
        }
        if now.ms_since(self.receipts_scanned_at) >= RECEIPT_SCAN_INTERVAL_MS {
            self.receipts_scanned_at = now;
            self.missing_receipts();
        }
    }

    fn missing_receipts(&mut self) {
        let deadline_ms = self.engine.settings.engine.receipt_deadline_ms;
        for message in self.book.awaiting_since(self.batch.at, deadline_ms) {
            self.drive(message, Input::NoReceipt);
            self.flush_if_full();
        }
        let age_max_ms = self.engine.settings.engine.parked_receipt_age_max_ms;
        while let Some((carrier, id, receipts)) = self.parked.aged_out(self.batch.at, age_max_ms) {
            tracing::warn!(
                receipts,
                "parked receipts aged out: no message ever had their carrier message id"
            );
            self.batch.events.push(Event::ReceiptsUnparked(carrier, id));
            self.count(ReceiptOutcome::AgedOut, receipts);
            self.flush_if_full();
        }
    }

    fn observe(&self) {
        let meters = &self.engine.meters;
        meters.in_flight.set(self.book.len() as f64);
        meters.parked.set(self.parked.len() as f64);
        meters.lane.depth.set(self.lane.len() as f64);
        let oldest = self
            .lane
            .front()
            .and_then(|message| self.book.get(*message));
        let age_ms = oldest.map_or(0, |in_flight| {
            self.engine.now().ms_since(in_flight.accepted_at)
        });
        meters.lane.oldest_seconds.set(age_ms as f64 / 1_000.0);
    }
}

impl Actor for DeliverySupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.bell.heard_by(ctx.address().recipient());
        self.engine.delivery.read_by(ctx.address().recipient());
    }
}

impl Handler<Drain> for DeliverySupervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Context<Self>) {
        ctx.run_later(LINGER, |supervisor, _| supervisor.drain());
    }
}

impl DeliverySupervisor {
    fn drain(&mut self) {
        self.batch.at = self.engine.now();
        for input in self.engine.clone().delivery.take() {
            self.input(input);
        }
        if self.batch.at.ms_since(self.deadlines_at) >= TICK_MS {
            self.deadlines_at = self.batch.at;
            self.deadlines();
            self.observe();
        }
        self.pump();
        self.flush();
    }
}

impl Handler<Durable> for DeliverySupervisor {
    type Result = ();

    fn handle(&mut self, _: Durable, _: &mut Context<Self>) {
        self.perform();
    }
}

impl Drop for DeliverySupervisor {
    fn drop(&mut self) {
        self.engine.meters.gone(Kind::Delivery);
        self.root.do_send(Exited::Delivery);
    }
}

/// Whether a delivery waits for a receipt.
fn awaits_receipt(delivery: &Delivery) -> bool {
    delivery.phase == Phase::Submitted && !delivery.is_closed()
}
