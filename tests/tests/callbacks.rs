//! Callbacks at the door: what is not genuine, what cannot be read, what comes twice, and what comes for
//! nobody.

use std::time::Duration;

use didfarm_loadtest::Keys;
use didfarm_loadtest::carriers::Faults;
use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::http::{Answer, Client, request};
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::world::{PHONE_NUMBER_ID, VERIFY_TOKEN, World};
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const BOUND: Duration = Duration::from_secs(20);
const ROUTES: &str = r#"
[[routes]]
channel = "whatsapp"
targets = [{ carrier = "wa" }]
[[routes]]
channel = "sms"
targets = [{ carrier = "simulator" }, { carrier = "tx" }, { carrier = "tw" }, { carrier = "sm" }]
"#;

async fn start(options: Options) -> (World, Daemon, Customer) {
    // Meta's own receipts never come: the test sends them.
    let world = World::new(Faults {
        loss: 1.0,
        ..Faults::default()
    });
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = world.daemon(&program, options, ROUTES).await;
    let customer = daemon.customer();
    (world, daemon, customer)
}

/// Posts to a daemon's webhook of the carrier `wa` under a signature.
async fn post(daemon: &Daemon, body: &[u8], signature: Option<&str>) -> Answer {
    let url = format!("http://{}/carriers/wa", daemon.address());
    let mut raw = request(Method::POST, &url, None, None);
    *raw.body_mut() = body.to_vec().into();
    if let Some(signature) = signature {
        let value = signature.parse().expect("a signature is ASCII");
        raw.headers_mut().insert("x-hub-signature-256", value);
    }
    Client::new()
        .exchange(raw)
        .await
        .expect("the daemon answers")
}

/// The same, signed as Meta signs.
async fn signed(daemon: &Daemon, keys: &Keys, body: &Value) -> Answer {
    let body = body.to_string();
    let signature = keys.sign_whatsapp(body.as_bytes());
    post(daemon, body.as_bytes(), Some(&signature)).await
}

fn envelope(value: &Value) -> Value {
    let mut value = value.clone();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({ "display_phone_number": &NUMBER[1..], "phone_number_id": PHONE_NUMBER_ID });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }],
    })
}

fn status(id: &str, message: Option<&str>, status: &str) -> Value {
    let mut status = json!({
        "id": id, "status": status, "timestamp": "1763700000", "recipient_id": &PEER[1..],
    });
    if let Some(message) = message {
        status["biz_opaque_callback_data"] = json!(message);
    }
    status
}

fn wrote(id: &str, body: &str) -> Value {
    json!({
        "from": &PEER[1..], "id": id, "timestamp": "1763700000", "type": "text", "text": { "body": body },
    })
}

/// Opens the window with a message of the peer's, and answers it; gives the message and the carrier's id.
async fn sent(world: &World, daemon: &Daemon, customer: &Customer) -> (String, String) {
    let hello = envelope(&json!({ "messages": [wrote("wamid.hello", "hello?")] }));
    signed(daemon, world.keys(), &hello).await.expect(200);
    let reply = json!({ "from": NUMBER, "to": PEER, "body": "hi", "channel": "whatsapp" });
    let sent = customer.send(&reply).await.expect(201)["data"].clone();
    let id = text(&sent, "id");
    customer.message_with(&id, "sent").await;
    let wamid = world.carrier_id(&id);
    (id, wamid)
}

#[tokio::test]
async fn what_is_not_genuine_is_403_and_not_looked_at() {
    let (world, daemon, customer) = start(Options::new()).await;
    let body = envelope(&json!({ "messages": [wrote("wamid.1", "forged")] })).to_string();
    let right = world.keys().sign_whatsapp(body.as_bytes());
    let wrong = right.replace('0', "1");
    for signature in [
        None,
        Some(""),
        Some("sha256="),
        Some(wrong.as_str()),
        Some(&right[1..]),
    ] {
        post(&daemon, body.as_bytes(), signature)
            .await
            .refused(403, "signature_invalid");
    }
    // Not even that it is no JSON is told to a stranger.
    post(&daemon, b"{", Some("sha256=00"))
        .await
        .refused(403, "signature_invalid");
    let (_, changed) = body.split_at(1);
    post(&daemon, changed.as_bytes(), Some(&right))
        .await
        .refused(403, "signature_invalid");
    assert_eq!(customer.conversations().await.len(), 0);
    let counted = "didfarm_callbacks_total{carrier=\"wa\",outcome=\"refused_signature\"}";
    assert_eq!(daemon.operator().metric(counted).await, 7.0);
    post(&daemon, body.as_bytes(), Some(&right))
        .await
        .expect(200);
    assert_eq!(customer.conversations().await.len(), 1);
}

