//! Twilio's error codes for a delivery that failed (Error and Warning Dictionary).

use didfarm_core::delivery::status::Status;
use didfarm_core::reason::Reason;

/// A code with its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The number.
    pub code: u32,
    /// What Twilio calls it.
    pub message: &'static str,
}

/// The code of a message with this status; none but of one that failed.
///
/// | Reason | Code |
/// |---|---|
/// | none, `unknown`, `unconfirmed`, `in_doubt`, `rejected` | 30008 |
/// | `delayed`, `expired` | 30036 |
/// | `throttled` | 30001 |
/// | `carrier_error` | 30017 |
/// | `unreachable` | 30003 |
/// | `spam` | 30007 |
/// | `blocked` | 30004 |
/// | `opted_out` | 21610 |
/// | `window_closed` | 63016 |
/// | `invalid_destination` | 30005 |
pub fn of(status: Status, reason: Option<Reason>) -> Option<Failure> {
    if status != Status::Failed {
        return None;
    }
    let (code, message) = match reason.unwrap_or(Reason::Unknown) {
        Reason::Unknown | Reason::Unconfirmed | Reason::InDoubt | Reason::Rejected => {
            (30_008, "Unknown error")
        }
        Reason::Delayed | Reason::Expired => (30_036, "Validity Period Expired"),
        Reason::Throttled => (30_001, "Queue overflow"),
        Reason::CarrierError => (30_017, "Carrier network congestion"),
        Reason::Unreachable => (30_003, "Unreachable destination handset"),
        Reason::Spam => (30_007, "Message filtered"),
        Reason::Blocked => (30_004, "Message blocked"),
        Reason::OptedOut => (21_610, "Attempt to send to unsubscribed recipient"),
        Reason::WindowClosed => (63_016, "Outside the allowed messaging window"),
        Reason::InvalidDestination => (30_005, "Unknown destination handset"),
    };
    Some(Failure { code, message })
}
