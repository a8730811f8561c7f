//! Opt-out: STOP holds before the next send and for what waits, is answered once, and is kept with its evidence.

use std::time::Duration;

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{self, BOUND, Endpoint};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PEER: &str = "+31612345678";
/// What the demo account starts with, and what one segment costs, in millionths of a euro.
const WALLET: i64 = 100_000_000;
const SEGMENT: i64 = 8_000;
const STOPPED: &str =
    "U ontvangt geen berichten meer van dit nummer. Antwoord START om ze weer te ontvangen.";

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

/// One message at the carrier at a time, which takes its time: what comes behind it waits.
fn slow_carrier() -> Options {
    Options::new()
        .set("simulator.window", 1)
        .set("simulator.submit_delay_ms", 2_500)
}

async fn outbound(customer: &Customer, peer: &str) -> Vec<Value> {
    let sent = customer
        .all("/api/v1/portal/sms?limit=100&direction=outbound")
        .await;
    let mut to_peer: Vec<_> = sent
        .into_iter()
        .filter(|row| row["to"] == peer && row["from"] == NUMBER)
        .collect();
    to_peer.sort_by_key(|row| row["id"].as_u64());
    to_peer
}

async fn bodies(customer: &Customer, peer: &str) -> Vec<String> {
    let rows = outbound(customer, peer).await;
    rows.iter().map(|row| text(row, "body")).collect()
}

async fn conversation(customer: &Customer, number: &str, peer: &str) -> Value {
    let all = customer.conversations().await;
    let is_pair = |one: &Value| one["peer"] == peer && one["number"] == number;
    let found = all.into_iter().find(is_pair);
    found.expect("the pair has a conversation")
}

async fn consent_path(customer: &Customer, peer: &str) -> String {
    let id = text(&conversation(customer, NUMBER, peer).await, "id");
    format!("/api/v1/sms/conversations/{id}/consent")
}

async fn counted(daemon: &Daemon, change: &str, cause: &str) -> f64 {
    let series = format!("didfarm_consent_total{{change=\"{change}\",cause=\"{cause}\"}}");
    daemon.operator().scrape().await.get(&series)
}

/// Waits until the account has paid for so many segments.
async fn spent(daemon: &Daemon, segments: i64) {
    let operator = daemon.operator();
    let what = format!("{segments} segments are paid for");
    eventually(&what, BOUND, async || {
        let balance = operator.demo_balance_micros().await;
        (WALLET - balance == segments * SEGMENT).then_some(())
    })
    .await;
}

