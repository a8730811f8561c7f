//! Delivery of one outbound message: what we did, what we were told, and what follows from both.
//!
//! 1. The **submit phase** is what we did; it has one writer and an order.
//! 2. The **claims** of receipts, per segment, are what we were told: a join, so that receipts in any
//!    order, any number of times, give the same answer ([`receipt`]).
//! 3. The **public status** is a pure function of both ([`status`]); it never moves backwards.
//!
//! The submit phase (rows) under each input (columns); `·` is out of place and changes nothing:
//!
//! ```text
//! phase       start       accepted   refused   throttled  no_answer  receipt  no_receipt
//! queued      submitting  ·          ·         ·          ·          ·        ·
//! submitting  ·           submitted  refused   queued     in_doubt   ·        ·
//! in_doubt    ·           submitted  refused   queued     ·          ·        ·
//! submitted   ·           late       late      late       late       join     unconfirmed
//! refused     ·           late       late      late       late       late     late
//! ```

pub mod receipt;
pub mod status;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, CarrierId, CarrierMessageId, MessageId, NumberId};
use crate::message::Accepted;
use crate::money::Micros;
use crate::reason::Reason;
use crate::time::Timestamp;
use receipt::{Claim, SegmentClaims};

/// What we did about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// It waits for its turn.
    #[serde(rename = "q")]
    Queued,
    /// We are handing it over: the intent is durable, the answer has not come.
    #[serde(rename = "s")]
    Submitting,
    /// There was no answer: the carrier may have it.
    #[serde(rename = "d")]
    InDoubt,
    /// The carrier took it.
    #[serde(rename = "t")]
    Submitted,
    /// The carrier did not take it.
    #[serde(rename = "r")]
    Refused,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 5] = [
        Phase::Queued,
        Phase::Submitting,
        Phase::InDoubt,
        Phase::Submitted,
        Phase::Refused,
    ];

    /// The word in the table and in operators' answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Queued => "queued",
            Phase::Submitting => "submitting",
            Phase::InDoubt => "in_doubt",
            Phase::Submitted => "submitted",
            Phase::Refused => "refused",
        }
    }
}

/// What comes to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Its turn has come.
    Start,
    /// The carrier took it: one id for all of it, or one per segment.
    Accepted {
        /// The carrier's ids.
        ids: Vec<CarrierMessageId>,
    },
    /// The carrier did not take it.
    Refused {
        /// Why.
        reason: Reason,
    },
    /// The carrier told us to slow down; it did not take it.
    Throttled,
    /// No answer came: the connection fell, time ran out, or we restarted.
    NoAnswer,
    /// A receipt came for one of its carrier message ids.
    Receipt {
        /// Which.
        id: CarrierMessageId,
        /// What it claims.
        claim: Claim,
        /// Why, when it claims a failure.
        reason: Option<Reason>,
    },
    /// The carrier's deadline for receipts passed.
    NoReceipt,
}

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryEvent {
    /// The intent to submit: durable before the first byte goes out.
    #[serde(rename = "s")]
    SubmitStarted,
    /// The carrier took it.
    #[serde(rename = "a")]
    SubmitAccepted(Vec<CarrierMessageId>),
    /// The carrier did not take it.
    #[serde(rename = "r")]
    SubmitRefused(Reason),
    /// The carrier told us to slow down.
    #[serde(rename = "t")]
    SubmitThrottled,
    /// No answer came.
    #[serde(rename = "d")]
    InDoubt,
    /// A receipt's claim about one segment, by its place.
    #[serde(rename = "c")]
    Claimed(u16, Claim, Option<Reason>),
    /// No receipt came by the deadline.
    #[serde(rename = "n")]
    Unconfirmed,
}

/// What an input comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It changes the delivery.
    Moved(DeliveryEvent),
    /// It is recorded, and says the opposite of a final claim that came before.
    Contradiction(DeliveryEvent),
    /// It was known.
    Duplicate,
    /// What it asks about is over.
    Late,
    /// It does not fit the phase: a receipt for an id that the message does not have, a second start.
    OutOfPlace,
}

/// The state of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What we did.
    pub phase: Phase,
    /// How often it was handed over.
    pub submits: u16,
    /// The carrier's ids and what was claimed of each; empty until the carrier took it.
    pub segments: Vec<SegmentClaims>,
    /// Why it was refused, or that the deadline passed.
    pub why: Option<Reason>,
}

/// A message whose delivery is not closed, with what its supervisor needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The message.
    pub message: MessageId,
    /// Who pays.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// The carrier that it goes to.
    pub carrier: CarrierId,
    /// What is given back if no carrier takes it.
    pub charge: Micros,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When the phase last changed: deadlines count from here.
    pub phase_at: Timestamp,
    /// How it goes.
    pub delivery: Delivery,
}

impl InFlight {
    /// The delivery of a message just accepted.
    pub fn new(fact: &Accepted, at: Timestamp) -> InFlight {
        InFlight {
            message: fact.message,
            account: fact.account,
            number: fact.number,
            carrier: CarrierId::SIMULATOR,
            charge: fact.charge,
            accepted_at: at,
            phase_at: at,
            delivery: Delivery::new(),
        }
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &DeliveryEvent, at: Timestamp) {
        let before = self.delivery.phase;
        self.delivery.evolve(event);
        if self.delivery.phase != before {
            self.phase_at = at;
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self::new()
    }
}

impl Delivery {
    /// A delivery that waits for its turn.
    pub fn new() -> Delivery {
        Delivery {
            phase: Phase::Queued,
            submits: 0,
            segments: Vec::new(),
            why: None,
        }
    }

