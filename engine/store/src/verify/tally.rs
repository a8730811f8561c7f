//! A tally: whether two multisets of facts are the same, in a fixed amount of memory.
//!
//! Each fact is hashed, added on one side and subtracted on the other, in the bucket of its subject. A
//! bucket that is not zero at the end has a subject whose facts differ; that a wrong bucket comes to
//! zero by chance has a probability of about 2^-64.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::fact::Fact;

/// Buckets of a tally: with ten million messages, about 150 of them share one.
const BUCKETS: usize = 1 << 16;

/// What should be held against what is.
pub(super) struct Tally {
    buckets: Box<[u64]>,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            buckets: vec![0; BUCKETS].into_boxed_slice(),
        }
    }

    /// Notes a fact that is called for.
    pub fn expect(&mut self, fact: &Fact) {
        let sum = &mut self.buckets[bucket(fact)];
        *sum = sum.wrapping_add(fingerprint(fact));
    }

    /// Notes a fact that is there.
    pub fn found(&mut self, fact: &Fact) {
        let sum = &mut self.buckets[bucket(fact)];
        *sum = sum.wrapping_sub(fingerprint(fact));
    }

    /// The buckets whose sides differ, in order.
    pub fn differing(&self) -> Vec<usize> {
        let sums = self.buckets.iter().enumerate();
        sums.filter(|(_, sum)| **sum != 0)
            .map(|(bucket, _)| bucket)
            .collect()
    }
}

/// The bucket of a fact's subject.
pub(super) fn bucket(fact: &Fact) -> usize {
    mix(fact.subject()) as usize % BUCKETS
}

fn fingerprint(fact: &Fact) -> u64 {
    let mut hasher = FxHasher::default();
    fact.hash(&mut hasher);
    // Sums of this hasher's values cancel out too easily: it is linear in what it is fed.
    mix(hasher.finish())
}

/// SplitMix64's finaliser.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use didfarm_core::ids::Extent;

    fn fact(extent: u64, messages: u32) -> Fact {
        Fact::Extent {
            extent: Extent(extent),
            messages,
        }
    }

    #[test]
    fn the_order_does_not_matter_and_the_number_of_times_does() {
        let mut tally = Tally::new();
        for extent in 0..10_000 {
            tally.expect(&fact(extent, 1));
        }
        for extent in (0..10_000).rev() {
            tally.found(&fact(extent, 1));
        }
        assert_eq!(tally.differing(), []);
        tally.found(&fact(77, 1));
        assert_eq!(tally.differing(), [bucket(&fact(77, 5))]);
        tally.expect(&fact(77, 1));
        assert_eq!(tally.differing(), []);
    }

    #[test]
    fn facts_that_differ_by_opposite_amounts_do_not_cancel_out() {
        let mut tally = Tally::new();
        for (expected, found) in [(1, 2), (4, 3)] {
            tally.expect(&fact(9, expected));
            tally.found(&fact(9, found));
        }
        assert_eq!(tally.differing().len(), 1);
    }
}
