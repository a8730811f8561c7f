//! The three HTTP carriers: their answers, their callbacks, their signatures.

use std::sync::atomic::{AtomicU32, Ordering};

use didfarm_loadtest::carriers::{Addresses, Carriers, CarriersPlan, Faults, Protocol};
use serde_json::{Value, json};

use crate::client::{call, send_json, wait_until};
use crate::stand_in::Reply;
use crate::webhook::Webhook;

pub fn plan() -> CarriersPlan {
    CarriersPlan {
        faults: Faults {
            receipt_delay_ms: 10,
            ..Faults::default()
        },
        ..CarriersPlan::default()
    }
}

pub fn telnyx_message(webhook: &Webhook) -> Value {
    json!({
        "from": "+31201234567", "to": "+31612345678", "text": "hi", "tags": ["msg_1"],
        "webhook_url": webhook.url("/carriers/t/status/msg_1"),
    })
}

#[test]
fn telnyx_answers_and_tells_of_both_events_with_its_signature() {
    let (webhook, carriers) = (Webhook::open(), Carriers::start(&plan()).unwrap());
    let (status, answer) =
        send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    let data = &answer["data"];
    assert_eq!(status, 200);
    assert_eq!(
        data["to"][0],
        json!({"phone_number": "+31612345678", "status": "queued", "carrier": "didfarm", "line_type": "Wireless"})
    );
    assert_eq!(
        (data["record_type"].as_str(), data["parts"].as_u64()),
        (Some("message"), Some(1))
    );
    let events = [("message.sent", "sent"), ("message.finalized", "delivered")];
    for ((event_type, word), told) in events.into_iter().zip(webhook.sent_and_final()) {
        assert_eq!(told.path, "/carriers/t/status/msg_1");
        let event = &told.json["data"];
        assert_eq!(event["event_type"], event_type);
        assert_eq!(event["payload"]["id"], data["id"]);
        assert_eq!(event["payload"]["to"][0]["status"], word);
        assert_eq!(event["payload"]["tags"], json!(["msg_1"]));
        assert_eq!(told.json["meta"]["attempt"], 1);
    }
    let path = format!("/v2/messages/{}", data["id"].as_str().unwrap());
    let shown = call(
        carriers.http(),
        "GET",
        &path,
        "Authorization: Bearer K\r\n",
        "",
    )
    .unwrap();
    assert_eq!(
        (shown.0, &shown.1["data"]["to"][0]["status"]),
        (200, &json!("delivered"))
    );
    let counts = &carriers.snapshot().protocols[&Protocol::Telnyx];
    assert_eq!((counts.submits, counts.ids, counts.receipts), (1, 1, 2));
}

#[test]
fn a_callback_that_is_not_acknowledged_comes_again_with_the_same_event() {
    let calls = AtomicU32::new(0);
    let webhook = Webhook::answering(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::json(503, &json!({})).with_header("retry-after: 0"),
        _ => Reply::json(200, &json!({})),
    });
    let plan = CarriersPlan {
        connections: 1,
        ..plan()
    };
    let carriers = Carriers::start(&plan).unwrap();
    send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    let told: Vec<Value> = (0..4).map(|_| webhook.next().json).collect();
    let mut attempts: Vec<_> = told
        .iter()
        .map(|told| {
            (
                told["data"]["id"].to_string(),
                told["meta"]["attempt"].as_u64(),
            )
        })
        .collect();
    attempts.sort();
    let ids: std::collections::BTreeSet<_> = attempts.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids.len(), 2, "{attempts:?}");
    wait_until("every callback is acknowledged", || {
        carriers.snapshot().pending == 0
    });
    let counts = &carriers.snapshot().protocols[&Protocol::Telnyx];
    assert_eq!((counts.receipts, counts.acked, counts.retried), (2, 2, 2));
    assert_eq!((counts.answers[&503], counts.answers[&200]), (2, 2));
}

