//! The rate limit of one account, kept by governor on the engine's clock.
//!
//! What is sent one by one takes from the limit when it is accepted. What waits in line takes what is
//! left of it: each message that was sent one by one meanwhile is paid for first. While anything waits
//! in line, the former has a share of the limit and no more, so that neither holds the other up for ever.

pub(crate) mod tokens;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use didfarm_core::account::RateLimit;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::account::UsedBySecond;
use crate::clock::{Clock, LimiterClock};
use crate::send::LimitState;

type Governor = RateLimiter<NotKeyed, InMemoryState, LimiterClock, StateInformationMiddleware>;

/// Limits are looked at so many times a second, at least.
const LOOKS_PER_SECOND: u32 = 10;

/// What may go at once of a limit that is looked at from time to time: what comes between two looks, and
/// one more, so that no look finds less than there would be.
pub(crate) fn burst_between_looks(per_second: u32) -> u32 {
    per_second.div_ceil(LOOKS_PER_SECOND) + 1
}

/// One account's limiter.
pub(crate) struct Limiter {
    limit: RateLimit,
    clock: LimiterClock,
    /// What is sent one by one.
    single: Governor,
    /// The same, while anything waits in line.
    share: Governor,
    /// What is let go from the line.
    line: Governor,
    /// Messages that were sent one by one and that the line has not paid for.
    owed: AtomicU64,
    /// The second in which the last of them was sent.
    owed_in: AtomicU64,
}

fn governor(per_second: u32, burst: u32, clock: &LimiterClock) -> Governor {
    let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
    RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware()
}

/// One message in each such time.
fn every(interval: Duration, burst: u32, clock: &LimiterClock) -> Governor {
    let quota = Quota::with_period(interval).expect("a rate has an interval above zero");
    let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
    RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware()
}