#[tokio::test]
async fn stop_holds_is_answered_once_and_start_lifts_it() {
    let mut daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    let first = customer.sent_id(PEER, "offers!").await;
    customer.message_with(&first, "delivered").await;
    customer.wrote(PEER, NUMBER, " Stop! ").await;
    // The answer stands in the entry of the message, past its own block, and costs what any message does.
    assert_eq!(bodies(&customer, PEER).await, ["offers!", STOPPED]);
    let opted_out_at = conversation(&customer, NUMBER, PEER).await["opted_out_at"].clone();
    assert!(opted_out_at.is_string());
    let before = daemon.operator().demo_balance_micros().await;
    assert_eq!(before, WALLET - 2 * SEGMENT);
    let problem = customer
        .send_sms(PEER, "more offers")
        .await
        .refused(409, "opted_out");
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["since"]),
        (&json!("to"), &opted_out_at)
    );
    let whatsapp = json!({ "from": PEER, "to": NUMBER, "body": "stop", "channel": "whatsapp" });
    customer.inbound(&whatsapp).await.expect(200);
    customer.wrote(PEER, NUMBER, "STOP").await;
    assert_eq!(
        bodies(&customer, PEER).await.len(),
        2,
        "it is answered once"
    );
    assert_eq!(daemon.operator().demo_balance_micros().await, before);
    // It is from this number alone.
    let other = json!({ "from": NUMBER_2, "to": PEER, "body": "from another number" });
    customer.send(&other).await.expect(201);
    // Help is given past the block, and once in its window.
    for _ in 0..3 {
        customer.wrote(PEER, NUMBER, "help").await;
    }
    assert_eq!(bodies(&customer, PEER).await.len(), 3);
    assert!(conversation(&customer, NUMBER, PEER).await["opted_out_at"].is_string());
    customer.wrote(PEER, NUMBER, "unstop").await;
    let again = bodies(&customer, PEER).await;
    assert_eq!(
        again.last().map(String::as_str),
        Some("You will get messages from this number again. Reply STOP to end them.")
    );
    customer.send_sms(PEER, "welcome back").await.expect(201);
    assert_eq!(
        conversation(&customer, NUMBER, PEER).await["opted_out_at"],
        Value::Null
    );
    // From one who gets messages it is a message like any other.
    customer.wrote(PEER, NUMBER, "start").await;
    assert_eq!(bodies(&customer, PEER).await.len(), 5);
    for (change, count) in [("opted_out", 1.0), ("opted_in", 1.0)] {
        assert_eq!(counted(&daemon, change, "keyword").await, count, "{change}");
    }
    let refused = "didfarm_messages_refused_total{reason=\"opted_out\"}";
    assert_eq!(daemon.operator().metric(refused).await, 1.0);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_rule_of_the_number_changes_the_answer_and_never_the_block() {
    let settings = "[consent]\nconfirm = false\nhelp_text = \"Call us.\"\n";
    let daemon = Daemon::start(&program(), Options::new().config(settings)).await;
    let customer = daemon.customer();
    let rules = json!({
        "immediate": "Thank you!",
        "keywords": [{ "words": ["stop", "help"], "text": "Acme: done." }],
    });
    let set = json!({ "auto_reply": rules });
    customer.set_number(NUMBER, &set).await;
    customer.wrote(PEER, NUMBER, "stop").await;
    customer.wrote(PEER, NUMBER, "stop").await;
    customer.wrote(PEER, NUMBER, "hello?").await;
    assert_eq!(bodies(&customer, PEER).await, ["Acme: done."]);
    customer.send_sms(PEER, "x").await.refused(409, "opted_out");
    // Without a rule and without answers of ours the word works in silence.
    customer.wrote(PEER, NUMBER, "start").await;
    assert_eq!(bodies(&customer, PEER).await, ["Acme: done."]);
    customer.send_sms(PEER, "x").await.expect(201);
}

#[tokio::test]
async fn what_waits_is_given_back_and_what_the_carrier_has_goes() {
    let mut daemon = Daemon::start(&program(), slow_carrier()).await;
    let customer = daemon.customer();
    let first = customer.sent_id(PEER, "at the carrier").await;
    customer.message_with(&first, "sending").await;
    let mut waiting = Vec::new();
    for n in 0..5 {
        waiting.push(customer.sent_id(PEER, &format!("waits {n}")).await);
    }
    let other = customer.sent_id("+31612345679", "another peer").await;
    customer.wrote(PEER, NUMBER, "stop").await;
    // START does not bring back what STOP took.
    customer.wrote(PEER, NUMBER, "start").await;
    let later = customer.sent_id(PEER, "later").await;
    for id in &waiting {
        let message = customer.message_with(id, "failed").await;
        assert_eq!(message["reason"], "opted_out", "{message}");
        assert_eq!(message["submits"], 0, "{message}");
    }
    // The first, the other peer's, both answers and the later one are paid for, and go.
    spent(&daemon, 5).await;
    customer.message_with(&first, "delivered").await;
    customer.message_with(&other, "delivered").await;
    customer.message_with(&later, "delivered").await;
    let answers = outbound(&customer, PEER).await;
    let went = answers.iter().filter(|row| row["status"] != "failed");
    assert_eq!(went.count(), 4);
    daemon.kill9();
    daemon.verify(None);
}

