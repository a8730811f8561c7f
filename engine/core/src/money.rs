//! Amounts of money, exact to a millionth of a euro.

use std::{fmt, iter};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The price of one segment where nothing else is set: 0.008 euro.
pub const SEGMENT_PRICE_DEFAULT: Micros = Micros(8_000);

/// The decimals that an amount can have.
pub const DECIMALS_MAX: usize = 6;

/// Millionths in one euro.
const MICROS_PER_EURO: u64 = 1_000_000;

/// An amount in millionths of a euro, negative where something is owed.
///
/// Stored and exchanged as that integer; [`fmt::Display`] and [`Micros::parse_decimal`] speak
/// decimal euros. Arithmetic is checked, and none of it rounds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(i64);

impl Micros {
    /// No money.
    pub const ZERO: Micros = Micros(0);

    /// Makes an amount of `micros` millionths of a euro.
    pub const fn new(micros: i64) -> Micros {
        Micros(micros)
    }

    /// Returns the amount in millionths of a euro.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Adds, or returns nothing on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Micros) -> Option<Micros> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Micros(micros)),
            None => None,
        }
    }

    /// Subtracts, or returns nothing on overflow; the result may be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Micros) -> Option<Micros> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Micros(micros)),
            None => None,
        }
    }

    /// Multiplies by a count, say of segments, or returns nothing on overflow.
    #[must_use]
    pub const fn checked_mul(self, count: u64) -> Option<Micros> {
        let product = self.0 as i128 * count as i128;
        if product < i64::MIN as i128 || product > i64::MAX as i128 {
            return None;
        }
        Some(Micros(product as i64))
    }

    /// Parses decimal euros, exactly: digits, and after a dot at most [`DECIMALS_MAX`] more.
    ///
    /// A minus sign may lead. There must be a digit on either side of a dot; a plus sign, spaces,
    /// grouping and exponents are refused.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] says what is wrong; nothing is ever rounded or clamped.
    pub fn parse_decimal(text: &str) -> Result<Micros, MoneyError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let negative = unsigned.len() < text.len();
        let (whole, decimals) = match unsigned.split_once('.') {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (unsigned, None),
        };
        let well_formed =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !well_formed(whole) || !decimals.is_none_or(well_formed) {
            return Err(MoneyError::NotADecimal);
        }
        let decimals = decimals.unwrap_or_default();
        if decimals.len() > DECIMALS_MAX {
            return Err(MoneyError::TooManyDecimals {
                decimals: decimals.len(),
            });
        }
        let padding = iter::repeat_n(b'0', DECIMALS_MAX - decimals.len());
        let micros = whole
            .bytes()
            .chain(decimals.bytes())
            .chain(padding)
            .try_fold(0_u64, |sum, digit| {
                sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
            })
            .ok_or(MoneyError::Overflow)?;
        let signed = if negative {
            0_i64.checked_sub_unsigned(micros)
        } else {
            micros.try_into().ok()
        };
        signed.map(Micros).ok_or(MoneyError::Overflow)
    }
}

impl fmt::Display for Micros {
    /// Writes decimal euros, exactly, without a superfluous zero: `0.75`, `12`, `-0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (euros, micros) = (magnitude / MICROS_PER_EURO, magnitude % MICROS_PER_EURO);
        if micros == 0 {
            return write!(f, "{sign}{euros}");
        }
        let (mut decimals, mut width) = (micros, DECIMALS_MAX);
        while decimals.is_multiple_of(10) {
            decimals /= 10;
            width -= 1;
        }
        write!(f, "{sign}{euros}.{decimals:0width$}")
    }
}

/// Why a text is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// It is not of the form `10.50`.
    #[error("not an amount of euros: write digits, and a dot before any decimals, such as 10.50")]
    NotADecimal,
    /// It is finer than a millionth.
    #[error("{decimals} decimals are too many: an amount has at most {DECIMALS_MAX}")]
    TooManyDecimals {
        /// The decimals given.
        decimals: usize,
    },
    /// It is larger than an amount can be, about 9.2 million million euros.
    #[error("the amount is too large: write one below 9223372036854 euros")]
    Overflow,
}
