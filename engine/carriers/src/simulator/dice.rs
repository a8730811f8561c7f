//! The simulator's randomness: a hash, so that a message's fate does not depend on what came before it.

use didfarm_core::ids::MessageId;

/// 2^64 divided by the golden ratio, made odd: the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is drawn. Each has a number of its own, so that changing one share moves no other draw.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    /// Whether the submit is throttled.
    Throttled,
    /// Whether the receipt is lost.
    Lost,
    /// Whether it comes twice.
    Doubled,
    /// Whether it is held back.
    Held,
    /// How long it is held back.
    HeldFor,
    /// The jitter of the receipt at this place of the sequence.
    Jitter(u16),
}

impl Draw {
    fn number(self) -> u64 {
        match self {
            Draw::Throttled => 1,
            Draw::Lost => 2,
            Draw::Doubled => 3,
            Draw::Held => 4,
            Draw::HeldFor => 5,
            Draw::Jitter(place) => 6 + u64::from(place),
        }
    }
}

/// The draws for one thing: a submit, or one receipt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    /// The draws for the `part`-th thing of a message.
    pub(super) fn new(seed: u64, message: MessageId, part: u32) -> Dice {
        let of_message = mix(mix(seed.wrapping_add(STEP)) ^ message.get());
        Dice(mix(of_message ^ u64::from(part).wrapping_mul(STEP)))
    }

    /// Whether the draw falls within the share.
    pub(super) fn within(self, draw: Draw, share: f64) -> bool {
        // The 53 upper bits are what an f64 holds exactly: 0 to just under 1.
        let unit = (self.bits(draw) >> 11) as f64 / (1u64 << 53) as f64;
        unit < share
    }

    /// A uniform integer from 0 to `max`, both included.
    pub(super) fn up_to(self, draw: Draw, max: u64) -> u64 {
        let product = u128::from(self.bits(draw)) * (u128::from(max) + 1);
        (product >> 64) as u64
    }

    fn bits(self, draw: Draw) -> u64 {
        mix(self.0.wrapping_add(draw.number().wrapping_mul(STEP)))
    }
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_0_is_never_and_of_1_always() {
        for id in 1..10_000 {
            let dice = Dice::new(7, MessageId(id), 0);
            assert!(!dice.within(Draw::Lost, 0.0));
            assert!(dice.within(Draw::Lost, 1.0));
        }
    }

    #[test]
    fn integers_reach_both_ends_evenly() {
        let mut counts = [0u32; 5];
        for id in 1..=50_000 {
            let drawn = Dice::new(7, MessageId(id), 3).up_to(Draw::Jitter(0), 4);
            counts[drawn as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
        assert_eq!(Dice::new(7, MessageId(1), 0).up_to(Draw::HeldFor, 0), 0);
        Dice::new(7, MessageId(1), 0).up_to(Draw::HeldFor, u64::MAX);
    }

    #[test]
    fn draws_of_one_thing_are_independent() {
        let both = (1..=100_000)
            .map(|id| Dice::new(7, MessageId(id), 0))
            .filter(|dice| dice.within(Draw::Lost, 0.1) && dice.within(Draw::Doubled, 0.1))
            .count();
        assert!((850..1_150).contains(&both), "{both}");
    }
}
