//! Events: what happened, as the journal keeps it. One entry is one decision: all of it survives or none.

use serde::{Deserialize, Serialize};

use crate::account::AccountEvent;
use crate::batch::BatchEvent;
use crate::consent::ConsentEvent;
use crate::conversation::Opened;
use crate::delivery::DeliveryEvent;
use crate::delivery::receipt::Claim;
use crate::idempotency::{Guarded, KeyHash, Slot};
use crate::ids::{
    AccountId, BatchId, CarrierId, CarrierMessageId, ConversationId, EndpointId, EventId, Extent,
    MessageId, NumberId,
};
use crate::mail::{Mail, MailTry};
use crate::message::{Accepted, Received};
use crate::number::NumberEvent;
use crate::parts::{Part, PartsKey};
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::webhook::WebhookEvent;
use crate::webhook::attempt::{Attempt, Redelivery};
use crate::webhook::endpoint::EndpointEvent;

/// One decision: everything in it happened at the same time and is durable together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Something happened to an account.
    #[serde(rename = "a")]
    Account(AccountId, AccountEvent),
    /// Something happened to a number.
    #[serde(rename = "n")]
    Number(NumberId, NumberEvent),
    /// A pair wrote to each other for the first time.
    #[serde(rename = "o")]
    ConversationOpened(Opened),
    /// A conversation's extent was full and it took another.
    #[serde(rename = "x")]
    ExtentAdded(ConversationId, Extent),
    /// An outbound message was accepted and charged.
    #[serde(rename = "m")]
    Accepted(Accepted),
    /// An inbound message came in.
    #[serde(rename = "i")]
    Received(Received),
    /// A peer opted out of a number, or in again.
    #[serde(rename = "b")]
    Consent(ConversationId, ConsentEvent),
    /// A message moved on its way to the handset.
    #[serde(rename = "d")]
    Delivery(MessageId, DeliveryEvent),
    /// A receipt came for an id that no message has yet.
    #[serde(rename = "p")]
    ReceiptParked(ParkedReceipt),
    /// The parked receipts of an id were claimed by its message.
    #[serde(rename = "u")]
    ReceiptsUnparked(CarrierId, CarrierMessageId),
    /// The parked receipts of an id aged out, or made room: no message ever had the id.
    #[serde(rename = "z")]
    ReceiptsAgedOut(CarrierId, CarrierMessageId),
    /// A part of a long inbound message came, and others are missing.
    #[serde(rename = "h")]
    PartHeld(Part),
    /// The parts of a message were put together, or shown with gaps.
    #[serde(rename = "j")]
    PartsJoined(PartsKey),
    /// Something happened that endpoints are told of.
    #[serde(rename = "w")]
    Offered(Box<WebhookEvent>),
    /// Something happened to an endpoint.
    #[serde(rename = "e")]
    Endpoint(EndpointId, EndpointEvent),
    /// An attempt to tell an endpoint of an event ended.
    #[serde(rename = "t")]
    Attempted(Box<Attempt>),
    /// An event is to be sent to an endpoint because a customer asked for it.
    #[serde(rename = "v")]
    Redelivered(Redelivery),
    /// Events no longer wait for an endpoint that was disabled or deleted: (due, event).
    #[serde(rename = "y")]
    PendingDropped(EndpointId, Vec<(Timestamp, EventId)>),
    /// Events and their attempts have been kept for as long as the settings say.
    #[serde(rename = "f")]
    EventsForgotten(AccountId, Vec<EventId>),
    /// A mail is to be sent.
    #[serde(rename = "l")]
    MailQueued(Box<Mail>),
    /// A try to send a mail ended.
    #[serde(rename = "k")]
    MailTried(MailTry),
    /// A request with an idempotency key was carried out by this entry.
    #[serde(rename = "g")]
    Guarded(Box<Guarded>),
    /// Something happened to a batch of an account.
    #[serde(rename = "s")]
    Batch(AccountId, BatchId, BatchEvent),
    /// Idempotency keys have been kept for as long as the settings say.
    #[serde(rename = "q")]
    KeysForgotten(Vec<(Slot, KeyHash)>),
}

/// A receipt whose message is not yet known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedReceipt {
    /// Who claims it.
    pub carrier: CarrierId,
    /// The id that the receipt names.
    pub id: CarrierMessageId,
    /// What it claims.
    pub claim: Claim,
    /// Why, when it claims a failure.
    pub reason: Option<Reason>,
}
