//! Reading: messages and conversations, as fresh as the last acknowledged write.

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{ConversationId, MessageId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
pub use didfarm_store::records::round::AgedReceipt;

use crate::send::Unavailable;

/// Largest page, in rows.
pub const PAGE_ROWS_MAX: usize = 100;
/// Index rows that one request looks through at most; a page may come back short with a cursor.
pub const SCAN_ROWS_MAX: usize = 20_000;

/// Which messages a list shows. Empty fields show all.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only one way.
    pub direction: Option<Direction>,
    /// Only on one channel.
    pub channel: Option<Channel>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only on this number.
    pub number: Option<NumberId>,
    /// Only from this number or peer.
    pub from: Option<E164>,
    /// Only to this number or peer.
    pub to: Option<E164>,
    /// Only created at this time or later.
    pub since: Option<Timestamp>,
}

/// Which conversations a list shows. Empty fields show all.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only on this number.
    pub number: Option<NumberId>,
    /// Only those that this channel was used in.
    pub channel: Option<Channel>,
    /// Only with or only without unread messages.
    pub unread: Option<bool>,
}

/// Where a list goes on: behind the row with this time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The last row's time.
    pub at: Timestamp,
    /// The last row's id.
    pub id: u64,
}

/// One page, newest first unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Page<T, P> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<P>,
}

/// A conversation as the list shows it.
#[derive(Debug, Clone)]
pub struct ConversationView {
    /// Its state.
    pub conversation: Conversation,
    /// Our number.
    pub number: E164,
    /// Its last message.
    pub last_message: Option<Message>,
}

/// The messages of one conversation: oldest first within the page, the page being the newest before the cursor.
#[derive(Debug, Clone)]
pub struct ConversationPage {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The page; `next` continues towards older messages.
    pub page: Page<Message, MessageId>,
}

/// Why nothing can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The engine cannot answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The records are damaged; the sentence says where.
    #[error("{sentence}")]
    Damaged {
        /// What was found, for the log; never for the customer.
        sentence: String,
    },
}
