//! Floods of inbound messages: each is taken once, whatever the daemon answers first, and says when it was due.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use didfarm_loadtest::inbound::letter::sequence_of;
use didfarm_loadtest::inbound::{Entrance, InboundFloodPlan, inbound_flood};
use didfarm_loadtest::{Pace, Peers, Target};
use serde_json::{Value, json};

use crate::stand_in::{Reply, serve};
use crate::webhook::Webhook;

const RUN: u32 = 9;

fn plan(target: &Target, entrance: Entrance, pace: Pace) -> InboundFloodPlan {
    InboundFloodPlan {
        target: target.clone(),
        entrance,
        numbers: vec!["+31201234567".into(), "+31201234568".into()],
        peers: Peers::plain(31_690_000_000, 10).unwrap(),
        pace,
        duration: Duration::from_secs(20),
        messages_max: 60,
        connections: 4,
        threads: 2,
        timeout: Duration::from_secs(10),
        retry_for: Duration::from_secs(20),
        run: RUN,
        is_timed: true,
        keep_taken: true,
        progress: false,
    }
}

fn now_us() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}

#[test]
fn every_message_is_sent_until_it_is_taken_always_with_the_same_id() {
    let seen: Arc<Mutex<BTreeMap<String, Vec<Value>>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let target = serve(move |request| {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/carriers/simulator/inbound")
        );
        let body: Value = serde_json::from_slice(&request.content).unwrap();
        let mut seen = kept.lock().unwrap();
        let tries = seen
            .entry(body["id"].as_str().unwrap().to_owned())
            .or_default();
        tries.push(body);
        let is_first = tries.len() == 1;
        match seen.len() % 5 {
            0 if is_first => None,
            1 if is_first => Some(Reply::json(503, &json!({})).with_header("retry-after: 0")),
            _ => Some(Reply::json(200, &json!({}))),
        }
    });
    let before = now_us();
    let outcome = inbound_flood(&plan(&target, Entrance::Simulator, Pace::Closed)).unwrap();
    let report = &outcome.report;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.taken, report.untaken, report.unsent), (60, 0, 0));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 60);
    let again = seen.values().filter(|tries| tries.len() > 1).count() as u64;
    assert!(report.retried == again && again > 0, "{report}");
    assert!(report.overloaded > 0 && report.in_doubt > 0, "{report}");
    let sequences: Vec<u64> = outcome.taken.iter().map(|taken| taken.sequence).collect();
    assert_eq!(sequences, (0..60).collect::<Vec<_>>());
    let due: HashMap<u64, u64> = outcome
        .taken
        .iter()
        .map(|taken| (taken.sequence, taken.due_us))
        .collect();
    for tries in seen.values() {
        assert!(tries.iter().all(|one| *one == tries[0]), "{tries:?}");
        let text = tries[0]["body"].as_str().unwrap();
        let sequence = sequence_of(RUN, text).unwrap();
        assert!(text.ends_with(&format!(" t={}", due[&sequence])), "{text}");
        assert!((before..=now_us()).contains(&due[&sequence]));
        let number = 7 + sequence % 2;
        assert_eq!(tries[0]["to"], format!("+3120123456{number}"));
        assert_eq!(
            tries[0]["from"],
            format!("+316900000{}", 10 + sequence / 2 % 10)
        );
    }
}

#[test]
fn telnyx_callbacks_are_signed_and_dated_by_the_schedule() {
    let webhook = Webhook::open();
    let entrance = Entrance::Telnyx {
        carrier: "tx".into(),
        keys: Arc::default(),
    };
    let pace = Pace::Open {
        rate_per_second: 1_000.0,
    };
    let outcome = inbound_flood(&plan(&webhook.target, entrance, pace)).unwrap();
    assert!(outcome.report.is_sound(), "{}", outcome.report);
    assert_eq!(outcome.taken.len(), 60);
    for (taken, next) in outcome.taken.iter().zip(&outcome.taken[1..]) {
        let apart = next.due_us - taken.due_us;
        assert!((999..=1_001).contains(&apart), "{apart} us");
        assert!(taken.answered_us >= taken.due_us);
    }
    let (mut ids, mut sequences) = (HashSet::new(), HashSet::new());
    for _ in 0..60 {
        let told = webhook.next();
        assert_eq!(told.path, "/carriers/tx");
        let payload = &told.json["data"]["payload"];
        ids.insert(payload["id"].to_string());
        sequences.insert(sequence_of(RUN, payload["text"].as_str().unwrap()).unwrap());
    }
    assert_eq!((ids.len(), sequences.len()), (60, 60));
}

#[test]
fn a_message_that_is_refused_is_given_up_and_the_run_is_not_sound() {
    let target = serve(|_| Some(Reply::json(404, &json!({}))));
    let outcome = inbound_flood(&plan(&target, Entrance::Simulator, Pace::Closed)).unwrap();
    assert!(!outcome.report.is_sound());
    assert_eq!((outcome.report.taken, outcome.report.untaken), (0, 60));
}
