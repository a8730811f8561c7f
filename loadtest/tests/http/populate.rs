//! Populating: one message per peer, whatever the server makes it wait for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use didfarm_loadtest::{BodyText, Peers, PopulatePlan, Target, populate};
use serde_json::json;

use crate::stand_in::{Messages, PEER_BASE, Reply, sender, serve};

fn plan(target: Target, count: u64) -> PopulatePlan {
    PopulatePlan {
        target,
        sender: sender(),
        peers: Peers::plain(PEER_BASE, count).unwrap(),
        body: BodyText::new("hello"),
        connections: 8,
        threads: 1,
        timeout: Duration::from_secs(10),
        keep_accepted: true,
        progress: false,
    }
}

#[test]
fn every_peer_gets_exactly_one_message() {
    let messages = Messages::default();
    let plan = plan(messages.serve(), 1000);
    let outcome = populate(&plan).unwrap();
    assert!(outcome.report.is_complete(), "{}", outcome.report);
    let stored = messages.lock();
    assert_eq!(outcome.accepted.len(), 1000);
    for accepted in &outcome.accepted {
        assert_eq!(stored[&*accepted.id].to, plan.peers.e164(accepted.sequence));
    }
    assert_eq!(stored.len(), 1000);
    assert_eq!(
        stored
            .values()
            .map(|message| &message.to)
            .collect::<HashSet<_>>()
            .len(),
        1000
    );
}

#[test]
fn refusals_for_now_are_waited_out() {
    let messages = Messages::default();
    let stored = messages.clone();
    let served = AtomicU64::new(0);
    let target = serve(move |request| {
        Some(match served.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Reply::json(429, &json!({})).with_header("retry-after: 0"),
            1 => Reply::json(503, &json!({})).with_header("retry-after: 0"),
            _ => messages.accept(request),
        })
    });
    let report = populate(&plan(target, 30)).unwrap().report;
    assert!(report.is_complete(), "{report}");
    assert!(report.waits >= 30, "{report}");
    assert_eq!(stored.lock().len(), 30);
}

#[test]
fn a_message_in_doubt_is_not_sent_again() {
    let messages = Messages::default();
    let stored = messages.clone();
    let target = serve(move |request| {
        let reply = messages.accept(request);
        (messages.lock().len() % 2 == 0).then_some(reply)
    });
    let mut plan = plan(target, 20);
    plan.connections = 1;
    let report = populate(&plan).unwrap().report;
    assert_eq!((report.accepted, report.in_doubt), (10, 10), "{report}");
    assert!(!report.is_complete());
    assert_eq!(stored.lock().len(), 20);
}

#[test]
fn a_refusal_for_good_is_given_up_at_once() {
    let report = populate(&plan(serve(|_| Some(Reply::json(402, &json!({})))), 5))
        .unwrap()
        .report;
    assert_eq!(report.given_up.get(&402), Some(&5));
    assert_eq!((report.waits, report.accepted), (0, 0));
}
