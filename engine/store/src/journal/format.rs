//! The physical format of the journal. All numbers are little-endian.
//!
//! # Segment file
//!
//! `{first_seq:020}.journal`, allocated as zeros to its full length before its first use.
//!
//! | Offset | Bytes | Field |
//! |---|---|---|
//! | 0 | 4 | magic `F5 44 46 4A` |
//! | 4 | 4 | format version, 3 |
//! | 8 | 8 | seq of the first entry |
//! | 16 | 8 | salt, random per segment |
//! | 24 | 4 | zeros |
//! | 28 | 4 | CRC-32C of the 28 bytes before |
//! | 32 | … | frames, then zeros to the end |
//!
//! # Frame
//!
//! One committed group of entries. It starts at a multiple of 8 and never leaves its segment.
//!
//! | Offset | Bytes | Field |
//! |---|---|---|
//! | 0 | 4 | magic `F5 44 46 FE` |
//! | 4 | 4 | payload length in bytes |
//! | 8 | 8 | seq of the first entry |
//! | 16 | 4 | count of entries, at least 1 |
//! | 20 | 4 | CRC-32C of the salt, the 20 bytes before and the payload |
//! | 24 | … | payload, then zeros to a multiple of 8 |
//!
//! The payload is `count` times: length (4 bytes), then as many bytes: entry version (1 byte,
//! 3), then the entry in positional rmp.
//!
//! A frame header of zeros is the end of the segment's data. Both magics hold bytes that occur
//! in no UTF-8 text, and the salt takes part in every frame's checksum: neither a message's body
//! nor blocks of an earlier file can pass for a frame when the tail is searched.

use serde::Serialize;

use crate::seq::Seq;

/// Is the format that this code writes, and the only one that it reads.
pub(crate) const FORMAT_VERSION: u32 = 3;
/// Is the version byte before each entry.
pub(crate) const ENTRY_VERSION: u8 = 3;
/// Is the length of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 32;
/// Is the length of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 24;
/// Is what every frame starts at a multiple of.
pub(crate) const FRAME_ALIGN_BYTES: u64 = 8;
/// Bounds one entry, well inside the four bytes of its length.
pub(crate) const ENTRY_BYTES_MAX: usize = 1 << 30;

const SEGMENT_MAGIC: [u8; 4] = [0xF5, b'D', b'F', b'J'];
pub(crate) const FRAME_MAGIC: [u8; 4] = [0xF5, b'D', b'F', 0xFE];
const SEGMENT_SUFFIX: &str = ".journal";
const SEGMENT_NAME_DIGITS: usize = 20;
/// Is the least that an entry takes: its length and its version byte.
const ENTRY_BYTES_MIN: u64 = 5;

/// Returns the file name of the segment that starts at `first`.
pub(crate) fn segment_name(first: Seq) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", first.0)
}

/// Returns where the segment of that file name starts, or nothing if it names no segment.
pub(crate) fn parse_segment_name(name: &str) -> Option<Seq> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let plain = digits.len() == SEGMENT_NAME_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Seq)).flatten()
}

/// Returns the length rounded up to where the next frame may start.
pub(crate) const fn aligned(len_bytes: u64) -> u64 {
    len_bytes.next_multiple_of(FRAME_ALIGN_BYTES)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Is what stands at the start of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: Seq,
    pub(crate) salt: u64,
}

/// Says why a segment's header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        bytes[0..4].copy_from_slice(&SEGMENT_MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes a header. The version is judged before the checksum, which another version may
    /// keep elsewhere.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES as usize]) -> Result<Self, HeaderFault> {
        if bytes[0..4] != SEGMENT_MAGIC {
            return Err(HeaderFault::Damaged);
        }
        let version = u32_at(bytes, 4);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        if u32_at(bytes, 28) != crc32c::crc32c(&bytes[..28]) {
            return Err(HeaderFault::Damaged);
        }
        Ok(Self {
            first: Seq(u64_at(bytes, 8)),
            salt: u64_at(bytes, 16),
        })
    }
}

/// Is what stands at the start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) first: Seq,
    pub(crate) count: u32,
    pub(crate) payload_bytes: u32,
    crc: u32,
}

/// Is what stands where a frame could start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFound {
    Head(FrameHead),
    Zeros,
    Damaged,
}

