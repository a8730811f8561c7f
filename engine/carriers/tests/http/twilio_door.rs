//! Twilio's callbacks: signatures by the SDK's own vectors, and every status.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use didfarm_carriers::Receipt;
use didfarm_carriers::callback::{Callback, CallbackDoor, NotGenuine};
use didfarm_carriers::http::{HttpProtocol, HttpSettings};
use didfarm_carriers::twilio::{PARAMETERS_MAX, Twilio, TwilioSettings};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use form_urlencoded::Serializer;
use hmac::{Hmac, KeyInit, Mac};

use crate::call::{Call, NOW_S};
use crate::kit::CARRIER;

pub const URL: &str = "https://x.example/carriers/w";
const MESSAGE: MessageId = MessageId(77 << 16 | 3);
pub const SID: &str = "SM1234567890abcdef1234567890abcdef";

pub fn twilio_settings(http: HttpSettings) -> TwilioSettings {
    TwilioSettings {
        http,
        account_sid: "AC123".to_owned(),
        auth_token: "12345".to_owned(),
        api_key: None,
        messaging_service_sid: None,
        callback_url: URL.to_owned(),
        clock: Arc::new(|| Timestamp(NOW_S * 1_000_000)),
    }
}

pub fn door_at(url: &str) -> Arc<dyn CallbackDoor> {
    let mut settings = twilio_settings(HttpSettings::new(CARRIER, "w", "https://api.example"));
    settings.callback_url = url.to_owned();
    Twilio::new(&settings).unwrap().door().unwrap()
}

fn form(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub fn call(path_and_query: &str, tail: &str, body: String, signature: &str) -> Call {
    Call {
        tail: tail.to_owned(),
        path_and_query: path_and_query.to_owned(),
        headers: vec![
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8".to_owned(),
            ),
            ("x-twilio-signature", signature.to_owned()),
        ],
        body: body.into_bytes(),
        now_s: NOW_S,
    }
}

