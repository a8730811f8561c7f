//! Reading an object whole where it is sound, and member by member where it is not.
//!
//! The typed pass over a body fails as a whole when anything in it is not what it should be. Then each
//! object is taken apart, down to the one that is at fault: of that one every member is read by itself,
//! and what cannot be read is left out. It costs about ten times as much, and one bad element loses
//! nothing but itself.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A string, borrowed where it has no escapes. Half a surrogate pair, as a cut emoji leaves it, becomes
/// U+FFFD: a text is not refused for one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned().into()))
            }
        }

        // As bytes: asked for a `str`, the parser refuses half a surrogate pair.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A whole number, as an error's code or a time: in some versions a string of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i64);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Code;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, code: i64) -> Result<Code, E> {
                Ok(Code(code))
            }

            fn visit_u64<E: Error>(self, code: u64) -> Result<Code, E> {
                i64::try_from(code).map(Code).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, code: &str) -> Result<Code, E> {
                code.parse().map(Code).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Reading what the typed pass refused.
pub(super) trait Tolerant<'a>: Sized {
    /// Reads what can be read. `malformed` grows by the elements of arrays that cannot.
    fn tolerant(raw: &'a RawValue, malformed: &mut u32) -> Option<Self>;
}

impl<'a> Tolerant<'a> for Text<'a> {
    fn tolerant(raw: &'a RawValue, _: &mut u32) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }
}

impl<'a> Tolerant<'a> for Code {
    fn tolerant(raw: &'a RawValue, _: &mut u32) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }
}

impl<'a> Tolerant<'a> for &'a RawValue {
    fn tolerant(raw: &'a RawValue, _: &mut u32) -> Option<Self> {
        Some(raw)
    }
}

impl<'a, T: Tolerant<'a>> Tolerant<'a> for Vec<T> {
    fn tolerant(raw: &'a RawValue, malformed: &mut u32) -> Option<Self> {
        let Ok(elements) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
            *malformed += 1;
            return None;
        };
        let mut read = Vec::with_capacity(elements.len());
        for element in elements {
            match T::tolerant(element, malformed) {
                Some(element) => read.push(element),
                None => *malformed += 1,
            }
        }
        Some(read)
    }
}

/// Declares an object of which any member may be missing.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident $(as $key:literal)?: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        pub(super) struct $name<'a> {
            $(
                $(#[serde(rename = $key)])?
                #[serde(default)]
                pub(super) $field: Option<$type>,
            )*
            #[serde(skip)]
            borrowed: PhantomData<&'a str>,
        }

        impl<'a> Tolerant<'a> for $name<'a> {
            fn tolerant(raw: &'a RawValue, malformed: &mut u32) -> Option<Self> {
                #[derive(Deserialize)]
                struct Members<'a> {
                    $(
                        $(#[serde(rename = $key)])?
                        #[serde(default, borrow)]
                        $field: Option<&'a RawValue>,
                    )*
                }

                if let Ok(whole) = serde_json::from_str(raw.get()) {
                    return Some(whole);
                }
                let members: Members<'a> = serde_json::from_str(raw.get()).ok()?;
                Some($name {
                    $($field: members.$field.and_then(|raw| <$type>::tolerant(raw, malformed)),)*
                    borrowed: PhantomData,
                })
            }
        }
    };
}

pub(super) use object;
