//! Parties and texts as carriers write them by HTTP.

use didfarm_core::content::TEXT_BYTES_MAX;
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::peer::{Peer, PeerName};

use crate::callback::BODY_BYTES_MAX;

/// Reads a number with or without its `+`; short codes pass.
pub(crate) fn number(text: &str) -> Option<E164> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    E164::from_digits(digits.parse().ok()?).ok()
}

/// Reads a peer: a number, or the name of an alphanumeric sender.
pub(crate) fn peer(text: &str) -> Option<Peer> {
    number(text)
        .map(Peer::Number)
        .or_else(|| PeerName::parse(text).map(Peer::Name))
}

/// Reads a carrier's id of a message; `None` for nothing and for more than fits.
pub(crate) fn message_id(text: &str) -> Option<CarrierMessageId> {
    (1..=CarrierMessageId::BYTES_MAX)
        .contains(&text.len())
        .then(|| CarrierMessageId(text.into()))
}

/// A carrier's id as it stands in a path; `None` for one that would be more than one segment.
pub(crate) fn path_segment(id: &CarrierMessageId) -> Option<&str> {
    id.0.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .then_some(&*id.0)
}

/// Cuts an inbound text at a character to what is kept of it; says whether anything was cut.
pub(crate) fn cut_body(text: &str) -> (&str, bool) {
    (
        &text[..text.floor_char_boundary(BODY_BYTES_MAX)],
        text.len() > BODY_BYTES_MAX,
    )
}

/// A short text of a content, as a link or a name; `None` for nothing and for more than fits.
pub(crate) fn short_text(text: &str) -> Option<Box<str>> {
    (1..=TEXT_BYTES_MAX)
        .contains(&text.len())
        .then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_short_codes_and_names_are_told_apart() {
        let digits = |text| peer(text).and_then(|peer| peer.number()).map(E164::digits);
        assert_eq!(digits("+31612345678"), Some(31_612_345_678));
        assert_eq!(digits("31612345678"), Some(31_612_345_678));
        assert_eq!(digits("12345"), Some(12_345));
        assert_eq!(peer("MyBank").unwrap().to_string(), "MyBank");
        for text in ["", "+", "+31x", "0", "1234567890123456", "a\nb"] {
            assert_eq!(peer(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let long = format!("a{}", "é".repeat(BODY_BYTES_MAX));
        let (text, cut) = cut_body(&long);
        assert!(cut && text.len() == BODY_BYTES_MAX - 1 && text.ends_with('é'));
        assert_eq!(cut_body("short"), ("short", false));
    }
}
