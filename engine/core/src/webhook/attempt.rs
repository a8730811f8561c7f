//! One webhook attempt: how it ended, and what follows.

use serde::{Deserialize, Serialize};

use crate::ids::{EndpointId, EventId};
use crate::time::Timestamp;

/// Bytes of a response's body that are kept of one attempt.
pub const BODY_KEPT_BYTES_MAX: usize = 20_000;

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $code:literal;)*) => {
        /// How an attempt ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum AttemptClass {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl AttemptClass {
            /// Every class.
            pub const ALL: &'static [AttemptClass] = &[$(AttemptClass::$name,)*];

            /// The word in public JSON and in metric labels.
            pub fn as_str(self) -> &'static str {
                match self { $(AttemptClass::$name => $word,)* }
            }
        }
    };
}

classes! {
    /// Any 2xx.
    Succeeded = "succeeded", "s";
    /// Any 3xx: redirects are not followed.
    Redirected = "redirected", "r";
    /// A 4xx that is none of those below.
    ClientError = "client_error", "c";
    /// Any 5xx.
    ServerError = "server_error", "e";
    /// 429 Too Many Requests.
    Throttled = "throttled", "t";
    /// 410 Gone: the endpoint wants no more.
    Gone = "gone", "g";
    /// No whole answer in time.
    Timeout = "timeout", "o";
    /// Its name leads to no address.
    Unresolvable = "unresolvable", "n";
    /// Its name leads to an address that is not allowed.
    ForbiddenAddress = "forbidden_address", "f";
    /// No connection.
    Unreachable = "unreachable", "u";
    /// No trusted TLS.
    Tls = "tls", "l";
    /// The connection broke, or what came was no HTTP.
    Broken = "broken", "b";
}

impl AttemptClass {
    /// The class of an answer with this status (RFC 9110, 15).
    pub fn of_status(status: u16) -> AttemptClass {
        match status {
            200..=299 => AttemptClass::Succeeded,
            300..=399 => AttemptClass::Redirected,
            410 => AttemptClass::Gone,
            429 => AttemptClass::Throttled,
            400..=499 => AttemptClass::ClientError,
            500..=599 => AttemptClass::ServerError,
            _ => AttemptClass::Broken,
        }
    }
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterAttempt {
    /// Nothing: the endpoint has the event.
    #[serde(rename = "d")]
    Delivered,
    /// Another attempt.
    #[serde(rename = "r")]
    Retry {
        /// When.
        due: Timestamp,
    },
    /// Nothing: that was the last one of its schedule.
    #[serde(rename = "x")]
    Exhausted,
}

/// One HTTP request that carried one event to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The event.
    pub event: EventId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Which attempt of this event at this endpoint it was, from 1.
    pub ordinal: u16,
    /// When it was due: with that it is found among what waits.
    pub due: Timestamp,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How it ended.
    pub class: AttemptClass,
    /// The start of the answer's body, at most [`BODY_KEPT_BYTES_MAX`] bytes.
    pub body_start: Box<str>,
    /// What follows.
    pub next: AfterAttempt,
    /// Whether a customer asked for it: the endpoint's health is left alone.
    pub is_manual: bool,
}

/// An event that is to be sent to an endpoint (again) because a customer asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// The event.
    pub event: EventId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// When.
    pub due: Timestamp,
}
