//! `[abuse]`: where accounts may send to, and how much of it to one range.

use std::path::PathBuf;
use std::sync::Arc;

use didfarm_core::abuse::country::{Countries, CountriesError};
use didfarm_core::abuse::range::Ranges;
use serde::{Deserialize, Serialize};

use crate::ranges;

/// The most messages to a prefix within the window, as seconds of the account's rate limit, where the
/// settings have no number.
const WINDOW_RATE_S: u32 = 100;
/// The most messages to a prefix a day, as seconds of the account's rate limit, where the settings have no
/// number.
const DAY_RATE_S: u32 = 500;

/// `[abuse]`: where accounts may send to, and how much of it to one range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AbuseSettings {
    /// The countries that are open to accounts for which operators set no others; empty for all.
    pub destinations: Vec<String>,
    /// The file with the ranges that are blocked unless they are opened; empty for the list that is built in.
    pub ranges_file: PathBuf,
    /// That list.
    #[serde(skip)]
    pub ranges: Arc<Ranges>,
    /// The last digits of a number that its prefix has not.
    pub prefix_digits_cut: u32,
    /// The length of the sliding window, in seconds.
    pub window_s: u32,
    /// The most messages of an account to one prefix within the window; 0 for [`AbuseSettings::prefix_window`].
    pub prefix_window_max: u32,
    /// The most messages of an account to one prefix a day; 0 for [`AbuseSettings::prefix_day`].
    pub prefix_daily_max: u32,
    /// The most messages of an account to one country a day; 0 for no cap.
    pub country_daily_max: u32,
    /// How long a stop holds that nobody releases, in seconds; 0 for until it is released.
    pub stop_s: u32,
}

impl Default for AbuseSettings {
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            ranges_file: PathBuf::new(),
            ranges: Arc::new(ranges::built_in()),
            prefix_digits_cut: 4,
            window_s: 3_600,
            prefix_window_max: 0,
            prefix_daily_max: 0,
            country_daily_max: 0,
            stop_s: 0,
        }
    }
}

impl AbuseSettings {
    /// Returns `destinations`, with none resolved to no list.
    ///
    /// # Errors
    /// The first that is no country; there is none in settings that were loaded.
    pub fn countries(&self) -> Result<Option<Countries>, CountriesError> {
        if self.destinations.is_empty() {
            return Ok(None);
        }
        Countries::new(self.destinations.iter().map(String::as_str)).map(Some)
    }

    /// Returns how many messages an account may send to one prefix within the window: the setting, or what
    /// its rate limit lets pass in 100 seconds.
    pub fn prefix_window(&self, rate_per_second: u32) -> u32 {
        or_by_rate(self.prefix_window_max, rate_per_second, WINDOW_RATE_S)
    }

    /// Returns how many messages an account may send to one prefix a day: the setting, or what its rate
    /// limit lets pass in 500 seconds.
    pub fn prefix_day(&self, rate_per_second: u32) -> u32 {
        or_by_rate(self.prefix_daily_max, rate_per_second, DAY_RATE_S)
    }
}

fn or_by_rate(max: u32, rate_per_second: u32, seconds: u32) -> u32 {
    match max {
        0 => rate_per_second.saturating_mul(seconds),
        max => max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_follow_the_rate_unless_they_are_set() {
        let mut abuse = AbuseSettings::default();
        assert_eq!(
            (abuse.prefix_window(10), abuse.prefix_day(10)),
            (1_000, 5_000)
        );
        assert_eq!(abuse.prefix_day(u32::MAX), u32::MAX);
        (abuse.prefix_window_max, abuse.prefix_daily_max) = (7, 9);
        assert_eq!((abuse.prefix_window(10), abuse.prefix_day(10)), (7, 9));
    }

    #[test]
    fn no_list_of_countries_is_no_bound() {
        let mut abuse = AbuseSettings::default();
        assert_eq!(abuse.countries(), Ok(None));
        abuse.destinations = vec!["NL".to_owned()];
        assert!(abuse.countries().unwrap().unwrap().holds("NL"));
        abuse.destinations = vec!["nl".to_owned()];
        assert!(abuse.countries().is_err());
    }
}
