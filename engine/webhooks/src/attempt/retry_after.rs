//! `Retry-After`: how long an endpoint wants not to be called (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use didfarm_core::webhook::schedule::RETRY_AFTER_MS_MAX;
use http::HeaderValue;

/// The longest wait that is granted; a longer wish counts as this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_millis(RETRY_AFTER_MS_MAX);

/// Reads seconds or a date; nothing for what is neither. A date that has passed is a wait of nought.
pub(super) fn read(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // So many digits that they do not fit are a long time.
        text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        at.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_read_and_held_to_an_hour() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let now = at - Duration::from_secs(90);
        let rows = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90)),
            ("Sun Nov  6 08:49:37 1994", Some(90)),
            ("Sun, 06 Nov 1994 08:48:06 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3600)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in rows {
            let wait = read(&HeaderValue::from_str(text).unwrap(), now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
