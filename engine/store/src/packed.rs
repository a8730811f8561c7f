//! Packed maps: ordered maps of byte keys to byte values, many entries to one shelf value.
//!
//! A shelf asks microseconds and much space for every key, so entries are packed into leaves of a
//! few KB. Leaves carry a checksum and form a chain (see `packed/leaf.rs`): whatever the shelf loses or
//! mixes up, a packed map answers with an error, never with "not there".

mod audit;
mod error;
mod leaf;
mod merge;
mod run;
mod scan;

pub use audit::PackedCounts;
pub use error::PackedError;
pub use leaf::{KEY_BYTES_MAX, LEAF_BYTES_MAX, LEAF_BYTES_TARGET, VALUE_BYTES_MAX};
pub use scan::{Direction, Scan};

use crate::shelf::{Shelf, ShelfBatch};
use leaf::Leaf;
use sled::IVec;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Deref};

/// Names one packed map on a shelf by the first byte of its shelf keys; holds no state.
///
/// # Limits
///
/// Keys have at most [`KEY_BYTES_MAX`] bytes and values at most [`VALUE_BYTES_MAX`]. Changes to one
/// map come from one writer at a time; readers may go on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedMap {
    prefix: u8,
}

impl PackedMap {
    /// Names the map whose shelf keys begin with `prefix`.
    pub const fn new(prefix: u8) -> Self {
        Self { prefix }
    }

    /// The first byte of the map's shelf keys.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Gives the value of `key`.
    ///
    /// # Errors
    ///
    /// [`PackedError::Damaged`] or [`PackedError::MissingLeaf`] when the leaf that should hold
    /// `key` is not sound or not there; [`PackedError::Shelf`] when the shelf fails.
    pub fn get(&self, shelf: &dyn Shelf, key: &[u8]) -> Result<Option<Value>, PackedError> {
        let Some(leaf) = self.leaf_for(shelf, key)? else {
            return Ok(None);
        };
        match leaf.lower_bound(0, key)? {
            (index, true) => Ok(Some(Value::entry(&leaf, index)?.1)),
            (_, false) => Ok(None),
        }
    }

    /// Merges `changes` (a value to put, `None` to remove) into the leaves and adds the writes
    /// that this comes to onto `out`, which the caller then applies to the same shelf. Returns how
    /// many entries more the map has then, below zero when it has fewer.
    ///
    /// Each touched leaf is read once and each resulting leaf is written once; changes that change
    /// nothing cause no write.
    ///
    /// # Errors
    ///
    /// As [`PackedMap::get`]; also [`PackedError::KeyTooLong`] and [`PackedError::ValueTooLarge`],
    /// and [`PackedError::AppliedTwice`] when `out` already holds writes of this map, which the
    /// leaves on the shelf do not show yet. After an error `out` is as it was.
    pub fn apply(
        &self,
        shelf: &dyn Shelf,
        changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        out: &mut ShelfBatch,
    ) -> Result<i64, PackedError> {
        if out.touches(&[self.prefix]) {
            return Err(PackedError::AppliedTwice { map: self.prefix });
        }
        for (key, change) in changes {
            self.check_bounds(key, change.as_deref())?;
        }
        let merge = merge::Merge::new(self, shelf);
        let (staged, grown) = merge.finish(changes.iter().peekable())?;
        out.append(staged);
        Ok(grown)
    }

    /// Walks the entries from `from` on, lazily, in either direction; going backward, `from` is
    /// the upper bound.
    pub fn scan<'a>(
        &self,
        shelf: &'a dyn Shelf,
        from: Bound<Vec<u8>>,
        direction: Direction,
    ) -> Scan<'a> {
        Scan::new(*self, shelf, from, direction)
    }

    /// Walks the whole map and checks every leaf's checksum, entries, bounds and place in the
    /// chain, handing each entry to `see`.
    ///
    /// A map that has no leaf at all counts as sound and empty: the caller compares the counts
    /// with what it expects.
    ///
    /// # Errors
    ///
    /// As [`PackedMap::get`]; the walk ends at the first error.
    pub fn audit(
        &self,
        shelf: &dyn Shelf,
        mut see: impl FnMut(&[u8], &[u8]),
    ) -> Result<PackedCounts, PackedError> {
        audit::audit(self, shelf, &mut see)
    }

    /// The leaf that covers `key`; `None` when the map has no leaf at all.
    fn leaf_for(&self, shelf: &dyn Shelf, key: &[u8]) -> Result<Option<Leaf>, PackedError> {
        let prefix = [self.prefix];
        let sought = self.shelf_key(key);
        let found = match shelf.floor(&prefix, &sought)? {
            Some(found) => Some(found),
            None if shelf.successor(&prefix, &prefix)?.is_none() => return Ok(None),
            // A batch may have put the map's first leaves between the two reads.
            None => shelf.floor(&prefix, &sought)?,
        };
        let Some((shelf_key, bytes)) = found else {
            return Err(PackedError::missing(self.prefix, &[]));
        };
        let leaf = Leaf::open(shelf_key, bytes)?;
        match leaf.reaches(key) {
            true => Ok(Some(leaf)),
            false => Err(PackedError::missing(self.prefix, leaf.until())),
        }
    }

    /// The leaf whose first key is `first`.
    fn leaf_at(&self, shelf: &dyn Shelf, first: &[u8]) -> Result<Leaf, PackedError> {
        let shelf_key = self.shelf_key(first);
        match shelf.get(&shelf_key)? {
            Some(bytes) => Leaf::open(IVec::from(shelf_key), bytes),
            None => Err(PackedError::missing(self.prefix, first)),
        }
    }

    /// The shelf key of the leaf whose first key is `first`.
    fn shelf_key(&self, first: &[u8]) -> Vec<u8> {
        let mut shelf_key = Vec::with_capacity(1 + first.len());
        shelf_key.push(self.prefix);
        shelf_key.extend_from_slice(first);
        shelf_key
    }

    fn check_bounds(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), PackedError> {
        let map = self.prefix;
        let value_bytes = value.map_or(0, <[u8]>::len);
        if key.len() > KEY_BYTES_MAX {
            let bytes = key.len();
            return Err(PackedError::KeyTooLong { map, bytes });
        }
        if value_bytes > VALUE_BYTES_MAX {
            let bytes = value_bytes;
            return Err(PackedError::ValueTooLarge { map, bytes });
        }
        Ok(())
    }
}

/// Bytes inside a leaf (a value, or a key of a scan), shared and not copied.
///
/// It keeps its whole leaf in memory, so copy the bytes out to keep them for long.
#[derive(Clone)]
pub struct Value {
    leaf: IVec,
    start: usize,
    end: usize,
}

impl Value {
    /// The key and the value of entry `index`.
    fn entry(leaf: &Leaf, index: usize) -> Result<(Self, Self), PackedError> {
        let at = leaf.entry(index)?;
        let part = |start, end| Self {
            leaf: leaf.bytes().clone(),
            start,
            end,
        };
        Ok((
            part(at.key_start, at.value_start),
            part(at.value_start, at.value_end),
        ))
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.leaf[self.start..self.end]
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value {
    /// Shows the length only: keys and values hold phone numbers and bodies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}
