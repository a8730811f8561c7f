//! The conversation actor: the state of one (number, peer) pair.
//!
//! Owns: the conversation's state and the order of its messages. Never does: I/O; money it only
//! reserves, through the account's handle. Messages: [`SendCommand`], [`ReceiveCommand`], [`IndexAnswer`]. Restart: it
//! is thrown away, and the number starts a new one from the records on the next command. Limits: what
//! waits in its mailbox is bounded by the permits of its commands.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use didfarm_carriers::Submit;
use didfarm_core::conversation::{
    Conversation, Pair, ReceiveMessage, Receiving, SendMessage, decide_receive, decide_send,
};
use didfarm_core::delivery::InFlight;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{ConversationId, MessageId, NumberId};
use didfarm_core::parts::PartsKey;
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use tokio::sync::oneshot;

use super::delivery::{DeliveryInput, NewDelivery};
use super::number::{ChildFailed, NumberContext};
use super::partition::Effect;
use crate::account::AccountHandle;
use crate::admission::Permit;
use crate::callback::Share;
use crate::meters::Kind;
use crate::receive::{ReceiveError, ReceivedMessage};
use crate::send::{LimitState, SendError, SentMessage, Unavailable};
use crate::shared::Shared;

/// Answers the caller of a send.
pub(crate) type SendReply = oneshot::Sender<Result<SentMessage, SendError>>;

/// Who hears what became of an inbound message.
pub(crate) enum ReceiveReply {
    /// The caller that waits for it.
    Caller(oneshot::Sender<Result<ReceivedMessage, ReceiveError>>),
    /// The callback that brought it.
    Callback(Share),
    /// The desk that put it together.
    Parts(PartsKey),
}

impl ReceiveReply {
    /// Says that it is stored, or was before.
    pub(crate) fn stored(self, engine: &Shared, received: ReceivedMessage) {
        match self {
            // A caller that has gone is no reason to stop.
            ReceiveReply::Caller(reply) => drop(reply.send(Ok(received))),
            ReceiveReply::Callback(share) => share.done(),
            ReceiveReply::Parts(key) => engine.delivery.push(DeliveryInput::PartsStored(key)),
        }
    }

    /// Says that a rule forbids it. A carrier that hears "no" may never ask again, and the same message
    /// would be refused again: it is counted and acknowledged.
    pub(crate) fn refused(self, engine: &Shared, refusal: Refusal) {
        match self {
            ReceiveReply::Caller(reply) => drop(reply.send(Err(refusal.into()))),
            ReceiveReply::Callback(share) => {
                engine.meters.unroutable.increment(1);
                share.done();
            }
            ReceiveReply::Parts(key) => {
                engine.meters.unroutable.increment(1);
                engine.delivery.push(DeliveryInput::PartsStored(key));
            }
        }
    }

    /// Says that it could not be taken now.
    pub(crate) fn faulted(self) {
        match self {
            ReceiveReply::Caller(reply) => drop(reply.send(Err(Unavailable::Faulted.into()))),
            // A share that is not done says so, and the desk hands it on again.
            ReceiveReply::Callback(_) | ReceiveReply::Parts(_) => {}
        }
    }
}

/// A customer's send on its way to its conversation.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SendCommand {
    pub(crate) number: NumberId,
    pub(crate) peer: Peer,
    pub(crate) message: SendMessage,
    pub(crate) account: Arc<AccountHandle>,
    pub(crate) limit: LimitState,
    pub(crate) reply: SendReply,
    pub(crate) permit: Permit,
}

/// A carrier's inbound message on its way to its conversation.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ReceiveCommand {
    pub(crate) number: NumberId,
    pub(crate) peer: Peer,
    pub(crate) message: ReceiveMessage,
    pub(crate) reply: ReceiveReply,
    /// `None` where the callback holds it.
    pub(crate) permit: Option<Permit>,
}

/// What the index of the records says of an inbound message, for the conversation that asked.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct IndexAnswer {
    pub(crate) command: ReceiveCommand,
    /// The message that has the carrier's id; `Err` when the records could not be read.
    pub(crate) known: Result<Option<MessageId>, ()>,
}

