//! Webhook endpoints and their events: the door's types and errors.

use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::ids::{ConversationId, EndpointId, EventId, NumberId};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::attempt::Attempt;
use didfarm_core::webhook::endpoint::{Endpoint, EndpointSecret, EndpointSettings};
pub use didfarm_core::webhook::recovery::{Recovery, RecoveryFilter};
pub use didfarm_store::records::round::{EventResult, EventRow, ResultState};

pub use crate::actors::webhooks::client::ClientStartError;
use crate::read::ReadError;
use crate::send::Unavailable;

/// Longest overlap of a rotation.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// An endpoint to make.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// What the customer sets.
    pub settings: EndpointSettings,
    /// The number whose inbound URL it is; `None` for one of the account's.
    pub number: Option<NumberId>,
    /// Whether a private key signs too.
    pub is_asymmetric: bool,
    /// Whether it is the account's status endpoint.
    pub is_status: bool,
}

/// An endpoint as it is. Its keys are in it: whoever shows it leaves them out.
#[derive(Debug, Clone)]
pub struct EndpointView {
    /// Its state.
    pub endpoint: Endpoint,
    /// Events that wait for it.
    pub pending: u64,
}

/// A new endpoint, and what signs for it: the only time that the secret is seen.
#[derive(Debug, Clone)]
pub struct Created {
    /// The endpoint.
    pub view: EndpointView,
    /// The shared secret, `whsec_…`.
    pub secret: EndpointSecret,
    /// The public key, `whpk_…`, where a private key signs too.
    pub public_key: Option<String>,
}

/// New keys of an endpoint: the only time that the secret is seen.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The shared secret, `whsec_…`.
    pub secret: EndpointSecret,
    /// The public key, `whpk_…`, where a private key signs too.
    pub public_key: Option<String>,
    /// Until when the keys before sign as well.
    pub overlap_until: Timestamp,
}

/// A new auth token of an account: the only time that it is seen.
#[derive(Debug, Clone)]
pub struct AuthToken {
    /// The status endpoint, whose secret it is.
    pub endpoint: EndpointId,
    /// The token, `whsec_…`.
    pub token: EndpointSecret,
    /// Until when the token before opens the account as well; `None` when there was none.
    pub overlap_until: Option<Timestamp>,
}

/// What an endpoint missed while it was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedEvents {
    /// How many events it does not have.
    pub count: u64,
    /// When it was disabled.
    pub since: Timestamp,
    /// When it was enabled.
    pub until: Timestamp,
}

/// An endpoint that was enabled.
#[derive(Debug, Clone)]
pub struct Enabled {
    /// The endpoint.
    pub view: EndpointView,
    /// What it missed; `None` when it was enabled already.
    pub missed: Option<MissedEvents>,
}

/// The URL that a number's inbound messages are sent to.
#[derive(Debug, Clone)]
pub struct InboundUrl {
    /// The endpoint behind it.
    pub endpoint: EndpointId,
    /// The URL.
    pub url: Box<str>,
}

/// What became of a number's inbound URL.
#[derive(Debug, Clone)]
pub struct InboundUrlSet {
    /// What it is now; `None` when it has none.
    pub inbound: Option<InboundUrl>,
    /// The secret of an endpoint that was made: the only time that it is seen.
    pub secret: Option<EndpointSecret>,
}

/// Which events a list shows. Empty fields show all.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Only these types; empty for all.
    pub types: Vec<EventType>,
    /// Only about this number.
    pub number: Option<NumberId>,
    /// Only on this channel.
    pub channel: Option<Channel>,
    /// Only of this conversation.
    pub conversation: Option<ConversationId>,
    /// Only at this time or later.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
}

/// An event of a list.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// What is stored of it.
    pub row: EventRow,
}

/// One event with all that is known of it.
#[derive(Debug, Clone)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// What is stored of it.
    pub row: EventRow,
    /// What endpoints are sent in the message form: a JSON object as text.
    pub payload: String,
    /// The attempts at every endpoint that are still stored, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Which attempts a list shows. Empty fields show all.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttemptQuery {
    /// Only those that succeeded, or that failed.
    pub succeeded: Option<bool>,
    /// Only of this event.
    pub event: Option<EventId>,
    /// Only begun at this time or later.
    pub since: Option<Timestamp>,
    /// Only begun before this time.
    pub until: Option<Timestamp>,
}

/// Where a list of attempts goes on: behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptPosition {
    /// When it began.
    pub at: Timestamp,
    /// Its event.
    pub event: EventId,
    /// Which attempt of the event it was.
    pub ordinal: u16,
}

/// Why a command or a read about endpoints was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The account has no such endpoint, event or number.
    #[error("there is no such {what}")]
    Unknown {
        /// What was asked for.
        what: &'static str,
    },
    /// Nothing may be sent to the URL.
    #[error("{why}")]
    UrlUnfit {
        /// What is wrong with it.
        why: String,
    },
    /// A recovery of the endpoint goes on already.
    #[error("a recovery of this endpoint is under way; it can be cancelled")]
    RecoveryRunning,
    /// No recovery of the endpoint goes on.
    #[error("no recovery of this endpoint is under way")]
    RecoveryNotRunning,
    /// The range of time, or the pace, of a recovery makes no sense.
    #[error("{field}: {why}")]
    RecoveryUnfit {
        /// The field at fault.
        field: &'static str,
        /// What does not fit.
        why: &'static str,
    },
    /// The records are damaged; the sentence is for the log.
    #[error("{sentence}")]
    Damaged {
        /// What was found; never for the customer.
        sentence: String,
    },
    /// The engine cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl WebhookError {
    pub(crate) const NO_ENDPOINT: WebhookError = WebhookError::Unknown { what: "endpoint" };
    pub(crate) const NO_EVENT: WebhookError = WebhookError::Unknown { what: "event" };
    pub(crate) const NO_NUMBER: WebhookError = WebhookError::Unknown { what: "number" };
}

impl From<ReadError> for WebhookError {
    fn from(error: ReadError) -> WebhookError {
        match error {
            ReadError::Unavailable(why) => WebhookError::Unavailable(why),
            ReadError::Damaged { sentence } => WebhookError::Damaged { sentence },
        }
    }
}
