//! Callbacks: what carriers bring by HTTP, verified on the raw bytes and read without trust.
//!
//! A door first says whether a request is genuine and only then reads it. Reading never fails for what
//! is merely unknown: fields and kinds that we do not know are counted, and a bad element of a batch
//! leaves the others alone.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::consent::ConsentChange;
use didfarm_core::content::Content;
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::parts::Part;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;

use crate::Receipt;

/// Longest inbound text that is kept, in bytes; more is cut at a character and counted as malformed.
pub const BODY_BYTES_MAX: usize = 8 * 1024;

/// A carrier's request as it came.
pub struct CallbackRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// What stands behind `/carriers/{name}` in the path, without the query: empty, or `/…`.
    pub tail: &'a str,
    /// The path and the query as the request line has them.
    pub path_and_query: &'a str,
    /// A header's value by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The time.
    pub now: Timestamp,
}

impl CallbackRequest<'_> {
    /// The query, empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query
            .split_once('?')
            .map_or("", |(_, query)| query)
    }
}

/// The signature is missing, wrong or too old. What the request holds was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing, wrong or too old")]
pub struct NotGenuine;

/// The body is not what the carrier's protocol says it is: nothing of it can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body cannot be read: {detail}")]
pub struct Unreadable {
    /// What is wrong.
    pub detail: String,
}

/// An inbound message that a carrier brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The carrier's id of it, by which a repeat is known.
    pub id: Option<CarrierMessageId>,
    /// The peer.
    pub from: Peer,
    /// What the peer is also known as.
    pub alias: Option<Peer>,
    /// Our number.
    pub to: E164,
    /// What carried it.
    pub channel: Channel,
    /// The text, at most [`BODY_BYTES_MAX`].
    pub body: Arc<str>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
}

/// What a peer wants of us, as a carrier's own settings have it: of marketing, over WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// The peer.
    pub peer: Peer,
    /// Our number.
    pub number: E164,
    /// Which way.
    pub change: ConsentChange,
    /// The carrier's words for it.
    pub detail: Option<Box<str>>,
    /// When, by the carrier's clock.
    pub stated_at: Option<Timestamp>,
}

/// What a callback holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Callback {
    /// Claims about messages of ours.
    pub receipts: Vec<Receipt>,
    /// Messages from peers.
    pub inbound: Vec<Inbound>,
    /// Parts of long messages from peers.
    pub parts: Vec<Part>,
    /// What peers want of us.
    pub preferences: Vec<Preference>,
    /// Elements of kinds that we do not act upon.
    pub ignored: u32,
    /// Elements that cannot be read, among others that can.
    pub malformed: u32,
}

impl Callback {
    /// How many things it brings: its weight in the bound on what is under way, at least 1.
    pub fn weight(&self) -> usize {
        let elements = [
            self.receipts.len(),
            self.inbound.len(),
            self.parts.len(),
            self.preferences.len(),
        ];
        elements.iter().sum::<usize>().max(1)
    }
}

/// What a carrier wants to hear when its callback is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: &'static str,
}

/// Verifies and reads one carrier's callbacks.
pub trait CallbackDoor: Send + Sync + 'static {
    /// Checks the signature over the raw request.
    ///
    /// # Errors
    /// [`NotGenuine`]; the caller answers 403 and does not read the request.
    fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine>;

    /// Reads a request that is genuine.
    ///
    /// # Errors
    /// [`Unreadable`]; the caller answers 400 and nothing is stored.
    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Unreadable>;

    /// What the carrier wants to hear.
    fn reply(&self) -> Reply {
        Reply {
            content_type: "application/json",
            body: "{}",
        }
    }

    /// The answer to the carrier's check of the address (`GET`), where it makes one.
    ///
    /// # Errors
    /// [`NotGenuine`] when the check does not know our secret.
    fn challenge(&self, request: &CallbackRequest<'_>) -> Result<Option<String>, NotGenuine> {
        let _ = request;
        Ok(None)
    }
}
