//! Twilio's words for the public status of a message.

use didfarm_core::channel::Direction;
use didfarm_core::delivery::Phase;
use didfarm_core::delivery::status::Status;
use didfarm_core::message::Message;

/// The word of every inbound message.
pub const RECEIVED: &str = "received";
/// The word by which a customer cancels.
pub const CANCELED: &str = "canceled";

/// What is told of an outbound message's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The public status.
    pub status: Status,
    /// Whether the peer has read it.
    pub is_read: bool,
    /// Whether a carrier has taken it.
    pub is_taken: bool,
}

impl Told {
    /// What the record of an outbound message says.
    fn of(message: &Message) -> Told {
        let was_sent = message
            .history
            .iter()
            .any(|step| step.status == Status::Sent);
        let closed = message.closed.as_ref();
        let is_taken = closed.is_some_and(|delivery| delivery.phase == Phase::Submitted);
        Told {
            status: message.status(),
            is_read: message.read_at.is_some(),
            is_taken: is_taken || was_sent,
        }
    }

    /// Twilio's word. What no carrier took is `failed`, what one took and could not deliver `undelivered`.
    pub fn word(self) -> &'static str {
        match self.status {
            Status::Scheduled => "scheduled",
            Status::Queued => "queued",
            Status::Sending => "sending",
            Status::Cancelled => CANCELED,
            Status::Failed if self.is_taken => "undelivered",
            Status::Failed => "failed",
            Status::Sent | Status::Delivered if self.is_read => "read",
            Status::Sent => "sent",
            Status::Delivered => "delivered",
        }
    }
}

/// Twilio's word for the status of a message.
pub fn word(message: &Message) -> &'static str {
    match message.direction {
        Direction::Inbound => RECEIVED,
        Direction::Outbound => Told::of(message).word(),
    }
}
