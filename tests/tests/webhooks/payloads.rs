//! Payloads: the product's forms, signed, each with its conversation.

use std::collections::{BTreeMap, BTreeSet};

use didfarm_tests::customer::{NUMBER, text};
use didfarm_tests::peers::fated;
use didfarm_tests::webhooks::{Endpoint, delivered, is_signed, opened, options, sink};
use serde_json::{Value, json};

use crate::{PEER, received_only, start};

/// The text of the product's own example.
const ORDER: &str = "Hi, I ordered a product last week and haven't received it yet. Order #4521.";
/// Every type of event.
const TYPES: [&str; 11] = [
    "account.traffic_stopped",
    "conversation.created",
    "conversation.opted_in",
    "conversation.opted_out",
    "conversation.updated",
    "message.received",
    "message.status",
    "number.added",
    "number.updated",
    "wallet.low",
    "webhook.endpoint_disabled",
];

/// Whether these members stand in the text in this order.
fn stand_in_order(text: &str, members: &[&str]) -> bool {
    let places = members
        .iter()
        .map(|member| text.find(&format!("\"{member}\":")));
    let places: Vec<_> = places.collect();
    places.iter().all(Option::is_some) && places.is_sorted()
}

#[tokio::test]
async fn an_inbound_message_arrives_in_both_of_the_products_forms() {
    let (daemon, customer) = start(options()).await;
    let sink = sink();
    let flat = Endpoint::create(&customer, &sink.url("/ok/flat"), received_only(json!({}))).await;
    let form = received_only(json!({ "payload": "sms" }));
    let nested = Endpoint::create(&customer, &sink.url("/ok/nested"), form).await;
    let told = customer.wrote(PEER, NUMBER, ORDER).await;
    let stored = customer.message(&text(&told, "id")).await;

    let [came] = &delivered(&sink, "/ok/flat", 1).await[..] else {
        panic!("it came more than once")
    };
    let conversation = &told["conversation_id"];
    let whole = json!({
        "id": told["id"], "event": "message.received", "from": PEER, "to": "+31201234567",
        "body": ORDER, "channel": "sms", "received_at": stored["created_at"],
        "conversation_id": conversation, "metadata": { "country": "NL", "carrier": "KPN" },
        "segments": 1, "event_id": came.webhook_id,
    });
    assert_eq!(opened(came, &flat.secret), whole);
    let seeds = [
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
    assert!(stand_in_order(&came.body, &seeds), "{}", came.body);
    assert!(text(&whole, "received_at").ends_with('Z') && text(&whole, "received_at").len() == 20);

    let [came_nested] = &delivered(&sink, "/ok/nested", 1).await[..] else {
        panic!("it came more than once")
    };
    let value = opened(came_nested, &nested.secret);
    let rows = customer.all("/api/v1/portal/sms").await;
    let data = &value["data"];
    assert_eq!(
        (
            &value["event"],
            &data["id"],
            &data["from"],
            &data["to"],
            &data["body"]
        ),
        (
            &json!("sms.received"),
            &rows[0]["id"],
            &json!(PEER),
            &json!(NUMBER),
            &json!(ORDER)
        )
    );
    assert_eq!(
        (
            &data["segments"],
            &data["conversation_id"],
            &data["channel"]
        ),
        (&json!(1), conversation, &json!("sms"))
    );
    let received_at = text(data, "received_at");
    assert_eq!(received_at[..19], text(&whole, "received_at")[..19]);
    assert_eq!((received_at.len(), received_at.ends_with('Z')), (27, true));
    let seeds = [
        "event",
        "data",
        "id",
        "from",
        "to",
        "body",
        "segments",
        "received_at",
    ];
    assert!(
        stand_in_order(&came_nested.body, &seeds),
        "{}",
        came_nested.body
    );
    // Both are told of one event, and neither endpoint's secret fits the other's request.
    assert_eq!(came.webhook_id, came_nested.webhook_id);
    assert!(!is_signed(came, &nested.secret));
    // The secret is shown at no other time, and stands in no log.
    let listed = customer.get("/api/v1/webhooks").await;
    assert!(listed.text().contains(&flat.id) && !listed.text().contains("whsec_"));
    assert!(!daemon.stderr().contains("whsec_"));
}

#[tokio::test]
async fn whatsapp_adds_its_members_and_every_event_names_its_conversation() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), json!({})).await;
    customer.wrote(PEER, NUMBER, "by SMS").await;
    let by_whatsapp =
        json!({ "from": PEER, "to": NUMBER, "body": "by WhatsApp", "channel": "whatsapp" });
    let told = customer.inbound(&by_whatsapp).await.expect(200);
    let came = delivered(&sink, "/ok", 4).await;
    let mut by_event: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for request in &came {
        let value = opened(request, &endpoint.secret);
        assert_eq!(value["conversation_id"], told["conversation_id"], "{value}");
        by_event
            .entry(text(&value, "event"))
            .or_default()
            .push(value);
    }
    let count = |event: &str| by_event.get(event).map_or(0, Vec::len);
    assert_eq!(
        [
            "conversation.created",
            "conversation.updated",
            "message.received"
        ]
        .map(count),
        [1, 1, 2]
    );
    let added = &by_event["conversation.updated"][0];
    assert_eq!(
        (&added["change"], &added["channel"], &added["peer"]),
        (&json!("channel_added"), &json!("whatsapp"), &json!(PEER))
    );
    for value in &by_event["message.received"] {
        let is_whatsapp = value["body"] == "by WhatsApp";
        let members = value.as_object().expect("a payload is an object");
        for member in ["message_type", "media_url", "profile_name"] {
            assert_eq!(
                members.contains_key(member),
                is_whatsapp,
                "{member}: {value}"
            );
        }
        assert!(!is_whatsapp || value["message_type"] == "text", "{value}");
    }
}

