//! Sending: the product's own examples, and every fate that a message may meet.

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, assert_forward, statuses, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::{fated, peer};
use didfarm_tests::program::Program;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
/// What one segment costs by default, in millionths of a euro.
const SEGMENT_MICROS: i64 = 8_000;
/// What the demo account's wallet starts with, in millionths of a euro.
const DEMO_WALLET_MICROS: i64 = 100_000_000;

async fn start() -> (Daemon, Customer) {
    start_with(Options::new()).await
}

async fn start_with(options: Options) -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

#[tokio::test]
async fn the_api_example_is_accepted_and_delivered() {
    let (daemon, customer) = start().await;
    let body = "Hi! Thanks for reaching out. I can see your order #4521 — it shipped yesterday and should arrive by Friday. I will send you the tracking link shortly.";
    let answer = customer
        .send(&json!({ "from": "+31201234567", "to": "+31612345678", "body": body }))
        .await;
    let message = answer.expect(201)["data"].clone();
    let id = text(&message, "id");
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/api/v1/sms/messages/{id}"))
    );
    assert!(id.starts_with("msg_") && text(&message, "conversation_id").starts_with("conv_"));
    for (member, value) in [
        ("direction", json!("outbound")),
        ("from", json!(NUMBER)),
        ("to", json!(PEER)),
        ("body", json!(body)),
        ("channel", json!("sms")),
        ("status", json!("queued")),
        // The dash is not in GSM-7: 152 UTF-16 units take three segments of 67.
        ("encoding", json!("UCS-2")),
        ("segments", json!(3)),
        ("cost", json!(0.024)),
        ("currency", json!("EUR")),
    ] {
        assert_eq!(message[member], value, "{member}");
    }
    let delivered = customer.message_with(&id, "delivered").await;
    assert_eq!(
        statuses(&delivered),
        ["queued", "sending", "sent", "delivered"]
    );
    assert_forward(&delivered);
    assert_eq!(delivered["body"], body);
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS - 3 * SEGMENT_MICROS);

    let conversation = text(&message, "conversation_id");
    let path = format!("/api/v1/sms/conversations/{conversation}/messages?limit=50");
    let history = customer.get(&path).await.expect(200);
    assert_eq!(history["conversation_id"], json!(conversation));
    assert_eq!(history["has_more"], false);
    assert_eq!(history["data"][0]["id"], json!(id));
    assert_eq!(history["data"][0]["status"], "delivered");
}

#[tokio::test]
async fn the_portal_example_is_accepted_and_listed() {
    let (_daemon, customer) = start().await;
    let numbers = customer.get("/api/v1/portal/sms/numbers").await.expect(200);
    let numbers = numbers["data"].as_array().unwrap();
    let own: Vec<_> = numbers
        .iter()
        .map(|number| text(number, "number"))
        .collect();
    assert_eq!(own, [NUMBER, NUMBER_2]);
    for number in numbers {
        assert_eq!(
            (&number["sms"], &number["whatsapp"], &number["status"]),
            (&json!(true), &json!(true), &json!("active"))
        );
        assert_eq!(
            (&number["country"], &number["type"]),
            (&json!("NL"), &json!("local"))
        );
    }

    let body = "Your order #1234 has shipped!";
    let request = json!({ "from_number_id": numbers[0]["id"], "to": PEER, "body": body });
    let answer = customer.post("/api/v1/portal/sms/send", &request).await;
    let answer = answer.expect(200);
    assert_eq!(answer["success"], true);
    let message = &answer["message"];
    assert!(message["id"].is_u64());
    for (member, value) in [
        ("direction", json!("outbound")),
        ("from", json!(NUMBER)),
        ("to", json!(PEER)),
        ("body", json!(body)),
        ("status", json!("queued")),
        ("segments", json!(1)),
        ("carrier", json!("didfarm")),
    ] {
        assert_eq!(message[member], value, "{member}");
    }
    let at = text(message, "created_at");
    assert_eq!((at.len(), &at[19..20], &at[26..]), (27, ".", "Z"), "{at}");

    let list = customer.get("/api/v1/portal/sms?direction=outbound").await;
    let list = list.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["id"], message["id"]);
    // Either spelling of an id names the message in either dialect.
    let id = message["id"].to_string();
    let delivered = customer.message_with(&id, "delivered").await;
    assert_eq!(delivered["body"], body);
}

