//! WhatsApp: the window, templates, media, and peers without a number.

use didfarm_loadtest::carriers::Faults;
use didfarm_tests::customer::{Customer, NUMBER, assert_forward, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::world::{PHONE_NUMBER_ID, World};
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const USER: &str = "NL.13491208655302741918";
const ROUTES: &str = r#"
[[routes]]
channel = "whatsapp"
targets = [{ carrier = "wa" }]
[[routes]]
channel = "sms"
targets = [{ carrier = "simulator" }, { carrier = "tx" }, { carrier = "tw" }, { carrier = "sm" }]
"#;

async fn start() -> (World, Daemon, Customer) {
    let world = World::new(Faults {
        receipt_delay_ms: 10,
        read: 1.0,
        ..Faults::default()
    });
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = world.daemon(&program, Options::new(), ROUTES).await;
    let customer = daemon.customer();
    (world, daemon, customer)
}

/// Meta brings one message, from a number, a user id, or both.
async fn brings(
    world: &World,
    daemon: &Daemon,
    id: &str,
    from: Option<&str>,
    user: Option<&str>,
    message: Value,
) {
    let mut message = message;
    message["id"] = json!(id);
    message["timestamp"] = json!("1763700000");
    let mut contact = json!({ "profile": { "name": "Ann" } });
    if let Some(from) = from {
        message["from"] = json!(from[1..]);
        contact["wa_id"] = json!(from[1..]);
    }
    if let Some(user) = user {
        message["from_user_id"] = json!(user);
        contact["user_id"] = json!(user);
    }
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "contacts": [contact],
        "messages": [message],
    });
    calls_back(world, daemon, "messages", value).await;
}

fn metadata() -> Value {
    json!({ "display_phone_number": &NUMBER[1..], "phone_number_id": PHONE_NUMBER_ID })
}

/// Meta brings one change of a field.
async fn calls_back(world: &World, daemon: &Daemon, field: &str, value: Value) {
    let body = json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "1", "changes": [{ "field": field, "value": value }] }],
    })
    .to_string();
    let url = format!("http://{}/carriers/wa", daemon.address());
    let mut raw = didfarm_tests::http::request(Method::POST, &url, None, None);
    let signature = world.keys().sign_whatsapp(body.as_bytes());
    raw.headers_mut()
        .insert("x-hub-signature-256", signature.parse().unwrap());
    *raw.body_mut() = body.into_bytes().into();
    let answer = didfarm_tests::http::Client::new().exchange(raw).await;
    answer.expect("the daemon answers").expect(200);
}

fn says(body: &str) -> Value {
    json!({ "type": "text", "text": { "body": body } })
}

#[tokio::test]
async fn outside_the_window_only_a_template_goes() {
    let (_world, mut daemon, customer) = start().await;
    let free = json!({ "from": NUMBER, "to": PEER, "body": "hello", "channel": "whatsapp" });
    customer.send(&free).await.refused(409, "window_closed");
    let media = json!({
        "from": NUMBER, "to": PEER, "channel": "whatsapp",
        "media": { "type": "image", "url": "https://example.org/a.png" },
    });
    customer.send(&media).await.refused(409, "window_closed");
    assert_eq!(daemon.operator().demo_balance_micros().await, 100_000_000);
    let template = json!({
        "from": NUMBER, "to": PEER, "channel": "whatsapp",
        "template": {
            "name": "appointment", "language": "nl",
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "10:00" }] }],
        },
    });
    let sent = customer.send(&template).await.expect(201)["data"].clone();
    let read = customer
        .message_when(&text(&sent, "id"), |message| !message["read_at"].is_null())
        .await;
    assert_eq!(
        (&read["status"], &read["message_type"]),
        (&json!("delivered"), &json!("template"))
    );
    assert_forward(&read);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn inside_the_window_text_and_media_go() {
    let (world, daemon, customer) = start().await;
    brings(&world, &daemon, "wamid.1", Some(PEER), None, says("hello?")).await;
    let text_message = json!({ "from": NUMBER, "to": PEER, "body": "hi", "channel": "whatsapp" });
    let document = json!({
        "from": NUMBER, "to": PEER, "channel": "whatsapp", "body": "your invoice",
        "media": { "type": "document", "url": "https://example.org/a.pdf", "filename": "invoice.pdf" },
    });
    for message in [text_message, document] {
        let sent = customer.send(&message).await.expect(201)["data"].clone();
        let delivered = customer.message_with(&text(&sent, "id"), "delivered").await;
        assert_eq!(delivered["carrier"], "wa");
    }
    // SMS carries neither.
    let over_sms = json!({
        "from": NUMBER, "to": PEER, "media": { "type": "image", "url": "https://example.org/a.png" },
    });
    let answer = customer.send(&over_sms).await;
    assert_eq!(answer.status, 422, "{answer:?}");
}

