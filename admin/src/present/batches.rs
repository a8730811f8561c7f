//! The shapes of batches: one, its rows, and what a row came to.

use didfarm_core::batch::{Batch, BatchState};
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::MessageId;
use didfarm_core::time::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{Named, Seconds};

/// A batch and how far it is.
#[derive(Serialize)]
pub(crate) struct BatchView {
    id: Named,
    state: &'static str,
    /// Whether every row is known.
    completed: bool,
    rows: u64,
    accepted: u64,
    refused: u64,
    messages: ByStatus,
    /// The share of its messages that no longer wait, from 0 to 1.
    progress: f64,
    /// At how many messages a second it goes at most.
    rate_per_second: f64,
    estimated_end_at: Option<Seconds>,
    spread_over: Option<u32>,
    created_at: Seconds,
    completed_at: Option<Seconds>,
}

/// What a batch's speed is made of.
pub(crate) struct Pace {
    /// The account's limit.
    pub(crate) per_second: u32,
    /// How many messages of the account wait in line.
    pub(crate) in_line: u64,
    pub(crate) now: Timestamp,
}

impl BatchView {
    pub(crate) fn of(batch: &Batch, pace: &Pace) -> BatchView {
        let waiting = batch.count(Status::Queued);
        let unsent = waiting + batch.count(Status::Scheduled);
        let accepted = batch.accepted();
        let per_second = f64::from(pace.per_second.max(1));
        let gap_s = batch.spread.map(|spread| spread.gap_us as f64 / 1e6);
        let own = gap_s.map_or(per_second, |gap_s| per_second.min(1.0 / gap_s.max(1e-6)));
        // At worst everything that waits in the account's line goes before its last message.
        let wait_s = (waiting as f64 / own).max(pace.in_line.max(waiting) as f64 / per_second);
        let is_running = batch.state == BatchState::Running && waiting > 0;
        let end_at = || Seconds(pace.now.plus_us((wait_s * 1e6) as u64));
        BatchView {
            id: Named(batch.id.spelled()),
            state: batch.state.as_str(),
            completed: batch.completed_at.is_some(),
            rows: accepted + batch.refused,
            accepted,
            refused: batch.refused,
            messages: ByStatus(batch.messages),
            progress: match accepted {
                0 => 0.0,
                accepted => (accepted - unsent) as f64 / accepted as f64,
            },
            rate_per_second: own,
            estimated_end_at: is_running.then(end_at),
            spread_over: batch.spread.map(|spread| spread.over_s),
            created_at: Seconds(batch.created_at),
            completed_at: batch.completed_at.map(Seconds),
        }
    }
}

struct ByStatus([u64; Status::ALL.len()]);

impl Serialize for ByStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (status, count) in Status::ALL.iter().zip(self.0) {
            map.serialize_entry(status.as_str(), &count)?;
        }
        map.end()
    }
}

/// What a row came to.
#[derive(Serialize)]
pub(crate) struct RowView<'a> {
    pub(crate) index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_at: Option<Seconds>,
    /// When it is expected to go at the account's rate, of one that goes as soon as that lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_send_at: Option<Seconds>,
    /// Whether an earlier request handed it in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a RawValue>,
}

impl RowView<'_> {
    pub(crate) fn accepted(
        index: u64,
        message: MessageId,
        send_at: Option<Timestamp>,
    ) -> RowView<'static> {
        RowView {
            index,
            id: Some(Named(message.spelled())),
            send_at: send_at.map(Seconds),
            estimated_send_at: None,
            replayed: false,
            error: None,
        }
    }

    pub(crate) fn refused(index: u64, error: &RawValue) -> RowView<'_> {
        RowView {
            index,
            id: None,
            send_at: None,
            estimated_send_at: None,
            replayed: false,
            error: Some(error),
        }
    }
}

/// The answer to a command.
#[derive(Serialize)]
pub(crate) struct Commanded {
    pub(crate) id: Named,
    pub(crate) state: &'static str,
    /// Messages that wait and are held or go on, or that were cancelled.
    pub(crate) caught: u64,
}
