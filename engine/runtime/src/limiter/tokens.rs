//! A limit further down the way: of a number, of a pair, of a carrier. Nothing is refused there; what
//! finds no token waits.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::burst_between_looks;
use crate::account::UsedBySecond;
use crate::clock::{Clock, LimiterClock};

/// Tokens that come at a rate. What needs several takes them one by one, as they come.
pub(crate) struct Tokens {
    per_second: u32,
    governor: RateLimiter<NotKeyed, InMemoryState, LimiterClock, NoOpMiddleware<Nanos>>,
    /// Tokens taken for the first in line, which needs more.
    paid: u32,
    /// How many were used in the second that is, and in the one before.
    used: UsedBySecond,
}

impl Tokens {
    /// So many a second; at least one.
    pub(crate) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Tokens {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst_between_looks(per_second)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(burst);
        Tokens {
            per_second: rate.get(),
            governor: RateLimiter::direct_with_clock(quota, LimiterClock(clock)),
            paid: 0,
            used: UsedBySecond::default(),
        }
    }

    /// How many come a second.
    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Whether the first in line may go, which needs so many. Whoever asks next asks for the same one until
    /// it went.
    pub(crate) fn take(&mut self, needed: u32, second: u64) -> bool {
        while self.paid < needed {
            if self.governor.check().is_err() {
                return false;
            }
            self.paid += 1;
        }
        self.paid -= needed;
        self.used.add(second, needed);
        true
    }

    /// How many were used in the last whole second.
    pub(crate) fn used(&self, second: u64) -> u32 {
        self.used.last(second)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::limiter::tests::HandClock;

    #[test]
    fn long_messages_wait_for_as_many_tokens_as_they_have_segments() {
        let limits = [
            (1, 1, 60),
            (1, 3, 20),
            (100, 7, 857),
            (10, 24, 25),
            (15, 1, 900),
            (19, 1, 1_140),
            (29, 1, 1_740),
        ];
        for (per_second, segments, wanted) in limits {
            let clock = Arc::new(HandClock::default());
            let mut tokens = Tokens::new(per_second, Arc::clone(&clock) as Arc<dyn Clock>);
            let mut went = 0u32;
            for tick in 0..60 * 20 {
                // Looks that come up to 12 ms late.
                clock.0.store(tick * 50 + tick * 7 % 13, Ordering::Relaxed);
                while tokens.take(segments, tick / 20) {
                    went += 1;
                }
            }
            // A minute's worth, within 2 % and what may go at once.
            let [went, wanted] = [went, wanted].map(i64::from);
            assert!(
                (went - wanted).abs() <= wanted / 50 + 2,
                "{went} of {wanted}"
            );
        }
    }
}
