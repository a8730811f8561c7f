//! A message: what was sent or received, and how its public status went.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auto_reply::RuleId;
use crate::batch::BatchPlace;
use crate::channel::{Channel, Direction};
use crate::content::Content;
use crate::delivery::status::Status;
use crate::delivery::{Delivery, Rescheduled};
use crate::e164::E164;
use crate::ids::{
    AccountId, BatchId, CarrierId, CarrierMessageId, ConversationId, MessageId, NumberId,
};
use crate::money::Micros;
use crate::peer::Peer;
use crate::reason::Reason;
use crate::route::Route;
use crate::segments::Encoding;
use crate::time::Timestamp;

/// An outbound message was accepted: the fact that the API's answer stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub message: MessageId,
    /// The conversation it joined.
    pub conversation: ConversationId,
    /// Who pays.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// Our number.
    pub from: E164,
    /// The peer.
    pub to: Peer,
    /// What carries it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How the text is encoded.
    pub encoding: Encoding,
    /// How many segments it takes.
    pub segments: u16,
    /// What was reserved in the wallet.
    pub charge: Micros,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// When its validity period ends: it is not submitted after that.
    pub valid_until: Timestamp,
    /// When it is to be sent; `None` for at once.
    pub send_at: Option<Timestamp>,
    /// The rule by which the number answered by itself; `None` for what a customer sent.
    pub auto_reply: Option<RuleId>,
    /// Where it stands in its batch, if it came in one.
    pub batch: Option<BatchPlace>,
    /// Where its status is told of it alone: the URL that the account's status endpoint is to call.
    pub status_url: Option<Box<str>>,
    /// Whether it goes in quiet hours too.
    #[serde(default)]
    pub is_urgent: bool,
}

/// An inbound message came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Its id.
    pub message: MessageId,
    /// The conversation it joined.
    pub conversation: ConversationId,
    /// Whose number it came to.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// The peer.
    pub from: Peer,
    /// Our number.
    pub to: E164,
    /// What carried it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How the text would be encoded.
    pub encoding: Encoding,
    /// How many segments it takes.
    pub segments: u16,
    /// Who brought it.
    pub carrier: CarrierId,
    /// The carrier's id of it, if it gave one.
    pub carrier_message_id: Option<CarrierMessageId>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// What the peer is also known as.
    pub alias: Option<Peer>,
}

/// How many steps a history may have before further changes of a reason replace the last one: a message
/// that is handed over again and again for days would grow without bound.
pub const REASON_STEPS_MAX: usize = 16;

/// One step of a message's public status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The status from then on.
    pub status: Status,
    /// Since when.
    pub at: Timestamp,
    /// Why, where there is a why.
    pub reason: Option<Reason>,
}

/// The record of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation that it is in.
    pub conversation: ConversationId,
    /// Whose it is.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// Which way it went.
    pub direction: Direction,
    /// What carried it.
    pub channel: Channel,
    /// Who sent it.
    pub from: Peer,
    /// Who was to get it.
    pub to: Peer,
    /// The text.
    pub body: Arc<str>,
    /// How the text is encoded.
    pub encoding: Encoding,
    /// How many segments it takes.
    pub segments: u16,
    /// What was charged for it.
    pub charge: Micros,
    /// Whether the charge was given back.
    pub refunded: bool,
    /// When it was accepted or received.
    pub created_at: Timestamp,
    /// When the peer read it, if we were told.
    pub read_at: Option<Timestamp>,
    /// Every public status with its time, oldest first, never backwards; of many reasons of one status
    /// the first and the last.
    pub history: Vec<StatusChange>,
    /// What became of the delivery, once nothing more is awaited.
    pub closed: Option<Delivery>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// The carrier that it went to last, and why to that one.
    pub route: Option<Route>,
    /// How often it was handed to a carrier.
    pub submits: u16,
    /// Who brought it, when it is inbound.
    pub brought_by: Option<CarrierId>,
    /// When its validity period ends, when it is outbound.
    pub valid_until: Option<Timestamp>,
    /// The time that it was scheduled for last, if it was.
    pub send_at: Option<Timestamp>,
    /// The batch that it came in, if it did.
    pub batch: Option<BatchId>,
    /// Where its status is told of it alone.
    pub status_url: Option<Box<str>>,
}