/// What a conversation and its number both see of it.
#[derive(Default)]
pub(crate) struct Pulse {
    /// Which of the pair's actors this is.
    pub(crate) generation: u64,
    /// Commands forwarded and not yet handled.
    pub(crate) waiting: Cell<u32>,
    /// The last entry that it made.
    pub(crate) last_seq: Cell<Seq>,
    /// When it was last used, monotonic.
    pub(crate) used_at: Cell<Duration>,
    /// Whether its number let it go.
    pub(crate) passivated: Cell<bool>,
}

/// The actor.
pub(crate) struct ConversationActor {
    number: Rc<NumberContext>,
    peer: Peer,
    state: Option<Conversation>,
    pulse: Rc<Pulse>,
    /// The entry with the last inbound message that left the conversation for the index.
    indexed_seq: Seq,
}

impl ConversationActor {
    pub(crate) fn new(
        number: Rc<NumberContext>,
        peer: Peer,
        state: Option<Conversation>,
        pulse: Rc<Pulse>,
    ) -> ConversationActor {
        number.engine().meters.born(Kind::Conversation);
        ConversationActor {
            number,
            peer,
            state,
            pulse,
            indexed_seq: Seq::ZERO,
        }
    }

    fn evolve(&mut self, events: &[Event], at: Timestamp) {
        for event in events {
            if let Event::ConversationOpened(fact) = event {
                self.state = Some(Conversation::opened(fact, at));
            }
            if let Some(state) = &mut self.state {
                state.evolve(event, at);
            }
        }
    }

    fn append(&mut self, at: Timestamp, events: Vec<Event>, effect: Effect) {
        let leaves = events.iter().any(|event| {
            self.state
                .as_ref()
                .is_some_and(|state| state.leaves_for_index(event).is_some())
        });
        self.evolve(&events, at);
        let seq = self.number.outbox().append(Entry { at, events }, [effect]);
        self.pulse.last_seq.set(seq);
        if leaves {
            self.indexed_seq = seq;
        }
    }

    fn send(&mut self, command: SendCommand) {
        let engine = Arc::clone(self.number.engine());
        engine.faults.on_conversation(&command.message.body);
        let now = engine.now();
        let charge = command.message.charge;
        let decided = {
            let number = self.number.number.borrow();
            let pair = Pair {
                number: &number,
                peer: &command.peer,
                own: &self.peer,
            };
            let mut fresh = || engine.fresh_extent();
            decide_send(self.state.as_ref(), pair, command.message, now, &mut fresh)
        };
        let reserved = decided.and_then(|decided| Ok((decided, command.account.reserve(charge)?)));
        let ((_, events), reservation) = match reserved {
            Ok(reserved) => reserved,
            Err(refusal) => {
                let error = SendError::Refused(refusal);
                engine.meters.refused(&error);
                let _ = command.reply.send(Err(error));
                return;
            }
        };
        let Some(Event::Accepted(fact)) = events.last() else {
            unreachable!("a send that is decided ends with its acceptance")
        };
        let sent = SentMessage {
            id: fact.message,
            conversation: fact.conversation,
            number: fact.number,
            from: fact.from,
            to: fact.to.clone(),
            channel: fact.channel,
            body: Arc::clone(&fact.body),
            content: fact.content.clone(),
            encoding: fact.encoding,
            segments: fact.segments,
            charge: fact.charge,
            created_at: now,
            limit: command.limit,
        };
        let submit = Submit {
            message: fact.message,
            from: fact.from,
            to: fact.to.clone(),
            channel: fact.channel,
            body: Arc::clone(&fact.body),
            segments: fact.segments,
            content: fact.content.clone(),
            valid_until: fact.valid_until,
            submit: 0,
        };
        let delivery = Box::new(NewDelivery {
            in_flight: InFlight::new(fact, now),
            submit: Box::new(submit),
        });
        let effect = Effect::Accepted {
            sent: Box::new(sent),
            delivery,
            reply: command.reply,
            _permit: command.permit,
        };
        self.append(now, events, effect);
        reservation.keep();
    }

