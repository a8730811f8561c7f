//! Ranges that an account sends no more to until somebody releases them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::country::Country;
use crate::e164::{DIGITS_MAX, E164};
use crate::time::Timestamp;

/// The most stops of one account at once. Beyond them a limit that is used up holds without a stop.
pub const STOPS_MAX: usize = 64;

/// Numbers that are counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrafficRange {
    /// Those that begin with these digits, the country code first.
    #[serde(rename = "p")]
    Prefix(u64),
    /// Those of a country.
    #[serde(rename = "c")]
    Country(Country),
}

impl TrafficRange {
    /// The prefix that a number has without its last digits; the whole number where it has no more.
    pub fn of(number: E164, digits_cut: u32) -> TrafficRange {
        let digits = number.digits();
        let prefix = digits / 10_u64.pow(digits_cut.min(DIGITS_MAX as u32));
        TrafficRange::Prefix(if prefix == 0 { digits } else { prefix })
    }

    /// Reads what `Display` writes; the `+` may be left out.
    pub fn parse(text: &str) -> Option<TrafficRange> {
        if let Ok(country) = Country::parse(text) {
            return Some(TrafficRange::Country(country));
        }
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        let prefix = fits.then(|| digits.parse().ok()).flatten()?;
        Some(TrafficRange::Prefix(prefix))
    }
}

/// `+3161234`, or `NL`.
impl fmt::Display for TrafficRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrafficRange::Prefix(digits) => write!(f, "+{digits}"),
            TrafficRange::Country(country) => write!(f, "{country}"),
        }
    }
}

impl fmt::Debug for TrafficRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Which limit was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCause {
    /// That of the sliding window.
    #[serde(rename = "w")]
    Window,
    /// That of the day.
    #[serde(rename = "d")]
    Day,
}

impl StopCause {
    /// Every cause.
    pub const ALL: [StopCause; 2] = [StopCause::Window, StopCause::Day];

    /// The word in public JSON and in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            StopCause::Window => "velocity",
            StopCause::Day => "daily_cap",
        }
    }
}

/// Who lets messages to a stopped range go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ReleasedBy {
    /// The account itself: the window is counted anew, the day counts on. Its key may be stolen.
    #[serde(rename = "a")]
    Account,
    /// An operator: window and day are counted anew.
    #[default]
    #[serde(rename = "o")]
    Operator,
}

/// A range that is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficStop {
    /// Which.
    pub range: TrafficRange,
    /// Why.
    pub cause: StopCause,
    /// The messages that used the limit up.
    pub messages: u32,
    /// Since when; with the range it names the stop.
    pub since: Timestamp,
    /// When it ends by itself, if it does.
    pub ends_at: Option<Timestamp>,
}

impl TrafficStop {
    /// Whether it holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }

    /// Whether it is one that this one may release: an account only that of a prefix, by its window.
    pub fn is_released_by(&self, by: ReleasedBy) -> bool {
        let is_small = matches!(
            (self.range, self.cause),
            (TrafficRange::Prefix(_), StopCause::Window)
        );
        by == ReleasedBy::Operator || is_small
    }
}

/// The stops of one account: at most one of each range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops(Vec<TrafficStop>);

impl Stops {
    /// Adds a stop, in the place of an older one of its range; those that ended by then go.
    pub fn add(&mut self, stop: TrafficStop) {
        self.0
            .retain(|one| one.range != stop.range && one.holds(stop.since));
        self.0.push(stop);
    }

    /// Takes the stop of a range away that has held since then. A later one of the range stays.
    pub fn release(&mut self, range: TrafficRange, since: Timestamp) {
        self.0
            .retain(|one| one.range != range || one.since != since);
    }

    /// The stop of a range.
    pub fn of(&self, range: TrafficRange) -> Option<&TrafficStop> {
        self.0.iter().find(|one| one.range == range)
    }

    /// Whether there is room for another at this time.
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.0.iter().filter(|one| one.holds(now)).count() < STOPS_MAX
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that hold at this time, the oldest first.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = &TrafficStop> {
        self.0.iter().filter(move |one| one.holds(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;

    fn stop(range: TrafficRange, since: i64, ends_at: Option<i64>) -> TrafficStop {
        TrafficStop {
            range,
            cause: StopCause::Window,
            messages: 5,
            since: Timestamp(since),
            ends_at: ends_at.map(Timestamp),
        }
    }

    #[test]
    fn a_range_is_a_number_without_its_last_digits_and_reads_as_it_is_written() {
        let number = |text| E164::parse(text, Validation::Syntax).unwrap();
        let range = TrafficRange::of(number("+31612345678"), 4);
        assert_eq!(range.to_string(), "+3161234");
        let whole = TrafficRange::of(number("+3161234"), 15);
        assert_eq!(whole.to_string(), "+3161234");
        for text in ["+3161234", "3161234", "NL"] {
            let read = TrafficRange::parse(text).unwrap();
            assert_eq!(
                read.to_string().trim_start_matches('+'),
                text.trim_start_matches('+')
            );
        }
        for text in ["", "+", "nl", "0612", "+31x", "++31", "1234567890123456"] {
            assert_eq!(TrafficRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_account_releases_prefixes_by_their_window_alone() {
        let prefix = TrafficRange::Prefix(3_161_234);
        let country = TrafficRange::parse("NL").unwrap();
        for (range, cause, expected) in [
            (prefix, StopCause::Window, true),
            (prefix, StopCause::Day, false),
            (country, StopCause::Window, false),
            (country, StopCause::Day, false),
        ] {
            let stop = TrafficStop {
                cause,
                ..stop(range, 1, None)
            };
            assert_eq!(stop.is_released_by(ReleasedBy::Account), expected);
            assert!(stop.is_released_by(ReleasedBy::Operator));
        }
    }

    #[test]
    fn a_release_takes_the_stop_that_it_names_and_no_later_one() {
        let range = TrafficRange::Prefix(3_161_234);
        let mut stops = Stops::default();
        stops.add(stop(range, 1, None));
        stops.release(range, Timestamp(2));
        assert!(stops.of(range).is_some());
        stops.release(range, Timestamp(1));
        assert!(stops.is_empty());
    }

    #[test]
    fn stops_that_ended_make_room_and_a_range_has_one() {
        let mut stops = Stops::default();
        let range = |n: usize| TrafficRange::Prefix(n as u64 + 1);
        for n in 0..STOPS_MAX {
            stops.add(stop(range(n), 1, Some(10)));
        }
        assert!(!stops.has_room(Timestamp(9)) && stops.has_room(Timestamp(10)));
        stops.add(stop(range(0), 11, None));
        stops.add(stop(range(0), 12, None));
        let left: Vec<_> = stops.at(Timestamp(12)).collect();
        assert_eq!(left, [&stop(range(0), 12, None)]);
    }
}
