//! Quiet hours: a daily span in the recipient's own time in which an account sends nothing.
//!
//! The zone follows from the number's country. Where a country has several, the widest reading holds: it
//! is quiet while it is quiet in any of them, so that nobody is woken whose place is not known. The table
//! of countries and zones is `zones.tab`, which says where it comes from.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, civil};
use serde::{Deserialize, Serialize};

use crate::e164::E164;
use crate::peer::Peer;
use crate::time::Timestamp;

/// The minutes of a day of 24 hours.
const DAY_MINUTES: u16 = 24 * 60;
/// How far the end is looked for. Past it no minute of a day is free in every zone of the country.
const LOOK_AHEAD_MS: u64 = 48 * 60 * 60 * 1_000;

static ZONES: LazyLock<HashMap<&'static str, Vec<TimeZone>>> = LazyLock::new(|| {
    let rows = include_str!("quiet/zones.tab").lines();
    let rows = rows.filter(|row| !row.starts_with('#'));
    rows.filter_map(|row| {
        let (country, zones) = row.split_once(' ')?;
        // The bundled database, never the machine's: quiet hours mean the same everywhere.
        let zones = zones.split(' ');
        let zones = zones.filter_map(|zone| TimeZoneDatabase::bundled().get(zone).ok());
        Some((country, zones.collect()))
    })
    .collect()
});

/// The zones of a country, by its ISO 3166-1 code; UTC for one that is not known.
pub fn zones(country: Option<&str>) -> &'static [TimeZone] {
    static UNKNOWN: [TimeZone; 1] = [TimeZone::UTC];
    let known = country.and_then(|country| ZONES.get(country));
    known.map_or(&UNKNOWN, Vec::as_slice)
}

/// The country that a peer is taken to be in: that of its number, or of ours for somebody without one.
pub fn country(from: E164, to: &Peer) -> Option<&'static str> {
    to.number().unwrap_or(from).region()
}

/// A daily span in local time, perhaps over midnight: from a minute up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    from: u16,
    until: u16,
}

impl QuietHours {
    /// From and until as `21:00` and `08:00`; `None` for what is no time of day, or for the same time twice.
    pub fn parse(from: &str, until: &str) -> Option<QuietHours> {
        let (from, until) = (minute(from)?, minute(until)?);
        (from != until).then_some(QuietHours { from, until })
    }

    /// The first minute, as `21:00`.
    pub fn from(self) -> impl fmt::Display {
        Minute(self.from)
    }

    /// The minute after the last, as `08:00`.
    pub fn until(self) -> impl fmt::Display {
        Minute(self.until)
    }

    /// When what is to be sent at `at` may be sent instead, with quiet hours in all of these zones; `None`
    /// when it is not quiet then.
    ///
    /// Where it is always quiet in one zone or another, it is the end of a span that leaves the fewest
    /// zones quiet.
    pub fn held_until(self, zones: &[TimeZone], at: Timestamp) -> Option<Timestamp> {
        if !self.is_quiet(zones, at) {
            return None;
        }
        let last = at.plus_ms(LOOK_AHEAD_MS);
        let mut fewest: Option<(usize, Timestamp)> = None;
        let mut next = at;
        loop {
            let ends = zones.iter().filter(|zone| self.is_quiet_in(zone, next));
            let Some(end) = ends.map(|zone| self.end_in(zone, next)).min() else {
                return Some(next);
            };
            if end > last {
                return fewest.map(|(_, end)| end);
            }
            let quiet = zones.iter().filter(|zone| self.is_quiet_in(zone, end));
            let quiet = quiet.count();
            if fewest.is_none_or(|(least, _)| quiet < least) {
                fewest = Some((quiet, end));
            }
            next = end;
        }
    }

    /// Whether it is quiet in any of these zones.
    pub fn is_quiet(self, zones: &[TimeZone], at: Timestamp) -> bool {
        zones.iter().any(|zone| self.is_quiet_in(zone, at))
    }

    fn is_quiet_in(self, zone: &TimeZone, at: Timestamp) -> bool {
        let local = local(zone, at);
        let [hour, minute] =
            [local.hour(), local.minute()].map(|part| u16::from(part.unsigned_abs()));
        self.covers(hour * 60 + minute)
    }

    fn covers(self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }

    /// The end of the span that goes on at `at`: when clocks next show it, or the first instant after a
    /// change of clocks that left it out.
    fn end_in(self, zone: &TimeZone, at: Timestamp) -> Timestamp {
        let today = local(zone, at).date();
        let ends = (0..=2).filter_map(|days| {
            let date = today.checked_add(i64::from(days).days()).ok()?;
            let local = date.at(0, 0, 0, 0) + i64::from(self.until).minutes();
            let end = zone.to_ambiguous_timestamp(local).compatible().ok()?;
            Some(Timestamp(end.as_microsecond()))
        });
        // Two days on there is an end in every zone.
        ends.filter(|end| *end > at)
            .min()
            .unwrap_or_else(|| at.plus_ms(LOOK_AHEAD_MS))
    }
}

fn local(zone: &TimeZone, at: Timestamp) -> civil::DateTime {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    zone.to_datetime(at)
}

