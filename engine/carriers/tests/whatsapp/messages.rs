//! Messages of every type, in words for an agent.

use didfarm_carriers::whatsapp::REACTION_REMOVED;
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Location, Media};
use didfarm_core::ids::CarrierMessageId;
use serde_json::{Value, json};

use crate::farm::{OURS, PEER, USER_ID, WAMID, heard, message, messages, number, read};

/// What a body says, and of what kind it is.
fn words(typed: Value) -> (ContentKind, String) {
    let inbound = heard(typed);
    (inbound.content.unwrap().kind, inbound.body.to_string())
}

#[test]
fn a_text_has_its_sender_its_number_and_its_name() {
    let text = json!({ "type": "text", "text": { "body": "Does it come in another colour? 🙂" } });
    let inbound = heard(text);
    assert_eq!(inbound.id, Some(CarrierMessageId(WAMID.into())));
    assert_eq!(inbound.from.to_string(), format!("+{PEER}"));
    assert_eq!(inbound.alias.unwrap().to_string(), USER_ID);
    assert_eq!(
        (inbound.to, inbound.channel),
        (number(OURS), Channel::WhatsApp)
    );
    assert_eq!(&*inbound.body, "Does it come in another colour? 🙂");
    let content = Content {
        profile_name: Some("Sheena Nelson".into()),
        ..Content::of(ContentKind::Text)
    };
    assert_eq!(inbound.content.as_deref(), Some(&content));
}

#[test]
fn a_mexican_id_is_read_as_the_number_that_sms_comes_from() {
    let mut one = message(json!({ "type": "text", "text": { "body": "alto" } }));
    one["from"] = json!("5215512345678");
    let mut body = messages(json!([one]));
    let contact = json!({ "wa_id": "5215512345678", "profile": { "name": "Ana" } });
    body["entry"][0]["changes"][0]["value"]["contacts"] = json!([contact]);
    let callback = read(&body);
    let inbound = &callback.inbound[0];
    assert_eq!(inbound.from.to_string(), "+525512345678");
    let name = inbound
        .content
        .as_ref()
        .and_then(|content| content.profile_name.as_deref());
    assert_eq!(name, Some("Ana"));
}

#[test]
fn a_text_of_someone_without_a_name_has_no_content() {
    let mut body = messages(json!([message(
        json!({ "type": "text", "text": { "body": "x" } })
    )]));
    body["entry"][0]["changes"][0]["value"]["contacts"] = json!([{ "wa_id": PEER, "profile": {} }]);
    assert_eq!(read(&body).inbound[0].content, None);
}

#[test]
fn an_attachment_keeps_what_is_needed_to_fetch_it() {
    let kinds = [
        ("image", ContentKind::Image),
        ("video", ContentKind::Video),
        ("audio", ContentKind::Audio),
        ("document", ContentKind::Document),
        ("sticker", ContentKind::Sticker),
    ];
    for (word, kind) in kinds {
        let object = json!({
            "id": "1003383421387256",
            "mime_type": "x/y",
            "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=",
            "caption": "Taj Mahal",
            "filename": "taj.bin",
            "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&source=webhook",
            "voice": true,
            "animated": false,
        });
        let inbound = heard(json!({ "type": word, word: object }));
        assert_eq!(&*inbound.body, "Taj Mahal");
        let content = inbound.content.unwrap();
        assert_eq!(content.kind, kind);
        let media = Media {
            url: Some(
                "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&source=webhook"
                    .into(),
            ),
            id: Some("1003383421387256".into()),
            content_type: Some("x/y".into()),
            bytes: None,
            sha256: Some("SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=".into()),
            filename: Some("taj.bin".into()),
        };
        assert_eq!(content.media, [media]);
    }
    let (_, without_caption) = words(json!({ "type": "image", "image": { "id": "1" } }));
    assert_eq!(without_caption, "");
}

#[test]
fn a_place_keeps_its_degrees_as_they_were_written() {
    let place = |latitude: &str, longitude: &str| {
        let body = messages(json!([message(json!({
            "type": "location",
            "location": {
                "latitude": "LAT",
                "longitude": "LONG",
                "name": "Philz Coffee",
                "address": "101 Forest Ave, Palo Alto, CA 94301",
                "url": "https://foursquare.com/v/1",
            },
        }))]));
        let body = body
            .to_string()
            .replace("\"LAT\"", latitude)
            .replace("\"LONG\"", longitude);
        crate::farm::try_read(body.as_bytes())
            .unwrap()
            .inbound
            .remove(0)
    };
    for (latitude, longitude) in [
        ("37.442430000000002", "-122.16"),
        ("\"37.442430000000002\"", "\"-122.16\""),
    ] {
        let inbound = place(latitude, longitude);
        assert_eq!(
            &*inbound.body,
            "Philz Coffee, 101 Forest Ave, Palo Alto, CA 94301"
        );
        let expected = Location {
            latitude: "37.442430000000002".into(),
            longitude: "-122.16".into(),
            name: Some("Philz Coffee".into()),
            address: Some("101 Forest Ave, Palo Alto, CA 94301".into()),
        };
        assert_eq!(inbound.content.unwrap().location, Some(expected));
    }
    for (latitude, longitude) in [("\"north\"", "1"), ("{}", "1"), ("\"NaN\"", "1")] {
        let inbound = place(latitude, longitude);
        assert!(inbound.body.starts_with("Philz Coffee"));
        assert_eq!(inbound.content.unwrap().location, None, "{latitude}");
    }
}

