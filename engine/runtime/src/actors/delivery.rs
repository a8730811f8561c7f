//! The delivery supervisor: every message on its way to a handset.
//!
//! Owns: the open deliveries, the carrier message ids that they own, parked receipts, parts of inbound
//! messages, the lane to each carrier with its circuit, and the deadlines. It alone decides transitions
//! of deliveries. Never does: I/O; carriers answer through its inbox, and what it wants from the records
//! a loader thread reads. Messages: [`Drain`], [`Durable`]. Restart: the root supervisor rebuilds it from
//! the records; what was being submitted is in doubt then, callbacks that it had in hand are not
//! acknowledged and come again. Limits: those of the settings, and the constants in its files.

mod batch;
pub(crate) mod batches;
mod book;
mod calendar;
mod circuit;
mod deadlines;
mod gates;
mod lane;
mod lookup;
mod observe;
mod opting_out;
mod pacing;
mod parked;
mod parts;
pub(crate) mod rebuild;
mod receipts;
mod receiving;
mod run;
pub(crate) mod scheduling;
mod slab;
mod submitting;
mod way;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use didfarm_carriers::{CarrierEvent, Receipt, Submit};
use didfarm_core::delivery::{InFlight, Input, Outcome, Phase, Rescheduled};
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{AccountId, CarrierId, ConversationId, MessageId};
use didfarm_core::parts::{Part, PartsKey};
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use tokio::sync::oneshot;

use self::batch::Batch;
pub(crate) use self::batch::DeliveryEffect;
use self::batches::{BatchInput, Cancelled};
use self::book::Book;
use self::calendar::Calendar;
use self::gates::Gates;
use self::lookup::{Asked, LookedUp};
use self::pacing::Pacing;
use self::parked::ParkedReceipts;
use self::parts::PartsDesk;
use self::rebuild::Rebuilt;
use self::scheduling::{ListScheduled, Read, ScheduleReply, Sweep, Sweeping, Waiting};
use self::submitting::Submitting;
use super::root::{Exited, RootSupervisor};
use crate::account::Place;
use crate::callback::Share;
use crate::carriers::Carriers;
use crate::inbox::Drain;
use crate::limits::NumberLimit;
use crate::meters::Kind;
use crate::operate::{OperateError, Resolution};
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::shared::Shared;

/// How long work gathers before it is taken on: a message takes seconds to reach a handset, and a
/// group costs the threads a fraction of what its messages would one by one.
const LINGER: Duration = Duration::from_millis(5);
/// The same while carriers wait for the answers to their callbacks.
const LINGER_CALLBACKS: Duration = Duration::from_millis(1);
/// How often deadlines are looked at.
pub(crate) const TICK_MS: u64 = 50;

/// A message just accepted.
pub(crate) struct NewDelivery {
    pub(crate) in_flight: InFlight,
    pub(crate) submit: Box<Submit>,
    /// Its place in its account's line, if it came in a batch.
    pub(crate) place: Option<Place>,
}

/// What comes to the delivery supervisor from other threads.
pub(crate) enum DeliveryInput {
    New(Box<NewDelivery>),
    Carrier(CarrierId, Vec<CarrierEvent>),
    /// Receipts of a callback.
    Receipts(CarrierId, Vec<Receipt>, Share),
    /// Parts of a callback.
    Parts(Vec<Part>, Share),
    /// The message of these parts is stored, or nobody wants it.
    PartsStored(PartsKey),
    /// What the records said of receipts.
    LookedUp(Vec<LookedUp>),
    /// An operator settles a message in doubt.
    Resolve(
        MessageId,
        Resolution,
        oneshot::Sender<Result<(), OperateError>>,
    ),
    /// An operator asks for the messages in doubt, the oldest first, at most so many.
    ListInDoubt(usize, oneshot::Sender<Vec<InFlight>>),
    /// An operator asks for parked receipts, the oldest first, at most so many.
    ListParked(usize, oneshot::Sender<Vec<(Timestamp, ParkedReceipt)>>),
    Released,
    /// What the records said of messages whose time comes.
    ScheduledRead(Vec<Read>),
    /// A customer cancels a message.
    Cancel(Waiting, ScheduleReply),
    /// A customer gives a message another time.
    Reschedule(Waiting, Rescheduled, ScheduleReply),
    /// A customer cancels many.
    Sweep(Sweep),
    /// There is more of that to be done.
    SweepOn,
    /// A customer asks for scheduled messages.
    ListScheduled(ListScheduled),
    /// The peer of a conversation opted out: what waits of it does not go.
    OptedOut(ConversationId),
    /// A customer's batch.
    Batch(BatchInput),
    /// A customer asks for the limits of the account's numbers.
    Limits(AccountId, oneshot::Sender<Vec<NumberLimit>>),
    /// Time has passed.
    Tick,
}

