//! Submits to requests.

use std::sync::Arc;

use didfarm_carriers::Submit;
use didfarm_carriers::http::HttpProtocol;
use didfarm_carriers::whatsapp::{WhatsApp, WhatsAppSettings};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Media, Template};
use didfarm_core::ids::Extent;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::farm::{OURS, PEER, USER_ID, number, protocol, settings};

pub fn submit(body: &str, content: Option<Content>) -> Submit {
    Submit {
        message: Extent(77).message(3),
        from: number(OURS),
        to: Peer::Number(number(PEER.parse().unwrap())),
        channel: Channel::WhatsApp,
        body: Arc::from(body),
        segments: 1,
        content: content.map(Box::new),
        valid_until: Timestamp::ZERO,
        submit: 1,
    }
}

/// The body of the request that a submit makes.
fn sent(submit: &Submit) -> Result<Value, Reason> {
    let body = protocol().request(submit)?.into_body();
    let collecting = futures_util::FutureExt::now_or_never(body.collect());
    let bytes = collecting.unwrap().unwrap().to_bytes();
    Ok(serde_json::from_slice(&bytes).unwrap())
}

/// What every message has, with `to` as the peer.
fn with_frame(object: Value) -> Value {
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PEER,
        "biz_opaque_callback_data": Extent(77).message(3).to_string(),
    });
    body.as_object_mut()
        .unwrap()
        .extend(object.as_object().unwrap().clone());
    body
}

fn media(kind: ContentKind) -> Content {
    Content {
        media: vec![Media {
            url: Some("https://example.com/a.pdf".into()),
            filename: Some("a.pdf".into()),
            ..Media::default()
        }],
        ..Content::of(kind)
    }
}

fn template(components: &str) -> Content {
    Content {
        template: Some(Template {
            name: "order_confirmation".into(),
            language: "en_US".into(),
            components: components.into(),
        }),
        ..Content::of(ContentKind::Template)
    }
}

#[test]
fn a_request_goes_to_the_senders_id_with_the_token() {
    let request = protocol().request(&submit("hi", None)).unwrap();
    assert_eq!(request.method(), "POST");
    let address = "https://graph.facebook.com/v23.0/106540352242922/messages";
    assert_eq!(request.uri().to_string(), address);
    assert_eq!(request.headers()["authorization"], "Bearer token");
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(request.headers()["content-type"], "application/json");
}

#[test]
fn a_text_goes_to_a_number_without_its_plus() {
    let expected = with_frame(json!({
        "type": "text",
        "text": { "body": "hé \"you\"\n", "preview_url": false },
    }));
    assert_eq!(sent(&submit("hé \"you\"\n", None)), Ok(expected.clone()));
    let content = Content::of(ContentKind::Text);
    assert_eq!(sent(&submit("hé \"you\"\n", Some(content))), Ok(expected));
}

#[test]
fn a_peer_without_a_number_is_the_recipient() {
    let to = Peer::parse(USER_ID).unwrap();
    let body = sent(&Submit {
        to,
        ..submit("hi", None)
    })
    .unwrap();
    assert_eq!(
        (&body["recipient"], body.get("to")),
        (&json!(USER_ID), None)
    );
    let to = Peer::parse("MyBank").unwrap();
    let refused = sent(&Submit {
        to,
        ..submit("hi", None)
    });
    assert_eq!(refused, Err(Reason::InvalidDestination));
}

#[test]
fn a_template_has_its_components_as_they_were_given() {
    let components =
        r#"[{"type":"body","parameters":[{"type":"text","text":"Ada","parameter_name":"name"}]}]"#;
    let parsed: Value = serde_json::from_str(components).unwrap();
    let expected = |components: Option<Value>| {
        let mut template = json!({ "name": "order_confirmation", "language": { "code": "en_US" } });
        if let Some(components) = components {
            template["components"] = components;
        }
        with_frame(json!({ "type": "template", "template": template }))
    };
    let made = |components| {
        sent(&submit(
            "preview of the template",
            Some(template(components)),
        ))
    };
    assert_eq!(made(components), Ok(expected(Some(parsed))));
    assert_eq!(made("[]"), Ok(expected(None)));
    for broken in ["", "{}", "[", "7", "null"] {
        assert_eq!(made(broken), Err(Reason::Rejected), "{broken}");
    }
}

