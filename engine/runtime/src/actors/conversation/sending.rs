//! Sending: what a customer asks is decided, paid for and accepted.

use std::sync::Arc;

use didfarm_carriers::Submit;
use didfarm_core::account::AccountEvent;
use didfarm_core::conversation::decide_send;
use didfarm_core::delivery::InFlight;
use didfarm_core::event::Event;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::message::Accepted;
use didfarm_core::time::Timestamp;

use super::{ConversationActor, SendCommand, SendReply, Turn};
use crate::account::Place;
use crate::actors::delivery::NewDelivery;
use crate::actors::partition::Effect;
use crate::batches::AcceptedRow;
use crate::send::{LimitState, SendError, SentMessage};

/// What the delivery supervisor starts from.
pub(super) fn new_delivery(
    fact: &Accepted,
    place: Option<Place>,
    now: Timestamp,
) -> Box<NewDelivery> {
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
    Box::new(NewDelivery {
        in_flight: InFlight::new(fact, now),
        submit: Box::new(submit),
        place,
    })
}

/// The acceptance that a decided send ends with.
pub(super) fn acceptance(events: &[Event]) -> &Accepted {
    match events.last() {
        Some(Event::Accepted(fact)) => fact,
        _ => unreachable!("a send that is decided ends with its acceptance"),
    }
}

fn sent(fact: &Accepted, now: Timestamp, limit: LimitState) -> SentMessage {
    SentMessage {
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
        smart_encoded: None,
        created_at: now,
        send_at: fact.send_at,
        limit: Some(limit),
    }
}

impl ConversationActor {
    pub(super) fn send(&mut self, mut command: SendCommand) {
        let engine = Arc::clone(self.number.engine());
        engine.faults.on_conversation(&command.message.body);
        let now = engine.now();
        let charge = command.message.charge;
        let decided = {
            let number = self.number.number.borrow();
            let pair = self.pair(&number, &command.peer);
            let mut fresh = || engine.fresh_extent();
            decide_send(self.state.as_ref(), pair, command.message, now, &mut fresh)
        };
        let reserved =
            decided.and_then(|decided| Ok((decided, command.account.reserve(charge, now)?)));
        let ((_, events), reservation) = match reserved {
            Ok(reserved) => reserved,
            Err(refusal) => {
                let error = SendError::Refused(refusal);
                engine.meters.refused(&error);
                // Whoever is refused may ask again with the same key at once.
                drop(command.guard);
                command.reply.refused(error);
                return;
            }
        };
        let fact = acceptance(&events);
        let message = fact.message;
        let guarding = command.guard.as_mut().map(|guard| {
            let answer = GuardedAnswer::Message(fact.message, fact.send_at);
            guard.event(answer, now)
        });
        let delivery = new_delivery(fact, command.place, now);
        let effect = match command.reply {
            SendReply::One(reply, limit) => Effect::Accepted {
                sent: Box::new(sent(fact, now, limit)),
                delivery,
                reply,
                _permit: command.permit,
            },
            SendReply::Row(reply) => Effect::RowAccepted {
                row: AcceptedRow {
                    message: fact.message,
                    send_at: fact.send_at,
                },
                delivery,
                reply,
            },
        };
        let mut turn = Turn::new(now, effect);
        self.apply(&mut turn, events);
        turn.events.extend(guarding);
        if let Some(low) = reservation.low() {
            turn.tell(engine.tell_low(now, &command.account, low));
        }
        let stops = command.counted.keep(&engine.abuse, now);
        for stop in stops {
            let stopped = AccountEvent::TrafficStopped(stop);
            turn.events
                .push(Event::Account(command.account.id(), stopped));
            turn.tell(engine.tell_stopped(now, &command.account, stop));
            // Before the answer: whoever has that finds the stop.
            let stopped = Effect::Stopped(Arc::clone(&command.account), Box::new(stop));
            turn.effects.insert(0, stopped);
        }
        let seq = self.append(turn);
        if let Some(guard) = command.guard {
            guard.appended(seq, now);
        }
        reservation.keep();
        if let Some(mut claim) = command.claim {
            claim.accepted(message, seq);
        }
    }
}
