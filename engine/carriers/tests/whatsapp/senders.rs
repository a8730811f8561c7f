//! Who wrote to which number of ours: by phone numbers, by user ids, by both.

use didfarm_core::e164::E164;
use serde_json::{Value, json};

use crate::farm::{OURS, PEER, USER_ID, messages, number, read};

const PARENT_ID: &str = "US.ENT.11815799212886844830";

fn text(from: Value) -> Value {
    let mut message = json!({ "id": "wamid.1", "type": "text", "text": { "body": "x" } });
    message
        .as_object_mut()
        .unwrap()
        .extend(from.as_object().unwrap().clone());
    message
}

/// The sender of a message and what it is also known as.
fn sender(from: Value) -> Option<(String, Option<String>)> {
    let callback = read(&messages(json!([text(from)])));
    assert_eq!(callback.inbound.len() as u32 + callback.malformed, 1);
    let inbound = callback.inbound.into_iter().next()?;
    Some((
        inbound.from.to_string(),
        inbound.alias.map(|alias| alias.to_string()),
    ))
}

#[test]
fn the_number_comes_first_and_the_user_id_is_its_alias() {
    let number = format!("+{PEER}");
    let found = |from, alias: Option<&str>| Some((from, alias.map(String::from)));
    let both = json!({ "from": PEER, "from_user_id": USER_ID, "from_parent_user_id": PARENT_ID });
    assert_eq!(sender(both), found(number.clone(), Some(USER_ID)));
    assert_eq!(sender(json!({ "from": PEER })), found(number.clone(), None));
    let parent = json!({ "from": PEER, "from_parent_user_id": PARENT_ID });
    assert_eq!(sender(parent), found(number, Some(PARENT_ID)));
}

#[test]
fn who_keeps_the_number_private_is_known_by_the_user_id() {
    let by_id = |id: &str| Some((id.to_owned(), None));
    assert_eq!(sender(json!({ "from_user_id": USER_ID })), by_id(USER_ID));
    assert_eq!(
        sender(json!({ "from": "", "from_user_id": USER_ID })),
        by_id(USER_ID)
    );
    assert_eq!(
        sender(json!({ "from": null, "from_user_id": USER_ID })),
        by_id(USER_ID)
    );
    assert_eq!(
        sender(json!({ "from_parent_user_id": PARENT_ID })),
        by_id(PARENT_ID)
    );
}

#[test]
fn a_message_of_nobody_is_malformed() {
    for from in [
        json!({}),
        json!({ "from": "" }),
        json!({ "from": "0" }),
        json!({ "from": "12345678901234567890" }),
        json!({ "from_user_id": "US.\u{7}" }),
        json!({ "from_user_id": "x".repeat(161) }),
        json!({ "from": 7, "from_user_id": [] }),
    ] {
        assert_eq!(sender(from.clone()), None, "{from}");
    }
}

#[test]
fn every_message_has_the_name_of_its_own_sender() {
    let mut body = messages(json!([
        text(json!({ "from": "16505550001" })),
        text(json!({ "from_user_id": "US.2" })),
        text(json!({ "from": "16505550003" })),
        text(json!({ "from": "16505550004" })),
    ]));
    body["entry"][0]["changes"][0]["value"]["contacts"] = json!([
        { "wa_id": "16505550003", "profile": { "name": "Three" } },
        { "user_id": "US.2", "profile": { "name": "Two" } },
        { "wa_id": "16505550001", "profile": { "name": "One" } },
    ]);
    let names: Vec<Option<String>> = read(&body)
        .inbound
        .into_iter()
        .map(|inbound| Some(inbound.content?.profile_name?.into()))
        .collect();
    assert_eq!(
        names,
        [
            Some("One".into()),
            Some("Two".into()),
            Some("Three".into()),
            None
        ]
    );
}

fn our_number(metadata: Value) -> Option<E164> {
    let mut body = messages(json!([text(json!({ "from": PEER }))]));
    body["entry"][0]["changes"][0]["value"]["metadata"] = metadata;
    let callback = read(&body);
    assert_eq!(callback.inbound.len() as u32 + callback.malformed, 1);
    Some(callback.inbound.first()?.to)
}

#[test]
fn our_number_is_found_by_its_id_else_by_its_digits() {
    let id = crate::farm::OURS_ID;
    let by_id = json!({ "phone_number_id": id, "display_phone_number": "999" });
    assert_eq!(our_number(by_id), Some(number(OURS)));
    assert_eq!(
        our_number(json!({ "phone_number_id": id })),
        Some(number(OURS))
    );
    for shown in ["15550783881", "+1 555-078-3881", "(+1) 555 0783881"] {
        let metadata = json!({ "phone_number_id": "1", "display_phone_number": shown });
        assert_eq!(our_number(metadata), Some(number(OURS)), "{shown}");
    }
}

#[test]
fn messages_to_no_number_are_counted_as_malformed() {
    for metadata in [
        json!(null),
        json!({}),
        json!(7),
        json!({ "phone_number_id": "1", "display_phone_number": "" }),
    ] {
        assert_eq!(our_number(metadata.clone()), None, "{metadata}");
    }
}
