//! Receipts: a carrier's claims about one segment, joined.
//!
//! The claims of a segment are a set, and the join is its union: commutative, associative and
//! idempotent. A set that holds both `delivered` and `failed` contradicts itself; the handset's
//! confirmation is the stronger one.

use serde::{Deserialize, Serialize};

use crate::ids::CarrierMessageId;
use crate::reason::Reason;

/// What a receipt claims of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Claim {
    /// The network has it; nothing is final.
    #[serde(rename = "e")]
    EnRoute,
    /// It will not arrive.
    #[serde(rename = "f")]
    Failed,
    /// The handset has it.
    #[serde(rename = "d")]
    Delivered,
    /// The peer read it; it was delivered, then.
    #[serde(rename = "r")]
    Read,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Claim; 4] = [Claim::EnRoute, Claim::Failed, Claim::Delivered, Claim::Read];

    /// The word in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Claim::EnRoute => "en_route",
            Claim::Failed => "failed",
            Claim::Delivered => "delivered",
            Claim::Read => "read",
        }
    }
}

/// A set of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(u8);

impl Claims {
    /// Whether the claim was made.
    pub fn has(self, claim: Claim) -> bool {
        self.0 & (1 << claim as u8) != 0
    }

    fn add(&mut self, claim: Claim) {
        self.0 |= 1 << claim as u8;
        if claim == Claim::Read {
            self.add(Claim::Delivered);
        }
    }
}

/// One carrier message id and what was claimed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentClaims {
    /// The carrier's id.
    pub id: CarrierMessageId,
    /// The claims.
    pub claims: Claims,
    /// Why it failed, if that was claimed: the largest of the reasons given.
    pub reason: Option<Reason>,
}

impl SegmentClaims {
    /// A segment of which nothing was claimed.
    pub fn new(id: CarrierMessageId) -> SegmentClaims {
        SegmentClaims {
            id,
            claims: Claims::default(),
            reason: None,
        }
    }

    /// Joins one more claim.
    pub fn join(&mut self, claim: Claim, reason: Option<Reason>) {
        self.claims.add(claim);
        if claim == Claim::Failed {
            self.reason = self.reason.max(Some(reason.unwrap_or(Reason::Unknown)));
        }
    }

    /// Whether a claim is final.
    pub fn is_final(&self) -> bool {
        self.claims.has(Claim::Delivered) || self.claims.has(Claim::Failed)
    }

    /// Whether both final claims were made.
    pub fn contradicts(&self) -> bool {
        self.claims.has(Claim::Delivered) && self.claims.has(Claim::Failed)
    }
}
