//! Both forms, against the product's own samples.

use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Media};
use didfarm_core::ids::{AccountId, CarrierId, ConversationId, Extent};
use didfarm_core::message::Received;
use didfarm_core::segments;
use didfarm_core::webhook::Targets;
use serde_json::{Value, json};

use super::*;

const AT: &str = "2026-04-05T14:22:08.25Z";

fn event(fact: Fact) -> WebhookEvent {
    WebhookEvent {
        id: EventId::first_at(Timestamp::parse_rfc3339(AT).unwrap()),
        account: AccountId(1),
        number: Some(NumberId(1)),
        channel: Some(Channel::Sms),
        conversation: Some(ConversationId(77)),
        fact,
        to: Targets::new(),
    }
}

fn message(channel: Channel, body: &str, content: Option<Content>) -> Message {
    let segmentation = segments::count(body);
    let received = Received {
        message: Extent(77).message(1),
        conversation: ConversationId(77),
        account: AccountId(1),
        number: NumberId(1),
        from: E164::from_digits(31_612_345_678).unwrap().into(),
        to: E164::from_digits(31_201_234_567).unwrap(),
        channel,
        body: body.into(),
        encoding: segmentation.encoding,
        segments: segmentation.segments,
        carrier: CarrierId(1),
        carrier_message_id: None,
        content: content.map(Box::new),
        alias: None,
    };
    Message::received(&received, Timestamp::parse_rfc3339(AT).unwrap())
}

fn rendered(form: PayloadForm, event: &WebhookEvent, message: &Message) -> (String, Value) {
    let facts = Facts {
        event,
        at: Timestamp::parse_rfc3339(AT).unwrap(),
        message: Some(message),
        number: Some(E164::from_digits(31_201_234_567).unwrap()),
        endpoint_url: None,
    };
    let bytes = render(form, &facts);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// The members of an object in the order in which they stand.
fn order(text: &str, names: &[&str]) -> Vec<usize> {
    names
        .iter()
        .map(|name| text.find(&format!("\"{name}\":")).unwrap())
        .collect()
}

#[test]
fn the_flat_form_is_the_products_sample() {
    let message = message(Channel::Sms, "Order #4521.", None);
    let told = event(Fact::MessageReceived(message.id));
    let (text, value) = rendered(PayloadForm::Message, &told, &message);
    let names = [
        "id",
        "event",
        "from",
        "to",
        "body",
        "channel",
        "received_at",
        "conversation_id",
        "metadata",
    ];
    assert!(order(&text, &names).is_sorted(), "{text}");
    assert_eq!(
        value,
        json!({
            "id": message.id.to_string(),
            "event": "message.received",
            "from": "+31612345678",
            "to": "+31201234567",
            "body": "Order #4521.",
            "channel": "sms",
            "received_at": "2026-04-05T14:22:08Z",
            "conversation_id": "conv_0000000002d",
            "metadata": {"country": "NL", "carrier": "KPN"},
            "segments": 1,
            "event_id": told.id.to_string(),
        })
    );
}

#[test]
fn the_nested_form_is_the_products_sample() {
    let message = message(Channel::Sms, "Thanks, got the tracking!", None);
    let told = event(Fact::MessageReceived(message.id));
    let (text, value) = rendered(PayloadForm::Sms, &told, &message);
    let names = [
        "event",
        "data",
        "id",
        "from",
        "to",
        "body",
        "segments",
        "received_at",
    ];
    assert!(order(&text, &names).is_sorted(), "{text}");
    assert_eq!(value["event"], "sms.received");
    assert_eq!(value["data"]["id"], message.id.get());
    assert_eq!(value["data"]["received_at"], "2026-04-05T14:22:08.250000Z");
    assert_eq!(value["data"]["conversation_id"], "conv_0000000002d");
}

#[test]
fn whatsapp_adds_its_members_and_says_text_where_there_is_nothing_else() {
    let mut content = Content::of(ContentKind::Image);
    content.profile_name = Some("Zoë".into());
    content.media.push(Media {
        url: Some("https://media.example/1".into()),
        id: None,
        content_type: Some("image/jpeg".into()),
        bytes: None,
        sha256: None,
        filename: None,
    });
    let image = message(Channel::WhatsApp, "", Some(content));
    let told = event(Fact::MessageReceived(image.id));
    let (_, value) = rendered(PayloadForm::Message, &told, &image);
    assert_eq!(value["message_type"], "image");
    assert_eq!(value["media_url"], "https://media.example/1");
    assert_eq!(value["profile_name"], "Zoë");

    let text = message(Channel::WhatsApp, "hi", None);
    let (_, value) = rendered(PayloadForm::Message, &told, &text);
    assert_eq!(value["message_type"], "text");
}

#[test]
fn every_type_has_an_example_in_both_forms_that_names_itself() {
    let message = message(Channel::Sms, "hi", None);
    for kind in EventType::ALL {
        let example = event(Fact::Example(*kind));
        let (_, flat) = rendered(PayloadForm::Message, &example, &message);
        assert_eq!(flat["event"], kind.as_str());
        assert_eq!(flat["event_id"], example.id.to_string());
        assert!(flat["id"].is_string(), "{flat}");
        let (_, nested) = rendered(PayloadForm::Sms, &example, &message);
        assert_eq!(nested["event"], nested_word(*kind));
        assert!(nested["data"]["id"].is_u64(), "{nested}");
    }
}

#[test]
fn what_a_peer_writes_stays_text() {
    let body = "\"}\u{2028}<script>\u{0}\u{1F600}";
    let message = message(Channel::Sms, body, None);
    let told = event(Fact::MessageReceived(message.id));
    let (_, value) = rendered(PayloadForm::Message, &told, &message);
    assert_eq!(value["body"], body);
}
