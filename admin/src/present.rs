//! The shapes of public JSON in answers, and how they become a response.

pub(crate) mod abuse;
pub(crate) mod account;
pub(crate) mod batches;
pub(crate) mod consent;
pub(crate) mod events;
pub(crate) mod limits;
pub(crate) mod numbers;
pub(crate) mod operators;
pub(crate) mod pools;
pub(crate) mod portal;
pub(crate) mod quote;
pub(crate) mod troubles;
pub(crate) mod v1;
pub(crate) mod wallet;
pub(crate) mod webhooks;

use std::fmt::{self, Display};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use didfarm_core::ids::Spelled;
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The currency of every amount.
pub(crate) const CURRENCY: &str = "EUR";
/// The room that an answer starts with; most need no more.
const ANSWER_BYTES: usize = 768;

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    serde_json::to_writer(&mut body, value)
        .expect("answers have string keys only and a vector takes all bytes");
    let content_type = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HttpResponse::build(status)
        .insert_header(content_type)
        .body(body)
}

/// `{"data": …}`.
#[derive(Debug, Serialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listed<T> {
    pub(crate) data: Vec<T>,
    pub(crate) has_more: bool,
    pub(crate) next_cursor: Option<String>,
}

impl<T> Listed<T> {
    pub(crate) fn new(data: Vec<T>, next_cursor: Option<String>) -> Listed<T> {
        Listed {
            data,
            has_more: next_cursor.is_some(),
            next_cursor,
        }
    }
}

/// A value as its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An id in its string spelling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named(pub(crate) Spelled);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// A time without a fraction, `2026-04-05T14:22:08Z`: the form of `/api/v1/sms`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Cut and not rounded: a time that is shown has passed.
        let whole = Timestamp(self.0.0.div_euclid(1_000_000) * 1_000_000);
        serializer.collect_str(&format_args!("{:.0}", instant(whole)))
    }
}

/// A time with six digits of fraction, `2026-04-03T10:15:30.000000Z`: the form of `/api/v1/portal`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fraction(pub(crate) Timestamp);

impl Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", instant(self.0))
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX)
}

/// An amount as a JSON number of euros, digit for digit.
pub(crate) fn euros(amount: Micros) -> Box<RawValue> {
    RawValue::from_string(amount.to_string()).expect("an exact decimal is a JSON number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn times_have_the_forms_of_both_dialects() {
        let at = Timestamp::parse_rfc3339("2026-04-05T14:22:08.999999Z").unwrap();
        assert_eq!(text(Seconds(at)), "\"2026-04-05T14:22:08Z\"");
        assert_eq!(text(Fraction(at)), "\"2026-04-05T14:22:08.999999Z\"");
        let whole = Timestamp::parse_rfc3339("2026-04-03T10:15:30Z").unwrap();
        assert_eq!(text(Fraction(whole)), "\"2026-04-03T10:15:30.000000Z\"");
        assert_eq!(
            text(Seconds(Timestamp(i64::MAX))),
            text(Seconds(Timestamp(i64::MAX - 1)))
        );
    }

    #[test]
    fn amounts_are_exact() {
        for (micros, shown) in [
            (8_000, "0.008"),
            (24_000, "0.024"),
            (0, "0"),
            (1, "0.000001"),
            (i64::MAX, "9223372036854.775807"),
        ] {
            assert_eq!(text(euros(Micros::new(micros))), shown);
        }
    }
}
