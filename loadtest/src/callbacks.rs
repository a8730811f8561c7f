//! Floods of callbacks: made and signed ahead, sent on a schedule, checked afterwards.
//!
//! The generator shares its cores with the daemon, so everything that costs something is done before the clock starts
//! ([`stock`]); what is measured is one write and one read per request ([`flood`]).

pub mod circle;
pub mod flood;
pub mod inbox;
pub mod known;
pub mod order;
pub mod report;
pub mod stock;

use std::time::Duration;

pub use circle::{CirclePlan, CircleReport, circle};
pub use flood::{FloodOutcome, flood};
pub use known::{KnownError, made_up, read_ids};
pub use report::FloodReport;
pub use stock::{Stock, StockError};

use crate::capture::Kind;
use crate::carriers::record::Protocol;
use crate::gate::Pace;
use crate::signature::Keys;
use crate::target::Target;

/// What a flood is made of, as shares of 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shares {
    /// Of statuses and inbound messages, those that come twice.
    pub duplicates: f64,
    /// Of statuses, those about messages that nobody knows.
    pub unknown: f64,
    /// Of requests, those with a wrong signature; they claim that a known message has failed.
    pub bad_signature: f64,
    /// Of requests, those that bring an inbound message.
    pub inbound: f64,
    /// Of delivered WhatsApp messages, those that are read.
    pub read: f64,
}

/// Where inbound messages come from and go to.
#[derive(Debug, Clone)]
pub struct InboundPlan {
    /// Our number, in E.164.
    pub to: String,
    /// The phone number id of our number; WhatsApp only.
    pub phone_number_id: String,
    /// The first peer, without its `+`.
    pub peer_base: u64,
    /// How many peers write, in turn.
    pub peers: u64,
}

impl InboundPlan {
    /// Whether this is one of the peers who write.
    pub fn has(&self, peer: &str) -> bool {
        let number = peer
            .strip_prefix('+')
            .and_then(|digits| digits.parse::<u64>().ok());
        number.is_some_and(|number| (self.peer_base..self.peer_base + self.peers).contains(&number))
    }
}

/// What to send, where and how.
#[derive(Debug, Clone)]
pub struct FloodPlan {
    /// The daemon.
    pub target: Target,
    /// The daemon's public address, which URLs and Twilio's signatures are made with; no slash at its end.
    pub public_url: String,
    /// The carrier's name in the daemon's settings.
    pub carrier: String,
    /// Whose protocol it is.
    pub kind: Kind,
    /// What callbacks are signed with.
    pub keys: Keys,
    /// When to send.
    pub pace: Pace,
    /// How long arrivals go on, if the stock lasts.
    pub duration: Duration,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// Statuses in one WhatsApp request at most.
    pub batch: usize,
    /// What goes wrong.
    pub shares: Shares,
    /// How far a status may come from its turn.
    pub shuffle: Duration,
    /// Inbound messages.
    pub inbound: InboundPlan,
    /// What the dice start from.
    pub seed: u64,
    /// How long what was not taken is sent again after the end, until it is.
    pub retry_for: Duration,
    /// Whether a line of progress goes to stderr each second.
    pub progress: bool,
}

impl FloodPlan {
    /// The protocol of the carriers' side.
    pub fn protocol(&self) -> Protocol {
        match self.kind {
            Kind::Telnyx => Protocol::Telnyx,
            Kind::Twilio => Protocol::Twilio,
            Kind::WhatsApp => Protocol::WhatsApp,
        }
    }

    /// Where this carrier's callbacks go.
    pub fn callback_url(&self) -> String {
        format!("{}/carriers/{}", self.public_url, self.carrier)
    }

    /// Where the status callbacks of one message go.
    pub fn status_url(&self, message: &str) -> String {
        match self.kind {
            Kind::WhatsApp => self.callback_url(),
            Kind::Telnyx | Kind::Twilio => format!("{}/status/{message}", self.callback_url()),
        }
    }
}
