//! Races that operators and traffic run against each other: each has one answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use didfarm_tests::customer::text;
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use serde_json::json;

const PEER: &str = "+31612345678";
/// Numbers that are added under traffic, one after the other.
const NUMBERS: usize = 20;
const CLIENTS: usize = 8;

async fn start() -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    Daemon::start(&program, Options::new()).await
}

#[tokio::test]
async fn a_number_that_is_added_under_its_own_traffic_has_one_conversation_per_pair() {
    let mut daemon = start().await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    for n in 0..NUMBERS {
        let number = format!("+3120555{n:04}");
        let hosted = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (customer, hosted, number) =
                    (customer.clone(), Arc::clone(&hosted), number.clone());
                tokio::spawn(async move {
                    let message = json!({ "from": PEER, "to": number, "body": "early" });
                    let mut taken = Vec::new();
                    // A few more after the number is known, and always an end.
                    let mut more = 5;
                    while more > 0 {
                        more -= usize::from(hosted.load(Ordering::Acquire));
                        let answer = customer.inbound(&message).await;
                        if answer.status == 200 {
                            taken.push(answer.json());
                        } else {
                            answer.refused(404, "number_unknown");
                        }
                    }
                    taken
                })
            })
            .collect();
        let added = json!({ "account": 1, "e164": number, "sms": true, "whatsapp": false });
        operator.post("/ops/numbers", &added).await.expect(201);
        hosted.store(true, Ordering::Release);
        let (mut conversations, mut messages, mut count) = (HashSet::new(), HashSet::new(), 0);
        for client in clients {
            for taken in client.await.unwrap() {
                conversations.insert(text(&taken, "conversation_id"));
                messages.insert(text(&taken, "id"));
                count += 1;
            }
        }
        assert_eq!(
            (conversations.len(), messages.len()),
            (1, count),
            "{number}"
        );
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn one_key_given_to_two_accounts_at_once_opens_one_of_them() {
    let mut daemon = start().await;
    let operator = daemon.operator();
    operator
        .post("/ops/accounts", &json!({ "name": "Second" }))
        .await
        .expect(201);
    for round in 0..5 {
        let key = json!({ "key": format!("a-key-of-an-operators-own-{round}") });
        let (first, second) = tokio::join!(
            operator.post("/ops/accounts/1/keys", &key),
            operator.post("/ops/accounts/2/keys", &key)
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422]);
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_a_stop_up() {
    use tokio::io::AsyncWriteExt;

    let mut daemon = start().await;
    let address = daemon.customer().address();
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /carriers/simulator/inbound HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{";
    half.write_all(head.as_bytes()).await.unwrap();
    let began = std::time::Instant::now();
    assert!(daemon.terminate().await.success());
    assert!(
        began.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
