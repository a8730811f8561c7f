//! Mail that waits to be sent: durable like everything else, tried for days, then given up visibly.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::abuse::stop::TrafficStop;
use crate::e164::E164;
use crate::ids::{AccountId, EndpointId, EventId, MailId, MessageId};
use crate::money::Micros;
use crate::peer::Peer;
use crate::time::Timestamp;
use crate::webhook::attempt::AttemptClass;
use crate::webhook::endpoint::DisableCause;

/// Longest mail address, in bytes (RFC 5321, 4.5.3.1.3).
pub const ADDRESS_BYTES_MAX: usize = 254;

/// One mail to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Its id; its `Message-ID` is made of it.
    pub id: MailId,
    /// Whose it is.
    pub account: AccountId,
    /// Whom it is for.
    pub to: Box<str>,
    /// What it says.
    pub kind: MailKind,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailKind {
    /// An inbound message, for a number that forwards.
    #[serde(rename = "i")]
    Inbound(MessageId),
    /// What a customer asked to forward.
    #[serde(rename = "f")]
    Forward {
        /// Our number.
        number: E164,
        /// Who wrote.
        from: Peer,
        /// What.
        body: Arc<str>,
        /// When it was received.
        received_at: Timestamp,
    },
    /// Events reached an endpoint in none of their attempts. One mail speaks for all of an hour.
    #[serde(rename = "x")]
    Exhausted {
        /// The endpoint.
        endpoint: EndpointId,
        /// The first of these events.
        event: EventId,
        /// How its last attempt ended.
        class: AttemptClass,
        /// The status of the last answer, if there was one.
        status: Option<u16>,
    },
    /// An endpoint was disabled.
    #[serde(rename = "d")]
    EndpointDisabled {
        /// Which.
        endpoint: EndpointId,
        /// Why.
        cause: DisableCause,
    },
    /// The wallet fell below its threshold.
    #[serde(rename = "w")]
    WalletLow {
        /// What it holds.
        balance: Micros,
        /// Below which it counts as low.
        threshold: Micros,
    },
    /// A range was stopped.
    #[serde(rename = "t")]
    TrafficStopped(TrafficStop),
}

impl MailKind {
    /// The word in metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            MailKind::Inbound(_) => "inbound",
            MailKind::Forward { .. } => "forward",
            MailKind::Exhausted { .. } => "exhausted",
            MailKind::EndpointDisabled { .. } => "endpoint_disabled",
            MailKind::WalletLow { .. } => "wallet_low",
            MailKind::TrafficStopped(_) => "traffic_stopped",
        }
    }
}

/// How a try to send a mail ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTry {
    /// The mail.
    pub mail: MailId,
    /// When it was due: with that it is found among what waits.
    pub due: Timestamp,
    /// What follows.
    pub next: AfterTry,
}

/// What follows a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterTry {
    /// Nothing: the mail server has it, or the maildir.
    #[serde(rename = "s")]
    Sent,
    /// Another try.
    #[serde(rename = "l")]
    Later {
        /// When.
        due: Timestamp,
        /// What the server said, short and of one line.
        why: Box<str>,
    },
    /// Nothing: it was refused for good, or for too long.
    #[serde(rename = "g")]
    GivenUp {
        /// What the server said, short and of one line.
        why: Box<str>,
    },
}

/// A mail that waits, and how often it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingMail {
    /// The mail.
    pub mail: Mail,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// How often it was tried.
    pub tries: u16,
    /// What the server said last.
    pub why: Option<Box<str>>,
}
