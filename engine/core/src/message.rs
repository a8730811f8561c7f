//! A message: what was sent or received, and how its public status went.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Direction};
use crate::delivery::Delivery;
use crate::delivery::status::Status;
use crate::e164::E164;
use crate::ids::{AccountId, CarrierId, CarrierMessageId, ConversationId, MessageId, NumberId};
use crate::money::Micros;
use crate::reason::Reason;
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
    pub to: E164,
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
    pub from: E164,
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
}

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
    pub from: E164,
    /// Who was to get it.
    pub to: E164,
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
    /// Every public status with its time, oldest first, never backwards.
    pub history: Vec<StatusChange>,
    /// What became of the delivery, once nothing more is awaited.
    pub closed: Option<Delivery>,
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
            from: fact.from,
            to: fact.to,
            body: Arc::clone(&fact.body),
            encoding: fact.encoding,
            segments: fact.segments,
            charge: fact.charge,
            refunded: false,
            created_at: at,
            read_at: None,
            history: vec![StatusChange {
                status: Status::Queued,
                at,
                reason: None,
            }],
            closed: None,
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
            from: fact.from,
            to: fact.to,
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

    /// Takes over what the delivery says now: a new status or a new reason is one more step.
    pub fn follow(&mut self, delivery: &Delivery, at: Timestamp) {
        let now = StatusChange {
            status: delivery.status(),
            at,
            reason: delivery.reason(),
        };
        if (now.status, now.reason) != (self.status(), self.reason()) {
            self.history.push(now);
        }
        if delivery.is_read() && self.read_at.is_none() {
            self.read_at = Some(at);
        }
    }
}
