//! Peers' numbers as Meta writes them: a WhatsApp id is the number of the day on which the account was made.
//!
//! Where a country has changed its numbers since, Meta keeps the old form in what it brings, and takes the
//! new one in what it is given. Here every peer has the one form that it has on SMS too: E.164.

use std::borrow::Cow;

use didfarm_core::e164::E164;

use crate::http::party;

/// Digits of a Brazilian number without the ninth: country, area and eight.
const BRAZIL_SHORT_DIGITS: usize = 12;
/// Digits of a Mexican number with the 1 that mobiles had behind the country until 2019.
const MEXICO_LONG_DIGITS: usize = 13;

/// Reads a peer's number.
pub(super) fn number(text: &str) -> Option<E164> {
    party::number(&canonical(text.strip_prefix('+').unwrap_or(text)))
}

/// The digits of E.164 for those of a WhatsApp id.
fn canonical(digits: &str) -> Cow<'_, str> {
    if digits.len() == MEXICO_LONG_DIGITS
        && let Some(national) = digits.strip_prefix("521")
    {
        return Cow::Owned(format!("52{national}"));
    }
    // Mobiles begin with 6 to 9 and have had a 9 before that since 2016; landlines have eight digits.
    if digits.len() == BRAZIL_SHORT_DIGITS
        && digits.starts_with("55")
        && let Some((area, local)) = digits.split_at_checked(4)
        && local.starts_with(['6', '7', '8', '9'])
    {
        return Cow::Owned(format!("{area}9{local}"));
    }
    Cow::Borrowed(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mexican_and_brazilian_ids_become_e164_and_all_others_stay() {
        for (id, wanted) in [
            ("5215512345678", "525512345678"),
            ("+5215512345678", "525512345678"),
            ("525512345678", "525512345678"),
            ("551187654321", "5511987654321"),
            ("551167654321", "5511967654321"),
            ("5511987654321", "5511987654321"),
            // A landline of Sao Paulo, and one that only looks short.
            ("551132654321", "551132654321"),
            ("55118765432", "55118765432"),
            // Argentina's 9 is part of E.164.
            ("5491123456789", "5491123456789"),
            ("31612345678", "31612345678"),
            ("15212345678", "15212345678"),
        ] {
            let digits = number(id).map(E164::digits);
            assert_eq!(digits, wanted.parse().ok(), "{id}");
        }
        for text in ["", "+", "521x512345678", "55é187654321"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
