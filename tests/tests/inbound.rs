//! Inbound: stored before the carrier is told so, and once however often it is brought.

use std::collections::HashSet;

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";

async fn start() -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, Options::new()).await;
    let customer = daemon.customer();
    (daemon, customer)
}

fn wrote(id: &str, body: &str) -> Value {
    json!({ "from": PEER, "to": NUMBER, "body": body, "id": id })
}

#[tokio::test]
async fn what_was_taken_survives_kill_9_and_a_repeat_is_the_same_message() {
    let (mut daemon, customer) = start().await;
    let first = customer.inbound(&wrote("c-1", "one")).await.expect(200);
    assert_eq!(first["duplicate"], false);
    let again = customer.inbound(&wrote("c-1", "one")).await.expect(200);
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&first["id"], &json!(true))
    );
    let other = customer.inbound(&wrote("c-2", "two")).await.expect(200);
    assert_ne!(other["id"], first["id"]);
    // Without an id of the carrier's each is a message of its own.
    let bare = json!({ "from": PEER, "to": NUMBER, "body": "bare" });
    for _ in 0..2 {
        customer.inbound(&bare).await.expect(200);
    }
    daemon.kill9();
    daemon.restart().await;

    let customer = daemon.customer();
    let again = customer.inbound(&wrote("c-1", "one")).await.expect(200);
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&first["id"], &json!(true))
    );
    let history = customer.history(&text(&first, "conversation_id")).await;
    let bodies: Vec<_> = history.iter().map(|row| text(row, "body")).collect();
    assert_eq!(bodies, ["one", "two", "bare", "bare"]);
    for row in &history {
        assert_eq!(text(row, "direction"), "inbound");
        assert_eq!(text(row, "from"), PEER);
    }
    assert_eq!(customer.conversations().await[0]["unread"], json!(4));
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn simultaneous_repeats_are_one_message() {
    const REPEATS: usize = 100;
    let (daemon, customer) = start().await;
    let repeats: Vec<_> = (0..REPEATS)
        .map(|_| {
            let customer = customer.clone();
            tokio::spawn(async move { customer.inbound(&wrote("c-7", "again")).await.expect(200) })
        })
        .collect();
    let mut ids = HashSet::new();
    let mut new = 0;
    for repeat in repeats {
        let answer = repeat.await.unwrap();
        ids.insert(text(&answer, "id"));
        new += usize::from(answer["duplicate"] == false);
    }
    assert_eq!((ids.len(), new), (1, 1));
    let scrape = daemon.operator().scrape().await;
    assert_eq!(
        scrape.get("didfarm_messages_received_total{channel=\"sms\"}"),
        1.0
    );
    assert_eq!(
        scrape.get("didfarm_inbound_duplicates_total"),
        (REPEATS - 1) as f64
    );
}

#[tokio::test]
async fn every_one_that_was_answered_is_there_after_kill_9_under_load() {
    let (mut daemon, customer) = start().await;
    let (told, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let senders: Vec<_> = (0..8u32)
        .map(|sender| {
            let (customer, told) = (customer.clone(), told.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let body = format!("{sender}-{n}");
                    let message =
                        json!({ "from": peer(sender), "to": NUMBER, "body": body, "id": body });
                    let asked = customer.try_ask(
                        hyper::Method::POST,
                        "/carriers/simulator/inbound",
                        Some(&message),
                    );
                    match asked.await {
                        Ok(answer) if answer.status == 200 => {
                            told.send((text(&answer.json(), "id"), body)).unwrap();
                        }
                        Ok(_) | Err(_) => return,
                    }
                }
            })
        })
        .collect();
    drop(told);
    let mut answered = Vec::new();
    while answered.len() < 500 {
        answered.push(taken.recv().await.unwrap());
    }
    daemon.kill9();
    for sender in senders {
        sender.await.unwrap();
    }
    while let Some(message) = taken.recv().await {
        answered.push(message);
    }
    daemon.restart().await;
    let list = daemon.folder().join("expected");
    let lines: String = answered
        .iter()
        .map(|(id, body)| format!("{id}\t{body}\n"))
        .collect();
    std::fs::write(&list, lines).unwrap();
    let rows = daemon
        .customer()
        .all("/api/v1/portal/sms?limit=100&direction=inbound")
        .await;
    let stored: HashSet<_> = rows.iter().map(|row| text(row, "body")).collect();
    assert_eq!(
        stored.len(),
        rows.len(),
        "an inbound message is there twice"
    );
    for (_, body) in &answered {
        assert!(stored.contains(body), "{body} is lost");
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(Some(&list));
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_field() {
    let (_daemon, customer) = start().await;
    for (message, status, code) in [
        (
            json!({ "from": PEER, "to": "+31209999999", "body": "x" }),
            404,
            "number_unknown",
        ),
        (
            json!({ "from": PEER, "to": NUMBER }),
            400,
            "validation_failed",
        ),
        (
            json!({ "from": "nobody", "to": NUMBER, "body": "x" }),
            422,
            "invalid_number",
        ),
        (
            json!({ "from": PEER, "to": NUMBER, "body": "x", "id": "" }),
            400,
            "validation_failed",
        ),
        (
            json!({ "from": PEER, "to": NUMBER, "body": "x", "text": "y" }),
            400,
            "unknown_field",
        ),
        (
            json!({ "from": PEER, "to": NUMBER, "body": "x".repeat(9_000) }),
            413,
            "payload_too_large",
        ),
    ] {
        customer.inbound(&message).await.refused(status, code);
    }
    // A short code may write, though nothing can be sent to it as to a telephone.
    let short = json!({ "from": "+12345", "to": NUMBER, "body": "vote" });
    customer.inbound(&short).await.expect(200);
    assert_eq!(customer.conversations().await.len(), 1);
}
