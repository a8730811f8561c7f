//! What the rows of lists, of the ledger and of what waits say.

use didfarm_core::add_on::SmsMonth;
use didfarm_core::channel::{Channel, Direction};
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{MessageId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::parts::Part;
use didfarm_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a timeline row says of its message, so that lists filter without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// Our number's id.
    pub number: NumberId,
    /// Which way it went.
    pub direction: Direction,
    /// What carried it.
    pub channel: Channel,
}

/// What an inbox row says of its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// Our number's id.
    pub number: NumberId,
    /// The channels that it has seen, as in [`Conversation::channels`](didfarm_core::conversation::Conversation::channels).
    pub channels: u8,
    /// Whether something is unread.
    pub unread: bool,
}

/// One movement of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// What it adds to the balance.
    pub amount: Micros,
    /// The balance after it.
    pub balance: Micros,
    /// What it was for.
    pub cause: LedgerCause,
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerCause {
    /// A top-up.
    #[serde(rename = "t")]
    TopUp,
    /// A message was accepted.
    #[serde(rename = "d")]
    Charge(MessageId),
    /// A message was accepted by which a number answered by itself.
    #[serde(rename = "a")]
    AutoReply(MessageId),
    /// A month of SMS on a number was paid.
    #[serde(rename = "s")]
    SmsMonthly(NumberId, SmsMonth),
    /// A message was given back.
    #[serde(rename = "r")]
    Refund(MessageId),
}

/// Receipts parked under one key, with the time of each.
pub type ParkedRow = Vec<(Timestamp, ParkedReceipt)>;

/// A receipt whose message never came, with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgedReceipt {
    /// When it was parked.
    pub parked_at: Timestamp,
    /// When it aged out, or made room.
    pub aged_at: Timestamp,
    /// What it claims.
    pub receipt: ParkedReceipt,
}

/// A part that waits for the others, with the time when it came.
pub type HeldPart = (Timestamp, Part);