impl FrameHead {
    pub(crate) fn parse(bytes: &[u8]) -> HeadFound {
        if bytes[..FRAME_HEADER_BYTES].iter().all(|byte| *byte == 0) {
            return HeadFound::Zeros;
        }
        let head = Self {
            payload_bytes: u32_at(bytes, 4),
            first: Seq(u64_at(bytes, 8)),
            count: u32_at(bytes, 16),
            crc: u32_at(bytes, 20),
        };
        let plausible = head.count > 0
            && u64::from(head.count) * ENTRY_BYTES_MIN <= u64::from(head.payload_bytes)
            && head.first.0.checked_add(u64::from(head.count)).is_some();
        if bytes[..4] == FRAME_MAGIC && plausible {
            HeadFound::Head(head)
        } else {
            HeadFound::Damaged
        }
    }

    /// Returns whether header and payload, as one slice, carry the right checksum.
    pub(crate) fn holds(&self, frame: &[u8], salt: u64) -> bool {
        frame_crc(frame, salt) == self.crc
    }

    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + u64::from(self.count) - 1)
    }

    /// Returns the length of header and payload.
    pub(crate) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }
}

fn frame_crc(frame: &[u8], salt: u64) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &frame[..20]);
    crc32c::crc32c_append(crc, &frame[FRAME_HEADER_BYTES..])
}

/// Splits a payload into its entries, each with its version byte; nothing stands for a length
/// that leaves the payload, and ends the splitting.
pub(crate) fn split_entries(mut payload: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        let cut = payload
            .split_first_chunk::<4>()
            .and_then(|(len, rest)| rest.split_at_checked(u32::from_le_bytes(*len) as usize));
        let (entry, rest) = cut.map_or((None, &[][..]), |(entry, rest)| (Some(entry), rest));
        payload = rest;
        Some(entry)
    })
}

/// Says why an entry cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Its serialization failed.
    #[error("the entry does not serialize: this is a defect of the program, report it")]
    Rmp(#[from] rmp_serde::encode::Error),
    /// It is longer than an entry can be.
    #[error(
        "the entry takes {bytes} bytes, more than an entry can have: refuse such input earlier"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Collects the entries of one group as the bytes of its frame; reused from group to group.
pub(crate) struct GroupBuffer {
    frame: Vec<u8>,
    count: u32,
}

impl GroupBuffer {
    pub(crate) fn new() -> Self {
        Self {
            frame: vec![0; FRAME_HEADER_BYTES],
            count: 0,
        }
    }

    /// Empties the buffer and gives back memory beyond `keep_bytes`.
    pub(crate) fn clear(&mut self, keep_bytes: usize) {
        self.frame.truncate(FRAME_HEADER_BYTES);
        self.frame.shrink_to(keep_bytes);
        self.count = 0;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the length of the sealed frame.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        aligned(self.frame.len() as u64)
    }

    /// Adds an entry unless the group has others and would grow past `bytes_max`; returns
    /// whether it was added.
    pub(crate) fn push<E: Serialize>(
        &mut self,
        entry: &E,
        bytes_max: usize,
    ) -> Result<bool, EncodeError> {
        let start = self.frame.len();
        self.frame.extend_from_slice(&[0, 0, 0, 0, ENTRY_VERSION]);
        rmp_serde::encode::write(&mut self.frame, entry)?;
        let bytes = self.frame.len() - start - 4;
        if self.count > 0 && self.frame.len() > bytes_max {
            self.frame.truncate(start);
            return Ok(false);
        }
        if bytes > ENTRY_BYTES_MAX {
            return Err(EncodeError::TooLong { bytes });
        }
        self.frame[start..start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
        self.count += 1;
        Ok(true)
    }

    /// Completes the frame for the segment with that salt and returns it, padded.
    pub(crate) fn seal(&mut self, first: Seq, salt: u64) -> &[u8] {
        let payload_bytes = (self.frame.len() - FRAME_HEADER_BYTES) as u32;
        self.frame[0..4].copy_from_slice(&FRAME_MAGIC);
        self.frame[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
        self.frame[8..16].copy_from_slice(&first.0.to_le_bytes());
        self.frame[16..20].copy_from_slice(&self.count.to_le_bytes());
        let crc = frame_crc(&self.frame, salt);
        self.frame[20..24].copy_from_slice(&crc.to_le_bytes());
        let padded = self.sealed_bytes() as usize;
        self.frame.resize(padded, 0);
        &self.frame
    }
}

#[cfg(test)]
mod tests;
