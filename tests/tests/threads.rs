//! Threads: one conversation per pair, channels merged, and lists that show everything exactly once.

use std::collections::{BTreeSet, HashSet};

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
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

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter()
        .map(|row| row["id"].to_string().replace('"', ""))
        .collect()
}

/// Asserts that no row is there twice and gives their ids.
fn once(rows: &[Value]) -> HashSet<String> {
    let ids = ids(rows);
    let unique: HashSet<String> = ids.iter().cloned().collect();
    assert_eq!(unique.len(), ids.len(), "a row is there twice");
    unique
}

#[tokio::test]
async fn a_thousand_simultaneous_first_messages_open_one_conversation() {
    const FIRST: usize = 1_000;
    let (mut daemon, customer) = start().await;
    let sends: Vec<_> = (0..FIRST)
        .map(|n| {
            let customer = customer.clone();
            tokio::spawn(async move { customer.sent(PEER, &format!("first {n}")).await })
        })
        .collect();
    let mut conversations = HashSet::new();
    let mut sent = BTreeSet::new();
    for send in sends {
        let message = send.await.unwrap();
        conversations.insert(text(&message, "conversation_id"));
        sent.insert((text(&message, "id"), text(&message, "body")));
    }
    assert_eq!((conversations.len(), sent.len()), (1, FIRST));
    let conversation = conversations.into_iter().next().unwrap();
    let history = customer.history(&conversation).await;
    let found: BTreeSet<_> = history
        .iter()
        .map(|row| (text(row, "id"), text(row, "body")))
        .collect();
    assert_eq!(found, sent);
    assert_eq!(history.len(), FIRST);
    // The ids of one conversation lie side by side: a hole would be a message that was lost.
    let portal = customer.all("/api/v1/portal/sms?limit=100").await;
    let mut numbers: Vec<u64> = portal.iter().filter_map(|row| row["id"].as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len(), FIRST);
    assert_eq!(numbers[FIRST - 1] - numbers[0], FIRST as u64 - 1);
    let listed = customer.conversations().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["messages"], json!(FIRST));
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn channels_of_one_pair_share_a_conversation_and_pairs_do_not() {
    let (_daemon, customer) = start().await;
    let inbound = |from: &str, to: &str, channel: &str| json!({ "from": from, "to": to, "body": format!("by {channel}"), "channel": channel });
    let wrote = customer.inbound(&inbound(PEER, NUMBER, "whatsapp")).await;
    let conversation = text(&wrote.expect(200), "conversation_id");
    let wrote = customer.inbound(&inbound(PEER, NUMBER, "sms")).await;
    assert_eq!(text(&wrote.expect(200), "conversation_id"), conversation);
    let sms = customer.sent(PEER, "reply by sms").await;
    let whatsapp =
        json!({ "from": NUMBER, "to": PEER, "body": "reply by whatsapp", "channel": "whatsapp" });
    let whatsapp = customer.send(&whatsapp).await.expect(201)["data"].clone();
    for message in [&sms, &whatsapp] {
        assert_eq!(text(message, "conversation_id"), conversation);
    }
    let channels: Vec<_> = customer
        .history(&conversation)
        .await
        .iter()
        .map(|row| (text(row, "direction"), text(row, "channel")))
        .collect();
    let expected = [
        ("inbound", "whatsapp"),
        ("inbound", "sms"),
        ("outbound", "sms"),
        ("outbound", "whatsapp"),
    ];
    assert_eq!(
        channels,
        expected.map(|(way, by)| (way.to_owned(), by.to_owned()))
    );

    let second = json!({ "from": NUMBER_2, "to": PEER, "body": "from the other number" });
    let second = customer.send(&second).await.expect(201)["data"].clone();
    let third = customer.sent(&peer(1), "to another peer").await;
    let all = [
        &conversation,
        &text(&second, "conversation_id"),
        &text(&third, "conversation_id"),
    ];
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 3);

    let merged = customer.conversations().await.pop().unwrap();
    assert_eq!(merged["id"], json!(conversation));
    assert_eq!(
        (&merged["unread"], &merged["messages"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(merged["channels"], json!(["sms", "whatsapp"]));
    assert_eq!(merged["last_message"]["body"], "reply by whatsapp");
}

#[tokio::test]
async fn pages_show_everything_exactly_once_while_new_messages_arrive() {
    const BEFORE: u32 = 120;
    let (_daemon, customer) = start().await;
    let mut before = HashSet::new();
    for n in 0..BEFORE {
        let to = if n % 2 == 0 { PEER.to_owned() } else { peer(n) };
        let sent = customer.sent(&to, &format!("before {n}")).await;
        before.insert(text(&sent, "id"));
    }
    let conversation = text(
        &customer.message(before.iter().next().unwrap()).await,
        "conversation_id",
    );
    let opened = once(&customer.conversations().await);
    assert_eq!(opened.len() as u32, 1 + BEFORE / 2);

    let busy = customer.clone();
    let sender = tokio::spawn(async move {
        for n in 0.. {
            let to = if n % 2 == 0 {
                PEER.to_owned()
            } else {
                peer(10_000 + n)
            };
            busy.sent(&to, &format!("meanwhile {n}")).await;
        }
    });
    for limit in [1, 7, 100] {
        let portal = customer
            .all(&format!("/api/v1/portal/sms?limit={limit}"))
            .await;
        once(&portal);
        let bodies: HashSet<_> = portal.iter().map(|row| text(row, "body")).collect();
        for n in 0..BEFORE {
            assert!(
                bodies.contains(&format!("before {n}")),
                "before {n}, pages of {limit}"
            );
        }
        let path = format!("/api/v1/sms/conversations/{conversation}/messages?limit={limit}");
        let history = once(&customer.all(&path).await);
        assert!(!history.is_empty());
        // A conversation with a new message moves to the top while the list is read: those that do not
        // move are all there, and none is there twice but by such a move.
        let inbox = customer
            .all(&format!("/api/v1/sms/conversations?limit={limit}"))
            .await;
        let still: Vec<_> = inbox
            .into_iter()
            .filter(|row| row["peer"] != PEER)
            .collect();
        let still = once(&still);
        let quiet = opened.iter().filter(|id| still.contains(*id)).count();
        assert_eq!(quiet as u32, BEFORE / 2, "pages of {limit}");
    }
    assert!(!sender.is_finished(), "nothing arrived meanwhile");
    sender.abort();
}

#[tokio::test]
async fn a_history_is_in_order_whatever_the_page() {
    let (_daemon, customer) = start().await;
    let mut sent = Vec::new();
    for n in 0..25 {
        sent.push(customer.sent_id(PEER, &format!("{n}")).await);
    }
    let conversation = text(&customer.message(&sent[0]).await, "conversation_id");
    for limit in [1, 3, 10, 25, 100] {
        let base = format!("/api/v1/sms/conversations/{conversation}/messages?limit={limit}");
        let mut path = base.clone();
        let mut found: Vec<String> = Vec::new();
        loop {
            // Each page is older than the one before it, and oldest first within itself.
            let page = customer.get(&path).await.expect(200);
            let mut rows = ids(page["data"].as_array().unwrap());
            rows.append(&mut found);
            found = rows;
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{base}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(found, sent, "pages of {limit}");
    }
}

#[tokio::test]
async fn filters_show_exactly_what_they_say() {
    let (_daemon, customer) = start().await;
    for (n, (to, channel)) in [(NUMBER, "sms"), (NUMBER, "whatsapp"), (NUMBER_2, "sms")]
        .into_iter()
        .enumerate()
    {
        let wrote = json!({ "from": peer(n as u32), "to": to, "body": "hi", "channel": channel });
        customer.inbound(&wrote).await.expect(200);
    }
    let delivered = customer.sent_id(&peer(0), "to be delivered").await;
    let failed = customer.sent_id("+31612340002", "to fail").await;
    customer.message_with(&delivered, "delivered").await;
    customer.message_with(&failed, "failed").await;
    let since = text(&customer.message(&failed).await, "created_at");
    for (filter, rows) in [
        ("", 5),
        ("?direction=inbound", 3),
        ("?direction=outbound", 2),
        ("?channel=whatsapp", 1),
        ("?channel=sms&direction=inbound", 2),
        ("?status=failed", 1),
        ("?status=delivered&direction=outbound", 1),
        ("?status=queued", 0),
        ("?number_id=2", 1),
        ("?number_id=num_00000000001", 4),
        ("?from=%2B31201234567", 2),
        ("?to=%2B31201234567", 2),
        ("?to=%2B31612340002", 1),
        ("?since=2020-01-01T00:00:00Z", 5),
        ("?since=2100-01-01T00:00:00Z", 0),
    ] {
        let found = customer.all(&format!("/api/v1/portal/sms{filter}")).await;
        assert_eq!(found.len(), rows, "{filter}: {found:#?}");
    }
    let recent = customer
        .all(&format!("/api/v1/portal/sms?since={since}"))
        .await;
    assert!(recent.iter().any(|row| row["body"] == "to fail"));
    for (filter, rows) in [
        ("", 4),
        ("?number=%2B31201234567", 3),
        ("?number=2", 1),
        ("?number=%2B31209999999", 0),
        ("?channel=whatsapp", 1),
        ("?unread=true", 3),
        ("?unread=false", 1),
        ("?unread=true&number=1&channel=sms", 1),
    ] {
        let found = customer
            .all(&format!("/api/v1/sms/conversations{filter}"))
            .await;
        assert_eq!(found.len(), rows, "{filter}: {found:#?}");
    }
    for wrong in [
        "direction=up",
        "channel=fax",
        "status=lost",
        "since=now",
        "number_id=x",
        "to=0612",
    ] {
        let answer = customer.get(&format!("/api/v1/portal/sms?{wrong}")).await;
        answer.refused(400, "validation_failed");
    }
}
