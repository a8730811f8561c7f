//! Messages from peers by Telnyx, and webhooks of every unexpected shape.

use didfarm_carriers::callback::{BODY_BYTES_MAX, Inbound};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Media};
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::peer::Peer;
use serde_json::{Value, json};

use crate::call::NOW_S;
use crate::telnyx_door::{SID, door, event, read, signed};

fn received(more: &Value) -> Value {
    let mut payload = json!({"id": SID, "direction": "inbound", "type": "SMS", "text": "Hëllo",
        "from": {"phone_number": "+31612345678", "carrier": "K", "line_type": "Wireless"},
        "to": [{"phone_number": "+31970000000", "status": "webhook_delivered"}], "media": []});
    payload
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    event("message.received", &payload)
}

fn hello() -> Inbound {
    Inbound {
        id: Some(CarrierMessageId(SID.into())),
        from: Peer::parse("+31612345678").unwrap(),
        alias: None,
        to: E164::from_digits(31_970_000_000).unwrap(),
        channel: Channel::Sms,
        body: "Hëllo".into(),
        content: None,
    }
}

#[test]
fn an_inbound_sms_is_read() {
    let callback = read(&received(&json!({})));
    assert_eq!(callback.inbound, [hello()]);
    assert_eq!(
        (callback.malformed, callback.ignored, callback.weight()),
        (0, 0, 1)
    );
}

#[test]
fn the_media_of_an_mms_are_kept() {
    let media = json!([
        {"url": "https://m.example/1.jpg", "content_type": "image/jpeg", "size": 102, "hash_sha256": "ab"},
        {"url": "https://m.example/2.png", "content_type": null, "size": null, "sha256": null},
        {"content_type": "image/png"}, 7]);
    let callback = read(&received(
        &json!({"type": "MMS", "text": null, "media": media}),
    ));
    let url = |url: &str| Some(url.into());
    let content = Content {
        media: vec![
            Media {
                url: url("https://m.example/1.jpg"),
                content_type: Some("image/jpeg".into()),
                bytes: Some(102),
                sha256: Some("ab".into()),
                ..Media::default()
            },
            Media {
                url: url("https://m.example/2.png"),
                ..Media::default()
            },
        ],
        ..Content::of(ContentKind::Text)
    };
    let expected = Inbound {
        body: "".into(),
        content: Some(Box::new(content)),
        ..hello()
    };
    assert_eq!(callback.inbound, [expected]);
    assert_eq!(callback.malformed, 2);
}

#[test]
fn our_number_is_the_recipient_that_the_webhook_was_delivered_for() {
    let to = json!([{"phone_number": "+3112", "status": "delivered"}, 7,
        {"phone_number": "+31970000000", "status": "webhook_delivered"}]);
    assert_eq!(read(&received(&json!({"to": to}))).inbound, [hello()]);
    let to =
        json!([{"phone_number": "+31970000000", "status": "delivered"}, {"phone_number": "+3112"}]);
    assert_eq!(read(&received(&json!({"to": to}))).inbound, [hello()]);
}

#[test]
fn senders_by_name_and_by_short_code_are_read() {
    for (sender, peer) in [("MyBank", "MyBank"), ("12345", "+12345")] {
        let callback = read(&received(&json!({"from": {"phone_number": sender}})));
        assert_eq!(callback.inbound[0].from, Peer::parse(peer).unwrap());
    }
}

#[test]
fn an_inbound_message_without_what_it_needs_is_counted() {
    for broken in [
        json!({"id": null}),
        json!({"id": ""}),
        json!({"id": "x".repeat(129)}),
        json!({"from": null}),
        json!({"from": {"phone_number": "+"}}),
        json!({"to": []}),
        json!({"to": "+31970000000"}),
        json!({"to": [{"phone_number": "MyBank"}]}),
    ] {
        let callback = read(&received(&broken));
        assert_eq!(
            (callback.inbound.len(), callback.malformed),
            (0, 1),
            "{broken}"
        );
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_and_counted() {
    let callback = read(&received(&json!({"text": "x".repeat(BODY_BYTES_MAX + 1)})));
    assert_eq!(callback.inbound[0].body.len(), BODY_BYTES_MAX);
    assert_eq!(callback.malformed, 1);
}

#[test]
fn unknown_events_are_counted_and_misshapen_ones_too() {
    let unknown = read(&event("message.whatever", &json!({"id": 5})));
    assert_eq!((unknown.ignored, unknown.malformed), (1, 0));
    for shape in [
        json!({}),
        json!([]),
        json!(5),
        json!({"data": 5}),
        json!({"data": {"event_type": 5}}),
        json!({"data": {"event_type": "message.sent"}}),
        json!({"data": {"event_type": "message.sent", "payload": []}}),
        event("message.sent", &json!({"to": []})),
        event("message.sent", &json!({"id": SID, "to": []})),
        event(
            "message.sent",
            &json!({"id": 5, "to": [{"status": "sent"}]}),
        ),
        event("message.received", &json!(5)),
    ] {
        let callback = read(&shape);
        let counts = (
            callback.receipts.len(),
            callback.inbound.len(),
            callback.malformed,
        );
        assert_eq!(counts, (0, 0, 1), "{shape}");
    }
}

#[test]
fn what_is_no_json_is_unreadable_however_deep() {
    let deep = "[".repeat(1_000_000);
    for body in ["", "{", "status=sent", "{\"data\": {}} x", &deep] {
        assert!(signed(body, NOW_S).read(&*door()).is_err());
    }
    let latin: &[u8] = b"{\"data\": \"\xe9\"}";
    assert!(signed(latin, NOW_S).read(&*door()).is_err());
}
