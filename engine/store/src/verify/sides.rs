//! The two sides of every fact: what messages and conversations call for, and what rows are there.

use didfarm_core::channel::Direction;
use didfarm_core::conversation::Conversation;
use didfarm_core::ids::{AccountId, ConversationId, EndpointId, Extent, MessageId};
use didfarm_core::message::Message;
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;

use super::conversations::Extents;
use super::fact::Fact;
use crate::records::keys::{self, AttemptPlace, PairKey};
use crate::records::round::{
    AttemptRow, EventRow, InboxRow, LedgerCause, LedgerEntry, PendingRow, TimelineRow,
};

/// What a message calls for.
pub(super) fn of_message(message: &Message, mut tell: impl FnMut(Fact)) {
    let Message {
        id,
        account,
        charge,
        ..
    } = *message;
    if message.direction == Direction::Outbound {
        tell(Fact::Charge {
            message: id,
            account,
            amount: Some(charge),
        });
    }
    if message.refunded {
        tell(Fact::Refund {
            message: id,
            account,
            amount: charge,
        });
    }
    let row = (message.number, message.direction, message.channel);
    tell(Fact::TimelineRow {
        message: id,
        account,
        at: message.created_at,
        row,
    });
}

/// What a conversation calls for, but for its pairs.
pub(super) fn of_conversation(
    conversation: &Conversation,
    extents: &Extents,
    mut tell: impl FnMut(Fact),
) {
    let Conversation {
        id,
        account,
        number,
        ..
    } = *conversation;
    let row = (number, conversation.channels, conversation.unread > 0);
    tell(Fact::InboxRow {
        conversation: id,
        account,
        at: conversation.last_activity,
        row,
    });
    if conversation.inbound_indexed {
        tell(Fact::InboundRows { conversation: id });
    }
    for extent in extents.of(id) {
        let messages = match extent == conversation.extent {
            true => u32::from(conversation.ordinal),
            false => Extent::ORDINALS,
        };
        if messages > 0 {
            tell(Fact::Extent { extent, messages });
        }
    }
}

/// What an event calls for: its rows among what waits, and its attempts.
pub(super) fn of_event(row: &EventRow, mut tell: impl FnMut(Fact)) {
    let event = row.event.id;
    for result in &row.results {
        let endpoint = result.endpoint;
        if let Some(due) = result.due {
            tell(Fact::Pending {
                event,
                endpoint,
                due,
                made: result.made,
                conversation: row.event.conversation,
            });
        }
        for mark in &result.attempts {
            tell(Fact::Attempt {
                event,
                endpoint,
                at: mark.at,
                ordinal: mark.ordinal,
                parts: mark.parts,
            });
        }
    }
}

/// What a ledger entry is to a message; nothing where it is about none, and when its key is none.
pub(super) fn of_ledger_entry(key: &[u8], entry: &LedgerEntry) -> Option<Fact> {
    let account = AccountId(u32::from_be_bytes(*key.first_chunk()?));
    match entry.cause {
        LedgerCause::TopUp | LedgerCause::SmsMonthly(..) => None,
        LedgerCause::Charge(message) | LedgerCause::AutoReply(message) => Some(Fact::Charge {
            message,
            account,
            amount: Micros::ZERO.checked_sub(entry.amount),
        }),
        LedgerCause::Refund(message) => Some(Fact::Refund {
            message,
            account,
            amount: entry.amount,
        }),
    }
}

/// What a timeline row is; nothing when its key is none.
pub(super) fn of_timeline_row(key: &[u8], row: &TimelineRow) -> Option<Fact> {
    let (account, at, id) = newest_first_of(key)?;
    let row = (row.number, row.direction, row.channel);
    Some(Fact::TimelineRow {
        message: MessageId(id),
        account,
        at,
        row,
    })
}

/// What an inbox row is; nothing when its key is none.
pub(super) fn of_inbox_row(key: &[u8], row: &InboxRow) -> Option<Fact> {
    let (account, at, id) = newest_first_of(key)?;
    let row = (row.number, row.channels, row.unread);
    Some(Fact::InboxRow {
        conversation: ConversationId(id),
        account,
        at,
        row,
    })
}

/// What a pair row is; nothing when its key or value is none.
pub(super) fn of_pair_row(key: &[u8], value: &[u8]) -> Option<Fact> {
    Some(Fact::Pair {
        conversation: ConversationId(keys::id_of(value)?),
        key: PairKey::read(key)?,
    })
}

/// What a row of what waits is; nothing when its key is none.
pub(super) fn of_pending_row(key: &[u8], row: &PendingRow) -> Option<Fact> {
    let (endpoint, due, event) = keys::pending_of(key)?;
    Some(Fact::Pending {
        event,
        endpoint,
        due,
        made: row.made,
        conversation: row.conversation,
    })
}

/// What the first row of an attempt is.
pub(super) fn of_attempt_row(endpoint: EndpointId, place: AttemptPlace, row: &AttemptRow) -> Fact {
    Fact::Attempt {
        event: place.event,
        endpoint,
        at: place.at,
        ordinal: place.ordinal,
        parts: row.parts,
    }
}

fn newest_first_of(key: &[u8]) -> Option<(AccountId, Timestamp, u64)> {
    let key: &[u8; 20] = key.try_into().ok()?;
    let account = AccountId(u32::from_be_bytes([key[0], key[1], key[2], key[3]]));
    keys::newest_first_of(key).map(|(at, id)| (account, at, id))
}
