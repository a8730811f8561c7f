//! One of our numbers by whatever names it, and amounts of money in either JSON type.

use std::fmt;

use didfarm_core::e164::E164;
use didfarm_core::ids::NumberId;
use didfarm_core::money::Micros;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::NamedId;
use crate::query::read_number;

/// One of our numbers: its id in either spelling, or the number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberRef {
    /// By its id.
    Id(NumberId),
    /// By what it is.
    E164(E164),
}

impl NumberRef {
    /// Reads an id in either spelling, or a number with its `+`.
    pub(crate) fn parse(text: &str) -> Option<NumberRef> {
        let id = text.parse().ok().map(NumberRef::Id);
        id.or_else(|| read_number(text).map(NumberRef::E164))
    }
}

impl fmt::Display for NumberRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumberRef::Id(id) => id.fmt(f),
            NumberRef::E164(number) => number.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for NumberRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NumberRef, D::Error> {
        struct RefVisitor;

        impl Visitor<'_> for RefVisitor {
            type Value = NumberRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in E.164, or its id: a positive integer or a string num_…")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<NumberRef, E> {
                let wrong = || E::invalid_value(de::Unexpected::Unsigned(value), &self);
                let id = NumberId::from_integer(value).map(NumberRef::Id);
                id.ok_or_else(wrong)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<NumberRef, E> {
                let wrong = || E::invalid_value(de::Unexpected::Other("another string"), &self);
                // A space in place of the plus is a habit of queries alone.
                let read = NumberRef::parse(text).filter(|_| !text.starts_with(' '));
                read.ok_or_else(wrong)
            }
        }

        deserializer.deserialize_any(RefVisitor)
    }
}

/// An amount of euros: a string of decimals, or a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) Micros);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of euros, such as \"10.50\" or 10.5")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }

            /// The shortest decimal that means this value is the one that was sent, for as many digits
            /// as a sum of money has.
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Micros::parse_decimal(text).map(Amount).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_named_by_itself_or_by_its_id() {
        let e164 = E164::from_digits(31_201_234_567).unwrap();
        for (text, read) in [
            ("7", NumberRef::Id(NumberId(7))),
            ("\"num_00000000007\"", NumberRef::Id(NumberId(7))),
            ("\"+31201234567\"", NumberRef::E164(e164)),
        ] {
            let number: NumberRef = serde_json::from_str(text).unwrap();
            assert_eq!(number, read, "{text}");
        }
        for text in ["0", "\"ep_7\"", "\"+0\"", "\"+31 20\"", "null", "7.5"] {
            assert!(serde_json::from_str::<NumberRef>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_the_same_as_text_and_as_a_number() {
        for (text, micros) in [
            ("\"10.50\"", 10_500_000),
            ("10.5", 10_500_000),
            ("10", 10_000_000),
            ("0", 0),
            ("-1", -1_000_000),
            ("4.992001", 4_992_001),
        ] {
            let Amount(amount) = serde_json::from_str(text).unwrap();
            assert_eq!(amount, Micros::new(micros), "{text}");
        }
        for text in ["\"1e3\"", "1.0000001", "\"\"", "true", "1e300"] {
            assert!(serde_json::from_str::<Amount>(text).is_err(), "{text}");
        }
    }
}
