//! A run of entries on its way into leaves: filled in key order, then cut and encoded.
//!
//! The entries lie in one buffer in the very form that they have in a leaf, so unchanged entries
//! are copied as byte ranges and a finished leaf is a header, a table and one copy.

use super::PackedError;
use super::leaf::{
    HEADER_BYTES, KEY_BYTES_MAX, LEAF_BYTES_TARGET, LEAF_VERSION, Leaf, SLOT_BYTES, checksum,
};
use std::ops::Range;

/// Bytes of entries and table that a leaf is packed towards, its header at its longest allowed for.
const PAYLOAD_BYTES_TARGET: usize = LEAF_BYTES_TARGET - HEADER_BYTES - KEY_BYTES_MAX;
/// Under this many bytes of entries and table a leaf is merged with its right neighbour.
pub(super) const PAYLOAD_BYTES_MIN: usize = LEAF_BYTES_TARGET / 4;
/// How full leaves are made when a leaf in the middle of the map is split, in percent.
const SPLIT_FILL_PERCENT: usize = 70;

/// Entries in key order, in the form that they have in a leaf.
#[derive(Debug, Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Run {
    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The bytes that all entries and their table would take in one leaf.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len() + self.starts.len() * SLOT_BYTES
    }

    /// Appends one entry; the caller has checked both lengths.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let key_bytes = u8::try_from(key.len()).expect("keys are at most 64 bytes");
        self.starts.push(self.bytes.len());
        self.bytes.push(key_bytes);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Appends the entries `range` of `leaf` as they stand.
    pub fn push_range(&mut self, leaf: &Leaf, range: Range<usize>) -> Result<(), PackedError> {
        if range.is_empty() {
            return Ok(());
        }
        let from = leaf.entry_start(range.start)?;
        let base = self.bytes.len();
        let mut end = from;
        for index in range {
            let at = leaf.entry(index)?;
            if at.key_start - 1 != end {
                return Err(leaf.damaged("its entries have gaps"));
            }
            self.starts.push(base + end - from);
            end = at.value_end;
        }
        self.bytes.extend_from_slice(&leaf.bytes()[from..end]);
        Ok(())
    }

    /// The key of entry `index`.
    pub fn key(&self, index: usize) -> &[u8] {
        let start = self.starts[index];
        &self.bytes[start + 1..start + 1 + usize::from(self.bytes[start])]
    }

    /// Cuts the run into leaves: ranges of entries, at least one (which may be empty).
    ///
    /// At the right edge of the map (`at_right_edge`) leaves are filled up, since keys that come
    /// in order will not come back; elsewhere room is left for what may come between.
    pub fn cuts(&self, at_right_edge: bool) -> Vec<Range<usize>> {
        let total = self.payload_bytes();
        let fill = if at_right_edge || total <= PAYLOAD_BYTES_TARGET {
            PAYLOAD_BYTES_TARGET
        } else {
            let leaves = total.div_ceil(PAYLOAD_BYTES_TARGET * SPLIT_FILL_PERCENT / 100);
            total.div_ceil(leaves)
        };
        let mut cuts = Vec::with_capacity(total / fill + 1);
        let (mut from, mut held) = (0, 0);
        for index in 0..self.count() {
            let entry = self.entry_end(index) - self.starts[index] + SLOT_BYTES;
            let over = held + entry > PAYLOAD_BYTES_TARGET || held >= fill;
            if over && held >= PAYLOAD_BYTES_MIN {
                cuts.push(from..index);
                (from, held) = (index, 0);
            }
            held += entry;
        }
        let small = held < PAYLOAD_BYTES_MIN && !at_right_edge;
        match cuts.last_mut() {
            // A small rest would be merged with its neighbour the next time it is touched.
            Some(last) if small => last.end = self.count(),
            _ => cuts.push(from..self.count()),
        }
        cuts
    }

    /// Encodes the entries `range` as the leaf of `shelf_key` that reaches up to `until`.
    pub fn encode(&self, shelf_key: &[u8], until: &[u8], range: Range<usize>) -> Vec<u8> {
        let count = u16::try_from(range.len()).expect("a leaf has fewer entries than bytes");
        let until_bytes = u8::try_from(until.len()).expect("keys are at most 64 bytes");
        let entries = match range.is_empty() {
            true => 0..0,
            false => self.starts[range.start]..self.entry_end(range.end - 1),
        };
        let table_bytes = range.len() * SLOT_BYTES;
        let mut leaf = Vec::with_capacity(HEADER_BYTES + until.len() + table_bytes + entries.len());
        leaf.extend_from_slice(&[LEAF_VERSION, 0, 0, 0, 0]);
        leaf.extend_from_slice(&count.to_le_bytes());
        leaf.push(until_bytes);
        leaf.extend_from_slice(until);
        for start in &self.starts[range] {
            let offset = u16::try_from(start - entries.start).expect("a leaf is under 64 KiB");
            leaf.extend_from_slice(&offset.to_le_bytes());
        }
        leaf.extend_from_slice(&self.bytes[entries]);
        let crc = checksum(shelf_key, &leaf);
        leaf[1..5].copy_from_slice(&crc.to_le_bytes());
        leaf
    }

    fn entry_end(&self, index: usize) -> usize {
        self.starts
            .get(index + 1)
            .copied()
            .unwrap_or(self.bytes.len())
    }
}
