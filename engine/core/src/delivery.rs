//! Delivery of one outbound message: what we did, what we were told, and what follows from both.
//!
//! 1. The **submit phase** is what we did; it has one writer and an order.
//! 2. The **claims** of receipts, per segment, are what we were told: a join, so that receipts in any
//!    order, any number of times, give the same answer ([`receipt`]).
//! 3. The **public status** is a pure function of both ([`status`]); it never moves backwards.
//!
//! The submit phase (rows) under each input (columns); `·` is out of place and changes nothing, `join`
//! and the words behind `+` stay in the phase. A `named` receipt names the message by our own id, so
//! that it proves by itself that the carrier took it:
//!
//! ```text
//! phase       start       accepted   refused  not_taken  no_answer  receipt  named      no_receipt    delayed   expired  give_up   due     reschedule    forbid   cancel
//! scheduled   ·           ·          ·        ·          ·          ·        ·          ·             ·         ·        ·         queued  +rescheduled  refused  cancelled
//! queued      submitting  ·          ·        ·          ·          ·        ·          ·             +delayed  refused  ·         late    late          refused  cancelled
//! requeued    submitting  ·          ·        ·          ·          ·        submitted  ·             late      refused  ·         late    late          refused  cancelled
//! submitting  ·           submitted  refused  queued     in_doubt   ·        submitted  ·             late      ·        ·         late    late          late     late
//! in_doubt    ·           submitted  refused  queued     ·          ·        submitted  ·             late      ·        given_up  late    late          late     late
//! submitted   ·           late       late     late       late       join     join       +unconfirmed  late      late     late      late    late          late     late
//! refused     ·           late       late     late       late       late     late       late          late      late     late      late    late          late     late
//! cancelled   ·           late       late     late       late       late     late       late          late      late     late      late    late          late     late
//! given_up    ·           submitted  refused  refused    late       ·        submitted  late          late      late     late      late    late          late     late
//! ```
//!
//! `requeued` is `queued` after a carrier that is known not to have taken the message.
//!
//! A `scheduled` message waits for its time. It can be given another time until that has come, and can be
//! cancelled for as long as it waits for its turn: whichever of a cancel and a start is decided first
//! leaves the other nothing to do.

pub mod receipt;
pub mod status;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::channel::Channel;
use crate::content::ContentKind;
use crate::ids::{AccountId, BatchId, CarrierMessageId, ConversationId, MessageId, NumberId};
use crate::message::Accepted;
use crate::money::Micros;
use crate::reason::Reason;
use crate::route::Route;
use crate::time::Timestamp;
use receipt::{Claim, SegmentClaims};

/// What we did about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// It waits for its time.
    #[serde(rename = "p")]
    Scheduled,
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
    /// It was cancelled before a carrier had it.
    #[serde(rename = "x")]
    Cancelled,
    /// It stayed in doubt past its deadline; what the carrier did is not known.
    #[serde(rename = "g")]
    GivenUp,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 8] = [
        Phase::Scheduled,
        Phase::Queued,
        Phase::Submitting,
        Phase::InDoubt,
        Phase::Submitted,
        Phase::Refused,
        Phase::Cancelled,
        Phase::GivenUp,
    ];

    /// The word in the table and in operators' answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Scheduled => "scheduled",
            Phase::Queued => "queued",
            Phase::Submitting => "submitting",
            Phase::InDoubt => "in_doubt",
            Phase::Submitted => "submitted",
            Phase::Refused => "refused",
            Phase::Cancelled => "cancelled",
            Phase::GivenUp => "given_up",
        }
    }
}

