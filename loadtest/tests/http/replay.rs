//! Replays of captured callbacks: their bytes, their signatures, their times, and what is checked afterwards.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_loadtest::form::Form;
use didfarm_loadtest::outcome::Outcome;
use didfarm_loadtest::replay::{ReplayPlan, ReplayReport, replay};
use didfarm_loadtest::{Keys, Target};
use serde_json::{Value, json};

use crate::stand_in::{KEY, Reply, serve};
use crate::webhook::is_genuine;

fn message(nth: u64) -> String {
    MessageId(65_536 + nth).to_string()
}

fn line(
    at_ms: i64,
    carrier: &str,
    kind: &str,
    path: &str,
    content_type: &str,
    body: &str,
) -> String {
    let line = json!({
        "v": 1, "at_us": 1_763_700_000_000_000_i64 + at_ms * 1000, "carrier": carrier, "kind": kind,
        "method": "POST", "path": path,
        "headers": [["content-type", content_type], ["user-agent", "Vendor/1"], ["host", "old"]], "body": body,
    });
    format!("{line}\n")
}

fn telnyx(at_ms: i64, nth: u64, status: &str) -> String {
    let event = if status == "sent" {
        "message.sent"
    } else {
        "message.finalized"
    };
    let body = json!({"data": {"event_type": event, "id": format!("{nth}-{status}"), "payload": {
        "id": format!("t-{nth}"), "tags": [], "to": [{"status": status}],
    }}});
    let path = format!("/carriers/t/status/{}", message(nth));
    line(
        at_ms,
        "t",
        "telnyx",
        &path,
        "application/json",
        &body.to_string(),
    )
}

fn twilio(at_ms: i64, nth: u64, status: &str) -> String {
    let mut form = Form::default();
    form.push("MessageSid", format!("SM{nth}"));
    form.push("MessageStatus", status);
    let path = format!("/carriers/tw/status/{}?a=b", message(nth));
    line(
        at_ms,
        "tw",
        "twilio",
        &path,
        "application/x-www-form-urlencoded",
        &form.encode(),
    )
}

fn whatsapp(at_ms: i64, statuses: &[(u64, &str)]) -> String {
    let statuses: Vec<Value> = statuses
        .iter()
        .map(|(nth, status)| json!({"id": format!("wamid.{nth}"), "status": status, "biz_opaque_callback_data": message(*nth)}))
        .collect();
    let body =
        json!({"entry": [{"changes": [{"field": "messages", "value": {"statuses": statuses}}]}]});
    line(
        at_ms,
        "wa",
        "whatsapp",
        "/carriers/wa",
        "application/json",
        &body.to_string(),
    )
}

/// Six messages of three carriers, and a check of the address.
fn capture() -> String {
    let check = line(
        0,
        "wa",
        "whatsapp",
        "/carriers/wa?hub.mode=subscribe",
        "text/plain",
        "",
    )
    .replace("POST", "GET");
    [
        check,
        telnyx(0, 1, "sent"),
        telnyx(50, 2, "sent"),
        telnyx(100, 1, "delivered"),
        telnyx(150, 2, "delivery_failed"),
        twilio(200, 3, "sent"),
        twilio(250, 3, "undelivered"),
        twilio(260, 4, "sent"),
        whatsapp(300, &[(5, "sent"), (6, "sent")]),
        whatsapp(350, &[(5, "delivered"), (6, "failed")]),
        whatsapp(400, &[(5, "read")]),
    ]
    .concat()
}

/// A daemon that joins claims, or one for which the last claim counts.
struct Daemon {
    joins: bool,
    claims: Mutex<HashMap<String, Vec<String>>>,
}

impl Daemon {
    fn open(joins: bool) -> Target {
        let daemon = Arc::new(Self {
            joins,
            claims: Mutex::default(),
        });
        serve(move |request| {
            let base = format!("http://{}", request.header("host").unwrap());
            if request.method == "GET" {
                return Some(daemon.read(request.path.rsplit('/').next().unwrap()));
            }
            if !is_genuine(request, &base) || request.header("user-agent") != Some("Vendor/1") {
                return Some(Reply::json(403, &json!({})));
            }
            daemon.take(&request.path, &request.content);
            Some(Reply::json(200, &json!({})))
        })
    }

