//! The slots that keys lie in, each with a filter: most keys come once, and the records need not be asked.
//!
//! A filter says of a key that it is not in its slot, or that it may be. It knows every key that came since the
//! start from the moment when its entry is made; those from before are read in pages, and until that is done
//! the records are asked. So a wrong answer is only ever one question too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use didfarm_core::idempotency::{KeyHash, Slot};
use didfarm_core::time::Timestamp;

/// Bits of a filter, 4 MiB: with three million keys in its slot it is wrong about one in a hundred.
const FILTER_BITS: u32 = 1 << 25;
/// Bits that each key sets.
const FILTER_PROBES: u32 = 4;
/// Bits of one word.
const WORD_BITS: u32 = u64::BITS;

/// Which keys a slot may hold.
#[derive(Default)]
struct Filter {
    /// Made with the first key.
    words: OnceLock<Box<[AtomicU64]>>,
    /// Whether every key of the slot was added.
    is_whole: AtomicBool,
}

impl Filter {
    fn add(&self, key: KeyHash) {
        let words = self.words.get_or_init(|| {
            let words = 0..FILTER_BITS / WORD_BITS;
            words.map(|_| AtomicU64::new(0)).collect()
        });
        for (word, bit) in places(key) {
            words[word].fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn may_hold(&self, key: KeyHash) -> bool {
        if !self.is_whole.load(Ordering::Acquire) {
            return true;
        }
        let Some(words) = self.words.get() else {
            return false;
        };
        let is_set = |(word, bit): (usize, u64)| words[word].load(Ordering::Relaxed) & bit != 0;
        places(key).all(is_set)
    }
}

/// The bits of a key. It is a hash already: each part of it is as good as another hash.
fn places(key: KeyHash) -> impl Iterator<Item = (usize, u64)> {
    (0..FILTER_PROBES).map(move |probe| {
        let bit = (key.0 >> (probe * FILTER_BITS.ilog2())) as u32 % FILTER_BITS;
        ((bit / WORD_BITS) as usize, 1 << (bit % WORD_BITS))
    })
}

/// Every slot that may have rows.
pub(crate) struct Slots {
    filters: RwLock<BTreeMap<Slot, Arc<Filter>>>,
}

impl Slots {
    /// The slots that the records have.
    pub(super) fn new(stored: &[Slot]) -> Slots {
        let filters = stored.iter().map(|slot| (*slot, Arc::default())).collect();
        Slots {
            filters: RwLock::new(filters),
        }
    }

    /// Notes a key. A slot that the records did not have at the start has every key from then on.
    pub(super) fn add(&self, slot: Slot, key: KeyHash) {
        let known = self.read(|filters| filters.get(&slot).cloned());
        let filter = known.unwrap_or_else(|| {
            let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
            let fresh = || {
                let is_whole = AtomicBool::new(true);
                let words = OnceLock::new();
                Arc::new(Filter { words, is_whole })
            };
            Arc::clone(filters.entry(slot).or_insert_with(fresh))
        });
        filter.add(key);
    }

    /// The slots that may hold a key, newest first.
    pub(super) fn of(&self, key: KeyHash) -> Vec<Slot> {
        self.read(|filters| {
            let filters = filters.iter().rev();
            let found = filters.filter(|(_, filter)| filter.may_hold(key));
            found.map(|(slot, _)| *slot).collect()
        })
    }

    /// Notes keys of the records.
    pub(super) fn load(&self, page: &[(Slot, KeyHash)]) {
        self.read(|filters| {
            for (slot, key) in page {
                if let Some(filter) = filters.get(slot) {
                    filter.add(*key);
                }
            }
        });
    }

    /// Every key of the records was noted.
    pub(super) fn loaded(&self) {
        self.read(|filters| {
            for filter in filters.values() {
                filter.is_whole.store(true, Ordering::Release);
            }
        });
    }

    /// Forgets the slots that are past and have no rows.
    pub(super) fn prune(&self, stored: &[Slot], now: Timestamp, age_s: u32) {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        filters.retain(|slot, _| stored.contains(slot) || !slot.is_past(now, age_s));
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<Slot, Arc<Filter>>) -> T) -> T {
        look(&self.filters.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const OLD: Slot = Slot(0);
    const NEW: Slot = Slot(86_400);

    fn key(n: u64) -> KeyHash {
        let digest = Sha256::digest(n.to_le_bytes());
        KeyHash(u128::from_be_bytes(*digest.first_chunk().unwrap()))
    }

    #[test]
    fn a_slot_of_the_records_may_hold_any_key_until_it_was_read() {
        let slots = Slots::new(&[OLD]);
        slots.add(NEW, key(1));
        assert_eq!(slots.of(key(1)), [NEW, OLD]);
        assert_eq!(slots.of(key(2)), [OLD]);
        slots.load(&[(OLD, key(2))]);
        assert_eq!(slots.of(key(3)), [OLD]);
        slots.loaded();
        assert_eq!(slots.of(key(1)), [NEW]);
        assert_eq!(slots.of(key(2)), [OLD]);
        assert_eq!(slots.of(key(3)), []);
    }

    #[test]
    fn a_filter_never_denies_a_key_and_seldom_confirms_another() {
        const KEYS: u64 = 100_000;
        let slots = Slots::new(&[]);
        (0..KEYS).for_each(|n| slots.add(NEW, key(n)));
        assert!((0..KEYS).all(|n| slots.of(key(n)) == [NEW]));
        let wrong = (KEYS..2 * KEYS).filter(|n| !slots.of(key(*n)).is_empty());
        assert!(wrong.count() < 100);
    }

    #[test]
    fn a_slot_goes_when_it_is_past_and_empty() {
        let slots = Slots::new(&[OLD]);
        slots.add(NEW, key(1));
        let late = Timestamp(30 * 86_400 * 1_000_000);
        slots.prune(&[OLD], Timestamp(0), 259_200);
        assert_eq!(slots.of(key(1)), [NEW, OLD]);
        slots.prune(&[OLD], late, 259_200);
        assert_eq!(slots.of(key(1)), [OLD]);
        slots.prune(&[], late, 259_200);
        assert_eq!(slots.of(key(1)), []);
    }
}
