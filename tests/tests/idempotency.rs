//! Idempotency keys: a request that is made twice happens once, whatever happens to the daemon in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::faults::PANIC_ON_BODY;
use didfarm_tests::http::Answer;
use didfarm_tests::lines;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use serde_json::{Value, json};

const SEND: &str = "/api/v1/sms/messages";
const PORTAL_SEND: &str = "/api/v1/portal/sms/send";
const WEBHOOKS: &str = "/api/v1/webhooks";
const FORWARD: &str = "/api/v1/sms/forward-to-email";
const BATCHES: &str = "/api/v1/sms/batches";
/// The number that sends, as it stands in a query.
const FROM: &str = "from=%2B31201234567";
const PEER: &str = "+31612345678";
/// What the demo account starts with, and what a segment costs, in millionths of a euro.
const WALLET_MICROS: i64 = 100_000_000;
const SEGMENT_MICROS: i64 = 8_000;
/// How long a condition may take.
const BOUND: Duration = Duration::from_secs(60);
/// The pause before a request that was under way, or had no answer, is made again.
const AGAIN: Duration = Duration::from_millis(20);

async fn start(options: Options) -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    Daemon::start(&program, options).await
}

fn sms(body: &str) -> Value {
    json!({ "from": NUMBER, "to": PEER, "body": body })
}

fn is_replayed(answer: &Answer) -> bool {
    let field = answer.header("idempotency-replayed");
    assert!(matches!(field, None | Some("true")), "{field:?}");
    field.is_some()
}

/// The daemon that customers call, which moves when it is started again.
#[derive(Clone)]
struct Door(Arc<Mutex<Customer>>);

impl Door {
    fn of(daemon: &Daemon) -> Door {
        Door(Arc::new(Mutex::new(daemon.customer())))
    }

    fn move_to(&self, daemon: &Daemon) {
        *self.0.lock().unwrap() = daemon.customer();
    }

    fn customer(&self) -> Customer {
        self.0.lock().unwrap().clone()
    }

