//! Public status: a pure function of the submit phase and of the claims over all segments.
//!
//! `delivered` needs every segment; `failed` needs one that failed, and stays until every segment is
//! known to have arrived after all, and so does one that was given up. So the status only ever rises, in whatever order receipts come.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::receipt::Claim;
use super::{Delivery, Phase};
use crate::reason::Reason;

/// The seven public states. The order is the way they go: never backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Accepted, and kept until the time that it is scheduled for.
    #[serde(rename = "p")]
    Scheduled,
    /// Accepted and queued for delivery.
    #[serde(rename = "q")]
    Queued,
    /// Being transmitted to the carrier network.
    #[serde(rename = "s")]
    Sending,
    /// Accepted by the carrier for delivery.
    #[serde(rename = "t")]
    Sent,
    /// Cancelled before a carrier had it.
    #[serde(rename = "x")]
    Cancelled,
    /// Delivery failed.
    #[serde(rename = "f")]
    Failed,
    /// Confirmed delivered to the handset.
    #[serde(rename = "d")]
    Delivered,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 7] = [
        Status::Scheduled,
        Status::Queued,
        Status::Sending,
        Status::Sent,
        Status::Cancelled,
        Status::Failed,
        Status::Delivered,
    ];

    /// The word in public JSON and in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Queued => "queued",
            Status::Sending => "sending",
            Status::Sent => "sent",
            Status::Cancelled => "cancelled",
            Status::Failed => "failed",
            Status::Delivered => "delivered",
        }
    }

    /// Reads the word of public JSON.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// Whether it ends a message's way.
    pub fn is_final(self) -> bool {
        self >= Status::Cancelled
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Delivery {
    /// The public status now.
    pub fn status(&self) -> Status {
        match self.phase {
            Phase::Scheduled => Status::Scheduled,
            Phase::Cancelled => Status::Cancelled,
            // A message that was not taken was under way already: it does not fall back to `queued`.
            Phase::Queued if self.submits > 0 => Status::Sending,
            Phase::Queued => Status::Queued,
            Phase::Submitting | Phase::InDoubt => Status::Sending,
            Phase::Refused | Phase::GivenUp => Status::Failed,
            Phase::Submitted if self.all(Claim::Delivered) => Status::Delivered,
            Phase::Submitted if self.gave_up || self.any(Claim::Failed) => Status::Failed,
            Phase::Submitted => Status::Sent,
        }
    }

    /// The reason beside the status now.
    pub fn reason(&self) -> Option<Reason> {
        match self.status() {
            Status::Scheduled | Status::Cancelled | Status::Delivered => None,
            Status::Failed => self
                .segments
                .iter()
                .filter_map(|segment| segment.reason)
                .max()
                .or(self.why),
            Status::Queued | Status::Sending | Status::Sent => self.why,
        }
    }

    fn all(&self, claim: Claim) -> bool {
        !self.segments.is_empty()
            && self
                .segments
                .iter()
                .all(|segment| segment.claims.has(claim))
    }

    fn any(&self, claim: Claim) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.claims.has(claim))
    }
}