impl Limiter {
    /// A limiter that starts with its whole burst. While anything waits in line, what is sent one by one
    /// has `share_percent` of the limit.
    pub(crate) fn new(limit: RateLimit, share_percent: u32, clock: Arc<dyn Clock>) -> Limiter {
        let clock = LimiterClock(clock);
        let RateLimit { per_second, burst } = limit;
        let share = u64::from(per_second.max(1)) * u64::from(share_percent.clamp(1, 100));
        let interval = Duration::from_nanos(100 * 1_000_000_000 / share);
        Limiter {
            limit,
            single: governor(per_second, burst, &clock),
            share: every(interval, burst, &clock),
            line: governor(per_second, burst_between_looks(per_second), &clock),
            owed: AtomicU64::new(0),
            owed_in: AtomicU64::new(0),
            clock,
        }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes one message's worth, or says how long to wait for it; `behind_line` says that others wait in
    /// line.
    pub(crate) fn take(
        &self,
        behind_line: bool,
        used: &UsedBySecond,
    ) -> Result<LimitState, Duration> {
        let shared = behind_line.then(|| self.check(&self.share)).transpose()?;
        let state = self.check(&self.single)?;
        let second = self.second();
        used.add(second, 1);
        self.owe(second);
        Ok(LimitState {
            remaining: shared.map_or(state.remaining, |shared| {
                state.remaining.min(shared.remaining)
            }),
            ..state
        })
    }

    /// Notes a message that the line has to pay for before it takes anything for itself: also one that is
    /// sent while nothing in line may go, as what goes from a line a moment later is of the same limit.
    fn owe(&self, second: u64) {
        self.owed_in.store(second, Ordering::Release);
        // More than a second's worth is owed only by a line that did not want it.
        let most = u64::from(self.limit.per_second);
        let add = |owed: u64| (owed < most).then_some(owed + 1);
        let _ = self
            .owed
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    fn check(&self, governor: &Governor) -> Result<LimitState, Duration> {
        match governor.check() {
            Ok(state) => Ok(LimitState {
                limit: self.limit,
                remaining: state.remaining_burst_capacity(),
            }),
            Err(not_until) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }

    /// The second that it is, by the clock of limits.
    pub(crate) fn second(&self) -> u64 {
        self.clock.0.elapsed().as_secs()
    }

    /// Takes one message's worth for the line, if there is one.
    pub(crate) fn take_for_line(&self, used: &UsedBySecond) -> bool {
        let second = self.second();
        // What was sent one by one before the last second has been made up for by time.
        if second.saturating_sub(self.owed_in.load(Ordering::Acquire)) > 1 {
            self.owed.store(0, Ordering::Release);
        }
        while self.line.check().is_ok() {
            let pay = |owed: u64| owed.checked_sub(1);
            let paid = self
                .owed
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, pay);
            if paid.is_err() {
                used.add(second, 1);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use didfarm_core::time::Timestamp;

    use super::*;

    fn used() -> UsedBySecond {
        UsedBySecond::default()
    }

    /// A clock that is moved by hand, in milliseconds.
    #[derive(Default)]
    pub(crate) struct HandClock(pub(crate) AtomicU64);

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
        let limiter = Limiter::new(RateLimit::DEFAULT, 90, Arc::clone(&clock) as Arc<dyn Clock>);
        for left in (0..10).rev() {
            assert_eq!(limiter.take(false, &used()).unwrap().remaining, left);
        }
        assert_eq!(
            limiter.take(false, &used()),
            Err(Duration::from_millis(100))
        );
        clock.0.store(99, Ordering::Relaxed);
        assert_eq!(limiter.take(false, &used()), Err(Duration::from_millis(1)));
        clock.0.store(100, Ordering::Relaxed);
        assert!(limiter.take(false, &used()).is_ok());
        assert!(limiter.take(false, &used()).is_err());
    }

    /// What goes within a time of `seconds`: one by one, as often as it is let, and from the line.
    fn both(limiter: &Limiter, clock: &HandClock, seconds: u64) -> [u64; 2] {
        let mut went = [0, 0];
        for _ in 0..seconds * 100 {
            while limiter.take(true, &used()).is_ok() {
                went[0] += 1;
            }
            while limiter.take_for_line(&used()) {
                went[1] += 1;
            }
            clock.0.fetch_add(10, Ordering::Relaxed);
        }
        went
    }

    #[test]
    fn both_ways_together_keep_the_limit_and_each_has_its_share() {
        let limit = RateLimit {
            per_second: 100,
            burst: 10,
        };
        let clock = Arc::new(HandClock::default());
        let limiter = Limiter::new(limit, 90, Arc::clone(&clock) as Arc<dyn Clock>);
        let [single, line] = both(&limiter, &clock, 20);
        assert!((1_780..=1_820).contains(&single), "{single}");
        assert!((180..=220).contains(&line), "{line}");
        assert!(
            (1_980..=2_020).contains(&(single + line)),
            "{single} {line}"
        );
    }

    #[test]
    fn a_line_that_moves_now_and_then_keeps_the_limit_with_what_is_sent_one_by_one() {
        let limit = RateLimit {
            per_second: 100,
            burst: 10,
        };
        let clock = Arc::new(HandClock::default());
        let limiter = Limiter::new(limit, 90, Arc::clone(&clock) as Arc<dyn Clock>);
        let (mut went, mut waits) = (0, 0);
        for look in 0..20 * 100 {
            // A batch that is spread: one in 20 ms is due, and waits until it is let go.
            waits += u64::from(look % 2 == 0);
            while limiter.take(waits > 0, &used()).is_ok() {
                went += 1;
            }
            while waits > 0 && limiter.take_for_line(&used()) {
                waits -= 1;
                went += 1;
            }
            clock.0.fetch_add(10, Ordering::Relaxed);
        }
        assert!((1_980..=2_040).contains(&went), "{went}");
    }

    #[test]
    fn a_line_pays_for_nothing_that_was_long_ago() {
        let clock = Arc::new(HandClock::default());
        let limiter = Limiter::new(RateLimit::DEFAULT, 90, Arc::clone(&clock) as Arc<dyn Clock>);
        while limiter.take(false, &used()).is_ok() {}
        assert!(!limiter.take_for_line(&used()), "the limit is used up");
        clock.0.store(2_000, Ordering::Relaxed);
        assert!(limiter.take_for_line(&used()));
    }

    #[test]
    fn a_line_alone_has_the_whole_limit() {
        for per_second in [1, 3, 9, 10, 15, 19, 29, 100, 1_000] {
            let limit = RateLimit {
                per_second,
                burst: 1,
            };
            let clock = Arc::new(HandClock::default());
            let limiter = Limiter::new(limit, 90, Arc::clone(&clock) as Arc<dyn Clock>);
            let mut went = 0;
            // Looks that come when they come, up to 70 ms apart.
            for look in 0..2_000 {
                while limiter.take_for_line(&used()) {
                    went += 1;
                }
                clock.0.fetch_add(30 + look * 17 % 41, Ordering::Relaxed);
            }
            let seconds = clock.0.load(Ordering::Relaxed) / 1_000;
            let wanted = seconds * u64::from(per_second);
            let most = wanted + wanted / 50 + u64::from(burst_between_looks(per_second));
            assert!(
                (wanted..=most).contains(&went),
                "{per_second}/s: {went} of {wanted}"
            );
        }
    }
}
