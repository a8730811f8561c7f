//! One leaf of a packed map: its exact bytes, how they are read, and how they are checked.
//!
//! # Format, version 1 (all numbers little-endian)
//!
//! ```text
//! offset       bytes      field
//! 0            1          version, 1
//! 1            4          CRC-32C of: the shelf key, the version byte, everything from offset 5 on
//! 5            2          count: number of entries
//! 7            1          u: length of `until`, at most 64
//! 8            u          until: exclusive upper bound of the keys here; empty = no bound
//! 8+u          2 * count  table: where each entry starts, counted from the first entry's start
//! 8+u+2*count  rest       entries, in ascending order of their keys, without gaps
//! ```
//!
//! An entry is `k: u8` (at most 64), `k` bytes of key, then the value up to the next entry's start
//! (the last one: up to the leaf's end). A leaf is stored under the shelf key
//! `[map's prefix] ++ first`; all its keys lie in `[first, until)`, and the next leaf's `first` is
//! this leaf's `until`, so that a leaf that went missing shows in its left neighbour. The first
//! leaf's `first` is empty. The checksum takes in the shelf key, so that a sound leaf which turns
//! up under another leaf's key is found too.

use super::PackedError;
use sled::IVec;
use std::cmp::Ordering;

/// The size in bytes that leaves are packed towards.
pub const LEAF_BYTES_TARGET: usize = 2 * 1024;
/// The most bytes that a leaf may have.
pub const LEAF_BYTES_MAX: usize = 15 * 1024;
/// The most bytes that a value in a packed map may have.
pub const VALUE_BYTES_MAX: usize = 12 * 1024;
/// The most bytes that a key in a packed map may have.
pub const KEY_BYTES_MAX: usize = 64;

/// The version that this code writes, and the only one that it reads.
pub(super) const LEAF_VERSION: u8 = 1;
/// Bytes before `until`.
pub(super) const HEADER_BYTES: usize = 8;
/// Bytes of one entry's place in the table.
pub(super) const SLOT_BYTES: usize = 2;

/// A leaf whose checksum and header were found sound; entries are checked as they are read.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    shelf_key: IVec,
    bytes: IVec,
    count: usize,
    until_end: usize,
    entries_start: usize,
}

/// Where one entry's key and value lie in the bytes of its leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryAt {
    /// Start of the key.
    pub key_start: usize,
    /// End of the key and start of the value.
    pub value_start: usize,
    /// End of the value.
    pub value_end: usize,
}

impl Leaf {
    /// Checks the checksum and the header of `bytes`, found under `shelf_key` (prefix included).
    pub fn open(shelf_key: IVec, bytes: IVec) -> Result<Self, PackedError> {
        let damaged = |what: &str| Err(PackedError::damaged(&shelf_key, what));
        if bytes.len() < HEADER_BYTES {
            return damaged("it is shorter than a header");
        }
        if bytes.len() > LEAF_BYTES_MAX {
            return damaged("it is longer than a leaf may be");
        }
        if bytes[0] != LEAF_VERSION {
            return damaged("its version is unknown");
        }
        let stored = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        if stored != checksum(&shelf_key, &bytes) {
            return damaged("its checksum does not match");
        }
        let count = usize::from(u16::from_le_bytes([bytes[5], bytes[6]]));
        let until_end = HEADER_BYTES + usize::from(bytes[7]);
        let entries_start = until_end + count * SLOT_BYTES;
        if until_end - HEADER_BYTES > KEY_BYTES_MAX || entries_start > bytes.len() {
            return damaged("its header does not fit its length");
        }
        let until = &bytes[HEADER_BYTES..until_end];
        if shelf_key.is_empty() || (!until.is_empty() && until <= &shelf_key[1..]) {
            return damaged("its upper bound is not above its first key");
        }
        Ok(Self {
            shelf_key,
            bytes,
            count,
            until_end,
            entries_start,
        })
    }

    /// The shelf key, prefix included.
    pub fn shelf_key(&self) -> &IVec {
        &self.shelf_key
    }