#[tokio::test]
async fn each_public_status_is_told_once_and_in_order_where_that_is_asked() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let only = json!({ "event_types": ["message.status"], "ordered": true });
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), only).await;
    let opens = json!({ "from": PEER, "to": NUMBER, "body": "hi", "channel": "whatsapp" });
    customer.inbound(&opens).await.expect(200);
    let by_whatsapp = json!({ "from": NUMBER, "to": PEER, "body": "hello", "channel": "whatsapp" });
    let read = text(&customer.send(&by_whatsapp).await.expect(201)["data"], "id");
    let ids = [
        customer.sent_id("+31612345679", "delivered").await,
        customer.sent_id(&fated(1), "refused at submit").await,
        customer.sent_id(&fated(2), "failed by receipt").await,
        read,
    ];
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in delivered(&sink, "/ok", 3 + 2 + 3 + 4).await {
        let value = opened(&request, &endpoint.secret);
        let reason = value["reason"].as_str().unwrap_or("-");
        let is_read = if value["read_at"].is_null() {
            ""
        } else {
            " read"
        };
        let status = format!("{} {reason}{is_read}", text(&value, "status"));
        assert_eq!(value["from"], NUMBER, "{value}");
        told.entry(text(&value, "id")).or_default().push(status);
    }
    for (id, wanted) in ids.iter().zip([
        &["sending -", "sent -", "delivered -"][..],
        &["sending -", "failed invalid_destination"],
        &["sending -", "sent -", "failed unreachable"],
        &["sending -", "sent -", "delivered -", "delivered - read"],
    ]) {
        assert_eq!(told[id], wanted);
    }
    endpoint.idle().await;
    assert_eq!(sink.ids("/ok").len(), 12);
}

#[tokio::test]
async fn an_example_of_every_type_can_be_asked_for_in_both_forms() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    for (form, path) in [("message", "/ok/message"), ("sms", "/ok/sms")] {
        // A filter does not matter: the customer asks for them by name.
        let more = json!({ "payload": form, "event_types": ["message.received"] });
        let endpoint = Endpoint::create(&customer, &sink.url(path), more).await;
        let asked = endpoint.post("/test", &json!({})).await.expect(202);
        let types: BTreeMap<String, String> = asked["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|example| (text(example, "event_id"), text(example, "type")))
            .collect();
        assert_eq!(
            types.values().map(String::as_str).collect::<BTreeSet<_>>(),
            TYPES.into()
        );
        for request in delivered(&sink, path, TYPES.len() as u64).await {
            let value = opened(&request, &endpoint.secret);
            let kind = &*types[&request.webhook_id];
            let spelled = match (form, kind) {
                ("sms", "message.received") => "sms.received",
                ("sms", "message.status") => "sms.status",
                (_, kind) => kind,
            };
            assert_eq!(value["event"], spelled);
            let about = if form == "sms" {
                &value["data"]
            } else {
                &value
            };
            assert_eq!(about["event_id"], *request.webhook_id);
            assert_eq!(about["id"].is_u64(), form == "sms", "{value}");
        }
        let one = json!({ "event_types": ["wallet.low"] });
        let asked = endpoint.post("/test", &one).await.expect(202);
        assert_eq!(asked["data"].as_array().unwrap().len(), 1);
        delivered(&sink, path, TYPES.len() as u64 + 1).await;
    }
}
