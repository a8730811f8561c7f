//! Batches: each row once, whatever happens in between; paced, held, let go and cancelled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::lines;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use hyper::Method;
use serde_json::{Value, json};

const BATCHES: &str = "/api/v1/sms/batches";
/// What the demo account's wallet starts with, and what a segment costs, in millionths of a euro.
const WALLET_MICROS: i64 = 100_000_000;
const SEGMENT_MICROS: i64 = 8_000;
/// How long a condition may take.
const BOUND: Duration = Duration::from_secs(60);
/// The number that sends, as it stands in a query.
const FROM: &str = "from=%2B31201234567";

async fn start(options: Options) -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    Daemon::start(&program, options).await
}

/// A daemon whose demo account sends as fast as it can.
fn fast() -> Options {
    Options::new().set("limits.rate_per_second", 100_000)
}

/// A daemon whose demo account sends one message a second.
fn slow() -> Options {
    Options::new().set("limits.rate_per_second", 1)
}

fn document(rows: u32) -> Value {
    let row = |n| json!({ "to": peer(n), "body": format!("row {n}") });
    json!({ "from": NUMBER, "messages": (0..rows).map(row).collect::<Vec<_>>() })
}

fn row_line(n: u32) -> String {
    format!("{}\n", json!({ "to": peer(n), "body": format!("row {n}") }))
}

async fn create(customer: &Customer, document: &Value) -> Value {
    let answer = customer.post(BATCHES, document).await;
    answer.expect(202)["data"].clone()
}

async fn batch(customer: &Customer, id: &str) -> Value {
    let answer = customer.get(&format!("{BATCHES}/{id}")).await;
    answer.expect(200)["data"].clone()
}

/// Waits until a batch has so many messages of a status.
async fn batch_with(customer: &Customer, id: &str, status: &str, count: u64) -> Value {
    let what = format!("{id} has {count} {status}");
    eventually(&what, BOUND, async || {
        let batch = batch(customer, id).await;
        (batch["messages"][status] == count).then_some(batch)
    })
    .await
}

async fn command(customer: &Customer, id: &str, word: &str) -> Value {
    let path = format!("{BATCHES}/{id}/{word}");
    let answer = customer.ask(Method::POST, &path, None).await;
    answer.expect(200)["data"].clone()
}

/// Every row of a batch, by index.
async fn rows(customer: &Customer, id: &str) -> BTreeMap<u64, Value> {
    let rows = customer
        .all(&format!("{BATCHES}/{id}/rows?limit=100"))
        .await;
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| (row["index"].as_u64().expect("a row has its index"), row))
        .collect();
    assert_eq!(rows.len(), count, "an index stands twice");
    rows
}

async fn spent_segments(daemon: &Daemon) -> i64 {
    let spent = WALLET_MICROS - daemon.operator().demo_balance_micros().await;
    assert_eq!(spent % SEGMENT_MICROS, 0);
    spent / SEGMENT_MICROS
}

