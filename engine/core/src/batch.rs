//! Batches: many messages that were handed in together, each row with a result of its own.
//!
//! A row is accepted or refused once: what became of it is found by its index, so that a batch that was
//! cut goes on where it was. Its messages wait until the rate of their account lets them go, and can be
//! paused and cancelled together for as long as they wait.

use serde::{Deserialize, Serialize};

use crate::delivery::status::Status;
use crate::idempotency::is_expired;
use crate::ids::{AccountId, BatchId, MessageId};
use crate::time::Timestamp;

/// Rows that a batch may have.
pub const ROWS_MAX: u64 = 100_000_000;
/// The longest time over which a batch can be spread, in seconds: a week.
pub const SPREAD_S_MAX: u32 = 7 * 24 * 60 * 60;
/// The longest text that is kept of why a row was refused, in bytes.
pub const PROBLEM_BYTES_MAX: usize = 2_048;
/// For how long the idempotency key of a batch that was never completed is kept at least, in seconds from
/// when its last row was decided: 35 days.
pub const UNFINISHED_KEY_S: u32 = 35 * 24 * 60 * 60;

/// Where a message stands in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPlace {
    /// The batch.
    pub batch: BatchId,
    /// The row, from 0.
    pub index: u64,
    /// What stands for the row's content.
    pub print: RowPrint,
}

/// What stands for the content of a row: eight bytes of SHA-256, which tell a row that was changed by
/// mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowPrint(pub u64);

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowOutcome {
    /// Its message was accepted, to be sent at a time if there is one.
    #[serde(rename = "m")]
    Accepted(MessageId, Option<Timestamp>),
    /// It was refused: the problem as it was told, in JSON.
    #[serde(rename = "r")]
    Refused(Box<str>),
}

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The row, from 0.
    pub index: u64,
    /// What stands for its content.
    pub print: RowPrint,
    /// The problem as it was told, in JSON.
    pub problem: Box<str>,
}

/// Whether the messages of a batch go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BatchState {
    /// They go at their pace.
    #[serde(rename = "r")]
    Running,
    /// Those that wait stay.
    #[serde(rename = "p")]
    Paused,
    /// Those that waited were cancelled, and no row is accepted any more.
    #[serde(rename = "x")]
    Cancelled,
}

impl BatchState {
    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            BatchState::Running => "running",
            BatchState::Paused => "paused",
            BatchState::Cancelled => "cancelled",
        }
    }
}

/// What a customer can ask of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchCommand {
    /// Keep what waits.
    Pause,
    /// Let it go on.
    Resume,
    /// Cancel what waits, for good.
    Cancel,
}

/// A batch that is spread over a time: its messages go one by one, with a gap between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Over how many seconds.
    pub over_s: u32,
    /// The gap, in microseconds.
    pub gap_us: u64,
}

impl Spread {
    /// So many rows, spread over a time.
    pub fn new(rows: u64, over_s: u32) -> Spread {
        Spread {
            over_s,
            gap_us: u64::from(over_s) * 1_000_000 / rows.max(1),
        }
    }
}

/// What happened to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchEvent {
    /// It was begun, and is spread over a time, if that was asked for.
    #[serde(rename = "o")]
    Opened(Option<Spread>),
    /// Rows were refused.
    #[serde(rename = "r")]
    Refused(Vec<RefusedRow>),
    /// Every row of it is known.
    #[serde(rename = "c")]
    Completed,
    /// It went on or was held or was cancelled.
    #[serde(rename = "s")]
    StateSet(BatchState),
}

/// The record of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub account: AccountId,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The time that it is spread over, if that was asked for.
    pub spread: Option<Spread>,
    /// Whether its messages go.
    pub state: BatchState,
    /// When every row was known.
    pub completed_at: Option<Timestamp>,
    /// Rows that were refused.
    pub refused: u64,
    /// Its messages by their public status, in the order of [`Status::ALL`].
    pub messages: [u64; Status::ALL.len()],
    /// When its last row was accepted or refused; 0 for none.
    #[serde(default)]
    pub last_row_at: Timestamp,
}

impl Batch {
    /// A batch that was just begun.
    pub fn opened(id: BatchId, account: AccountId, spread: Option<Spread>, at: Timestamp) -> Batch {
        Batch {
            id,
            account,
            created_at: at,
            spread,
            state: BatchState::Running,
            completed_at: None,
            refused: 0,
            messages: [0; Status::ALL.len()],
            last_row_at: Timestamp::ZERO,
        }
    }

    /// Whether its idempotency key is too old, where keys are kept for so many seconds. It is kept for that
    /// long once every row is known, and before that for as long as whoever hands the batch in may come back.
    pub fn is_key_expired(&self, now: Timestamp, age_s: u32) -> bool {
        match self.completed_at {
            Some(completed_at) => is_expired(completed_at, now, age_s),
            None => {
                let last = self.created_at.max(self.last_row_at);
                is_expired(last, now, age_s.max(UNFINISHED_KEY_S))
            }
        }
    }

