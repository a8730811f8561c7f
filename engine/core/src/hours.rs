//! Opening hours: a week's spans in local time, holidays, and whether an instant lies inside.
//!
//! Local time is what the zone's clocks show (RFC 9557, IANA time zone database as bundled). Where clocks
//! are put forward, the local minutes that are left out never come: a span that covers some of them opens
//! at the first minute that does, and one that covers only them stays shut that day. Where clocks are put
//! back, the repeated minutes count both times: a span among them opens twice.

mod holiday;
mod span;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, Zoned, civil};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use thiserror::Error;

pub use self::holiday::Holiday;
pub use self::span::Span;
use crate::time::Timestamp;

/// The most spans of one day.
pub const SPANS_MAX: usize = 4;
/// The most holidays.
pub const HOLIDAYS_MAX: usize = 64;
/// How far [`OpeningHours::opens_next`] looks ahead, in days of 24 hours.
pub const LOOK_AHEAD_DAYS: i8 = 14;
/// The days of [`OpeningHours`] in their order (ISO 8601: the week begins on Monday).
pub const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// When somebody is there to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningHours {
    /// The IANA name of the zone, in that database's spelling.
    zone: Box<str>,
    /// The spans of each of [`DAYS`], sorted, none overlapping another.
    weekly: [SmallVec<[Span; SPANS_MAX]>; DAYS.len()],
    /// The days that are closed altogether, sorted.
    holidays: Box<[Holiday]>,
}

/// Why opening hours are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoursError {
    /// The zone is in no time zone database.
    #[error("the time zone is unknown: give a name of the IANA database, as Europe/Amsterdam")]
    UnknownZone,
    /// A day has more than [`SPANS_MAX`] spans.
    #[error("{spans} spans are too many: a day has {SPANS_MAX} at most")]
    TooManySpans {
        /// The day's place in [`DAYS`].
        day: usize,
        /// How many were given.
        spans: usize,
    },
    /// Two spans of a day have minutes in common.
    #[error("{one} and {other} overlap")]
    SpansOverlap {
        /// The day's place in [`DAYS`].
        day: usize,
        /// The span that begins first.
        one: Span,
        /// The span that begins inside it.
        other: Span,
    },
    /// There are more than [`HOLIDAYS_MAX`] holidays.
    #[error("{holidays} holidays are too many: {HOLIDAYS_MAX} are allowed")]
    TooManyHolidays {
        /// How many were given.
        holidays: usize,
    },
}

impl HoursError {
    /// The field at fault: `zone`, `weekly.monday`, `holidays`.
    pub fn field(&self) -> String {
        match self {
            HoursError::UnknownZone => "zone".to_owned(),
            HoursError::TooManySpans { day, .. } | HoursError::SpansOverlap { day, .. } => {
                format!("weekly.{}", DAYS[*day])
            }
            HoursError::TooManyHolidays { .. } => "holidays".to_owned(),
        }
    }
}

impl OpeningHours {
    /// Opening hours in a zone, which is read without regard to case: the spans of each of [`DAYS`] in any
    /// order, and the days that are closed altogether.
    ///
    /// # Errors
    /// [`HoursError`], which names the field at fault.
    pub fn new(
        zone: &str,
        weekly: [Vec<Span>; DAYS.len()],
        mut holidays: Vec<Holiday>,
    ) -> Result<OpeningHours, HoursError> {
        let zone = find_zone(zone).ok_or(HoursError::UnknownZone)?;
        let zone = zone.iana_name().ok_or(HoursError::UnknownZone)?.into();
        for (day, spans) in weekly.iter().enumerate() {
            if spans.len() > SPANS_MAX {
                let spans = spans.len();
                return Err(HoursError::TooManySpans { day, spans });
            }
        }
        let weekly = weekly.map(|spans| {
            let mut spans: SmallVec<[Span; SPANS_MAX]> = SmallVec::from_vec(spans);
            spans.sort_unstable();
            spans
        });
        for (day, spans) in weekly.iter().enumerate() {
            if let Some(pair) = spans.windows(2).find(|pair| pair[0].overlaps(pair[1])) {
                let (one, other) = (pair[0], pair[1]);
                return Err(HoursError::SpansOverlap { day, one, other });
            }
        }
        if holidays.len() > HOLIDAYS_MAX {
            let holidays = holidays.len();
            return Err(HoursError::TooManyHolidays { holidays });
        }
        holidays.sort_unstable();
        holidays.dedup();
        Ok(OpeningHours {
            zone,
            weekly,
            holidays: holidays.into(),
        })
    }

