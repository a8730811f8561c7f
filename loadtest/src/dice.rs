//! Randomness with a seed: the same seed throws the same dice (SplitMix64).

use std::sync::atomic::{AtomicU64, Ordering};

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of numbers that threads share.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        let mut bits = self
            .0
            .fetch_add(GOLDEN, Ordering::Relaxed)
            .wrapping_add(GOLDEN);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number of 0 to below 1.
    pub fn unit(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether it falls within a share of 0 to 1.
    pub fn falls(&self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&self, bound: u64) -> u64 {
        // The bias of the remainder is far below anything that a load test can tell.
        self.bits() % bound.max(1)
    }
}

/// The text is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is a number of 0 to 1")]
pub struct ShareError;

/// Reads a share of 0 to 1.
///
/// # Errors
/// [`ShareError`] for anything else.
pub fn parse_share(text: &str) -> Result<f64, ShareError> {
    let share = text.parse().map_err(|_| ShareError)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(ShareError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_numbers_and_shares_hold() {
        let (one, other) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| one.bits() == other.bits()));
        let hits = (0..100_000).filter(|_| one.falls(0.2)).count();
        assert!((19_000..21_000).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| one.falls(0.0)));
        assert!((0..1000).all(|_| one.falls(1.0) && one.below(3) < 3));
    }

    #[test]
    fn a_share_is_between_zero_and_one() {
        assert_eq!(parse_share("0.25"), Ok(0.25));
        for text in ["-0.1", "1.1", "NaN", "x", ""] {
            assert_eq!(parse_share(text), Err(ShareError), "{text}");
        }
    }
}
