//! A shelf over another: reads go through, writes stay in memory and never reach the base.

use super::{Shelf, ShelfBatch, ShelfEntry, ShelfError};
use sled::IVec;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Reads through to a base shelf and keeps all writes to itself, so that recovery can be run over
/// a store that must not change.
///
/// # Limits
///
/// Everything written is held in memory until the overlay is dropped.
#[derive(Debug)]
pub struct OverlayShelf<S> {
    base: S,
    /// What was written: a value, or `None` for a removal.
    written: RwLock<BTreeMap<Vec<u8>, Option<IVec>>>,
}

impl<S: Shelf> OverlayShelf<S> {
    /// Lays an empty overlay over `base`.
    pub fn new(base: S) -> Self {
        Self {
            base,
            written: RwLock::new(BTreeMap::new()),
        }
    }

    /// The shelf underneath.
    pub fn base(&self) -> &S {
        &self.base
    }

    // Inserting into the map leaves it whole even if a panic comes between two changes.
    fn written(&self) -> RwLockReadGuard<'_, BTreeMap<Vec<u8>, Option<IVec>>> {
        self.written.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_below(
        &self,
        prefix: &[u8],
        mut base: Option<ShelfEntry>,
        up_to: Bound<&[u8]>,
    ) -> Result<Option<ShelfEntry>, ShelfError> {
        if up_to == Bound::Excluded(prefix) {
            return Ok(None);
        }
        let written = self.written();
        let mut range = written.range::<[u8], _>((Bound::Included(prefix), up_to));
        let mut over = range.next_back();
        loop {
            match (base.take(), over) {
                (base, None) => return Ok(base),
                (Some(found), Some((key, _))) if found.0.as_ref() > key.as_slice() => {
                    return Ok(Some(found));
                }
                (_, Some((key, Some(value)))) => return Ok(Some(entry(key, value))),
                (found, Some((key, None))) => {
                    // A removal hides the base's entry only if it is the very same key.
                    base = match found {
                        Some(found) if found.0.as_ref() == key.as_slice() => {
                            self.base.predecessor(prefix, key)?
                        }
                        found => found,
                    };
                    over = range.next_back();
                }
            }
        }
    }
}

impl<S: Shelf> Shelf for OverlayShelf<S> {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, ShelfError> {
        match self.written().get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        if !key.starts_with(prefix) {
            return Ok(None);
        }
        let base = self.base.floor(prefix, key)?;
        self.last_below(prefix, base, Bound::Included(key))
    }

    fn predecessor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        if !key.starts_with(prefix) {
            return Ok(None);
        }
        let base = self.base.predecessor(prefix, key)?;
        self.last_below(prefix, base, Bound::Excluded(key))
    }

    fn successor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        if !key.starts_with(prefix) {
            return Ok(None);
        }
        let mut base = self.base.successor(prefix, key)?;
        let written = self.written();
        let above = (Bound::Excluded(key), Bound::Unbounded);
        let range = written.range::<[u8], _>(above);
        for (key, change) in range.take_while(|(key, _)| key.starts_with(prefix)) {
            match base {
                Some(ref found) if found.0.as_ref() < key.as_slice() => return Ok(base),
                Some(ref found) if found.0.as_ref() == key.as_slice() && change.is_none() => {
                    base = self.base.successor(prefix, key)?;
                }
                _ => {}
            }
            if let Some(value) = change {
                return Ok(Some(entry(key, value)));
            }
        }
        Ok(base)
    }

    fn apply(&self, batch: ShelfBatch) -> Result<(), ShelfError> {
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        written.extend(batch);
        Ok(())
    }

    /// Does nothing: what an overlay holds is never meant to last.
    fn sync(&self) -> Result<(), ShelfError> {
        Ok(())
    }

    /// The size of the base: the overlay takes no disk.
    fn size_on_disk(&self) -> Result<u64, ShelfError> {
        self.base.size_on_disk()
    }
}

fn entry(key: &[u8], value: &IVec) -> ShelfEntry {
    (IVec::from(key), value.clone())
}