/// What comes to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Its turn has come, on this route.
    Start {
        /// Where it goes, and why there.
        route: Route,
    },
    /// The carrier took it: one id for all of it, or one per segment.
    Accepted {
        /// The carrier's ids.
        ids: Vec<CarrierMessageId>,
        /// Whether its receipts find it by these ids alone, so that the records keep an index of them.
        indexed: bool,
    },
    /// The carrier did not take it, and no carrier would.
    Refused {
        /// Why.
        reason: Reason,
    },
    /// The carrier is known not to have taken it; it may go to another, or later.
    NotTaken {
        /// Why.
        reason: Reason,
    },
    /// No answer came: the connection fell, time ran out, or we restarted.
    NoAnswer,
    /// A receipt came.
    Receipt {
        /// The carrier message id that it is about.
        id: CarrierMessageId,
        /// What it claims.
        claim: Claim,
        /// Why, when it claims a failure.
        reason: Option<Reason>,
        /// Whether it names the message by our own id beside the carrier's.
        named: bool,
    },
    /// The carrier's deadline for receipts passed.
    NoReceipt,
    /// It waits for its turn longer than we promise.
    Delayed,
    /// Its validity period ended.
    Expired,
    /// It was in doubt for as long as that may last.
    GiveUp,
    /// The time that it was scheduled for has come.
    Due,
    /// It is to be sent at another time.
    Reschedule(Rescheduled),
    /// A rule that holds at the time of sending forbids it.
    Forbid {
        /// Why.
        reason: Reason,
    },
    /// It is not to be sent after all.
    Cancel,
}

/// When a message is to be sent instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescheduled {
    /// When it is to be sent.
    pub send_at: Timestamp,
    /// When its validity period ends then.
    pub valid_until: Timestamp,
    /// Whether it goes in quiet hours too.
    #[serde(default)]
    pub is_urgent: bool,
}

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryEvent {
    /// The intent to submit: durable before the first byte goes out.
    #[serde(rename = "s")]
    SubmitStarted(Route),
    /// The carrier took it: its ids, and whether the records keep an index of them.
    #[serde(rename = "a")]
    SubmitAccepted(Vec<CarrierMessageId>, bool),
    /// The carrier did not take it.
    #[serde(rename = "r")]
    SubmitRefused(Reason),
    /// The carrier is known not to have taken it; it waits for its turn again.
    #[serde(rename = "t")]
    NotTaken(Reason),
    /// No answer came.
    #[serde(rename = "d")]
    InDoubt,
    /// A receipt that names the message came before any answer: the carrier took it.
    #[serde(rename = "k")]
    ReceiptAccepted(CarrierMessageId, Claim, Option<Reason>),
    /// A receipt's claim about one segment, by its place.
    #[serde(rename = "c")]
    Claimed(u16, Claim, Option<Reason>),
    /// No receipt came by the deadline.
    #[serde(rename = "n")]
    Unconfirmed,
    /// It waits for its turn longer than we promise.
    #[serde(rename = "l")]
    Delayed,
    /// Its validity period ended before a carrier took it.
    #[serde(rename = "e")]
    Expired,
    /// It was in doubt for as long as that may last.
    #[serde(rename = "g")]
    GivenUp,
    /// The time that it was scheduled for came: it waits for its turn.
    #[serde(rename = "u")]
    Due,
    /// It was given another time.
    #[serde(rename = "m")]
    Rescheduled(Rescheduled),
    /// It was cancelled before a carrier had it.
    #[serde(rename = "x")]
    Cancelled,
}

impl DeliveryEvent {
    /// Whether no carrier took the message, so that its charge is given back.
    pub fn gives_back(&self) -> bool {
        matches!(
            self,
            DeliveryEvent::SubmitRefused(_) | DeliveryEvent::Expired | DeliveryEvent::Cancelled
        )
    }
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

/// The segments of a message by the carrier's ids; most messages have one.
pub type Segments = SmallVec<[SegmentClaims; 1]>;

/// The state of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What we did.
    pub phase: Phase,
    /// How often it was handed over.
    pub submits: u16,
    /// The carrier that it went to last, and why to that one.
    pub route: Option<Route>,
    /// The carrier's ids and what was claimed of each; empty until the carrier took it.
    pub segments: Segments,
    /// Why it was refused, or that a deadline passed.
    pub why: Option<Reason>,
    /// Whether it was given up once: it counts as failed then until it is known to have arrived.
    pub gave_up: bool,
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
    /// The conversation that it is in.
    pub conversation: ConversationId,
    /// What carries it.
    pub channel: Channel,
    /// What is given back if no carrier takes it.
    pub charge: Micros,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When the phase last changed: deadlines count from here. Of a scheduled message, when it is to be sent.
    pub phase_at: Timestamp,
    /// When its validity period ends: it is not submitted after that.
    pub valid_until: Timestamp,
    /// The batch that it came in, if it did: it waits until its account's rate lets it go.
    pub batch: Option<BatchId>,
    /// Whether the message names a URL where its status is told.
    pub has_status_url: bool,
    /// How it goes.
    pub delivery: Delivery,
    /// Whether it goes in quiet hours too.
    #[serde(default)]
    pub is_urgent: bool,
    /// Whether it is a template, which a peer can opt out of alone.
    #[serde(default)]
    pub is_template: bool,
}