    /// Posts under a key until there is an answer that stands.
    async fn insist(&self, key: &str, body: &Value) -> Answer {
        loop {
            if let Ok(answer) = self.customer().try_post_once(SEND, key, body).await {
                match answer.status {
                    409 => {
                        answer.refused(409, "idempotency_in_progress");
                        answer.retry_after_s();
                    }
                    503 => {
                        answer.retry_after_s();
                    }
                    _ => return answer,
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Posts the same under one key from so many customers at once.
    fn posts(&self, count: usize, key: &str, body: &str) -> Vec<tokio::task::JoinHandle<Answer>> {
        let post = |_| {
            let (door, key, body) = (self.clone(), key.to_owned(), sms(body));
            tokio::spawn(async move { door.insist(&key, &body).await })
        };
        (0..count).map(post).collect()
    }
}

/// Waits for all answers, which are one.
async fn one_answer(posts: Vec<tokio::task::JoinHandle<Answer>>) -> (String, usize) {
    let mut first: Option<Answer> = None;
    let mut fresh = 0;
    for post in posts {
        let answer = post.await.unwrap();
        answer.expect(201);
        fresh += usize::from(!is_replayed(&answer));
        let first = first.get_or_insert_with(|| answer.clone());
        assert_eq!(answer.text(), first.text());
        assert_eq!(answer.header("location"), first.header("location"));
    }
    let id = text(&first.expect("there is an answer").json()["data"], "id");
    (id, fresh)
}

async fn spent(daemon: &Daemon) -> i64 {
    WALLET_MICROS - daemon.operator().demo_balance_micros().await
}

#[tokio::test]
async fn a_thousand_posts_with_one_key_are_one_message_one_charge_and_one_answer() {
    let mut daemon = start(Options::new()).await;
    let door = Door::of(&daemon);
    let (id, fresh) = one_answer(door.posts(1_000, "one", "once")).await;
    assert_eq!(fresh, 1);
    assert_eq!(spent(&daemon).await, SEGMENT_MICROS);
    let rows = door.customer().all("/api/v1/portal/sms?limit=100").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(door.customer().message(&id).await["body"], "once");
    let operator = daemon.operator();
    let begun = "didfarm_idempotency_total{outcome=\"begun\"}";
    let replayed = "didfarm_idempotency_total{outcome=\"replayed\"}";
    assert_eq!(operator.metric(begun).await, 1.0);
    assert_eq!(operator.metric(replayed).await, 999.0);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn kill_9_in_the_middle_of_a_thousand_posts_leaves_one_message_and_one_answer() {
    /// The milliseconds after which the daemon is killed: before the first is durable, about then, later.
    const KILLS_AFTER_MS: [u64; 6] = [0, 1, 3, 8, 20, 300];
    let mut daemon = start(Options::new()).await;
    let door = Door::of(&daemon);
    for (trial, kill_after_ms) in KILLS_AFTER_MS.into_iter().enumerate() {
        let count = if trial == 5 { 1_000 } else { 100 };
        let body = format!("trial {trial}");
        let posts = door.posts(count, &format!("key-{trial}"), &body);
        tokio::time::sleep(Duration::from_millis(kill_after_ms)).await;
        daemon.kill9();
        daemon.restart().await;
        door.move_to(&daemon);
        let (id, fresh) = one_answer(posts).await;
        assert!(fresh <= 1, "trial {trial}");
        let customer = door.customer();
        assert_eq!(customer.message(&id).await["body"], body);
        let rows = customer.all("/api/v1/portal/sms?limit=100").await;
        assert_eq!(rows.len(), trial + 1);
        assert_eq!(spent(&daemon).await, (trial as i64 + 1) * SEGMENT_MICROS);
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_key_is_bound_to_its_body_its_route_and_its_account() {
    let daemon = start(Options::new()).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let first = customer.post_once(SEND, "k", &sms("first")).await;
    first.expect(201);
    assert!(!is_replayed(&first) && first.header("ratelimit").is_some());
    let again = customer.post_once(SEND, "\"k\"", &sms("first")).await;
    again.expect(201);
    assert!(is_replayed(&again), "quotes are no part of a key");
    assert_eq!(again.text(), first.text());
    assert!(again.header("ratelimit-policy").is_some());
    let other = customer.post_once(SEND, "k", &sms("second")).await;
    let other = other.refused(422, "idempotency_key_reused");
    assert_eq!(other["errors"][0]["field"], "Idempotency-Key");
    // The other dialect is another route.
    let portal = customer.post_once(PORTAL_SEND, "k", &sms("first")).await;
    assert!(!is_replayed(&portal));
    let again = customer.post_once(PORTAL_SEND, "k", &sms("first")).await;
    assert!(is_replayed(&again));
    assert_eq!((again.status, again.text()), (200, portal.text()));
    let made = operator
        .make_account("Acme", "+31201230001", Some("10"))
        .await;
    let acme = customer.with_key(&made.key);
    let body = json!({ "from": "+31201230001", "to": PEER, "body": "first" });
    let theirs = acme.post_once(SEND, "k", &body).await;
    theirs.expect(201);
    assert!(!is_replayed(&theirs));
    for key in ["a b", "\"", "a,b", &"x".repeat(256)] {
        let answer = customer.post_once(SEND, key, &sms("never")).await;
        let problem = answer.refused(400, "idempotency_key_invalid");
        assert_eq!(problem["errors"][0]["field"], "Idempotency-Key", "{key}");
    }
    // Without a key everything is new.
    assert_ne!(customer.send(&sms("first")).await.text(), first.text());
}

#[tokio::test]
async fn a_refused_request_keeps_no_key() {
    let options = Options::new().env(PANIC_ON_BODY, "poison");
    let mut daemon = start(options).await;
    let customer = daemon.customer();
    let unknown = json!({ "from": "+31209999999", "to": PEER, "body": "hello" });
    for _ in 0..2 {
        let answer = customer.post_once(SEND, "k", &unknown).await;
        answer.refused(404, "number_unknown");
        let answer = customer.post_once(SEND, "k", &json!({ "from": 1 })).await;
        assert_eq!(answer.status, 400);
        // A conversation that fails has accepted nothing.
        let answer = customer.post_once(SEND, "k", &sms("poison")).await;
        answer.refused(500, "faulted");
    }
    let sent = customer.post_once(SEND, "k", &sms("hello")).await;
    sent.expect(201);
    assert!(!is_replayed(&sent));
    assert_eq!(spent(&daemon).await, SEGMENT_MICROS);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn the_limit_is_asked_once_for_a_key() {
    let options = Options::new()
        .set("limits.rate_per_second", 1)
        .set("limits.burst", 1);
    let daemon = start(options).await;
    let door = Door::of(&daemon);
    let customer = door.customer();
    customer
        .post_once(SEND, "k", &sms("first"))
        .await
        .expect(201);
    for _ in 0..5 {
        let again = customer.post_once(SEND, "k", &sms("first")).await;
        assert!(is_replayed(&again), "a replay takes nothing of the limit");
    }
    let sent = eventually("the limit lets the second go", BOUND, async || {
        let answer = customer.post_once(SEND, "l", &sms("second")).await;
        match answer.status {
            429 => None,
            _ => Some(answer),
        }
    });
    let sent = sent.await;
    sent.expect(201);
    assert!(!is_replayed(&sent), "a request over the limit kept no key");
}

#[tokio::test]
async fn endpoints_and_mails_are_told_again_after_a_restart_as_they_were() {
    let mut daemon = start(Options::new()).await;
    let customer = daemon.customer();
    let endpoint = json!({ "url": "https://example.com/hook", "asymmetric": true });
    let made = customer.post_once(WEBHOOKS, "k", &endpoint).await;
    let id = text(&made.expect(201)["data"], "id");
    let received_at = "2026-04-05T14:22:08Z";
    let message = json!({ "from": PEER, "body": "hi", "received_at": received_at });
    let forward = json!({ "number": NUMBER, "email": "a@example.com", "message": message });
    let mail = customer.post_once(FORWARD, "k", &forward).await;
    mail.expect(202);
    let path = format!("{WEBHOOKS}/{id}/rotate-secret");
    customer.post(&path, &json!({})).await.expect(200);
    for _ in 0..2 {
        let customer = daemon.customer();
        let again = customer.post_once(WEBHOOKS, "k", &endpoint).await;
        assert!(is_replayed(&again));
        assert_eq!(again.text(), made.text());
        assert_eq!(again.header("location"), made.header("location"));
        assert_eq!(again.header("cache-control"), Some("no-store"));
        let again = customer.post_once(FORWARD, "k", &forward).await;
        assert!(is_replayed(&again));
        assert_eq!((again.status, again.text()), (202, mail.text()));
        let listed = customer.get(WEBHOOKS).await.expect(200);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
        daemon.kill9();
        daemon.restart().await;
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn an_old_key_is_free_again_and_forgotten() {
    let options = Options::new()
        .set("limits.idempotency_s", 1)
        .set("store.checkpoint_interval_ms", 50);
    let mut daemon = start(options).await;
    let customer = daemon.customer();
    let first = customer.post_once(SEND, "k", &sms("first")).await;
    first.expect(201);
    let second = eventually("the key is free", BOUND, async || {
        let answer = customer.post_once(SEND, "k", &sms("first")).await;
        answer.expect(201);
        (!is_replayed(&answer)).then_some(answer)
    });
    assert_ne!(second.await.text(), first.text());
    let forgotten = "didfarm_idempotency_forgotten_total";
    daemon.operator().metric_is(forgotten, 2.0).await;
    daemon
        .operator()
        .metric_is("didfarm_idempotency_held", 0.0)
        .await;
    assert!(daemon.terminate().await.success());
    let report = daemon.verify(None);
    assert!(report.contains("request keys   0"), "{report}");
}

/// Hands in the rows of a stream under one key, until it is taken whole: all lines of the answer.
async fn stream(daemon: &Daemon, rows: u32) -> Vec<Value> {
    let body = |n| json!({ "to": PEER, "body": format!("row {n}") });
    let text: String = (0..rows).map(|n| format!("{}\n", body(n))).collect();
    eventually("the stream is taken", BOUND, async || {
        let (mut to, mut from) = lines::open(daemon.address(), FROM, Some("stream")).await;
        assert!(to.send(&text).await);
        if from.status().await == 409 {
            return None;
        }
        let _to = to.end().await;
        Some(from.lines().await)
    })
    .await
}

#[tokio::test]
async fn a_batch_keeps_its_key_while_it_is_not_completed_and_its_age_from_then_on() {
    let options = Options::new()
        .set("limits.idempotency_s", 1)
        .set("limits.rate_per_second", 1_000)
        .set("store.checkpoint_interval_ms", 50);
    let mut daemon = start(options).await;
    let (mut to, mut from) = lines::open(daemon.address(), FROM, Some("stream")).await;
    let row = json!({ "to": PEER, "body": "row 0" });
    assert!(to.send(&format!("{row}\n")).await);
    assert_eq!(from.status().await, 202);
    from.line().await.expect("the first line names the batch");
    let first = from.line().await.expect("the first row is answered");
    drop((to, from));
    // Keys that came later are forgotten: the batch's was passed over, more than once.
    let forgotten = "didfarm_idempotency_forgotten_total";
    for (key, count) in [("k", 1.0), ("l", 2.0)] {
        let sent = daemon.customer().post_once(SEND, key, &sms("hi")).await;
        sent.expect(201);
        daemon.operator().metric_is(forgotten, count).await;
    }
    daemon.kill9();
    daemon.restart().await;
    let all = stream(&daemon, 2).await;
    assert_eq!(all[0]["resumed"], true, "{all:?}");
    assert_eq!(
        (&all[1]["id"], &all[1]["replayed"]),
        (&first["id"], &json!(true))
    );
    assert_eq!(all[3]["completed"], true, "{all:?}");
    assert_eq!(daemon.customer().all(BATCHES).await.len(), 1);
    assert_eq!(spent(&daemon).await, 4 * SEGMENT_MICROS);
    eventually("the key of a completed batch is free", BOUND, async || {
        let all = stream(&daemon, 1).await;
        (all[0]["resumed"] == false).then_some(())
    })
    .await;
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn what_was_carried_out_is_told_again_also_where_todays_settings_would_refuse_it() {
    let bounds = |seconds: u64| {
        move |options: Options| {
            options
                .set("delivery.validity_ms", 30_000)
                .set("delivery.validity_max_ms", seconds * 1_000)
        }
    };
    let mut daemon = start(bounds(7_200)(Options::new())).await;
    let message = json!({
        "from": NUMBER, "to": PEER, "body": "“once”", "validity_period": 3_600, "smart_encoding": true,
    });
    let batch = json!({
        "from": NUMBER, "validity_period": 3_600,
        "messages": [{ "to": PEER, "body": "a row" }, { "to": PEER, "body": "x", "validity_period": 60 }],
    });
    let customer = daemon.customer();
    let sent = customer.post_once(SEND, "k", &message).await;
    let smart = sent.expect(201)["data"]["smart_encoding_applied"].clone();
    assert!(!smart.is_null(), "{}", sent.text());
    let begun = customer.post_once(BATCHES, "k", &batch).await.expect(202);
    assert_eq!(begun["data"]["accepted"], 2);
    daemon.kill9();
    daemon.reconfigure(bounds(30));
    daemon.restart().await;
    let customer = daemon.customer();
    customer
        .post_once(SEND, "new", &message)
        .await
        .refused(400, "validation_failed");
    let again = customer.post_once(SEND, "k", &message).await;
    assert!(is_replayed(&again));
    assert_eq!((again.status, again.text()), (201, sent.text()));
    let again = customer.post_once(BATCHES, "k", &batch).await;
    assert!(is_replayed(&again));
    let again = again.expect(202)["data"].clone();
    for row in 0..2 {
        assert_eq!(
            again["results"][row]["id"],
            begun["data"]["results"][row]["id"]
        );
    }
    assert_eq!(spent(&daemon).await, 3 * SEGMENT_MICROS);
}