    /// The IANA name of the zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The spans of one of [`DAYS`], sorted.
    ///
    /// # Panics
    /// When `day` is 7 or more.
    pub fn spans(&self, day: usize) -> &[Span] {
        &self.weekly[day]
    }

    /// The days that are closed altogether, sorted.
    pub fn holidays(&self) -> &[Holiday] {
        &self.holidays
    }

    /// Whether it is open at an instant; a span's first minute is open, its end is not.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.is_open_local(self.local(at).datetime())
    }

    /// The first instant, `at` or later, at which it is open; `None` when there is none within
    /// [`LOOK_AHEAD_DAYS`].
    pub fn opens_next(&self, at: Timestamp) -> Option<Timestamp> {
        let now = self.local(at);
        if self.is_open_local(now.datetime()) {
            return Some(at);
        }
        let zone = now.time_zone();
        let from = now.timestamp();
        let until = from
            .checked_add((24 * i64::from(LOOK_AHEAD_DAYS)).hours())
            .unwrap_or(jiff::Timestamp::MAX);
        // It opens where a span begins, or where clocks jump into one.
        let jumps = zone.following(from).map(|jump| jump.timestamp());
        self.beginnings(&now)
            .into_iter()
            .chain(jumps.take_while(|jump| *jump <= until))
            .filter(|instant| (from..=until).contains(instant))
            .filter(|instant| self.is_open_local(zone.to_datetime(*instant)))
            .min()
            .map(|instant| Timestamp(instant.as_microsecond()))
    }

    /// The instants at which spans begin, from the day before `now` to the last that is looked at: clocks
    /// put back at midnight repeat the day before, and a repeated beginning counts twice.
    fn beginnings(&self, now: &Zoned) -> Vec<jiff::Timestamp> {
        let zone = now.time_zone();
        let mut beginnings = Vec::new();
        for days in -1..=LOOK_AHEAD_DAYS + 1 {
            let Ok(date) = now.date().checked_add(i64::from(days).days()) else {
                continue;
            };
            for span in &self.weekly[day_of(date)] {
                let local = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0) + span.offset());
                beginnings.extend(local.earlier());
                beginnings.extend(local.later());
            }
        }
        beginnings
    }

    fn is_open_local(&self, local: civil::DateTime) -> bool {
        let [hour, minute] =
            [local.hour(), local.minute()].map(|part| u16::from(part.unsigned_abs()));
        let minute = hour * 60 + minute;
        let date = local.date();
        self.weekly[day_of(date)]
            .iter()
            .any(|span| span.contains(minute))
            && !self.holidays.iter().any(|holiday| holiday.is_on(date))
    }

    /// What the zone's clocks show; UTC's, should a later database have dropped the zone: hours that are
    /// stored stay readable.
    fn local(&self, at: Timestamp) -> Zoned {
        let end = if at.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or(end);
        at.to_zoned(find_zone(&self.zone).unwrap_or(TimeZone::UTC))
    }
}

/// The zone of the bundled database, never the machine's: the same hours mean the same everywhere.
fn find_zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (!zone.is_unknown()).then_some(zone)
}

/// The place in [`DAYS`].
fn day_of(date: civil::Date) -> usize {
    usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())
}

#[cfg(test)]
mod tests;
