//! Mails at the door: what may be forwarded, what waits, and what was given up.

use std::sync::Arc;
use std::time::Duration;

use didfarm_core::account::RateLimit;
pub use didfarm_core::mail::{Mail, MailKind, WaitingMail};
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
pub use didfarm_mail::address::AddressError;
pub use didfarm_store::records::round::GivenUpMail;

pub use crate::actors::mails::courier::MailStartError;
use crate::send::{Sender, Unavailable};

/// Longest text that is forwarded, in bytes: a record holds it.
pub const FORWARD_BYTES_MAX: usize = 8 * 1024;

/// A message that a customer wants forwarded to an address.
#[derive(Debug, Clone)]
pub struct ForwardRequest {
    /// Our number that it came to.
    pub number: Sender,
    /// Whom the mail is for.
    pub to: String,
    /// Who wrote the message.
    pub from: Peer,
    /// What.
    pub body: Arc<str>,
    /// When it was received.
    pub received_at: Timestamp,
}

/// A mail that waits, and when it is due.
#[derive(Debug, Clone)]
pub struct DueMail {
    /// When it is tried (again).
    pub due: Timestamp,
    /// The mail, how often it was tried and what the server said last.
    pub waiting: WaitingMail,
}

/// Why a mail was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The number is not one of the account's.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No mail goes to the address.
    #[error(transparent)]
    AddressUnfit(#[from] AddressError),
    /// The text is longer than [`FORWARD_BYTES_MAX`].
    #[error("a text of {bytes} bytes is too long: at most {FORWARD_BYTES_MAX} are forwarded")]
    TextTooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The account is over its rate limit, which a forwarded message counts against like one that is
    /// sent; try again after the wait.
    #[error("the account's limit of {} messages per second is used up", limit.per_second)]
    RateLimited {
        /// The limit.
        limit: RateLimit,
        /// When the next one may go.
        wait: Duration,
    },
    /// The engine cannot take it now; try again after the wait.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