/// The actor.
pub(crate) struct DeliverySupervisor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<DeliveryEffect>>,
    bell: Arc<DurableBell>,
    root: Addr<RootSupervisor>,
    carriers: Arc<Carriers>,
    book: Book,
    parked: ParkedReceipts,
    parts: PartsDesk,
    calendar: Calendar,
    pacing: Pacing,
    gates: Gates,
    cancelled: Cancelled,
    /// How far the records must be to hold every scheduled message whose text was let go.
    laid_by: Seq,
    /// Scheduled messages that could not be read.
    unread: Vec<MessageId>,
    /// Cancels of many, which take several turns.
    sweeps: VecDeque<Sweeping>,
    submitting: Submitting,
    /// Receipts that wait to be looked up in the records.
    asked: Vec<Asked>,
    ticked_at: Timestamp,
    scanned_at: Timestamp,
    /// Whether the last turn had callbacks in it.
    had_callbacks: bool,
    batch: Batch,
}

impl DeliverySupervisor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        outbox: Rc<Outbox<DeliveryEffect>>,
        bell: Arc<DurableBell>,
        root: Addr<RootSupervisor>,
        carriers: Arc<Carriers>,
        rebuilt: Rebuilt,
    ) -> DeliverySupervisor {
        engine.meters.born(Kind::Delivery);
        let mono = engine.mono();
        let mut supervisor = DeliverySupervisor {
            submitting: Submitting::new(&carriers, &engine.settings, (&engine.clock, mono)),
            book: rebuilt.book,
            parked: rebuilt.parked,
            parts: rebuilt.parts,
            calendar: rebuilt.calendar,
            pacing: Pacing::new(),
            cancelled: Cancelled::default(),
            gates: Gates::new(&engine.settings, Arc::clone(&engine.clock)),
            laid_by: Seq::ZERO,
            unread: Vec::new(),
            sweeps: VecDeque::new(),
            asked: Vec::new(),
            ticked_at: mono,
            scanned_at: mono,
            had_callbacks: false,
            batch: Batch::new(engine.now(), mono),
            engine,
            outbox,
            bell,
            root,
            carriers,
        };
        // What its predecessor told of its lines and its calendar is not so any more.
        for account in supervisor.engine.directory.accounts() {
            account.set_line_moves(false);
            account.set_scheduled(supervisor.calendar.len_of(account.id()));
        }
        supervisor.engine.bars.restore(rebuilt.barred);
        for message in rebuilt.unanswered {
            supervisor.drive(message, Input::NoAnswer);
        }
        for batch in rebuilt.batches {
            supervisor.know_batch(&batch);
        }
        for (account, batch) in rebuilt.expected {
            supervisor.pacing.expect(account, Some(batch));
        }
        for message in rebuilt.queued {
            supervisor.enqueue(message);
        }
        for message in rebuilt.in_line {
            supervisor.line_up(message, None);
        }
        for message in rebuilt.cancelled {
            supervisor.drive(message, Input::Cancel);
            supervisor.flush_if_full();
        }
        supervisor.release_due();
        supervisor.pump();
        supervisor.flush();
        supervisor
    }

    fn input(&mut self, input: DeliveryInput) {
        match input {
            DeliveryInput::New(new) => {
                self.engine.faults.on_delivery(&new.submit.body);
                let message = new.in_flight.message;
                let is_scheduled = new.in_flight.scheduled_for().is_some();
                let (account, batch) = (new.in_flight.account, new.in_flight.batch);
                // After a restart of this actor the records already told of it.
                if self.book.open(new.in_flight, Some(new.submit)) {
                    match (is_scheduled, batch) {
                        (_, Some(_)) if self.is_cancelled(batch) => {
                            self.note_time(message, None);
                            self.pacing.expect(account, batch);
                            self.drive(message, Input::Cancel);
                        }
                        (true, _) => {
                            self.note_time(message, None);
                            self.pacing.expect(account, batch);
                        }
                        (false, Some(_)) => self.line_up(message, new.place),
                        (false, None) => self.enqueue(message),
                    }
                }
            }
            DeliveryInput::Carrier(carrier, group) => {
                for event in group {
                    match event {
                        CarrierEvent::Answer(message, answer) => {
                            self.answer(carrier, message, answer);
                        }
                        CarrierEvent::Receipt(receipt) => self.receipt(carrier, receipt, None),
                    }
                    self.flush_if_full();
                }
            }
            DeliveryInput::Receipts(carrier, receipts, share) => {
                self.had_callbacks = true;
                for receipt in receipts {
                    self.receipt(carrier, receipt, Some(&share));
                    self.flush_if_full();
                }
                self.batch.effects.push(DeliveryEffect::Done(share));
            }
            DeliveryInput::Parts(parts, share) => self.take_parts(parts, share),
            DeliveryInput::PartsStored(key) => self.parts_stored(key),
            DeliveryInput::LookedUp(found) => {
                for looked_up in found {
                    self.looked_up(looked_up);
                    self.flush_if_full();
                }
            }
            DeliveryInput::Resolve(message, resolution, reply) => {
                self.resolve(message, resolution, reply);
            }
            // An operator who has gone need not be told.
            DeliveryInput::ListInDoubt(limit, reply) => drop(reply.send(self.in_doubt(limit))),
            DeliveryInput::ListParked(limit, reply) => drop(reply.send(self.parked.list(limit))),
            DeliveryInput::Released => self.release(),
            DeliveryInput::ScheduledRead(found) => {
                for read in found {
                    self.scheduled_read(read);
                    self.flush_if_full();
                }
            }
            DeliveryInput::Cancel(waiting, reply) => self.cancel(waiting, reply),
            DeliveryInput::Reschedule(waiting, to, reply) => self.reschedule(waiting, to, reply),
            DeliveryInput::Sweep(sweep) => self.begin_sweep(sweep),
            // The turn goes on with it.
            DeliveryInput::SweepOn => {}
            DeliveryInput::ListScheduled(list) => self.list_scheduled(list),
            DeliveryInput::OptedOut(conversation) => self.engine.bars.heard(conversation),
            DeliveryInput::Batch(input) => self.batch_input(input),
            // A customer who has gone need not be told.
            DeliveryInput::Limits(account, reply) => {
                drop(reply.send(self.gates.of_account(account, self.batch.mono)));
            }
            DeliveryInput::Tick => {}
        }
    }

    /// Decides an input and applies what it comes to.
    fn drive(&mut self, message: MessageId, input: Input) -> Outcome {
        let Some(in_flight) = self.book.get_mut(message) else {
            return Outcome::Late;
        };
        let before = in_flight.scheduled_for();
        let outcome = in_flight.delivery.decide(input);
        if let Outcome::Moved(event) | Outcome::Contradiction(event) = &outcome {
            self.batch.apply(&self.engine, in_flight, event);
            let phase = in_flight.delivery.phase;
            if before.is_some() {
                let (account, batch) = (in_flight.account, in_flight.batch);
                if phase != Phase::Scheduled {
                    self.pacing.came(account, batch);
                }
                self.note_time(message, before);
            }
            self.book.settle(message, event);
            match phase {
                Phase::Scheduled | Phase::Queued | Phase::Submitting | Phase::InDoubt => {}
                Phase::Submitted | Phase::Refused | Phase::Cancelled | Phase::GivenUp => {
                    self.submitting.forget(message);
                    self.gates.forget(message);
                }
            }
        }
        outcome
    }

    fn drain(&mut self) {
        self.batch.at = self.engine.now();
        self.batch.mono = self.engine.mono();
        self.had_callbacks = false;
        for input in self.engine.clone().delivery.take() {
            self.input(input);
        }
        if self.batch.mono.ms_since(self.ticked_at) >= TICK_MS {
            self.ticked_at = self.batch.mono;
            self.tick();
            self.observe();
        }
        self.sweep_on();
        self.release_due();
        self.release_lines();
        self.release_gates();
        let hands_over = self.pump();
        self.flush();
        let unanswered = self.submitting.unanswered();
        self.engine.unanswered.store(unanswered, Ordering::Release);
        self.engine.hands_over.store(hands_over, Ordering::Release);
        self.send_lookups();
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
        let linger = match self.had_callbacks {
            true => LINGER_CALLBACKS,
            false => LINGER,
        };
        ctx.run_later(linger, |supervisor, _| supervisor.drain());
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