#[tokio::test]
async fn kill_9_behind_the_200_of_a_stop_loses_nothing_of_it() {
    let mut daemon = Daemon::start(&program(), slow_carrier()).await;
    let customer = daemon.customer();
    let first = customer.sent_id(PEER, "at the carrier").await;
    customer.message_with(&first, "sending").await;
    let mut waiting = Vec::new();
    for n in 0..5 {
        waiting.push(customer.sent_id(PEER, &format!("waits {n}")).await);
    }
    let stop = json!({ "from": PEER, "to": NUMBER, "body": "STOP", "id": "c-1" });
    customer.inbound(&stop).await.expect(200);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    customer.send_sms(PEER, "x").await.refused(409, "opted_out");
    assert_eq!(customer.inbound(&stop).await.expect(200)["duplicate"], true);
    for id in &waiting {
        let message = customer.message_with(id, "failed").await;
        assert_eq!(message["reason"], "opted_out", "{message}");
        assert_eq!(message["submits"], 0, "{message}");
    }
    let answers = bodies(&customer, PEER).await;
    let answers = answers.iter().filter(|body| *body == STOPPED);
    assert_eq!(answers.count(), 1);
    // The first is in doubt or with the carrier, and the answer is paid for.
    spent(&daemon, 2).await;
    assert_eq!(counted(&daemon, "opted_out", "keyword").await, 0.0);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn sends_that_race_a_stop_go_or_are_given_back_and_nothing_between() {
    const SENDERS: usize = 4;
    const SENDS: usize = 100;
    let options = Options::new()
        .set("limits.rate_per_second", 100_000)
        .set("limits.burst", 100_000);
    let mut daemon = Daemon::start(&program(), options).await;
    let customer = daemon.customer();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let customer = customer.clone();
            tokio::spawn(async move {
                let (mut accepted, mut refused) = (Vec::new(), 0);
                for _ in 0..SENDS {
                    let answer = customer.send_sms(PEER, "racing").await;
                    if answer.status == 409 {
                        refused += 1;
                        continue;
                    }
                    assert_eq!(refused, 0, "nothing is accepted behind a refusal");
                    accepted.push(text(&answer.expect(201)["data"], "id"));
                }
                (accepted, refused)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    customer.wrote(PEER, NUMBER, "stop").await;
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for sender in senders {
        let (own, others) = sender.await.expect("a sender ends");
        accepted.extend(own);
        refused += others;
    }
    assert_eq!(accepted.len() + refused, SENDERS * SENDS);
    let mut went = 0;
    for id in &accepted {
        let message = customer
            .message_when(id, |message| {
                message["status"] == "delivered" || message["status"] == "failed"
            })
            .await;
        if message["status"] == "delivered" {
            went += 1;
        } else {
            assert_eq!(message["reason"], "opted_out", "{message}");
        }
    }
    // The answer to the STOP is paid for, too.
    spent(&daemon, went + 1).await;
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn opt_outs_are_recorded_by_hand_listed_and_exported_with_their_evidence() {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    let inbound = customer.wrote(PEER, NUMBER, "Stop, please?").await;
    assert_eq!(inbound["duplicate"], false);
    let path = consent_path(&customer, PEER).await;
    let empty = customer.get(&path).await.expect(200);
    assert_eq!(
        (&empty["data"]["opted_out"], &empty["data"]["opt_out"]),
        (&json!(false), &Value::Null)
    );
    let record = json!({ "opted_out": true, "note": "asked by phone, \"today\"" });
    let put = customer.ask(Method::PUT, &path, Some(&record)).await;
    let put = put.expect(200)["data"].clone();
    assert_eq!(put["opt_out"]["cause"], "agent");
    // What is so already stays as it was recorded first.
    let other = json!({ "opted_out": true, "note": "again" });
    let again = customer.ask(Method::PUT, &path, Some(&other)).await;
    assert_eq!(again.expect(200)["data"], put);
    customer.send_sms(PEER, "x").await.refused(409, "opted_out");
    customer.ask(Method::DELETE, &path, None).await.expect(200);
    customer.send_sms(PEER, "x").await.expect(201);
    let stop = customer.wrote("+31612345679", NUMBER_2, "Stopp!").await;
    let id = text(
        &conversation(&customer, NUMBER_2, "+31612345679").await,
        "id",
    );
    let by_operator = format!("/ops/conversations/{id}/consent");
    let lift = json!({ "opted_out": false });
    let answer = daemon
        .operator()
        .ask(Method::PUT, &by_operator, Some(&lift))
        .await;
    assert_eq!(answer.status, 204);
    let rows = customer.all("/api/v1/sms/opt-outs?limit=1").await;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (
            &rows[0]["peer"],
            &rows[0]["word"],
            &rows[0]["evidence"]["body"]
        ),
        (&json!("+31612345679"), &json!("stopp"), &json!("Stopp!"))
    );
    assert_eq!(rows[0]["evidence"]["message_id"], stop["id"]);
    assert_eq!(rows[0]["ended"]["cause"], "operator");
    assert_eq!(
        (&rows[1]["note"], &rows[1]["ended"]["cause"]),
        (&record["note"], &json!("agent"))
    );
    let held = customer.all("/api/v1/sms/opt-outs?active=true").await;
    assert_eq!(held, Vec::<Value>::new());
    let number = NUMBER_2.replace('+', "%2B");
    let of_one = format!("/api/v1/sms/opt-outs?number={number}");
    assert_eq!(customer.all(&of_one).await, [rows[0].clone()]);
    let export = customer.get("/api/v1/sms/opt-outs/export").await;
    let lines: Vec<Value> = export
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    assert_eq!(lines, rows);
    let csv = customer.get("/api/v1/sms/opt-outs/export?format=csv").await;
    let csv = csv.text();
    assert!(
        csv.contains("\"'+31612345678\",agent,,\"asked by phone, \"\"today\"\"\""),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 3);
    let unknown = customer.get("/api/v1/sms/opt-outs/export?format=xml").await;
    let problem = unknown.refused(400, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "format");
    let long = json!({ "opted_out": true, "note": "x".repeat(501) });
    let answer = customer.ask(Method::PUT, &path, Some(&long)).await;
    let problem = answer.refused(400, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "note");
    // Another account's conversation is none.
    let made = daemon
        .operator()
        .make_account("Acme", "+31203333333", None)
        .await;
    let stranger = customer.with_key(&made.key);
    stranger.get(&path).await.refused(404, "not_found");
    stranger
        .ask(Method::PUT, &path, Some(&record))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn endpoints_are_told_who_opted_out_and_in() {
    let sink = webhooks::sink();
    let daemon = Daemon::start(&program(), webhooks::options()).await;
    let customer = daemon.customer();
    let url = sink.url("/ok/consent");
    let types = json!(["conversation.opted_out", "conversation.opted_in"]);
    Endpoint::create(&customer, &url, json!({ "event_types": types })).await;
    let stop = customer.wrote(PEER, NUMBER, "stop").await;
    customer.wrote(PEER, NUMBER, "stop").await;
    customer.wrote(PEER, NUMBER, "start").await;
    let told = webhooks::delivered(&sink, "/ok/consent", 2).await;
    let mut told: Vec<Value> = told.iter().map(webhooks::payload).collect();
    told.sort_by_key(|payload| text(payload, "event_id"));
    let words: Vec<_> = told.iter().map(|payload| &payload["event"]).collect();
    assert_eq!(words, ["conversation.opted_out", "conversation.opted_in"]);
    assert_eq!(
        (&told[0]["peer"], &told[0]["cause"], &told[0]["word"]),
        (&json!(PEER), &json!("keyword"), &json!("stop"))
    );
    assert_eq!(told[0]["evidence_message_id"], stop["id"]);
}

/// Whether a request has arrived with all of its body.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let declared = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let declared = declared.and_then(|bytes| bytes.trim().parse().ok());
    body.len() >= declared.unwrap_or(0)
}

/// A carrier by Twilio's protocol that takes nothing: every peer has unsubscribed there.
async fn unsubscribed_at_twilio() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener
        .local_addr()
        .expect("it has an address")
        .to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !is_whole(&asked) && stream.read_buf(&mut asked).await.is_ok_and(|n| n > 0) {}
                let body = json!({ "code": 21_610, "message": "unsubscribed", "status": 400 });
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_carrier_that_knows_of_an_opt_out_teaches_it() {
    let carrier = unsubscribed_at_twilio().await;
    let settings = format!(
        r#"
[callbacks]
public_base_url = "https://sms.example.org"
[[carriers]]
id = 3
name = "tw"
twilio = {{ base_url = "http://{carrier}", account_sid = "AC00000000000000000000000000000001", auth_token = "0123456789abcdef0123456789abcdef" }}
[[routes]]
targets = [{{ carrier = "tw" }}]
"#
    );
    let daemon = Daemon::start(&program(), Options::new().config(&settings)).await;
    let customer = daemon.customer();
    let id = customer.sent_id(PEER, "offers!").await;
    let message = customer.message_with(&id, "failed").await;
    assert_eq!(message["reason"], "opted_out", "{message}");
    eventually("it is learned", BOUND, async || {
        let now = conversation(&customer, NUMBER, PEER).await;
        now["opted_out_at"].is_string().then_some(())
    })
    .await;
    customer.send_sms(PEER, "x").await.refused(409, "opted_out");
    let rows = customer.all("/api/v1/sms/opt-outs").await;
    assert_eq!(
        (&rows[0]["cause"], &rows[0]["evidence"]["message_id"]),
        (&json!("carrier"), &json!(id))
    );
    assert_eq!(daemon.operator().demo_balance_micros().await, WALLET);
    assert_eq!(counted(&daemon, "opted_out", "carrier").await, 1.0);
}

#[tokio::test]
async fn a_stop_counts_also_while_the_number_has_no_sms() {
    let mut daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    let sent = customer.send_sms(PEER, "offers!").await.expect(201);
    let path = format!("/ops/numbers/{}", text(&sent["data"], "number_id"));
    let toggle = async |daemon: &Daemon, sms: bool| {
        let channels = json!({ "sms": sms, "whatsapp": true });
        let operator = daemon.operator();
        let set = operator.ask(Method::PATCH, &path, Some(&channels)).await;
        set.expect(200);
    };
    let says = |body: &str| json!({ "from": PEER, "to": NUMBER, "body": body });
    toggle(&daemon, false).await;
    // Anything else waits for the channel, START from one who gets messages too.
    for body in ["hello", "START", "HELP"] {
        let answer = customer.inbound(&says(body)).await;
        answer.refused(409, "channel_disabled");
    }
    customer.inbound(&says("Stop.")).await.expect(200);
    // The wish is known: there is nothing more to take in.
    let again = customer.inbound(&says("STOP")).await;
    again.refused(409, "channel_disabled");
    assert_eq!(bodies(&customer, PEER).await, ["offers!"], "no answer goes");
    daemon.kill9();
    daemon.restart().await;
    toggle(&daemon, true).await;
    let customer = daemon.customer();
    let refused = customer.send_sms(PEER, "more offers").await;
    refused.refused(409, "opted_out");
    let proof = customer.all("/api/v1/sms/opt-outs").await;
    assert_eq!(
        (&proof[0]["cause"], &proof[0]["word"]),
        (&json!("keyword"), &json!("stop"))
    );
    // And so does a START.
    toggle(&daemon, false).await;
    customer.inbound(&says("start")).await.expect(200);
    toggle(&daemon, true).await;
    customer.send_sms(PEER, "again").await.expect(201);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}
