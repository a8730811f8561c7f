//! The rate limit of one account, kept by governor on the engine's clock.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::account::RateLimit;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, LimiterClock};
use crate::send::LimitState;

type Governor = RateLimiter<NotKeyed, InMemoryState, LimiterClock, StateInformationMiddleware>;

/// One account's limiter.
pub(crate) struct Limiter {
    limit: RateLimit,
    clock: LimiterClock,
    governor: Governor,
}

impl Limiter {
    /// A limiter that starts with its whole burst.
    pub(crate) fn new(limit: RateLimit, clock: Arc<dyn Clock>) -> Limiter {
        let clock = LimiterClock(clock);
        let per_second = NonZeroU32::new(limit.per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(limit.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let governor = RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware();
        Limiter {
            limit,
            clock,
            governor,
        }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes one message's worth, or says how long to wait for it.
    pub(crate) fn take(&self) -> Result<LimitState, Duration> {
        match self.governor.check() {
            Ok(state) => Ok(LimitState {
                limit: self.limit,
                remaining: state.remaining_burst_capacity(),
            }),
            Err(not_until) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

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
    fn the_burst_goes_at_once_and_the_rate_comes_back() {
        let clock = Arc::new(HandClock::default());
        let limiter = Limiter::new(RateLimit::DEFAULT, Arc::clone(&clock) as Arc<dyn Clock>);
        for left in (0..10).rev() {
            assert_eq!(limiter.take().unwrap().remaining, left);
        }
        assert_eq!(limiter.take(), Err(Duration::from_millis(100)));
        clock.0.store(99, Ordering::Relaxed);
        assert_eq!(limiter.take(), Err(Duration::from_millis(1)));
        clock.0.store(100, Ordering::Relaxed);
        assert!(limiter.take().is_ok());
        assert!(limiter.take().is_err());
    }
}
