//! Idempotency keys: a request that is made twice happens once, and is answered the same both times.
//!
//! A key is the customer's; it holds for one account and one route, and is bound to the bytes of the body that
//! it came with first (draft-ietf-httpapi-idempotency-key-header). What is kept of it stands in the journal entry
//! of what it guards: both are there or neither is.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, BatchId, MailId, MessageId};
use crate::money::Micros;
use crate::pool::Pool;
use crate::time::Timestamp;
use crate::webhook::endpoint::Endpoint;

/// Longest key, in characters.
pub const KEY_CHARS_MAX: usize = 255;

/// Slots that the time for which keys are kept is cut into.
const SLOTS_PER_AGE: u32 = 3;

/// The text is no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has no character, or too many.
    #[error("a key has 1 to {KEY_CHARS_MAX} characters")]
    Length,
    /// It has a character that may not be there.
    #[error(
        "a key has printable ASCII only, and stands in double quotes if it has a space, a comma, a semicolon, a quote or a backslash"
    )]
    Character,
    /// It begins with a quote and is no string of RFC 8941.
    #[error("a key that begins with a double quote is one string, \\ and \" escaped by \\")]
    Quoting,
}

/// A key as the customer made it, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Reads the value of the header: a string of RFC 8941 (3.3.3), or the same key without quotes.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(value: &[u8]) -> Result<IdempotencyKey, KeyError> {
        let key = match value.trim_ascii() {
            [b'"', quoted @ ..] => unquote(quoted)?,
            bare => match bare.iter().all(|byte| is_bare(*byte)) {
                true => String::from_utf8_lossy(bare).into_owned(),
                false => return Err(KeyError::Character),
            },
        };
        match (1..=KEY_CHARS_MAX).contains(&key.len()) {
            true => Ok(IdempotencyKey(key.into())),
            false => Err(KeyError::Length),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character may stand in a key without quotes: nothing that begins or parts another item.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// Reads a string behind its first quote.
fn unquote(quoted: &[u8]) -> Result<String, KeyError> {
    let mut key = String::new();
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => match bytes.next() {
                None => return Ok(key),
                Some(_) => return Err(KeyError::Quoting),
            },
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => key.push(char::from(escaped)),
                Some(_) | None => return Err(KeyError::Quoting),
            },
            b' '..=b'~' => key.push(char::from(byte)),
            _ => return Err(KeyError::Character),
        }
    }
    Err(KeyError::Quoting)
}

/// A route that makes something: each has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardedRoute {
    /// A message, in the dialect of the API.
    Message,
    /// A message, in the dialect of the portal.
    PortalMessage,
    /// A webhook endpoint.
    Endpoint,
    /// A message that is forwarded by mail.
    ForwardToEmail,
    /// A batch of messages.
    Batch,
    /// A message, in the dialect of Twilio.
    TwilioMessage,
    /// A pool of numbers.
    Pool,
    /// Money for a wallet, by an operator.
    TopUp,
}

impl GuardedRoute {
    /// Every route.
    pub const ALL: [GuardedRoute; 8] = [
        GuardedRoute::Message,
        GuardedRoute::PortalMessage,
        GuardedRoute::Endpoint,
        GuardedRoute::ForwardToEmail,
        GuardedRoute::Batch,
        GuardedRoute::TwilioMessage,
        GuardedRoute::Pool,
        GuardedRoute::TopUp,
    ];

    /// The number that a key's hash is made with; it never changes its meaning.
    pub fn number(self) -> u8 {
        match self {
            GuardedRoute::Message => 1,
            GuardedRoute::PortalMessage => 2,
            GuardedRoute::Endpoint => 3,
            GuardedRoute::ForwardToEmail => 4,
            GuardedRoute::Batch => 5,
            GuardedRoute::TwilioMessage => 6,
            GuardedRoute::Pool => 7,
            GuardedRoute::TopUp => 8,
        }
    }
}

/// What stands for an account, a route and a key: 16 bytes of SHA-256, enough that no two ever share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub u128);

/// What stands for the bytes of a body: 16 bytes of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u128);

/// A span of time that the keys of lie together: the second since 1970 that it begins with.
///
/// Keys are kept slot by slot, so that old ones are forgotten from the front and new ones touch few rows of the
/// records however many there are. A third of the time for which keys are kept is one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u32);

impl Slot {
    /// The seconds of one slot where keys are kept for so long; at least one.
    pub fn length_s(age_s: u32) -> u32 {
        (age_s / SLOTS_PER_AGE).max(1)
    }

    /// The slot that a time is in.
    pub fn at(now: Timestamp, age_s: u32) -> Slot {
        let seconds = u32::try_from(now.0.max(0) / 1_000_000).unwrap_or(u32::MAX);
        Slot(seconds - seconds % Slot::length_s(age_s))
    }

    /// Whether every key that came in it is too old by now, and its successor's too.
    pub fn is_past(self, now: Timestamp, age_s: u32) -> bool {
        let end_s = u64::from(self.0) + 2 * u64::from(Slot::length_s(age_s)) + u64::from(age_s);
        u64::try_from(now.0 / 1_000_000).is_ok_and(|now_s| now_s >= end_s)
    }
}

