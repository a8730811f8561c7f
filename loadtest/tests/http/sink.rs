//! The webhook sink: what each endpoint answers, what is counted, the command.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use didfarm_loadtest::sink::report::Counts;
use didfarm_loadtest::{Sink, SinkPlan};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{PATIENCE, wait_until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn now() -> std::time::Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// One webhook attempt on a connection of its own.
fn request(path: &str, id: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\nContent-Length: {}\r\nwebhook-id: {id}\r\n{more}\r\n{body}",
        body.len()
    )
}

fn open(to: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Head and body of the answer.
fn exchange(to: SocketAddr, request: &str) -> (String, String) {
    let mut answer = String::new();
    open(to, request).read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn get(to: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\n\r\n");
    exchange(to, &request).1
}

fn post(sink: &Sink, path: &str, id: &str, body: &str) -> String {
    exchange(sink.address(), &request(path, id, "", body)).0
}

fn counts(sink: &Sink, path: &str) -> Counts {
    sink.report().paths[path].counts
}

fn start() -> Sink {
    Sink::start(&SinkPlan::default()).unwrap()
}

#[test]
fn each_path_answers_as_it_says() {
    let sink = start();
    for (target, begins, holds) in [
        ("/ok", "http/1.1 200", ""),
        ("/ok/17", "http/1.1 200", ""),
        ("/status/503", "http/1.1 503", ""),
        (
            "/status/429?retry_after=5",
            "http/1.1 429",
            "retry-after: 5",
        ),
        ("/gone", "http/1.1 410", ""),
        (
            "/redirect?to=http%3A%2F%2F10.0.0.1%2F",
            "http/1.1 302",
            "location: http://10.0.0.1/",
        ),
        ("/else", "http/1.1 404", ""),
    ] {
        let head = post(&sink, target, "evt_1", "{}");
        assert!(
            head.starts_with(begins) && head.contains(holds),
            "{target}: {head}"
        );
    }
    let report = sink.report();
    assert_eq!((report.paths.len(), report.unplayable), (6, 1));
    assert_eq!(report.connections, 7);
    assert_eq!(report.kinds["ok"].counts.succeeded, 2);
    assert_eq!(report.kinds["status"].counts.succeeded, 0);
}

#[test]
fn a_slow_endpoint_takes_its_time_and_does_not_hold_up_others() {
    let sink = start();
    let begun = Instant::now();
    let mut slow = open(sink.address(), &request("/slow?ms=300", "evt_1", "", "{}"));
    wait_until("the slow one has it", || {
        sink.report().paths.contains_key("/slow")
    });
    post(&sink, "/ok", "evt_1", "{}");
    assert_eq!(counts(&sink, "/slow").succeeded, 0);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed().as_millis() >= 300);
    assert_eq!(counts(&sink, "/slow").succeeded, 1);
}

#[test]
fn a_dead_endpoint_takes_requests_and_never_answers() {
    let sink = start();
    let held = [1, 2].map(|nth| {
        open(
            sink.address(),
            &request("/dead", &format!("evt_{nth}"), "", "{}"),
        )
    });
    wait_until("both are there", || {
        sink.report()
            .paths
            .get("/dead")
            .is_some_and(|dead| dead.counts.in_flight_max == 2)
    });
    held[0].set_nonblocking(true).unwrap();
    let nothing = (&held[0]).read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    drop(held);
    wait_until("their end is seen", || {
        counts(&sink, "/dead").in_flight == 0
    });
    assert_eq!(counts(&sink, "/dead").succeeded, 0);
}

#[test]
fn a_flaky_endpoint_fails_the_first_of_each_id_and_what_follows_a_success_is_doubled() {
    let sink = start();
    for id in ["evt_1", "evt_2"] {
        let statuses: Vec<String> = (0..4)
            .map(|_| post(&sink, "/flaky?fail=2", id, "{}")[9..12].to_owned())
            .collect();
        assert_eq!(statuses, ["503", "503", "200", "200"]);
    }
    let flaky = counts(&sink, "/flaky");
    assert_eq!((flaky.requests, flaky.unique_ids), (8, 2));
    assert_eq!((flaky.duplicates, flaky.doubled), (6, 2));
}

#[test]
fn a_dripping_endpoint_answers_at_once_and_its_body_goes_on() {
    let sink = start();
    let mut stream = open(
        sink.address(),
        &request("/drip?ms=5&bytes=2", "evt_1", "", "{}"),
    );
    let mut answer = String::new();
    while answer.matches("2\r\n..\r\n").count() < 3 {
        let mut piece = [0; 256];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{answer}");
        answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stream);
    wait_until("its end is seen", || counts(&sink, "/drip").succeeded == 1);
}

/// `webhook-timestamp` and `webhook-signature` as a sender makes them.
fn sign(id: &str, at_s: u64, body: &str) -> String {
    let key = BASE64.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at_s}.{body}").as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    format!("webhook-timestamp: {at_s}\r\nwebhook-signature: v1,bm9uZQ== v1,{signature}\r\n")
}

