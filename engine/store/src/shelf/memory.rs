//! A shelf in memory that can lose its power: for tests and the simulation.

use super::{Shelf, ShelfBatch, ShelfEntry, ShelfError};
use sled::IVec;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A shelf in memory.
///
/// It knows what a disk would hold after a power loss: all that was synced, and of the batches
/// applied since, the first few, each whole; see [`MemoryShelf::power_loss`].
#[derive(Debug, Default)]
pub struct MemoryShelf {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<Vec<u8>, IVec>,
    synced: BTreeMap<Vec<u8>, IVec>,
    /// Batches applied since the last sync, oldest first.
    since: Vec<ShelfBatch>,
}

impl MemoryShelf {
    /// Makes an empty shelf.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the shelf that a machine finds after its power was cut now: the state at the last
    /// sync plus a number of the batches since, in their order, chosen by `seed`.
    pub fn power_loss(&self, seed: u64) -> Self {
        let state = self.read();
        let choices = state.since.len() as u64 + 1;
        let kept = usize::try_from(mix(seed) % choices).expect("a count of batches fits");
        let mut found = state.synced.clone();
        for batch in &state.since[..kept] {
            write(&mut found, batch.clone());
        }
        Self {
            state: RwLock::new(State {
                live: found.clone(),
                synced: found,
                since: Vec::new(),
            }),
        }
    }

    /// The number of keys stored.
    pub fn len(&self) -> usize {
        self.read().live.len()
    }

    /// Tells whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.read().live.is_empty()
    }

    // No method can panic between two writes to the state, so a poisoned lock guards a whole one.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_up_to(&self, prefix: &[u8], up_to: Bound<&[u8]>) -> Option<ShelfEntry> {
        let key = match up_to {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => return None,
        };
        // The range would be empty, and an empty one with two bounds excluded panics.
        if !key.starts_with(prefix) || (up_to == Bound::Excluded(prefix)) {
            return None;
        }
        let state = self.read();
        let mut range = state
            .live
            .range::<[u8], _>((Bound::Included(prefix), up_to));
        range.next_back().map(entry)
    }
}

impl Shelf for MemoryShelf {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, ShelfError> {
        Ok(self.read().live.get(key).cloned())
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        Ok(self.last_up_to(prefix, Bound::Included(key)))
    }

    fn predecessor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        Ok(self.last_up_to(prefix, Bound::Excluded(key)))
    }

    fn successor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        if !key.starts_with(prefix) {
            return Ok(None);
        }
        let state = self.read();
        let above = (Bound::Excluded(key), Bound::Unbounded);
        let next = state.live.range::<[u8], _>(above).next();
        Ok(next.filter(|(key, _)| key.starts_with(prefix)).map(entry))
    }

    fn apply(&self, batch: ShelfBatch) -> Result<(), ShelfError> {
        let mut state = self.write();
        state.since.push(batch.clone());
        write(&mut state.live, batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), ShelfError> {
        let state = &mut *self.write();
        for batch in state.since.drain(..) {
            write(&mut state.synced, batch);
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, ShelfError> {
        let state = self.read();
        let entry_bytes = |(key, value): (&Vec<u8>, &IVec)| (key.len() + value.len()) as u64;
        Ok(state.live.iter().map(entry_bytes).sum())
    }
}

fn entry((key, value): (&Vec<u8>, &IVec)) -> ShelfEntry {
    (IVec::from(key.as_slice()), value.clone())
}

fn write(map: &mut BTreeMap<Vec<u8>, IVec>, batch: ShelfBatch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

/// Spreads a seed over all bits (SplitMix64), so that neighbouring seeds choose differently.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