    /// Messages that were accepted.
    pub fn accepted(&self) -> u64 {
        self.messages.iter().sum()
    }

    /// How many of its messages have this status.
    pub fn count(&self, status: Status) -> u64 {
        self.messages[status as usize]
    }

    /// A row of it was accepted.
    pub fn joined(&mut self, status: Status, at: Timestamp) {
        self.last_row_at = self.last_row_at.max(at);
        self.moved(None, status);
    }

    /// A message of it took on a status, from another if it had one.
    pub fn moved(&mut self, before: Option<Status>, after: Status) {
        if let Some(before) = before {
            let count = &mut self.messages[before as usize];
            *count = count.saturating_sub(1);
        }
        self.messages[after as usize] += 1;
    }

    /// Applies what happened to it.
    pub fn evolve(&mut self, event: &BatchEvent, at: Timestamp) {
        match event {
            BatchEvent::Opened(..) => {}
            BatchEvent::Refused(rows) => {
                self.last_row_at = self.last_row_at.max(at);
                self.refused += rows.len() as u64;
            }
            BatchEvent::Completed => self.completed_at = Some(at),
            BatchEvent::StateSet(state) => self.state = *state,
        }
    }
}

/// Decides a command: the state that it leads to, `None` where it changes nothing.
///
/// # Errors
/// The state that stands against it: a cancelled batch stays so.
pub fn decide(state: BatchState, command: BatchCommand) -> Result<Option<BatchState>, BatchState> {
    match (state, command) {
        (BatchState::Running, BatchCommand::Pause) => Ok(Some(BatchState::Paused)),
        (BatchState::Paused, BatchCommand::Resume) => Ok(Some(BatchState::Running)),
        (BatchState::Running | BatchState::Paused, BatchCommand::Cancel) => {
            Ok(Some(BatchState::Cancelled))
        }
        (BatchState::Running, BatchCommand::Resume)
        | (BatchState::Paused, BatchCommand::Pause)
        | (BatchState::Cancelled, BatchCommand::Cancel) => Ok(None),
        (BatchState::Cancelled, BatchCommand::Pause | BatchCommand::Resume) => Err(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_batch_stays_so_and_a_repeated_command_changes_nothing() {
        use BatchCommand::{Cancel, Pause, Resume};
        use BatchState::{Cancelled, Paused, Running};
        for (state, command, decided) in [
            (Running, Pause, Ok(Some(Paused))),
            (Running, Resume, Ok(None)),
            (Running, Cancel, Ok(Some(Cancelled))),
            (Paused, Pause, Ok(None)),
            (Paused, Resume, Ok(Some(Running))),
            (Paused, Cancel, Ok(Some(Cancelled))),
            (Cancelled, Pause, Err(Cancelled)),
            (Cancelled, Resume, Err(Cancelled)),
            (Cancelled, Cancel, Ok(None)),
        ] {
            assert_eq!(decide(state, command), decided, "{state:?} {command:?}");
        }
    }

    #[test]
    fn a_batch_keeps_its_key_until_long_after_its_last_row_or_its_age_after_it_was_completed() {
        const AGE_S: u32 = 60;
        let after = |at: Timestamp, s: u32| at.plus_ms(u64::from(s) * 1_000);
        let mut batch = Batch::opened(BatchId(1), AccountId(1), None, Timestamp(1));
        let kept = |batch: &Batch, since: Timestamp, age_s: u32| {
            let expires = after(since, age_s);
            !batch.is_key_expired(Timestamp(expires.0 - 1_000), AGE_S)
                && batch.is_key_expired(expires, AGE_S)
        };
        assert!(kept(&batch, batch.created_at, UNFINISHED_KEY_S));
        let joined_at = after(batch.created_at, UNFINISHED_KEY_S - 1);
        batch.joined(Status::Queued, joined_at);
        assert!(kept(&batch, joined_at, UNFINISHED_KEY_S));
        let refused_at = after(joined_at, AGE_S);
        batch.evolve(&BatchEvent::Refused(Vec::new()), refused_at);
        assert!(kept(&batch, refused_at, UNFINISHED_KEY_S));
        let completed_at = after(refused_at, UNFINISHED_KEY_S);
        batch.evolve(&BatchEvent::Completed, completed_at);
        assert!(kept(&batch, completed_at, AGE_S));
        batch.moved(Some(Status::Queued), Status::Sent);
        assert!(kept(&batch, completed_at, AGE_S), "statuses keep no key");
    }

    #[test]
    fn messages_are_counted_by_the_status_that_they_have() {
        let mut batch = Batch::opened(BatchId(1), AccountId(1), None, Timestamp(1));
        batch.moved(None, Status::Queued);
        batch.moved(None, Status::Queued);
        batch.moved(Some(Status::Queued), Status::Sent);
        assert_eq!(
            (batch.count(Status::Queued), batch.count(Status::Sent)),
            (1, 1)
        );
        assert_eq!(batch.accepted(), 2);
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, place);
        }
    }
}
