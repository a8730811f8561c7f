//! The command itself: its JSON and its exit codes.

use std::process::{Command, Output};

use didfarm_loadtest::Target;
use serde_json::Value;

use crate::stand_in::{FROM, KEY, Messages, Reply, serve};

fn loadtest(target: &Target, args: &[&str]) -> Output {
    let url = format!("http://{}", target.authority);
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args([
            args[0],
            "--target",
            &url,
            "--key",
            KEY,
            "--from",
            FROM,
            "--connections",
            "4",
        ])
        .args(&args[1..])
        .output()
        .unwrap()
}

const SEND: &[&str] = &["send", "--rate", "200", "--duration", "0.2", "--json"];

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_clean_run_ends_with_zero_and_one_json_object() {
    let target = Messages::default().serve();
    let output = loadtest(&target, &[SEND, &["--fates", "--reconcile"]].concat());
    assert!(output.status.success(), "{output:?}");
    let report = json(&output);
    assert_eq!(report["accepted"], 40);
    assert_eq!(report["requested_per_second"], 200.0);
    assert_eq!(report["reconcile"]["reconciled"], 40);
    assert!(report["latency"]["p999_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_lost_message_ends_with_one() {
    let messages = Messages::default();
    let target = serve(move |request| {
        Some(if request.method == "POST" {
            messages.accept(request)
        } else if request.path.ends_with("_000011") {
            Reply::json(404, &serde_json::json!({}))
        } else {
            messages.read(request)
        })
    });
    let output = loadtest(&target, &[SEND, &["--reconcile"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["reconcile"]["lost"], 1);
}

#[test]
fn a_run_without_any_accepted_message_ends_with_one() {
    let target = serve(|_| Some(Reply::json(401, &serde_json::json!({}))));
    let output = loadtest(&target, SEND);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["refused"]["401"], 40);
}

#[test]
fn a_target_that_is_no_url_ends_with_two() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args([
            "populate", "--target", "ftp://x", "--key", KEY, "--from", FROM, "--count", "1",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://host:port"));
}

#[test]
fn populate_reports_every_peer() {
    let output = loadtest(
        &Messages::default().serve(),
        &["populate", "--count", "100", "--json"],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(json(&output)["accepted"], 100);
}
