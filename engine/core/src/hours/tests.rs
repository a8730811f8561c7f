//! Opening hours against calendars, clock changes, and a scan of every minute.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn spans(texts: &[&str]) -> Vec<Span> {
    texts
        .iter()
        .map(|text| Span::parse(text).unwrap())
        .collect()
}

fn holidays(texts: &[&str]) -> Vec<Holiday> {
    let parse = |text: &&str| Holiday::parse(text).unwrap();
    texts.iter().map(parse).collect()
}

/// The same spans on every day.
fn daily(zone: &str, texts: &[&str]) -> OpeningHours {
    OpeningHours::new(zone, [(); 7].map(|()| spans(texts)), vec![]).unwrap()
}

/// The product's hours: Monday to Friday, 09:00 to 18:00 CET.
fn support() -> OpeningHours {
    let weekly = [0, 1, 2, 3, 4, 5, 6].map(|day| match day {
        0..5 => spans(&["09:00-18:00"]),
        _ => vec![],
    });
    let closed = holidays(&["12-25", "2026-04-06"]);
    OpeningHours::new("Europe/Amsterdam", weekly, closed).unwrap()
}

#[test]
fn support_is_open_on_working_days_in_local_time() {
    let hours = support();
    for (text, open) in [
        ("2026-04-03T08:59:59.999999+02:00", false), // Friday
        ("2026-04-03T09:00:00+02:00", true),
        ("2026-04-03T17:59:59.999999+02:00", true),
        ("2026-04-03T18:00:00+02:00", false),
        ("2026-04-04T12:00:00+02:00", false), // Saturday
        ("2026-04-06T12:00:00+02:00", false), // Easter Monday of 2026
        ("2027-04-05T12:00:00+02:00", true),  // a Monday that the dated holiday is not on
        ("2026-12-25T12:00:00+01:00", false), // Christmas of any year
        ("2028-12-25T12:00:00+01:00", false),
        ("2026-12-28T08:30:00Z", true), // 09:30 in winter
    ] {
        assert_eq!(hours.is_open(at(text)), open, "{text}");
    }
}

#[test]
fn it_opens_next_after_the_weekend_and_the_holiday() {
    let hours = support();
    for (from, next) in [
        ("2026-04-02T12:00:00+02:00", "2026-04-02T12:00:00+02:00"),
        ("2026-04-02T18:00:00+02:00", "2026-04-03T09:00:00+02:00"),
        ("2026-04-03T18:00:00+02:00", "2026-04-07T09:00:00+02:00"),
        ("2026-03-27T18:00:00+01:00", "2026-03-30T09:00:00+02:00"),
    ] {
        assert_eq!(hours.opens_next(at(from)), Some(at(next)), "{from}");
    }
}

#[test]
fn what_does_not_open_within_a_fortnight_does_not_open() {
    assert_eq!(
        daily("UTC", &[]).opens_next(at("2026-01-01T00:00:00Z")),
        None
    );
    let mut weekly = [(); 7].map(|()| vec![]);
    weekly[0] = spans(&["09:00-10:00"]);
    let closed = holidays(&["01-05", "01-12"]);
    let mondays = OpeningHours::new("UTC", weekly, closed).unwrap();
    let next = Some(at("2026-01-19T09:00:00Z"));
    assert_eq!(mondays.opens_next(at("2026-01-05T08:59:59Z")), None);
    assert_eq!(mondays.opens_next(at("2026-01-05T09:00:00Z")), next);
}

#[test]
fn a_span_over_midnight_is_two_that_join() {
    let mut weekly = [(); 7].map(|()| vec![]);
    weekly[0] = spans(&["22:00-24:00"]);
    weekly[1] = spans(&["00:00-02:00"]);
    let hours = OpeningHours::new("Asia/Kolkata", weekly, vec![]).unwrap();
    for (text, open) in [
        ("2026-06-01T21:59:59+05:30", false),
        ("2026-06-01T23:59:59.999999+05:30", true),
        ("2026-06-02T00:00:00+05:30", true),
        ("2026-06-02T02:00:00+05:30", false),
        ("2026-06-02T22:00:00+05:30", false),
    ] {
        assert_eq!(hours.is_open(at(text)), open, "{text}");
    }
}

#[test]
fn minutes_that_are_left_out_in_spring_never_come() {
    // Europe/Amsterdam goes from 02:00 to 03:00 at 2026-03-29T01:00:00Z.
    let late = daily("Europe/Amsterdam", &["02:15-04:00"]);
    assert!(!late.is_open(at("2026-03-29T00:59:59Z")));
    assert!(late.is_open(at("2026-03-29T01:00:00Z")));
    let opens = late.opens_next(at("2026-03-29T00:30:00Z"));
    assert_eq!(opens, Some(at("2026-03-29T01:00:00Z")));

    let inside = daily("Europe/Amsterdam", &["02:00-03:00"]);
    let opens = inside.opens_next(at("2026-03-28T03:00:00+01:00"));
    assert_eq!(opens, Some(at("2026-03-30T02:00:00+02:00")));
}

