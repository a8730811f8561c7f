//! A body cut into the octets of each `submit_sm`: headers, alphabets, references.
//!
//! Segments are those that core counts and bills ([`didfarm_core::segments`]), with one exception: an
//! SMSC whose default alphabet is not GSM-7 gets UCS-2 for a body that its alphabet lacks characters of,
//! and that may take more segments than were counted.

use didfarm_core::segments::gsm7::Code;
use didfarm_core::segments::{
    self, Encoding, GSM7_EACH_SEPTETS_MAX, UCS2_ALONE_UNITS_MAX, UCS2_EACH_UNITS_MAX,
};

use super::settings::Concatenation;
use super::text::{CODING_DEFAULT, CODING_UCS2, DefaultCoding, encode_default, encode_ucs2};

/// Septets of a segment behind a header with a 16-bit reference: one less (3GPP TS 23.040, 9.2.3.24.8).
const GSM7_WIDE_SEPTETS_MAX: usize = GSM7_EACH_SEPTETS_MAX - 1;
/// UTF-16 code units of a segment behind a header with a 16-bit reference.
const UCS2_WIDE_UNITS_MAX: usize = UCS2_EACH_UNITS_MAX - 1;
/// The most segments that a header can count.
const SEGMENTS_MAX: usize = 255;

/// A body ready to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// How the octets are coded.
    pub coding: u8,
    /// What each segment carries, its header first when there are several.
    pub segments: Vec<Box<[u8]>>,
}

impl Body {
    /// Whether its segments begin with a header.
    pub(super) fn has_headers(&self) -> bool {
        self.segments.len() > 1
    }
}

/// Cuts `body`. `reference` names the message to the handset; its low 8 bits are used where that is all
/// that fits. `None` for more than 255 segments.
pub(super) fn cut(
    body: &str,
    default: DefaultCoding,
    concatenation: Concatenation,
    reference: u16,
) -> Option<Body> {
    let counted = segments::count(body);
    let (coding, slices, wide_max) = match counted.encoding {
        Encoding::Gsm7 if encode_default(body, default).is_some() => {
            let slices = segments::split(body);
            (CODING_DEFAULT, slices, GSM7_WIDE_SEPTETS_MAX)
        }
        Encoding::Ucs2 => (CODING_UCS2, segments::split(body), UCS2_WIDE_UNITS_MAX),
        Encoding::Gsm7 => (CODING_UCS2, split_ucs2(body), UCS2_WIDE_UNITS_MAX),
    };
    let units = |c: char| match coding {
        CODING_UCS2 => c.len_utf16(),
        _ => 1 + usize::from(matches!(Code::of(c), Some(Code::Extension(_)))),
    };
    let wide = (concatenation == Concatenation::Udh16 && slices.len() > 1)
        .then(|| split_by(body, wide_max, units))
        .filter(|wide| wide.len() == slices.len());
    let is_wide = wide.is_some();
    let slices = wide.unwrap_or(slices);
    let total = slices.len();
    if total > SEGMENTS_MAX {
        return None;
    }
    let segments = slices.iter().zip(1u8..).map(|(slice, place)| {
        let mut octets = header(reference, is_wide, total as u8, place);
        octets.extend(match coding {
            CODING_UCS2 => encode_ucs2(slice),
            _ => encode_default(slice, default).expect("the whole body was written before"),
        });
        octets.into_boxed_slice()
    });
    Some(Body {
        coding,
        segments: segments.collect(),
    })
}

/// The header of one of several segments; nothing for the only one.
fn header(reference: u16, is_wide: bool, total: u8, place: u8) -> Vec<u8> {
    let [high, low] = reference.to_be_bytes();
    match (total, is_wide) {
        (1, _) => Vec::new(),
        (_, true) => vec![6, 0x08, 4, high, low, total, place],
        (_, false) => vec![5, 0x00, 3, low, total, place],
    }
}

fn split_ucs2(body: &str) -> Vec<&str> {
    match body.encode_utf16().count() <= UCS2_ALONE_UNITS_MAX {
        true => vec![body],
        false => split_by(body, UCS2_EACH_UNITS_MAX, char::len_utf16),
    }
}

