//! Text by `data_coding` (SMPP 3.4, 5.2.19; 3GPP TS 23.038), both ways.

use didfarm_core::parts::Part;
use didfarm_core::segments::gsm7::{ALPHABET, Code, ESCAPE};

use crate::callback::BODY_BYTES_MAX;

/// `data_coding` of the SMSC's default alphabet.
pub(super) const CODING_DEFAULT: u8 = 0;
/// `data_coding` of UCS-2, big endian.
pub(super) const CODING_UCS2: u8 = 8;

/// What `data_coding` 0 means at one SMSC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultCoding {
    /// The GSM 7-bit default alphabet, a septet in each octet.
    #[default]
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How octets are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Gsm7,
    /// ISO 8859-1, which ASCII is a part of: an SMSC that promises ASCII and sends more is read so.
    Latin1,
    Ucs2,
    /// No text that we can read.
    Binary,
}

impl Alphabet {
    /// The alphabet of a `data_coding`. Codings of SMPP's own that we have no table for are binary;
    /// the groups from 0xC0 are those of 3GPP TS 23.038, 4.
    fn of(coding: u8, default: DefaultCoding) -> Alphabet {
        let by_default = match default {
            DefaultCoding::Gsm7 => Alphabet::Gsm7,
            DefaultCoding::Latin1 | DefaultCoding::Ascii => Alphabet::Latin1,
        };
        match coding {
            0x00 => by_default,
            0x01 | 0x03 => Alphabet::Latin1,
            0x08 => Alphabet::Ucs2,
            0xC0..=0xDF => Alphabet::Gsm7,
            0xE0..=0xEF => Alphabet::Ucs2,
            0xF0..=0xFF if coding & 0x04 == 0 => Alphabet::Gsm7,
            _ => Alphabet::Binary,
        }
    }
}

/// Whether `coding` is one of text; other octets are shown as hexadecimal digits.
pub fn is_text(coding: u8) -> bool {
    Alphabet::of(coding, DefaultCoding::Gsm7) != Alphabet::Binary
}

/// Reads octets by their `data_coding`. Never fails: what is no character shows as U+FFFD, what is no
/// text as hexadecimal digits.
pub fn decode(coding: u8, octets: &[u8], default: DefaultCoding) -> String {
    match Alphabet::of(coding, default) {
        Alphabet::Gsm7 => decode_gsm7(octets),
        Alphabet::Latin1 => octets.iter().map(|octet| char::from(*octet)).collect(),
        Alphabet::Ucs2 => decode_utf16(octets),
        Alphabet::Binary => octets.iter().map(|octet| format!("{octet:02x}")).collect(),
    }
}

/// Septets, one in an octet. An escape before a septet that the extension table lacks shows that septet
/// (3GPP TS 23.038, 6.2.1.1); an octet above 0x7F is no septet and is read as ISO 8859-1.
fn decode_gsm7(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets.iter().copied();
    while let Some(octet) = rest.next() {
        let octet = match octet {
            ESCAPE => match rest.next() {
                Some(next) => match Code::Extension(next).character() {
                    Some(character) => {
                        text.push(character);
                        continue;
                    }
                    None => next,
                },
                None => b' ',
            },
            octet => octet,
        };
        text.push(match ALPHABET.get(usize::from(octet)) {
            // An escape after an escape announces a further table, which nobody has defined.
            Some('\u{1B}') => ' ',
            Some(character) => *character,
            None => char::from(octet),
        });
    }
    text
}

fn decode_utf16(octets: &[u8]) -> String {
    let (pairs, odd) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

/// The text of a long message from its parts, which may be given in any order, at most
/// [`BODY_BYTES_MAX`].
///
/// Parts that follow each other in one coding are read together, so that a character that was cut
/// between two is whole again. A missing part shows as `[part 2 of 3 missing]`.
pub fn join_text(parts: &[&Part], default: DefaultCoding) -> String {
    let Some(total) = parts.first().map(|part| part.key.total) else {
        return String::new();
    };
    let mut text = String::new();
    let mut run: Option<(u8, Vec<u8>)> = None;
    let close = |run: &mut Option<(u8, Vec<u8>)>, text: &mut String| {
        if let Some((coding, octets)) = run.take() {
            text.push_str(&decode(coding, &octets, default));
        }
    };
    for place in 1..=total {
        match parts.iter().find(|part| part.place == place) {
            Some(part) => {
                if run
                    .as_ref()
                    .is_some_and(|(coding, _)| *coding != part.coding)
                {
                    close(&mut run, &mut text);
                }
                run.get_or_insert_with(|| (part.coding, Vec::new()))
                    .1
                    .extend_from_slice(&part.octets);
            }
            None => {
                close(&mut run, &mut text);
                text.push_str(&format!("[part {place} of {total} missing]"));
            }
        }
    }
    close(&mut run, &mut text);
    cut(&mut text);
    text
}

/// Cuts a text to [`BODY_BYTES_MAX`] at a character; says whether it did.
pub(super) fn cut(text: &mut String) -> bool {
    let fits = text.floor_char_boundary(BODY_BYTES_MAX);
    let is_long = fits < text.len();
    text.truncate(fits);
    is_long
}

/// Writes `text` for `data_coding` 0; `None` when the alphabet lacks a character.
pub(super) fn encode_default(text: &str, default: DefaultCoding) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for character in text.chars() {
        match default {
            DefaultCoding::Gsm7 => match Code::of(character)? {
                Code::Default(septet) => octets.push(septet),
                Code::Extension(septet) => octets.extend([ESCAPE, septet]),
            },
            DefaultCoding::Latin1 => octets.push(u8::try_from(u32::from(character)).ok()?),
            DefaultCoding::Ascii if character.is_ascii() => octets.push(character as u8),
            DefaultCoding::Ascii => return None,
        }
    }
    Some(octets)
}

/// Writes `text` as UCS-2, big endian; UTF-16 for characters that need it.
pub(super) fn encode_ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[cfg(test)]
mod tests;
