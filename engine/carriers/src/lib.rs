//! Carriers: what the engine hands messages to, one trait, one module per protocol.
//!
//! A carrier never blocks and never calls back on the caller's thread: answers and receipts come to the
//! [`CarrierSink`] that it was made with, in groups. What carriers send us by HTTP is verified and read by
//! a [`callback::CallbackDoor`], which has no state that matters and does no I/O.

pub mod callback;
pub mod http;
pub mod id_rule;
pub mod reasons;
pub mod simulator;
pub mod smpp;
pub mod telnyx;
pub mod twilio;
pub mod whatsapp;

use std::sync::Arc;
use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::content::Content;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::parts::Part;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

use callback::{Callback, CallbackDoor};

/// One message to hand over. Its intent is durable by now.
#[derive(Debug, Clone)]
pub struct Submit {
    /// Our id, for the answer; a carrier that echoes it names the message in its receipts.
    pub message: MessageId,
    /// Our number.
    pub from: E164,
    /// The peer.
    pub to: Peer,
    /// What carries it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How many segments it takes.
    pub segments: u16,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// When its validity period ends: the carrier is told where its protocol can say so.
    pub valid_until: Timestamp,
    /// Which try this is, from 1.
    pub submit: u16,
}

/// What a carrier says to a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// It took the message: one id for all of it, or one per segment, in order.
    Accepted(Vec<CarrierMessageId>),
    /// It did not take the message, and no carrier would.
    Refused(Reason),
    /// It is known not to have taken the message: another carrier may, or this one later.
    /// [`Reason::Throttled`] slows its lane.
    NotTaken(Reason),
    /// Nobody knows whether it took the message.
    NoAnswer,
}

/// A claim about one carrier message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Our id of the message, where the carrier echoes it in what it signs.
    pub message: Option<MessageId>,
    /// The carrier's id that the claim is about.
    pub id: CarrierMessageId,
    /// What it claims.
    pub claim: Claim,
    /// Why, when it claims a failure.
    pub reason: Option<Reason>,
}

/// What becomes of a submit, unasked or asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarrierEvent {
    /// The answer to a submit.
    Answer(MessageId, SubmitAnswer),
    /// A receipt that the carrier would not send again: the answer to a query, or the simulator's.
    Receipt(Receipt),
}

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All of it is durable: the carrier may forget it.
    Durable,
    /// Not all of it is durable: the carrier is to bring it again, after this time.
    Later(Duration),
}

/// Where a carrier's answers and receipts go.
pub trait CarrierSink: Send + Sync + 'static {
    /// Takes a group in the order in which it came. Must not block for long: the carrier waits.
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>);

    /// Takes what a carrier brings by itself and brings again unless it hears that it is durable. The
    /// sender is dropped without a word when the engine fails over it, or takes none: the same as
    /// [`Taken::Later`].
    fn take(&self, carrier: CarrierId, callback: Callback) -> oneshot::Receiver<Taken> {
        drop((carrier, callback));
        oneshot::channel().1
    }
}

/// A question about a message that the carrier took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Our id of it.
    pub message: MessageId,
    /// The carrier's id of it.
    pub id: CarrierMessageId,
    /// Our number.
    pub from: E164,
}

/// What a carrier can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Whether its receipts name the message by our own id. Where they do not, the records keep an index
    /// of its ids.
    pub names_messages: bool,
    /// Whether it gives one id for all segments of a message: a receipt that names the message proves
    /// then that the carrier took all of it.
    pub one_id: bool,
    /// Whether [`Carrier::query`] asks it.
    pub queries: bool,
}

/// Something that takes messages towards handsets.
pub trait Carrier: Send + Sync + 'static {
    /// Which it is.
    fn id(&self) -> CarrierId;

    /// Its name in the settings, in paths, in metric labels and in operators' answers.
    fn name(&self) -> &str;

    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// Hands a group over. Never blocks; each message gets one answer through the sink, or none ever if the
    /// carrier loses it. [`SubmitAnswer::NoAnswer`] may be followed by the true answer, late. The caller
    /// bounds how many wait for an answer.
    fn submit(&self, group: Vec<Submit>);

    /// Asks what became of messages; what is known comes as receipts through the sink. Never blocks.
    fn query(&self, group: Vec<Query>) {
        drop(group);
    }

    /// The text of a message that came in these parts, in the order of their places. Places that are
    /// missing show as a gap. Only a carrier that brings parts is asked.
    fn join_parts(&self, parts: &[&Part]) -> String {
        parts
            .iter()
            .map(|part| String::from_utf8_lossy(&part.octets))
            .collect()
    }

    /// The door for its callbacks, where it makes any.
    fn door(&self) -> Option<Arc<dyn CallbackDoor>> {
        None
    }
}
