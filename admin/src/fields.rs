//! What stands in the fields of a JSON request: text that is not copied, ids in either spelling, and
//! fields of which `null` means something.

mod given;
mod reference;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use didfarm_core::ids::{AccountId, EventId, ID_MAX, NumberId, PoolId};
use didfarm_core::time::Timestamp;
use didfarm_mail::address::Address;
use serde::de::{self, Deserialize, Deserializer, Visitor};

pub(crate) use self::given::Given;
pub(crate) use self::reference::{Amount, NumberRef};
use crate::problem::{Code, Problem};

/// A text, borrowed from the request where it holds no escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// An id that is an integer in JSON, or a string in either spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spelled<T>(pub(crate) T);

/// An id that requests name in their body.
pub(crate) trait NamedId: Sized {
    /// The prefix of the string spelling.
    const PREFIX: &'static str;

    /// Takes an integer that is a possible id.
    fn from_integer(value: u64) -> Option<Self>;

    /// Reads either spelling.
    fn from_text(text: &str) -> Option<Self>;
}

macro_rules! named_id {
    ($($name:ident($integer:ty)),*) => {
        $(impl NamedId for $name {
            const PREFIX: &'static str = $name::PREFIX;

            fn from_integer(value: u64) -> Option<Self> {
                let possible = (1..=ID_MAX).contains(&value);
                <$integer>::try_from(value).ok().filter(|_| possible).map($name)
            }

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}

named_id!(AccountId(u32), NumberId(u32), EventId(u64), PoolId(u64));

impl<'de, T: NamedId> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor<T>(PhantomData<T>);

        impl<T: NamedId> Visitor<'_> for IdVisitor<T> {
            type Value = Spelled<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an id: a positive integer or a string {}…", T::PREFIX)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Spelled<T>, E> {
                let wrong = || E::invalid_value(de::Unexpected::Unsigned(value), &self);
                T::from_integer(value).map(Spelled).ok_or_else(wrong)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Spelled<T>, E> {
                let wrong = || E::invalid_value(de::Unexpected::Other("another string"), &self);
                T::from_text(text).map(Spelled).ok_or_else(wrong)
            }
        }

        deserializer.deserialize_any(IdVisitor(PhantomData))
    }
}

/// Reads a time by RFC 3339.
///
/// # Errors
/// `validation_failed`.
pub(crate) fn read_time(field: &str, text: &str) -> Result<Timestamp, Problem> {
    let fault = "must be a time by RFC 3339, such as 2026-04-05T14:22:08Z";
    Timestamp::parse_rfc3339(text).ok_or_else(|| Problem::invalid(field, fault))
}

/// Reads an address that mail is sent to.
///
/// # Errors
/// `email_invalid` with what is wrong with it.
pub(crate) fn read_email(field: &str, text: &str) -> Result<Box<str>, Problem> {
    match Address::parse(text) {
        Ok(address) => Ok(address.as_str().into()),
        Err(error) => Err(Problem::of_field(
            Code::EmailInvalid,
            field,
            error.to_string(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed_and_escaped_text_is_not() {
        let Text(plain) = serde_json::from_str(r#""hello""#).unwrap();
        let Text(escaped) = serde_json::from_str(r#""a\nb""#).unwrap();
        assert!(matches!(plain, Cow::Borrowed("hello")));
        assert_eq!(escaped, "a\nb");
        assert!(serde_json::from_str::<Text<'_>>("1").is_err());
    }

    #[test]
    fn both_spellings_name_the_same_number() {
        for text in ["7", "\"7\"", "\"num_7\"", "\"num_00000000007\""] {
            let Spelled(id): Spelled<NumberId> = serde_json::from_str(text).unwrap();
            assert_eq!(id, NumberId(7), "{text}");
        }
        for text in ["0", "-1", "4294967296", "1.0", "\"acct_7\"", "true", "\"\""] {
            assert!(
                serde_json::from_str::<Spelled<NumberId>>(text).is_err(),
                "{text}"
            );
        }
    }
}
