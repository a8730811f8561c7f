//! The monthly add-on of a number that has SMS: which month is paid, and what is owed next.

use jiff::tz::TimeZone;
use jiff::{Span, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

use crate::money::Micros;
use crate::time::Timestamp;

/// The most months that are counted: more than timestamps reach.
const MONTHS_MAX: u32 = 120_000;

/// The months of SMS on a number, counted from the day that it was enabled on.
///
/// A month begins on the same day and at the same time (UTC) as the first one did, or on the last day of a
/// month that is too short. Months are counted from the first, so that the 31st comes back after February.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOn {
    /// When the first month began.
    pub since: Timestamp,
    /// The last month that is paid, the first being 0.
    pub month: u32,
    /// When that month ends.
    pub paid_until: Timestamp,
}

/// One month of SMS on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsMonth {
    /// When the first month began.
    pub since: Timestamp,
    /// Which one it is, the first being 0.
    pub month: u32,
}

/// A month of SMS on a number that was paid from its owner's wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsPayment {
    /// The month: each is paid once.
    pub month: SmsMonth,
    /// What it cost.
    pub amount: Micros,
}

impl AddOn {
    /// A number that has its first month.
    pub fn first(since: Timestamp) -> AddOn {
        AddOn::paid(since, 0)
    }

    /// A number that has paid up to and with a month.
    pub fn paid(since: Timestamp, month: u32) -> AddOn {
        AddOn {
            since,
            month,
            paid_until: month_start(since, month.saturating_add(1)),
        }
    }

    /// Whether the month of this time is paid.
    pub fn covers(&self, now: Timestamp) -> bool {
        now < self.paid_until
    }

    /// Whether a payment is for a month that is paid already.
    pub fn has(&self, since: Timestamp, month: u32) -> bool {
        since == self.since && month <= self.month
    }

    /// The month of this time, which is after what is paid. Months in between, in which nobody was there to
    /// have the service, are not owed.
    pub fn month_at(&self, now: Timestamp) -> u32 {
        // Estimated by the shortest month and corrected: at most a few steps.
        const LONGEST_MONTH_US: i64 = 31 * 24 * 3_600 * 1_000_000;
        let elapsed_us = now.0.saturating_sub(self.since.0).max(0);
        let at_least = u32::try_from(elapsed_us / LONGEST_MONTH_US).unwrap_or(MONTHS_MAX);
        let mut month = at_least.min(MONTHS_MAX);
        while month < MONTHS_MAX && month_start(self.since, month + 1) <= now {
            month += 1;
        }
        month
    }
}

/// When a month begins that is so many after the first.
fn month_start(since: Timestamp, months: u32) -> Timestamp {
    let begin = |at: Timestamp| -> Option<Zoned> {
        let at = jiff::Timestamp::from_microsecond(at.0).ok()?;
        Some(at.to_zoned(TimeZone::UTC))
    };
    let later = begin(since).and_then(|since| {
        let span: Span = i64::from(months.min(MONTHS_MAX)).months();
        since.checked_add(span).ok()
    });
    later.map_or(Timestamp(i64::MAX), |at| {
        Timestamp(at.timestamp().as_microsecond())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_month_ends_on_the_same_day_or_on_the_last_of_a_shorter_one() {
        let since = at("2026-01-31T10:00:00Z");
        for (month, end) in [
            (0, "2026-02-28T10:00:00Z"),
            (1, "2026-03-31T10:00:00Z"),
            (2, "2026-04-30T10:00:00Z"),
            (12, "2027-02-28T10:00:00Z"),
            (24, "2028-02-29T10:00:00Z"),
        ] {
            assert_eq!(AddOn::paid(since, month).paid_until, at(end), "{month}");
        }
    }

    #[test]
    fn the_month_of_a_time_is_the_one_that_it_lies_in() {
        let add_on = AddOn::first(at("2026-01-31T10:00:00Z"));
        for (now, month) in [
            ("2026-01-31T10:00:00Z", 0),
            ("2026-02-28T09:59:59Z", 0),
            ("2026-02-28T10:00:00Z", 1),
            ("2026-03-31T09:59:59Z", 1),
            ("2026-03-31T10:00:00Z", 2),
            ("2046-01-31T10:00:00Z", 240),
            // A clock that went back.
            ("2025-01-31T10:00:00Z", 0),
        ] {
            assert_eq!(add_on.month_at(at(now)), month, "{now}");
        }
    }

    #[test]
    fn every_month_begins_where_the_one_before_ends() {
        let since = at("2026-08-30T23:59:59.999999Z");
        for month in 0..500 {
            let paid = AddOn::paid(since, month);
            assert!(paid.covers(Timestamp(paid.paid_until.0 - 1)));
            assert!(!paid.covers(paid.paid_until));
            assert_eq!(paid.month_at(paid.paid_until), month + 1);
            assert_eq!(paid.month_at(Timestamp(paid.paid_until.0 - 1)), month);
        }
    }
}
