//! A wall clock that does not jump: the machine's, as long as the monotonic clock bears it out.
//!
//! What the machine's clock is moved by at once, up to [`STEP_US_MAX`], is followed: so clocks are set
//! right. A longer step, forward or back, is not: time goes on as the monotonic clock has it passed, and
//! the machine's clock is followed again once it is back within the bound, or after a restart, which
//! believes the clock that it finds. So nothing is due early because a clock was moved, and nothing has
//! expired.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use didfarm_core::time::Timestamp;

use super::Clock;

/// The longest step of the machine's clock that is followed: a minute.
const STEP_US_MAX: i64 = 60_000_000;

/// The clock.
pub(crate) struct SteadyClock<C> {
    machine: C,
    /// The wall clock less the monotonic clock, as it was last followed.
    offset_us: AtomicI64,
    /// Whether the machine's clock is not followed at present.
    stepped: AtomicBool,
}

impl<C: Clock> SteadyClock<C> {
    /// Believes the machine's clock as it is now.
    pub(crate) fn new(machine: C) -> SteadyClock<C> {
        let offset_us = AtomicI64::new(offset_us(&machine).0);
        SteadyClock {
            machine,
            offset_us,
            stepped: AtomicBool::new(false),
        }
    }
}

/// The wall clock less the monotonic clock, and the latter.
fn offset_us(machine: &impl Clock) -> (i64, i64) {
    let elapsed_us = i64::try_from(machine.elapsed().as_micros()).unwrap_or(i64::MAX);
    (machine.now().0.saturating_sub(elapsed_us), elapsed_us)
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn now(&self) -> Timestamp {
        let (offset_us, elapsed_us) = offset_us(&self.machine);
        let followed_us = self.offset_us.load(Ordering::Relaxed);
        let step_us = offset_us.saturating_sub(followed_us);
        let is_step = step_us.saturating_abs() > STEP_US_MAX;
        if is_step != self.stepped.load(Ordering::Relaxed)
            && is_step != self.stepped.swap(is_step, Ordering::Relaxed)
        {
            let step_s = step_us / 1_000_000;
            if is_step {
                tracing::error!(
                    step_s,
                    "the machine's clock jumped: time goes on without it; restart to believe it"
                );
            } else {
                tracing::warn!("the machine's clock is followed again");
            }
        }
        if is_step {
            return Timestamp(followed_us.saturating_add(elapsed_us));
        }
        if step_us != 0 {
            self.offset_us.store(offset_us, Ordering::Relaxed);
        }
        Timestamp(offset_us.saturating_add(elapsed_us))
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }

    fn stepped_us(&self) -> i64 {
        let (offset_us, _) = offset_us(&self.machine);
        offset_us.saturating_sub(self.offset_us.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    const SECOND_US: i64 = 1_000_000;
    const DAY_US: i64 = 24 * 60 * 60 * SECOND_US;
    const START_US: i64 = 1_700_000_000 * SECOND_US;

    /// Hands that a test moves.
    #[derive(Clone, Default)]
    struct Hands {
        elapsed_us: Arc<AtomicU64>,
        moved_us: Arc<AtomicI64>,
    }

    impl Hands {
        fn pass(&self, us: i64) {
            self.elapsed_us
                .fetch_add(us.unsigned_abs(), Ordering::Relaxed);
        }

        fn jump(&self, us: i64) {
            self.moved_us.fetch_add(us, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            let elapsed_us = self.elapsed_us.load(Ordering::Relaxed).cast_signed();
            Timestamp(START_US + elapsed_us + self.moved_us.load(Ordering::Relaxed))
        }

        fn elapsed(&self) -> Duration {
            Duration::from_micros(self.elapsed_us.load(Ordering::Relaxed))
        }
    }

    fn clock() -> (Hands, SteadyClock<Hands>) {
        let hands = Hands::default();
        hands.pass(7 * SECOND_US);
        (hands.clone(), SteadyClock::new(hands))
    }

    #[test]
    fn a_day_s_jump_either_way_is_as_if_it_had_not_been() {
        for jump in [DAY_US, -DAY_US] {
            let (hands, clock) = clock();
            let before = clock.now();
            hands.jump(jump);
            assert_eq!(clock.now(), before);
            assert_eq!(clock.stepped_us(), jump);
            hands.pass(5 * SECOND_US);
            assert_eq!(clock.now(), Timestamp(before.0 + 5 * SECOND_US));
            hands.jump(-jump);
            assert_eq!(clock.now(), Timestamp(before.0 + 5 * SECOND_US));
            assert_eq!(clock.stepped_us(), 0);
        }
    }

    #[test]
    fn time_that_passes_is_followed_however_long_nobody_looks() {
        let (hands, clock) = clock();
        let before = clock.now();
        hands.pass(40 * DAY_US);
        assert_eq!(clock.now(), Timestamp(before.0 + 40 * DAY_US));
    }

    #[test]
    fn a_clock_that_is_set_right_within_a_minute_is_followed() {
        let (hands, clock) = clock();
        let before = clock.now();
        for jump in [STEP_US_MAX, -STEP_US_MAX, 2 * SECOND_US] {
            let told = clock.now();
            hands.jump(jump);
            assert_eq!(clock.now(), Timestamp(told.0 + jump));
        }
        hands.jump(STEP_US_MAX + 1);
        assert_eq!(clock.now(), Timestamp(before.0 + 2 * SECOND_US));
    }

    #[test]
    fn a_restart_believes_the_clock_that_it_finds() {
        let (hands, clock) = clock();
        let before = clock.now();
        hands.jump(DAY_US);
        assert_eq!(clock.now(), before);
        let restarted = SteadyClock::new(hands);
        assert_eq!(restarted.now(), Timestamp(before.0 + DAY_US));
    }
}
