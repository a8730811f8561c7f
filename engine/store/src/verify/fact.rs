//! Facts: what one map calls for in another, so that both can be compared without looking either up.

use std::fmt;

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::ids::{
    AccountId, ConversationId, EndpointId, EventId, Extent, MessageId, NumberId,
};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;

use crate::packed::PackedMap;
use crate::records::keys::{MAPS, PairKey};

/// What is held against what calls for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    /// Charges and refunds, by messages.
    Ledger,
    /// Timeline rows, by messages.
    Timeline,
    /// Inbox rows, by conversations.
    Inbox,
    /// Pair rows, by conversations.
    Pairs,
    /// Which conversations have inbound ids in the index, by conversations.
    Inbound,
    /// How many messages lie in each extent, by conversations.
    Extents,
    /// What waits for endpoints, by events.
    Pending,
    /// Attempts, by events.
    Attempts,
}

impl Index {
    pub const ALL: [Index; 8] = [
        Index::Ledger,
        Index::Timeline,
        Index::Inbox,
        Index::Pairs,
        Index::Inbound,
        Index::Extents,
        Index::Pending,
        Index::Attempts,
    ];

    pub fn invariant(self) -> &'static str {
        match self {
            Index::Ledger => "V2",
            Index::Timeline | Index::Inbox => "V8",
            Index::Pairs => "V7",
            Index::Inbound => "V12",
            Index::Extents => "V5",
            Index::Pending => "V15",
            Index::Attempts => "V16",
        }
    }

    /// The maps that both sides are read from.
    pub fn maps(self) -> &'static [PackedMap] {
        match self {
            Index::Ledger => &[MAPS.messages, MAPS.ledger],
            Index::Timeline => &[MAPS.messages, MAPS.timeline],
            Index::Inbox => &[MAPS.conversations, MAPS.inbox],
            Index::Pairs => &[MAPS.conversations, MAPS.pairs],
            Index::Inbound => &[MAPS.conversations, MAPS.inbound],
            Index::Extents => &[MAPS.conversations, MAPS.extents, MAPS.messages],
            Index::Pending => &[MAPS.events, MAPS.pending],
            Index::Attempts => &[MAPS.events, MAPS.attempts],
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Index::Ledger => "the ledger",
            Index::Timeline => "the timeline",
            Index::Inbox => "the inbox",
            Index::Pairs => "the pair index",
            Index::Inbound => "the inbound ids",
            Index::Extents => "the extent",
            Index::Pending => "what waits",
            Index::Attempts => "the attempts",
        })
    }
}

/// One thing that stands on both sides in a sound store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    Charge {
        message: MessageId,
        account: AccountId,
        amount: Option<Micros>,
    },
    Refund {
        message: MessageId,
        account: AccountId,
        amount: Micros,
    },
    TimelineRow {
        message: MessageId,
        account: AccountId,
        at: Timestamp,
        row: (NumberId, Direction, Channel),
    },
    InboxRow {
        conversation: ConversationId,
        account: AccountId,
        at: Timestamp,
        row: (NumberId, u8, bool),
    },
    Pair {
        conversation: ConversationId,
        key: PairKey,
    },
    /// The conversation has rows, however many.
    InboundRows {
        conversation: ConversationId,
    },
    Extent {
        extent: Extent,
        messages: u32,
    },
    Pending {
        event: EventId,
        endpoint: EndpointId,
        due: Timestamp,
        made: u16,
        conversation: Option<ConversationId>,
    },
    Attempt {
        event: EventId,
        endpoint: EndpointId,
        at: Timestamp,
        ordinal: u16,
        parts: u8,
    },
}

impl Fact {
    /// Where the fact is looked for.
    pub fn index(&self) -> Index {
        match self {
            Fact::Charge { .. } | Fact::Refund { .. } => Index::Ledger,
            Fact::TimelineRow { .. } => Index::Timeline,
            Fact::InboxRow { .. } => Index::Inbox,
            Fact::Pair { .. } => Index::Pairs,
            Fact::InboundRows { .. } => Index::Inbound,
            Fact::Extent { .. } => Index::Extents,
            Fact::Pending { .. } => Index::Pending,
            Fact::Attempt { .. } => Index::Attempts,
        }
    }

    /// Whom the fact is about: facts of one subject are compared with each other.
    pub fn subject(&self) -> u64 {
        match self {
            Fact::Charge { message, .. }
            | Fact::Refund { message, .. }
            | Fact::TimelineRow { message, .. } => message.0,
            Fact::InboxRow { conversation, .. }
            | Fact::Pair { conversation, .. }
            | Fact::InboundRows { conversation } => conversation.0,
            Fact::Extent { extent, .. } => extent.0,
            Fact::Pending { event, .. } | Fact::Attempt { event, .. } => event.0,
        }
    }

    /// The subject as a breach names it.
    pub fn subject_name(&self) -> String {
        match self {
            Fact::Charge { message, .. }
            | Fact::Refund { message, .. }
            | Fact::TimelineRow { message, .. } => message.to_string(),
            Fact::InboxRow { conversation, .. }
            | Fact::Pair { conversation, .. }
            | Fact::InboundRows { conversation } => conversation.to_string(),
            Fact::Extent { extent, .. } => format!("extent {}", extent.0),
            Fact::Pending { event, .. } | Fact::Attempt { event, .. } => event.to_string(),
        }
    }

    /// Says that the fact is called for and not there.
    pub fn missing(&self) -> String {
        match self {
            Fact::Extent { messages, .. } => {
                format!(
                    "its conversation has {messages} messages in it, and as many are not stored"
                )
            }
            _ => format!("{} should hold {self} and does not", self.index()),
        }
    }

    /// Says that the fact is there and not called for.
    pub fn surplus(&self) -> String {
        match self {
            Fact::Extent { messages, .. } => {
                format!(
                    "{messages} messages are stored in it, and its conversation has not as many"
                )
            }
            _ => format!("{} holds {self}, which nothing calls for", self.index()),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Charge {
                account,
                amount: Some(amount),
                ..
            } => write!(f, "a charge of {amount} to {account}"),
            Fact::Charge {
                account,
                amount: None,
                ..
            } => write!(f, "a charge beyond all amounts to {account}"),
            Fact::Refund {
                account, amount, ..
            } => write!(f, "a refund of {amount} to {account}"),
            Fact::TimelineRow {
                account,
                at,
                row: (number, direction, channel),
                ..
            } => {
                write!(
                    f,
                    "a row of {account} at {at} ({number}, {}, {channel})",
                    direction.as_str()
                )
            }
            Fact::InboxRow {
                account,
                at,
                row: (number, channels, unread),
                ..
            } => {
                let unread = if *unread { "unread" } else { "read" };
                write!(
                    f,
                    "a row of {account} at {at} ({number}, channels {channels:02b}, {unread})"
                )
            }
            // The peer is part of the key and stays out of reports.
            Fact::Pair { key, .. } => write!(f, "a row of {}", key.number()),
            Fact::InboundRows { .. } => write!(f, "rows of its own"),
            Fact::Extent { messages, .. } => write!(f, "{messages} messages"),
            Fact::Pending {
                endpoint,
                due,
                made,
                ..
            } => write!(f, "a row of {endpoint} at {due} after {made} attempts"),
            Fact::Attempt {
                endpoint,
                at,
                ordinal,
                parts,
                ..
            } => write!(
                f,
                "attempt {ordinal} at {endpoint} of {at}, in {parts} rows"
            ),
        }
    }
}