    fn take(&self, path: &str, body: &[u8]) {
        let mut claims = self.claims.lock().unwrap();
        let mut note = |id: &str, word: &str| {
            claims
                .entry(id.to_owned())
                .or_default()
                .push(word.to_owned())
        };
        let in_path = path
            .rsplit_once("/status/")
            .map(|(_, id)| id.split('?').next().unwrap());
        match (in_path, serde_json::from_slice::<Value>(body)) {
            (Some(id), Ok(event)) => note(
                id,
                event["data"]["payload"]["to"][0]["status"]
                    .as_str()
                    .unwrap(),
            ),
            (Some(id), Err(_)) => {
                note(id, Form::parse(body).unwrap().get("MessageStatus").unwrap())
            }
            (None, event) => {
                for status in event.unwrap()["entry"][0]["changes"][0]["value"]["statuses"]
                    .as_array()
                    .unwrap()
                {
                    let text = |name: &str| status[name].as_str().unwrap();
                    note(text("biz_opaque_callback_data"), text("status"));
                }
            }
        }
    }

    fn read(&self, id: &str) -> Reply {
        let claims = self.claims.lock().unwrap();
        let Some(words) = claims.get(id) else {
            return Reply::json(404, &json!({}));
        };
        let counted = if self.joins {
            &words[..]
        } else {
            &words[words.len() - 1..]
        };
        let claims: Vec<_> = counted
            .iter()
            .map(|word| (CarrierMessageId("c".into()), claim(word)))
            .collect();
        let outcome = Outcome::of(id.to_owned(), &claims);
        Reply::json(
            200,
            &json!({"data": {
                "id": id, "to": "+1", "body": "x", "status": outcome.status.as_str(),
                "read_at": outcome.read.then_some("2026-04-05T14:22:08Z"),
            }}),
        )
    }
}

fn claim(word: &str) -> didfarm_core::delivery::receipt::Claim {
    use didfarm_core::delivery::receipt::Claim;
    match word {
        "sent" => Claim::EnRoute,
        "delivered" => Claim::Delivered,
        "read" => Claim::Read,
        _ => Claim::Failed,
    }
}

fn plan(target: &Target, file: &Path) -> ReplayPlan {
    ReplayPlan {
        file: file.to_owned(),
        target: target.clone(),
        public_url: format!("http://{}", target.authority),
        keys: Keys::default(),
        speed: 4.0,
        shuffle: Duration::ZERO,
        duplicates: 0.0,
        connections: 4,
        threads: 1,
        timeout: Duration::from_secs(10),
        api_key: Some(KEY.into()),
        drain_timeout: Duration::from_secs(20),
        seed: 1,
        progress: false,
    }
}

fn replayed(joins: bool, change: impl FnOnce(&mut ReplayPlan)) -> ReplayReport {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), capture()).unwrap();
    let mut plan = plan(&Daemon::open(joins), file.path());
    change(&mut plan);
    replay(&plan).unwrap()
}

#[test]
fn a_capture_is_sent_at_its_speed_and_every_message_ends_as_it_did() {
    let report = replayed(true, |_| ());
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.captured, report.passed_over, report.requests.taken),
        (11, 1, 10)
    );
    assert_eq!(report.messages.as_ref().unwrap().settled, 6);
    // 400 ms at four times the speed.
    assert!(report.requests.duration_s >= 0.1, "{report}");
}

#[test]
fn any_order_and_any_repetition_end_the_same_where_claims_are_joined() {
    for seed in 0..5 {
        let report = replayed(true, |plan| {
            plan.seed = seed;
            plan.speed = 1000.0;
            plan.shuffle = Duration::from_millis(50);
            plan.duplicates = 0.5;
        });
        assert!(report.is_clean() && report.requests.taken > 10, "{report}");
    }
}

#[test]
fn a_daemon_for_which_the_last_claim_counts_is_found_out() {
    let found = (0..20).any(|seed| {
        let report = replayed(false, |plan| {
            plan.seed = seed;
            plan.speed = 1000.0;
            plan.shuffle = Duration::from_millis(50);
            plan.drain_timeout = Duration::from_millis(200);
        });
        !report.is_clean()
    });
    assert!(found);
}

#[test]
fn the_command_ends_with_one_when_a_message_is_lost() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), telnyx(0, 9, "inbound?") + &capture()).unwrap();
    let target = serve(|request| {
        Some(if request.method == "GET" {
            Reply::json(404, &json!({}))
        } else {
            Reply::json(200, &json!({}))
        })
    });
    let url = format!("http://{}", target.authority);
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("replay")
        .arg(file.path())
        .args([
            "--target",
            &url,
            "--speed",
            "1000",
            "--api-key",
            KEY,
            "--json",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["messages"]["lost"], &report["requests"]["taken"]),
        (&json!(6), &json!(11))
    );
}