impl Message {
    /// The record of an accepted outbound message.
    pub fn accepted(fact: &Accepted, at: Timestamp) -> Message {
        Message {
            id: fact.message,
            conversation: fact.conversation,
            account: fact.account,
            number: fact.number,
            direction: Direction::Outbound,
            channel: fact.channel,
            from: fact.from.into(),
            to: fact.to.clone(),
            body: Arc::clone(&fact.body),
            encoding: fact.encoding,
            segments: fact.segments,
            charge: fact.charge,
            refunded: false,
            created_at: at,
            read_at: None,
            history: vec![StatusChange {
                status: match fact.send_at {
                    Some(_) => Status::Scheduled,
                    None => Status::Queued,
                },
                at,
                reason: None,
            }],
            closed: None,
            content: fact.content.clone(),
            route: None,
            submits: 0,
            brought_by: None,
            valid_until: Some(fact.valid_until),
            send_at: fact.send_at,
            batch: fact.batch.map(|place| place.batch),
            status_url: fact.status_url.clone(),
        }
    }

    /// The record of a received inbound message; its status is `delivered`, as the product shows it.
    pub fn received(fact: &Received, at: Timestamp) -> Message {
        Message {
            id: fact.message,
            conversation: fact.conversation,
            account: fact.account,
            number: fact.number,
            direction: Direction::Inbound,
            channel: fact.channel,
            from: fact.from.clone(),
            to: fact.to.into(),
            body: Arc::clone(&fact.body),
            encoding: fact.encoding,
            segments: fact.segments,
            charge: Micros::ZERO,
            refunded: false,
            created_at: at,
            read_at: None,
            history: vec![StatusChange {
                status: Status::Delivered,
                at,
                reason: None,
            }],
            closed: None,
            content: fact.content.clone(),
            route: None,
            submits: 0,
            brought_by: Some(fact.carrier),
            valid_until: None,
            send_at: None,
            batch: None,
            status_url: None,
        }
    }

    /// The peer, whichever way it went.
    pub fn peer(&self) -> &Peer {
        match self.direction {
            Direction::Inbound => &self.from,
            Direction::Outbound => &self.to,
        }
    }

    /// The present public status.
    pub fn status(&self) -> Status {
        self.history
            .last()
            .expect("a message is made with its first status")
            .status
    }

    /// The reason beside the present status.
    pub fn reason(&self) -> Option<Reason> {
        self.history.last().and_then(|change| change.reason)
    }

    /// Takes over the time that it is scheduled for now.
    pub fn reschedule(&mut self, to: Rescheduled) {
        self.send_at = Some(to.send_at);
        self.valid_until = Some(to.valid_until);
    }

    /// Takes over what the delivery says now: a new status or a new reason is one more step.
    pub fn follow(&mut self, delivery: &Delivery, at: Timestamp) {
        let now = StatusChange {
            status: delivery.status(),
            at,
            reason: delivery.reason(),
        };
        if (now.status, now.reason) != (self.status(), self.reason()) {
            if now.status == self.status() && self.history.len() >= REASON_STEPS_MAX {
                self.history.pop();
            }
            // The step before the one that made room may say just this.
            if (now.status, now.reason) != (self.status(), self.reason()) {
                self.history.push(now);
            }
        }
        self.route = delivery.route;
        self.submits = delivery.submits;
        if delivery.is_read() && self.read_at.is_none() {
            self.read_at = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Delivery, DeliveryEvent};
    use crate::route::RouteReason;
    use crate::segments;

    #[test]
    fn a_message_that_is_tried_for_days_keeps_a_short_history() {
        let number = E164::from_digits(31_201_234_567).unwrap();
        let body: Arc<str> = "hi".into();
        let fact = Accepted {
            message: MessageId(1),
            conversation: ConversationId(1),
            account: AccountId(1),
            number: NumberId(1),
            from: number,
            to: number.into(),
            channel: Channel::Sms,
            encoding: segments::count(&body).encoding,
            body,
            segments: 1,
            charge: Micros::ZERO,
            content: None,
            valid_until: Timestamp(i64::MAX),
            send_at: None,
            auto_reply: None,
            batch: None,
            status_url: None,
            is_urgent: false,
        };
        let mut message = Message::accepted(&fact, Timestamp(0));
        let mut delivery = Delivery::new();
        let route = Route {
            carrier: CarrierId(2),
            reason: RouteReason::Preferred,
        };
        for at in 1..10_000 {
            let started = DeliveryEvent::SubmitStarted(route);
            for event in [started, DeliveryEvent::NotTaken(Reason::Throttled)] {
                delivery.evolve(&event);
                message.follow(&delivery, Timestamp(at));
            }
        }
        assert!(message.history.len() <= REASON_STEPS_MAX);
        assert_eq!(message.reason(), delivery.reason());
        delivery.evolve(&DeliveryEvent::Expired);
        message.follow(&delivery, Timestamp(10_000));
        assert_eq!(message.status(), Status::Failed);
        assert!(message.history.is_sorted_by_key(|step| step.status));
        let repeats = |pair: &[StatusChange]| {
            (pair[0].status, pair[0].reason) == (pair[1].status, pair[1].reason)
        };
        assert!(!message.history.windows(2).any(repeats));
    }
}
