//! How an SMS body is encoded and cut into segments, by 3GPP TS 23.038 and 23.040.

pub mod gsm7;
mod packing;
mod smart;

use std::iter;

use serde::{Deserialize, Serialize};

use self::packing::Packing;
pub use self::smart::{Forcing, forcing, look_alike, smart_encoded};

/// The longest body accepted, in Unicode scalar values.
pub const BODY_CHARS_MAX: usize = 1600;

/// The septets of a body that needs one segment only (3GPP TS 23.040, 9.2.3.24).
pub const GSM7_ALONE_SEPTETS_MAX: usize = 160;

/// The septets of each segment of a longer body: 140 octets less a header of 6 with an 8-bit
/// concatenation reference (3GPP TS 23.040, 9.2.3.24.1) and a fill bit.
pub const GSM7_EACH_SEPTETS_MAX: usize = 153;

/// The UTF-16 code units of a body that needs one segment only (3GPP TS 23.040, 9.2.3.24).
pub const UCS2_ALONE_UNITS_MAX: usize = 70;

/// The UTF-16 code units of each segment of a longer body (3GPP TS 23.040, 9.2.3.24.1).
pub const UCS2_EACH_UNITS_MAX: usize = 67;

/// The character set that a body is submitted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet and its extension table; a unit is a septet.
    #[serde(rename = "g")]
    Gsm7,
    /// UCS-2, sent as UTF-16; a unit is a 16-bit code unit.
    #[serde(rename = "u")]
    Ucs2,
}

impl Encoding {
    /// Returns the name used in public JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        }
    }

    /// Returns the units that each segment of a body of several may hold.
    pub const fn each_units_max(self) -> usize {
        match self {
            Encoding::Gsm7 => GSM7_EACH_SEPTETS_MAX,
            Encoding::Ucs2 => UCS2_EACH_UNITS_MAX,
        }
    }

    /// Returns the units that `c` takes; in GSM-7 a character that it lacks takes none.
    fn units(self, c: char) -> usize {
        match self {
            Encoding::Gsm7 => gsm7::septets(c).unwrap_or(0),
            Encoding::Ucs2 => c.len_utf16(),
        }
    }
}

/// What a body costs: its encoding, segments and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segmentation {
    /// GSM-7 if it has every character of the body, else UCS-2.
    pub encoding: Encoding,
    /// The segments to submit and to bill, at least 1.
    pub segments: u16,
    /// The body's length in septets or UTF-16 code units.
    pub units: u32,
}

/// Counts the segments of `body`, exactly as many as [`split`] returns.
///
/// A segment is filled before the next is opened, but an escape pair or a surrogate pair that no
/// longer fits moves on whole; so there can be more segments than the length alone asks for.
/// One pass, no allocation. An empty body is one segment of 0 units: whether it may be sent is
/// the caller's question.
///
/// # Limits
///
/// `segments` and `units` stop at their types' maxima, which a body within [`BODY_CHARS_MAX`]
/// is far from.
pub fn count(body: &str) -> Segmentation {
    /// Characters walked before another try at skipping a run of plain ASCII.
    const WALK_CHARS: usize = 16;

    let mut septets = Packing::<GSM7_ALONE_SEPTETS_MAX, GSM7_EACH_SEPTETS_MAX>::new();
    let mut code_units = Packing::<UCS2_ALONE_UNITS_MAX, UCS2_EACH_UNITS_MAX>::new();
    let mut encoding = Encoding::Gsm7;
    let mut rest = body;
    while !rest.is_empty() {
        let plain = gsm7::plain_prefix_bytes(rest.as_bytes());
        septets.add_singles(plain);
        code_units.add_singles(plain);
        let mut characters = rest[plain..].chars();
        for c in characters.by_ref().take(WALK_CHARS) {
            match gsm7::septets(c) {
                Some(units) => septets.add(units),
                None => encoding = Encoding::Ucs2,
            }
            code_units.add(c.len_utf16());
        }
        rest = characters.as_str();
    }
    let (segments, units) = match encoding {
        Encoding::Gsm7 => (septets.segments(), septets.units()),
        Encoding::Ucs2 => (code_units.segments(), code_units.units()),
    };
    Segmentation {
        encoding,
        segments: u16::try_from(segments).unwrap_or(u16::MAX),
        units: u32::try_from(units).unwrap_or(u32::MAX),
    }
}

/// Cuts `body` into what each segment carries, in order; joined they are the body.
///
/// No escape pair and no surrogate pair is cut. An empty body is one empty segment.
pub fn split(body: &str) -> Vec<&str> {
    let Segmentation {
        encoding, segments, ..
    } = count(body);
    if segments == 1 {
        return vec![body];
    }
    let mut slices = Vec::with_capacity(usize::from(segments));
    let (mut start, mut used) = (0, 0);
    for (at, c) in body.char_indices() {
        let units = encoding.units(c);
        if used + units > encoding.each_units_max() {
            slices.push(&body[start..at]);
            (start, used) = (at, 0);
        }
        used += units;
    }
    slices.push(&body[start..]);
    slices
}

/// Returns the characters that force UCS-2, each with its index counted in characters from 0.
///
/// It yields nothing exactly when [`count`] answers [`Encoding::Gsm7`].
pub fn unencodable(body: &str) -> impl Iterator<Item = (usize, char)> {
    iter::zip(0.., body.chars()).filter(|(_, c)| gsm7::septets(*c).is_none())
}
