//! Cursors: where a list goes on, as an opaque text.
//!
//! Base64url of a version, the kind of list, whose list it is, the position behind which it goes on,
//! and a checksum. A cursor holds no secret: a position in another account's list leads nowhere, and
//! the checksum is there to refuse what was mistyped or cut.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use didfarm_core::ids::{AccountId, BatchId, ConversationId, EndpointId, EventId, MessageId};
use didfarm_core::time::Timestamp;
use didfarm_runtime::read::Position;
use didfarm_runtime::wallet::LedgerPlace;
use didfarm_runtime::webhooks::AttemptPosition;

use crate::problem::{Code, Problem};

const VERSION: u8 = 2;
/// Version, kind, scope, time, id, ordinal.
const BODY_BYTES: usize = 1 + 1 + 8 + 8 + 8 + 2;
const CHECK_BYTES: usize = 4;
const CURSOR_BYTES: usize = BODY_BYTES + CHECK_BYTES;
const CURSOR_CHARS: usize = (CURSOR_BYTES * 8).div_ceil(6);

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// The messages of an account.
    Messages(AccountId),
    /// The conversations of an account.
    Conversations(AccountId),
    /// The messages of one conversation.
    History(ConversationId),
    /// The events of an account.
    Events(AccountId),
    /// The attempts at an endpoint.
    Attempts(EndpointId),
    /// The scheduled messages of an account.
    Scheduled(AccountId),
    /// The batches of an account.
    Batches(AccountId),
    /// The rows of a batch.
    BatchRows(BatchId),
    /// The movements of money of an account.
    Ledger(AccountId),
    /// The opt-outs of an account.
    OptOuts(AccountId),
}

impl List {
    fn kind_and_scope(self) -> (u8, u64) {
        match self {
            List::Messages(account) => (1, account.get()),
            List::Conversations(account) => (2, account.get()),
            List::History(conversation) => (3, conversation.get()),
            List::Events(account) => (4, account.get()),
            List::Attempts(endpoint) => (5, endpoint.get()),
            List::Scheduled(account) => (9, account.get()),
            List::Batches(account) => (10, account.get()),
            List::BatchRows(batch) => (11, batch.get()),
            List::Ledger(account) => (6, account.get()),
            List::OptOuts(account) => (7, account.get()),
        }
    }
}

/// The cursor that goes on behind a position.
pub(crate) fn encode(list: List, position: Position) -> String {
    write(list, position, 0)
}

