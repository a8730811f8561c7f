//! Tests of the capture as a whole: the way from a worker to a file, a full queue, a disk that fails.

use std::path::Path;
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderMap;
use didfarm_core::time::Timestamp;
use serde_json::Value;

use super::*;

/// How long a condition may take to become true.
const PATIENCE: Duration = Duration::from_secs(20);

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn keep(capture: &Capture, body: &[u8]) {
    capture.keep(&Seen {
        at: Timestamp(1),
        carrier: "tn",
        kind: "telnyx",
        method: "POST",
        path_and_query: "/carriers/tn",
        headers: &HeaderMap::new(),
        body,
    });
}

fn captured(dir: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for entry in dir.read_dir().into_iter().flatten() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The last line may still be on its way.
        lines.extend(
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok()),
        );
    }
    lines
}

/// The lines of a capture, once there are so many.
pub(crate) fn wait_for_lines(dir: &Path, count: usize) -> Vec<Value> {
    until("the lines are written", || captured(dir).len() == count);
    captured(dir)
}

#[test]
fn what_a_worker_hands_over_is_found_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let capture = Capture::of(Files::new(dir.path().into(), 1_000, 2), 10_000).unwrap();
    let other_worker = capture.clone();
    keep(&capture, b"one");
    keep(&other_worker, b"two");
    let bodies: Vec<Value> = wait_for_lines(dir.path(), 2)
        .into_iter()
        .map(|line| line["body"].clone())
        .collect();
    assert_eq!(bodies, ["one", "two"]);
    until("the room is given back", || {
        capture.queue.waiting_bytes.load(Ordering::Relaxed) == 0
    });
}

#[test]
fn a_queue_takes_no_more_bytes_than_it_may() {
    let queue = Queue::new(100);
    assert!(queue.admit(60) && !queue.admit(41) && queue.admit(40));
    assert!(!queue.has_room(1) && queue.has_room(0));
    queue.release(60);
    assert!(queue.has_room(60) && !queue.has_room(61) && !queue.has_room(usize::MAX));
}

#[test]
fn what_does_not_fit_is_dropped_and_the_next_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let capture = Capture::of(Files::new(dir.path().into(), 10_000, 1), 1_000).unwrap();
    keep(&capture, &[b'x'; 2_000]);
    keep(&capture, b"small");
    assert_eq!(wait_for_lines(dir.path(), 1)[0]["body"], "small");
}

#[test]
fn a_disk_that_fails_stops_the_capture_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let capture = Capture::of(Files::new(file.clone(), 1_000, 1), 10_000).unwrap();
    keep(&capture, b"one");
    until("it has stopped", || capture.queue.is_stopped());
    keep(&capture, b"two");
    until("the room is given back", || {
        capture.queue.waiting_bytes.load(Ordering::Relaxed) == 0
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "in the way");
}
