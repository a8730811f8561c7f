//! A span of a day's minutes, as `09:00-18:00`.

use std::fmt;

use jiff::ToSpan;
use serde::{Deserialize, Serialize};

/// The minutes of a day of 24 hours.
const DAY_MINUTES: u16 = 24 * 60;

/// Part of a day in local time: from a minute up to, not including, another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct Span {
    /// Its first minute after midnight.
    start: u16,
    /// The minute after its last one, 1,440 at most.
    end: u16,
}

impl Span {
    /// A span in minutes after midnight; `None` unless it begins before it ends, at 1,440 (24:00) at the
    /// latest. What goes over midnight is two spans.
    pub fn new(start: u16, end: u16) -> Option<Span> {
        (start < end && end <= DAY_MINUTES).then_some(Span { start, end })
    }

    /// Reads a span as [`fmt::Display`] writes it: `09:00-18:00`, `22:00-24:00`.
    pub fn parse(text: &str) -> Option<Span> {
        let (start, end) = text.split_once('-')?;
        Span::new(parse_minute(start)?, parse_minute(end)?)
    }

    /// Its first minute after midnight.
    pub fn start(self) -> u16 {
        self.start
    }

    /// The minute after its last one.
    pub fn end(self) -> u16 {
        self.end
    }

    pub(super) fn contains(self, minute: u16) -> bool {
        (self.start..self.end).contains(&minute)
    }

    /// Whether `later`, which begins no earlier, begins inside; spans that touch do not overlap.
    pub(super) fn overlaps(self, later: Span) -> bool {
        later.start < self.end
    }

    /// Its beginning, from midnight.
    pub(super) fn offset(self) -> jiff::Span {
        i64::from(self.start).minutes()
    }
}

fn parse_minute(text: &str) -> Option<u16> {
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60).then_some(hour * 60 + minute)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { start, end } = self;
        let [from, to] = [start, end].map(|minute| (minute / 60, minute % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<(u16, u16)> for Span {
    type Error = &'static str;

    fn try_from((start, end): (u16, u16)) -> Result<Span, Self::Error> {
        Span::new(start, end).ok_or("not a span of a day's minutes")
    }
}

impl From<Span> for (u16, u16) {
    fn from(span: Span) -> (u16, u16) {
        (span.start, span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_it_is_written() {
        for text in ["09:00-18:00", "00:00-24:00", "23:59-24:00"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "09:00",
            "18:00-09:00",
            "09:00-09:00",
            "09:00-24:01",
            "9:00-18:00",
            "09:60-18:00",
            "+9:00-18:00",
            "09:00-18:00 ",
            "99:00-99:30",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
