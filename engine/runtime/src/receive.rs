//! Receiving: an inbound message that a carrier brings.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::content::Content;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, ConversationId, MessageId};
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;

use crate::send::Unavailable;

/// Longest inbound text, in bytes.
pub const INBOUND_BODY_BYTES_MAX: usize = 8 * 1024;

/// One inbound message, as a carrier's callback told it.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// Who brings it.
    pub carrier: CarrierId,
    /// The carrier's id of it, by which a repeat is known.
    pub carrier_message_id: Option<CarrierMessageId>,
    /// The peer.
    pub from: Peer,
    /// What the peer is also known as.
    pub alias: Option<Peer>,
    /// Our number.
    pub to: E164,
    /// What carried it.
    pub channel: Channel,
    /// The text, within [`INBOUND_BODY_BYTES_MAX`].
    pub body: Arc<str>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
}

/// An inbound message that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Its id.
    pub id: MessageId,
    /// The conversation it joined.
    pub conversation: ConversationId,
    /// Whether it was known from before.
    pub duplicate: bool,
}

/// Why an inbound message was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// No such number here, or it does not carry the channel.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine cannot take it now; the carrier tries again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