#[test]
fn wrong_and_stale_signatures_are_counted_and_answered_all_the_same() {
    let plan = SinkPlan {
        secrets: vec![SECRET.to_owned()],
        ..SinkPlan::default()
    };
    let sink = Sink::start(&plan).unwrap();
    let now_s = now().as_secs();
    let right = sign("evt_1", now_s, "{}");
    for (id, headers) in [
        ("evt_1", right.as_str()),
        ("evt_2", right.as_str()),
        ("evt_3", ""),
        ("evt_4", &sign("evt_4", now_s - 1_000, "{}")),
    ] {
        let (head, _) = exchange(sink.address(), &request("/ok", id, headers, "{}"));
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    let ok = counts(&sink, "/ok");
    assert_eq!((ok.requests, ok.bad_signatures, ok.stale), (4, 2, 1));
}

#[test]
fn order_and_latency_are_read_off_the_payloads() {
    let sink = start();
    let payload = |text: &str| json!({"conversation_id": "conv_1", "body": text}).to_string();
    let made_us = now().as_micros() - 50_000;
    for (id, text) in [
        ("evt_1", format!("a t={made_us}")),
        ("evt_3", "b".to_owned()),
        ("evt_2", "c".to_owned()),
    ] {
        post(&sink, "/ok", id, &payload(&text));
    }
    let report = sink.report().paths["/ok"];
    assert_eq!(
        (report.counts.conversations, report.counts.inversions),
        (1, 1)
    );
    let latency = report.latency.unwrap();
    assert_eq!(report.timed, 1);
    assert!(latency.p50_ms >= 49.9, "{latency:?}");
    assert!(latency.max_ms < PATIENCE.as_millis() as f64, "{latency:?}");
}

#[test]
fn one_connection_carries_many_attempts() {
    let sink = start();
    let one = request("/ok", "evt_1", "", "{}").replace("Connection: close\r\n", "");
    let mut stream = open(sink.address(), &one.repeat(50));
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 50);
    assert_eq!(
        (sink.report().connections, counts(&sink, "/ok").requests),
        (1, 50)
    );
}

/// `loadtest sink`, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_says_where_it_is_reports_and_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("address");
    let child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["sink", "--requests-kept", "2", "--address-file"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(started["http"], format!("http://{}", written.trim()));
    let to: SocketAddr = written.trim().parse().unwrap();
    for id in ["evt_2", "evt_1", "evt_3"] {
        exchange(
            to,
            &request("/ok", id, "webhook-timestamp: 7\r\n", r#"{"a":1}"#),
        );
    }
    let report: Value = serde_json::from_str(&get(to, "/_sink/report")).unwrap();
    assert_eq!(report["paths"]["/ok"]["unique_ids"], 3);
    assert_eq!(report["kinds"]["ok"]["latency"], Value::Null);
    assert_eq!(get(to, "/_sink/ids?path=%2Fok"), "evt_1\nevt_2\nevt_3\n");
    let kept: Value = serde_json::from_str(&get(to, "/_sink/requests?path=/ok")).unwrap();
    let kept = kept.as_array().unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(
        (&kept[1]["webhook_id"], &kept[1]["webhook_timestamp"]),
        (&json!("evt_3"), &json!("7"))
    );
    assert_eq!(
        (&kept[1]["body"], &kept[1]["body_bytes"]),
        (&json!(r#"{"a":1}"#), &json!(7))
    );
    let reset = "POST /_sink/reset HTTP/1.1\r\nHost: sink\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(exchange(to, reset).0.starts_with("http/1.1 200"));
    let report: Value = serde_json::from_str(&get(to, "/_sink/report")).unwrap();
    assert_eq!(report["paths"], json!({}));
}

#[test]
fn a_secret_that_is_none_ends_with_two_and_is_not_shown() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["sink", "--secret", "geheim"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("whsec_") && !said.contains("geheim"),
        "{said}"
    );
}
