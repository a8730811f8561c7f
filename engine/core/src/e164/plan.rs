//! What numbering plans say of a number: the only file that knows the library.
//!
//! The library's parser corrects what it reads (it drops national prefixes, for one), and would
//! then judge another number than the one given. So numbers are handed to it in parts, as they
//! stand, which also spares its regular expressions on the way of an ordinary message.

use std::sync::LazyLock;

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType, PhoneNumberUtil, Region,
};

use super::{E164, E164Error, NumberType};
use crate::abuse::range::RangeKind;

/// The digits of the longest country code (ITU-T E.164, 6.2.1).
const COUNTRY_CODE_DIGITS_MAX: u32 = 3;

/// The leading zeros that the library can keep of a national number; none in use has more than 1.
const LEADING_ZEROS_MAX: u32 = 10;

/// A number parted into its country code and the national number.
#[derive(Clone, Copy)]
struct Parts {
    country_code: u16,
    national: u64,
    /// The zeros that `national` has lost as an integer.
    leading_zeros: u32,
}

pub(super) fn warm_up() {
    LazyLock::force(&PHONE_NUMBER_UTIL);
}

pub(super) fn check_possible(number: E164) -> Result<(), E164Error> {
    let parts = Parts::of(number).ok_or(E164Error::UnknownCountryCode)?;
    if parts.leading_zeros > 0
        && let Some(suggestion) = without_national_prefix(number)
    {
        return Err(E164Error::NationalPrefix { suggestion });
    }
    if parts.is_possible() {
        Ok(())
    } else {
        Err(E164Error::NotPossible {
            country_code: parts.country_code,
        })
    }
}

pub(super) fn check_valid(number: E164) -> Result<(), E164Error> {
    let parts = Parts::of(number).ok_or(E164Error::UnknownCountryCode)?;
    if parts.to_library().is_valid() {
        Ok(())
    } else {
        Err(E164Error::NotValid {
            country_code: parts.country_code,
        })
    }
}

pub(super) fn region(number: E164) -> Option<&'static str> {
    letters(Parts::of(number)?.to_library().get_region_code()?)
}

pub(super) fn country_code(number: E164) -> Option<u16> {
    Parts::of(number).map(|parts| parts.country_code)
}

pub(super) fn sole_region(number: E164) -> Option<&'static str> {
    let code = i32::from(country_code(number)?);
    let mut regions = util().get_regions_for_country_calling_code(code)?;
    let first = regions.next()?;
    regions.next().is_none().then(|| letters(first)).flatten()
}

pub(super) fn country_code_of(region: &str) -> Option<u16> {
    let mut regions = util().get_supported_regions();
    let found = regions.find(|known| letters(*known) == Some(region))?;
    u16::try_from(util().get_country_code_for_region(found)?).ok()
}

pub(super) fn number_type(number: E164) -> NumberType {
    let Some(parts) = Parts::of(number) else {
        return NumberType::Unknown;
    };
    match parts.to_library().get_type() {
        PhoneNumberType::Mobile => NumberType::Mobile,
        PhoneNumberType::FixedLine => NumberType::FixedLine,
        PhoneNumberType::FixedLineOrMobile => NumberType::FixedLineOrMobile,
        PhoneNumberType::TollFree => NumberType::TollFree,
        PhoneNumberType::PremiumRate => NumberType::PremiumRate,
        PhoneNumberType::VoIP => NumberType::Voip,
        PhoneNumberType::SharedCost
        | PhoneNumberType::PersonalNumber
        | PhoneNumberType::Pager
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail => NumberType::Other,
        PhoneNumberType::Unknown => NumberType::Unknown,
    }
}

pub(super) fn range_kind(number: E164) -> Option<RangeKind> {
    match Parts::of(number)?.to_library().get_type() {
        PhoneNumberType::PremiumRate => Some(RangeKind::Premium),
        PhoneNumberType::SharedCost => Some(RangeKind::SharedCost),
        PhoneNumberType::PersonalNumber => Some(RangeKind::Personal),
        PhoneNumberType::Mobile
        | PhoneNumberType::FixedLine
        | PhoneNumberType::FixedLineOrMobile
        | PhoneNumberType::TollFree
        | PhoneNumberType::VoIP
        | PhoneNumberType::Pager
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail
        | PhoneNumberType::Unknown => None,
    }
}

