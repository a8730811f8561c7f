//! The partition actor: the supervisor of the numbers that live on one arbiter.
//!
//! Owns: the numbers of its share, what waits to become durable, the pairs to be looked up. Never
//! does: decide anything. Messages: [`Drain`], [`Durable`], [`FlushLookups`], [`LookedUp`],
//! [`NumberFailed`], [`SweepAll`]. Restart: the root supervisor starts a new one on the same arbiter
//! with the same outbox; its numbers start anew from the directory. Limits: commands are bounded by
//! permits, look-ups by the commands that wait for them.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use didfarm_core::abuse::stop::TrafficStop;
use didfarm_core::channel::Channel;
use didfarm_core::consent::{ConsentCause, ConsentChange};
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::{ConversationId, NumberId};
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_store::seq::Seq;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::conversation::{
    ConsentCommand, ConsentReply, ReceiveCommand, ReceiveReply, SendCommand,
};
use super::delivery::{DeliveryInput, NewDelivery};
use super::number::{Loaded, NumberActor, RenewSms, SetNumber, SetReply, Sweep};
use super::root::{Exited, RootSupervisor};
use crate::account::AccountHandle;
use crate::admission::Permit;
use crate::batches::{AcceptedRow, RowReply};
use crate::inbox::Drain;
use crate::meters::Kind;
use crate::meters::auto_reply::AutoReplyOutcome;
use crate::offers::Tell;
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::receive::ReceivedMessage;
use crate::send::{SendError, SentMessage, Unavailable};
use crate::shared::Shared;

/// Look-ups that go to a reader thread as one job.
const LOOKUPS_PER_JOB_MAX: usize = 1_024;

/// What comes to a partition from other threads.
pub(crate) enum PartitionInput {
    Send(Box<SendCommand>),
    /// Rows of a batch.
    SendMany(Vec<SendCommand>),
    Receive(Box<ReceiveCommand>),
    Consent(Box<ConsentCommand>),
    Set(SetNumber),
    Renew(RenewSms),
    Host(Box<Number>),
}

/// What is done once its cause is durable.
pub(crate) enum Effect {
    Accepted {
        sent: Box<SentMessage>,
        delivery: Box<NewDelivery>,
        reply: oneshot::Sender<Result<SentMessage, SendError>>,
        _permit: Option<Permit>,
    },
    /// A row of a batch was accepted.
    RowAccepted {
        row: AcceptedRow,
        delivery: Box<NewDelivery>,
        reply: RowReply,
    },
    Received {
        received: ReceivedMessage,
        channel: Channel,
        reply: ReceiveReply,
        _permit: Option<Permit>,
    },
    /// A number answered by itself.
    Answered {
        channel: Channel,
        delivery: Box<NewDelivery>,
    },
    /// A peer opted out or in.
    Consent {
        change: ConsentChange,
        cause: ConsentCause,
        /// The conversation whose earlier messages do not go.
        barred: Option<ConversationId>,
    },
    /// What was said of a peer's consent is so.
    ConsentSet {
        reply: ConsentReply,
        _permit: Option<Permit>,
    },
    /// A range is stopped for an account.
    Stopped(Arc<AccountHandle>, Box<TrafficStop>),
    Tell(Tell),
    NumberSet {
        number: Arc<Number>,
        reply: SetReply,
    },
}

/// A pair whose conversation is wanted from the records.
pub(crate) struct Lookup {
    pub(crate) number: NumberId,
    /// Which of the number's actors asks.
    pub(crate) asker: u64,
    pub(crate) peer: Peer,
    /// What the peer is also known as.
    pub(crate) alias: Option<Peer>,
    /// What the records must hold before they are asked; `None` for everything until then.
    pub(crate) after: Option<Seq>,
    /// Whether it has let a turn pass.
    pub(crate) waited: bool,
}

/// Look-ups wait to be sent off.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct FlushLookups;

/// What a job of look-ups found; `None` where the records could not be read.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookedUp(Vec<(Lookup, Option<Option<Conversation>>)>);

/// A number's actor is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct NumberFailed {
    pub(crate) number: NumberId,
}

/// Time to look for idle conversations.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SweepAll;

/// What a partition shares with its numbers.
pub(crate) struct PartitionContext {
    pub(crate) engine: Arc<Shared>,
    pub(crate) outbox: Rc<Outbox<Effect>>,
    lookups: RefCell<Vec<Lookup>>,
    addr: OnceCell<Addr<PartitionActor>>,
}

impl PartitionContext {
    /// Asks for a pair; all that are asked for in one turn go together.
    pub(crate) fn look_up(&self, lookup: Lookup) {
        let mut lookups = self.lookups.borrow_mut();
        lookups.push(lookup);
        if lookups.len() == 1
            && let Some(addr) = self.addr.get()
        {
            addr.do_send(FlushLookups);
        }
    }

