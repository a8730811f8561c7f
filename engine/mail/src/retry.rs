//! When a mail that was not taken is tried again.

use didfarm_core::time::Timestamp;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The waits behind the first attempts, in milliseconds: 1 min, 5 min, 15 min, 1 h.
pub const FIRST_DELAYS_MS: [u64; 4] = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS];
/// The wait behind every later attempt, in milliseconds: 4 h.
pub const LATER_DELAY_MS: u64 = 4 * HOUR_MS;
/// How long after the first attempt the last one may be, in milliseconds: 72 h.
pub const GIVE_UP_MS: u64 = 72 * HOUR_MS;
/// Most attempts, whatever the clock says.
pub const ATTEMPTS_MAX: u32 = 24;

/// When to try again after attempt number `attempt` (from 1) failed at `now`; `None` to give up.
///
/// The first attempts of [`FIRST_DELAYS_MS`] are always made, however late: a daemon that was down for
/// days must not give a mail up on the first trouble after its start. A clock that was set back makes the
/// time longer, but never the attempts more than [`ATTEMPTS_MAX`].
pub fn next(attempt: u32, first_try_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
    if let Some(delay) = FIRST_DELAYS_MS.get(index) {
        return Some(now.plus_ms(*delay));
    }
    let at = now.plus_ms(LATER_DELAY_MS);
    (attempt < ATTEMPTS_MAX && at <= first_try_at.plus_ms(GIVE_UP_MS)).then_some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_schedule_is_one_five_fifteen_sixty_minutes_then_every_four_hours_for_three_days() {
        let first = Timestamp(1_000_000);
        let mut minutes = Vec::new();
        let (mut attempt, mut now) = (1, first);
        while let Some(at) = next(attempt, first, now) {
            minutes.push(at.ms_since(first) / MINUTE_MS);
            (attempt, now) = (attempt + 1, at);
        }
        let expected: Vec<u64> = [1, 6, 21, 81]
            .into_iter()
            .chain((1..=17).map(|n| 81 + n * 240))
            .collect();
        assert_eq!(minutes, expected);
        assert!(*minutes.last().unwrap() <= 72 * 60);
    }

    #[test]
    fn a_mail_that_slept_for_a_week_is_still_tried_five_times() {
        let week = Timestamp::ZERO.plus_ms(7 * 24 * HOUR_MS);
        for attempt in 1..=4 {
            assert!(next(attempt, Timestamp::ZERO, week).is_some());
        }
        assert_eq!(next(5, Timestamp::ZERO, week), None);
    }

    proptest! {
        #[test]
        fn a_retry_is_always_later_and_attempts_end(attempt in 0u32..40, first in any::<i64>(), now in 0i64..i64::MAX / 2) {
            match next(attempt, Timestamp(first), Timestamp(now)) {
                Some(at) => prop_assert!(at > Timestamp(now) && attempt < ATTEMPTS_MAX),
                None => prop_assert!(attempt > 4),
            }
        }
    }
}