#[test]
fn contacts_are_a_line_each() {
    let cards = json!({
        "type": "contacts",
        "contacts": [
            {
                "name": { "first_name": "Barbara", "last_name": "Johnson", "formatted_name": "Barbara J. Johnson" },
                "org": { "company": "Social Tsunami" },
                "phones": [
                    { "phone": "+1 (650) 555-9999", "type": "MOBILE", "wa_id": "16505559999" },
                    { "wa_id": "19175559999" },
                ],
                "emails": [{ "email": "bjohnson@example.com", "type": "WORK" }],
            },
            { "name": { "formatted_name": "Bob" } },
        ],
    });
    let said = "Barbara J. Johnson, +1 (650) 555-9999, 19175559999, bjohnson@example.com\nBob";
    assert_eq!(words(cards), (ContentKind::Contacts, said.into()));
}

#[test]
fn a_choice_is_the_title_that_the_peer_saw() {
    let reply = |kind: &str, object: Value| json!({ "type": "interactive", "interactive": { "type": kind, kind: object } });
    for (typed, said) in [
        (
            reply("button_reply", json!({ "id": "cancel", "title": "Cancel" })),
            "Cancel",
        ),
        (
            reply(
                "list_reply",
                json!({ "id": "express", "title": "Priority", "description": "1-3 days" }),
            ),
            "Priority",
        ),
        (reply("button_reply", json!({ "id": "cancel" })), "cancel"),
        (
            reply(
                "nfm_reply",
                json!({ "name": "flow", "body": "Sent", "response_json": "{\"name\":\"Ada\"}" }),
            ),
            "{\"name\":\"Ada\"}",
        ),
        (reply("nfm_reply", json!({ "body": "Sent" })), "Sent"),
        (
            reply(
                "call_permission_reply",
                json!({ "response": "accept", "is_permanent": false }),
            ),
            "call permission: accept",
        ),
        (
            json!({ "type": "button", "button": { "text": "Yes", "payload": "YES-1" } }),
            "Yes",
        ),
        (
            json!({ "type": "button", "button": { "payload": "YES-1" } }),
            "YES-1",
        ),
    ] {
        assert_eq!(words(typed), (ContentKind::Interactive, said.into()));
    }
    let (kind, said) = words(reply("product_reply", json!({})));
    assert_eq!(kind, ContentKind::Unsupported);
    assert_eq!(
        said,
        "[unsupported WhatsApp message: interactive product_reply]"
    );
}

#[test]
fn a_reaction_is_its_emoji_or_that_it_was_taken_back() {
    let reaction = |object: Value| words(json!({ "type": "reaction", "reaction": object }));
    let kind = ContentKind::Reaction;
    assert_eq!(
        reaction(json!({ "message_id": "w", "emoji": "👍" })),
        (kind, "👍".into())
    );
    for removed in [json!({ "message_id": "w" }), json!({ "emoji": "" })] {
        assert_eq!(reaction(removed), (kind, REACTION_REMOVED.into()));
    }
}

#[test]
fn an_order_is_the_peers_words_and_a_line_for_each_product() {
    let item = json!({ "product_retailer_id": "di9ozbzfi4", "quantity": 2, "item_price": 30.50, "currency": "USD" });
    let textual = json!({ "product_retailer_id": "nqryix03ez", "quantity": "1", "item_price": "25", "currency": "USD" });
    let order = json!({
        "type": "order",
        "order": { "catalog_id": "1", "text": "Love these!", "product_items": [item, textual] },
    });
    let said = "Love these!\n2 x di9ozbzfi4 at 30.5 USD\n1 x nqryix03ez at 25 USD";
    assert_eq!(words(order), (ContentKind::Order, said.into()));
    let bare = json!({ "type": "order", "order": { "product_items": [{}] } });
    assert_eq!(words(bare), (ContentKind::Order, "? x ?".into()));
}

#[test]
fn a_system_message_is_told_if_it_has_words_and_counted_if_not() {
    let system = json!({
        "type": "system",
        "system": { "body": "User Sheena changed from 1 to 2", "wa_id": "2", "type": "user_changed_number" },
    });
    let said = "User Sheena changed from 1 to 2";
    assert_eq!(words(system), (ContentKind::Unsupported, said.into()));
    let silent = json!({ "type": "system", "system": { "type": "user_changed_user_id", "user_id": "US.2" } });
    let callback = read(&messages(json!([message(silent)])));
    assert!(callback.inbound.is_empty());
    assert_eq!((callback.ignored, callback.malformed), (1, 0));
}

#[test]
fn what_we_do_not_know_is_told_and_never_lost() {
    let errors = json!([{ "code": 131_051, "title": "Message type unknown" }]);
    for (typed, what) in [
        (
            json!({ "type": "unsupported", "unsupported": { "type": "poll" }, "errors": errors }),
            "poll",
        ),
        (
            json!({ "type": "unsupported", "errors": errors }),
            "unsupported",
        ),
        (json!({ "type": "request_welcome" }), "request_welcome"),
        (
            json!({ "type": "hologram", "hologram": { "deep": [[]] } }),
            "hologram",
        ),
        (json!({ "type": "<b>\n" }), "<b>_"),
        (json!({}), "no type"),
    ] {
        let said = format!("[unsupported WhatsApp message: {what}]");
        assert_eq!(words(typed), (ContentKind::Unsupported, said));
    }
}
