//! Ranges of numbers that are dear or beyond any country: by a list of prefixes, else by the numbering plans.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::e164::E164;

/// The most prefixes of a list.
pub const PREFIXES_MAX: usize = 5_000;
/// The most digits of a prefix.
pub const PREFIX_DIGITS_MAX: u32 = 14;

macro_rules! range_kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What numbers of a range are, as far as they are blocked unless an operator opens them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RangeKind {
            $($(#[$doc])* $name,)*
        }

        impl RangeKind {
            /// Every kind.
            pub const ALL: &'static [RangeKind] = &[$(RangeKind::$name,)*];

            /// The word in settings, lists and public JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(RangeKind::$name => $word,)* }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<RangeKind> {
                RangeKind::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

range_kinds! {
    /// Whoever writes or calls pays more, and somebody earns by it.
    Premium = "premium",
    /// Telephones by satellite.
    Satellite = "satellite",
    /// The cost is shared between both ends.
    SharedCost = "shared_cost",
    /// A person's number that leads on to another, often dear.
    Personal = "personal",
    /// Networks of no country.
    InternationalNetworks = "international_networks",
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeKinds(u8);

impl RangeKinds {
    /// Whether the set has this kind.
    pub fn holds(self, kind: RangeKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// The kinds, in their order.
    pub fn iter(self) -> impl Iterator<Item = RangeKind> {
        let all = RangeKind::ALL.iter().copied();
        all.filter(move |kind| self.holds(*kind))
    }
}

impl FromIterator<RangeKind> for RangeKinds {
    fn from_iter<I: IntoIterator<Item = RangeKind>>(kinds: I) -> RangeKinds {
        RangeKinds(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

/// What is wrong with a prefix of a list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RangeFault {
    /// It is none.
    #[error(
        "{prefix:?} is no prefix: write + and 1 to {PREFIX_DIGITS_MAX} digits, the country code first"
    )]
    PrefixUnfit {
        /// As it was given.
        prefix: Box<str>,
    },
    /// It is there twice.
    #[error("{prefix:?} is there already")]
    Duplicate {
        /// As it was given.
        prefix: Box<str>,
    },
    /// There are too many.
    #[error("a list has {PREFIXES_MAX} prefixes at most")]
    TooMany,
}

/// Prefixes and what the numbers behind them are. The longest that fits counts, and what is listed goes
/// before what the numbering plans say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// By the prefix's digits; `None` is an ordinary range, whatever the numbering plans say.
    kinds: BTreeMap<u64, Option<RangeKind>>,
    /// The lengths of prefixes that there are, a bit each.
    lengths: u32,
}

impl Ranges {
    /// Adds a prefix, as `+31900`; `None` is an ordinary range.
    ///
    /// # Errors
    /// See [`RangeFault`].
    pub fn add(&mut self, prefix: &str, kind: Option<RangeKind>) -> Result<(), RangeFault> {
        let unfit = || RangeFault::PrefixUnfit {
            prefix: prefix.chars().take(32).collect(),
        };
        if self.kinds.len() == PREFIXES_MAX {
            return Err(RangeFault::TooMany);
        }
        let digits = prefix.strip_prefix('+').ok_or_else(unfit)?;
        let fits = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let length = u32::try_from(digits.len()).unwrap_or(u32::MAX);
        if !fits || !(1..=PREFIX_DIGITS_MAX).contains(&length) {
            return Err(unfit());
        }
        let key = digits.parse().map_err(|_| unfit())?;
        if self.kinds.insert(key, kind).is_some() {
            return Err(RangeFault::Duplicate {
                prefix: prefix.into(),
            });
        }
        self.lengths |= 1 << length;
        Ok(())
    }

    /// What a number is; nothing for ordinary ones.
    ///
    /// # Limits
    /// As those of [`E164::region`] where no prefix is listed, else well below a microsecond.
    pub fn kind_of(&self, number: E164) -> Option<RangeKind> {
        match self.listed(number.digits()) {
            Some(kind) => kind,
            None => number.range_kind(),
        }
    }

    fn listed(&self, digits: u64) -> Option<Option<RangeKind>> {
        let digits_len = digits.checked_ilog10()? + 1;
        let longest = digits_len.min(PREFIX_DIGITS_MAX);
        (1..=longest)
            .rev()
            .filter(|length| self.lengths & (1 << length) != 0)
            .find_map(|length| {
                let prefix = digits / 10_u64.pow(digits_len - length);
                self.kinds.get(&prefix).copied()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;

    fn kind(ranges: &Ranges, number: &str) -> Option<RangeKind> {
        ranges.kind_of(E164::parse(number, Validation::Syntax).unwrap())
    }

    #[test]
    fn the_longest_prefix_counts_and_goes_before_the_numbering_plans() {
        let mut ranges = Ranges::default();
        ranges
            .add("+882", Some(RangeKind::InternationalNetworks))
            .unwrap();
        ranges.add("+88216", Some(RangeKind::Satellite)).unwrap();
        ranges.add("+319001", None).unwrap();
        for (number, expected) in [
            ("+8821612345678", Some(RangeKind::Satellite)),
            ("+8821712345678", Some(RangeKind::InternationalNetworks)),
            ("+31612345678", None),
            ("+319001234", None),
            ("+319002234", Some(RangeKind::Premium)),
        ] {
            assert_eq!(kind(&ranges, number), expected, "{number}");
        }
    }

    #[test]
    fn the_numbering_plans_know_dear_ranges_by_themselves() {
        let none = Ranges::default();
        for (number, expected) in [
            ("+319061234", Some(RangeKind::Premium)),
            ("+449098790000", Some(RangeKind::Premium)),
            ("+491801234567", Some(RangeKind::SharedCost)),
            ("+447012345678", Some(RangeKind::Personal)),
            ("+19002345678", Some(RangeKind::Premium)),
            ("+447911123456", None),
            ("+442079460123", None),
            ("+12125550123", None),
        ] {
            assert_eq!(kind(&none, number), expected, "{number}");
        }
    }

    #[test]
    fn a_prefix_that_does_not_fit_is_named() {
        let mut ranges = Ranges::default();
        ranges.add("+31900", None).unwrap();
        for (prefix, sentence) in [
            ("31900", "no prefix"),
            ("+", "no prefix"),
            ("+0900", "no prefix"),
            ("+31-900", "no prefix"),
            ("+123456789012345", "no prefix"),
            ("+31900", "is there already"),
        ] {
            let refused = ranges.add(prefix, None).unwrap_err().to_string();
            assert!(refused.contains(sentence), "{refused}");
        }
        let many = (0..PREFIXES_MAX).try_for_each(|n| ranges.add(&format!("+1{n:06}"), None));
        assert_eq!(many, Err(RangeFault::TooMany));
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set: RangeKinds = [RangeKind::Personal, RangeKind::Premium]
            .into_iter()
            .collect();
        let kinds: Vec<_> = set.iter().collect();
        assert_eq!(kinds, [RangeKind::Premium, RangeKind::Personal]);
        assert_eq!(RangeKinds::default().iter().count(), 0);
        for kind in RangeKind::ALL {
            assert_eq!(RangeKind::parse(kind.as_str()), Some(*kind));
        }
    }
}
