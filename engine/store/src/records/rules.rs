//! A number's auto-reply rules as rows: they may be longer than a row, so they are cut into parts.
//!
//! Each part is how many there are (1 byte) and the CRC-32C of the whole record (4 bytes), then its bytes
//! of the record. So parts of rules that were set at different times are told apart by who reads them
//! while a round replaces them.

use didfarm_core::auto_reply::AutoReplyRules;
use didfarm_core::ids::NumberId;

use super::codec::{self, CodecError};
use super::keys;

/// Bytes of the rules' record in one part.
const PART_BYTES_MAX: usize = 8 * 1024;
/// Parts that rules take at most: all that core allows, in four bytes a character, take fewer.
pub const RULES_PARTS_MAX: u8 = 64;

/// The rows of a number's rules, or those to remove when it has none any more.
pub(super) fn rows(
    number: NumberId,
    rules: Option<&AutoReplyRules>,
) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
    let record = rules.map(codec::encode).unwrap_or_default();
    let total = u8::try_from(record.len().div_ceil(PART_BYTES_MAX))
        .ok()
        .filter(|total| *total <= RULES_PARTS_MAX)
        .expect("core bounds the rules");
    let crc = crc32c::crc32c(&record).to_le_bytes();
    (0..RULES_PARTS_MAX).map(move |part| {
        let from = usize::from(part) * PART_BYTES_MAX;
        let bytes = record.get(from..).filter(|bytes| !bytes.is_empty());
        let row = bytes.map(|bytes| {
            let bytes = &bytes[..bytes.len().min(PART_BYTES_MAX)];
            [&[total], &crc[..], bytes].concat()
        });
        (keys::auto_reply(number, part).to_vec(), row)
    })
}

/// The rules that a number's parts make, joined one by one.
#[derive(Default)]
pub(crate) struct Joining {
    record: Vec<u8>,
    parts: u8,
    total: u8,
    crc: [u8; 4],
}

impl Joining {
    /// Adds the next part; says whether it is the one that belongs there.
    pub(crate) fn add(&mut self, part: u8, row: &[u8]) -> bool {
        let Some(([total, crc @ ..], bytes)) = row.split_first_chunk::<5>() else {
            return false;
        };
        let is_of_these = part == 0 || (*total, *crc) == (self.total, self.crc);
        let fits = part == self.parts && part < *total && is_of_these;
        if fits {
            (self.total, self.crc) = (*total, *crc);
            self.parts += 1;
            self.record.extend_from_slice(bytes);
        }
        fits
    }

    /// Whether there is no part.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Whether every part is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts > 0 && self.parts == self.total
    }

    /// The rules.
    ///
    /// # Errors
    /// The parts are not all there, or what they make is no record.
    pub(crate) fn rules(&self) -> Result<AutoReplyRules, CodecError> {
        if !self.is_whole() {
            let detail = format!("{} of its {} parts are there", self.parts, self.total);
            return Err(CodecError::Malformed { detail });
        }
        if crc32c::crc32c(&self.record).to_le_bytes() != self.crc {
            let detail = "its parts are not of the same rules".into();
            return Err(CodecError::Malformed { detail });
        }
        codec::decode(&self.record)
    }
}
