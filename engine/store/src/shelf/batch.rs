//! A batch of changes to a shelf, applied as one.

use sled::IVec;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

/// Puts and removes that are applied all or not at all; the last change to a key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfBatch {
    changes: BTreeMap<Vec<u8>, Option<IVec>>,
}

impl ShelfBatch {
    /// Makes a batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<IVec>) {
        self.changes.insert(key.into(), Some(value.into()));
    }

    /// Removes `key`; it need not be stored.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.insert(key.into(), None);
    }

    /// Gives the change to `key`: outer `None` when there is none, inner `None` for a removal.
    pub fn get(&self, key: &[u8]) -> Option<Option<&IVec>> {
        self.changes.get(key).map(Option::as_ref)
    }

    /// Tells whether a key that begins with `prefix` is changed.
    pub fn touches(&self, prefix: &[u8]) -> bool {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let next = self.changes.range::<[u8], _>(from).next();
        next.is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// Takes over all changes of `other`; where both change a key, `other` counts.
    pub fn append(&mut self, mut other: Self) {
        self.changes.append(&mut other.changes);
    }

    /// The number of keys changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Tells whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        let change_bytes = |(key, value): (&Vec<u8>, &Option<IVec>)| {
            key.len() + value.as_ref().map_or(0, |v| v.len())
        };
        self.changes.iter().map(change_bytes).sum()
    }

    /// The changes in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&IVec>)> {
        self.changes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_ref()))
    }
}

impl IntoIterator for ShelfBatch {
    type Item = (Vec<u8>, Option<IVec>);
    type IntoIter = btree_map::IntoIter<Vec<u8>, Option<IVec>>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}
