//! Bodies that are not what they should be: nothing good beside something bad is lost.

use didfarm_carriers::callback::BODY_BYTES_MAX;
use didfarm_core::content::ContentKind;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::CarrierMessageId;
use serde_json::{Value, json};

use crate::farm::{PEER, message, messages, metadata, read, statuses, try_read};

fn status(id: &str) -> Value {
    json!({ "id": id, "status": "delivered" })
}

fn text(id: &str) -> Value {
    json!({ "id": id, "from": PEER, "type": "text", "text": { "body": "hello" } })
}

#[test]
fn a_bad_status_leaves_the_others_alone() {
    let long = "w".repeat(CarrierMessageId::BYTES_MAX + 1);
    for bad in [
        json!(null),
        json!(7),
        json!("x"),
        json!({}),
        json!({ "status": "sent" }),
        json!({ "id": "w" }),
        json!({ "id": "", "status": "sent" }),
        json!({ "id": 7, "status": "sent" }),
        json!({ "id": ["w"], "status": "sent" }),
        json!({ "id": "w", "status": { "is": "sent" } }),
        json!({ "id": long, "status": "sent" }),
    ] {
        let callback = read(&statuses(json!([status("a"), bad, status("b")])));
        let ids: Vec<&str> = callback
            .receipts
            .iter()
            .map(|receipt| &*receipt.id.0)
            .collect();
        assert_eq!((ids, callback.malformed), (vec!["a", "b"], 1), "{bad}");
        assert!(
            callback
                .receipts
                .iter()
                .all(|receipt| receipt.claim == Claim::Delivered)
        );
    }
}

#[test]
fn the_longest_id_is_taken() {
    let id = "w".repeat(CarrierMessageId::BYTES_MAX);
    assert_eq!(&*read(&statuses(json!([status(&id)]))).receipts[0].id.0, id);
}

#[test]
fn a_bad_message_leaves_the_others_alone() {
    let long = "w".repeat(CarrierMessageId::BYTES_MAX + 1);
    for bad in [
        json!(null),
        json!([[]]),
        json!({}),
        json!({ "from": PEER, "type": "text", "text": { "body": "no id" } }),
        json!({ "id": long, "from": PEER, "type": "text", "text": { "body": "x" } }),
        json!({ "id": "w", "type": "text", "text": { "body": "no sender" } }),
    ] {
        let callback = read(&messages(json!([text("a"), bad, text("b")])));
        let bodies: Vec<&str> = callback
            .inbound
            .iter()
            .map(|inbound| &*inbound.body)
            .collect();
        assert_eq!(
            (bodies, callback.malformed),
            (vec!["hello", "hello"], 1),
            "{bad}"
        );
    }
}

#[test]
fn a_message_that_is_not_what_its_type_says_is_told_as_unsupported() {
    for (kind, object) in [
        ("text", json!("bare")),
        ("text", json!({ "body": 7 })),
        ("text", json!(null)),
        ("image", json!([1])),
        ("image", json!({ "caption": "without an id" })),
        ("location", json!({ "latitude": 1 })),
        ("contacts", json!("none")),
        ("interactive", json!({})),
        (
            "interactive",
            json!({ "type": "button_reply", "button_reply": 7 }),
        ),
        ("button", json!({})),
        ("reaction", json!(7)),
        ("order", json!(7)),
    ] {
        let body = messages(json!([
            message(json!({ "type": kind, kind: object })),
            text("b")
        ]));
        let callback = read(&body);
        let first = &callback.inbound[0];
        let is_told = first.body.starts_with("[unsupported WhatsApp message: ");
        assert!(is_told, "{kind} {object}: {}", first.body);
        assert_eq!(
            first.content.as_ref().unwrap().kind,
            ContentKind::Unsupported
        );
        assert_eq!(&*callback.inbound[1].body, "hello");
        assert!(callback.malformed <= 2);
    }
}

