//! How much of a limit is used, by the second, counted by many threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of the seconds that are even and of those that are odd, each with its second above it.
#[derive(Debug, Default)]
pub(crate) struct UsedBySecond([AtomicU64; 2]);

const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl UsedBySecond {
    /// Adds to the count of this second.
    pub(crate) fn add(&self, second: u64, count: u32) {
        let slot = &self.0[(second % 2) as usize];
        let added = |packed: u64| {
            let before = match packed >> COUNT_BITS == second {
                true => packed & COUNT_MASK,
                false => 0,
            };
            let now = (before + u64::from(count)).min(COUNT_MASK);
            Some((second << COUNT_BITS) | now)
        };
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// The count of the second before this one.
    pub(crate) fn last(&self, second: u64) -> u32 {
        let before = second.wrapping_sub(1);
        let packed = self.0[(before % 2) as usize].load(Ordering::Relaxed);
        match packed >> COUNT_BITS == before {
            true => (packed & COUNT_MASK) as u32,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_that_of_the_last_whole_second() {
        let used = UsedBySecond::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| used.add(7, 1)));
            }
        });
        assert_eq!((used.last(7), used.last(8), used.last(9)), (0, 4_000, 0));
        used.add(8, 1);
        assert_eq!((used.last(8), used.last(9)), (4_000, 1));
        used.add(9, 1);
        assert_eq!((used.last(9), used.last(10)), (1, 1));
        used.add(20, u32::MAX);
        used.add(20, 1);
        assert_eq!(
            u64::from(used.last(21)),
            COUNT_MASK,
            "it stays at the most that it tells"
        );
    }
}
