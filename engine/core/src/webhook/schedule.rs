//! When a failed attempt is made again.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::refusal::Refusal;

/// Retries of one event at most.
pub const RETRIES_MAX: usize = 16;
/// Longest wait before a retry, in seconds: a week.
pub const WAIT_SECONDS_MAX: u32 = 7 * 24 * 3_600;
/// Longest `Retry-After` that is honoured, in milliseconds: an hour.
pub const RETRY_AFTER_MS_MAX: u64 = 3_600_000;
/// Jitter lengthens a wait by at most this part of it.
const JITTER_DIVISOR: u64 = 10;
/// The product's schedule: 30 seconds, 2 minutes, 10 minutes.
const PRODUCT_SECONDS: &[u32] = &[30, 120, 600];
/// The schedule that the Standard Webhooks specification gives as its example.
const SPECIFICATION_SECONDS: &[u32] =
    &[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// When failed attempts are made again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RetrySchedule {
    /// After 30 seconds, 2 minutes and 10 minutes.
    #[default]
    #[serde(rename = "p")]
    Product,
    /// The specification's long one: nine retries over three days.
    #[serde(rename = "s")]
    Specification,
    /// The customer's own waits, in seconds.
    #[serde(rename = "c")]
    Custom(SmallVec<[u32; 4]>),
}

impl RetrySchedule {
    /// The waits before each retry, in seconds.
    pub fn waits_seconds(&self) -> &[u32] {
        match self {
            RetrySchedule::Product => PRODUCT_SECONDS,
            RetrySchedule::Specification => SPECIFICATION_SECONDS,
            RetrySchedule::Custom(waits) => waits,
        }
    }

    /// Checks a customer's own waits.
    ///
    /// # Errors
    /// [`Refusal::EndpointUnfit`].
    pub fn check(&self) -> Result<(), Refusal> {
        let waits = self.waits_seconds();
        let fits = waits.len() <= RETRIES_MAX
            && waits
                .iter()
                .all(|wait| (1..=WAIT_SECONDS_MAX).contains(wait));
        if fits {
            return Ok(());
        }
        Err(Refusal::EndpointUnfit {
            field: "retry_schedule",
            why: "it has at most 16 waits of 1 second to 7 days",
        })
    }

    /// How long to wait after the `failed`-th attempt (from 1) of the schedule failed, in milliseconds;
    /// `None` when that was the last one. Jitter and `Retry-After` lengthen a wait, nothing shortens it.
    ///
    /// `die` is any random number.
    pub fn wait_ms(&self, failed: u16, retry_after_ms: Option<u64>, die: u32) -> Option<u64> {
        let place = usize::from(failed).checked_sub(1)?;
        let promised = u64::from(*self.waits_seconds().get(place)?) * 1_000;
        let jitter = (promised / JITTER_DIVISOR) * u64::from(die) / u64::from(u32::MAX);
        let asked = retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS_MAX);
        Some((promised + jitter).max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_retries_after_30_s_2_min_and_10_min_and_never_earlier() {
        let schedule = RetrySchedule::Product;
        for die in [0, 1, u32::MAX / 2, u32::MAX] {
            let waits: Vec<u64> = (1..=3)
                .map(|failed| schedule.wait_ms(failed, None, die).unwrap())
                .collect();
            for (wait, promised) in waits.iter().zip([30_000, 120_000, 600_000]) {
                assert!(
                    (promised..=promised + promised / 10).contains(wait),
                    "{wait}"
                );
            }
        }
        assert_eq!(schedule.wait_ms(4, None, 0), None);
    }

    #[test]
    fn retry_after_lengthens_up_to_an_hour_and_never_shortens() {
        let schedule = RetrySchedule::Product;
        assert_eq!(schedule.wait_ms(1, Some(1_000), 0), Some(30_000));
        assert_eq!(schedule.wait_ms(1, Some(90_000), 0), Some(90_000));
        assert_eq!(
            schedule.wait_ms(1, Some(u64::MAX), 0),
            Some(RETRY_AFTER_MS_MAX)
        );
    }

    #[test]
    fn own_waits_are_bounded() {
        let custom = |waits: &[u32]| RetrySchedule::Custom(waits.into()).check();
        assert!(custom(&[1, WAIT_SECONDS_MAX]).is_ok());
        assert!(custom(&[0]).is_err());
        assert!(custom(&[WAIT_SECONDS_MAX + 1]).is_err());
        assert!(custom(&[1; RETRIES_MAX + 1]).is_err());
    }
}