    /// The inclusive lower bound of the keys here.
    pub fn first(&self) -> &[u8] {
        &self.shelf_key[1..]
    }

    /// The exclusive upper bound of the keys here; empty when there is none.
    pub fn until(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..self.until_end]
    }

    /// Tells whether `key` is below the upper bound.
    pub fn reaches(&self, key: &[u8]) -> bool {
        self.until().is_empty() || key < self.until()
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bytes of the whole leaf.
    pub fn bytes(&self) -> &IVec {
        &self.bytes
    }

    /// Where entry `index` starts in the leaf's bytes; `index == count` gives the end.
    pub fn entry_start(&self, index: usize) -> Result<usize, PackedError> {
        if index >= self.count {
            return Ok(self.bytes.len());
        }
        let slot = self.until_end + index * SLOT_BYTES;
        let offset = u16::from_le_bytes([self.bytes[slot], self.bytes[slot + 1]]);
        let start = self.entries_start + usize::from(offset);
        if start >= self.bytes.len() {
            return Err(self.damaged("an entry starts beyond its end"));
        }
        Ok(start)
    }

    /// Where entry `index` lies; every bound is checked.
    pub fn entry(&self, index: usize) -> Result<EntryAt, PackedError> {
        let start = self.entry_start(index)?;
        let value_end = self.entry_start(index + 1)?;
        let Some(&key_bytes) = self.bytes.get(start) else {
            return Err(self.damaged("an entry is asked for that is not there"));
        };
        let key_start = start + 1;
        let value_start = key_start + usize::from(key_bytes);
        if usize::from(key_bytes) > KEY_BYTES_MAX || value_start > value_end {
            return Err(self.damaged("an entry is longer than its place"));
        }
        Ok(EntryAt {
            key_start,
            value_start,
            value_end,
        })
    }

    /// The key of entry `index`.
    pub fn key(&self, index: usize) -> Result<&[u8], PackedError> {
        let at = self.entry(index)?;
        Ok(&self.bytes[at.key_start..at.value_start])
    }

    /// The index of the first entry from `from` on whose key is not below `key`, and whether its
    /// key is `key`.
    pub fn lower_bound(&self, from: usize, key: &[u8]) -> Result<(usize, bool), PackedError> {
        let (mut low, mut high) = (from, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle)?.cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok((middle, true)),
                Ordering::Greater => high = middle,
            }
        }
        Ok((low, false))
    }

    /// Checks every entry: that they lie without gaps, in order, and within the leaf's bounds.
    pub fn check(&self) -> Result<(), PackedError> {
        let mut expected_start = self.entries_start;
        let mut last: Option<&[u8]> = None;
        for index in 0..self.count {
            let at = self.entry(index)?;
            if at.key_start - 1 != expected_start {
                return Err(self.damaged("its entries have gaps"));
            }
            expected_start = at.value_end;
            let key = &self.bytes[at.key_start..at.value_start];
            if last.is_some_and(|last| last >= key) {
                return Err(self.damaged("its keys are out of order"));
            }
            if key < self.first() || !self.reaches(key) {
                return Err(self.damaged("a key lies outside its bounds"));
            }
            last = Some(key);
        }
        if expected_start != self.bytes.len() {
            return Err(self.damaged("bytes follow its last entry"));
        }
        Ok(())
    }

    /// An error that names this leaf.
    pub fn damaged(&self, what: &str) -> PackedError {
        PackedError::damaged(&self.shelf_key, what)
    }
}

impl EntryAt {
    /// The value's bytes in `leaf`, the leaf that this place was taken from.
    pub fn value_of(self, leaf: &Leaf) -> &[u8] {
        &leaf.bytes[self.value_start..self.value_end]
    }
}

/// The checksum of a leaf's bytes under its shelf key, wherever its checksum field stands.
pub(super) fn checksum(shelf_key: &[u8], bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(shelf_key);
    let crc = crc32c::crc32c_append(crc, &bytes[..1]);
    crc32c::crc32c_append(crc, &bytes[5..])
}
