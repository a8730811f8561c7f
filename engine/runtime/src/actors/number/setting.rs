//! A number's settings: each is durable before it is in the directory, and endpoints are told.
//!
//! SMS that goes on is paid for a month in the entry that turns it on; `renewing` pays for the others.

mod renewing;

use std::sync::Arc;

use actix::{Context, Handler, Message};
use didfarm_core::add_on::{SmsMonth, SmsPayment};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::NumberId;
use didfarm_core::money::Micros;
use didfarm_core::number::{Number, NumberCommand, NumberEvent};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::{EventType, Fact, NumberSnapshot};
use tokio::sync::oneshot;

pub(crate) use self::renewing::RenewSms;
use super::NumberActor;
use crate::account::Reservation;
use crate::actors::partition::Effect;
use crate::offers::{About, Offer};
use crate::operate::OperateError;

/// Who waits for a setting to be durable; nobody, where nobody asked for it.
pub(crate) type SetReply = Option<oneshot::Sender<Result<Number, OperateError>>>;

/// An operator's command for a number.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetNumber {
    pub(crate) number: NumberId,
    pub(crate) command: NumberCommand,
    pub(crate) reply: oneshot::Sender<Result<Number, OperateError>>,
}

/// A month of SMS whose price is set aside.
struct Month {
    payment: SmsPayment,
    reservation: Reservation,
}

impl NumberActor {
    /// Sets the price of a month of SMS aside; nothing where it has none.
    fn reserve_month(&self, month: SmsMonth) -> Result<Option<Month>, Refusal> {
        let e164 = self.context.number.borrow().e164;
        let amount = self.context.engine().prices.sms_monthly(e164);
        if amount == Micros::ZERO {
            return Ok(None);
        }
        let reservation = self.context.account.reserve_add_on(amount)?;
        let payment = SmsPayment { month, amount };
        Ok(Some(Month {
            payment,
            reservation,
        }))
    }

    /// Applies a setting and what it costs in one entry; endpoints are told where it changes something.
    fn set(&mut self, at: Timestamp, event: NumberEvent, month: Option<Month>, reply: SetReply) {
        let mut events = vec![event];
        let (payment, reservation) = month
            .map(|month| (month.payment, month.reservation))
            .unzip();
        events.extend(payment.map(NumberEvent::SmsPaid));
        self.apply(at, events, reservation, reply);
    }

    fn apply(
        &mut self,
        at: Timestamp,
        events: Vec<NumberEvent>,
        reservation: Option<Reservation>,
        reply: SetReply,
    ) {
        let engine = self.context.engine();
        let before = Arc::clone(&self.context.number.borrow());
        let mut number = Number::clone(&before);
        events.iter().for_each(|event| number.evolve(event));
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
        // A month that is paid is nothing that the number's owner sees of it.
        let seen = Number {
            add_on: before.add_on,
            ..Number::clone(&number)
        };
        let offer = (seen != *before).then(|| {
            let fact = || Fact::NumberUpdated(snapshot);
            let kind = EventType::NumberUpdated;
            engine.offer(at, &self.context.account, about, kind, fact)
        });
        let low = reservation.as_ref().and_then(Reservation::low);
        let low = low.map(|low| engine.tell_low(at, &self.context.account, low));
        let told = offer.flatten().into_iter().chain(low.into_iter().flatten());
        let of_number = |event| Event::Number(number.id, event);
        let mut events: Vec<Event> = events.into_iter().map(of_number).collect();
        let mut effects = vec![Effect::NumberSet { number, reply }];
        for Offer { event, tell } in told {
            events.push(event);
            effects.push(Effect::Tell(tell));
        }
        self.context.outbox().append(Entry { at, events }, effects);
        if let Some(reservation) = reservation {
            reservation.keep();
        }
    }
}

impl Handler<SetNumber> for NumberActor {
    type Result = ();

    fn handle(&mut self, set: SetNumber, _: &mut Context<Self>) {
        let at = self.context.engine().now();
        let decided = {
            let number = self.context.number.borrow();
            number
                .decide(set.command)
                .map(|event| (number.owed_by(&event, at), event))
        };
        let paid = decided.and_then(|(owed, event)| {
            let month = owed.map(|month| self.reserve_month(month)).transpose()?;
            Ok((event, month.flatten()))
        });
        match paid {
            Err(refusal) => drop(set.reply.send(Err(refusal.into()))),
            Ok((event, month)) => self.set(at, event, month, Some(set.reply)),
        }
    }
}
