//! Faults on purpose: what fails is rebuilt, and takes nobody along.

use std::collections::HashSet;
use std::time::Duration;

use didfarm_tests::customer::{NUMBER, NUMBER_2, assert_forward, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::faults::{PANIC_IN_DELIVERY_ON_BODY, PANIC_ON_BODY};
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use serde_json::json;

const PEER: &str = "+31612345678";
const POISON: &str = "poison";
const BOUND: Duration = Duration::from_secs(20);

async fn start(options: Options) -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    Daemon::start(&program, options).await
}

#[tokio::test]
async fn a_conversation_that_panics_takes_nobody_along() {
    let mut daemon = start(Options::new().env(PANIC_ON_BODY, POISON)).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let before = customer.sent(PEER, "before").await;
    let others: Vec<_> = (0..8)
        .map(|sender| {
            let customer = customer.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    customer.sent(&peer(sender * 100 + n), "meanwhile").await;
                }
            })
        })
        .collect();
    let answer = customer.send_sms(PEER, POISON).await;
    answer.refused(500, "faulted");
    answer.retry_after_s();
    let after = customer.sent(PEER, "after").await;
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(after["conversation_id"], before["conversation_id"]);
    let history = customer.history(&text(&before, "conversation_id")).await;
    let bodies: Vec<_> = history.iter().map(|row| text(row, "body")).collect();
    assert_eq!(bodies, ["before", "after"]);
    let restarts = "didfarm_actor_restarts_total{kind=\"conversation\"}";
    assert_eq!(operator.metric(restarts).await, 1.0);
    assert_eq!(
        operator.demo_balance_micros().await,
        100_000_000 - 402 * 8_000
    );
    // An inbound message may be poison as well: the carrier is told to come again.
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": POISON });
    customer.inbound(&wrote).await.refused(500, "faulted");
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "harmless" });
    customer.inbound(&wrote).await.expect(200);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_number_that_fails_too_often_is_quarantined_until_it_is_released() {
    const RESTARTS_MAX: usize = 2;
    let options = Options::new()
        .env(PANIC_ON_BODY, POISON)
        .set("engine.restarts_max", RESTARTS_MAX);
    let daemon = start(options).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    for n in 0..=RESTARTS_MAX {
        customer
            .send_sms(&peer(n as u32), POISON)
            .await
            .refused(500, "faulted");
    }
    eventually("the number is in quarantine", BOUND, async || {
        (operator.metric("didfarm_numbers_quarantined").await == 1.0).then_some(())
    })
    .await;
    let quarantined = operator.get("/ops/quarantine").await.expect(200);
    assert_eq!(quarantined["data"], json!([{ "id": "num_00000000001" }]));
    let answer = customer.send_sms(PEER, "not now").await;
    answer.refused(503, "number_quarantined");
    answer.retry_after_s();
    let refused = "didfarm_messages_refused_total{reason=\"number_quarantined\"}";
    assert_eq!(operator.metric(refused).await, 1.0);
    // What others write to it is stored all the same, and the account's other number works.
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "hello?" });
    customer.inbound(&wrote).await.expect(200);
    let send = json!({ "from": NUMBER_2, "to": PEER, "body": "from the other" });
    let id = text(&customer.send(&send).await.expect(201)["data"], "id");
    customer.message_with(&id, "delivered").await;

    let released = daemon.run(&["number", "release", "--number", "num_00000000001"]);
    assert_eq!(released.json()["released"], true);
    let id = customer.sent_id(PEER, "now").await;
    customer.message_with(&id, "delivered").await;
    let again = daemon.run(&["number", "release", "--number", "1"]);
    assert_eq!(again.code, Some(1));
}