#[tokio::test]
async fn each_row_has_its_own_result_and_the_same_key_tells_them_again() {
    let mut daemon = start(fast()).await;
    let customer = daemon.customer();
    let mut document = document(3);
    let bad = [
        (
            json!({ "to": "0612345678", "body": "no country" }),
            "invalid_number",
        ),
        (json!({ "to": peer(9), "body": "" }), "body_empty"),
        (
            json!({ "to": peer(9), "body": "x", "colour": "red" }),
            "unknown_field",
        ),
        (
            json!({ "to": peer(9), "body": "x", "from": "+31209999999" }),
            "number_unknown",
        ),
        (
            json!({ "to": peer(9), "body": "x", "channel": "whatsapp" }),
            "window_closed",
        ),
        (json!(7), "validation_failed"),
    ];
    let listed = document["messages"].as_array_mut().unwrap();
    listed.extend(bad.iter().map(|(row, _)| row.clone()));
    let first = customer.post_once(BATCHES, "b-1", &document).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(202)["data"].clone();
    assert_eq!(
        (&first["accepted"], &first["refused"], &first["completed"]),
        (&json!(3), &json!(6), &json!(true))
    );
    let results = first["results"].as_array().unwrap();
    for (place, (_, code)) in bad.iter().enumerate() {
        let result = &results[3 + place];
        assert_eq!(result["error"]["code"], *code, "{result}");
        assert_eq!(result["index"], 3 + place);
    }
    let id = text(&first, "id");
    let done = batch_with(&customer, &id, "delivered", 3).await;
    assert_eq!((&done["rows"], &done["progress"]), (&json!(9), &json!(1.0)));
    assert_eq!(spent_segments(&daemon).await, 3);

    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let again = customer.post_once(BATCHES, "b-1", &document).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let again = again.expect(202)["data"].clone();
    for (before, after) in results.iter().zip(again["results"].as_array().unwrap()) {
        assert_eq!(after["replayed"], true);
        assert_eq!(
            (&before["id"], &before["error"]),
            (&after["id"], &after["error"])
        );
    }
    let other = customer.post_once(BATCHES, "b-1", &self::document(3)).await;
    other.refused(422, "idempotency_key_reused");
    assert_eq!(spent_segments(&daemon).await, 3);
    let kept = rows(&customer, &id).await;
    assert_eq!(kept.len(), 9);
    assert_eq!(kept[&0]["id"], results[0]["id"]);
    assert_eq!(kept[&3]["error"]["code"], "invalid_number");
    let message = customer.message(&text(&results[0], "id")).await;
    assert_eq!(message["batch_id"], json!(id));
    assert_eq!(customer.all(BATCHES).await.len(), 1);
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn posts_of_one_batch_at_once_are_one_batch() {
    let mut daemon = start(fast()).await;
    let document = document(500);
    let post = async |customer: Customer| {
        let data = eventually("the batch is answered", BOUND, async || {
            let answer = customer.post_once(BATCHES, "same", &document).await;
            if answer.status == 409 {
                answer.refused(409, "idempotency_in_progress");
                assert!(answer.retry_after_s() > 0);
                return None;
            }
            Some(answer.expect(202)["data"].clone())
        })
        .await;
        let ids = data["results"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|row| text(row, "id")).collect();
        (text(&data, "id"), ids)
    };
    let posts = (0..20).map(|_| post(daemon.customer()));
    let all = futures_util::future::join_all(posts).await;
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(all[0].1.len(), 500);
    assert_eq!(spent_segments(&daemon).await, 500);
    daemon.kill9();
    daemon.verify(None);
}

#[tokio::test]
async fn a_stream_is_answered_line_by_line_while_it_is_sent() {
    let daemon = start(fast()).await;
    let (mut to, mut from) = lines::open(daemon.address(), FROM, None).await;
    // The answer begins before the stream ends, and waits for nothing that has not come.
    assert!(to.send(&row_line(0)).await);
    assert_eq!(from.status().await, 202);
    let opened = from.line().await.unwrap();
    assert_eq!(opened["resumed"], false);
    let first = from.line().await.unwrap();
    assert_eq!(first["index"], 0);
    assert!(text(&first, "id").starts_with("msg_"));
    let half = row_line(1);
    let (left, right) = half.split_at(10);
    assert!(to.send(left).await);
    assert!(to.send(right).await && to.send("\n  \n{\"to\":").await);
    assert_eq!(from.line().await.unwrap()["index"], 1);
    assert!(to.send(" 7}\n").await);
    let refused = from.line().await.unwrap();
    assert_eq!(refused["error"]["code"], "validation_failed", "{refused}");
    let long = format!("{{\"body\":\"{}\"}}\n", "x".repeat(70_000));
    assert!(to.send(&long).await);
    let refused = from.line().await.unwrap();
    assert_eq!(refused["error"]["code"], "payload_too_large", "{refused}");
    let many: String = (2..5_002).map(row_line).collect();
    assert!(to.send(many.trim_end()).await);
    let _to = to.end().await;
    let mut rest = from.lines().await;
    let closed = rest.pop().unwrap();
    assert_eq!(closed["completed"], true, "{closed}");
    assert_eq!(
        (
            &closed["next_index"],
            &closed["accepted"],
            &closed["refused"]
        ),
        (&json!(5_004), &json!(5_002), &json!(2))
    );
    let indexes = rest.iter().map(|row| row["index"].as_u64().unwrap());
    assert!(indexes.eq(4..5_004), "every row in order");
    let id = text(&closed, "batch");
    batch_with(&daemon.customer(), &id, "delivered", 5_002).await;
}

/// Sends the rows of a stream from its first on, however often it is cut, until it is taken whole.
async fn insist(daemon: &mut Daemon, rows: u32, cuts: &[(usize, bool)]) -> BTreeMap<u64, String> {
    let mut seen = BTreeMap::new();
    let mut cuts = cuts.iter();
    loop {
        let cut = cuts.next();
        let (mut to, mut from) = lines::open(daemon.address(), FROM, Some("stream-1")).await;
        let text_of_all: String = (0..rows).map(row_line).collect();
        let upto = cut.map_or(text_of_all.len(), |(bytes, _)| *bytes);
        assert!(to.send(&text_of_all[..upto]).await);
        if from.status().await == 409 {
            // Rows of the stream before are still under way.
            cuts = [].iter();
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        from.line().await.expect("the first line names the batch");
        if let Some((_, kill)) = cut {
            let row = from.line().await.expect("the first group is answered");
            note(&mut seen, &row);
            if *kill {
                daemon.kill9();
                daemon.restart().await;
            }
            continue;
        }
        let _to = to.end().await;
        let mut all = from.lines().await;
        let closed = all.pop().unwrap();
        assert_eq!(closed["completed"], true, "{closed}");
        all.iter().for_each(|row| note(&mut seen, row));
        return seen;
    }
}

/// A row has one id, however often it is told.
fn note(seen: &mut BTreeMap<u64, String>, row: &Value) {
    let (index, id) = (row["index"].as_u64().unwrap(), text(row, "id"));
    let before = seen.insert(index, id.clone());
    assert!(
        before.is_none_or(|before| before == id),
        "row {index} twice"
    );
}

#[tokio::test]
async fn a_stream_that_was_cut_goes_on_with_its_key_and_no_row_is_sent_twice() {
    const ROWS: u32 = 3_000;
    let mut daemon = start(fast()).await;
    let cuts = [(20_000, false), (60_000, true), (100_001, false)];
    let seen = insist(&mut daemon, ROWS, &cuts).await;
    assert_eq!(seen.len(), ROWS as usize);
    let customer = daemon.customer();
    let batches = customer.all(BATCHES).await;
    let [only] = &batches[..] else {
        panic!("one key made {} batches", batches.len())
    };
    assert_eq!(only["accepted"], ROWS);
    assert_eq!(spent_segments(&daemon).await, i64::from(ROWS));
    // A row that is another now is refused, and the first stays.
    let (mut to, mut from) = lines::open(daemon.address(), FROM, Some("stream-1")).await;
    assert!(to.send(&row_line(7)).await);
    let _to = to.end().await;
    assert_eq!(from.status().await, 202);
    let all = from.lines().await;
    assert_eq!(all[1]["error"]["code"], "idempotency_key_reused", "{all:?}");
    daemon.kill9();
    daemon.verify(None);
}

#[tokio::test]
async fn a_batch_goes_at_the_rate_of_its_account() {
    const RATE: u64 = 100;
    const ROWS: u32 = 400;
    let daemon = start(Options::new().set("limits.rate_per_second", RATE)).await;
    let customer = daemon.customer();
    let began = Instant::now();
    let made = create(&customer, &document(ROWS)).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it is accepted whole"
    );
    let id = text(&made, "id");
    let last = &made["results"][ROWS as usize - 1];
    let done = batch_with(&customer, &id, "delivered", u64::from(ROWS)).await;
    assert!(done["estimated_end_at"].is_null());
    // How many were handed over in each second.
    let mut seconds: BTreeMap<i64, u64> = BTreeMap::new();
    for row in rows(&customer, &id).await.into_values() {
        let message = customer.message(&text(&row, "id")).await;
        let history = message["status_history"].as_array().unwrap();
        let sending = history.iter().find(|step| step["status"] == "sending");
        let at: jiff::Timestamp = text(sending.unwrap(), "at").parse().unwrap();
        *seconds.entry(at.as_second()).or_default() += 1;
    }
    // None has more than the rate, what a line takes at once, and what one look at it lets go.
    let most = RATE + RATE / 10 + RATE / 20;
    assert!(seconds.values().all(|count| *count <= most), "{seconds:?}");
    let last_s = seconds.keys().next_back().copied().unwrap();
    let estimated: jiff::Timestamp = text(last, "estimated_send_at").parse().unwrap();
    let off_s = estimated.as_second() - last_s;
    assert!(off_s.abs() <= 2, "the estimate is {off_s} s off");
}

#[tokio::test]
async fn a_pause_holds_over_a_crash_and_a_cancel_gives_back_what_waited() {
    let mut daemon = start(slow()).await;
    let customer = daemon.customer();
    let made = create(&customer, &document(50)).await;
    let id = text(&made, "id");
    let paused = command(&customer, &id, "pause").await;
    assert_eq!(paused["state"], "paused");
    let held = paused["caught"].as_u64().unwrap();
    assert!((45..=50).contains(&held), "{paused}");
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let now = batch(&customer, &id).await;
    assert_eq!(
        (
            &now["state"],
            &now["messages"]["queued"],
            &now["estimated_end_at"]
        ),
        (&json!("paused"), &json!(held), &json!(null))
    );
    // One that is sent by itself goes, and shows that time has passed.
    let single = customer.sent_id(&peer(99), "by itself").await;
    customer.message_with(&single, "delivered").await;
    assert_eq!(batch(&customer, &id).await["messages"]["queued"], held);
    assert_eq!(command(&customer, &id, "pause").await["caught"], held);
    let resumed = command(&customer, &id, "resume").await;
    assert_eq!(
        (&resumed["state"], &resumed["caught"]),
        (&json!("running"), &json!(held))
    );
    batch_with(&customer, &id, "delivered", 50 - held + 2).await;
    let cancelled = command(&customer, &id, "cancel").await;
    let caught = cancelled["caught"].as_u64().unwrap();
    assert!((held - 8..held).contains(&caught), "{cancelled}");
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let done = batch_with(&customer, &id, "delivered", 50 - caught).await;
    assert_eq!(
        (&done["state"], &done["messages"]["cancelled"]),
        (&json!("cancelled"), &json!(caught))
    );
    assert_eq!(spent_segments(&daemon).await, 51 - caught as i64);
    let path = format!("{BATCHES}/{id}/resume");
    let refused = customer.ask(Method::POST, &path, None).await;
    assert_eq!(refused.refused(409, "batch_state")["state"], "cancelled");
    customer
        .get(&format!("{BATCHES}/batch_00000000009"))
        .await
        .refused(404, "not_found");
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn what_is_sent_by_itself_overtakes_a_batch() {
    let daemon = start(Options::new().set("limits.rate_per_second", 20)).await;
    let customer = daemon.customer();
    let made = create(&customer, &document(1_500)).await;
    let id = text(&made, "id");
    let began = Instant::now();
    for n in 0..10 {
        let sent = customer.sent_id(&peer(3_000 + n), "a reply").await;
        customer.message_with(&sent, "delivered").await;
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let behind = batch(&customer, &id).await;
    assert!(
        behind["messages"]["queued"].as_u64() > Some(1_000),
        "{behind}"
    );
    // The batch goes on beside it.
    let before = behind["messages"]["delivered"].as_u64().unwrap();
    eventually("the batch goes on", BOUND, async || {
        let now = batch(&customer, &id).await;
        (now["messages"]["delivered"].as_u64() > Some(before)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_would_wait_too_long_is_refused_early_with_the_wait() {
    let options = Options::new()
        .set("limits.rate_per_second", 10)
        .set("limits.backlog_s", 10);
    let daemon = start(options).await;
    let customer = daemon.customer();
    let refused = customer.post(BATCHES, &document(150)).await;
    let problem = refused.refused(429, "backlog_full").clone();
    assert_eq!(
        (&problem["max"], &problem["waiting"]),
        (&json!(100), &json!(0))
    );
    // It never fits whole: there is no time at which it would.
    assert!(!refused.headers.contains_key("retry-after"), "{refused:?}");
    create(&customer, &document(90)).await;
    let full = customer.post(BATCHES, &document(90)).await;
    full.refused(429, "backlog_full");
    assert!(
        (6..=8).contains(&full.retry_after_s()),
        "{}",
        full.retry_after_s()
    );
    assert_eq!(spent_segments(&daemon).await, 90);
    // A stream takes what fits, and says where to go on.
    let (mut to, mut from) = lines::open(daemon.address(), FROM, Some("s")).await;
    let all: String = (0..3_000).map(row_line).collect();
    assert!(to.send(&all).await);
    let _to = to.end().await;
    assert_eq!(from.status().await, 202);
    let mut answers = from.lines().await;
    let closed = answers.pop().unwrap();
    assert_eq!(
        closed["error"]["code"], "backlog_full",
        "{closed} {answers:?}"
    );
    assert_eq!(
        (&closed["completed"], &closed["next_index"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn one_text_for_many_recipients_is_filled_in_and_spread_over_a_time() {
    let daemon = start(fast()).await;
    let customer = daemon.customer();
    let recipients = json!([
        { "to": peer(0), "values": { "name": "Ada", "code": "1" } },
        { "to": peer(1), "values": { "name": "Grace" } },
        { "to": peer(2), "values": { "code": "3", "name": "Edsger" } },
    ]);
    let body = json!({
        "from_number_id": 2, "body": "Hi {{name}}: {{code}}", "recipients": recipients, "spread_over": 3,
    });
    let began = Instant::now();
    let made = create(&customer, &body).await;
    assert_eq!(made["results"][1]["error"]["code"], "placeholder_missing");
    let id = text(&made, "id");
    let done = batch_with(&customer, &id, "delivered", 2).await;
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "they go a second apart"
    );
    assert_eq!(done["spread_over"], 3);
    for (place, wanted) in [(0, "Hi Ada: 1"), (2, "Hi Edsger: 3")] {
        let message = customer.message(&text(&made["results"][place], "id")).await;
        assert_eq!(
            (&message["body"], &message["from"]),
            (&json!(wanted), &json!(NUMBER_2))
        );
    }
    for (wrong, field) in [
        (json!({ "from": NUMBER }), "messages"),
        (json!({ "from": NUMBER, "messages": [] }), "messages"),
        (
            json!({ "from": NUMBER, "body": "x {{", "recipients": [{}] }),
            "body",
        ),
        (
            json!({ "from": NUMBER, "messages": [{}], "spread_over": 0 }),
            "spread_over",
        ),
        (
            json!({ "from": NUMBER, "messages": [{}], "recipients": [] }),
            "recipients",
        ),
    ] {
        let refused = customer.post(BATCHES, &wrong).await;
        let problem = refused.refused(400, "validation_failed").clone();
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let many = vec![json!({ "to": peer(0), "body": "x" }); 10_001];
    let too_many = json!({ "from": NUMBER, "messages": many });
    customer
        .post(BATCHES, &too_many)
        .await
        .refused(400, "validation_failed");
}
