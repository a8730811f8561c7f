//! The conversation actor: the state of one (number, peer) pair.
//!
//! Owns: the conversation's state and the order of its messages. Never does: I/O; money it only
//! reserves, through the account's handle. Messages: [`SendCommand`], [`ReceiveCommand`], [`IndexAnswer`],
//! [`ConsentCommand`]. Restart: it
//! is thrown away, and the number starts a new one from the records on the next command. Limits: what
//! waits in its mailbox is bounded by the permits of its commands.

mod answering;
mod consenting;
mod receiving;
mod sending;
mod telling;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use didfarm_core::conversation::{Conversation, Pair, ReceiveMessage, SendMessage};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{ConversationId, MessageId, NumberId};
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use smallvec::SmallVec;
use tokio::sync::oneshot;

pub(crate) use self::consenting::{ConsentCommand, ConsentReply};
pub(crate) use self::receiving::ReceiveReply;
use super::number::{ChildFailed, NumberContext};
use super::partition::Effect;
use crate::abuse::Counted;
use crate::account::{AccountHandle, Place};
use crate::admission::Permit;
use crate::bars::Upto;
use crate::batches::RowReply;
use crate::idempotency::Guard;
use crate::meters::Kind;
use crate::offers::Offer;
use crate::pools::PoolClaim;
use crate::send::{LimitState, SendError, SentMessage, Unavailable};

/// Answers the caller of a send.
pub(crate) enum SendReply {
    /// One message was asked for; with it what is left of the account's limit. A row of a batch takes from
    /// that later.
    One(oneshot::Sender<Result<SentMessage, SendError>>, LimitState),
    /// A row of a batch.
    Row(RowReply),
}

impl SendReply {
    /// Nothing is kept of the message. A caller that has gone need not be told.
    pub(crate) fn refused(self, error: SendError) {
        match self {
            SendReply::One(reply, _) => drop(reply.send(Err(error))),
            SendReply::Row(reply) => reply.answer(Err(error)),
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
    /// That it is counted as traffic to its range.
    pub(crate) counted: Counted,
    /// Its idempotency key, if it has one.
    pub(crate) guard: Option<Box<Guard>>,
    /// Its place in its account's line, if it comes in a batch.
    pub(crate) place: Option<Place>,
    pub(crate) reply: SendReply,
    /// That its number was chosen from a pool.
    pub(crate) claim: Option<Box<PoolClaim>>,
    /// `None` where its batch holds it.
    pub(crate) permit: Option<Permit>,
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

/// What one command comes to: applied to the state already, appended as one entry.
struct Turn {
    at: Timestamp,
    events: Vec<Event>,
    effects: SmallVec<[Effect; 2]>,
    /// Whether an inbound message leaves the conversation for the index.
    leaves: bool,
    /// Whether there is a message among the events.
    has_message: bool,
    /// The conversation whose messages up to these do not go any more.
    bar: Option<(ConversationId, Upto)>,
}

impl Turn {
    fn new(at: Timestamp, effect: Effect) -> Turn {
        Turn {
            at,
            events: Vec::new(),
            effects: SmallVec::from_iter([effect]),
            leaves: false,
            has_message: false,
            bar: None,
        }
    }

    /// Adds events; the first are taken as they are.
    fn extend(&mut self, events: Vec<Event>) {
        if self.events.is_empty() {
            self.events = events;
        } else {
            self.events.extend(events);
        }
    }

    /// Adds what endpoints and mailboxes are told.
    fn tell(&mut self, offers: impl IntoIterator<Item = Offer>) {
        for Offer { event, tell } in offers {
            self.events.push(event);
            self.effects.push(Effect::Tell(tell));
        }
    }
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

    /// The pair that a message under this name of the peer is in.
    fn pair<'a>(&'a self, number: &'a Number, peer: &'a Peer) -> Pair<'a> {
        Pair {
            number,
            peer,
            own: &self.peer,
        }
    }

    /// Hands what a turn came to to the journal.
    fn append(&mut self, turn: Turn) -> Seq {
        let Turn {
            at,
            events,
            effects,
            leaves,
            has_message,
            bar,
        } = turn;
        let append = || self.number.outbox().append(Entry { at, events }, effects);
        let seq = match bar {
            Some((id, upto)) => self.number.engine().bars.raise(id, upto, append),
            None => append(),
        };
        self.pulse.last_seq.set(seq);
        if leaves {
            self.indexed_seq = seq;
        }
        if has_message {
            let (engine, number) = (self.number.engine(), self.number.number.borrow().id);
            let aliases = self.state.iter().flat_map(|state| &state.aliases);
            let names = std::iter::once(&self.peer).chain(aliases);
            let pools = self.number.account.pools();
            pools.active(names, number, seq, || engine.keeper.applied());
        }
        seq
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
            command.reply.refused(Unavailable::Faulted.into());
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

impl Handler<ConsentCommand> for ConversationActor {
    type Result = ();

    fn handle(&mut self, command: ConsentCommand, _: &mut Context<Self>) {
        // Whoever waits for one that is not handled sees the reply channel close.
        if self.begin() {
            self.consent(command);
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

#[cfg(test)]
mod tests;
