//! Octets and text: every alphabet, both ways, and characters cut between two parts.

use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierId;
use didfarm_core::parts::{Part, PartsKey};
use didfarm_core::peer::Peer;
use proptest::prelude::*;

use super::*;

fn part(place: u8, total: u8, coding: u8, octets: &[u8]) -> Part {
    let number = E164::from_digits(31_612_345_678).unwrap();
    Part {
        key: PartsKey {
            carrier: CarrierId(2),
            from: Peer::Number(number),
            to: number,
            reference: 7,
            wide: false,
            total,
        },
        place,
        octets: octets.into(),
        coding,
    }
}

#[test]
fn each_coding_is_read_by_its_alphabet() {
    let gsm = DefaultCoding::Gsm7;
    assert_eq!(decode(0, &[0x00, 0x1B, 0x65, b'a'], gsm), "@€a");
    assert_eq!(decode(0, b"caf\xe9", DefaultCoding::Latin1), "café");
    assert_eq!(decode(1, b"a@b", gsm), "a@b");
    assert_eq!(decode(3, b"caf\xe9", gsm), "café");
    assert_eq!(decode(8, &[0xD8, 0x3D, 0xDE, 0x00], gsm), "😀");
    assert_eq!(decode(4, &[0xDE, 0xAD], gsm), "dead");
    assert_eq!(decode(0xF0, &[0x00], DefaultCoding::Latin1), "@");
    assert_eq!(decode(0xF5, &[0x00], gsm), "00");
    assert_eq!(decode(0xE0, &[0x00, 0x41], gsm), "A");
    assert!(is_text(0) && is_text(8) && is_text(0xF1) && !is_text(4) && !is_text(0xF4));
}

#[test]
fn what_is_no_character_does_not_end_the_text() {
    let gsm = DefaultCoding::Gsm7;
    assert_eq!(
        decode(8, &[0xD8, 0x3D, 0x00, 0x41, 0x00], gsm),
        "\u{FFFD}A\u{FFFD}"
    );
    assert_eq!(decode(0, &[b'a', 0x1B], gsm), "a ");
    assert_eq!(decode(0, &[0x1B, b'a', 0x1B, 0x1B, 0xE9], gsm), "a é");
}

#[test]
fn a_character_cut_between_two_parts_is_whole_again() {
    let gsm = DefaultCoding::Gsm7;
    let (one, two) = (part(1, 2, 0, &[b'a', 0x1B]), part(2, 2, 0, &[0x65, b'b']));
    assert_eq!(join_text(&[&two, &one], gsm), "a€b");
    let (one, two) = (
        part(1, 2, 8, &[0x00, 0x41, 0xD8, 0x3D]),
        part(2, 2, 8, &[0xDE, 0x00]),
    );
    assert_eq!(join_text(&[&one, &two], gsm), "A😀");
}

#[test]
fn a_missing_part_shows_as_a_gap() {
    let gsm = DefaultCoding::Gsm7;
    let (one, three) = (part(1, 3, 0, b"one "), part(3, 3, 8, &[0x00, 0x33]));
    assert_eq!(
        join_text(&[&three, &one], gsm),
        "one [part 2 of 3 missing]3"
    );
    assert_eq!(join_text(&[], gsm), "");
}

#[test]
fn a_joined_text_stays_within_its_bound() {
    let parts: Vec<Part> = (1..=255)
        .map(|place| part(place, 255, 4, &[0; 140]))
        .collect();
    let joined = join_text(&parts.iter().collect::<Vec<_>>(), DefaultCoding::Gsm7);
    assert_eq!(joined.len(), BODY_BYTES_MAX);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(text in "\\PC{0,80}") {
        prop_assert_eq!(decode(8, &encode_ucs2(&text), DefaultCoding::Gsm7), &text[..]);
        for default in [DefaultCoding::Gsm7, DefaultCoding::Latin1, DefaultCoding::Ascii] {
            if let Some(octets) = encode_default(&text, default) {
                prop_assert_eq!(decode(0, &octets, default), &text[..]);
            }
        }
    }

    #[test]
    fn no_octets_are_too_odd_to_read(coding: u8, octets: Vec<u8>) {
        for default in [DefaultCoding::Gsm7, DefaultCoding::Latin1, DefaultCoding::Ascii] {
            decode(coding, &octets, default);
        }
    }
}
