//! Ids: one integer each, spelled as an integer or as a prefixed string.
//!
//! An id never exceeds 2^53 - 1, so that a JavaScript number holds it whole. The prefixed spelling is
//! the prefix and eleven digits of Crockford's base 32 in lower case, so it sorts as the integer does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The largest integer that an id may have.
pub const ID_MAX: u64 = (1 << 53) - 1;

/// Digits of the prefixed spelling: eleven of five bits hold 53.
const DIGITS: usize = 11;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {prefix}… or a positive integer")]
pub struct IdError {
    /// The prefix that the wanted kind of id has.
    pub prefix: &'static str,
}

/// Longest prefix of an id, in bytes.
const PREFIX_BYTES_MAX: usize = 6;

/// An id's string spelling, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct Spelled {
    bytes: [u8; PREFIX_BYTES_MAX + DIGITS],
    len: usize,
}

impl Spelled {
    fn new(prefix: &str, mut value: u64) -> Spelled {
        let len = prefix.len() + DIGITS;
        let mut bytes = [b'0'; PREFIX_BYTES_MAX + DIGITS];
        bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
        for digit in bytes[prefix.len()..len].iter_mut().rev() {
            *digit = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        Spelled { bytes, len }
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("prefix and alphabet are ASCII")
    }
}

fn parse_id(text: &str, prefix: &'static str) -> Result<u64, IdError> {
    let wrong = IdError { prefix };
    let value = match text.strip_prefix(prefix) {
        Some(digits) if (1..=DIGITS).contains(&digits.len()) => {
            digits.bytes().try_fold(0u64, |value, digit| {
                let place = ALPHABET.iter().position(|known| *known == digit)?;
                Some((value << 5) | place as u64)
            })
        }
        Some(_) => None,
        None if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse().ok(),
        None => None,
    };
    value
        .filter(|value| (1..=ID_MAX).contains(value))
        .ok_or(wrong)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $integer:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $integer);

        impl $name {
            /// The prefix of the string spelling.
            pub const PREFIX: &'static str = $prefix;

            /// The id as an integer, at most 2^53 - 1.
            pub fn get(self) -> u64 {
                u64::from(self.0)
            }

            /// The id as a prefixed string.
            pub fn spelled(self) -> Spelled {
                Spelled::new($prefix, u64::from(self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.spelled().as_str())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let value = parse_id(text, $prefix)?;
                <$integer>::try_from(value).map(Self).map_err(|_| IdError { prefix: $prefix })
            }
        }
    };
}

id!(
    /// Who pays and owns numbers.
    AccountId, u32, "acct_"
);
id!(
    /// A number that we host.
    NumberId, u32, "num_"
);
id!(
    /// One (number, peer) pair, channels merged. It is also the conversation's first extent.
    ConversationId, u64, "conv_"
);
id!(
    /// What was sent or received: an [`Extent`] and an ordinal inside it.
    MessageId, u64, "msg_"
);

id!(
    /// A webhook endpoint.
    EndpointId, u32, "ep_"
);
id!(
    /// An immutable fact that endpoints are told of: milliseconds since [`EventId::EPOCH_MS`] and a
    /// count within the millisecond, so that ids sort by time and a range of time is a range of ids.
    EventId, u64, "evt_"
);
id!(
    /// Many messages that were handed in together.
    BatchId, u64, "batch_"
);
id!(
    /// Numbers of an account that send for each other: the account's id, and a count of its pools.
    PoolId, u64, "pool_"
);
id!(
    /// A mail that is to be sent.
    MailId, u64, "mail_"
);

impl PoolId {
    /// Bits of the count of an account's pools: a million in its lifetime.
    const ORDINAL_BITS: u32 = 20;
    /// The largest count.
    pub const ORDINAL_MAX: u32 = (1 << PoolId::ORDINAL_BITS) - 1;

    /// The pool of an account with this count, 1 to [`PoolId::ORDINAL_MAX`].
    pub fn of(account: AccountId, ordinal: u32) -> PoolId {
        PoolId((account.get() << PoolId::ORDINAL_BITS) | u64::from(ordinal))
    }

    /// The count within its account.
    pub fn ordinal(self) -> u32 {
        (self.0 & u64::from(PoolId::ORDINAL_MAX)) as u32
    }

