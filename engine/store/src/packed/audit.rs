//! The full check of a packed map: every leaf, every entry, and the chain between the leaves.

use super::leaf::Leaf;
use super::{PackedError, PackedMap};
use crate::shelf::Shelf;

/// What an audit of one packed map counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedCounts {
    /// Leaves on the shelf.
    pub leaves: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// Bytes of all leaves.
    pub leaf_bytes: u64,
}

pub(super) fn audit(
    map: &PackedMap,
    shelf: &dyn Shelf,
    see: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<PackedCounts, PackedError> {
    let prefix = [map.prefix()];
    let mut counts = PackedCounts::default();
    let Some(mut leaf) = map.leaf_for(shelf, &[])? else {
        return Ok(counts);
    };
    loop {
        count_leaf(&leaf, &mut counts, see)?;
        let next = shelf.successor(&prefix, leaf.shelf_key())?;
        leaf = match next {
            None if leaf.until().is_empty() => return Ok(counts),
            None => return Err(PackedError::missing(map.prefix(), leaf.until())),
            Some(_) if leaf.until().is_empty() => {
                return Err(leaf.damaged("it ends the map, and another leaf follows it"));
            }
            Some((shelf_key, _)) if shelf_key[1..] > *leaf.until() => {
                return Err(PackedError::missing(map.prefix(), leaf.until()));
            }
            Some((shelf_key, _)) if shelf_key[1..] < *leaf.until() => {
                return Err(leaf.damaged("it overlaps the leaf that follows it"));
            }
            Some((shelf_key, bytes)) => Leaf::open(shelf_key, bytes)?,
        };
    }
}

fn count_leaf(
    leaf: &Leaf,
    counts: &mut PackedCounts,
    see: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), PackedError> {
    leaf.check()?;
    counts.leaves += 1;
    counts.leaf_bytes += leaf.bytes().len() as u64;
    for index in 0..leaf.count() {
        let at = leaf.entry(index)?;
        let (key, value) = (leaf.key(index)?, at.value_of(leaf));
        counts.entries += 1;
        counts.key_bytes += key.len() as u64;
        counts.value_bytes += value.len() as u64;
        see(key, value);
    }
    Ok(())
}