#[test]
fn media_go_by_their_link_with_the_body_as_caption() {
    let link = "https://example.com/a.pdf";
    for (kind, object) in [
        (
            ContentKind::Image,
            json!({ "link": link, "caption": "see" }),
        ),
        (
            ContentKind::Video,
            json!({ "link": link, "caption": "see" }),
        ),
        (
            ContentKind::Document,
            json!({ "link": link, "caption": "see", "filename": "a.pdf" }),
        ),
    ] {
        let word = kind.as_str();
        let expected = with_frame(json!({ "type": word, word: object }));
        assert_eq!(sent(&submit("see", Some(media(kind)))), Ok(expected));
    }
    for kind in [ContentKind::Image, ContentKind::Audio, ContentKind::Sticker] {
        let word = kind.as_str();
        let expected = with_frame(json!({ "type": word, word: { "link": link } }));
        assert_eq!(sent(&submit("", Some(media(kind)))), Ok(expected));
    }
}

#[test]
fn what_whatsapp_cannot_carry_whole_is_refused_and_not_cut_down() {
    let two = Content {
        media: vec![Media::default(), Media::default()],
        ..Content::of(ContentKind::Image)
    };
    let mut refused = vec![
        ("text beside sound", "hi", media(ContentKind::Audio)),
        ("text beside a sticker", "hi", media(ContentKind::Sticker)),
        ("media in a text", "hi", media(ContentKind::Text)),
        ("no media", "hi", Content::of(ContentKind::Image)),
        ("no template", "hi", Content::of(ContentKind::Template)),
        ("two media", "hi", two),
        (
            "no link",
            "hi",
            Content {
                media: vec![Media::default()],
                ..Content::of(ContentKind::Image)
            },
        ),
    ];
    for kind in [
        ContentKind::Location,
        ContentKind::Contacts,
        ContentKind::Interactive,
        ContentKind::Reaction,
        ContentKind::Order,
        ContentKind::Unsupported,
    ] {
        refused.push((kind.as_str(), "hi", Content::of(kind)));
    }
    for (what, body, content) in refused {
        assert_eq!(
            sent(&submit(body, Some(content))),
            Err(Reason::Rejected),
            "{what}"
        );
    }
}

#[test]
fn a_sender_without_an_id_is_refused_before_anything_is_sent() {
    let from = number(OURS + 1);
    let refused = sent(&Submit {
        from,
        ..submit("hi", None)
    });
    assert_eq!(refused, Err(Reason::Rejected));
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    type Change = fn(&mut WhatsAppSettings);
    let changed = |change: Change| {
        let mut settings = settings();
        change(&mut settings);
        WhatsApp::new(&settings)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(changed(|_| {}), None);
    let refused: [(&str, Change); 11] = [
        ("access_token", |settings| settings.access_token.clear()),
        ("access_token", |settings| settings.access_token.push('\n')),
        ("app_secret", |settings| settings.app_secret.clear()),
        ("verify_token", |settings| settings.verify_token.clear()),
        ("version", |settings| settings.version = "23".into()),
        ("version", |settings| settings.version = "v23.0/..".into()),
        ("numbers", |settings| settings.numbers[0].1 = "../1".into()),
        ("numbers", |settings| settings.numbers[0].1.clear()),
        ("numbers", |settings| settings.numbers[0].1 = "1".repeat(33)),
        ("numbers", |settings| {
            settings
                .numbers
                .push((number(1), settings.numbers[0].1.clone()))
        }),
        ("numbers", |settings| {
            settings.numbers.push((settings.numbers[0].0, "1".into()))
        }),
    ];
    for (setting, change) in refused {
        let said = changed(change).expect(setting);
        assert!(
            said.starts_with(setting) && !said.contains("token\n"),
            "{said}"
        );
    }
    let shown = format!("{:?}", settings());
    assert!(!shown.contains("app-secret") && !shown.contains("verify me"));
}