    /// The account's id as an integer.
    pub fn account(self) -> u64 {
        self.0 >> PoolId::ORDINAL_BITS
    }
}

impl EventId {
    /// The millisecond that ids count from: 2025-01-01T00:00:00Z.
    pub const EPOCH_MS: i64 = 1_735_689_600_000;
    /// Bits of the count within a millisecond: 4,096 events in each, some four million a second.
    const COUNT_BITS: u32 = 12;

    /// The smallest id of an event that happened at this time or later; never 0, which is no id.
    pub fn first_at(at: Timestamp) -> EventId {
        let ms = u64::try_from(at.0 / 1_000 - EventId::EPOCH_MS).unwrap_or(0);
        let ms = ms.min(ID_MAX >> EventId::COUNT_BITS);
        EventId((ms << EventId::COUNT_BITS).max(1))
    }

    /// The millisecond that the id is of: the event happened then, or somewhat earlier where ids had run
    /// ahead of the time.
    pub fn time(self) -> Timestamp {
        let ms = (self.0 >> EventId::COUNT_BITS) as i64 + EventId::EPOCH_MS;
        Timestamp(ms * 1_000)
    }

    /// The id of an event that happens now, behind every id before. When more happens in a millisecond
    /// than it has ids for, or the clock goes back, ids run ahead of the time.
    pub fn next(last: EventId, now: Timestamp) -> EventId {
        EventId(last.0.saturating_add(1).max(EventId::first_at(now).0))
    }
}

/// A run of up to [`Extent::ORDINALS`] message ids that belong to one conversation.
///
/// A message is found by its id alone: the extent leads to the conversation, and the messages of one
/// conversation lie side by side in the records without an index of their own. A conversation whose
/// extent is full takes a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extent(pub u64);

impl Extent {
    /// How many messages one extent holds; ordinals are 1 to this.
    pub const ORDINALS: u32 = u16::MAX as u32;
    /// The largest extent: 37 bits, so that extent and ordinal fit in 53.
    pub const MAX: u64 = (1 << 37) - 1;

    /// The id of the message with this ordinal, 1 to [`Extent::ORDINALS`].
    pub fn message(self, ordinal: u16) -> MessageId {
        MessageId((self.0 << 16) | u64::from(ordinal))
    }
}

impl MessageId {
    /// The extent that the message lies in.
    pub fn extent(self) -> Extent {
        Extent(self.0 >> 16)
    }

    /// The message's place in its extent, from 1.
    pub fn ordinal(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl From<ConversationId> for Extent {
    fn from(id: ConversationId) -> Self {
        Extent(id.0)
    }
}

/// A carrier that messages are submitted to, by its number in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CarrierId(pub u16);

impl CarrierId {
    /// The carrier in process, the embedded default.
    pub const SIMULATOR: CarrierId = CarrierId(1);
}

/// The id that a carrier gave in its submit answer: opaque bytes, kept as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CarrierMessageId(pub Box<str>);

impl CarrierMessageId {
    /// Longest id that is taken from a carrier, in bytes.
    pub const BYTES_MAX: usize = 128;
}

impl fmt::Display for CarrierMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_id() {
        let id = Extent(77).message(3);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.get().to_string().parse(), Ok(id));
        assert_eq!((id.extent(), id.ordinal()), (Extent(77), 3));
    }

    #[test]
    fn the_largest_id_is_spelled_and_the_next_is_refused() {
        let largest = Extent(Extent::MAX).message(u16::MAX);
        assert_eq!(largest.get(), ID_MAX);
        assert_eq!(largest.to_string().parse(), Ok(largest));
        assert!((ID_MAX + 1).to_string().parse::<MessageId>().is_err());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "0",
            "msg_",
            "conv_1",
            "msg_u",
            "-1",
            "1.0",
            "msg_zzzzzzzzzzz",
            "msg_000000000000",
            "+1",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
        assert!("4294967296".parse::<NumberId>().is_err());
    }

    #[test]
    fn string_spellings_sort_as_integers_do() {
        let texts = [1u64, 31, 32, 1 << 20, ID_MAX].map(|id| MessageId(id).to_string());
        assert!(texts.is_sorted());
    }
}