/// Fills each slice up to `each_max` units before the next is begun; no character is cut.
fn split_by(body: &str, each_max: usize, units: impl Fn(char) -> usize) -> Vec<&str> {
    let mut slices = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, character) in body.char_indices() {
        let units = units(character);
        if used + units > each_max {
            slices.push(&body[start..at]);
            (start, used) = (at, 0);
        }
        used += units;
    }
    slices.push(&body[start..]);
    slices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::decode;
    use super::*;

    /// Reads segments back: header checked and taken off, octets together.
    fn read(body: &Body, reference: u16) -> Vec<u8> {
        let total = body.segments.len();
        let mut octets = Vec::new();
        for (segment, place) in body.segments.iter().zip(1u8..) {
            let text = match &segment[..] {
                all if total == 1 => all,
                [5, 0, 3, low, count, at, text @ ..] => {
                    assert_eq!((*low, *count, *at), (reference as u8, total as u8, place));
                    text
                }
                [6, 8, 4, high, low, count, at, text @ ..] => {
                    assert_eq!(u16::from_be_bytes([*high, *low]), reference);
                    assert_eq!((*count, *at), (total as u8, place));
                    text
                }
                other => panic!("no header: {other:02x?}"),
            };
            octets.extend_from_slice(text);
        }
        octets
    }

    /// Octets on the air: septets packed, the header included (3GPP TS 23.040, 9.2.3.24).
    fn air_octets(body: &Body, segment: &[u8]) -> usize {
        let header = if body.has_headers() {
            usize::from(segment[0]) + 1
        } else {
            0
        };
        match body.coding {
            CODING_UCS2 => segment.len(),
            _ => ((header * 8).div_ceil(7) + segment.len() - header) * 7 / 8,
        }
    }

    #[test]
    fn a_wide_reference_gives_way_where_it_would_cost_a_segment() {
        let cut = |chars: usize| {
            cut(
                &"a".repeat(chars),
                DefaultCoding::Gsm7,
                Concatenation::Udh16,
                0x1234,
            )
            .unwrap()
        };
        assert_eq!(cut(160).segments.len(), 1);
        assert_eq!((cut(304).segments.len(), cut(304).segments[0][0]), (2, 6));
        assert_eq!((cut(306).segments.len(), cut(306).segments[0][0]), (2, 5));
    }

    #[test]
    fn an_alphabet_that_lacks_a_character_is_left_for_ucs2() {
        let latin = cut("€ 5", DefaultCoding::Latin1, Concatenation::Udh8, 1).unwrap();
        assert_eq!(latin.coding, CODING_UCS2);
        let latin = cut("café", DefaultCoding::Latin1, Concatenation::Udh8, 1).unwrap();
        assert_eq!((latin.coding, &latin.segments[0][..]), (0, &b"caf\xe9"[..]));
    }

    #[test]
    fn more_than_a_header_can_count_is_refused() {
        let body = "a".repeat(GSM7_EACH_SEPTETS_MAX * SEGMENTS_MAX + 1);
        assert_eq!(
            cut(&body, DefaultCoding::Gsm7, Concatenation::Udh8, 1),
            None
        );
    }

    proptest! {
        #[test]
        fn segments_agree_with_the_count_and_lose_nothing(
            text in "[a-z{}€^😀é\n]{0,500}|[a-z{}€^\n]{0,700}",
            wide: bool,
            reference: u16,
        ) {
            let concatenation = if wide { Concatenation::Udh16 } else { Concatenation::Udh8 };
            let body = cut(&text, DefaultCoding::Gsm7, concatenation, reference).unwrap();
            prop_assert_eq!(body.segments.len(), usize::from(segments::count(&text).segments));
            prop_assert_eq!(decode(body.coding, &read(&body, reference), DefaultCoding::Gsm7), &text[..]);
            for segment in &body.segments {
                prop_assert!(air_octets(&body, segment) <= 140);
                // Each is readable alone: no pair is cut.
                let header = if body.has_headers() { usize::from(segment[0]) + 1 } else { 0 };
                let alone = decode(body.coding, &segment[header..], DefaultCoding::Gsm7);
                prop_assert!(!alone.contains(char::REPLACEMENT_CHARACTER), "a pair is cut");
                prop_assert!(body.coding == CODING_UCS2 || segment.last() != Some(&0x1B));
            }
        }

        #[test]
        fn another_alphabet_loses_nothing_either(text in "[a-z{}€é]{0,400}", ascii: bool) {
            let default = if ascii { DefaultCoding::Ascii } else { DefaultCoding::Latin1 };
            let body = cut(&text, default, Concatenation::Udh8, 9).unwrap();
            prop_assert_eq!(decode(body.coding, &read(&body, 9), default), &text[..]);
        }
    }
}
