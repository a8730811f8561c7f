//! A holiday: one date, as `2026-05-05`, or the same day of every year, as `12-25`.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A year that has every day of the calendar.
const LEAP_YEAR: i16 = 2000;

/// A local day that is closed from midnight to midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Holiday {
    /// `None` for every year.
    year: Option<i16>,
    /// 1 to 12.
    month: i8,
    /// From 1.
    day: i8,
}

impl Holiday {
    /// Reads a date, `2026-05-05`, or a day of every year, `12-25`; `None` for what the calendar has not.
    /// `02-29` is a holiday in leap years alone.
    pub fn parse(text: &str) -> Option<Holiday> {
        let digits = |part: &str, len: usize| {
            let plain = part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse::<i16>().ok()).flatten()
        };
        let parts: Vec<&str> = text.split('-').collect();
        let (year, month, day) = match parts[..] {
            [month, day] => (None, month, day),
            [year, month, day] => (Some(digits(year, 4)?), month, day),
            _ => return None,
        };
        let month = i8::try_from(digits(month, 2)?).ok()?;
        let day = i8::try_from(digits(day, 2)?).ok()?;
        Date::new(year.unwrap_or(LEAP_YEAR), month, day).ok()?;
        Some(Holiday { year, month, day })
    }

    pub(super) fn is_on(self, date: Date) -> bool {
        (self.month, self.day) == (date.month(), date.day())
            && self.year.is_none_or(|year| year == date.year())
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(year) = self.year {
            write!(f, "{year:04}-")?;
        }
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

impl fmt::Debug for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Holiday {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Holiday, Self::Error> {
        Holiday::parse(&text).ok_or("not a day of the calendar")
    }
}

impl From<Holiday> for String {
    fn from(holiday: Holiday) -> String {
        holiday.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holiday_is_read_as_it_is_written() {
        for text in ["2026-05-05", "12-25", "02-29", "2028-02-29"] {
            assert_eq!(Holiday::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "25",
            "12-25-",
            "2026-02-29",
            "02-30",
            "13-01",
            "00-10",
            "1-1",
            "26-05-05",
            "-1-01-01",
        ] {
            assert_eq!(Holiday::parse(text), None, "{text}");
        }
    }
}
