//! The position of one entry in the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Is the position of one entry (one decision) in the journal; the first entry is at 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Stands before the first entry: nothing is in the journal yet.
    pub const ZERO: Self = Self(0);

    /// Stands after every entry that can ever be: no limit.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the position before this one; before the first is `ZERO`.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_is_stored_as_its_bare_number() {
        let bytes = rmp_serde::to_vec(&Seq(7)).unwrap();
        assert_eq!(bytes, rmp_serde::to_vec(&7_u64).unwrap());
        assert_eq!(rmp_serde::from_slice::<Seq>(&bytes).unwrap(), Seq(7));
    }

    #[test]
    fn next_and_previous_stay_inside_the_numbers() {
        assert_eq!(Seq::ZERO.next(), Seq(1));
        assert_eq!(Seq::ZERO.previous(), Seq::ZERO);
        assert_eq!(Seq::MAX.next(), Seq::MAX);
    }
}
