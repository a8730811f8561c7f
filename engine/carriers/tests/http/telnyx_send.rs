//! Sending by Telnyx: the request, what every answer means, and a real socket.

use std::sync::Arc;
use std::sync::mpsc::channel;

use didfarm_carriers::http::{HttpAnswer, HttpProtocol, HttpSettings};
use didfarm_carriers::telnyx::{self, Telnyx};
use didfarm_carriers::{Abilities, Carrier, Query, Receipt, Submit, SubmitAnswer};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Media};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::kit::{CARRIER, PATIENCE, Recorder, accepted, answer_all, serve, settings, sms};
use crate::telnyx_door::telnyx_settings;

fn protocol() -> Telnyx {
    Telnyx::new(&telnyx_settings(HttpSettings::new(
        CARRIER,
        "t",
        "https://api.example/",
    )))
    .unwrap()
}

pub fn whole(status: u16, body: &Value) -> HttpAnswer {
    HttpAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: body.to_string().into(),
    }
}

fn answer(status: u16, body: &Value) -> SubmitAnswer {
    protocol().answer(&sms(1), &whole(status, body))
}

fn sent(submit: &Submit, protocol: &Telnyx) -> Value {
    let body = protocol.request(submit).unwrap().into_body();
    let body = futures_util::FutureExt::now_or_never(body.collect())
        .unwrap()
        .unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

fn with_media(kind: ContentKind, urls: &[Option<&str>]) -> Submit {
    let mut content = Content::of(kind);
    content.media = urls
        .iter()
        .map(|url| Media {
            url: url.map(Into::into),
            ..Media::default()
        })
        .collect();
    Submit {
        content: Some(Box::new(content)),
        ..sms(1)
    }
}

#[test]
fn a_text_is_sent_with_both_webhooks_naming_the_message() {
    let webhook = format!("https://x.example/carriers/t/status/{}", MessageId(1));
    let expected = json!({"from": "+31970000000", "to": "+31612345678", "text": "hello", "type": "SMS",
        "webhook_url": webhook, "webhook_failover_url": webhook, "use_profile_webhooks": false});
    assert_eq!(sent(&sms(1), &protocol()), expected);
    let request = protocol().request(&sms(1)).unwrap();
    assert_eq!(request.uri(), "https://api.example/v2/messages");
    assert!(request.headers()["authorization"].is_sensitive());
    let mut settings = telnyx_settings(HttpSettings::new(CARRIER, "t", "https://api.example"));
    settings.messaging_profile_id = Some("p1".to_owned());
    let with_profile = sent(&sms(1), &Telnyx::new(&settings).unwrap());
    assert_eq!(with_profile["messaging_profile_id"], "p1");
}

#[test]
fn media_make_it_an_mms() {
    let submit = with_media(ContentKind::Image, &[Some("https://m.example/1.jpg")]);
    let body = sent(&submit, &protocol());
    assert_eq!(body["type"], "MMS");
    assert_eq!(body["media_urls"], json!(["https://m.example/1.jpg"]));
}

#[test]
fn what_an_sms_cannot_be_is_refused_before_anything_is_sent() {
    let to_name = Submit {
        to: Peer::parse("MyBank").unwrap(),
        ..sms(1)
    };
    let whatsapp = Submit {
        channel: Channel::WhatsApp,
        ..sms(1)
    };
    for submit in [
        to_name,
        whatsapp,
        with_media(ContentKind::Template, &[]),
        with_media(ContentKind::Location, &[]),
        with_media(ContentKind::Image, &[None]),
    ] {
        assert_eq!(protocol().request(&submit).unwrap_err(), Reason::Rejected);
    }
}

#[test]
fn a_message_that_telnyx_took_is_accepted_under_its_id() {
    let body = json!({"data": {"id": "m1", "to": [{"status": "queued"}], "errors": []}});
    assert_eq!(answer(200, &body), accepted("m1"));
    assert_eq!(answer(200, &json!({"data": {"id": "m1"}})), accepted("m1"));
    for unknown in [
        json!({}),
        json!({"data": {}}),
        json!({"data": {"id": 5}}),
        json!("ok"),
    ] {
        assert_eq!(answer(200, &unknown), SubmitAnswer::NoAnswer, "{unknown}");
    }
}

#[test]
fn a_message_that_failed_in_the_answer_is_refused_even_where_its_code_could_be_tried_again() {
    let failed = |status: &str, code: &str| json!({"data": {"id": "m1", "to": [{"status": status}], "errors": [{"code": code}]}});
    let refused = |reason| SubmitAnswer::Refused(reason);
    assert_eq!(
        answer(200, &failed("sending_failed", "40300")),
        refused(Reason::OptedOut)
    );
    assert_eq!(
        answer(200, &failed("sending_failed", "40006")),
        refused(Reason::Unreachable)
    );
    assert_eq!(
        answer(200, &failed("delivery_failed", "1")),
        refused(Reason::Unknown)
    );
    assert_eq!(
        answer(200, &failed("expired", "1")),
        refused(Reason::Expired)
    );
}

#[test]
fn errors_are_told_by_code_and_then_by_status() {
    let coded = |code: &str| json!({"errors": [{"code": code, "title": "t", "detail": "d"}]});
    let nothing = json!({});
    let not_taken = |reason| SubmitAnswer::NotTaken(reason);
    let refused = |reason| SubmitAnswer::Refused(reason);
    let table = [
        (400, coded("40310"), refused(Reason::InvalidDestination)),
        (403, coded("40300"), refused(Reason::OptedOut)),
        (422, coded("40318"), not_taken(Reason::Throttled)),
        (422, coded("99999"), refused(Reason::Rejected)),
        (400, nothing.clone(), refused(Reason::Rejected)),
        (401, coded("10009"), not_taken(Reason::CarrierError)),
        (401, nothing.clone(), not_taken(Reason::CarrierError)),
        (403, coded("10010"), not_taken(Reason::CarrierError)),
        (404, nothing.clone(), not_taken(Reason::CarrierError)),
        (429, coded("10011"), not_taken(Reason::Throttled)),
        (429, nothing.clone(), not_taken(Reason::Throttled)),
        (408, coded("10008"), SubmitAnswer::NoAnswer),
        (400, coded("10008"), SubmitAnswer::NoAnswer),
        (503, coded("10007"), not_taken(Reason::CarrierError)),
        (503, coded("10008"), SubmitAnswer::NoAnswer),
        (503, nothing.clone(), SubmitAnswer::NoAnswer),
        (503, json!({"errors": []}), SubmitAnswer::NoAnswer),
        (500, coded("10007"), SubmitAnswer::NoAnswer),
        (500, coded("40310"), SubmitAnswer::NoAnswer),
        (502, nothing.clone(), SubmitAnswer::NoAnswer),
        (504, nothing, SubmitAnswer::NoAnswer),
    ];
    for (status, body, expected) in table {
        assert_eq!(answer(status, &body), expected, "{status} {body}");
    }
}

#[test]
fn a_question_is_answered_by_the_message_that_was_asked_for() {
    let query = Query {
        message: MessageId(9),
        id: CarrierMessageId("m-1".into()),
        from: sms(1).from,
    };
    let protocol = protocol();
    let request = protocol.question(&query).unwrap();
    assert_eq!(request.uri(), "https://api.example/v2/messages/m-1");
    let of = |id: &str| json!({"data": {"id": id, "to": [{"status": "delivered"}]}});
    let receipt = Receipt {
        message: Some(MessageId(9)),
        id: query.id.clone(),
        claim: Claim::Delivered,
        reason: None,
    };
    assert_eq!(
        protocol.learned(&query, &whole(200, &of("m-1"))),
        Some(receipt)
    );
    assert_eq!(protocol.learned(&query, &whole(200, &of("m-2"))), None);
    assert_eq!(protocol.learned(&query, &whole(404, &of("m-1"))), None);
    let elsewhere = Query {
        id: CarrierMessageId("../secrets".into()),
        ..query
    };
    assert!(protocol.question(&elsewhere).is_none());
}

#[test]
fn a_message_goes_over_a_real_socket() {
    let (seen, was_seen) = channel();
    let address = serve(move |_, stream| {
        answer_all(stream, |request| {
            seen.send(request.clone()).unwrap();
            (
                200,
                json!({"data": {"id": "m1", "to": [{"status": "queued"}]}}).to_string(),
            )
        });
    });
    let sink = Arc::new(Recorder::default());
    let carrier = telnyx::start(
        &telnyx_settings(settings("http", address)),
        Arc::clone(&sink) as _,
    )
    .unwrap();
    carrier.submit(vec![sms(1)]);
    assert_eq!(sink.answer_of(1, 1), accepted("m1"));
    let request = was_seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.line(), "POST /v2/messages HTTP/1.1");
    assert_eq!(request.header("authorization"), Some("Bearer KEY123"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("host"), Some(address.to_string().as_str()));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["to"], "+31612345678");
    let abilities = Abilities {
        names_messages: true,
        one_id: true,
        queries: true,
    };
    assert_eq!((carrier.id(), carrier.name()), (CARRIER, "test"));
    assert_eq!(carrier.abilities(), abilities);
    assert!(carrier.door().is_some());
}