    pub(crate) fn tell(&self, failed: NumberFailed) {
        if let Some(addr) = self.addr.get() {
            addr.do_send(failed);
        }
    }
}

/// The actor.
pub(crate) struct PartitionActor {
    index: usize,
    context: Rc<PartitionContext>,
    numbers: FxHashMap<NumberId, Addr<NumberActor>>,
    bell: Arc<DurableBell>,
    root: Addr<RootSupervisor>,
    /// What the records must hold before a conversation is loaded.
    load_after: Seq,
    /// Number actors started so far.
    hosted: u64,
}

impl PartitionActor {
    pub(crate) fn new(
        index: usize,
        engine: Arc<Shared>,
        outbox: Rc<Outbox<Effect>>,
        bell: Arc<DurableBell>,
        root: Addr<RootSupervisor>,
    ) -> PartitionActor {
        let load_after = engine.journal.appended();
        engine.meters.born(Kind::Partition);
        let context = PartitionContext {
            engine,
            outbox,
            lookups: RefCell::new(Vec::new()),
            addr: OnceCell::new(),
        };
        PartitionActor {
            index,
            context: Rc::new(context),
            numbers: FxHashMap::default(),
            bell,
            root,
            load_after,
            hosted: 0,
        }
    }

    fn engine(&self) -> &Arc<Shared> {
        &self.context.engine
    }

    fn host(&mut self, number: Arc<Number>) {
        let id = number.id;
        let Some(account) = self.engine().directory.account(number.account) else {
            tracing::error!(number = %id, "a number's account is not known: nothing is taken for it");
            return;
        };
        self.hosted += 1;
        let actor = NumberActor::new(
            Rc::clone(&self.context),
            number,
            account,
            self.load_after,
            self.hosted,
        );
        self.numbers.insert(id, actor.start());
    }

    /// The number's actor; a number that the directory knows and that has none gets one.
    fn number(&mut self, id: NumberId) -> Option<&Addr<NumberActor>> {
        if !self.numbers.contains_key(&id) {
            let number = self.engine().directory.number(id)?;
            self.host(number);
        }
        self.numbers.get(&id)
    }

    fn dispatch(&mut self, input: PartitionInput) {
        // A command for a number that nobody knows is dropped, and its caller told by the closing channel.
        match input {
            PartitionInput::Send(command) => {
                if let Some(number) = self.number(command.number) {
                    number.do_send(*command);
                }
            }
            PartitionInput::SendMany(commands) => {
                for command in commands {
                    if let Some(number) = self.number(command.number) {
                        number.do_send(command);
                    }
                }
            }
            PartitionInput::Receive(command) => {
                if let Some(number) = self.number(command.number) {
                    number.do_send(*command);
                }
            }
            PartitionInput::Consent(command) => {
                if let Some(number) = self.number(command.number) {
                    number.do_send(*command);
                }
            }
            PartitionInput::Set(set) => {
                if let Some(number) = self.number(set.number) {
                    number.do_send(set);
                }
            }
            PartitionInput::Renew(renew) => {
                if let Some(number) = self.number(renew.number) {
                    number.do_send(renew);
                }
            }
            PartitionInput::Host(number) => {
                if !self.numbers.contains_key(&number.id) {
                    self.host(Arc::new(*number));
                }
            }
        }
    }

    fn perform(&mut self) {
        let engine = Arc::clone(self.engine());
        // One by one: were this actor to fail at one, the rebuilt one goes on with the next.
        while let Some(effect) = self.context.outbox.next_due() {
            // A caller that has gone is no reason to stop: its message is accepted all the same.
            match effect {
                Effect::Accepted {
                    sent,
                    delivery,
                    reply,
                    _permit,
                } => {
                    engine.delivery.push(DeliveryInput::New(delivery));
                    engine.meters.accepted(sent.channel, sent.status());
                    let _ = reply.send(Ok(*sent));
                }
                Effect::RowAccepted {
                    row,
                    delivery,
                    reply,
                } => {
                    let open = &delivery.in_flight;
                    engine.meters.accepted(open.channel, open.delivery.status());
                    engine.delivery.push(DeliveryInput::New(delivery));
                    reply.answer(Ok(row));
                }
                Effect::Received {
                    received,
                    channel,
                    reply,
                    _permit,
                } => {
                    engine.meters.received(channel, received.duplicate);
                    reply.stored(&engine, received);
                }
                Effect::Answered { channel, delivery } => {
                    engine.delivery.push(DeliveryInput::New(delivery));
                    engine.meters.accepted(channel, Status::Queued);
                    engine.meters.auto_replies.count(AutoReplyOutcome::Sent);
                }
                Effect::Consent {
                    change,
                    cause,
                    barred,
                } => {
                    engine.meters.consent.count(change, cause);
                    if let Some(conversation) = barred {
                        engine.delivery.push(DeliveryInput::OptedOut(conversation));
                    }
                }
                Effect::ConsentSet { reply, _permit } => reply.durable(),
                Effect::Stopped(account, stop) => {
                    account.stop_traffic(*stop);
                    engine.meters.stops.stopped(stop.cause);
                }
                Effect::Tell(tell) => tell.perform(&engine),
                Effect::NumberSet { number, reply } => {
                    engine.directory.set_number(&number);
                    if let Some(reply) = reply {
                        let _ = reply.send(Ok(Arc::unwrap_or_clone(number)));
                    }
                }
            }
        }
    }