fn write(list: List, position: Position, ordinal: u16) -> String {
    let (kind, scope) = list.kind_and_scope();
    let mut bytes = [0; CURSOR_BYTES];
    bytes[0] = VERSION;
    bytes[1] = kind;
    bytes[2..10].copy_from_slice(&scope.to_be_bytes());
    bytes[10..18].copy_from_slice(&position.at.0.to_be_bytes());
    bytes[18..26].copy_from_slice(&position.id.to_be_bytes());
    bytes[26..BODY_BYTES].copy_from_slice(&ordinal.to_be_bytes());
    let check = check(&bytes[..BODY_BYTES]);
    bytes[BODY_BYTES..].copy_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor that this list gave out.
///
/// # Errors
/// `invalid_cursor` for anything else.
pub(crate) fn decode(list: List, cursor: &str) -> Result<Position, Problem> {
    let (position, _) = read(list, cursor).ok_or_else(invalid)?;
    Ok(position)
}

fn invalid() -> Problem {
    let detail = "send the next_cursor of the page before, unchanged, to the same list";
    Problem::of_field(Code::InvalidCursor, "cursor", detail)
}

/// The cursor of a conversation's messages, which goes on before a message.
pub(crate) fn encode_history(conversation: ConversationId, before: MessageId) -> String {
    encode(
        List::History(conversation),
        Position {
            at: Timestamp::ZERO,
            id: before.get(),
        },
    )
}

/// The message in a cursor of this conversation.
///
/// # Errors
/// `invalid_cursor` for anything else.
pub(crate) fn decode_history(
    conversation: ConversationId,
    cursor: &str,
) -> Result<MessageId, Problem> {
    decode(List::History(conversation), cursor).map(|position| MessageId(position.id))
}

/// The cursor of an endpoint's attempts.
pub(crate) fn encode_attempts(endpoint: EndpointId, position: AttemptPosition) -> String {
    let AttemptPosition { at, event, ordinal } = position;
    let id = event.get();
    write(List::Attempts(endpoint), Position { at, id }, ordinal)
}

/// The attempt in a cursor of this endpoint.
///
/// # Errors
/// `invalid_cursor` for anything else.
pub(crate) fn decode_attempts(
    endpoint: EndpointId,
    cursor: &str,
) -> Result<AttemptPosition, Problem> {
    let (Position { at, id }, ordinal) =
        read(List::Attempts(endpoint), cursor).ok_or_else(invalid)?;
    let event = EventId(id);
    Ok(AttemptPosition { at, event, ordinal })
}

/// The cursor of an account's movements of money.
pub(crate) fn encode_ledger(account: AccountId, place: LedgerPlace) -> String {
    let position = Position {
        at: Timestamp::ZERO,
        id: place.seq.0,
    };
    write(List::Ledger(account), position, place.place)
}

/// The movement in a cursor of this account.
///
/// # Errors
/// `invalid_cursor` for anything else.
pub(crate) fn decode_ledger(account: AccountId, cursor: &str) -> Result<LedgerPlace, Problem> {
    let (position, place) = read(List::Ledger(account), cursor).ok_or_else(invalid)?;
    Ok(LedgerPlace::new(position.id, place))
}

fn read(list: List, cursor: &str) -> Option<(Position, u16)> {
    if cursor.len() != CURSOR_CHARS {
        return None;
    }
    let bytes: [u8; CURSOR_BYTES] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (body, sum) = bytes.split_at(BODY_BYTES);
    let (kind, scope) = list.kind_and_scope();
    let mine =
        body[0] == VERSION && body[1] == kind && word(body, 2) == scope && check(body) == sum;
    let position = Position {
        at: Timestamp(word(body, 10).cast_signed()),
        id: word(body, 18),
    };
    mine.then(|| (position, u16::from_be_bytes([body[26], body[27]])))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8]
        .iter()
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// FNV-1a, 32 bits.
fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mix = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, mix).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: List = List::Messages(AccountId(7));

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position(at: i64, id: u64) {
            let position = Position { at: Timestamp(at), id };
            prop_assert_eq!(decode(LIST, &encode(LIST, position)).unwrap(), position);
        }

        #[test]
        fn garbage_is_an_invalid_cursor(text in "\\PC{0,60}|[A-Za-z0-9_-]{43}") {
            prop_assert_eq!(decode(LIST, &text).unwrap_err().code(), Code::InvalidCursor);
        }

        #[test]
        fn a_cursor_with_one_changed_character_is_refused(id: u64, place in 0..CURSOR_CHARS, other in "[A-Za-z0-9_-]") {
            let cursor = encode(LIST, Position { at: Timestamp(1), id });
            let mut changed = cursor.clone();
            changed.replace_range(place..=place, &other);
            prop_assert_eq!(decode(LIST, &changed).is_ok(), changed == cursor);
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = encode(
            LIST,
            Position {
                at: Timestamp(1),
                id: 2,
            },
        );
        assert!(decode(List::Messages(AccountId(8)), &cursor).is_err());
        assert!(decode(List::Conversations(AccountId(7)), &cursor).is_err());
        let history = encode_history(ConversationId(7), MessageId(9));
        assert_eq!(
            decode_history(ConversationId(7), &history).unwrap(),
            MessageId(9)
        );
        assert!(decode_history(ConversationId(8), &history).is_err());
        let position = AttemptPosition {
            at: Timestamp(1),
            event: EventId(2),
            ordinal: 3,
        };
        let attempts = encode_attempts(EndpointId(7), position);
        assert_eq!(decode_attempts(EndpointId(7), &attempts).unwrap(), position);
        assert!(decode_attempts(EndpointId(8), &attempts).is_err());
        let place = LedgerPlace::new(2, 3);
        let ledger = encode_ledger(AccountId(7), place);
        assert_eq!(decode_ledger(AccountId(7), &ledger).unwrap(), place);
        assert!(decode_ledger(AccountId(8), &ledger).is_err());
    }
}
