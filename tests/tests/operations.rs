//! Operations: what operators see, ask for and stop, and what they are told when it cannot be.

use std::collections::BTreeSet;
use std::time::Duration;

use didfarm_tests::customer::{NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::{DEMO_KEY, Options};
use didfarm_tests::peers::peer;
use didfarm_tests::program::{Program, one_sentence};
use didfarm_tests::wait::eventually;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
/// Exit codes that scripts may rely on.
const USAGE: i32 = 2;
const STORE: i32 = 66;
const UNREACHABLE: i32 = 69;
const LISTEN: i32 = 71;

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

#[tokio::test]
async fn the_catalogue_of_metrics_is_there_and_counts() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let id = customer.sent_id(PEER, "counted").await;
    customer.message_with(&id, "delivered").await;
    customer
        .send_sms("nonsense", "refused early")
        .await
        .refused(422, "invalid_number");
    let unknown = json!({ "from": "+31209999999", "to": PEER, "body": "x" });
    customer.send(&unknown).await.refused(404, "number_unknown");
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "hi" });
    customer.inbound(&wrote).await.expect(200);

    let counted = [
        ("didfarm_messages_accepted_total{channel=\"sms\"}", 1.0),
        ("didfarm_messages_received_total{channel=\"sms\"}", 1.0),
        (
            "didfarm_messages_refused_total{reason=\"number_unknown\"}",
            1.0,
        ),
        ("didfarm_submits_total", 1.0),
        ("didfarm_submit_answers_total{outcome=\"accepted\"}", 1.0),
        ("didfarm_receipts_total{outcome=\"moved\"}", 1.0),
        ("didfarm_status_changes_total{status=\"delivered\"}", 1.0),
        ("didfarm_actors{kind=\"number\"}", 2.0),
        ("didfarm_actors{kind=\"conversation\"}", 1.0),
        ("didfarm_actors{kind=\"account\"}", 1.0),
        ("didfarm_actors{kind=\"delivery\"}", 1.0),
        ("didfarm_actor_restarts_total{kind=\"conversation\"}", 0.0),
        ("didfarm_commands_under_way", 0.0),
        (
            "didfarm_http_requests_total{route=\"send_message\",class=\"4xx\"}",
            2.0,
        ),
    ];
    let scrape = eventually("the metrics follow", Duration::from_secs(10), async || {
        let scrape = operator.scrape().await;
        let fits = counted
            .iter()
            .all(|(series, value)| scrape.get(series) == *value);
        (fits && scrape.get("didfarm_messages_in_flight") == 0.0).then_some(scrape)
    })
    .await;
    for name in [
        "didfarm_queue_depth",
        "didfarm_queue_oldest_seconds",
        "didfarm_journal_queue_depth",
        "didfarm_journal_bytes_total",
        "didfarm_journal_group_entries_count",
        "didfarm_journal_commit_seconds_count",
        "didfarm_records_lag_entries",
        "didfarm_records_round_seconds_count",
        "didfarm_receipts_parked",
        "didfarm_numbers_quarantined",
        "didfarm_http_request_seconds_count",
    ] {
        assert!(scrape.has(name), "{name} is missing");
    }
    assert!(scrape.get("didfarm_journal_commit_seconds_count") > 0.0);
    for (name, kind) in scrape.types() {
        assert!(name.starts_with("didfarm_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name} is a {kind}"
        );
    }
    for (series, _) in scrape.samples() {
        let digits = series.bytes().filter(u8::is_ascii_digit).count();
        assert!(digits < 9, "a label holds a number or an id: {series}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_open_and_the_rest_is_not() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let stranger = didfarm_tests::customer::Customer::new(
        didfarm_tests::http::Client::new(),
        daemon.ops_address(),
        None,
    );
    assert_eq!(stranger.get("/healthz").await.expect(200)["status"], "ok");
    assert_eq!(stranger.get("/readyz").await.expect(200)["status"], "ready");
    assert_eq!(stranger.get("/metrics").await.status, 200);
    stranger
        .get("/ops/accounts")
        .await
        .refused(401, "unauthorized");
    stranger
        .get("/api/v1/portal/sms")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn sigterm_under_load_ends_well_and_keeps_what_was_acknowledged() {
    let mut daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    let (told, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let senders: Vec<_> = (0..16u32)
        .map(|sender| {
            let (customer, told) = (customer.clone(), told.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let body = format!("{sender}-{n}");
                    let send =
                        json!({ "from": NUMBER, "to": peer(sender * 100 + n % 100), "body": body });
                    let path = "/api/v1/sms/messages";
                    match customer
                        .try_ask(hyper::Method::POST, path, Some(&send))
                        .await
                    {
                        Ok(answer) if answer.status == 201 => {
                            told.send((text(&answer.json()["data"], "id"), body))
                                .unwrap();
                        }
                        Ok(answer) => {
                            answer.refused(503, "draining");
                            answer.retry_after_s();
                            return;
                        }
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    drop(told);
    let mut lines = String::new();
    let mut count = 0;
    while let Some((id, body)) = acknowledged.recv().await {
        lines.push_str(&format!("{id}\t{body}\n"));
        count += 1;
        if count == 500 {
            daemon.ask_to_stop();
        }
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let status = daemon.ended().await;
    assert!(status.success(), "{status}: {}", daemon.stderr());
    let list = daemon.folder().join("expected");
    std::fs::write(&list, lines).unwrap();
    let report = daemon.verify(Some(&list));
    assert!(report.contains("every invariant holds"), "{report}");
}

#[tokio::test]
async fn a_second_daemon_on_the_directory_is_told_so() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let second = Options::new().data_dir(daemon.data_dir());
    let failed = Daemon::fail(&program(), second).await;
    let sentence = failed.failed(STORE);
    assert!(
        sentence.contains("another didfarm is running"),
        "{sentence}"
    );
    assert!(
        sentence.contains(&daemon.process_id().to_string()),
        "{sentence}"
    );
    // Nor does a look from outside disturb it.
    let verify = daemon.run(&["verify"]);
    assert!(verify.failed(STORE).contains("another didfarm is running"));
    daemon.customer().sent(PEER, "undisturbed").await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let dir = tempfile::tempdir().unwrap();
    for (flag, setting) in [("--listen", "http.listen"), ("--ops-listen", "ops.listen")] {
        let other = if flag == "--listen" {
            "--ops-listen"
        } else {
            "--listen"
        };
        let finished = program().run([
            "serve",
            flag,
            daemon.address(),
            other,
            "127.0.0.1:0",
            "--data-dir",
            dir.path().to_str().unwrap(),
        ]);
        let sentence = finished.failed(LISTEN);
        assert!(
            sentence.contains(setting) && sentence.contains(daemon.address()),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn every_wrong_setting_is_listed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("didfarm.toml");
    std::fs::write(
        &file,
        "[limits]\nburst = 0\nburts = 1\n[http]\nlisten = \"nowhere\"\n[log]\nformat = \"xml\"\n",
    )
    .unwrap();
    let mut command = program().command();
    command.args(["serve", "--config"]).arg(&file);
    command.env("DIDFARM__STORE__SEGMENT_BYTES", "1");
    command.env("DIDFARM__NO__SUCH__SETTING", "1");
    let finished = didfarm_tests::program::finish(&mut command);
    assert_eq!(finished.code, Some(USAGE), "{finished:#?}");
    one_sentence(&finished.stderr);
    for wrong in [
        "limits.burst:",
        "limits.burts:",
        "http.listen:",
        "log.format:",
        "store.segment_bytes:",
        "DIDFARM__NO__SUCH__SETTING",
    ] {
        assert!(
            finished.stderr.contains(wrong),
            "{wrong}: {}",
            finished.stderr
        );
    }
    let finished = program().run(["serve", "--no-such-flag"]);
    assert_eq!(finished.code, Some(USAGE));
    let finished = program().run(["config"]);
    assert_eq!(
        (finished.code, &*finished.stdout),
        (Some(0), "the settings are sound\n")
    );
}

#[tokio::test]
async fn commands_work_against_a_running_daemon() {
    let mut daemon = Daemon::start(&program(), Options::new()).await;
    let account = daemon.run(&["account", "create", "--name", "Acme"]).json();
    let account = text(&account, "id");
    let add = |number: &str, more: &[&str]| {
        let add = ["number", "add", "--account", &account, "--number", number];
        daemon.run(&[&add[..], more].concat())
    };
    let number = add("+31203333333", &["--sms"]).json();
    assert_eq!(
        (&number["status"], &number["sms"]),
        (&json!("active"), &json!(true))
    );
    assert_eq!(
        add("+31203333334", &["--provisioning"]).json()["status"],
        "provisioning"
    );
    assert_eq!(
        add("+31203333335", &["--provisioning", "--sms"]).failed(1),
        "Number must be active to enable SMS"
    );
    assert_eq!(
        add("+498001234567", &["--sms"]).failed(1),
        "SMS not available for this number type"
    );
    let topped = daemon.run(&[
        "wallet",
        "top-up",
        "--account",
        &account,
        "--amount",
        "10.50",
    ]);
    assert_eq!(topped.json()["balance"], json!(10.5));
    // The same key is the same top-up.
    let wallet = ["wallet", "top-up", "--account", &account];
    let again = |amount: &'static str| [&wallet[..], &["--amount", amount, "--key", "k"]].concat();
    for _ in 0..2 {
        assert_eq!(daemon.run(&again("1.00")).json()["balance"], json!(11.5));
    }
    let other = daemon.run(&again("2.00"));
    assert!(other.failed(1).contains("another body"), "{other:?}");
    let limit = ["--rate-per-second", "50", "--burst", "7"];
    let limited = daemon.run(&[&["account", "limit", "--account", &account][..], &limit].concat());
    assert_eq!(limited.json()["burst"], json!(7));
    let key = daemon.run(&["key", "create", "--account", &account]).json();
    let listed = daemon.run(&["account", "list"]).json();
    assert_eq!(listed["data"][1]["key_ids"], json!([key["key_id"]]));

    let acme = daemon.customer().with_key(&text(&key, "api_key"));
    let send = json!({ "from": "+31203333333", "to": PEER, "body": "with the new key" });
    let sent = acme.send(&send).await.expect(201)["data"].clone();
    acme.message_with(&text(&sent, "id"), "delivered").await;

    assert!(daemon.terminate().await.success());
    let finished = daemon.run(&["account", "list"]);
    assert!(finished.failed(UNREACHABLE).contains("is it running?"));
    let finished = daemon.run(&["wallet", "top-up", "--account", &account, "--amount", "1"]);
    assert!(finished.failed(UNREACHABLE).contains("with --key "));
    let nowhere = tempfile::tempdir().unwrap();
    let nowhere = nowhere.path().to_str().unwrap();
    let finished = program().run(["account", "list", "--data-dir", nowhere]);
    assert!(finished.failed(UNREACHABLE).contains("no daemon is known"));
    // The key's secret is nowhere on the disk.
    let secret = text(&key, "api_key");
    for file in walk(daemon.data_dir()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "the key stands in {}", file.display());
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn the_accounts_of_the_settings_are_made_at_the_first_start() {
    let options = Options::new().config(
        r#"
        [[accounts]]
        name = "Acme"
        rate_per_second = 5
        burst = 20
        wallet_micros = 1000000
        api_key = "acme-key-0123456789-0123456789"
        numbers = [{ e164 = "+31203333333" }, { e164 = "+31203333334", sms = false, whatsapp = true }]
        "#,
    );
    let mut daemon = Daemon::start(&program(), options).await;
    for _ in 0..2 {
        let accounts = daemon.operator().get("/ops/accounts").await.expect(200);
        assert_eq!(accounts["data"].as_array().unwrap().len(), 1);
        assert_eq!(accounts["data"][0]["name"], "Acme");
        let acme = daemon.customer().with_key("acme-key-0123456789-0123456789");
        let numbers = acme.get("/api/v1/portal/sms/numbers").await.expect(200);
        assert_eq!(numbers["data"].as_array().unwrap().len(), 2);
        daemon
            .customer()
            .with_key(DEMO_KEY)
            .get("/api/v1/portal/sms")
            .await
            .refused(401, "unauthorized");
        let send = json!({ "from": "+31203333333", "to": PEER, "body": "hi" });
        acme.send(&send).await.expect(201);
        daemon.kill9();
        daemon.restart().await;
    }
}

#[tokio::test]
async fn logs_are_json_when_asked_and_tell_no_secrets() {
    let body = "a very private text";
    let mut daemon = Daemon::start(&program(), Options::new().set("log.format", "json")).await;
    // The first start also prints the demo's key, for a person.
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let id = customer.sent_id(PEER, body).await;
    customer.message_with(&id, "delivered").await;
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": body });
    customer.inbound(&wrote).await.expect(200);
    assert!(daemon.terminate().await.success());
    let stderr = daemon.stderr();
    let levels: BTreeSet<String> = stderr
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            for member in ["timestamp", "level", "message", "target"] {
                assert!(line[member].is_string(), "{member}: {line}");
            }
            text(&line, "level")
        })
        .collect();
    assert!(levels.contains("INFO"));
    for secret in [body, DEMO_KEY, PEER, &PEER[1..], NUMBER, &NUMBER[1..]] {
        assert!(
            !stderr.contains(secret),
            "the log tells {secret}:\n{stderr}"
        );
    }
}

#[tokio::test]
async fn a_start_says_in_one_line_where_it_is() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let started = daemon.started();
    assert_eq!(started["pid"], json!(daemon.process_id()));
    assert_eq!(started["data_dir"], json!(daemon.data_dir()));
    assert!(started["recovery_ms"].is_u64());
    let welcome = daemon.stderr();
    for word in [DEMO_KEY, NUMBER, "curl -X POST", daemon.address()] {
        assert!(welcome.contains(word), "{word}: {welcome}");
    }
}
