//! A recovery: events of a time range that are sent again at a set pace.

use serde::{Deserialize, Serialize};

use super::EventType;
use crate::ids::EventId;
use crate::time::Timestamp;

/// Slowest and fastest pace, in events a second.
pub const PACE_PER_SECOND: std::ops::RangeInclusive<u32> = 1..=10_000;
/// The pace where none is asked for, in events a second.
pub const PACE_PER_SECOND_DEFAULT: u32 = 100;

/// Which events of the range are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RecoveryScope {
    /// Those that the endpoint does not have: missed while it was disabled, or exhausted.
    #[default]
    #[serde(rename = "u")]
    Undelivered,
    /// All that pass its filter, those that it has included.
    #[serde(rename = "a")]
    All,
}

impl RecoveryScope {
    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RecoveryScope::Undelivered => "undelivered",
            RecoveryScope::All => "all",
        }
    }

    /// Reads the word of public JSON.
    pub fn parse(text: &str) -> Option<RecoveryScope> {
        [RecoveryScope::Undelivered, RecoveryScope::All]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// How far a recovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoveryState {
    /// It goes on.
    #[serde(rename = "r")]
    Running,
    /// Every event of the range was looked at.
    #[serde(rename = "d")]
    Done,
    /// The customer ended it, or the endpoint was deleted.
    #[serde(rename = "c")]
    Cancelled,
}

impl RecoveryState {
    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RecoveryState::Running => "running",
            RecoveryState::Done => "done",
            RecoveryState::Cancelled => "cancelled",
        }
    }
}

/// Which events a recovery is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
    /// Only these types; empty for all that the endpoint's own filter lets pass.
    pub types: Vec<EventType>,
    /// Which of them.
    pub scope: RecoveryScope,
}

/// A recovery of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// What it is about.
    pub filter: RecoveryFilter,
    /// Events a second at most.
    pub pace_per_second: u32,
    /// The last event that was looked at.
    pub cursor: EventId,
    /// Events that were put in line.
    pub queued: u64,
    /// How far it is.
    pub state: RecoveryState,
    /// When it was asked for.
    pub started_at: Timestamp,
}