#[tokio::test]
async fn a_delivery_supervisor_that_panics_is_rebuilt_and_goes_on() {
    let options = Options::new()
        .env(PANIC_IN_DELIVERY_ON_BODY, POISON)
        .set("simulator.receipt_delay_ms", 1_500);
    let mut daemon = start(options).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let mut waiting = Vec::new();
    for n in 0..50 {
        waiting.push(customer.sent_id(&peer(n), "waits for its receipt").await);
    }
    for id in &waiting {
        customer
            .message_when(id, |message| {
                message["status"] != "queued" && message["status"] != "sending"
            })
            .await;
    }
    let poison = customer.sent_id(&peer(100), POISON).await;
    eventually("the supervisor is rebuilt", BOUND, async || {
        let restarts = "didfarm_actor_restarts_total{kind=\"delivery\"}";
        (operator.metric(restarts).await == 1.0).then_some(())
    })
    .await;
    let after = customer.sent_id(&peer(101), "after").await;
    for id in waiting.iter().chain([&poison, &after]) {
        let message = customer.message_with(id, "delivered").await;
        assert_forward(&message);
    }
    assert_eq!(operator.metric("didfarm_submits_total").await, 52.0);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn past_the_admission_bound_callers_are_told_to_come_again_and_nothing_is_lost() {
    let mut daemon = start(Options::new().set("limits.commands_in_flight_max", 1)).await;
    let customer = daemon.customer();
    let senders: Vec<_> = (0..32)
        .map(|sender| {
            let customer = customer.clone();
            tokio::spawn(async move {
                let (mut accepted, mut refused) = (Vec::new(), 0);
                for n in 0..10 {
                    loop {
                        let body = format!("{sender}-{n}");
                        let answer = customer.send_sms(&peer(sender), &body).await;
                        if answer.status == 201 {
                            accepted.push((text(&answer.json()["data"], "id"), body));
                            break;
                        }
                        answer.refused(503, "overloaded");
                        answer.retry_after_s();
                        refused += 1;
                    }
                }
                (accepted, refused)
            })
        })
        .collect();
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for sender in senders {
        let (its, times) = sender.await.unwrap();
        accepted.extend(its);
        refused += times;
    }
    assert!(refused > 0, "the bound was never met");
    let counter = "didfarm_messages_refused_total{reason=\"overloaded\"}";
    assert_eq!(daemon.operator().metric(counter).await, f64::from(refused));
    let rows = customer.all("/api/v1/portal/sms?limit=100").await;
    let stored: HashSet<_> = rows.iter().map(|row| text(row, "body")).collect();
    assert_eq!((rows.len(), stored.len()), (320, 320));
    assert_eq!(accepted.len(), 320);
    assert!(accepted.iter().all(|(_, body)| stored.contains(body)));
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn after_kill_9_the_queued_go_on_and_the_submitted_are_in_doubt() {
    const WINDOW: usize = 5;
    const SENT: usize = 20;
    let options = Options::new()
        .set("simulator.submit_delay_ms", 3_600_000)
        .set("simulator.window", WINDOW);
    let mut daemon = start(options).await;
    let customer = daemon.customer();
    let mut ids = Vec::new();
    for n in 0..SENT {
        ids.push(customer.sent_id(&peer(n as u32), "crash").await);
    }
    let sending = "/api/v1/portal/sms?status=sending";
    eventually("the window is full", BOUND, async || {
        (customer.all(sending).await.len() == WINDOW).then_some(())
    })
    .await;
    daemon.kill9();
    daemon.reconfigure(|options| options.set("simulator.submit_delay_ms", 1));
    daemon.restart().await;
    let customer = daemon.customer();
    eventually("the queued are delivered", BOUND, async || {
        let delivered = customer.all("/api/v1/portal/sms?status=delivered").await;
        (delivered.len() == SENT - WINDOW).then_some(())
    })
    .await;
    let mut doubtful = 0;
    for id in &ids {
        let message = customer.message(id).await;
        assert_forward(&message);
        if message["status"] == "sending" {
            assert_eq!(message["reason"], "in_doubt", "{message}");
            doubtful += 1;
        }
    }
    assert_eq!(doubtful, WINDOW);
    let submits = daemon.operator().metric("didfarm_submits_total").await;
    assert_eq!(submits, (SENT - WINDOW) as f64);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn after_kill_9_a_throttled_message_goes_again() {
    let mut daemon = start(Options::new().set("engine.retry_ms", 3_600_000)).await;
    let customer = daemon.customer();
    let id = customer.sent_id("+31612340006", "throttled").await;
    customer
        .message_when(&id, |message| message["reason"] == "throttled")
        .await;
    daemon.kill9();
    daemon.reconfigure(|options| options.set("engine.retry_ms", 20));
    daemon.restart().await;
    let delivered = daemon.customer().message_with(&id, "delivered").await;
    assert_forward(&delivered);
    assert_eq!(delivered["refunded"], false);
}

#[tokio::test]
async fn idle_conversations_are_passivated_and_come_back_as_they_were() {
    let options = Options::new()
        .set("engine.conversation_idle_ms", 100)
        .set("engine.passivate_scan_ms", 50)
        // What the records do not hold yet stays in memory.
        .set("store.checkpoint_interval_ms", 100);
    let daemon = start(options).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let wrote =
        json!({ "from": PEER, "to": NUMBER, "body": "hi", "channel": "whatsapp", "id": "c-1" });
    let first = customer.inbound(&wrote).await.expect(200);
    for n in 0..50 {
        customer.sent(&peer(n), "one of many").await;
    }
    let passivated = async || {
        eventually("conversations are passivated", BOUND, async || {
            let resident = operator
                .metric("didfarm_actors{kind=\"conversation\"}")
                .await;
            (resident == 0.0).then_some(())
        })
        .await;
    };
    passivated().await;
    // The window is still open, the carrier's id still known, and the next message the next in the row.
    let reply = json!({ "from": NUMBER, "to": PEER, "body": "hello", "channel": "whatsapp" });
    let reply = customer.send(&reply).await.expect(201)["data"].clone();
    assert_eq!(reply["conversation_id"], first["conversation_id"]);
    passivated().await;
    let again = customer.inbound(&wrote).await.expect(200);
    assert_eq!(
        (&again["duplicate"], &again["id"]),
        (&json!(true), &first["id"])
    );
    passivated().await;
    customer.sent(PEER, "third").await;
    let history = customer.history(&text(&first, "conversation_id")).await;
    let bodies: Vec<_> = history.iter().map(|row| text(row, "body")).collect();
    assert_eq!(bodies, ["hi", "hello", "third"]);
    let portal = customer.all("/api/v1/portal/sms?limit=100").await;
    let id_of = |body: &str| {
        portal.iter().find(|row| row["body"] == body).unwrap()["id"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(
        (id_of("hello"), id_of("third")),
        (id_of("hi") + 1, id_of("hi") + 2)
    );
    assert_eq!(
        operator
            .metric("didfarm_actor_restarts_total{kind=\"conversation\"}")
            .await,
        0.0
    );
}
