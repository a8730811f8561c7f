//! The forms of texts: names, numbers, keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use didfarm_core::e164::{DIGITS_MAX, E164, Validation};

use crate::secret::REDACTED;

/// The fewest characters of an API key that are not to be guessed.
pub(super) const API_KEY_CHARS_MIN: usize = 20;
/// The most characters of an API key.
pub(super) const API_KEY_CHARS_MAX: usize = 200;
/// The most characters of a carrier's name: it stands in paths and metric labels.
pub(super) const CARRIER_CHARS_MAX: usize = 32;
/// The bytes of an Ed25519 public key (RFC 8032, 5.1.5).
pub(super) const PUBLIC_KEY_BYTES: usize = 32;
/// The most characters of a version of the Graph API.
const GRAPH_VERSION_CHARS_MAX: usize = 12;

/// The name of the carrier that is always there.
pub(crate) const SIMULATOR: &str = "simulator";

/// A replacement character stands where bytes were no UTF-8: such a text is not what was meant.
pub(super) fn is_plain(text: &str, chars_min: usize, chars_max: usize) -> bool {
    let plain = |c: char| !c.is_control() && c != char::REPLACEMENT_CHARACTER;
    (chars_min..=chars_max).contains(&text.chars().count()) && text.chars().all(plain)
}

pub(super) fn is_visible(text: &str, chars_min: usize, chars_max: usize) -> bool {
    (chars_min..=chars_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn is_word(text: &str, chars_min: usize, chars_max: usize) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (chars_min..=chars_max).contains(&text.len()) && text.bytes().all(in_word)
}

pub(super) fn is_e164(text: &str) -> bool {
    E164::parse(text, Validation::Syntax).is_ok()
}

pub(super) fn is_prefix(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (1..=DIGITS_MAX).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub(super) fn is_api_key(text: &str) -> bool {
    is_visible(text, API_KEY_CHARS_MIN, API_KEY_CHARS_MAX)
}

/// Spaces are allowed inside, as in passwords that people chose.
pub(super) fn is_secret(text: &str, chars_max: usize) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (1..=chars_max).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(printable)
        && text != REDACTED
}

pub(super) fn is_public_key(text: &str) -> bool {
    BASE64
        .decode(text)
        .is_ok_and(|key| key.len() == PUBLIC_KEY_BYTES)
}

pub(super) fn is_carrier(text: &str, simulator: bool) -> bool {
    let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=CARRIER_CHARS_MAX).contains(&text.len())
        && text.bytes().all(in_name)
        && (simulator || text != SIMULATOR)
}

pub(super) fn is_graph_version(text: &str) -> bool {
    let is_whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= GRAPH_VERSION_CHARS_MAX
        && text
            .strip_prefix('v')
            .and_then(|version| version.split_once('.'))
            .is_some_and(|(major, minor)| is_whole(major) && is_whole(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_carriers_stand_in_paths_and_leave_the_simulators_alone() {
        for name in ["nl-wa", "a", "0", "-", &"x".repeat(32)] {
            assert!(is_carrier(name, false), "{name}");
        }
        for name in [
            "",
            "NL",
            "a b",
            "a/b",
            "a_b",
            "é",
            "simulator",
            &"x".repeat(33),
        ] {
            assert!(!is_carrier(name, false), "{name}");
        }
        assert!(is_carrier("simulator", true));
    }

    #[test]
    fn prefixes_are_what_numbers_begin_with() {
        for text in ["+3", "+31", "+123456789012345"] {
            assert!(is_prefix(text), "{text}");
        }
        for text in ["", "+", "31", "+031", "+31 6", "+3x", "+1234567890123456"] {
            assert!(!is_prefix(text), "{text}");
        }
    }

    #[test]
    fn secrets_print_and_are_not_what_stands_for_them() {
        assert!(is_secret("a", 8) && is_secret("pass wd", 8) && is_secret("12345678", 8));
        for text in ["", " a", "a ", "a\nb", "é", "123456789", "\u{7f}"] {
            assert!(!is_secret(text, 8), "{text:?}");
        }
        assert!(!is_secret(REDACTED, 200));
    }

    #[test]
    fn public_keys_are_32_bytes_in_base64() {
        let key = |len| BASE64.encode(vec![7u8; len]);
        assert!(is_public_key(&key(32)));
        for text in [&key(31), &key(33), "", "not base64", &key(32)[..43]] {
            assert!(!is_public_key(text), "{text}");
        }
    }

    #[test]
    fn graph_versions_have_two_parts() {
        assert!(is_graph_version("v23.0") && is_graph_version("v9.12"));
        for text in [
            "",
            "v",
            "23.0",
            "v23",
            "v.0",
            "v23.",
            "v2/3.0",
            "v23.0.1",
            "v1234567890.0",
        ] {
            assert!(!is_graph_version(text), "{text}");
        }
    }
}