    fn flush_lookups(&self, addr: &Addr<PartitionActor>) {
        let mut lookups = std::mem::take(&mut *self.context.lookups.borrow_mut());
        // One that asks for everything until now goes a turn later: a conversation that is about to be
        // opened has handled its command by then.
        let (mut early, ready): (Vec<_>, Vec<_>) = lookups
            .drain(..)
            .partition(|lookup| lookup.after.is_none() && !lookup.waited);
        lookups = ready;
        if !early.is_empty() {
            early.iter_mut().for_each(|lookup| lookup.waited = true);
            self.context.lookups.borrow_mut().append(&mut early);
            addr.do_send(FlushLookups);
        }
        while !lookups.is_empty() {
            let rest = lookups.split_off(lookups.len().min(LOOKUPS_PER_JOB_MAX));
            let job = std::mem::replace(&mut lookups, rest);
            let appended = self.engine().journal.appended();
            let after = job
                .iter()
                .map(|lookup| lookup.after.unwrap_or(appended))
                .max()
                .unwrap_or(Seq::ZERO);
            let addr = addr.clone();
            self.engine().read_after(
                &self.engine().loaders,
                after,
                move |records| {
                    let found = |lookup: Lookup| {
                        let read = records.conversation_of(
                            lookup.number,
                            &lookup.peer,
                            lookup.alias.as_ref(),
                        );
                        let found = read.inspect_err(
                            |error| tracing::error!(%error, "a conversation cannot be read"),
                        );
                        (lookup, found.ok())
                    };
                    job.into_iter().map(found).collect::<Vec<_>>()
                },
                move |found| addr.do_send(LookedUp(found)),
            );
        }
    }
}

impl Actor for PartitionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let set = self.context.addr.set(ctx.address());
        debug_assert!(set.is_ok(), "an actor starts once");
        self.bell.heard_by(ctx.address().recipient());
        self.engine().partitions[self.index].read_by(ctx.address().recipient());
        let engine = Arc::clone(self.engine());
        ctx.run_interval(engine.settings.engine.passivate_scan(), |_, ctx| {
            ctx.address().do_send(SweepAll)
        });
    }
}

impl Handler<Drain> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        for input in self.engine().clone().partitions[self.index].take() {
            self.dispatch(input);
        }
    }
}

impl Handler<Durable> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: Durable, _: &mut Context<Self>) {
        self.perform();
    }
}

impl Handler<FlushLookups> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: FlushLookups, ctx: &mut Context<Self>) {
        self.flush_lookups(&ctx.address());
    }
}

impl Handler<LookedUp> for PartitionActor {
    type Result = ();

    fn handle(&mut self, looked_up: LookedUp, _: &mut Context<Self>) {
        for (lookup, found) in looked_up.0 {
            if let Some(number) = self.numbers.get(&lookup.number) {
                number.do_send(Loaded {
                    peer: lookup.peer,
                    asker: lookup.asker,
                    found,
                });
            }
        }
    }
}

impl Handler<NumberFailed> for PartitionActor {
    type Result = ();

    fn handle(&mut self, failed: NumberFailed, _: &mut Context<Self>) {
        self.engine().meters.restarted(Kind::Number);
        self.load_after = self.engine().journal.appended();
        // The next command for it starts a new actor.
        self.numbers.remove(&failed.number);
        tracing::warn!(number = %failed.number, "a number's actor failed and is rebuilt");
    }
}

impl Handler<SweepAll> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: SweepAll, _: &mut Context<Self>) {
        for number in self.numbers.values() {
            number.do_send(Sweep::ALL);
        }
    }
}

impl Drop for PartitionActor {
    fn drop(&mut self) {
        self.engine().meters.gone(Kind::Partition);
        self.root.do_send(Exited::Partition(self.index));
    }
}

/// The error of a caller whose reply channel closed: an actor failed before it accepted.
pub(crate) fn faulted<T, E: From<Unavailable>>(
    answer: Result<Result<T, E>, oneshot::error::RecvError>,
) -> Result<T, E> {
    answer.unwrap_or_else(|_| Err(Unavailable::Faulted.into()))
}
