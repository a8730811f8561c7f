//! Claims about encodings and segments.

use didfarm_core::segments::{
    BODY_CHARS_MAX, Encoding, Segmentation, count, forcing, gsm7, smart_encoded, split, unencodable,
};
use proptest::prelude::*;

/// The default alphabet written out anew, row by row of the standard's table.
const DEFAULT_WITHOUT_ESCAPE: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

const EM_DASH_BODY: &str = "Hi! Thanks for reaching out. I can see your order #4521 — it shipped \
    yesterday and should arrive by Friday. I will send you the tracking link shortly.";

/// The slow reference: units of each character first, then segments as lists of whole characters.
fn reference(body: &str) -> (Encoding, usize, Vec<String>) {
    let is_gsm7 = |c: char| DEFAULT_WITHOUT_ESCAPE.contains(c) || EXTENSION.contains(c);
    let encoding = if body.chars().all(is_gsm7) {
        Encoding::Gsm7
    } else {
        Encoding::Ucs2
    };
    let sized: Vec<(char, usize)> = body
        .chars()
        .map(|c| match encoding {
            Encoding::Gsm7 => (c, if EXTENSION.contains(c) { 2 } else { 1 }),
            Encoding::Ucs2 => (c, c.encode_utf16(&mut [0; 2]).len()),
        })
        .collect();
    let total = sized.iter().map(|(_, units)| units).sum();
    let (alone, each) = if encoding == Encoding::Gsm7 {
        (160, 153)
    } else {
        (70, 67)
    };
    let mut remaining = sized.as_slice();
    let mut segments = Vec::new();
    while !remaining.is_empty() {
        let room = if total <= alone { alone } else { each };
        let fits = |n: &usize| {
            remaining[..*n]
                .iter()
                .map(|(_, units)| units)
                .sum::<usize>()
                <= room
        };
        let taken = (1..=remaining.len())
            .filter(fits)
            .max()
            .expect("one character always fits");
        segments.push(remaining[..taken].iter().map(|(c, _)| *c).collect());
        remaining = &remaining[taken..];
    }
    if segments.is_empty() {
        segments.push(String::new());
    }
    (encoding, total, segments)
}

fn assert_agrees_with_reference(body: &str) {
    let (encoding, units, segments) = reference(body);
    let counted = count(body);
    assert_eq!(counted.encoding, encoding, "{body:?}");
    assert_eq!(counted.units as usize, units, "{body:?}");
    assert_eq!(usize::from(counted.segments), segments.len(), "{body:?}");
    let slices = split(body);
    assert_eq!(slices, segments, "{body:?}");
    assert_eq!(slices.concat(), body);
    assert_eq!(
        unencodable(body).next().is_none(),
        encoding == Encoding::Gsm7
    );
}

fn segmentation(encoding: Encoding, segments: u16, units: u32) -> Segmentation {
    Segmentation {
        encoding,
        segments,
        units,
    }
}

#[test]
fn known_bodies_have_known_segments() {
    use Encoding::{Gsm7, Ucs2};
    let cases: Vec<(String, Encoding, u32, Vec<usize>)> = vec![
        (String::new(), Gsm7, 0, vec![0]),
        ("a".repeat(160), Gsm7, 160, vec![160]),
        ("a".repeat(161), Gsm7, 161, vec![153, 8]),
        ("a".repeat(306), Gsm7, 306, vec![153, 153]),
        ("a".repeat(307), Gsm7, 307, vec![153, 153, 1]),
        (
            "a".repeat(1600),
            Gsm7,
            1600,
            [vec![153; 10], vec![70]].concat(),
        ),
        ("a".repeat(158) + "€", Gsm7, 160, vec![159]),
        ("a".repeat(159) + "€", Gsm7, 161, vec![153, 7]),
        (
            "a".repeat(152) + "€" + &"a".repeat(7),
            Gsm7,
            161,
            vec![152, 8],
        ),
        ("€".repeat(80), Gsm7, 160, vec![80]),
        // 162 septets, but an odd room of 153 holds only 76 pairs.
        ("€".repeat(81), Gsm7, 162, vec![76, 5]),
        // 306 septets are two full segments by length, yet three by whole pairs.
        ("€".repeat(153), Gsm7, 306, vec![76, 76, 1]),
        ("ж".repeat(70), Ucs2, 70, vec![70]),
        ("ж".repeat(71), Ucs2, 71, vec![67, 4]),
        ("ж".repeat(134), Ucs2, 134, vec![67, 67]),
        ("ж".repeat(135), Ucs2, 135, vec![67, 67, 1]),
        ("ж".repeat(68) + "😀", Ucs2, 70, vec![69]),
        ("ж".repeat(66) + "😀" + "жжж", Ucs2, 71, vec![66, 4]),
        ("😀".repeat(35), Ucs2, 70, vec![35]),
        ("😀".repeat(36), Ucs2, 72, vec![33, 3]),
        ("😀".repeat(67), Ucs2, 134, vec![33, 33, 1]),
        (EM_DASH_BODY.into(), Ucs2, 150, vec![67, 67, 16]),
        (EM_DASH_BODY.replace('—', "-"), Gsm7, 150, vec![150]),
    ];
    for (body, encoding, units, chars) in cases {
        let expected = segmentation(encoding, u16::try_from(chars.len()).unwrap(), units);
        assert_eq!(count(&body), expected, "{body:?}");
        let lengths: Vec<usize> = split(&body)
            .iter()
            .map(|slice| slice.chars().count())
            .collect();
        assert_eq!(lengths, chars, "{body:?}");
        assert_agrees_with_reference(&body);
    }
}

