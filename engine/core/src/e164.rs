//! Telephone numbers by ITU-T E.164: `+` and digits, kept as an integer.

mod operator;
mod plan;

use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::abuse::range::RangeKind;

/// The fewest digits that [`E164::parse`] accepts, the country code included.
pub const DIGITS_MIN: usize = 7;

/// The most digits of a number (ITU-T E.164, 6.1), the country code included.
pub const DIGITS_MAX: usize = 15;

/// The greatest number there can be: [`DIGITS_MAX`] nines.
const NUMBER_MAX: u64 = 10_u64.pow(DIGITS_MAX as u32) - 1;

/// How much [`E164::parse`] asks of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// `+` and 7 to 15 digits, the first not 0.
    Syntax,
    /// Also a known country code, followed by as many digits as its numbers have, and no national
    /// prefix: what an assignable number looks like, today or after the next numbering change.
    #[default]
    Possible,
    /// Also within a range that is assigned: this refuses numbers made up for tests, and ranges
    /// opened after the numbering data was published. It has the limits of [`E164::region`].
    Valid,
}

/// What a number's range is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberType {
    /// A mobile telephone.
    Mobile,
    /// A fixed line, which mostly receives no SMS.
    FixedLine,
    /// One of the two, in countries that do not tell them apart, such as the United States.
    FixedLineOrMobile,
    /// Free for its caller.
    TollFree,
    /// Dearer than an ordinary number.
    PremiumRate,
    /// Voice over IP.
    Voip,
    /// A shared-cost, personal, pager, universal access or voicemail number.
    Other,
    /// Within no range that is assigned.
    Unknown,
}

/// A telephone number by E.164, or one that a carrier gave, as its digits.
///
/// `Display` writes `+` and the digits. It serializes as an integer; reading one back checks the
/// range only, since what was once stored must stay readable when numbering plans change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct E164(NonZeroU64);

impl E164 {
    /// Parses a number that a caller of the API wrote: `+` and 7 to 15 digits, nothing else.
    ///
    /// Spaces and punctuation are refused rather than dropped: a number that was meant otherwise
    /// than it was read is a message sent to a stranger.
    ///
    /// # Errors
    ///
    /// [`E164Error`] says what is wrong. The text is read no further than its first fault.
    pub fn parse(input: &str, validation: Validation) -> Result<E164, E164Error> {
        let number = parse_syntax(input)?;
        match validation {
            Validation::Syntax => {}
            Validation::Possible => plan::check_possible(number)?,
            Validation::Valid => {
                plan::check_possible(number)?;
                plan::check_valid(number)?;
            }
        }
        Ok(number)
    }

    /// Takes the digits as an integer, of 1 to 15 digits: short codes pass.
    ///
    /// # Errors
    ///
    /// [`DigitsOutOfRange`] for 0 and for 16 digits or more.
    pub const fn from_digits(digits: u64) -> Result<E164, DigitsOutOfRange> {
        match NonZeroU64::new(digits) {
            Some(number) if digits <= NUMBER_MAX => Ok(E164(number)),
            _ => Err(DigitsOutOfRange { digits }),
        }
    }

    /// Returns the digits as an integer.
    pub const fn digits(self) -> u64 {
        self.0.get()
    }

    /// Returns the country or territory by its two letters, as in ISO 3166-1.
    ///
    /// Territories with a code of their own in telephony come under it (`XK`, `AC`, `TA`). Nothing
    /// for numbers of no country, such as `+800`, and for those within no assigned range of a
    /// country code that several countries share, such as `+1`.
    ///
    /// # Limits
    ///
    /// It matches patterns that are compiled on a country code's first call, which takes
    /// milliseconds (tens of them for `+1`, with its many countries), and microseconds from then
    /// on: not for the path of a message.
    pub fn region(self) -> Option<&'static str> {
        plan::region(self)
    }

    /// Returns the country code, 1 to 3 digits; nothing if none in use begins the number. Takes well below
    /// a microsecond.
    pub fn country_code(self) -> Option<u16> {
        plan::country_code(self)
    }

    /// Returns the country of a country code that is one country's alone. Takes well below a microsecond.
    pub fn sole_region(self) -> Option<&'static str> {
        plan::sole_region(self)
    }

    /// Returns what the number's range is used for, within the limits of [`E164::region`].
    pub fn number_type(self) -> NumberType {
        plan::number_type(self)
    }

    /// Returns what makes the number's range one that is blocked unless it is opened, as far as the numbering
    /// plans say; within the limits of [`E164::region`].
    pub fn range_kind(self) -> Option<RangeKind> {
        plan::range_kind(self)
    }

    /// Returns the name of the operator that the mobile range was given to, such as `KPN`.
    ///
    /// Numbers are ported, so it need not be the one that serves it today. Nothing for ranges that
    /// no operator is known of. Takes well below a microsecond.
    pub fn operator(self) -> Option<&'static str> {
        operator::operator(self)
    }
}

