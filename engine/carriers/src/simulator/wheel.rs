//! A timer wheel at millisecond resolution: what is due when, for millions of entries.
//!
//! Eleven levels of 64 buckets; a bucket of level *n* spans 64^*n* ms. An entry lies at the level of the
//! highest bit in which its time differs from the wheel's, so within a level all buckets in use lie
//! ahead of the wheel's own, and those of a lower level come before those of a higher one: the next
//! entry is found by the first set bit. An entry moves down at most once per level.
//!
//! Entries of the same millisecond come out in the order in which they went in.

const BITS: u32 = 6;
const BUCKETS: usize = 1 << BITS;
/// As many levels as 64 bits of milliseconds need.
const LEVELS: usize = 64usize.div_ceil(BITS as usize);
/// An emptied bucket keeps its memory up to this many entries, so that a past peak is given back.
const KEPT_ENTRIES_MAX: usize = 4_096;

#[derive(Debug)]
struct Entry<T> {
    due_ms: u64,
    what: T,
}

#[derive(Debug)]
struct Bucket<T> {
    entries: Vec<Entry<T>>,
    /// The earliest time in it, so that nobody wakes only to move entries down.
    first_ms: u64,
}

#[derive(Debug)]
struct Level<T> {
    buckets: [Bucket<T>; BUCKETS],
    /// One bit for each bucket that holds something.
    in_use: u64,
}

/// What is due when.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    levels: Vec<Level<T>>,
    now_ms: u64,
}

impl<T> Wheel<T> {
    /// An empty wheel at time 0.
    pub(super) fn new() -> Wheel<T> {
        let bucket = |_| Bucket {
            entries: Vec::new(),
            first_ms: u64::MAX,
        };
        let level = |_| Level {
            buckets: std::array::from_fn(bucket),
            in_use: 0,
        };
        Wheel {
            levels: (0..LEVELS).map(level).collect(),
            now_ms: 0,
        }
    }

    /// Adds an entry; what is due in the past is due now.
    pub(super) fn insert(&mut self, due_ms: u64, what: T) {
        self.place(Entry {
            due_ms: due_ms.max(self.now_ms),
            what,
        });
    }

    /// The time of the next entry.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let (level, bucket) = self.next_bucket()?;
        Some(self.levels[level].buckets[bucket].first_ms)
    }

    /// Moves the wheel to `now_ms` and hands over what is due by then, in order.
    pub(super) fn advance(&mut self, now_ms: u64, mut due: impl FnMut(T)) {
        while let Some((level, bucket)) = self.next_bucket() {
            let start_ms = self.start_ms(level, bucket);
            if start_ms > now_ms {
                break;
            }
            self.now_ms = self.now_ms.max(start_ms);
            let mut entries = self.take(level, bucket);
            if level == 0 {
                entries.drain(..).for_each(|entry| due(entry.what));
            } else {
                entries.drain(..).for_each(|entry| self.place(entry));
            }
            if entries.capacity() <= KEPT_ENTRIES_MAX {
                self.levels[level].buckets[bucket].entries = entries;
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn place(&mut self, entry: Entry<T>) {
        let differing = entry.due_ms ^ self.now_ms;
        let level = differing.checked_ilog2().unwrap_or(0) / BITS;
        let bucket = (entry.due_ms >> (level * BITS)) as usize % BUCKETS;
        let level = &mut self.levels[level as usize];
        level.in_use |= 1 << bucket;
        let bucket = &mut level.buckets[bucket];
        bucket.first_ms = bucket.first_ms.min(entry.due_ms);
        bucket.entries.push(entry);
    }

    fn next_bucket(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.in_use != 0)?;
        Some((level, self.levels[level].in_use.trailing_zeros() as usize))
    }

    /// When the bucket's span begins: the bits above its level are the wheel's own.
    fn start_ms(&self, level: usize, bucket: usize) -> u64 {
        let below = level as u32 * BITS;
        let above = below + BITS;
        let kept = if above < u64::BITS {
            self.now_ms >> above << above
        } else {
            0
        };
        kept | (bucket as u64) << below
    }

    fn take(&mut self, level: usize, bucket: usize) -> Vec<Entry<T>> {
        let level = &mut self.levels[level];
        level.in_use &= !(1 << bucket);
        let bucket = &mut level.buckets[bucket];
        bucket.first_ms = u64::MAX;
        std::mem::take(&mut bucket.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn due_at(wheel: &mut Wheel<u32>, now_ms: u64) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.advance(now_ms, |what| due.push(what));
        due
    }

    #[test]
    fn the_end_of_time_is_a_time_like_any_other() {
        let mut wheel = Wheel::new();
        wheel.insert(u64::MAX, 1);
        assert_eq!(wheel.next_due_ms(), Some(u64::MAX));
        assert!(due_at(&mut wheel, u64::MAX - 1).is_empty());
        assert_eq!(due_at(&mut wheel, u64::MAX), [1]);
        assert_eq!(wheel.next_due_ms(), None);
    }

    #[test]
    fn what_is_due_in_the_past_is_due_now() {
        let mut wheel = Wheel::new();
        due_at(&mut wheel, 100);
        wheel.insert(5, 1);
        assert_eq!(wheel.next_due_ms(), Some(100));
        assert_eq!(due_at(&mut wheel, 100), [1]);
    }

    #[test]
    fn an_entry_that_moves_down_comes_before_one_that_is_added_later() {
        let mut wheel = Wheel::new();
        wheel.insert(70, 1);
        assert!(due_at(&mut wheel, 66).is_empty());
        wheel.insert(70, 2);
        assert_eq!(due_at(&mut wheel, 70), [1, 2]);
    }

    #[test]
    fn a_past_peak_is_given_back() {
        let mut wheel = Wheel::new();
        (0..100_000).for_each(|what| wheel.insert(9, what));
        assert_eq!(due_at(&mut wheel, 9).len(), 100_000);
        let buckets = wheel.levels.iter().flat_map(|level| &level.buckets);
        assert!(
            buckets
                .map(|bucket| bucket.entries.capacity())
                .sum::<usize>()
                <= KEPT_ENTRIES_MAX
        );
    }

    proptest! {
        #[test]
        fn entries_come_in_order_and_never_early_or_late(
            steps in proptest::collection::vec(
                (proptest::collection::vec(0u64..20_000, 0..20), 0u64..9_000),
                1..30,
            )
        ) {
            let mut wheel = Wheel::new();
            let mut waiting: Vec<(u64, u32)> = Vec::new();
            let (mut now_ms, mut count) = (0u64, 0u32);
            for (delays_ms, step_ms) in steps {
                for delay_ms in delays_ms {
                    wheel.insert(now_ms + delay_ms, count);
                    waiting.push((now_ms + delay_ms, count));
                    count += 1;
                }
                waiting.sort();
                prop_assert_eq!(wheel.next_due_ms(), waiting.first().map(|(due_ms, _)| *due_ms));
                now_ms += step_ms;
                let ready = waiting.partition_point(|(due_ms, _)| *due_ms <= now_ms);
                let expected: Vec<u32> = waiting.drain(..ready).map(|(_, what)| what).collect();
                prop_assert_eq!(due_at(&mut wheel, now_ms), expected);
            }
        }
    }
}