impl Parts {
    /// Parts a number at its country code; nothing if none in use begins it.
    ///
    /// Country codes are prefix-free, so the first that fits is the only one.
    fn of(number: E164) -> Option<Parts> {
        let digits = number.digits();
        let len = decimal_len(digits);
        let longest = COUNTRY_CODE_DIGITS_MAX.min(len - 1);
        (1..=longest).find_map(|code_len| {
            let national_len = len - code_len;
            let scale = 10_u64.pow(national_len);
            let country_code = u16::try_from(digits / scale).ok()?;
            util().get_region_for_country_code(i32::from(country_code))?;
            let national = digits % scale;
            let leading_zeros = national_len - decimal_len(national);
            Some(Parts {
                country_code,
                national,
                leading_zeros,
            })
        })
    }

    /// Tells whether the country code has numbers of this length that can be dialled from abroad.
    fn is_possible(self) -> bool {
        // One that the library cannot represent would be judged by fewer digits than it has.
        self.leading_zeros <= LEADING_ZEROS_MAX
            && self.to_library().is_possible_with_reason() == Ok(NumberLengthType::IsPossible)
    }

    fn to_library(self) -> PhoneNumber {
        let leading_zeros = i32::try_from(self.leading_zeros)
            .ok()
            .filter(|zeros| *zeros > 0);
        PhoneNumber {
            country_code: i32::from(self.country_code),
            national_number: self.national,
            italian_leading_zero: leading_zeros.map(|_| true),
            number_of_leading_zeros: leading_zeros,
            ..PhoneNumber::default()
        }
    }

    fn of_library(number: &PhoneNumber) -> Option<Parts> {
        let kept = number
            .italian_leading_zero()
            .then(|| number.number_of_leading_zeros());
        Some(Parts {
            country_code: u16::try_from(number.country_code).ok()?,
            national: number.national_number,
            leading_zeros: u32::try_from(kept.unwrap_or(0)).ok()?,
        })
    }

    fn to_number(self) -> Option<E164> {
        let scale = 10_u64.checked_pow(decimal_len(self.national) + self.leading_zeros)?;
        let digits = u64::from(self.country_code)
            .checked_mul(scale)?
            .checked_add(self.national)?;
        E164::from_digits(digits).ok()
    }
}

/// Returns the number that is meant, if this one keeps the prefix dialled within its country.
fn without_national_prefix(number: E164) -> Option<E164> {
    let parsed = util().parse(number.to_string(), None).ok()?;
    let parts = Parts::of_library(&parsed)?;
    parts
        .to_number()
        .filter(|meant| *meant != number && parts.is_possible())
}

fn util() -> &'static PhoneNumberUtil {
    &PHONE_NUMBER_UTIL
}

/// Returns the digits of `value` in decimal; 0 has one.
fn decimal_len(value: u64) -> u32 {
    value.checked_ilog10().unwrap_or(0) + 1
}

/// Every pair of letters in order, `AA` to `ZZ`.
static PAIRS: [u8; 26 * 26 * 2] = {
    let mut pairs = [0; 26 * 26 * 2];
    let mut pair = 0;
    while pair < 26 * 26 {
        pairs[2 * pair] = b'A' + (pair / 26) as u8;
        pairs[2 * pair + 1] = b'A' + (pair % 26) as u8;
        pair += 1;
    }
    pairs
};

/// Returns a region's two letters as static text; nothing for the world, which has digits.
fn letters(region: Region) -> Option<&'static str> {
    let text = region.as_region_str();
    let [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] = *text.as_bytes() else {
        return None;
    };
    let at = 2 * (usize::from(first - b'A') * 26 + usize::from(second - b'A'));
    str::from_utf8(&PAIRS[at..at + 2]).ok()
}