/// Returns the country code of a country by its two letters, as [`E164::region`] has them; nothing for
/// letters that are no country's.
pub fn country_code_of(region: &str) -> Option<u16> {
    plan::country_code_of(region)
}

/// Loads the numbering plans, so that the first number parsed need not wait 10 to 20 ms for them.
pub fn warm_up() {
    plan::warm_up();
    operator::warm_up();
}

/// Checks `+` and 7 to 15 digits, the first not 0, without allocating.
fn parse_syntax(input: &str) -> Result<E164, E164Error> {
    let Some(rest) = input.strip_prefix('+') else {
        return Err(E164Error::MissingPlus);
    };
    let mut value = 0_u64;
    let mut digits = 0;
    for byte in rest.bytes() {
        if !byte.is_ascii_digit() {
            return Err(not_a_digit(rest, digits));
        }
        if digits == DIGITS_MAX {
            return Err(E164Error::TooLong);
        }
        if digits == 0 && byte == b'0' {
            return Err(E164Error::LeadingZero);
        }
        value = value * 10 + u64::from(byte - b'0');
        digits += 1;
    }
    if digits < DIGITS_MIN {
        return Err(E164Error::TooShort { digits });
    }
    let number = NonZeroU64::new(value).expect("a number whose first digit is not 0 is not 0");
    Ok(E164(number))
}

/// Names the character after `digits` digits of `rest`; those are ASCII, so it starts there.
#[cold]
fn not_a_digit(rest: &str, digits: usize) -> E164Error {
    let found = rest[digits..]
        .chars()
        .next()
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    E164Error::NotADigit {
        position: digits + 1,
        found,
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164({self})")
    }
}

impl From<E164> for u64 {
    fn from(number: E164) -> u64 {
        number.digits()
    }
}

impl TryFrom<u64> for E164 {
    type Error = DigitsOutOfRange;

    fn try_from(digits: u64) -> Result<E164, DigitsOutOfRange> {
        E164::from_digits(digits)
    }
}

/// The error of [`E164::from_digits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{digits} cannot be a telephone number: give 1 to {DIGITS_MAX} digits that are not 0")]
pub struct DigitsOutOfRange {
    /// The integer given.
    pub digits: u64,
}

/// Why a text is no number that a message can be sent to.
///
/// The sentences are fit to show to whoever sent the text. [`E164Error::NationalPrefix`] names a
/// telephone number: keep it out of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum E164Error {
    /// It does not begin with `+`.
    #[error("the number does not start with +: write + and the country code before it")]
    MissingPlus,
    /// Something other than an ASCII digit follows.
    #[error(
        "character {found:?} at position {position} (from 0) is no digit: write + and {DIGITS_MIN} \
         to {DIGITS_MAX} digits, without spaces or punctuation"
    )]
    NotADigit {
        /// Its index in characters, that of `+` being 0.
        position: usize,
        /// The character.
        found: char,
    },
    /// The first digit is 0.
    #[error("no country code starts with 0: write + and the country code before the number")]
    LeadingZero,
    /// It has fewer than [`DIGITS_MIN`] digits.
    #[error(
        "{digits} digits are too few: write {DIGITS_MIN} to {DIGITS_MAX}, country code included"
    )]
    TooShort {
        /// The digits given.
        digits: usize,
    },
    /// It has more than [`DIGITS_MAX`] digits.
    #[error("more than {DIGITS_MAX} digits are too many: write one number, country code included")]
    TooLong,
    /// No country code begins it.
    #[error("the number starts with no country code in use: check the digits after +")]
    UnknownCountryCode,
    /// The prefix that is dialled within its country was kept.
    #[error("the number keeps the prefix that is dialled within its country: write {suggestion}")]
    NationalPrefix {
        /// The same number without it.
        suggestion: E164,
    },
    /// It is longer or shorter than the numbers of its country code.
    #[error("not a possible number: none of country code +{country_code} has this many digits")]
    NotPossible {
        /// The country code, 1 to 3 digits.
        country_code: u16,
    },
    /// It is in no range that is assigned.
    #[error("not a valid number: country code +{country_code} has no such range in use")]
    NotValid {
        /// The country code, 1 to 3 digits.
        country_code: u16,
    },
}
