//! A limit further down the way: of a number, of a pair, of a carrier. Nothing is refused there; what
//! finds no token waits.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, LimiterClock};

/// What may go at once: so many parts of a second's worth. Limits are looked at many times a second.
const BURST_PARTS: u32 = 10;

/// Tokens that come at a rate. What needs several takes them one by one, as they come.
pub(crate) struct Tokens {
    per_second: u32,
    governor: RateLimiter<NotKeyed, InMemoryState, LimiterClock, NoOpMiddleware<Nanos>>,
    /// Tokens taken for the first in line, which needs more.
    paid: u32,
    /// How many were used in the second that is, and in the one before.
    used: Used,
}

impl Tokens {
    /// So many a second; at least one.
    pub(crate) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Tokens {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(per_second / BURST_PARTS).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(burst);
        Tokens {
            per_second: rate.get(),
            governor: RateLimiter::direct_with_clock(quota, LimiterClock(clock)),
            paid: 0,
            used: Used::default(),
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

/// A count by the second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    second: u64,
    now: u32,
    before: u32,
}

impl Used {
    /// Adds to the count of this second.
    pub(crate) fn add(&mut self, second: u64, count: u32) {
        if second != self.second {
            self.before = self.last(second);
            (self.second, self.now) = (second, 0);
        }
        self.now = self.now.saturating_add(count);
    }

    /// The count of the second before this one.
    pub(crate) fn last(&self, second: u64) -> u32 {
        match second.checked_sub(self.second) {
            Some(0) => self.before,
            Some(1) => self.now,
            Some(_) | None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use didfarm_core::time::Timestamp;

    use super::*;

    #[derive(Default)]
    struct HandClock(AtomicU64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::ZERO
        }

        fn elapsed(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn long_messages_wait_for_as_many_tokens_as_they_have_segments() {
        for (per_second, segments, wanted) in [(1, 1, 60), (1, 3, 20), (100, 7, 857), (10, 24, 25)]
        {
            let clock = Arc::new(HandClock::default());
            let mut tokens = Tokens::new(per_second, Arc::clone(&clock) as Arc<dyn Clock>);
            let mut went = 0u32;
            for tick in 0..60 * 20 {
                clock.0.store(tick * 50, Ordering::Relaxed);
                while tokens.take(segments, tick / 20) {
                    went += 1;
                }
            }
            // A minute's worth, within 2 % and what may go at once.
            let [went, wanted] = [went, wanted].map(i64::from);
            assert!(
                (went - wanted).abs() <= wanted / 50 + 1,
                "{went} of {wanted}"
            );
        }
    }

    #[test]
    fn use_is_that_of_the_last_whole_second() {
        let mut used = Used::default();
        used.add(5, 3);
        used.add(5, 1);
        assert_eq!((used.last(5), used.last(6), used.last(7)), (0, 4, 0));
        used.add(6, 2);
        assert_eq!((used.last(6), used.last(7)), (4, 2));
        used.add(9, 1);
        assert_eq!(used.last(9), 0);
    }
}
