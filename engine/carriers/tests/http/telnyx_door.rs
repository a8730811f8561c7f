//! Telnyx's webhooks: signatures, and every status.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use didfarm_carriers::Receipt;
use didfarm_carriers::callback::{Callback, CallbackDoor, NotGenuine};
use didfarm_carriers::http::{HttpProtocol, HttpSettings, HttpStartError};
use didfarm_carriers::telnyx::{TOLERANCE, Telnyx, TelnyxSettings};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::call::{Call, NOW_S};
use crate::kit::CARRIER;

/// The secret key 00 01 … 1f, and its public key as OpenSSL prints it.
const PUBLIC_KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const MESSAGE: MessageId = MessageId(77 << 16 | 3);
pub const SID: &str = "40385f64-5717-4562-b3fc-2c963f66afa6";

fn secret_key() -> SigningKey {
    SigningKey::from_bytes(&std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

pub fn telnyx_settings(http: HttpSettings) -> TelnyxSettings {
    TelnyxSettings {
        http,
        api_key: "KEY123".to_owned(),
        public_key: PUBLIC_KEY.to_owned(),
        messaging_profile_id: None,
        callback_url: "https://x.example/carriers/t".to_owned(),
        tolerance: TOLERANCE,
    }
}

pub fn door() -> Arc<dyn CallbackDoor> {
    let http = HttpSettings::new(CARRIER, "t", "https://api.example");
    Telnyx::new(&telnyx_settings(http)).unwrap().door().unwrap()
}

pub fn signed(body: impl Into<Vec<u8>>, at_s: i64) -> Call {
    let body = body.into();
    let text = [at_s.to_string().as_bytes(), b"|", &body].concat();
    let signature = secret_key().sign(&text);
    Call {
        tail: String::new(),
        path_and_query: "/carriers/t".to_owned(),
        headers: vec![
            ("telnyx-timestamp", at_s.to_string()),
            (
                "telnyx-signature-ed25519",
                STANDARD.encode(signature.to_bytes()),
            ),
        ],
        body,
        now_s: NOW_S,
    }
}

pub fn read(body: &Value) -> Callback {
    let call = signed(body.to_string(), NOW_S);
    call.verify(&*door()).unwrap();
    call.read(&*door()).unwrap()
}

pub fn event(kind: &str, payload: &Value) -> Value {
    json!({"data": {"event_type": kind, "id": "e1", "record_type": "event",
        "occurred_at": "2026-01-01T00:00:00Z", "payload": payload}, "meta": {"attempt": 1}})
}

fn status(status: &str, errors: &Value) -> Value {
    let to = json!([{"phone_number": "+31612345678", "status": status, "carrier": "K"}]);
    let url = format!("https://x.example/carriers/t/status/{MESSAGE}");
    event(
        "message.finalized",
        &json!({"id": SID, "direction": "outbound", "to": to, "errors": errors,
            "webhook_url": url, "cost": {"amount": "0.0051", "currency": "USD"}}),
    )
}

fn receipt(claim: Claim, reason: Option<Reason>) -> Receipt {
    Receipt {
        message: Some(MESSAGE),
        id: CarrierMessageId(SID.into()),
        claim,
        reason,
    }
}

#[test]
fn a_signature_made_by_openssl_is_genuine() {
    let signature =
        "3yyje1ZN1yqmNtQ4xiKrxiiMv7zSVCbcI0FMgYMvPJK71LQTkpHw6A2yJHraTWdHvl05xt/OE+AWBV4L7CsCAw==";
    let mut call = signed(*br#"{"data":{"event_type":"message.sent"}}"#, 1_700_000_000);
    call.set_header("telnyx-signature-ed25519", signature);
    assert_eq!(call.verify(&*door()), Ok(()));
}

#[test]
fn a_webhook_is_genuine_within_the_tolerance_in_both_directions() {
    for (off_s, genuine) in [
        (0, true),
        (300, true),
        (-300, true),
        (301, false),
        (-301, false),
    ] {
        let verdict = signed("{}", NOW_S + off_s).verify(&*door());
        assert_eq!(verdict.is_ok(), genuine, "{off_s}");
    }
}

#[test]
fn whatever_is_changed_in_a_webhook_makes_it_no_longer_genuine() {
    let genuine = signed("{\"a\":1}", NOW_S);
    assert_eq!(genuine.verify(&*door()), Ok(()));
    let other_key = SigningKey::from_bytes(&[9; 32]).sign(b"1700000000|{\"a\":1}");
    let other_key = STANDARD.encode(other_key.to_bytes());
    let changes: [&dyn Fn(&mut Call); 9] = [
        &|call| call.body.push(b' '),
        &|call| call.body.clear(),
        &|call| call.set_header("telnyx-timestamp", "1700000001"),
        &|call| call.set_header("telnyx-timestamp", "+1700000000"),
        &|call| call.set_header("telnyx-timestamp", "x"),
        &|call| call.set_header("telnyx-signature-ed25519", &other_key),
        &|call| call.set_header("telnyx-signature-ed25519", "AAAA"),
        &|call| call.set_header("telnyx-signature-ed25519", "!"),
        &|call| call.headers.clear(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut call = genuine.clone();
        change(&mut call);
        assert_eq!(call.verify(&*door()), Err(NotGenuine), "change {number}");
    }
}

#[test]
fn a_public_key_that_is_none_is_refused_at_the_start() {
    let weak = STANDARD.encode([0; 32]);
    for key in ["", "!", "AAAA", &weak] {
        let mut settings = telnyx_settings(HttpSettings::new(CARRIER, "t", "https://a.b"));
        settings.public_key = key.to_owned();
        assert!(
            matches!(
                Telnyx::new(&settings),
                Err(HttpStartError::Setting {
                    setting: "public_key",
                    ..
                })
            ),
            "{key}"
        );
    }
    assert_eq!(TOLERANCE, Duration::from_secs(300));
}

#[test]
fn every_status_claims_what_the_table_says() {
    let claims = [
        ("queued", None),
        ("sending", None),
        ("whatever_comes_next", None),
        ("sent", Some(receipt(Claim::EnRoute, None))),
        ("delivery_unconfirmed", Some(receipt(Claim::EnRoute, None))),
        ("delivered", Some(receipt(Claim::Delivered, None))),
        ("read", Some(receipt(Claim::Read, None))),
        (
            "sending_failed",
            Some(receipt(Claim::Failed, Some(Reason::Unknown))),
        ),
        (
            "delivery_failed",
            Some(receipt(Claim::Failed, Some(Reason::Unknown))),
        ),
        (
            "expired",
            Some(receipt(Claim::Failed, Some(Reason::Expired))),
        ),
    ];
    for (word, expected) in claims {
        let callback = read(&status(word, &json!([])));
        assert_eq!(callback.ignored, u32::from(expected.is_none()), "{word}");
        assert_eq!(callback.malformed, 0);
        assert_eq!(callback.receipts, Vec::from_iter(expected), "{word}");
    }
}

#[test]
fn a_failure_has_the_reason_of_its_first_known_code() {
    let reasons = [
        (
            json!([{"code": "40300", "title": "Blocked"}]),
            Reason::OptedOut,
        ),
        (json!([{"code": 40_001}]), Reason::InvalidDestination),
        (
            json!([{"title": "no code"}, 5, {"code": "99999"}, {"code": "40002"}]),
            Reason::Spam,
        ),
        (json!([{"code": "99999"}]), Reason::Unknown),
        (json!("not a list"), Reason::Unknown),
        (json!(null), Reason::Unknown),
    ];
    for (errors, reason) in reasons {
        let callback = read(&status("delivery_failed", &errors));
        assert_eq!(
            callback.receipts,
            [receipt(Claim::Failed, Some(reason))],
            "{errors}"
        );
    }
}

#[test]
fn the_signed_address_names_the_message_and_the_tail_never_does() {
    let other = MessageId(5 << 16 | 1);
    let read_at = |body: &Value, tail: String| {
        let mut call = signed(body.to_string(), NOW_S);
        call.tail = tail;
        call.read(&*door()).unwrap().receipts[0].message
    };
    let mut body = status("sent", &json!([]));
    assert_eq!(read_at(&body, format!("/status/{other}")), Some(MESSAGE));
    for unreadable in [json!(null), json!(7), json!("https://x.example/else")] {
        body["data"]["payload"]["webhook_url"] = unreadable;
        assert_eq!(read_at(&body, format!("/status/{other}")), None);
        assert_eq!(read_at(&body, "/status/12345".to_owned()), None);
        assert_eq!(read_at(&body, String::new()), None);
    }
}

#[test]
fn a_bad_recipient_leaves_the_others_alone() {
    let to = json!([7, {"status": 5}, {"phone_number": "+1"}, {"status": "sent"}, {"status": "queued"},
        {"status": "delivered"}]);
    let callback = read(&event("message.sent", &json!({"id": SID, "to": to})));
    let claims: Vec<Claim> = callback
        .receipts
        .iter()
        .map(|receipt| receipt.claim)
        .collect();
    assert_eq!(claims, [Claim::EnRoute, Claim::Delivered]);
    assert_eq!((callback.malformed, callback.ignored), (3, 1));
}