#[tokio::test]
async fn every_fate_ends_as_its_table_says() {
    let (daemon, customer) = start_with(Options::new().set("engine.retry_ms", 20)).await;
    let mut spent = 0;
    for (ending, status, reason, history) in [
        (
            1,
            "failed",
            json!("invalid_destination"),
            "queued sending failed",
        ),
        (
            2,
            "failed",
            json!("unreachable"),
            "queued sending sent failed",
        ),
        (3, "sent", Value::Null, "queued sending sent"),
        (5, "delivered", Value::Null, "queued sending sent delivered"),
        (
            6,
            "delivered",
            Value::Null,
            "queued sending sending sending sending sending sent delivered",
        ),
        (
            8,
            "delivered",
            Value::Null,
            "queued sending sent failed delivered",
        ),
        (9, "sending", json!("in_doubt"), "queued sending sending"),
    ] {
        let id = customer
            .sent_id(&fated(ending), &format!("fate {ending}"))
            .await;
        let settled = customer
            .message_when(&id, |message| {
                message["status"] == status && message["reason"] == reason
            })
            .await;
        assert_forward(&settled);
        assert_eq!(statuses(&settled).join(" "), history, "{ending:04}");
        assert_eq!(settled["refunded"], ending == 1, "{ending:04}");
        spent += if ending == 1 { 0 } else { SEGMENT_MICROS };
        let balance = daemon.operator().demo_balance_micros().await;
        assert_eq!(balance, DEMO_WALLET_MICROS - spent, "{ending:04}");
    }
    let scrape = daemon.operator().scrape().await;
    assert_eq!(
        scrape.get("didfarm_receipts_total{outcome=\"duplicate\"}"),
        2.0
    );
    assert_eq!(
        scrape.get("didfarm_receipts_total{outcome=\"contradiction\"}"),
        1.0
    );
    assert_eq!(
        scrape.get("didfarm_submit_answers_total{outcome=\"throttled\"}"),
        2.0
    );
}

#[tokio::test]
async fn a_receipt_before_its_submit_answer_is_parked_and_claimed() {
    let (daemon, customer) = start().await;
    let id = customer.sent_id(&fated(4), "receipt first").await;
    let delivered = customer.message_with(&id, "delivered").await;
    assert_forward(&delivered);
    let scrape = daemon.operator().scrape().await;
    assert_eq!(
        scrape.get("didfarm_receipts_total{outcome=\"parked\"}"),
        1.0
    );
    assert_eq!(scrape.get("didfarm_receipts_total{outcome=\"moved\"}"), 1.0);
}

#[tokio::test]
async fn a_message_without_an_answer_is_in_doubt_and_not_submitted_again() {
    let (daemon, customer) = start().await;
    let id = customer.sent_id(&fated(7), "no answer").await;
    let doubtful = customer
        .message_when(&id, |message| message["reason"] == "in_doubt")
        .await;
    assert_eq!(doubtful["status"], "sending");
    assert_forward(&doubtful);
    assert_eq!(daemon.operator().metric("didfarm_submits_total").await, 1.0);
}

#[tokio::test]
async fn a_missing_receipt_leaves_the_message_sent_and_unconfirmed() {
    let (_daemon, customer) =
        start_with(Options::new().set("delivery.receipt_deadline_ms", 100)).await;
    let id = customer.sent_id(&fated(3), "no receipt").await;
    let unconfirmed = customer
        .message_when(&id, |message| message["reason"] == "unconfirmed")
        .await;
    assert_eq!(unconfirmed["status"], "sent");
}

#[tokio::test]
async fn segments_and_charges_follow_the_text() {
    let (daemon, customer) = start().await;
    let mut spent = 0;
    for (n, (body, encoding, segments)) in [
        ("a".repeat(160), "GSM-7", 1),
        ("a".repeat(161), "GSM-7", 2),
        ("€".repeat(80), "GSM-7", 1),
        ("€".repeat(81), "GSM-7", 2),
        ("a".repeat(1_600), "GSM-7", 11),
        ("я".repeat(70), "UCS-2", 1),
        ("я".repeat(71), "UCS-2", 2),
        ("😀".repeat(35), "UCS-2", 1),
        ("😀".repeat(36), "UCS-2", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let sent = customer.sent(&peer(n as u32), &body).await;
        assert_eq!(
            (&sent["encoding"], &sent["segments"]),
            (&json!(encoding), &json!(segments)),
            "{body}"
        );
        spent += segments * SEGMENT_MICROS;
        let delivered = customer.message_with(&text(&sent, "id"), "delivered").await;
        assert_eq!(delivered["body"], json!(body));
    }
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS - spent);
}

#[tokio::test]
async fn a_whatsapp_message_is_delivered_and_then_read() {
    let (_daemon, customer) = start().await;
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "hello?", "channel": "whatsapp" });
    customer.inbound(&wrote).await.expect(200);
    let reply = json!({ "from": NUMBER, "to": PEER, "body": "hello!", "channel": "whatsapp" });
    let sent = customer.send(&reply).await.expect(201)["data"].clone();
    assert_eq!(sent["channel"], "whatsapp");
    let read = customer
        .message_when(&text(&sent, "id"), |message| !message["read_at"].is_null())
        .await;
    assert_eq!(read["status"], "delivered");
    assert_forward(&read);
}
