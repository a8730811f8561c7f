//! A number's settings: each is durable before it is in the directory, and endpoints are told.

use std::sync::Arc;

use actix::{Context, Handler, Message};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::NumberId;
use didfarm_core::number::{Number, NumberCommand, NumberEvent};
use didfarm_core::webhook::{EventType, Fact, NumberSnapshot};
use tokio::sync::oneshot;

use super::NumberActor;
use crate::actors::partition::Effect;
use crate::offers::{About, Offer};
use crate::operate::OperateError;

/// An operator's command for a number.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetNumber {
    pub(crate) number: NumberId,
    pub(crate) command: NumberCommand,
    pub(crate) reply: oneshot::Sender<Result<Number, OperateError>>,
}

impl NumberActor {
    /// Applies a setting; endpoints are told of one that changes something.
    fn set(&mut self, event: NumberEvent, reply: oneshot::Sender<Result<Number, OperateError>>) {
        let engine = self.context.engine();
        let at = engine.now();
        let before = Arc::clone(&self.context.number.borrow());
        let mut number = Number::clone(&before);
        number.evolve(&event);
        let number = Arc::new(number);
        *self.context.number.borrow_mut() = Arc::clone(&number);
        let about = About {
            number: Some(number.id),
            ..About::ACCOUNT
        };
        let snapshot = NumberSnapshot {
            state: number.state,
            sms: number.sms,
            whatsapp: number.whatsapp,
        };
        let offer = (number != before).then(|| {
            let fact = || Fact::NumberUpdated(snapshot);
            let kind = EventType::NumberUpdated;
            engine.offer(at, &self.context.account, about, kind, fact)
        });
        let mut events = vec![Event::Number(number.id, event)];
        let mut effects = vec![Effect::NumberSet { number, reply }];
        if let Some(Offer { event, tell }) = offer.flatten() {
            events.push(event);
            effects.push(Effect::Tell(tell));
        }
        self.context.outbox().append(Entry { at, events }, effects);
    }
}

impl Handler<SetNumber> for NumberActor {
    type Result = ();

    fn handle(&mut self, set: SetNumber, _: &mut Context<Self>) {
        let decided = self.context.number.borrow().decide(set.command);
        match decided {
            Err(refusal) => drop(set.reply.send(Err(refusal.into()))),
            Ok(event) => self.set(event, set.reply),
        }
    }
}