#[test]
fn minutes_that_are_repeated_in_autumn_count_twice() {
    // Europe/Amsterdam goes from 03:00 back to 02:00 at 2026-10-25T01:00:00Z.
    let hours = daily("Europe/Amsterdam", &["01:30-02:30"]);
    for (text, open) in [
        ("2026-10-24T23:30:00Z", true),
        ("2026-10-25T00:29:59Z", true),
        ("2026-10-25T00:30:00Z", false),
        ("2026-10-25T01:00:00Z", true),
        ("2026-10-25T01:30:00Z", false),
    ] {
        assert_eq!(hours.is_open(at(text)), open, "{text}");
    }
    let again = hours.opens_next(at("2026-10-25T00:45:00Z"));
    assert_eq!(again, Some(at("2026-10-25T01:00:00Z")));

    let within = daily("Europe/Amsterdam", &["02:30-02:45"]);
    let again = within.opens_next(at("2026-10-25T00:45:00Z"));
    assert_eq!(again, Some(at("2026-10-25T01:30:00Z")));

    // St. John's went from 00:01 back to 23:01 of the day before, at 2010-11-07T02:31:00Z.
    let evening = daily("America/St_Johns", &["23:30-23:45"]);
    let again = evening.opens_next(at("2010-11-07T02:30:30Z"));
    assert_eq!(again, Some(at("2010-11-07T03:00:00Z")));
}

#[test]
fn zones_of_half_and_quarter_hours_are_kept() {
    for (zone, opening) in [
        ("Asia/Kolkata", "2026-01-15T03:30:00Z"),
        ("Asia/Kathmandu", "2026-01-15T03:15:00Z"),
        ("America/St_Johns", "2026-01-15T12:30:00Z"),
        ("Australia/Lord_Howe", "2026-01-14T22:00:00Z"), // its clocks change by half an hour
        ("Australia/Lord_Howe", "2026-06-14T22:30:00Z"),
    ] {
        let (hours, opening) = (daily(zone, &["09:00-17:00"]), at(opening));
        assert!(hours.is_open(opening), "{zone}");
        assert!(!hours.is_open(Timestamp(opening.0 - 1)), "{zone}");
    }
}

#[test]
fn what_is_refused_names_its_field() {
    let refused = |zone, monday: &[&str], days: usize| {
        let mut weekly = [(); 7].map(|()| vec![]);
        weekly[0] = spans(monday);
        let closed = (0..days).map(|_| Holiday::parse("12-25").unwrap());
        OpeningHours::new(zone, weekly, closed.collect())
            .unwrap_err()
            .field()
    };
    for zone in ["", "CEST", "Europe/Atlantis", "Etc/Unknown", "+02:00"] {
        assert_eq!(refused(zone, &[], 0), "zone", "{zone}");
    }
    let five = [
        "01:00-02:00",
        "03:00-04:00",
        "05:00-06:00",
        "07:00-08:00",
        "09:00-10:00",
    ];
    assert_eq!(refused("UTC", &five, 0), "weekly.monday");
    assert_eq!(
        refused("UTC", &["12:00-18:00", "09:00-12:01"], 0),
        "weekly.monday"
    );
    assert_eq!(refused("UTC", &[], HOLIDAYS_MAX + 1), "holidays");
    daily("UTC", &["12:00-18:00", "09:00-12:00"]);
}

#[test]
fn stored_hours_stay_readable_even_when_their_zone_is_dropped() {
    let hours = OpeningHours {
        zone: OpeningHours::new("europe/amsterdam", Default::default(), vec![])
            .unwrap()
            .zone,
        ..support()
    };
    let stored = serde_json::to_string(&hours).unwrap();
    assert_eq!(
        serde_json::from_str::<OpeningHours>(&stored).unwrap(),
        support()
    );
    let dropped = stored.replace("Europe/Amsterdam", "Europe/Dropped");
    let dropped: OpeningHours = serde_json::from_str(&dropped).unwrap();
    assert!(dropped.is_open(at("2026-04-03T17:59:59Z")));
    assert!(!dropped.is_open(at("2026-04-03T18:00:00Z")));
}

/// Zones and a day before each of their clock changes, which lie at 01:00 UTC, at and after local
/// midnight, at half an hour, and over a whole day that was left out.
const CHANGES: [(&str, &str); 8] = [
    ("Europe/Amsterdam", "2026-03-28T00:00:00Z"),
    ("Europe/Amsterdam", "2026-10-24T00:00:00Z"),
    ("America/Havana", "2026-03-07T00:00:00Z"),
    ("America/Havana", "2026-10-31T00:00:00Z"),
    ("Atlantic/Azores", "2026-10-24T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
    ("America/St_Johns", "2010-11-06T00:00:00Z"),
    ("Pacific/Apia", "2011-12-29T00:00:00Z"),
];

fn any_day() -> impl Strategy<Value = Vec<Span>> {
    let quarter = 0_u16..=96;
    proptest::collection::vec(quarter, 0..=2 * SPANS_MAX).prop_map(|mut edges| {
        edges.sort_unstable();
        let span = |pair: &[u16]| Span::new(pair[0] * 15, pair[1] * 15);
        edges.chunks_exact(2).filter_map(span).collect()
    })
}

proptest! {
    #[test]
    fn opens_next_is_the_first_open_minute_of_a_scan(
        change in 0..CHANGES.len(),
        weekly in proptest::array::uniform7(any_day()),
        closed in 0..28_i8,
        minutes in 0..3 * 1_440_u64,
    ) {
        let (zone, day) = CHANGES[change];
        let closed = Holiday::parse(&format!("10-{:02}", closed + 1)).unwrap();
        let hours = OpeningHours::new(zone, weekly, vec![closed]).unwrap();
        let from = at(day).plus_ms(minutes * 60_000);
        let last = 14 * 1_440_u64;
        let scanned = (0..=last).map(|later| from.plus_ms(later * 60_000)).find(|at| hours.is_open(*at));
        prop_assert_eq!(hours.opens_next(from), scanned);
    }
}