#[tokio::test]
async fn what_is_no_json_is_400_and_nothing_is_stored() {
    let (world, daemon, customer) = start(Options::new()).await;
    for body in ["", "{", "[]", "null", "{\"object\":1}", "\u{0}"] {
        let signature = world.keys().sign_whatsapp(body.as_bytes());
        let answer = post(&daemon, body.as_bytes(), Some(&signature)).await;
        answer.refused(400, "callback_unreadable");
    }
    assert_eq!(customer.conversations().await.len(), 0);
}

#[tokio::test]
async fn a_bad_element_leaves_the_others_alone() {
    let (world, daemon, customer) = start(Options::new()).await;
    let batch = envelope(&json!({
        "messages": [
            wrote("wamid.1", "one"),
            { "from": 7, "id": [], "type": {} },
            "not even an object",
            wrote("wamid.2", "two"),
        ],
    }));
    signed(&daemon, world.keys(), &batch).await.expect(200);
    let conversation = text(&customer.conversations().await[0], "id");
    let bodies: Vec<_> = customer
        .history(&conversation)
        .await
        .iter()
        .map(|row| text(row, "body"))
        .collect();
    assert_eq!(bodies, ["one", "two"]);
    let malformed = "didfarm_callback_elements_total{carrier=\"wa\",kind=\"malformed\"}";
    assert_eq!(daemon.operator().metric(malformed).await, 2.0);
}

