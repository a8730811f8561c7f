//! Randomness that can be repeated: SplitMix64.

/// A stream of numbers that its seed decides.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A stream of its own, decided by this one.
    pub fn split(&mut self) -> Dice {
        Dice(self.draw())
    }

    /// Draws the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `min` to `max`, both included.
    pub fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.draw() % (max - min + 1)
    }

    /// Whether this is the one case in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.draw().is_multiple_of(n)
    }
}

/// A seed that nobody chose.
///
/// # Panics
/// When the system gives no random bytes.
pub fn fresh_seed() -> u64 {
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).expect("the system gives random bytes");
    u64::from_le_bytes(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_stream() {
        let stream = |seed| {
            let mut dice = Dice::new(seed);
            [dice.draw(), dice.between(1, 6), dice.split().draw()]
        };
        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut dice = Dice::new(1);
        let mut seen = [false; 6];
        for _ in 0..1_000 {
            seen[dice.between(0, 5) as usize] = true;
        }
        assert_eq!(seen, [true; 6]);
    }
}
