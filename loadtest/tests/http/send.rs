//! Sends: the schedule, the latencies and the counts.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use didfarm_loadtest::send::SendError;
use didfarm_loadtest::workers::WorkersError;
use didfarm_loadtest::{Pace, Target, send};
use serde_json::json;

use crate::stand_in::{Messages, Reply, plan, serve};

const OPEN_100: Pace = Pace::Open {
    rate_per_second: 100.0,
};

#[test]
fn a_stalled_server_shows_up_in_every_latency_that_it_delays() {
    let messages = Messages::default();
    let served = AtomicU64::new(0);
    let target = serve(move |request| {
        if served.fetch_add(1, Ordering::Relaxed) == 10 {
            std::thread::sleep(Duration::from_millis(500));
        }
        Some(messages.accept(request))
    });
    let outcome = send(&plan(target, OPEN_100, 1000, 1)).unwrap();
    assert_eq!((outcome.report.sent, outcome.report.accepted), (100, 100));
    // The stall holds up the 50 arrivals of its half second by 250 ms on average. Measured from the actual start,
    // only one in a hundred would be slow.
    assert!(outcome.report.latency.p90_ms >= 200.0, "{}", outcome.report);
    assert!(outcome.report.latency.max_ms >= 500.0, "{}", outcome.report);
    assert!(
        outcome.report.start_lag.p90_ms >= 200.0,
        "{}",
        outcome.report
    );
}

#[test]
fn the_schedule_is_kept_whatever_the_number_of_connections() {
    for (connections, threads) in [(1, 1), (8, 1), (7, 3), (1, 2)] {
        let mut plan = plan(
            Messages::default().serve(),
            Pace::Open {
                rate_per_second: 500.0,
            },
            400,
            connections,
        );
        plan.threads = threads;
        let outcome = send(&plan).unwrap();
        assert_eq!(outcome.report.accepted, 200);
        assert!(outcome.report.duration_s >= 0.39, "{}", outcome.report);
    }
}

#[test]
fn a_closed_loop_sends_as_fast_as_answers_come() {
    let messages = Messages::default();
    let outcome = send(&plan(messages.serve(), Pace::Closed, 200, 4)).unwrap();
    assert_eq!(outcome.report.requested_per_second, None);
    assert_eq!(outcome.report.accepted, messages.lock().len() as u64);
    assert!(outcome.report.accepted > 100, "{}", outcome.report);
}

#[test]
fn ids_peers_and_bodies_of_accepted_messages_are_known() {
    let messages = Messages::default();
    let plan = plan(messages.serve(), OPEN_100, 1000, 4);
    let outcome = send(&plan).unwrap();
    let stored = messages.lock();
    assert_eq!(outcome.accepted.len(), 100);
    assert_eq!(
        outcome
            .accepted
            .iter()
            .map(|accepted| &accepted.id)
            .collect::<HashSet<_>>()
            .len(),
        100
    );
    for (index, accepted) in outcome.accepted.iter().enumerate() {
        assert_eq!(accepted.sequence, index as u64);
        let message = &stored[&*accepted.id];
        assert_eq!(message.to, plan.peers.e164(accepted.sequence));
        assert_eq!(message.body, plan.body.text(accepted.sequence));
    }
}

#[test]
fn acknowledged_messages_are_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(Messages::default().serve(), OPEN_100, 300, 2);
    plan.acked_out = Some(dir.path().join("acked"));
    let outcome = send(&plan).unwrap();
    let written = std::fs::read_to_string(dir.path().join("acked")).unwrap();
    let written: HashSet<&str> = written.lines().collect();
    let expected: Vec<String> = outcome
        .accepted
        .iter()
        .map(|a| format!("{}\t{}", a.id, plan.body.text(a.sequence)))
        .collect();
    assert_eq!(written, expected.iter().map(String::as_str).collect());
    assert_eq!(written.len(), 30);
}

