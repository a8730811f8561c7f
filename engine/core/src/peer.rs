//! The peer: who is at the other end, by a phone number or by a name.
//!
//! WhatsApp may keep a phone number to itself since 2026 and give a business-scoped user id in its place;
//! an SMS may come from an alphanumeric sender (3GPP TS 23.040, 9.1.2.5). A peer is written as it is
//! known: `+31612345678`, `US.13491208655302741918`, `MyBank`. On disk a number is an integer and a name
//! a string, so the two never meet.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::e164::E164;

/// A name in a phone number's place: a WhatsApp business-scoped user id, or an alphanumeric sender.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// Longest name that is taken, in bytes.
    pub const BYTES_MAX: usize = 160;

    /// Reads a name; `None` for what is none: nothing, a number, or what does not print.
    pub fn parse(text: &str) -> Option<PeerName> {
        let fits = (1..=PeerName::BYTES_MAX).contains(&text.len())
            && text.trim() == text
            && !text.starts_with('+')
            && !text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.chars().any(char::is_control);
        fits.then(|| PeerName(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of a WhatsApp user id: two letters of a country, a dot, and what
    /// identifies the user.
    pub fn is_whatsapp_user(&self) -> bool {
        let Some((country, rest)) = self.0.split_once('.') else {
            return false;
        };
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerName({})", self.0)
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// By a phone number, or by a short code.
    Number(E164),
    /// By a name: a number is not known.
    Name(PeerName),
}

impl Peer {
    /// Reads a peer as [`fmt::Display`] writes it: a number with its `+`, or a name.
    pub fn parse(text: &str) -> Option<Peer> {
        match text.strip_prefix('+') {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                E164::from_digits(digits.parse().ok()?)
                    .ok()
                    .map(Peer::Number)
            }
            Some(_) => None,
            None => PeerName::parse(text).map(Peer::Name),
        }
    }

    /// The number, where it is known.
    pub fn number(&self) -> Option<E164> {
        match self {
            Peer::Number(number) => Some(*number),
            Peer::Name(_) => None,
        }
    }

    /// The name of a peer without a number.
    pub fn name(&self) -> Option<&PeerName> {
        match self {
            Peer::Number(_) => None,
            Peer::Name(name) => Some(name),
        }
    }
}

impl From<E164> for Peer {
    fn from(number: E164) -> Peer {
        Peer::Number(number)
    }
}

impl PartialEq<E164> for Peer {
    fn eq(&self, number: &E164) -> bool {
        self.number() == Some(*number)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Number(number) => fmt::Display::fmt(number, f),
            Peer::Name(name) => f.write_str(name.as_str()),
        }
    }
}

impl Serialize for PeerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PeerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        PeerName::parse(&text).ok_or_else(|| D::Error::custom("not a peer's name"))
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Peer::Number(number) => number.serialize(serializer),
            Peer::Name(name) => name.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Peer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Peer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as an integer or a name as a string")
            }

            fn visit_u64<E: serde::de::Error>(self, digits: u64) -> Result<Peer, E> {
                E164::from_digits(digits)
                    .map(Peer::Number)
                    .map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Peer, E> {
                PeerName::parse(text)
                    .map(Peer::Name)
                    .ok_or_else(|| E::custom("not a peer's name"))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_read_as_it_is_written() {
        for text in [
            "+31612345678",
            "US.13491208655302741918",
            "US.ENT.12_a-b",
            "MyBank",
        ] {
            assert_eq!(Peer::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_peer_is_refused() {
        let long = format!("US.{}", "1".repeat(PeerName::BYTES_MAX));
        for text in [
            "",
            " a",
            "31612345678",
            "+",
            "+x",
            "+1234567890123456",
            "a\nb",
            &long,
        ] {
            assert_eq!(Peer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_whatsapp_user_is_known_by_its_form() {
        let is_user = |text| PeerName::parse(text).unwrap().is_whatsapp_user();
        assert!(is_user("US.13491208655302741918") && is_user("US.ENT.1"));
        assert!(
            !["MyBank", "us.1", "US.", "US.a b", "USA.1"]
                .into_iter()
                .any(is_user)
        );
    }

    #[test]
    fn a_peer_takes_two_words() {
        assert_eq!(size_of::<Peer>(), 16);
    }
}