#[test]
fn an_empty_body_is_one_empty_segment() {
    assert_eq!(count(""), segmentation(Encoding::Gsm7, 1, 0));
    assert_eq!(split(""), [""]);
}

#[test]
fn the_default_alphabet_has_its_127_characters_in_the_standards_order() {
    assert_eq!(DEFAULT_WITHOUT_ESCAPE.chars().count(), 127);
    let septets = (0..=0x7F_u8).filter(|septet| *septet != gsm7::ESCAPE);
    for (septet, c) in septets.zip(DEFAULT_WITHOUT_ESCAPE.chars()) {
        assert_eq!(
            gsm7::Code::of(c),
            Some(gsm7::Code::Default(septet)),
            "{c:?}"
        );
        assert_eq!(
            count(&c.to_string()),
            segmentation(Encoding::Gsm7, 1, 1),
            "{c:?}"
        );
        assert_eq!(
            count(&c.to_string().repeat(161)),
            segmentation(Encoding::Gsm7, 2, 161),
            "{c:?}"
        );
    }
}

#[test]
fn the_extension_table_has_its_10_characters_of_two_septets() {
    let codes = [0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65];
    assert_eq!(EXTENSION.chars().count(), codes.len());
    for (septet, c) in codes.into_iter().zip(EXTENSION.chars()) {
        assert_eq!(
            gsm7::Code::of(c),
            Some(gsm7::Code::Extension(septet)),
            "{c:?}"
        );
        assert_eq!(
            count(&c.to_string()),
            segmentation(Encoding::Gsm7, 1, 2),
            "{c:?}"
        );
        assert_eq!(
            count(&c.to_string().repeat(81)),
            segmentation(Encoding::Gsm7, 2, 162),
            "{c:?}"
        );
    }
}

#[test]
fn every_other_character_forces_ucs2() {
    let of_gsm7 = |c: char| DEFAULT_WITHOUT_ESCAPE.contains(c) || EXTENSION.contains(c);
    let mut text = String::new();
    for c in ('\0'..=char::MAX).filter(|c| !of_gsm7(*c)) {
        text.clear();
        text.push(c);
        let expected = segmentation(Encoding::Ucs2, 1, c.len_utf16() as u32);
        assert_eq!(count(&text), expected, "{c:?}");
    }
}

#[test]
fn a_character_counts_the_same_wherever_it_stands_in_a_body() {
    for c in ['a', '€', '[', '`', '\u{1b}', 'ç', 'Ç', 'ж', '😀'] {
        for at in 0..200 {
            assert_agrees_with_reference(&format!("{}{c}{}", "a".repeat(at), "b".repeat(200 - at)));
        }
    }
}

#[test]
fn the_characters_that_force_ucs2_are_named_with_their_index() {
    let found: Vec<(usize, char)> = unencodable("é€— `a` 😀[").collect();
    assert_eq!(found, [(2, '—'), (4, '`'), (6, '`'), (8, '😀')]);
    assert_eq!(unencodable("Grüße, 5 € [ok]\n").count(), 0);
}

#[test]
fn a_body_past_every_limit_stops_at_the_maximum() {
    let body = "ж".repeat(67 * usize::from(u16::MAX) + 1);
    assert_eq!(count(&body).segments, u16::MAX);
}