/// What a guarded request was answered with, as far as it cannot be read elsewhere later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardedAnswer {
    /// A message was accepted, to be sent at a time if there is one: all else that the answer says of it
    /// never changes.
    #[serde(rename = "m")]
    Message(MessageId, Option<Timestamp>),
    /// An endpoint was made: it as it was then, with the secret that is shown only once.
    #[serde(rename = "e")]
    Endpoint(Box<Endpoint>),
    /// A mail was queued.
    #[serde(rename = "l")]
    Mail(MailId),
    /// A batch was begun: its rows tell what became of them.
    #[serde(rename = "b")]
    Batch(BatchId),
    /// A pool was made: it as it was then.
    #[serde(rename = "p")]
    Pool(Box<Pool>),
    /// A wallet was topped up with so much.
    #[serde(rename = "t")]
    TopUp(Micros),
}

/// A request with a key was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    /// Where it is kept.
    pub slot: Slot,
    /// Whose key it is.
    pub account: AccountId,
    /// The key, with its account and route.
    pub key: KeyHash,
    /// The body that it came with.
    pub fingerprint: Fingerprint,
    /// What it was answered with.
    pub answer: GuardedAnswer,
}

/// Whether what was kept at a time is too old by now.
pub fn is_expired(at: Timestamp, now: Timestamp, age_s: u32) -> bool {
    now.ms_since(at) >= u64::from(age_s) * 1_000
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn parsed(value: &str) -> Result<String, KeyError> {
        IdempotencyKey::parse(value.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        assert_eq!(parsed(uuid).as_deref(), Ok(uuid));
        assert_eq!(parsed(&format!("\"{uuid}\"")).as_deref(), Ok(uuid));
        assert_eq!(parsed(&format!(" {uuid}\t")).as_deref(), Ok(uuid));
        assert_eq!(parsed("a+b/c==:1*~").as_deref(), Ok("a+b/c==:1*~"));
        assert_eq!(parsed(r#""a \"b\", \\c;""#).as_deref(), Ok(r#"a "b", \c;"#));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(KEY_CHARS_MAX + 1);
        for (value, error) in [
            ("", KeyError::Length),
            ("\"\"", KeyError::Length),
            (long.as_str(), KeyError::Length),
            (&format!("\"{long}\""), KeyError::Length),
            ("a b", KeyError::Character),
            ("a,b", KeyError::Character),
            ("a;b=1", KeyError::Character),
            ("a\"b", KeyError::Character),
            ("a\\b", KeyError::Character),
            ("schlüssel", KeyError::Character),
            ("\"schlüssel\"", KeyError::Character),
            ("\"a\tb\"", KeyError::Character),
            ("\"", KeyError::Quoting),
            ("\"a", KeyError::Quoting),
            ("\"a\\\"", KeyError::Quoting),
            ("\"a\\b\"", KeyError::Quoting),
            ("\"a\"; x=1", KeyError::Quoting),
            ("\"a\", \"b\"", KeyError::Quoting),
        ] {
            assert_eq!(parsed(value), Err(error), "{value}");
        }
        assert_eq!(parsed(&long[1..]).map(|key| key.len()), Ok(KEY_CHARS_MAX));
    }

    #[test]
    fn every_route_has_a_number_of_its_own() {
        let numbers: HashSet<u8> = GuardedRoute::ALL
            .iter()
            .map(|route| route.number())
            .collect();
        assert_eq!(numbers.len(), GuardedRoute::ALL.len());
    }

    #[test]
    fn a_key_is_kept_for_its_age_and_no_longer() {
        let kept = Timestamp(1_700_000_000_000_000);
        assert!(!is_expired(kept, kept.plus_ms(71_999), 72));
        assert!(is_expired(kept, kept.plus_ms(72_000), 72));
        assert!(
            !is_expired(kept, Timestamp(kept.0 - 1), 72),
            "a clock that goes back"
        );
    }

    proptest! {
        /// Any printable key comes back from its string.
        #[test]
        fn a_string_gives_its_key_back(key in "[ -~]{1,255}") {
            let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(parsed(&format!("\"{}\"", escaped)), Ok(key));
        }

        /// A key lies in the slot of its time, and the slot is not past while the key is kept.
        #[test]
        fn a_slot_is_past_only_when_all_its_keys_are_too_old(
            at in 0..4_000_000_000_000_000i64, later in 0..1_000_000_000_000i64, age_s in 1..700_000u32
        ) {
            let (at, now) = (Timestamp(at), Timestamp(at + later));
            let slot = Slot::at(at, age_s);
            prop_assert!(i64::from(slot.0) * 1_000_000 <= at.0);
            prop_assert!(at.0 < (i64::from(slot.0) + i64::from(Slot::length_s(age_s))) * 1_000_000);
            prop_assert!(!slot.is_past(now, age_s) || is_expired(at, now, age_s));
        }
    }
}
