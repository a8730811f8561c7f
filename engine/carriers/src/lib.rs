//! Carriers: what the engine hands messages to, one trait, one module per protocol.
//!
//! A carrier never blocks and never calls back on the caller's thread: answers and receipts come to the
//! [`CarrierSink`] that it was made with, in groups.

pub mod simulator;

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;

/// One message to hand over. Its intent is durable by now.
#[derive(Debug, Clone)]
pub struct Submit {
    /// Our id, for the answer.
    pub message: MessageId,
    /// Our number.
    pub from: E164,
    /// The peer.
    pub to: E164,
    /// What carries it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How many segments it takes.
    pub segments: u16,
    /// Which try this is, from 1.
    pub submit: u16,
}

/// What a carrier says to a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// It took the message: one id for all of it, or one per segment, in order.
    Accepted(Vec<CarrierMessageId>),
    /// It did not take the message and will not.
    Refused(Reason),
    /// It did not take the message now; it may be tried again.
    Throttled,
    /// Nobody knows whether it took the message.
    NoAnswer,
}

/// A claim about one carrier message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id that the claim is about.
    pub id: CarrierMessageId,
    /// What it claims.
    pub claim: Claim,
    /// Why, when it claims a failure.
    pub reason: Option<Reason>,
}

/// What comes back from a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarrierEvent {
    /// The answer to a submit.
    Answer(MessageId, SubmitAnswer),
    /// A receipt.
    Receipt(Receipt),
}

/// Where a carrier's answers and receipts go.
pub trait CarrierSink: Send + Sync + 'static {
    /// Takes a group in the order in which it came. Must not block for long: the carrier waits.
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>);
}

/// Something that takes messages towards handsets.
pub trait Carrier: Send + Sync + 'static {
    /// Which it is.
    fn id(&self) -> CarrierId;

    /// Its name in metric labels and operators' answers.
    fn name(&self) -> &'static str;

    /// Hands a group over. Never blocks; each message gets exactly one answer through the sink, or none
    /// ever if the carrier loses it. The caller bounds how many wait for an answer.
    fn submit(&self, group: Vec<Submit>);
}
