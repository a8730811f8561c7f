//! A point in time, in microseconds, and spans in milliseconds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The start of the epoch.
    pub const ZERO: Timestamp = Timestamp(0);

    /// The time `ms` milliseconds later, held at the end of the range.
    pub fn plus_ms(self, ms: u64) -> Timestamp {
        let us = i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(us))
    }

    /// So many microseconds later.
    pub fn plus_us(self, us: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(us).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was, in milliseconds; 0 when it is in the future.
    pub fn ms_since(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
    }

    /// RFC 3339 in UTC with six digits of fraction, as `2026-04-03T10:15:30.000000Z`.
    pub fn to_rfc3339_micros(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    /// RFC 3339 in UTC without a fraction, as `2026-04-05T14:22:08Z`.
    pub fn to_rfc3339_seconds(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Timestamp(at.as_microsecond()))
    }

    fn zoned(self) -> jiff::Zoned {
        let at = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        at.to_zoned(jiff::tz::TimeZone::UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_public_forms_are_those_of_the_product() {
        let at = Timestamp::parse_rfc3339("2026-04-05T16:22:08.25+02:00").unwrap();
        assert_eq!(at.to_rfc3339_seconds(), "2026-04-05T14:22:08Z");
        assert_eq!(at.to_rfc3339_micros(), "2026-04-05T14:22:08.250000Z");
    }

    #[test]
    fn an_earlier_clock_gives_an_age_of_nought() {
        assert_eq!(Timestamp(5_000).ms_since(Timestamp(9_000)), 0);
        assert_eq!(Timestamp(9_000).ms_since(Timestamp(5_000)), 4);
    }
}
