//! Receiving: an inbound message is stored once, however often a carrier brings it.

use std::sync::Arc;

use actix::Addr;
use didfarm_core::conversation::{Receiving, decide_receive};
use didfarm_core::event::Event;
use didfarm_core::ids::{ConversationId, MessageId};
use didfarm_core::parts::PartsKey;
use didfarm_core::refusal::Refusal;
use tokio::sync::oneshot;

use super::consenting::Reaction;
use super::{ConversationActor, IndexAnswer, ReceiveCommand, Turn};
use crate::actors::delivery::DeliveryInput;
use crate::actors::partition::Effect;
use crate::callback::Share;
use crate::receive::{ReceiveError, ReceivedMessage};
use crate::send::Unavailable;
use crate::shared::Shared;

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

impl ConversationActor {
    /// Takes an inbound message, once the index was asked where only it can tell a repeat.
    pub(super) fn receive(&mut self, command: ReceiveCommand, addr: &Addr<ConversationActor>) {
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

    /// Stores an inbound message that is new, with what it says of the peer's consent and the number's own
    /// answer to it in the same entry.
    pub(super) fn take(&mut self, command: ReceiveCommand, indexed: Option<MessageId>) {
        let engine = Arc::clone(self.number.engine());
        engine.faults.on_conversation(&command.message.body);
        let now = engine.now();
        let channel = command.message.channel;
        let decided = {
            let number = self.number.number.borrow();
            let pair = self.pair(&number, &command.peer);
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
        let (conversation, reaction) = match (&self.state, events.last()) {
            (_, Some(Event::Received(fact))) => (fact.conversation, self.react(fact, now)),
            (Some(state), _) => (state.id, Reaction::default()),
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
        let mut turn = Turn::new(now, effect);
        self.apply(&mut turn, events);
        if let Some(event) = reaction.consent {
            self.change_consent(&mut turn, conversation, event);
        }
        if let Some(answer) = reaction.answer {
            self.answer(&mut turn, answer);
        }
        self.append(turn);
    }
}
