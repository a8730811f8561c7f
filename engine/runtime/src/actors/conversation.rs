//! The conversation actor: the state of one (number, peer) pair.
//!
//! Owns: the conversation's state and the order of its messages. Never does: I/O; money it only
//! reserves, through the account's handle. Messages: [`SendCommand`], [`ReceiveCommand`]. Restart: it
//! is thrown away, and the number starts a new one from the records on the next command. Limits: what
//! waits in its mailbox is bounded by the permits of its commands.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use didfarm_carriers::Submit;
use didfarm_core::conversation::{
    Conversation, Pair, ReceiveMessage, Receiving, SendMessage, decide_receive, decide_send,
};
use didfarm_core::delivery::InFlight;
use didfarm_core::e164::E164;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::NumberId;
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use tokio::sync::oneshot;

use super::delivery::NewDelivery;
use super::number::{ChildFailed, NumberContext};
use super::partition::Effect;
use crate::account::AccountHandle;
use crate::admission::Permit;
use crate::meters::Kind;
use crate::receive::{ReceiveError, ReceivedMessage};
use crate::send::{LimitState, SendError, SentMessage, Unavailable};

/// Answers the caller of a send.
pub(crate) type SendReply = oneshot::Sender<Result<SentMessage, SendError>>;
/// Answers the caller of a receive.
pub(crate) type ReceiveReply = oneshot::Sender<Result<ReceivedMessage, ReceiveError>>;

/// A customer's send on its way to its conversation.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SendCommand {
    pub(crate) number: NumberId,
    pub(crate) peer: E164,
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
    pub(crate) peer: E164,
    pub(crate) message: ReceiveMessage,
    pub(crate) reply: ReceiveReply,
    pub(crate) permit: Permit,
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
    peer: E164,
    state: Option<Conversation>,
    pulse: Rc<Pulse>,
}

impl ConversationActor {
    pub(crate) fn new(
        number: Rc<NumberContext>,
        peer: E164,
        state: Option<Conversation>,
        pulse: Rc<Pulse>,
    ) -> ConversationActor {
        number.engine().meters.born(Kind::Conversation);
        ConversationActor {
            number,
            peer,
            state,
            pulse,
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
        self.evolve(&events, at);
        let seq = self.number.outbox().append(Entry { at, events }, [effect]);
        self.pulse.last_seq.set(seq);
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
                peer: self.peer,
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
            to: fact.to,
            channel: fact.channel,
            body: Arc::clone(&fact.body),
            encoding: fact.encoding,
            segments: fact.segments,
            charge: fact.charge,
            created_at: now,
            limit: command.limit,
        };
        let submit = Submit {
            message: fact.message,
            from: fact.from,
            to: fact.to,
            channel: fact.channel,
            body: Arc::clone(&fact.body),
            segments: fact.segments,
            submit: 0,
        };
        let delivery = Box::new(NewDelivery {
            in_flight: InFlight::new(fact, now),
            submit,
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

    fn receive(&mut self, command: ReceiveCommand) {
        let engine = Arc::clone(self.number.engine());
        engine.faults.on_conversation(&command.message.body);
        let now = engine.now();
        let channel = command.message.channel;
        let decided = {
            let number = self.number.number.borrow();
            let pair = Pair {
                number: &number,
                peer: self.peer,
            };
            let mut fresh = || engine.fresh_extent();
            decide_receive(self.state.as_ref(), pair, command.message, &mut fresh)
        };
        let (id, events, duplicate) = match decided {
            Ok(Receiving::New(id, events)) => (id, events, false),
            // The first may not be durable yet: an entry of nothing waits for everything before it.
            Ok(Receiving::Duplicate(id)) => (id, Vec::new(), true),
            Err(refusal) => {
                let _ = command.reply.send(Err(refusal.into()));
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

    fn handle(&mut self, command: ReceiveCommand, _: &mut Context<Self>) {
        if self.begin() {
            self.receive(command);
        } else {
            let _ = command.reply.send(Err(Unavailable::Faulted.into()));
        }
    }
}

impl Drop for ConversationActor {
    fn drop(&mut self) {
        self.number.engine().meters.gone(Kind::Conversation);
        if !self.pulse.passivated.get() && self.number.alive.get() {
            self.number.tell(ChildFailed {
                peer: self.peer,
                generation: self.pulse.generation,
            });
        }
    }
}
