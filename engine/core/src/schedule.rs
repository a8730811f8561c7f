//! When a message may be sent: how far ahead, and how far back a clock that goes behind may ask.

use crate::refusal::Refusal;
use crate::time::Timestamp;

/// How far ahead a message may be scheduled, in days.
pub const DAYS_AHEAD_MAX: u64 = 35;
/// The same in milliseconds.
pub const AHEAD_MS_MAX: u64 = DAYS_AHEAD_MAX * 24 * 60 * 60 * 1_000;
/// How far back the time may lie that a message is asked to be sent at: clocks differ. Such a message is
/// sent at once.
pub const PAST_MS_MAX: u64 = 60_000;

/// Judges the time that a message is asked to be sent at: `None` is at once.
///
/// # Errors
/// It is over, or too far ahead.
pub fn judge(asked: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    if now.ms_since(asked) > PAST_MS_MAX {
        return Err(Refusal::SendAtPast { now });
    }
    if asked > now.plus_ms(AHEAD_MS_MAX) {
        return Err(Refusal::SendAtTooFar {
            latest: now.plus_ms(AHEAD_MS_MAX),
        });
    }
    Ok((asked > now).then_some(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_back_is_at_once_and_the_bounds_are_exact() {
        let now = Timestamp(1_700_000_000_000_000);
        let at = |ms: i64| Timestamp(now.0 + ms * 1_000);
        let ahead = i64::try_from(AHEAD_MS_MAX).unwrap();
        assert_eq!(judge(at(-60_000), now), Ok(None));
        assert_eq!(judge(now, now), Ok(None));
        assert_eq!(judge(at(1), now), Ok(Some(at(1))));
        assert_eq!(judge(at(ahead), now), Ok(Some(at(ahead))));
        assert_eq!(judge(at(-60_001), now), Err(Refusal::SendAtPast { now }));
        assert_eq!(
            judge(at(ahead + 1), now),
            Err(Refusal::SendAtTooFar { latest: at(ahead) })
        );
    }
}
