//! What the rows of endpoints, their events, their attempts and of mails say.

use didfarm_core::ids::{ConversationId, EndpointId, EventId};
use didfarm_core::mail::WaitingMail;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::WebhookEvent;
use didfarm_core::webhook::attempt::Attempt;
use didfarm_core::webhook::endpoint::Endpoint;
use serde::{Deserialize, Serialize};

use crate::records::keys::AttemptPlace;

/// An endpoint and how much waits for it. A deleted one stays until nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Events that wait for it.
    pub pending: u64,
}

/// An event and what came of it at each endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub event: WebhookEvent,
    /// What came of it: first the endpoints that it was for when it happened, then those that a
    /// customer sent it to later.
    pub results: Vec<EventResult>,
}

impl EventRow {
    /// What came of it at an endpoint.
    pub fn result(&self, endpoint: EndpointId) -> Option<&EventResult> {
        let mut results = self.results.iter();
        results.find(|result| result.endpoint == endpoint)
    }

    /// Whether it waits for any endpoint.
    pub fn is_pending(&self) -> bool {
        let mut results = self.results.iter();
        results.any(|result| result.state == ResultState::Pending)
    }
}

/// What came of an event at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// How far it is.
    pub state: ResultState,
    /// When its next attempt is due, exactly while it is pending: with that its row is found among
    /// what waits.
    pub due: Option<Timestamp>,
    /// Attempts that were made in all.
    pub made: u16,
    /// Those that are kept, oldest first.
    pub attempts: Vec<AttemptMark>,
}

impl EventResult {
    /// What came of an event at an endpoint that is gone: nothing.
    pub(super) fn none(endpoint: EndpointId) -> EventResult {
        EventResult {
            endpoint,
            state: ResultState::Dropped,
            due: None,
            made: 0,
            attempts: Vec::new(),
        }
    }
}

/// How far an event is at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResultState {
    /// It waits for its next attempt.
    #[serde(rename = "p")]
    Pending,
    /// The endpoint has it.
    #[serde(rename = "d")]
    Delivered,
    /// Its last attempt failed.
    #[serde(rename = "x")]
    Exhausted,
    /// The endpoint was disabled: it is sent only if it is recovered.
    #[serde(rename = "m")]
    Missed,
    /// The endpoint was deleted before it had it.
    #[serde(rename = "g")]
    Dropped,
}

impl ResultState {
    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ResultState::Pending => "pending",
            ResultState::Delivered => "delivered",
            ResultState::Exhausted => "exhausted",
            ResultState::Missed => "missed",
            ResultState::Dropped => "dropped",
        }
    }
}

/// Where an attempt of an event is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptMark {
    /// When it began.
    pub at: Timestamp,
    /// Which attempt of this event at this endpoint it was, from 1.
    pub ordinal: u16,
    /// The rows that it takes.
    pub parts: u8,
}

impl AttemptMark {
    /// Where it stands among the attempts of its endpoint.
    pub fn place(self, event: EventId) -> AttemptPlace {
        AttemptPlace {
            at: self.at,
            event,
            ordinal: self.ordinal,
        }
    }
}

/// The first row of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The attempt, with the first part of its body.
    pub attempt: Attempt,
    /// The rows that it takes, this one included.
    pub parts: u8,
}

/// The further part of an attempt's body that a row holds.
pub type BodyPart = Box<str>;

/// An event that waits for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRow {
    /// Attempts that failed since it was put in line: where it is in the schedule.
    pub attempts: u16,
    /// Attempts that were made in all, those before a customer asked for it again included: the next
    /// one's ordinal is one more.
    pub made: u16,
    /// Whether a customer asked for it.
    pub is_manual: bool,
    /// Its conversation, where it has one: for endpoints that are told in order.
    pub conversation: Option<ConversationId>,
}

/// A mail that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUpMail {
    /// The mail, how often it was tried and what the server said last.
    pub waiting: WaitingMail,
    /// When it was given up.
    pub at: Timestamp,
}