#[test]
fn answers_are_counted_by_status() {
    let messages = Messages::default();
    let served = AtomicU64::new(0);
    let target = serve(move |request| {
        Some(match served.fetch_add(1, Ordering::Relaxed) % 5 {
            0 => Reply::json(429, &json!({"error": {}})).with_header("retry-after: 1"),
            1 => Reply::json(503, &json!({"error": {}})),
            2 => Reply::json(422, &json!({"error": {}})),
            3 => Reply::json(201, &json!({"data": {}})),
            _ => messages.accept(request),
        })
    });
    let report = send(&plan(target, OPEN_100, 500, 1)).unwrap().report;
    assert_eq!((report.sent, report.accepted), (50, 10));
    assert_eq!(
        (report.refused_with(429), report.refused_with(503)),
        (10, 10)
    );
    assert_eq!(
        (report.refused_with(422), report.refused_with(201)),
        (10, 10)
    );
    let text = report.to_string();
    assert!(text.contains("429: 10, 503: 10, other: 20"), "{text}");
}

#[test]
fn an_idle_connection_closed_by_the_server_is_no_failure() {
    let messages = Messages::default();
    let target = serve(move |request| Some(messages.accept(request).then_close()));
    let report = send(&plan(
        target,
        Pace::Open {
            rate_per_second: 20.0,
        },
        300,
        1,
    ))
    .unwrap()
    .report;
    assert_eq!((report.accepted, report.in_doubt), (6, 0), "{report}");
}

#[test]
fn a_request_without_an_answer_is_in_doubt_and_not_sent_again() {
    let messages = Messages::default();
    let stored = messages.clone();
    let target = serve(move |request| {
        messages.accept(request);
        None
    });
    let report = send(&plan(target, OPEN_100, 200, 2)).unwrap().report;
    assert_eq!((report.sent, report.accepted, report.in_doubt), (20, 0, 20));
    assert_eq!(stored.lock().len(), 20);
    assert!(report.last_failure.unwrap().contains("in doubt"));
}

#[test]
fn a_chunked_answer_is_named() {
    let target =
        serve(|_| Some(Reply::json(201, &json!({})).with_header("transfer-encoding: chunked")));
    let report = send(&plan(target, OPEN_100, 50, 1)).unwrap().report;
    assert_eq!(report.in_doubt, 5);
    assert!(report.last_failure.unwrap().contains("chunked"));
}

#[test]
fn a_server_that_is_not_there_is_counted_as_unconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    drop(listener);
    let report = send(&plan(target, OPEN_100, 100, 2)).unwrap().report;
    assert_eq!(
        (report.sent, report.unconnected, report.accepted),
        (10, 10, 0)
    );
}

#[test]
fn a_server_that_never_answers_leaves_the_rest_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = plan(
        Target::from(listener.local_addr().unwrap()),
        OPEN_100,
        200,
        1,
    );
    plan.timeout = Duration::from_millis(300);
    let report = send(&plan).unwrap().report;
    assert!(report.unsent > 0, "{report}");
    assert_eq!(report.sent + report.unsent, 20);
    assert_eq!(report.in_doubt, report.sent);
}

#[test]
fn plans_that_cannot_run_are_refused() {
    let target = Messages::default().serve();
    for rate_per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let plan = plan(target.clone(), Pace::Open { rate_per_second }, 100, 1);
        assert!(matches!(send(&plan), Err(SendError::Pace)));
    }
    assert!(matches!(
        send(&plan(target.clone(), OPEN_100, 100, 0)),
        Err(SendError::Workers(WorkersError::Counts { .. }))
    ));
    let mut plan = plan(target, OPEN_100, 100, 1);
    plan.body = didfarm_loadtest::BodyText::new("two\nlines");
    plan.acked_out = Some("/nonexistent".into());
    assert!(matches!(send(&plan), Err(SendError::BodyLines)));
    plan.body = didfarm_loadtest::BodyText::new("one line");
    plan.acked_out = Some("/nonexistent/folder/file".into());
    assert!(matches!(send(&plan), Err(SendError::AckedFile { .. })));
}
