//! Receiving: what becomes of an inbound message that a carrier brings.

use didfarm_core::ids::{ConversationId, MessageId};
use didfarm_core::refusal::Refusal;

use crate::send::Unavailable;

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