#[tokio::test]
async fn every_kind_of_inbound_message_is_shown() {
    let (world, daemon, customer) = start().await;
    let image = json!({
        "type": "image",
        "image": { "id": "m-1", "mime_type": "image/png", "sha256": "abc", "caption": "look" },
    });
    let place = json!({
        "type": "location",
        "location": { "latitude": 52.37, "longitude": 4.89, "name": "Dam", "address": "Amsterdam" },
    });
    let strange = json!({ "type": "hologram", "hologram": { "x": 1 } });
    for (n, message) in [says("hello"), image, place, strange]
        .into_iter()
        .enumerate()
    {
        brings(
            &world,
            &daemon,
            &format!("wamid.{n}"),
            Some(PEER),
            None,
            message,
        )
        .await;
    }
    let conversation = text(&customer.conversations().await[0], "id");
    let history = customer.history(&conversation).await;
    let kinds: Vec<_> = history
        .iter()
        .map(|row| text(row, "message_type"))
        .collect();
    assert_eq!(kinds, ["text", "image", "location", "unsupported"]);
    assert_eq!(
        (&history[1]["body"], &history[1]["media"][0]["id"]),
        (&json!("look"), &json!("m-1"))
    );
    assert_eq!(history[2]["location"]["name"], "Dam");
    assert!(history.iter().all(|row| row["profile_name"] == "Ann"));
}

