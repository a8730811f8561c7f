//! Tests of problems: the table, the document, the engine's errors.

use std::collections::HashSet;

use didfarm_core::account::RateLimit;
use didfarm_core::channel::Channel;
use didfarm_core::money::Micros;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_runtime::mails::MailError;
use didfarm_runtime::operate::OperateError;
use didfarm_runtime::read::ReadError;
use didfarm_runtime::send::{SendError, Unavailable};
use didfarm_runtime::webhooks::WebhookError;
use serde_json::{Value, json};

use super::*;

const ASKED: Asked = Asked {
    number_field: "from",
    retry_after: Duration::from_millis(1_500),
};

fn answer(problem: Problem) -> HttpResponse {
    problem.respond(&HeaderValue::from_static("req_1"))
}

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

#[test]
fn the_table_in_the_documentation_is_the_table_in_the_code() {
    let documented: Vec<(&str, &str)> = include_str!("../problem.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .map(|row| {
            let mut cells = row.split(" | ");
            (
                cells.next().unwrap().trim_end_matches('`'),
                cells.next().unwrap(),
            )
        })
        .collect();
    let statuses: Vec<String> = Code::ALL
        .iter()
        .map(|code| code.status().as_u16().to_string())
        .collect();
    let coded: Vec<(&str, &str)> = Code::ALL
        .iter()
        .zip(&statuses)
        .map(|(code, status)| (code.as_str(), status.as_str()))
        .collect();
    assert_eq!(documented, coded);
    let words: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
}

#[test]
fn a_problem_is_a_document_by_rfc_9457() {
    let problem = Problem::invalid("to", "is missing");
    assert_eq!(
        document_of(problem),
        json!({
            "type": "https://didfarm.com/problems/validation_failed",
            "title": "The request is not valid",
            "status": 400,
            "detail": "to: is missing",
            "code": "validation_failed",
            "errors": [{"field": "to", "detail": "is missing"}],
            "request_id": "req_1",
        })
    );
    let response = answer(Problem::not_found());
    assert_eq!(response.status(), 404);
    assert_eq!(
        header(&response, "content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn the_seeds_sentences_are_kept_to_the_letter() {
    let short = Refusal::InsufficientBalance {
        needed: Micros::new(8_000),
        available: Micros::new(7_999),
    };
    for (refusal, status, code, sentence) in [
        (
            short,
            402,
            "insufficient_balance",
            "Insufficient wallet balance",
        ),
        (
            Refusal::NumberNotActive,
            409,
            "number_not_active",
            "Number must be active to enable SMS",
        ),
        (
            Refusal::SmsNotAvailable,
            409,
            "sms_not_available",
            "SMS not available for this number type",
        ),
    ] {
        let document = document_of(ASKED.send(SendError::Refused(refusal)));
        assert_eq!(
            (&document["status"], &document["code"]),
            (&json!(status), &json!(code))
        );
        assert_eq!(
            (&document["title"], &document["detail"]),
            (&json!(sentence), &json!(sentence))
        );
    }
    let document = document_of(ASKED.send(SendError::Refused(short_of_a_millionth())));
    assert_eq!(
        (&document["needed"], &document["available"]),
        (&json!(0.008), &json!(0.007999))
    );
}

fn short_of_a_millionth() -> Refusal {
    Refusal::InsufficientBalance {
        needed: Micros::new(8_000),
        available: Micros::new(7_999),
    }
}

#[test]
fn every_refusal_names_the_field_at_fault() {
    let unknown = Refusal::NumberUnknown {
        number: "+31201234567".to_owned(),
    };
    for (refusal, status, field) in [
        (unknown, 404, json!("from")),
        (
            Refusal::ChannelDisabled {
                channel: Channel::WhatsApp,
            },
            409,
            json!("channel"),
        ),
        (
            Refusal::WindowClosed { expired_at: None },
            409,
            json!("channel"),
        ),
        (
            Refusal::OptedOut {
                since: Timestamp::ZERO,
            },
            409,
            json!("to"),
        ),
        (
            Refusal::Unfit {
                channel: Channel::Sms,
                why: "the peer is known by a name only",
            },
            422,
            json!("channel"),
        ),
        (Refusal::NoRoute, 422, Value::Null),
        (Refusal::NumberTaken, 409, json!("from")),
        (
            Refusal::AmountOutOfRange {
                max: Micros::new(1),
            },
            422,
            json!("amount"),
        ),
        (Refusal::NameOutOfRange { chars_max: 1 }, 422, json!("name")),
        (Refusal::LimitOutOfRange, 422, json!("rate_per_second")),
        (Refusal::TooManyKeys { max: 1 }, 409, Value::Null),
    ] {
        let document = document_of(ASKED.send(SendError::Refused(refusal)));
        assert_eq!(
            (&document["status"], &document["errors"][0]["field"]),
            (&json!(status), &field),
            "{document}"
        );
    }
}

#[test]
fn errors_about_endpoints_and_mails_name_the_field_and_hide_what_is_not_the_callers() {
    let unfit = Refusal::EndpointUnfit {
        field: "rate_per_second",
        why: "it is 1 to 10,000",
    };
    let url = WebhookError::UrlUnfit {
        why: "port 22 is not allowed".to_owned(),
    };
    let recovery = WebhookError::RecoveryUnfit {
        field: "until",
        why: "it is later than since",
    };
    for (error, status, code, field) in [
        (url, 422, "url_unfit", json!("url")),
        (
            unfit.into(),
            422,
            "endpoint_unfit",
            json!("rate_per_second"),
        ),
        (recovery, 422, "recovery_unfit", json!("until")),
        (
            WebhookError::Unknown { what: "event" },
            404,
            "not_found",
            Value::Null,
        ),
        (
            WebhookError::RecoveryRunning,
            409,
            "recovery_running",
            Value::Null,
        ),
        (
            WebhookError::RecoveryNotRunning,
            409,
            "recovery_not_running",
            Value::Null,
        ),
        (
            Refusal::TooManyEndpoints { max: 200 }.into(),
            409,
            "too_many_endpoints",
            Value::Null,
        ),
    ] {
        let document = document_of(ASKED.webhook(error, "url"));
        assert_eq!(
            (&document["status"], &document["code"]),
            (&json!(status), &json!(code))
        );
        assert_eq!(document["errors"][0]["field"], field, "{document}");
    }
    let gone = document_of(ASKED.webhook(WebhookError::Unknown { what: "event" }, "url"));
    assert_eq!(gone, document_of(Problem::not_found()));
    let long = document_of(ASKED.mail(MailError::TextTooLong { bytes: 9_000 }));
    assert_eq!(
        (&long["code"], &long["errors"][0]["field"]),
        (&json!("body_too_long"), &json!("message.body"))
    );
}

#[test]
fn a_closed_window_says_since_when() {
    let closed = |expired_at| {
        document_of(ASKED.send(SendError::Refused(Refusal::WindowClosed { expired_at })))
    };
    let at = Timestamp::parse_rfc3339("2026-04-05T14:22:08Z").unwrap();
    assert_eq!(closed(Some(at))["expired_at"], "2026-04-05T14:22:08Z");
    assert_eq!(closed(None).get("expired_at"), Some(&Value::Null));
}

#[test]
fn a_rate_limited_send_says_when_to_come_back() {
    let limit = RateLimit {
        per_second: 10,
        burst: 25,
    };
    let limited = |wait| {
        answer(
            ASKED
                .send(SendError::RateLimited { limit, wait })
                .with_policy(limit),
        )
    };
    let response = limited(Duration::from_millis(20));
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), Some("1"));
    assert_eq!(header(&response, "ratelimit"), Some("\"msgs\";r=0;t=3"));
    assert_eq!(
        header(&response, "ratelimit-policy"),
        Some("\"msgs\";q=25;w=3")
    );
    assert_eq!(
        header(&limited(Duration::from_millis(2_001)), "retry-after"),
        Some("3")
    );
    assert_eq!(
        header(&limited(Duration::from_secs(2)), "retry-after"),
        Some("2")
    );
}