#[test]
fn a_callback_is_given_up_after_the_last_attempt() {
    let webhook = Webhook::answering(|_| Reply::json(500, &json!({})));
    let plan = CarriersPlan {
        attempts_max: 2,
        ..plan()
    };
    let carriers = Carriers::start(&plan).unwrap();
    send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    wait_until("both receipts are given up", || {
        carriers.snapshot().protocols[&Protocol::Telnyx].given_up == 2
    });
    assert_eq!(carriers.snapshot().pending, 0);
}

const TWILIO: &str =
    "Authorization: Basic QUM6dA==\r\nContent-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn twilio_answers_in_strings_and_signs_over_the_callbacks_url() {
    let (webhook, carriers) = (Webhook::open(), Carriers::start(&plan()).unwrap());
    let callback = webhook
        .url("/carriers/tw/status/msg_2?x=1")
        .replace(':', "%3A")
        .replace('?', "%3F");
    let body = format!(
        "To=whatsapp%3A%2B31612345678&From=%2B31201234567&Body=a+b&StatusCallback={callback}"
    );
    let path = "/2010-04-01/Accounts/AC1/Messages.json";
    let (status, answer) = call(carriers.http(), "POST", path, TWILIO, &body).unwrap();
    assert_eq!(status, 201);
    assert_eq!(
        (&answer["num_segments"], &answer["status"]),
        (&json!("1"), &json!("queued"))
    );
    assert_eq!(
        (&answer["to"], &answer["body"]),
        (&json!("whatsapp:+31612345678"), &json!("a b"))
    );
    let sid = answer["sid"].as_str().unwrap();
    assert!(sid.len() == 34 && sid.starts_with("SM"), "{sid}");
    for (word, told) in ["sent", "delivered"]
        .into_iter()
        .zip(webhook.sent_and_final())
    {
        assert_eq!(told.path, "/carriers/tw/status/msg_2?x=1");
        assert_eq!(
            (
                told.form["MessageStatus"].as_str(),
                told.form["MessageSid"].as_str()
            ),
            (word, sid)
        );
    }
    let one = format!("/2010-04-01/Accounts/AC1/Messages/{sid}.json");
    assert_eq!(
        call(carriers.http(), "GET", &one, TWILIO, "").unwrap().1["status"],
        "delivered"
    );
    let list = call(carriers.http(), "GET", path, TWILIO, "").unwrap().1;
    assert_eq!(list["messages"][0]["sid"], sid);
    let other = one.replace("AC1", "AC2");
    assert_eq!(
        call(carriers.http(), "GET", &other, TWILIO, "").unwrap().0,
        404
    );
}

