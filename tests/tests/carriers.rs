//! Full circles over real sockets: a message goes out over each carrier's protocol and its receipts come back.

use std::time::Duration;

use didfarm_loadtest::Target;
use didfarm_loadtest::carriers::Faults;
use didfarm_loadtest::carriers::record::Protocol;
use didfarm_loadtest::replay::{ReplayPlan, replay};
use didfarm_tests::customer::{Customer, NUMBER, assert_forward, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::{DEMO_KEY, Options};
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::world::{PUBLIC, World};
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const BOUND: Duration = Duration::from_secs(30);

async fn start(faults: Faults, carrier: &str) -> (World, Daemon, Customer) {
    let world = World::new(faults);
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let routes = format!(
        "[[routes]]\ntargets = [{{ carrier = \"{carrier}\" }}]\n{}",
        idle(carrier)
    );
    let daemon = world.daemon(&program, Options::new(), &routes).await;
    if carrier == "sm" {
        world.bound().await;
    }
    let customer = daemon.customer();
    (world, daemon, customer)
}

/// Routes for the carriers that a test does not use: every carrier of the settings needs one.
fn idle(used: &str) -> String {
    ["tx", "tw", "wa", "sm"]
        .iter()
        .enumerate()
        .filter(|(_, name)| **name != used)
        .map(|(n, name)| {
            let channel = if *name == "wa" { "whatsapp" } else { "sms" };
            format!("[[routes]]\nprefix = \"+99{n}\"\nchannel = \"{channel}\"\ntargets = [{{ carrier = \"{name}\" }}]\n")
        })
        .collect()
}

/// Receipts that come twice, early and out of order.
fn unruly() -> Faults {
    Faults {
        receipt_delay_ms: 20,
        duplicates: 0.3,
        disorder: 0.3,
        early: 0.3,
        ..Faults::default()
    }
}

/// Sends over one carrier, and every message is delivered once, whatever its receipts do.
async fn circle(carrier: &str, protocol: Protocol) {
    const MESSAGES: u32 = 60;
    let (world, mut daemon, customer) = start(unruly(), carrier).await;
    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        // Every third takes three segments.
        let body = "long enough ".repeat(if n % 3 == 0 { 30 } else { 1 });
        ids.push(customer.sent_id(&peer(n), body.trim()).await);
    }
    for id in &ids {
        let message = customer.message_with(id, "delivered").await;
        assert_forward(&message);
        assert_eq!(message["carrier"], carrier, "{message}");
        assert_eq!(
            (&message["route_reason"], &message["submits"]),
            (&json!("preferred"), &json!(1))
        );
        assert_eq!(message["refunded"], false);
    }
    world.settled().await;
    let counts = world.counts(protocol);
    let segments = u64::from(MESSAGES) + 2 * u64::from(MESSAGES.div_ceil(3));
    let submits = match protocol {
        Protocol::Smpp => segments,
        _ => u64::from(MESSAGES),
    };
    assert_eq!(counts.submits, submits, "{counts:?}");
    let operator = daemon.operator();
    operator.metric_is("didfarm_receipts_parked", 0.0).await;
    operator.metric_is("didfarm_messages_in_flight", 0.0).await;
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn telnyx_takes_and_receipts_every_message() {
    circle("tx", Protocol::Telnyx).await;
}

#[tokio::test]
async fn twilio_takes_and_receipts_every_message() {
    circle("tw", Protocol::Twilio).await;
}

#[tokio::test]
async fn smpp_takes_and_receipts_every_segment() {
    circle("sm", Protocol::Smpp).await;
}

/// A peer writes over one carrier, in the words of its vendor, and the message is stored once.
async fn received(protocol: &str, carrier: &str, body: &str, parts: u8) -> Value {
    let (world, daemon, customer) = start(unruly(), carrier).await;
    world.inbound(protocol, PEER, NUMBER, body, parts).await;
    let row = eventually("the message is stored", BOUND, async || {
        let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
        (!rows.is_empty()).then(|| rows.clone())
    })
    .await;
    world.settled().await;
    let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let conversation = &customer.conversations().await[0];
    let history = customer.history(&text(conversation, "id")).await;
    assert_eq!((history.len(), &history[0]["from"]), (1, &json!(PEER)));
    assert_eq!(history[0]["carrier"], carrier);
    drop(daemon);
    row[0].clone()
}

#[tokio::test]
async fn an_inbound_message_comes_in_over_every_protocol() {
    for (protocol, carrier) in [
        ("telnyx", "tx"),
        ("twilio", "tw"),
        ("whatsapp", "wa"),
        ("smpp", "sm"),
    ] {
        let row = received(protocol, carrier, "Привет — hi 😀", 1).await;
        assert_eq!(row["body"], "Привет — hi 😀", "{protocol}");
    }
}

#[tokio::test]
async fn a_long_inbound_message_is_put_together() {
    let body = "Привет, this is longer than one segment 😀. ".repeat(12);
    let row = received("smpp", "sm", body.trim(), 9).await;
    assert_eq!(row["body"], body.trim());
}

#[tokio::test]
async fn parts_survive_kill_9_and_the_message_is_there_once() {
    let (world, mut daemon, _) = start(Faults::default(), "sm").await;
    // Two of three parts, by hand: the third comes after the crash.
    world
        .inbound("smpp", PEER, NUMBER, &"abc ".repeat(100), 3)
        .await;
    daemon.kill9();
    daemon.restart().await;
    world.lead_to(&daemon);
    let customer = daemon.customer();
    eventually("the message is whole", BOUND, async || {
        let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
        (rows.len() == 1 && rows[0]["body"] == "abc ".repeat(100)).then_some(())
    })
    .await;
    world.settled().await;
    let rows = customer.all("/api/v1/portal/sms?direction=inbound").await;
    assert_eq!(rows.len(), 1);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_capture_that_is_sent_again_shuffled_and_doubled_changes_nothing() {
    for carrier in ["tx", "tw"] {
        let world = World::new(unruly());
        let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
        let routes = format!(
            "[[routes]]\ntargets = [{{ carrier = \"{carrier}\" }}]\n{}",
            idle(carrier)
        );
        let options = Options::new().set("capture.enabled", true);
        let mut daemon = world.daemon(&program, options, &routes).await;
        let customer = daemon.customer();
        let mut ids = Vec::new();
        for n in 0..40 {
            ids.push(customer.sent_id(&peer(n), "captured").await);
        }
        for id in &ids {
            customer.message_with(id, "delivered").await;
        }
        world.settled().await;
        let folder = daemon.data_dir().join("capture");
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(
            text.lines().count() >= 40 && !text.contains("signature"),
            "{carrier}"
        );
        let plan = ReplayPlan {
            file: file.path(),
            target: Target::parse(&format!("http://{}", daemon.address())).unwrap(),
            public_url: PUBLIC.to_owned(),
            keys: world.keys().clone(),
            speed: 10.0,
            shuffle: Duration::from_millis(300),
            duplicates: 0.3,
            connections: 8,
            threads: 1,
            timeout: BOUND,
            api_key: Some(DEMO_KEY.to_owned()),
            drain_timeout: BOUND,
            seed: 7,
            progress: false,
        };
        let replayed = tokio::task::spawn_blocking(move || replay(&plan)).await;
        let report = replayed.unwrap().unwrap();
        assert!(report.is_clean() && report.captured >= 40, "{report}");
        assert_eq!(report.unnamed, 0, "{report}");
        assert!(daemon.terminate().await.success());
        daemon.verify(None);
    }
}