#[test]
fn encodings_have_short_and_public_names() {
    assert_eq!(Encoding::Gsm7.as_str(), "GSM-7");
    assert_eq!(Encoding::Ucs2.as_str(), "UCS-2");
    assert_eq!(serde_json::to_string(&Encoding::Gsm7).unwrap(), r#""g""#);
    assert_eq!(
        serde_json::from_str::<Encoding>(r#""u""#).unwrap(),
        Encoding::Ucs2
    );
}

/// Bodies around the borders: runs of characters of every class.
fn bodies() -> impl Strategy<Value = String> {
    let classes = [
        "a", "_", "é", "Δ", "€", "[", "\u{c}", "`", "\u{1b}", "ç", "ж", "—", "😀",
    ];
    let run = |classes: Vec<&'static str>| {
        (prop::sample::select(classes), 0..170_usize).prop_map(|(c, n)| c.repeat(n))
    };
    let join = |runs: Vec<String>| {
        runs.concat()
            .chars()
            .take(BODY_CHARS_MAX)
            .collect::<String>()
    };
    prop_oneof![
        prop::collection::vec(run(classes[..7].to_vec()), 0..6).prop_map(join),
        prop::collection::vec(run(classes.to_vec()), 0..6).prop_map(join),
        any::<String>(),
        "[ -~\n€]{0,400}",
        "[a-zа-я😀-😏]{0,200}",
    ]
}

proptest! {
    #[test]
    fn count_and_split_agree_with_the_slow_reference(body in bodies()) {
        assert_agrees_with_reference(&body);
    }

    #[test]
    fn every_segment_is_within_bounds(body in bodies()) {
        let slices = split(&body);
        let encoding = count(&body).encoding;
        let (alone, each) = if encoding == Encoding::Gsm7 { (160, 153) } else { (70, 67) };
        let bound = if slices.len() == 1 { alone } else { each };
        for slice in &slices {
            prop_assert_eq!(slices.len() == 1, slice.len() == body.len());
            let units: usize = match encoding {
                Encoding::Gsm7 => {
                    slice.chars().map(|c| if EXTENSION.contains(c) { 2 } else { 1 }).sum()
                }
                Encoding::Ucs2 => slice.encode_utf16().count(),
            };
            prop_assert!(units <= bound);
        }
    }
}

/// Characters that matter: of GSM-7, with look-alikes, of other alphabets, beyond the first plane.
fn lively() -> impl Strategy<Value = String> {
    "[ -~àé€…—“”’\u{a0}\u{ad}\u{301}\u{308}•мж中🙂\u{200b}ﬃ]{0,240}"
}

proptest! {
    #[test]
    fn smart_encoding_never_costs_more_and_settles_at_once(body in lively()) {
        let smart = smart_encoded(&body);
        prop_assert!(count(&smart).segments <= count(&body).segments);
        prop_assert!(smart.len() <= body.len());
        let again = smart_encoded(&smart);
        prop_assert_eq!(&again, &smart);
    }

    #[test]
    fn text_in_gsm7_stays_as_it_is(body in "[ -_a-zàéñ€{}\n]{0,400}") {
        prop_assert_eq!(smart_encoded(&body), body.as_str());
    }

    #[test]
    fn what_was_swapped_fits_gsm7_or_takes_fewer_segments(body in lively()) {
        let smart = smart_encoded(&body);
        if smart != body {
            let (before, after) = (count(&body), count(&smart));
            prop_assert!(after.encoding == Encoding::Gsm7 || after.segments < before.segments);
        }
    }

    #[test]
    fn letters_of_other_alphabets_are_never_swapped(body in "[а-яα-ω一-龥ا-ي]{1,80}") {
        prop_assert_eq!(smart_encoded(&body), body.as_str());
    }

    #[test]
    fn what_forces_ucs2_is_listed_once_with_its_first_place_and_its_count(body in lively()) {
        let found = forcing(&body);
        prop_assert_eq!(found.is_empty(), count(&body).encoding == Encoding::Gsm7);
        prop_assert_eq!(found.iter().map(|one| one.count).sum::<usize>(), unencodable(&body).count());
        for one in &found {
            prop_assert_eq!(body.chars().nth(one.first), Some(one.character));
            prop_assert_eq!(body.chars().position(|c| c == one.character), Some(one.first));
        }
    }
}

#[test]
fn the_products_own_examples_are_cut_to_a_third_and_a_half() {
    let reply = smart_encoded(EM_DASH_BODY);
    assert_eq!(
        (count(EM_DASH_BODY).segments, count(&reply).segments),
        (3, 1)
    );
    assert_eq!(reply, EM_DASH_BODY.replace('—', "-"));
    let hours = "Thanks for your message. Our support team is available Mon–Fri 09:00–18:00 CET. \
        We will reply on the next business day.";
    assert_eq!(
        (count(hours).segments, count(&smart_encoded(hours)).segments),
        (2, 1)
    );
}

#[test]
fn a_text_that_would_take_more_segments_or_be_too_long_stays() {
    // 70 units of UCS-2 are one segment; 210 septets would be two.
    let dots = "…".repeat(70);
    assert_eq!(smart_encoded(&dots), dots.as_str());
    // Fewer segments, and more characters than a body may have.
    let long = format!("{}{}", "a".repeat(1_500), "…".repeat(100));
    assert!(count(&long.replace('…', "...")).segments < count(&long).segments);
    assert_eq!(smart_encoded(&long), long.as_str());
    assert!(long.chars().count() <= BODY_CHARS_MAX);
    // Nothing would be left to send.
    assert_eq!(smart_encoded("\u{ad}"), "\u{ad}");
}

#[test]
fn letters_in_two_parts_are_put_together() {
    assert_eq!(smart_encoded("Cafe\u{301} Mu\u{308}ller"), "Café Müller");
    // Of a letter that GSM-7 has no such form of, neither part is touched.
    assert_eq!(smart_encoded("i\u{301}"), "i\u{301}");
}