    /// Decides what an input comes to.
    pub fn decide(&self, input: Input) -> Outcome {
        use DeliveryEvent as Happened;
        match (self.phase, input) {
            (Phase::Queued, Input::Start) => Outcome::Moved(Happened::SubmitStarted),
            (
                Phase::Queued,
                Input::Accepted { .. }
                | Input::Refused { .. }
                | Input::Throttled
                | Input::NoAnswer
                | Input::Receipt { .. }
                | Input::NoReceipt,
            ) => Outcome::OutOfPlace,

            (Phase::Submitting | Phase::InDoubt, Input::Accepted { ids }) => {
                Outcome::Moved(Happened::SubmitAccepted(ids))
            }
            (Phase::Submitting | Phase::InDoubt, Input::Refused { reason }) => {
                Outcome::Moved(Happened::SubmitRefused(reason))
            }
            (Phase::Submitting | Phase::InDoubt, Input::Throttled) => {
                Outcome::Moved(Happened::SubmitThrottled)
            }
            (Phase::Submitting, Input::NoAnswer) => Outcome::Moved(Happened::InDoubt),
            (
                Phase::Submitting | Phase::InDoubt,
                Input::Start | Input::Receipt { .. } | Input::NoReceipt,
            )
            | (Phase::InDoubt, Input::NoAnswer) => Outcome::OutOfPlace,

            (Phase::Submitted, Input::Start) => Outcome::OutOfPlace,
            (
                Phase::Submitted,
                Input::Accepted { .. } | Input::Refused { .. } | Input::Throttled | Input::NoAnswer,
            ) => Outcome::Late,
            (Phase::Submitted, Input::Receipt { id, claim, reason }) => {
                self.decide_receipt(&id, claim, reason)
            }
            (Phase::Submitted, Input::NoReceipt) => self.decide_no_receipt(),

            (Phase::Refused, Input::Start) => Outcome::OutOfPlace,
            (
                Phase::Refused,
                Input::Accepted { .. }
                | Input::Refused { .. }
                | Input::Throttled
                | Input::NoAnswer
                | Input::Receipt { .. }
                | Input::NoReceipt,
            ) => Outcome::Late,
        }
    }

    fn decide_receipt(
        &self,
        id: &CarrierMessageId,
        claim: Claim,
        reason: Option<Reason>,
    ) -> Outcome {
        let Some(place) = self.segments.iter().position(|segment| segment.id == *id) else {
            return Outcome::OutOfPlace;
        };
        let mut joined = self.segments[place].clone();
        joined.join(claim, reason);
        if joined == self.segments[place] {
            return Outcome::Duplicate;
        }
        let place = u16::try_from(place).expect("a message has few segments");
        let event = DeliveryEvent::Claimed(place, claim, reason);
        if joined.contradicts() && !self.segments[usize::from(place)].contradicts() {
            Outcome::Contradiction(event)
        } else {
            Outcome::Moved(event)
        }
    }

    fn decide_no_receipt(&self) -> Outcome {
        if self.is_closed() || self.why == Some(Reason::Unconfirmed) {
            return Outcome::Late;
        }
        Outcome::Moved(DeliveryEvent::Unconfirmed)
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &DeliveryEvent) {
        match event {
            DeliveryEvent::SubmitStarted => {
                self.phase = Phase::Submitting;
                self.submits = self.submits.saturating_add(1);
                self.why = None;
            }
            DeliveryEvent::SubmitAccepted(ids) => {
                self.phase = Phase::Submitted;
                self.why = None;
                self.segments = ids.iter().cloned().map(SegmentClaims::new).collect();
            }
            DeliveryEvent::SubmitRefused(reason) => {
                self.phase = Phase::Refused;
                self.why = Some(*reason);
            }
            DeliveryEvent::SubmitThrottled => {
                self.phase = Phase::Queued;
                self.why = Some(Reason::Throttled);
            }
            DeliveryEvent::InDoubt => {
                self.phase = Phase::InDoubt;
                self.why = Some(Reason::InDoubt);
            }
            DeliveryEvent::Claimed(place, claim, reason) => {
                if let Some(segment) = self.segments.get_mut(usize::from(*place)) {
                    segment.join(*claim, *reason);
                }
            }
            DeliveryEvent::Unconfirmed => self.why = Some(Reason::Unconfirmed),
        }
    }

    /// Whether nothing more is awaited: it was refused, or every segment has a final claim.
    pub fn is_closed(&self) -> bool {
        match self.phase {
            Phase::Queued | Phase::Submitting | Phase::InDoubt => false,
            Phase::Submitted => self.segments.iter().all(SegmentClaims::is_final),
            Phase::Refused => true,
        }
    }

    /// Whether every segment was read.
    pub fn is_read(&self) -> bool {
        !self.segments.is_empty()
            && self
                .segments
                .iter()
                .all(|segment| segment.claims.has(Claim::Read))
    }
}

#[cfg(test)]
mod tests;
