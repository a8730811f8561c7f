//! Routing: the next carrier takes what the first is known not to have, and nothing that it may have.

use std::time::{Duration, Instant};

use didfarm_loadtest::carriers::Faults;
use didfarm_loadtest::carriers::record::Protocol;
use didfarm_tests::customer::{assert_forward, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::world::World;
use serde_json::json;

const BOUND: Duration = Duration::from_secs(30);
/// The longest that a dead carrier may hold up new messages.
const BLACKOUT_MAX: Duration = Duration::from_secs(10);
const FIRST_THEN_SIMULATOR: &str = r#"
[[routes]]
channel = "sms"
targets = [{ carrier = "tx" }, { carrier = "simulator" }]
[[routes]]
prefix = "+991"
channel = "sms"
targets = [{ carrier = "tw" }, { carrier = "sm" }]
[[routes]]
channel = "whatsapp"
targets = [{ carrier = "wa" }]
"#;

async fn start(faults: Faults) -> (World, Daemon) {
    let world = World::new(faults);
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = world
        .daemon(&program, Options::new(), FIRST_THEN_SIMULATOR)
        .await;
    (world, daemon)
}

#[tokio::test]
async fn a_carrier_that_refuses_connections_is_passed_over() {
    let (world, daemon) = start(Faults::default()).await;
    drop(world);
    let customer = daemon.customer();
    for n in 0..20 {
        let id = customer.sent_id(&peer(n), "over the second").await;
        let message = customer.message_with(&id, "delivered").await;
        assert_forward(&message);
        assert_eq!(message["carrier"], "simulator");
        let reason = text(&message, "route_reason");
        assert!(
            reason == "failover" || reason == "circuit_open",
            "{message}"
        );
        assert_eq!(message["refunded"], false);
    }
    let opened = "didfarm_circuits_opened_total{carrier=\"tx\"}";
    assert!(daemon.operator().metric(opened).await >= 1.0);
}

#[tokio::test]
async fn a_carrier_that_throttles_is_passed_over_and_its_messages_are_not_lost() {
    let faults = Faults {
        throttle: 0.5,
        receipt_delay_ms: 10,
        ..Faults::default()
    };
    let (world, daemon) = start(faults).await;
    let customer = daemon.customer();
    let mut carriers = Vec::new();
    for n in 0..40 {
        let id = customer.sent_id(&peer(n), "one of two").await;
        let message = customer.message_with(&id, "delivered").await;
        carriers.push(text(&message, "carrier"));
    }
    let by_first = carriers.iter().filter(|name| *name == "tx").count() as u64;
    assert!((1..40).contains(&by_first), "{carriers:?}");
    assert_eq!(world.counts(Protocol::Telnyx).ids, by_first);
}

#[tokio::test]
async fn a_blackout_moves_new_traffic_and_doubts_what_was_under_way() {
    let (world, mut daemon) = start(Faults::default()).await;
    let customer = daemon.customer();
    let before = customer.sent_id(&peer(0), "before").await;
    customer.message_with(&before, "delivered").await;
    world.control(&json!({ "blackout": true })).await;
    let began = Instant::now();
    let mut sent = vec![customer.sent_id(&peer(1), "into the dark").await];
    let moved = eventually(
        "a new message goes over the second carrier",
        BOUND,
        async || {
            sent.push(customer.sent_id(&peer(sent.len() as u32 + 1), "next").await);
            for id in &sent {
                let message = customer.message(id).await;
                if message["carrier"] == "simulator" {
                    return Some(began.elapsed());
                }
            }
            None
        },
    )
    .await;
    assert!(moved < BLACKOUT_MAX, "{moved:?}");
    // What the dark carrier may have is in doubt, and is nobody else's.
    let doubtful = customer
        .message_when(&sent[0], |message| message["reason"] == "in_doubt")
        .await;
    assert_eq!(
        (&doubtful["carrier"], &doubtful["submits"]),
        (&json!("tx"), &json!(1))
    );
    let listed = daemon.run(&["message", "in-doubt"]);
    assert!(listed.stdout.contains(&sent[0]), "{listed:?}");
    // It comes back: a probe finds out, and traffic returns.
    world.control(&json!({ "blackout": false })).await;
    eventually("traffic returns to the first carrier", BOUND, async || {
        let id = customer.sent_id(&peer(500), "back").await;
        let message = customer.message_with(&id, "delivered").await;
        (message["carrier"] == "tx").then_some(())
    })
    .await;
    // An operator settles the doubt.
    let resolved = daemon.run(&["message", "resolve", &sent[0], "--as", "failed"]);
    assert_eq!(resolved.code, Some(0), "{resolved:?}");
    let failed = customer.message_with(&sent[0], "failed").await;
    assert_eq!(failed["refunded"], true);
    let again = daemon.run(&["message", "resolve", &sent[0], "--as", "failed"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_message_that_no_rule_is_for_is_refused_before_a_charge() {
    let world = World::new(Faults::default());
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let routes = FIRST_THEN_SIMULATOR.replacen(
        "channel = \"sms\"",
        "channel = \"sms\"\nprefix = \"+49\"",
        1,
    );
    let daemon = world.daemon(&program, Options::new(), &routes).await;
    let customer = daemon.customer();
    customer
        .send_sms("+31612345678", "hi")
        .await
        .refused(422, "no_route");
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, 100_000_000);
    customer.sent("+4915112345678", "hallo").await;
}

#[tokio::test]
async fn a_message_that_no_carrier_takes_in_time_expires_and_is_refunded() {
    let faults = Faults {
        throttle: 1.0,
        ..Faults::default()
    };
    let world = World::new(faults);
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let routes = FIRST_THEN_SIMULATOR.replace(", { carrier = \"simulator\" }", "");
    let daemon = world.daemon(&program, Options::new(), &routes).await;
    let customer = daemon.customer();
    let message = json!({
        "from": didfarm_tests::customer::NUMBER, "to": peer(1), "body": "too late", "validity_period": 1,
    });
    let sent = customer.send(&message).await.expect(201)["data"].clone();
    let failed = customer.message_with(&text(&sent, "id"), "failed").await;
    assert_eq!(
        (&failed["reason"], &failed["refunded"]),
        (&json!("expired"), &json!(true))
    );
    assert_forward(&failed);
    assert_eq!(daemon.operator().demo_balance_micros().await, 100_000_000);
    assert_eq!(world.counts(Protocol::Telnyx).ids, 0);
}
