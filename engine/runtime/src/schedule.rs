//! Scheduled messages: what the door is asked about them, and why not.

use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{MessageId, NumberId};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;

use crate::read::ReadError;
use crate::send::{Priority, Unavailable};

/// A message does not wait, or it is another account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotWaiting;

/// Another time for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reschedule {
    /// When it is to be sent.
    pub send_at: Timestamp,
    /// Whether quiet hours hold it.
    pub priority: Priority,
}

/// Which messages are cancelled, or listed. Empty fields mean all of the account.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScheduledFilter {
    /// Only from this number.
    pub number: Option<NumberId>,
    /// Only to this number.
    pub to: Option<E164>,
}

/// Why a message was not cancelled, or not given another time.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// There is none, or it is another account's.
    #[error("there is no message {message}")]
    Unknown {
        /// The id that was given.
        message: MessageId,
    },
    /// It no longer waits.
    #[error("the message is {status}: only one that waits can be changed")]
    UnderWay {
        /// What it is.
        status: Status,
    },
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A record cannot be read.
    #[error("{sentence}")]
    Damaged {
        /// What is wrong.
        sentence: String,
    },
    /// The engine cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ReadError> for ScheduleError {
    fn from(error: ReadError) -> ScheduleError {
        match error {
            ReadError::Unavailable(unavailable) => unavailable.into(),
            ReadError::Damaged { sentence } => ScheduleError::Damaged { sentence },
        }
    }
}
