//! Limits: each level holds within 2 %, and can be read with its present use.

use std::time::{Duration, Instant};

use didfarm_loadtest::carriers::Faults;
use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::world::World;
use serde_json::{Value, json};

const BATCHES: &str = "/api/v1/sms/batches";
/// How long a condition may take.
const BOUND: Duration = Duration::from_secs(60);
/// How far a rate may be off its limit: 2 %.
const OFF_MAX: f64 = 0.02;
/// Three segments.
const LONG: &str = "A text of three segments has more than two times one hundred and fifty-three characters. This one says so in many words, and then in some more words, until it is long enough: a text of three segments has more than two times one hundred and fifty-three characters, which is three hundred and six of them, not less.";

async fn start(options: Options) -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    Daemon::start(&program, options).await
}

async fn batch(customer: &Customer, from: &str, rows: u32, body: &str) {
    let row = |n| json!({ "to": peer(n), "body": body });
    let rows: Vec<_> = (0..rows).map(row).collect();
    let document = json!({ "from": from, "messages": rows });
    customer.post(BATCHES, &document).await.expect(202);
}

/// The rate at which messages are handed over, measured between two looks from which on it is steady.
async fn rate(daemon: &Daemon, seconds: u64) -> f64 {
    let operator = daemon.operator();
    let submits = async || operator.metric("didfarm_submits_total").await;
    let start = submits().await;
    eventually("messages go", BOUND, async || {
        (submits().await > start).then_some(())
    })
    .await;
    let (began, before) = (Instant::now(), submits().await);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = submits().await;
    (after - before) / began.elapsed().as_secs_f64()
}

fn assert_near(what: &str, rate: f64, limit: f64) {
    let off = (rate - limit).abs() / limit;
    assert!(off <= OFF_MAX, "{what}: {rate:.2} a second of {limit}");
}