#[test]
fn damage_around_statuses_does_not_reach_the_messages_beside_them() {
    let mut body = messages(json!([text("a")]));
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value["statuses"] = json!({ "not": "an array" });
    value["errors"] = json!([7, { "code": 4 }]);
    value["contacts"] = json!(["x", { "wa_id": PEER, "profile": { "name": "Sheena" } }]);
    let callback = read(&body);
    assert_eq!(callback.inbound.len(), 1);
    let content = callback.inbound[0].content.as_ref().unwrap();
    assert_eq!(content.profile_name.as_deref(), Some("Sheena"));
    assert_eq!((callback.ignored, callback.malformed), (1, 3));
}

#[test]
fn bad_entries_and_changes_leave_the_others_alone() {
    let good = json!({ "field": "messages", "value": { "metadata": metadata(), "statuses": [status("a")] } });
    let body = json!({
        "entry": [
            7,
            { "changes": "none" },
            { "changes": [null, { "field": "messages" }, { "field": "messages", "value": 7 }, good] },
        ],
    });
    let callback = read(&body);
    assert_eq!(callback.receipts.len(), 1);
    assert_eq!(callback.malformed, 5);
}

#[test]
fn members_that_stand_twice_spoil_their_own_element_only() {
    let body = statuses(json!([status("a"), status("b")])).to_string();
    let body = body.replacen(r#""id":"a""#, r#""id":"a","id":"c""#, 1);
    let callback = try_read(body.as_bytes()).unwrap();
    assert_eq!(callback.receipts.len(), 1);
    assert_eq!((&*callback.receipts[0].id.0, callback.malformed), ("b", 1));
}

#[test]
fn half_a_surrogate_pair_costs_one_character() {
    let body = messages(json!([text("a"), text("b")])).to_string();
    let body = body.replacen("hello", r"hi \ud83d", 1);
    let callback = try_read(body.as_bytes()).unwrap();
    assert!(callback.inbound[0].body.starts_with("hi \u{fffd}"));
    assert_eq!(&*callback.inbound[1].body, "hello");
    assert_eq!(callback.malformed, 0);
}

#[test]
fn a_text_is_cut_at_a_character_and_delivered() {
    let long = format!("a{}", "é".repeat(BODY_BYTES_MAX / 2));
    let fits = "é".repeat(BODY_BYTES_MAX / 2);
    let say = |body: &str| message(json!({ "type": "text", "text": { "body": body } }));
    let callback = read(&messages(json!([say(&long), say(&fits)])));
    assert_eq!(callback.inbound[0].body.len(), BODY_BYTES_MAX - 1);
    assert!(long.starts_with(&*callback.inbound[0].body));
    assert_eq!(&*callback.inbound[1].body, fits);
    assert_eq!(callback.malformed, 1);
}

#[test]
fn what_is_no_json_object_with_entries_is_unreadable() {
    for body in [
        &b""[..],
        b"x",
        b"7",
        b"null",
        b"[]",
        b"\"{}\"",
        b"{}",
        b"{\"entry\":7}",
        b"{\"entry\":null}",
        b"{\"entry\":[}",
        b"{\"entry\":[]} x",
        b"{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[{\"id\":\"a\",",
        b"\xff\xfe",
    ] {
        assert!(try_read(body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn depth_costs_no_stack_wherever_it_stands() {
    const DEPTH: usize = 100_000;
    let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let deeper = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    for nest in [deep, deeper] {
        for (template, malformed) in [
            (
                json!([status("a"), { "id": "b", "status": "sent", "pricing": "NEST" }]),
                0,
            ),
            (
                json!([status("a"), { "id": "b", "status": "sent", "biz_opaque_callback_data": "NEST" }]),
                0,
            ),
            (json!([status("a"), "NEST", status("b")]), 1),
            (
                json!([status("a"), { "id": "NEST", "status": "sent" }, status("b")]),
                1,
            ),
        ] {
            let body = statuses(template).to_string().replace("\"NEST\"", &nest);
            let callback = try_read(body.as_bytes()).unwrap();
            assert_eq!(
                (callback.receipts.len(), callback.malformed),
                (2, malformed)
            );
        }
        assert!(try_read(nest.as_bytes()).is_err());
    }
}