fn minute(text: &str) -> Option<u16> {
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute < DAY_MINUTES).then_some(hour * 60 + minute)
}

struct Minute(u16);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn held(country: &str, from: &str, until: &str, asked: &str) -> Option<String> {
        let hours = QuietHours::parse(from, until).unwrap();
        let held = hours.held_until(zones(Some(country)), at(asked));
        held.map(Timestamp::to_rfc3339_seconds)
    }

    #[test]
    fn a_message_at_night_is_held_until_the_morning_where_the_recipient_is() {
        let night = |asked| held("NL", "21:00", "08:00", asked);
        assert_eq!(
            night("2026-01-10T22:30:00Z").as_deref(),
            Some("2026-01-11T07:00:00Z")
        );
        assert_eq!(
            night("2026-07-10T02:00:00Z").as_deref(),
            Some("2026-07-10T06:00:00Z")
        );
        assert_eq!(
            night("2026-01-10T20:00:00Z").as_deref(),
            Some("2026-01-11T07:00:00Z")
        );
        assert_eq!(night("2026-01-10T19:59:59Z"), None);
        assert_eq!(night("2026-01-10T07:00:00Z"), None);
    }

    #[test]
    fn a_country_of_several_zones_is_quiet_while_one_of_them_is() {
        // Nine in the evening in New York until eight in the morning on the westernmost islands.
        let night = |asked| held("US", "21:00", "08:00", asked);
        assert_eq!(
            night("2026-01-11T02:00:00Z").as_deref(),
            Some("2026-01-11T18:00:00Z")
        );
        assert_eq!(night("2026-01-11T18:00:00Z"), None);
        assert_eq!(night("2026-01-12T01:59:00Z"), None);
    }

    #[test]
    fn a_country_that_is_never_quite_awake_is_written_to_when_most_of_it_is() {
        let until = held("RU", "18:00", "08:00", "2026-01-10T00:00:00Z").unwrap();
        let hours = QuietHours::parse("18:00", "08:00").unwrap();
        let awake = |at| {
            let awake = |zone: &&TimeZone| !hours.is_quiet_in(zone, at);
            zones(Some("RU")).iter().filter(awake).count()
        };
        let best =
            (0..24 * 60).map(|minute| awake(at("2026-01-10T00:00:00Z").plus_ms(minute * 60_000)));
        assert_eq!(awake(at(&until)), best.max().unwrap());
    }

    #[test]
    fn an_end_that_clocks_leave_out_is_when_they_go_on() {
        // On 29 March 2026 clocks in Amsterdam go from 02:00 to 03:00.
        assert_eq!(
            held("NL", "22:00", "02:30", "2026-03-28T23:00:00Z").as_deref(),
            Some("2026-03-29T01:30:00Z")
        );
    }

    #[test]
    fn every_country_of_the_table_has_zones_and_another_is_utc() {
        assert!(ZONES.len() > 240);
        for (country, zones) in &*ZONES {
            assert!(!zones.is_empty() && country.len() == 2, "{country}");
        }
        let rows = include_str!("quiet/zones.tab").lines();
        let named: usize = rows
            .filter(|row| !row.starts_with('#'))
            .map(|row| row.split(' ').count() - 1)
            .sum();
        assert_eq!(ZONES.values().map(Vec::len).sum::<usize>(), named);
        assert_eq!(zones(None), [TimeZone::UTC]);
        assert_eq!(zones(Some("XX")), [TimeZone::UTC]);
    }

    #[test]
    fn only_two_different_times_of_day_are_quiet_hours() {
        let hours = QuietHours::parse("21:00", "08:30").unwrap();
        assert_eq!(
            (hours.from().to_string(), hours.until().to_string()),
            ("21:00".to_owned(), "08:30".to_owned())
        );
        for (from, until) in [
            ("21:00", "21:00"),
            ("24:00", "08:00"),
            ("9:00", "08:00"),
            ("21:60", "08:00"),
            ("", "08:00"),
            ("+9:00", "08:00"),
        ] {
            assert_eq!(QuietHours::parse(from, until), None, "{from} {until}");
        }
    }

    proptest! {
        #[test]
        fn what_is_held_leaves_at_a_minute_that_is_free_in_a_country_of_one_zone(
            from in 0..DAY_MINUTES, length in 1..DAY_MINUTES, minutes in 0_u64..366 * 24 * 60
        ) {
            let hours = QuietHours { from, until: (from + length) % DAY_MINUTES };
            let asked = at("2026-01-01T00:00:00Z").plus_ms(minutes * 60_000);
            for country in ["NL", "IN", "EG"] {
                let zones = zones(Some(country));
                match hours.held_until(zones, asked) {
                    None => prop_assert!(!hours.is_quiet(zones, asked)),
                    Some(end) => {
                        prop_assert!(hours.is_quiet(zones, asked) && asked < end);
                        prop_assert!(end.ms_since(asked) <= LOOK_AHEAD_MS);
                        prop_assert!(!hours.is_quiet(zones, end) || length > DAY_MINUTES - 61);
                    }
                }
            }
        }
    }
}