    /// Takes an inbound message, once the index was asked where only it can tell a repeat.
    fn receive(&mut self, command: ReceiveCommand, addr: &Addr<ConversationActor>) {
        let id = command.message.carrier_message_id.as_ref();
        let asks = self
            .state
            .as_ref()
            .zip(id)
            .filter(|(state, id)| state.wants_index(command.message.carrier, id))
            .map(|(state, _)| state.id);
        match asks {
            Some(conversation) => self.ask_index(conversation, command, addr.clone()),
            None => self.take(command, None),
        }
    }

    fn ask_index(
        &self,
        conversation: ConversationId,
        command: ReceiveCommand,
        addr: Addr<ConversationActor>,
    ) {
        // It is not idle while it waits.
        self.pulse.waiting.set(self.pulse.waiting.get() + 1);
        let engine = self.number.engine();
        engine.read_after(
            &engine.loaders,
            self.indexed_seq,
            move |records| {
                let carrier = command.message.carrier;
                let known = match &command.message.carrier_message_id {
                    Some(id) => records.inbound_message(conversation, carrier, id),
                    None => Ok(None),
                };
                let known = known.map_err(
                    |error| tracing::error!(%error, "the index of inbound messages cannot be read"),
                );
                IndexAnswer { command, known }
            },
            move |answer| addr.do_send(answer),
        );
    }

    fn take(&mut self, command: ReceiveCommand, indexed: Option<MessageId>) {
        let engine = Arc::clone(self.number.engine());
        engine.faults.on_conversation(&command.message.body);
        let now = engine.now();
        let channel = command.message.channel;
        let decided = {
            let number = self.number.number.borrow();
            let pair = Pair {
                number: &number,
                peer: &command.peer,
                own: &self.peer,
            };
            let mut fresh = || engine.fresh_extent();
            decide_receive(
                self.state.as_ref(),
                pair,
                command.message,
                indexed,
                &mut fresh,
            )
        };
        let (id, events, duplicate) = match decided {
            Ok(Receiving::New(id, events)) => (id, events, false),
            // The first may not be durable yet: an entry of nothing waits for everything before it.
            Ok(Receiving::Duplicate(id)) => (id, Vec::new(), true),
            Err(refusal) => {
                command.reply.refused(&engine, refusal);
                return;
            }
        };
        let conversation = match (&self.state, events.last()) {
            (_, Some(Event::Received(fact))) => fact.conversation,
            (Some(state), _) => state.id,
            (None, _) => unreachable!("a duplicate has a conversation"),
        };
        let received = ReceivedMessage {
            id,
            conversation,
            duplicate,
        };
        let effect = Effect::Received {
            received,
            channel,
            reply: command.reply,
            _permit: command.permit,
        };
        self.append(now, events, effect);
    }

    /// Whether the command may be handled: not when the number was rebuilt without this actor.
    fn begin(&self) -> bool {
        self.pulse
            .waiting
            .set(self.pulse.waiting.get().saturating_sub(1));
        self.number.alive.get()
    }
}

impl Actor for ConversationActor {
    type Context = Context<Self>;
}

impl Handler<SendCommand> for ConversationActor {
    type Result = ();

    fn handle(&mut self, command: SendCommand, _: &mut Context<Self>) {
        if self.begin() {
            self.send(command);
        } else {
            let _ = command.reply.send(Err(Unavailable::Faulted.into()));
        }
    }
}

impl Handler<ReceiveCommand> for ConversationActor {
    type Result = ();

    fn handle(&mut self, command: ReceiveCommand, ctx: &mut Context<Self>) {
        if self.begin() {
            self.receive(command, &ctx.address());
        } else {
            command.reply.faulted();
        }
    }
}

impl Handler<IndexAnswer> for ConversationActor {
    type Result = ();

    fn handle(&mut self, answer: IndexAnswer, _: &mut Context<Self>) {
        let known = answer.known;
        match (self.begin(), known) {
            (true, Ok(known)) => self.take(answer.command, known),
            (true, Err(())) | (false, _) => answer.command.reply.faulted(),
        }
    }
}

impl Drop for ConversationActor {
    fn drop(&mut self) {
        self.number.engine().meters.gone(Kind::Conversation);
        if !self.pulse.passivated.get() && self.number.alive.get() {
            self.number.tell(ChildFailed {
                peer: self.peer.clone(),
                generation: self.pulse.generation,
            });
        }
    }
}
