//! Reading back: every injected fault is found, and nothing else is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use didfarm_loadtest::{
    Accepted, Expectation, Pace, Peers, ReconcileReport, SendOutcome, SendPlan, reconcile, send,
};
use serde_json::json;

use crate::stand_in::{Message, Messages, PEER_BASE, Reply, plan, reconcile_plan, serve};

/// Sends 50 messages, injures what is stored, and reads back.
fn after(injury: impl Fn(&mut Message)) -> ReconcileReport {
    let (messages, plan, outcome) = sent();
    injury(messages.lock().get_mut(&*outcome.accepted[7].id).unwrap());
    let mut reading = reconcile_plan(&plan);
    reading.drain_timeout = Duration::from_millis(50);
    reconcile(&reading, &outcome.accepted).unwrap()
}

fn sent() -> (Messages, SendPlan, SendOutcome) {
    let messages = Messages::default();
    let plan = plan(
        messages.serve(),
        Pace::Open {
            rate_per_second: 1000.0,
        },
        50,
        4,
    );
    let outcome = send(&plan).unwrap();
    assert_eq!(outcome.accepted.len(), 50);
    (messages, plan, outcome)
}

#[test]
fn a_sound_server_is_clean() {
    let report = after(|_| ());
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.accepted, report.sampled, report.reconciled),
        (50, 50, 50)
    );
}

#[test]
fn every_fate_comes_to_its_own_status() {
    let messages = Messages::default();
    let mut plan = plan(
        messages.serve(),
        Pace::Open {
            rate_per_second: 1000.0,
        },
        64,
        4,
    );
    plan.peers = Peers::with_fates(PEER_BASE, 32).unwrap();
    let outcome = send(&plan).unwrap();
    let report = reconcile(&reconcile_plan(&plan), &outcome.accepted).unwrap();
    assert!(report.is_clean() && report.reconciled == 64, "{report}");
}

#[test]
fn a_lost_message_is_found() {
    let (messages, plan, outcome) = sent();
    messages.lock().remove(&*outcome.accepted[3].id);
    let report = reconcile(&reconcile_plan(&plan), &outcome.accepted).unwrap();
    assert_eq!((report.lost, report.reconciled), (1, 49));
    assert!(!report.is_clean());
    assert!(report.to_string().contains(&*outcome.accepted[3].id));
}

#[test]
fn a_wrong_body_peer_or_status_is_misreported() {
    for injury in [
        |message: &mut Message| message.body = "hello 0000000008".into(),
        |message: &mut Message| message.to = "+31610000099".into(),
        |message: &mut Message| message.status = "failed".into(),
        |message: &mut Message| message.status = "no status".into(),
    ] {
        let report = after(injury);
        assert_eq!((report.misreported, report.reconciled), (1, 49), "{report}");
        assert!(!report.is_clean());
    }
}

#[test]
fn a_status_beyond_its_fate_is_misreported() {
    let messages = Messages::default();
    let mut plan = plan(
        messages.serve(),
        Pace::Open {
            rate_per_second: 1000.0,
        },
        8,
        1,
    );
    plan.peers = Peers::with_fates(PEER_BASE, 8).unwrap();
    let outcome = send(&plan).unwrap();
    for message in messages.lock().values_mut() {
        message.status = "delivered".into();
    }
    // Four of the eight fates must not come to `delivered`: 0001, 0002, 0003 and 0007.
    let report = reconcile(&reconcile_plan(&plan), &outcome.accepted).unwrap();
    assert_eq!((report.misreported, report.reconciled), (4, 4), "{report}");
}

#[test]
fn a_message_that_never_comes_to_rest_is_unfinished() {
    let report = after(|message| message.status = "sending".into());
    assert_eq!(
        (report.unfinished, report.misreported, report.reconciled),
        (1, 0, 49),
        "{report}"
    );
    assert!(!report.is_clean());
}

#[test]
fn an_id_given_twice_is_doubled() {
    let (_messages, plan, outcome) = sent();
    let mut accepted = outcome.accepted;
    let twin = Accepted {
        id: accepted[0].id.clone(),
        sequence: accepted[0].sequence,
    };
    accepted.push(twin);
    let report = reconcile(&reconcile_plan(&plan), &accepted).unwrap();
    assert_eq!(report.doubled, 1);
    assert!(!report.is_clean());
}

#[test]
fn a_message_under_way_is_read_again_until_it_is_at_rest() {
    let messages = Messages::default();
    let stored = messages.clone();
    let reads = AtomicU64::new(0);
    let target = serve(move |request| {
        if request.method == "POST" {
            return Some(messages.accept(request));
        }
        // The first readings find every message on its way, the next ones meet refusals.
        Some(match reads.fetch_add(1, Ordering::Relaxed) {
            0..10 => {
                let id = request.path.rsplit('/').next().unwrap();
                let Message { to, body, .. } = messages.lock()[id].clone();
                Reply::json(
                    200,
                    &json!({"data": {"id": id, "to": to, "body": body, "status": "sent"}}),
                )
            }
            10..15 => Reply::json(503, &json!({})).with_header("retry-after: 0"),
            _ => messages.read(request),
        })
    });
    let plan = plan(
        target,
        Pace::Open {
            rate_per_second: 1000.0,
        },
        10,
        2,
    );
    let outcome = send(&plan).unwrap();
    let report = reconcile(&reconcile_plan(&plan), &outcome.accepted).unwrap();
    assert!(report.is_clean() && report.reconciled == 10, "{report}");
    assert_eq!(stored.lock().len(), 10);
}

#[test]
fn a_message_that_only_has_to_be_there_may_have_any_status() {
    let (messages, plan, outcome) = sent();
    for message in messages.lock().values_mut() {
        message.status = "queued".into();
    }
    messages
        .lock()
        .get_mut(&*outcome.accepted[0].id)
        .unwrap()
        .body = "other".into();
    let mut reading = reconcile_plan(&plan);
    reading.expectation = Expectation::Present;
    let report = reconcile(&reading, &outcome.accepted).unwrap();
    assert_eq!((report.reconciled, report.misreported), (49, 1), "{report}");
}

#[test]
fn a_server_that_cannot_be_read_is_not_clean() {
    let (_messages, plan, outcome) = sent();
    let mut reading = reconcile_plan(&plan);
    reading.target = serve(|_| Some(Reply::json(500, &json!({}))));
    reading.drain_timeout = Duration::from_millis(50);
    reading.sample_max = Some(5);
    let report = reconcile(&reading, &outcome.accepted).unwrap();
    assert_eq!((report.sampled, report.unread), (5, 5));
    assert!(!report.is_clean());
}