impl InFlight {
    /// The delivery of a message just accepted.
    pub fn new(fact: &Accepted, at: Timestamp) -> InFlight {
        InFlight {
            message: fact.message,
            account: fact.account,
            number: fact.number,
            conversation: fact.conversation,
            channel: fact.channel,
            charge: fact.charge,
            accepted_at: at,
            phase_at: fact.send_at.unwrap_or(at),
            valid_until: fact.valid_until,
            batch: fact.batch.map(|place| place.batch),
            has_status_url: fact.status_url.is_some(),
            delivery: match fact.send_at {
                Some(_) => Delivery::scheduled(),
                None => Delivery::new(),
            },
            is_urgent: fact.is_urgent,
            is_template: fact
                .content
                .as_ref()
                .is_some_and(|content| content.kind == ContentKind::Template),
        }
    }

    /// The time that it waits for, while it does.
    pub fn scheduled_for(&self) -> Option<Timestamp> {
        (self.delivery.phase == Phase::Scheduled).then_some(self.phase_at)
    }

    /// Since when it waits for its turn: since its acceptance, or since its time came.
    pub fn waits_since(&self) -> Timestamp {
        match self.delivery.submits {
            0 => self.phase_at,
            _ => self.accepted_at,
        }
    }

    /// Whether its validity period is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.valid_until <= now
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &DeliveryEvent, at: Timestamp) {
        let before = self.delivery.phase;
        self.delivery.evolve(event);
        if self.delivery.phase != before {
            self.phase_at = at;
        }
        if let DeliveryEvent::Rescheduled(to) = event {
            self.phase_at = to.send_at;
            self.valid_until = to.valid_until;
            self.is_urgent = to.is_urgent;
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
            route: None,
            segments: Segments::new(),
            why: None,
            gave_up: false,
        }
    }

    /// A delivery that waits for its time.
    pub fn scheduled() -> Delivery {
        Delivery {
            phase: Phase::Scheduled,
            ..Delivery::new()
        }
    }

    /// Decides what an input comes to.
    pub fn decide(&self, input: Input) -> Outcome {
        match self.phase {
            Phase::Scheduled => decide_scheduled(input),
            Phase::Queued => self.decide_queued(input),
            Phase::Submitting | Phase::InDoubt => self.decide_unanswered(input),
            Phase::Submitted => self.decide_submitted(input),
            Phase::Refused | Phase::Cancelled => match input {
                Input::Start { .. } => Outcome::OutOfPlace,
                Input::Accepted { .. }
                | Input::Refused { .. }
                | Input::NotTaken { .. }
                | Input::NoAnswer
                | Input::Receipt { .. }
                | Input::NoReceipt
                | Input::Delayed
                | Input::Expired
                | Input::GiveUp
                | Input::Due
                | Input::Reschedule(_)
                | Input::Forbid { .. }
                | Input::Cancel => Outcome::Late,
            },
            Phase::GivenUp => decide_given_up(input),
        }
    }

    fn decide_queued(&self, input: Input) -> Outcome {
        let requeued = self.submits > 0;
        match input {
            Input::Start { route } => Outcome::Moved(DeliveryEvent::SubmitStarted(route)),
            // It was submitted before, and a carrier that was thought not to have taken it says it did.
            Input::Receipt {
                id,
                claim,
                reason,
                named: true,
            } if requeued => Outcome::Moved(DeliveryEvent::ReceiptAccepted(id, claim, reason)),
            Input::Delayed if requeued || self.why.is_some() => Outcome::Late,
            Input::Delayed => Outcome::Moved(DeliveryEvent::Delayed),
            Input::Expired => Outcome::Moved(DeliveryEvent::Expired),
            Input::Forbid { reason } => Outcome::Moved(DeliveryEvent::SubmitRefused(reason)),
            Input::Cancel => Outcome::Moved(DeliveryEvent::Cancelled),
            Input::Due | Input::Reschedule(_) => Outcome::Late,
            Input::Accepted { .. }
            | Input::Refused { .. }
            | Input::NotTaken { .. }
            | Input::NoAnswer
            | Input::Receipt { .. }
            | Input::NoReceipt
            | Input::GiveUp => Outcome::OutOfPlace,
        }
    }

    fn decide_unanswered(&self, input: Input) -> Outcome {
        let in_doubt = self.phase == Phase::InDoubt;
        match input {
            Input::Accepted { ids, indexed } => {
                Outcome::Moved(DeliveryEvent::SubmitAccepted(ids, indexed))
            }
            Input::Refused { reason } => Outcome::Moved(DeliveryEvent::SubmitRefused(reason)),
            Input::NotTaken { reason } => Outcome::Moved(DeliveryEvent::NotTaken(reason)),
            Input::Receipt {
                id,
                claim,
                reason,
                named: true,
            } => Outcome::Moved(DeliveryEvent::ReceiptAccepted(id, claim, reason)),
            Input::NoAnswer if !in_doubt => Outcome::Moved(DeliveryEvent::InDoubt),
            Input::GiveUp if in_doubt => Outcome::Moved(DeliveryEvent::GivenUp),
            Input::Delayed
            | Input::Due
            | Input::Reschedule(_)
            | Input::Forbid { .. }
            | Input::Cancel => Outcome::Late,
            Input::Start { .. }
            | Input::NoAnswer
            | Input::Receipt { .. }
            | Input::NoReceipt
            | Input::Expired
            | Input::GiveUp => Outcome::OutOfPlace,
        }
    }

    fn decide_submitted(&self, input: Input) -> Outcome {
        match input {
            Input::Start { .. } => Outcome::OutOfPlace,
            // An operator said that the carrier took it; its id was not known then.
            Input::Receipt {
                id,
                claim,
                reason,
                named: true,
            } if self.segments.is_empty() => {
                Outcome::Moved(DeliveryEvent::ReceiptAccepted(id, claim, reason))
            }
            Input::Receipt {
                id, claim, reason, ..
            } => self.decide_receipt(&id, claim, reason),
            Input::NoReceipt => self.decide_no_receipt(),
            Input::Accepted { .. }
            | Input::Refused { .. }
            | Input::NotTaken { .. }
            | Input::NoAnswer
            | Input::Delayed
            | Input::Expired
            | Input::GiveUp
            | Input::Due
            | Input::Reschedule(_)
            | Input::Forbid { .. }
            | Input::Cancel => Outcome::Late,
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
        let event = DeliveryEvent::Claimed(
            u16::try_from(place).expect("a message has few segments"),
            claim,
            reason,
        );
        if joined.contradicts() && !self.segments[place].contradicts() {
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
            DeliveryEvent::SubmitStarted(route) => {
                self.phase = Phase::Submitting;
                self.submits = self.submits.saturating_add(1);
                self.route = Some(*route);
                self.why = None;
            }
            DeliveryEvent::SubmitAccepted(ids, _) => {
                self.take(ids.iter().cloned().map(SegmentClaims::new).collect());
            }
            DeliveryEvent::SubmitRefused(reason) => {
                self.phase = Phase::Refused;
                self.why = Some(*reason);
            }
            DeliveryEvent::NotTaken(reason) => {
                self.phase = Phase::Queued;
                self.why = Some(*reason);
            }
            DeliveryEvent::InDoubt => {
                self.phase = Phase::InDoubt;
                self.why = Some(Reason::InDoubt);
            }
            DeliveryEvent::ReceiptAccepted(id, claim, reason) => {
                let mut segment = SegmentClaims::new(id.clone());
                segment.join(*claim, *reason);
                self.take(Segments::from_iter([segment]));
            }
            DeliveryEvent::Claimed(place, claim, reason) => {
                if let Some(segment) = self.segments.get_mut(usize::from(*place)) {
                    segment.join(*claim, *reason);
                }
            }
            DeliveryEvent::Unconfirmed => self.why = Some(Reason::Unconfirmed),
            DeliveryEvent::Delayed => self.why = Some(Reason::Delayed),
            DeliveryEvent::Expired => {
                self.phase = Phase::Refused;
                self.why = Some(Reason::Expired);
            }
            DeliveryEvent::GivenUp => {
                self.phase = Phase::GivenUp;
                self.gave_up = true;
            }
            DeliveryEvent::Due => self.phase = Phase::Queued,
            // Its times stand beside the delivery.
            DeliveryEvent::Rescheduled(_) => {}
            DeliveryEvent::Cancelled => {
                self.phase = Phase::Cancelled;
                self.why = None;
            }
        }
    }

    fn take(&mut self, segments: Segments) {
        self.phase = Phase::Submitted;
        self.segments = segments;
        self.why = self.gave_up.then_some(Reason::InDoubt);
    }

    /// The carrier that it went to last.
    pub fn carrier(&self) -> Option<crate::ids::CarrierId> {
        self.route.map(|route| route.carrier)
    }

    /// Whether nothing more is awaited: it was refused or given up, every segment has a final claim, or the
    /// deadline for receipts passed. What comes all the same is joined.
    pub fn is_closed(&self) -> bool {
        match self.phase {
            Phase::Scheduled | Phase::Queued | Phase::Submitting | Phase::InDoubt => false,
            Phase::Submitted => {
                self.why == Some(Reason::Unconfirmed)
                    || self.segments.iter().all(SegmentClaims::is_final)
            }
            Phase::Refused | Phase::Cancelled | Phase::GivenUp => true,
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

fn decide_scheduled(input: Input) -> Outcome {
    match input {
        Input::Due => Outcome::Moved(DeliveryEvent::Due),
        Input::Reschedule(to) => Outcome::Moved(DeliveryEvent::Rescheduled(to)),
        Input::Forbid { reason } => Outcome::Moved(DeliveryEvent::SubmitRefused(reason)),
        Input::Cancel => Outcome::Moved(DeliveryEvent::Cancelled),
        Input::Start { .. }
        | Input::Accepted { .. }
        | Input::Refused { .. }
        | Input::NotTaken { .. }
        | Input::NoAnswer
        | Input::Receipt { .. }
        | Input::NoReceipt
        | Input::Delayed
        | Input::Expired
        | Input::GiveUp => Outcome::OutOfPlace,
    }
}

fn decide_given_up(input: Input) -> Outcome {
    match input {
        Input::Accepted { ids, indexed } => {
            Outcome::Moved(DeliveryEvent::SubmitAccepted(ids, indexed))
        }
        Input::Refused { reason } | Input::NotTaken { reason } => {
            Outcome::Moved(DeliveryEvent::SubmitRefused(reason))
        }
        Input::Receipt {
            id,
            claim,
            reason,
            named: true,
        } => Outcome::Moved(DeliveryEvent::ReceiptAccepted(id, claim, reason)),
        Input::Start { .. } | Input::Receipt { .. } => Outcome::OutOfPlace,
        Input::NoAnswer
        | Input::NoReceipt
        | Input::Delayed
        | Input::Expired
        | Input::GiveUp
        | Input::Due
        | Input::Reschedule(_)
        | Input::Forbid { .. }
        | Input::Cancel => Outcome::Late,
    }
}

#[cfg(test)]
mod tests;
