//! Sending by Twilio: the form, what every answer means, and a real socket.

use std::sync::Arc;
use std::sync::mpsc::channel;

use didfarm_carriers::http::{HttpProtocol, HttpRequest, HttpSettings, HttpStartError};
use didfarm_carriers::twilio::{self, Twilio, VALIDITY_S_MAX};
use didfarm_carriers::{Carrier, Query, Receipt, Submit, SubmitAnswer};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Media, Template};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::call::NOW_S;
use crate::kit::{CARRIER, PATIENCE, Recorder, accepted, answer_all, serve, settings, sms};
use crate::telnyx_send::whole;
use crate::twilio_door::twilio_settings;

fn protocol() -> Twilio {
    Twilio::new(&twilio_settings(HttpSettings::new(
        CARRIER,
        "w",
        "https://api.example",
    )))
    .unwrap()
}

fn pairs(request: HttpRequest) -> Vec<(String, String)> {
    let body = futures_util::FutureExt::now_or_never(request.into_body().collect()).unwrap();
    form_urlencoded::parse(&body.unwrap().to_bytes())
        .into_owned()
        .collect()
}

fn sent(submit: &Submit) -> Vec<(String, String)> {
    pairs(protocol().request(submit).unwrap())
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn with(content: Content) -> Submit {
    Submit {
        channel: Channel::WhatsApp,
        content: Some(Box::new(content)),
        ..sms(1)
    }
}

fn template(name: &str, components: &str) -> Submit {
    with(Content {
        template: Some(Template {
            name: name.into(),
            language: "en_US".into(),
            components: components.into(),
        }),
        ..Content::of(ContentKind::Template)
    })
}

#[test]
fn a_text_is_sent_as_a_form_with_its_callback_and_validity() {
    let callback = format!("https://x.example/carriers/w/status/{}", MessageId(1));
    let validity = VALIDITY_S_MAX.to_string();
    let expected = [
        ("To", "+31612345678"),
        ("From", "+31970000000"),
        ("Body", "hello"),
        ("ValidityPeriod", &validity),
        ("StatusCallback", &callback),
    ];
    assert_eq!(
        sent(&sms(1)),
        expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

#[test]
fn the_validity_period_is_what_is_left_of_it() {
    let until = |after_ms: u64| Submit {
        valid_until: Timestamp(NOW_S * 1_000_000).plus_ms(after_ms),
        ..sms(1)
    };
    let period = |after_ms| {
        let pairs = sent(&until(after_ms));
        value(&pairs, "ValidityPeriod")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(period(1), 1);
    assert_eq!(period(90_999), 90);
    assert_eq!(period(36_000_000), VALIDITY_S_MAX);
    assert_eq!(period(36_001_000), VALIDITY_S_MAX);
    assert_eq!(protocol().request(&until(0)).unwrap_err(), Reason::Expired);
}

#[test]
fn whatsapp_addresses_have_their_prefix_and_media_their_links() {
    let mut content = Content::of(ContentKind::Image);
    content.media = ["https://m.example/1", "https://m.example/2"]
        .map(|url| Media {
            url: Some(url.into()),
            ..Media::default()
        })
        .to_vec();
    let pairs = sent(&with(content));
    assert_eq!(value(&pairs, "To"), Some("whatsapp:+31612345678"));
    assert_eq!(value(&pairs, "From"), Some("whatsapp:+31970000000"));
    let links: Vec<_> = pairs
        .iter()
        .filter(|(name, _)| name == "MediaUrl")
        .collect();
    assert_eq!(links.len(), 2);
    let user = Submit {
        channel: Channel::WhatsApp,
        to: Peer::parse("US.1349").unwrap(),
        ..sms(1)
    };
    assert_eq!(value(&sent(&user), "To"), Some("whatsapp:US.1349"));
}

#[test]
fn a_template_is_a_content_sid_with_numbered_variables() {
    let name = format!("HX{}", "a1".repeat(16));
    let components = r#"[{"type": "header", "parameters": [{"type": "text", "text": "Jo"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "7"}, {"type": "text", "text": "\"x\""}]}]"#;
    let pairs = sent(&template(&name, components));
    assert_eq!(value(&pairs, "ContentSid"), Some(&*name));
    let variables: Value =
        serde_json::from_str(value(&pairs, "ContentVariables").unwrap()).unwrap();
    assert_eq!(variables, json!({"1": "Jo", "2": "7", "3": "\"x\""}));
    assert_eq!(value(&pairs, "Body"), None);
    assert_eq!(
        value(&sent(&template(&name, "[]")), "ContentVariables"),
        None
    );
    for (name, components) in [
        ("hello_world", "[]"),
        (&*name, "{"),
        (
            &*name,
            r#"[{"type": "body", "parameters": [{"type": "image", "image": {}}]}]"#,
        ),
    ] {
        let refusal = protocol().request(&template(name, components)).unwrap_err();
        assert_eq!(refusal, Reason::Rejected);
    }
}

#[test]
fn what_twilio_cannot_carry_is_refused_before_anything_is_sent() {
    let to = |channel, name: &str| Submit {
        channel,
        to: Peer::parse(name).unwrap(),
        ..sms(1)
    };
    let refusal = |submit: &Submit| protocol().request(submit).unwrap_err();
    assert_eq!(
        refusal(&to(Channel::Sms, "US.1349")),
        Reason::InvalidDestination
    );
    assert_eq!(
        refusal(&to(Channel::WhatsApp, "MyBank")),
        Reason::InvalidDestination
    );
    assert_eq!(
        refusal(&with(Content::of(ContentKind::Location))),
        Reason::Rejected
    );
    let mut without_link = Content::of(ContentKind::Image);
    without_link.media.push(Media::default());
    assert_eq!(refusal(&with(without_link)), Reason::Rejected);
}

#[test]
fn the_account_stands_in_the_path_and_must_fit_there() {
    let request = protocol().request(&sms(1)).unwrap();
    assert_eq!(
        request.uri(),
        "https://api.example/2010-04-01/Accounts/AC123/Messages.json"
    );
    for account in ["", "../x", "AC 1"] {
        let mut settings = twilio_settings(HttpSettings::new(CARRIER, "w", "https://api.example"));
        settings.account_sid = account.to_owned();
        assert!(matches!(
            Twilio::new(&settings),
            Err(HttpStartError::Setting { .. })
        ));
    }
}

#[test]
fn answers_are_told_by_sid_code_and_status() {
    let coded = |code: u32| json!({"code": code, "message": "m", "more_info": "u", "status": 400});
    let taken = |status: &str, code: Value| json!({"sid": "SM1", "status": status, "error_code": code, "num_segments": "1"});
    let not_taken = |reason| SubmitAnswer::NotTaken(reason);
    let refused = |reason| SubmitAnswer::Refused(reason);
    let table = [
        (201, taken("queued", json!(null)), accepted("SM1")),
        (201, taken("accepted", json!(null)), accepted("SM1")),
        (200, json!({"sid": "SM1"}), accepted("SM1")),
        (201, taken("failed", json!(30_007)), refused(Reason::Spam)),
        (
            201,
            taken("failed", json!("30001")),
            refused(Reason::Throttled),
        ),
        (201, taken("failed", json!(null)), refused(Reason::Unknown)),
        (201, json!({}), SubmitAnswer::NoAnswer),
        (201, json!("ok"), SubmitAnswer::NoAnswer),
        (400, coded(21_211), refused(Reason::InvalidDestination)),
        (400, coded(21_610), refused(Reason::OptedOut)),
        (400, coded(63_016), refused(Reason::WindowClosed)),
        (400, coded(30_001), not_taken(Reason::Throttled)),
        (400, coded(1), refused(Reason::Rejected)),
        (400, json!("x"), refused(Reason::Rejected)),
        (401, coded(20_003), not_taken(Reason::CarrierError)),
        (403, json!({}), not_taken(Reason::CarrierError)),
        (404, coded(20_404), not_taken(Reason::CarrierError)),
        (429, coded(20_429), not_taken(Reason::Throttled)),
        (429, json!({}), not_taken(Reason::Throttled)),
        (500, coded(20_500), SubmitAnswer::NoAnswer),
        (503, coded(20_429), SubmitAnswer::NoAnswer),
        (502, json!({}), SubmitAnswer::NoAnswer),
    ];
    for (status, body, expected) in table {
        let answer = protocol().answer(&sms(1), &whole(status, &body));
        assert_eq!(answer, expected, "{status} {body}");
    }
}

#[test]
fn a_question_is_answered_by_the_message_that_was_asked_for() {
    let query = Query {
        message: MessageId(9),
        id: CarrierMessageId("SM1".into()),
        from: sms(1).from,
    };
    let protocol = protocol();
    let request = protocol.question(&query).unwrap();
    assert!(request.uri().path().ends_with("/AC123/Messages/SM1.json"));
    let of = |sid: &str| json!({"sid": sid, "status": "undelivered", "error_code": 30_003});
    let receipt = Receipt {
        message: Some(MessageId(9)),
        id: query.id.clone(),
        claim: Claim::Failed,
        reason: Some(Reason::Unreachable),
    };
    assert_eq!(
        protocol.learned(&query, &whole(200, &of("SM1"))),
        Some(receipt)
    );
    assert_eq!(protocol.learned(&query, &whole(200, &of("SM2"))), None);
    assert_eq!(protocol.learned(&query, &whole(404, &of("SM1"))), None);
    let elsewhere = Query {
        id: CarrierMessageId("../x".into()),
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
            (201, json!({"sid": "SM1", "status": "queued"}).to_string())
        });
    });
    let sink = Arc::new(Recorder::default());
    let mut settings = twilio_settings(settings("http", address));
    settings.api_key = Some(("SK1".to_owned(), "secret".to_owned()));
    settings.messaging_service_sid = Some("MG1".to_owned());
    let carrier = twilio::start(&settings, Arc::clone(&sink) as _).unwrap();
    carrier.submit(vec![sms(1)]);
    assert_eq!(sink.answer_of(1, 1), accepted("SM1"));
    let request = was_seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        request.line(),
        "POST /2010-04-01/Accounts/AC123/Messages.json HTTP/1.1"
    );
    // SK1:secret
    assert_eq!(
        request.header("authorization"),
        Some("Basic U0sxOnNlY3JldA==")
    );
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let pairs: Vec<_> = form_urlencoded::parse(request.body.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(value(&pairs, "MessagingServiceSid"), Some("MG1"));
    assert_eq!(value(&pairs, "From"), Some("+31970000000"));
    assert!(carrier.door().is_some());
}