#[test]
fn whatsapp_gathers_statuses_and_says_our_data_back() {
    let webhook = Webhook::open();
    let addresses = Addresses {
        callback: Some(webhook.url("/carriers/wa")),
        numbers: vec![("101".into(), "+31201234567".into())],
        ..Addresses::default()
    };
    let mut plan = CarriersPlan {
        addresses,
        batch: 50,
        ..plan()
    };
    plan.faults.read = 1.0;
    plan.faults.receipt_delay_ms = 300;
    let carriers = Carriers::start(&plan).unwrap();
    for nth in 0..20 {
        let body = json!({
            "messaging_product": "whatsapp", "to": "31612345678", "type": "text", "text": {"body": "hi"},
            "biz_opaque_callback_data": format!("msg_{nth}"),
        });
        let (status, answer) = send_json(carriers.http(), "/v23.0/101/messages", &body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(
            answer["contacts"],
            json!([{"input": "31612345678", "wa_id": "31612345678"}])
        );
        assert!(
            answer["messages"][0]["id"]
                .as_str()
                .unwrap()
                .starts_with("wamid.")
        );
    }
    let mut statuses = Vec::new();
    while statuses.len() < 60 {
        let told = webhook.next().json;
        let value = &told["entry"][0]["changes"][0]["value"];
        assert_eq!(
            value["metadata"],
            json!({"display_phone_number": "31201234567", "phone_number_id": "101"})
        );
        statuses.extend(value["statuses"].as_array().unwrap().clone());
    }
    for nth in 0..20 {
        let data = format!("msg_{nth}");
        let own = statuses
            .iter()
            .filter(|status| status["biz_opaque_callback_data"] == data.as_str());
        let words: Vec<_> = own
            .map(|status| status["status"].as_str().unwrap())
            .collect();
        assert_eq!(words, ["sent", "delivered", "read"]);
    }
}

#[test]
fn what_cannot_be_sent_is_refused_in_each_vendors_shape() {
    let carriers = Carriers::start(&plan()).unwrap();
    let http = carriers.http();
    let (status, answer) = send_json(http, "/v2/messages", &json!({"from": "+1"})).unwrap();
    assert_eq!(
        (status, answer["errors"][0]["code"].is_string()),
        (422, true)
    );
    assert_eq!(call(http, "POST", "/v2/messages", "", "{}").unwrap().0, 401);
    let path = "/2010-04-01/Accounts/AC1/Messages.json";
    let (status, answer) = call(http, "POST", path, TWILIO, "To=%2B1&Body=x").unwrap();
    assert_eq!(
        (status, &answer["code"], &answer["status"]),
        (400, &json!(21603), &json!(400))
    );
    let (status, answer) = send_json(
        http,
        "/v23.0/1/messages",
        &json!({"messaging_product": "whatsapp"}),
    )
    .unwrap();
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(100)));
    assert_eq!(send_json(http, "/v23.0/1/else", &json!({})).unwrap().0, 404);
    for protocol in [Protocol::Telnyx, Protocol::Twilio, Protocol::WhatsApp] {
        assert_eq!(carriers.snapshot().protocols[&protocol].refused, 1);
    }
}

#[test]
fn inbound_messages_come_each_vendors_way() {
    let webhook = Webhook::open();
    let carriers = Carriers::start(&CarriersPlan {
        addresses: Addresses {
            callback: Some(webhook.url("/wa")),
            inbound_telnyx: Some(webhook.url("/telnyx")),
            inbound_twilio: Some(webhook.url("/twilio")),
            numbers: vec![("101".into(), "+31201234567".into())],
        },
        ..plan()
    })
    .unwrap();
    for protocol in ["telnyx", "twilio", "whatsapp"] {
        let body = json!({"protocol": protocol, "from": "+31612345678", "to": "+31201234567", "body": "hé"});
        assert_eq!(
            send_json(carriers.http(), "/control/inbound", &body)
                .unwrap()
                .0,
            202
        );
        let told = webhook.next();
        match protocol {
            "telnyx" => {
                let payload = &told.json["data"]["payload"];
                assert_eq!(
                    (&payload["text"], &payload["direction"]),
                    (&json!("hé"), &json!("inbound"))
                );
                assert_eq!(payload["from"]["phone_number"], "+31612345678");
            }
            "twilio" => {
                assert_eq!(
                    (told.form["Body"].as_str(), told.form["SmsStatus"].as_str()),
                    ("hé", "received")
                );
            }
            _ => {
                let value = &told.json["entry"][0]["changes"][0]["value"];
                assert_eq!(value["messages"][0]["text"]["body"], "hé");
                assert_eq!(value["metadata"]["phone_number_id"], "101");
                assert_eq!(value["contacts"][0]["wa_id"], "31612345678");
            }
        }
    }
    let nowhere = Carriers::start(&plan()).unwrap();
    let body =
        json!({"protocol": "telnyx", "from": "+31612345678", "to": "+31201234567", "body": "x"});
    assert_eq!(
        send_json(nowhere.http(), "/control/inbound", &body)
            .unwrap()
            .0,
        409
    );
}
