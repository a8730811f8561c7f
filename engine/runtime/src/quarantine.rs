//! Numbers that failed too often: they submit nothing until an operator releases them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use didfarm_core::ids::NumberId;
use rustc_hash::FxHashSet;

/// The numbers in quarantine.
#[derive(Default)]
pub(crate) struct Quarantine {
    numbers: RwLock<FxHashSet<NumberId>>,
    // The hot path asks this first: almost always there is none.
    count: AtomicUsize,
}

impl Quarantine {
    pub(crate) fn holds(&self, number: NumberId) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self
                .numbers
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&number)
    }

    /// Puts a number in; `true` when it was not in before.
    pub(crate) fn put(&self, number: NumberId) -> bool {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        let new = numbers.insert(number);
        self.count.store(numbers.len(), Ordering::Release);
        new
    }

    /// Lets a number out; `true` when it was in.
    pub(crate) fn release(&self, number: NumberId) -> bool {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        let held = numbers.remove(&number);
        self.count.store(numbers.len(), Ordering::Release);
        held
    }

    pub(crate) fn list(&self) -> Vec<NumberId> {
        let mut numbers: Vec<_> = self
            .numbers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect();
        numbers.sort();
        numbers
    }
}