#[test]
fn whatever_is_unavailable_says_why_and_when_to_try_again() {
    for (unavailable, status, code) in [
        (Unavailable::Busy, 503, "overloaded"),
        (Unavailable::DiskShort, 503, "disk_short"),
        (Unavailable::Draining, 503, "draining"),
        (Unavailable::Quarantined, 503, "number_quarantined"),
        (Unavailable::Faulted, 500, "faulted"),
        (Unavailable::RecordsBehind, 503, "records_behind"),
    ] {
        let response = answer(ASKED.send(SendError::Unavailable(unavailable.clone())));
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(header(&response, "retry-after"), Some("2"), "{code}");
        assert_eq!(
            document_of(ASKED.send(SendError::Unavailable(unavailable)))["code"],
            code
        );
    }
}

#[test]
fn a_callback_that_comes_too_early_says_when_to_bring_it_again() {
    let response = answer(Problem::callback_later(Duration::from_millis(2_500)));
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), Some("3"));
}

#[test]
fn only_a_message_in_doubt_is_settled_by_hand() {
    let message = didfarm_core::ids::Extent(1).message(1);
    let document = document_of(ASKED.operate(OperateError::NotInDoubt { message }));
    assert_eq!(
        (&document["status"], &document["code"]),
        (&json!(409), &json!("not_in_doubt"))
    );
}

#[test]
fn what_is_found_in_the_records_stays_inside() {
    let sentence = "page 7 of +31612345678 is torn".to_owned();
    let document = document_of(ASKED.read(ReadError::Damaged { sentence }));
    assert_eq!(document["code"], "internal");
    assert!(!document.to_string().contains("torn"));
}

#[test]
fn a_wrong_method_and_a_missing_key_carry_their_headers() {
    assert_eq!(
        header(&answer(Problem::method_not_allowed("GET, POST")), "allow"),
        Some("GET, POST")
    );
    assert_eq!(
        header(&answer(Problem::unauthorized("no")), "www-authenticate"),
        Some("Bearer")
    );
}

#[test]
fn long_text_of_the_caller_is_cut_at_a_character() {
    assert_eq!(echo("short"), "short");
    let cut = echo(&"é".repeat(ECHO_CHARS_MAX + 1)).into_owned();
    assert_eq!(cut.chars().count(), ECHO_CHARS_MAX + 1);
    assert!(cut.ends_with('…'));
}