#[tokio::test]
async fn a_peer_without_a_number_has_a_conversation_and_keeps_it_when_the_number_is_known() {
    let (world, mut daemon, customer) = start().await;
    brings(
        &world,
        &daemon,
        "wamid.1",
        None,
        Some(USER),
        says("who am I?"),
    )
    .await;
    let reply = json!({ "from": NUMBER, "to": USER, "body": "you are you", "channel": "whatsapp" });
    let sent = customer.send(&reply).await.expect(201)["data"].clone();
    customer.message_with(&text(&sent, "id"), "delivered").await;
    brings(
        &world,
        &daemon,
        "wamid.2",
        Some(PEER),
        Some(USER),
        says("and this is my number"),
    )
    .await;
    daemon.kill9();
    daemon.restart().await;
    world.lead_to(&daemon);
    let customer = daemon.customer();
    brings(
        &world,
        &daemon,
        "wamid.3",
        Some(PEER),
        None,
        says("still me"),
    )
    .await;
    brings(
        &world,
        &daemon,
        "wamid.4",
        None,
        Some(USER),
        says("me again"),
    )
    .await;
    let conversations = customer.conversations().await;
    assert_eq!(conversations.len(), 1, "{conversations:?}");
    assert_eq!(conversations[0]["id"], sent["conversation_id"]);
    let history = customer.history(&text(&conversations[0], "id")).await;
    let bodies: Vec<_> = history.iter().map(|row| text(row, "body")).collect();
    assert_eq!(
        bodies,
        [
            "who am I?",
            "you are you",
            "and this is my number",
            "still me",
            "me again"
        ]
    );
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_number_that_is_known_first_leads_its_user_id_to_the_same_conversation() {
    let (world, daemon, customer) = start().await;
    brings(
        &world,
        &daemon,
        "wamid.1",
        Some(PEER),
        None,
        says("by number"),
    )
    .await;
    brings(
        &world,
        &daemon,
        "wamid.2",
        Some(PEER),
        Some(USER),
        says("by both"),
    )
    .await;
    brings(
        &world,
        &daemon,
        "wamid.3",
        None,
        Some(USER),
        says("by user id"),
    )
    .await;
    assert_eq!(customer.conversations().await.len(), 1);
}

#[tokio::test]
async fn a_peer_with_two_conversations_keeps_each_message_once() {
    let (world, daemon, customer) = start().await;
    // Two conversations before anybody knew that they are one peer's.
    customer.sent(PEER, "by SMS").await;
    brings(
        &world,
        &daemon,
        "wamid.1",
        None,
        Some(USER),
        says("by user id"),
    )
    .await;
    for _ in 0..3 {
        brings(
            &world,
            &daemon,
            "wamid.2",
            Some(PEER),
            Some(USER),
            says("by both"),
        )
        .await;
    }
    assert_eq!(customer.conversations().await.len(), 2);
    let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[tokio::test]
async fn who_stops_marketing_in_whatsapp_gets_no_templates_until_they_resume_it() {
    let (world, mut daemon, customer) = start().await;
    let wants = async |daemon: &Daemon, peer: &str, value: &str, timestamp: u64| {
        let preference = json!({
            "wa_id": peer[1..], "category": "marketing_messages", "value": value,
            "detail": format!("User requested to {value} marketing messages"),
            "timestamp": timestamp,
        });
        let value = json!({
            "messaging_product": "whatsapp", "metadata": metadata(),
            "contacts": [{ "wa_id": peer[1..] }], "user_preferences": [preference],
        });
        calls_back(&world, daemon, "user_preferences", value).await;
    };
    let template = json!({
        "from": NUMBER, "to": PEER, "channel": "whatsapp",
        "template": { "name": "offers", "language": "nl" },
    });
    brings(&world, &daemon, "wamid.1", Some(PEER), None, says("hello?")).await;
    wants(&daemon, PEER, "stop", 1_763_700_000).await;
    customer.send(&template).await.refused(409, "opted_out");
    // What the peer asks is answered all the same.
    let reply = json!({ "from": NUMBER, "to": PEER, "body": "hi", "channel": "whatsapp" });
    customer.send(&reply).await.expect(201);
    let proof = customer.all("/api/v1/sms/opt-outs").await;
    assert_eq!(proof.len(), 1);
    assert_eq!(
        [
            &proof[0]["cause"],
            &proof[0]["note"],
            &proof[0]["stated_at"]
        ],
        [
            &json!("whatsapp"),
            &json!("User requested to stop marketing messages"),
            &json!("2025-11-21T04:40:00Z")
        ]
    );
    daemon.kill9();
    daemon.restart().await;
    world.lead_to(&daemon);
    let customer = daemon.customer();
    customer.send(&template).await.refused(409, "opted_out");
    wants(&daemon, PEER, "resume", 1_763_700_001).await;
    customer.send(&template).await.expect(201);
    // What comes again is old news.
    wants(&daemon, PEER, "stop", 1_763_700_000).await;
    customer.send(&template).await.expect(201);
    // A peer that we never wrote to is no reason to come again.
    wants(&daemon, "+31687654321", "stop", 1_763_700_002).await;
    // To resume marketing takes no STOP back.
    brings(&world, &daemon, "wamid.2", Some(PEER), None, says("stop")).await;
    wants(&daemon, PEER, "resume", 1_763_700_003).await;
    customer.send(&template).await.refused(409, "opted_out");
    let counted = "didfarm_callback_elements_total{carrier=\"wa\",kind=\"preference\"}";
    assert_eq!(daemon.operator().scrape().await.get(counted), 4.0);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

fn chooses(title: &str) -> Value {
    let reply = json!({ "type": "button_reply", "button_reply": { "id": "1", "title": title } });
    json!({ "type": "interactive", "interactive": reply })
}

#[tokio::test]
async fn a_button_of_a_dialog_opts_nobody_out_and_that_of_marketing_does() {
    let (world, daemon, customer) = start().await;
    brings(
        &world,
        &daemon,
        "wamid.1",
        Some(PEER),
        None,
        chooses("Cancel"),
    )
    .await;
    let reply = json!({ "from": NUMBER, "to": PEER, "body": "cancelled", "channel": "whatsapp" });
    customer.send(&reply).await.expect(201);
    let stop = chooses("Stop promotions");
    brings(&world, &daemon, "wamid.2", Some(PEER), None, stop).await;
    customer.send(&reply).await.refused(409, "opted_out");
    // Another dialog is no wish to get messages again.
    brings(
        &world,
        &daemon,
        "wamid.3",
        Some(PEER),
        None,
        chooses("Start"),
    )
    .await;
    customer.send(&reply).await.refused(409, "opted_out");
}

#[tokio::test]
async fn templates_that_wait_do_not_go_when_the_peer_stops_marketing_and_all_else_goes() {
    let (world, mut daemon, customer) = start().await;
    brings(&world, &daemon, "wamid.1", Some(PEER), None, says("hello?")).await;
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let later = later.to_string();
    let template = json!({
        "from": NUMBER, "to": PEER, "channel": "whatsapp", "send_at": later,
        "template": { "name": "offers", "language": "nl" },
    });
    let sms = json!({ "from": NUMBER, "to": PEER, "body": "as agreed", "send_at": later });
    let waits = text(&customer.send(&template).await.expect(201)["data"], "id");
    let stays = text(&customer.send(&sms).await.expect(201)["data"], "id");
    let before = daemon.operator().demo_balance_micros().await;
    let preference = json!({
        "wa_id": PEER[1..], "category": "marketing_messages", "value": "stop",
        "detail": "enough", "timestamp": 1_763_700_000,
    });
    let value = json!({
        "messaging_product": "whatsapp", "metadata": metadata(),
        "contacts": [{ "wa_id": PEER[1..] }], "user_preferences": [preference],
    });
    calls_back(&world, &daemon, "user_preferences", value).await;
    // Also where nobody had looked yet.
    daemon.kill9();
    daemon.restart().await;
    world.lead_to(&daemon);
    let customer = daemon.customer();
    let failed = customer.message_with(&waits, "failed").await;
    assert_eq!(failed["reason"], "opted_out", "{failed}");
    let given_back = daemon.operator().demo_balance_micros().await - before;
    assert_eq!(given_back, 8_000);
    assert_eq!(customer.message(&stays).await["status"], "scheduled");
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}
