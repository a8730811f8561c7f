//! Responses to what is known of the message.

use didfarm_carriers::SubmitAnswer::{self, Accepted, NoAnswer, NotTaken, Refused};
use didfarm_carriers::http::{HttpAnswer, HttpProtocol};
use didfarm_carriers::whatsapp::REASONS;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::reason::Reason;
use http::StatusCode;
use serde_json::{Value, json};

use crate::farm::{PEER, WAMID, protocol};
use crate::requests::submit;

fn answer(status: u16, body: &str) -> SubmitAnswer {
    let answer = HttpAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: body.to_owned().into(),
    };
    protocol().answer(&submit("hi", None), &answer)
}

fn error(status: u16, code: impl Into<Value>) -> SubmitAnswer {
    let code: Value = code.into();
    let body = json!({ "error": {
        "message": "(#1) something",
        "type": "OAuthException",
        "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": "d" },
        "fbtrace_id": "Az8or2yhqkZfEZ",
    } });
    answer(status, &body.to_string())
}

#[test]
fn a_message_that_was_taken_has_its_id() {
    let body = json!({
        "messaging_product": "whatsapp",
        "contacts": [{ "input": PEER, "wa_id": PEER }],
        "messages": [{ "id": WAMID, "message_status": "accepted" }],
    });
    let taken = Accepted(vec![CarrierMessageId(WAMID.into())]);
    assert_eq!(answer(200, &body.to_string()), taken);
    let escaped = body.to_string().replace("HBgL", r"H\u0042gL");
    assert_eq!(answer(200, &escaped), taken);
    let held = body
        .to_string()
        .replace("accepted", "held_for_quality_assessment");
    assert_eq!(answer(200, &held), taken);
}

#[test]
fn a_success_without_an_id_leaves_the_message_in_doubt() {
    let long = "w".repeat(CarrierMessageId::BYTES_MAX + 1);
    for body in [
        "",
        "{}",
        "<html>",
        r#"{"success":true}"#,
        r#"{"messages":[]}"#,
        r#"{"messages":[{}]}"#,
        r#"{"messages":[{"id":7}]}"#,
        r#"{"messages":[{"id":""}]}"#,
        &format!(r#"{{"messages":[{{"id":"{long}"}}]}}"#),
    ] {
        assert_eq!(answer(200, body), NoAnswer, "{body}");
    }
}

#[test]
fn every_class_of_error_has_its_answer() {
    for (status, code, expected) in [
        (400, 131_047, Refused(Reason::WindowClosed)),
        (400, 131_026, Refused(Reason::Unreachable)),
        (400, 131_050, Refused(Reason::OptedOut)),
        (400, 131_048, Refused(Reason::Spam)),
        (400, 131_021, Refused(Reason::InvalidDestination)),
        (403, 368, Refused(Reason::Blocked)),
        (403, 130_497, Refused(Reason::Blocked)),
        (400, 100, Refused(Reason::Rejected)),
        (404, 132_001, Refused(Reason::Rejected)),
        (400, 131_056, NotTaken(Reason::Throttled)),
        (429, 130_429, NotTaken(Reason::Throttled)),
        (400, 80_007, NotTaken(Reason::Throttled)),
        (400, 4, NotTaken(Reason::Throttled)),
        (401, 0, NotTaken(Reason::CarrierError)),
        (401, 190, NotTaken(Reason::CarrierError)),
        (500, 3, NotTaken(Reason::CarrierError)),
        (403, 10, NotTaken(Reason::CarrierError)),
        (403, 200, NotTaken(Reason::CarrierError)),
        (403, 299, NotTaken(Reason::CarrierError)),
        (400, 131_042, NotTaken(Reason::CarrierError)),
    ] {
        assert_eq!(error(status, code), expected, "{status} {code}");
    }
}

#[test]
fn a_known_code_says_the_same_with_every_status_but_where_it_is_unsure() {
    for row in REASONS {
        for status in [200, 400, 401, 403, 404, 408, 429] {
            assert_eq!(
                error(status, row.code),
                row.answer(),
                "{status} {}",
                row.code
            );
        }
        for status in [500, 502, 503, 504] {
            let expected = if row.code == 1 {
                NoAnswer
            } else {
                row.answer()
            };
            assert_eq!(error(status, row.code), expected, "{status} {}", row.code);
        }
    }
}

#[test]
fn an_unknown_code_is_a_refusal_only_where_the_status_is_one() {
    assert_eq!(error(400, 131_999), Refused(Reason::Rejected));
    assert_eq!(error(403, 131_999), NotTaken(Reason::CarrierError));
    assert_eq!(error(429, 131_999), NotTaken(Reason::Throttled));
    assert_eq!(error(400, -3), Refused(Reason::Rejected));
    for status in [500, 502, 503, 504] {
        assert_eq!(error(status, 131_999), NoAnswer, "{status}");
    }
    let transient = r#"{"error":{"code":131999,"is_transient":true}}"#;
    assert_eq!(answer(400, transient), NotTaken(Reason::CarrierError));
    assert_eq!(answer(500, transient), NoAnswer);
}

#[test]
fn a_fault_on_the_way_leaves_the_message_in_doubt() {
    let no_code = json!({ "error": { "message": "?" } }).to_string();
    for body in [
        "",
        "<html>Bad Gateway</html>",
        "{}",
        r#"{"error":"x"}"#,
        &no_code,
    ] {
        for status in [500, 502, 503, 504] {
            assert_eq!(answer(status, body), NoAnswer, "{status} {body}");
        }
    }
    assert_eq!(error(500, json!({})), NoAnswer);
    assert_eq!(error(503, "2"), NotTaken(Reason::CarrierError));
}