/// Signs as Twilio documents it, on its own: the address, then the parameters, which come here sorted.
fn sign(address: &str, pairs: &[(&str, &str)]) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"12345").unwrap();
    mac.update(address.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

const VECTOR_PATH: &str = "/myapp.php?foo=1&bar=2";
const VECTOR: [(&str, &str); 5] = [
    ("To", "+18005551212"),
    ("CallSid", "CA1234567890ABCDE"),
    ("From", "+14158675310"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
];

#[test]
fn the_signature_of_the_sdks_vector_is_genuine_with_and_without_the_port() {
    for url in [
        "https://mycompany.com/myapp.php",
        "https://mycompany.com:443/myapp.php",
    ] {
        for signature in [
            "GvWf1cFY/Q7PnoempGyD5oXAezc=",
            "5s2PFy0qmPcZucb4eH4b08ZJtL0=",
        ] {
            let call = call(VECTOR_PATH, "", form(&VECTOR), signature);
            assert_eq!(call.verify(&*door_at(url)), Ok(()), "{url} {signature}");
        }
    }
}

#[test]
fn a_parameter_that_comes_again_is_signed_as_the_sdk_signs_it() {
    let pairs = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ];
    let call = call(
        VECTOR_PATH,
        "",
        form(&pairs),
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    );
    let door = door_at("https://mycompany.com/myapp.php");
    assert_eq!(call.verify(&*door), Ok(()));
}

#[test]
fn a_json_body_is_bound_by_its_hash_in_the_signed_address() {
    let body = r#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let path = format!("{VECTOR_PATH}&bodySHA256={hash}");
    let door = door_at("https://mycompany.com/myapp.php");
    let mut genuine = call(&path, "", body.to_owned(), "a9nBmqA0ju/hNViExpshrM61xv4=");
    genuine.set_header("content-type", "application/json; charset=utf-8");
    assert_eq!(genuine.verify(&*door), Ok(()));
    let mut changed = genuine.clone();
    changed.body.push(b' ');
    assert_eq!(changed.verify(&*door), Err(NotGenuine));
    let mut without_hash = genuine.clone();
    without_hash.path_and_query = VECTOR_PATH.to_owned();
    without_hash.set_header(
        "x-twilio-signature",
        &sign("https://mycompany.com/myapp.php?foo=1&bar=2", &[]),
    );
    assert_eq!(without_hash.verify(&*door), Err(NotGenuine));
}

#[test]
fn whatever_is_changed_in_a_callback_makes_it_no_longer_genuine() {
    let door = door_at("https://mycompany.com/myapp.php");
    let genuine = call(
        VECTOR_PATH,
        "",
        form(&VECTOR),
        "GvWf1cFY/Q7PnoempGyD5oXAezc=",
    );
    let changes: [&dyn Fn(&mut Call); 8] = [
        &|call| call.body.extend_from_slice(b"&x=1"),
        &|call| call.body.clear(),
        &|call| call.path_and_query.push('3'),
        &|call| call.path_and_query.truncate("/myapp.php".len()),
        &|call| call.tail.push_str("/status/msg_00000000001"),
        &|call| call.set_header("x-twilio-signature", "AAAA"),
        &|call| call.set_header("x-twilio-signature", "!"),
        &|call| call.headers.clear(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut call = genuine.clone();
        change(&mut call);
        assert_eq!(call.verify(&*door), Err(NotGenuine), "change {number}");
    }
    let elsewhere = door_at("https://mycompany.org/myapp.php");
    assert_eq!(genuine.verify(&*elsewhere), Err(NotGenuine));
}

#[test]
fn the_tail_is_part_of_what_is_signed() {
    let tail = format!("/status/{MESSAGE}");
    let pairs = [("MessageSid", SID), ("MessageStatus", "sent")];
    let signature = sign(&format!("{URL}{tail}"), &pairs);
    let path = format!("/carriers/w{tail}");
    let call = call(&path, &tail, form(&pairs), &signature);
    assert_eq!(call.verify(&*door_at(URL)), Ok(()));
}

#[test]
fn a_form_of_too_many_parameters_is_refused_before_it_is_sorted() {
    let door = door_at(URL);
    let many = |count: usize| "a=&".repeat(count);
    // Equal pairs are signed once.
    let fits = call(
        "/carriers/w",
        "",
        many(PARAMETERS_MAX),
        &sign(URL, &[("a", "")]),
    );
    assert_eq!(fits.verify(&*door), Ok(()));
    let over = call(
        "/carriers/w",
        "",
        many(PARAMETERS_MAX + 1),
        &sign(URL, &[("a", "")]),
    );
    assert_eq!(over.verify(&*door), Err(NotGenuine));
    assert!(over.read(&*door).is_err());
}

pub fn read_at(tail: &str, pairs: &[(&str, &str)]) -> Callback {
    let call = call("/carriers/w", tail, form(pairs), "");
    call.read(&*door_at(URL)).unwrap()
}

#[test]
fn every_status_claims_what_the_table_says() {
    let receipt = |claim, reason| {
        Some(Receipt {
            message: Some(MESSAGE),
            id: CarrierMessageId(SID.into()),
            claim,
            reason,
        })
    };
    let failed = |reason| receipt(Claim::Failed, Some(reason));
    let table = [
        ("accepted", "", None),
        ("scheduled", "", None),
        ("queued", "", None),
        ("sending", "", None),
        ("what_comes_next", "", None),
        ("sent", "", receipt(Claim::EnRoute, None)),
        ("partially_delivered", "", receipt(Claim::EnRoute, None)),
        ("delivered", "", receipt(Claim::Delivered, None)),
        ("read", "", receipt(Claim::Read, None)),
        ("undelivered", "30003", failed(Reason::Unreachable)),
        ("undelivered", "30007", failed(Reason::Spam)),
        ("failed", "21610", failed(Reason::OptedOut)),
        ("failed", "63016", failed(Reason::WindowClosed)),
        ("failed", "99999", failed(Reason::Unknown)),
        ("failed", "x", failed(Reason::Unknown)),
        ("failed", "", failed(Reason::Unknown)),
        ("canceled", "", failed(Reason::Rejected)),
    ];
    for (status, code, expected) in table {
        let pairs = [
            ("MessageSid", SID),
            ("MessageStatus", status),
            ("SmsStatus", status),
            ("ErrorCode", code),
            ("ParameterOfTomorrow", "1"),
        ];
        let callback = read_at(&format!("/status/{MESSAGE}"), &pairs);
        assert_eq!(callback.ignored, u32::from(expected.is_none()), "{status}");
        assert_eq!(
            callback.receipts,
            Vec::from_iter(expected),
            "{status} {code}"
        );
        assert_eq!((callback.malformed, callback.inbound.len()), (0, 0));
    }
}

#[test]
fn a_status_without_our_id_in_its_address_names_no_message() {
    let pairs = [("SmsSid", SID), ("SmsStatus", "delivered")];
    for tail in [
        "",
        "/status/",
        "/status/77",
        "/status/msg_!",
        "/else/msg_00000000001",
    ] {
        let callback = read_at(tail, &pairs);
        assert_eq!(callback.receipts[0].message, None, "{tail}");
        assert_eq!(&*callback.receipts[0].id.0, SID);
    }
    assert_eq!(read_at("", &[("MessageStatus", "sent")]).malformed, 1);
}