#[tokio::test]
async fn repeats_are_known_beyond_a_restart_and_beyond_many_others() {
    let (world, mut daemon, customer) = start(Options::new()).await;
    const MESSAGES: usize = 100;
    let brought = |n: usize| {
        envelope(&json!({ "messages": [wrote(&format!("wamid.{n}"), &format!("no {n}"))] }))
    };
    for n in 0..MESSAGES {
        signed(&daemon, world.keys(), &brought(n)).await.expect(200);
    }
    for n in 0..MESSAGES {
        signed(&daemon, world.keys(), &brought(n)).await.expect(200);
    }
    daemon.kill9();
    daemon.restart().await;
    for n in 0..MESSAGES {
        signed(&daemon, world.keys(), &brought(n)).await.expect(200);
    }
    drop(customer);
    let customer = daemon.customer();
    let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
    assert_eq!(rows.len(), MESSAGES);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_late_receipt_finds_its_message_after_a_restart() {
    let (world, mut daemon, customer) =
        start(Options::new().set("engine.recent_finished_max", 0)).await;
    let (id, wamid) = sent(&world, &daemon, &customer).await;
    let tell = |word: &str| envelope(&json!({ "statuses": [status(&wamid, Some(&id), word)] }));
    signed(&daemon, world.keys(), &tell("delivered"))
        .await
        .expect(200);
    customer.message_with(&id, "delivered").await;
    daemon.kill9();
    daemon.restart().await;
    signed(&daemon, world.keys(), &tell("read"))
        .await
        .expect(200);
    let customer = daemon.customer();
    let read = customer
        .message_when(&id, |message| !message["read_at"].is_null())
        .await;
    assert_eq!(read["status"], "delivered");
    daemon
        .operator()
        .metric_is("didfarm_receipts_parked", 0.0)
        .await;
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_receipt_reaches_only_the_message_that_its_ids_name() {
    let (world, daemon, customer) = start(Options::new()).await;
    let (id, wamid) = sent(&world, &daemon, &customer).await;
    // The carrier's id of nobody with our id of somebody else's carrier; an SMS is not Meta's.
    let sms = customer.sent_id("+31612340003", "by another carrier").await;
    customer.message_with(&sms, "sent").await;
    let foreign = envelope(&json!({ "statuses": [status("wamid.foreign", Some(&sms), "failed")] }));
    signed(&daemon, world.keys(), &foreign).await.expect(200);
    // The right carrier and the wrong id of theirs.
    let crossed = envelope(&json!({ "statuses": [status("wamid.other", Some(&id), "failed")] }));
    signed(&daemon, world.keys(), &crossed).await.expect(200);
    assert_eq!(customer.message(&sms).await["status"], "sent");
    assert_eq!(customer.message(&id).await["status"], "sent");
    // Theirs alone is enough.
    let right = envelope(&json!({ "statuses": [status(&wamid, None, "delivered")] }));
    signed(&daemon, world.keys(), &right).await.expect(200);
    customer.message_with(&id, "delivered").await;
    let parked = daemon.run(&["receipt", "parked"]);
    assert!(parked.stdout.contains("wamid.foreign"), "{parked:?}");
}

#[tokio::test]
async fn what_ages_out_of_the_lot_is_listed() {
    let options = Options::new().set("engine.parked_receipts_max", 3);
    let (world, mut daemon, _) = start(options).await;
    for n in 0..10 {
        let stray = envelope(
            &json!({ "statuses": [status(&format!("wamid.stray-{n}"), None, "delivered")] }),
        );
        signed(&daemon, world.keys(), &stray).await.expect(200);
    }
    let operator = daemon.operator();
    assert_eq!(
        operator
            .metric("didfarm_receipts_total{outcome=\"aged_out\"}")
            .await,
        7.0
    );
    daemon.kill9();
    daemon.restart().await;
    let listed = daemon.run(&["receipt", "aged-out"]);
    for n in 0..7 {
        assert!(
            listed.stdout.contains(&format!("wamid.stray-{n}")),
            "{listed:?}"
        );
    }
    assert!(!listed.stdout.contains("wamid.stray-7"));
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn meta_checks_the_address() {
    let (_world, daemon, _) = start(Options::new()).await;
    let ask = async |token: &str| {
        let path = format!(
            "/carriers/wa?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
        );
        daemon.stranger().get(&path).await
    };
    let answer = ask(VERIFY_TOKEN).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "1158201444"));
    ask("another").await.refused(403, "signature_invalid");
}

#[tokio::test]
async fn a_message_for_a_number_that_is_not_ours_is_taken_and_counted() {
    let (world, daemon, _) = start(Options::new()).await;
    let mut stray = envelope(&json!({ "messages": [wrote("wamid.1", "hello?")] }));
    stray["entry"][0]["changes"][0]["value"]["metadata"] =
        json!({ "display_phone_number": "4915112345678", "phone_number_id": "999" });
    signed(&daemon, world.keys(), &stray).await.expect(200);
    eventually("it is counted", BOUND, async || {
        let counted = daemon
            .operator()
            .metric("didfarm_inbound_unroutable_total")
            .await;
        (counted == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn past_the_bound_a_carrier_is_told_when_to_come_again() {
    // One callback at a time, and the delivery supervisor never gets a turn: nothing is acknowledged.
    let options = Options::new().set("limits.callbacks_in_flight_max", 1);
    let (world, daemon, _) = start(options).await;
    let keys = world.keys();
    let flood = (0..200).map(|n| {
        let body =
            envelope(&json!({ "statuses": [status(&format!("wamid.{n}"), None, "delivered")] }));
        let daemon = &daemon;
        async move { signed(daemon, keys, &body).await }
    });
    let answers = futures_util::future::join_all(flood).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 200 | 503))
    );
    assert!(
        !refused.is_empty() && refused.len() < 200,
        "{}",
        refused.len()
    );
    assert!(refused.iter().all(|answer| answer.retry_after_s() >= 1));
    // What was taken is there, and nothing else.
    let taken = answers.len() - refused.len();
    daemon
        .operator()
        .metric_is("didfarm_receipts_parked", taken as f64)
        .await;
}