async fn level(customer: &Customer, is_it: impl Fn(&Value) -> bool) -> Value {
    let limits = customer.get("/api/v1/limits").await.expect(200);
    let found = limits["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| is_it(row));
    found.unwrap_or_else(|| panic!("{limits}")).clone()
}

#[tokio::test]
async fn an_account_s_line_and_its_single_sends_keep_its_limit() {
    let options = Options::new()
        .set("limits.rate_per_second", 300)
        .set("limits.burst", 10);
    let daemon = start(options).await;
    let customer = daemon.customer();
    batch(&customer, NUMBER, 6_000, "hi").await;
    // As many as are let, beside the line.
    let single = tokio::spawn({
        let customer = customer.clone();
        async move {
            for n in 10_000.. {
                let message = json!({ "from": NUMBER, "to": peer(n), "body": "reply" });
                let answer = customer.send(&message).await;
                if answer.status == 429 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    });
    let both = rate(&daemon, 8).await;
    let seen = level(&customer, |row| row["level"] == "account").await;
    single.abort();
    assert_near("both together", both, 300.0);
    assert_eq!(
        (&seen["per_second"], &seen["burst"]),
        (&json!(300), &json!(10))
    );
    let used = seen["used_last_second"].as_f64().unwrap();
    assert!((used - 300.0).abs() <= 45.0, "{seen}");
    assert!(seen["waiting"].as_u64() > Some(1_000), "{seen}");
    assert_eq!(seen["waiting_max"], 300 * 4 * 3_600);
}

#[tokio::test]
async fn a_number_keeps_its_limit_in_segments_and_another_is_not_held_up() {
    let daemon = start(Options::new().set("limits.number_segments_per_second", 90)).await;
    let customer = daemon.customer();
    batch(&customer, NUMBER, 2_000, LONG).await;
    assert_near("messages of three segments", rate(&daemon, 8).await, 30.0);
    let is_first = |row: &Value| row["level"] == "number" && row["number"] == NUMBER;
    let seen = level(&customer, is_first).await;
    assert_eq!(
        (&seen["unit"], &seen["per_second"]),
        (&json!("segments"), &json!(90))
    );
    // Two seconds' worth waits at the number, the rest in the account's line.
    let at_number = seen["waiting"].as_u64().unwrap();
    assert!((1..=200).contains(&at_number), "{seen}");
    let account = level(&customer, |row| row["level"] == "account").await;
    assert!(account["waiting"].as_u64() > Some(1_000), "{account}");
    let used = seen["used_last_second"].as_f64().unwrap();
    assert!((used - 90.0).abs() <= 14.0, "{seen}");
    // One that is sent by itself goes before the batch, and one from another number at once.
    for from in [NUMBER, NUMBER_2] {
        let began = Instant::now();
        let message = json!({ "from": from, "to": peer(9_000), "body": "reply" });
        let sent = customer.send(&message).await.expect(201);
        let id = text(&sent["data"], "id");
        customer.message_with(&id, "delivered").await;
        assert!(began.elapsed() < Duration::from_secs(5), "{from}");
    }
}

#[tokio::test]
async fn whatsapp_has_limits_for_each_number_and_for_each_pair() {
    let options = Options::new()
        .set("limits.whatsapp_per_second", 50)
        .set("limits.pair_interval_ms", 500)
        .set("limits.pair_burst", 5);
    let daemon = start(options).await;
    let customer = daemon.customer();
    let template = json!({ "name": "hello", "language": "en_US" });
    let send = async |to: String| {
        let message =
            json!({ "from": NUMBER, "to": to, "channel": "whatsapp", "template": template });
        text(&customer.send(&message).await.expect(201)["data"], "id")
    };
    // Five at once to one peer, then one each half a second.
    let began = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..9 {
        ids.push(send(peer(1)).await);
    }
    customer.message_with(&ids[8], "delivered").await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_900), "{took:?}");
    let pair = level(&customer, |row| row["level"] == "pair").await;
    assert_eq!(
        (&pair["interval_ms"], &pair["burst"]),
        (&json!(500), &json!(5))
    );
    // Many peers share what the number may.
    for n in 0..500 {
        send(peer(100 + n)).await;
    }
    assert_near("WhatsApp of one number", rate(&daemon, 6).await, 50.0);
}

#[tokio::test]
async fn what_waits_for_its_number_can_be_held() {
    let options = Options::new()
        .set("limits.rate_per_second", 1_000)
        .set("limits.number_segments_per_second", 20);
    let daemon = start(options).await;
    let customer = daemon.customer();
    batch(&customer, NUMBER, 1_000, "hi").await;
    let is_number = |row: &Value| row["level"] == "number" && row["number"] == NUMBER;
    eventually("the number's gate is full", BOUND, async || {
        let limits = customer.get("/api/v1/limits").await.expect(200);
        let rows = limits["data"].as_array().unwrap();
        let waiting = rows.iter().find(|row| is_number(row))?["waiting"].as_u64();
        (waiting >= Some(40)).then_some(())
    })
    .await;
    let all = customer.all(BATCHES).await;
    let path = format!("{BATCHES}/{}", text(&all[0], "id"));
    let paused = customer.post(&format!("{path}/pause"), &json!({})).await;
    let caught = paused.expect(200)["data"]["caught"].as_u64().unwrap();
    assert!((800..1_000).contains(&caught), "{caught}");
    let waiting = async || customer.get(&path).await.expect(200)["data"]["messages"].clone();
    eventually("what was let go is delivered", BOUND, async || {
        let delivered = waiting().await["delivered"].as_u64()?;
        (delivered + caught == 1_000).then_some(())
    })
    .await;
    assert_eq!(waiting().await["queued"], caught);
}

#[tokio::test]
async fn a_carrier_keeps_its_limit_and_what_is_cancelled_takes_nothing_of_it() {
    let world = World::new(Faults::default());
    let targets = ["tx", "tw", "sm", "wa"].map(|name| format!("{{ carrier = \"{name}\" }}"));
    let routes = |channel: &str, targets: &[String]| {
        let targets = targets.join(", ");
        format!("[[routes]]\nchannel = \"{channel}\"\ntargets = [{targets}]\n")
    };
    let routes = routes("sms", &targets[..3]) + &routes("whatsapp", &targets[3..]);
    let settings = world.settings(&routes);
    let settings = settings.replacen(
        "name = \"tx\"",
        "name = \"tx\"\nsegments_per_second = 40",
        1,
    );
    let options = Options::new()
        .set("limits.rate_per_second", 1_000)
        .set("limits.burst", 1_000)
        .config(&settings);
    let daemon = start(options).await;
    world.lead_to(&daemon);
    let customer = daemon.customer();
    for n in 0..700 {
        let message = json!({ "from": NUMBER, "to": peer(n), "body": "hi" });
        customer.send(&message).await.expect(201);
    }
    assert_near("one carrier", rate(&daemon, 6).await, 40.0);
    let cancelled = customer
        .post("/api/v1/sms/cancel", &json!({ "from": NUMBER }))
        .await;
    let cancelled = cancelled.expect(200)["data"]["cancelled"].as_u64();
    assert!(cancelled > Some(200), "{cancelled:?}");
    let began = Instant::now();
    let message = json!({ "from": NUMBER_2, "to": peer(9_000), "body": "the next one" });
    let sent = customer.send(&message).await.expect(201);
    customer
        .message_with(&text(&sent["data"], "id"), "delivered")
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}
