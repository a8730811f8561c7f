//! Pools: a peer always sees the number that it knows, and who knows none gets the nearest that delivers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::operator::DEMO_ACCOUNT;
use didfarm_tests::options::{DEMO_KEY, Options};
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::twilio::TwilioCustomer;
use didfarm_tests::wait::eventually;
use hyper::Method;
use serde_json::{Value, json};

const POOLS: &str = "/api/v1/sms/pools";
const BATCHES: &str = "/api/v1/sms/batches";
/// A number that the demo account is given.
const NUMBER_3: &str = "+31203000777";
/// How long a condition may take.
const BOUND: Duration = Duration::from_secs(60);

async fn start(options: Options) -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

async fn host(daemon: &Daemon, number: &str) {
    let hosted = json!({ "account": DEMO_ACCOUNT, "e164": number, "sms": true, "whatsapp": false });
    let operator = daemon.operator();
    operator.post("/ops/numbers", &hosted).await.expect(201);
}

async fn make(customer: &Customer, numbers: &[&str]) -> String {
    let pool = json!({ "name": "codes", "numbers": numbers });
    let made = customer.post(POOLS, &pool).await.expect(201);
    text(&made["data"], "id")
}

async fn change(customer: &Customer, pool: &str, numbers: &[&str]) {
    let change = json!({ "numbers": numbers });
    let path = format!("{POOLS}/{pool}");
    let changed = customer.ask(Method::PATCH, &path, Some(&change)).await;
    changed.expect(200);
}

/// A number of a pool as it is now.
async fn member(customer: &Customer, pool: &str, number: &str) -> Value {
    let answer = customer.get(&format!("{POOLS}/{pool}")).await.expect(200);
    let numbers = answer["data"]["numbers"].as_array().expect("a list");
    let found = numbers.iter().find(|one| one["number"] == number);
    found.expect("the number is in the pool").clone()
}

async fn healthy(customer: &Customer, pool: &str, number: &str, wanted: bool) {
    let what = format!("{number} is healthy: {wanted}");
    eventually(&what, BOUND, async || {
        let member = member(customer, pool, number).await;
        (member["healthy"] == wanted).then_some(())
    })
    .await;
}

/// Sends from a pool, and gives the message.
async fn sent(customer: &Customer, pool: &str, to: &str) -> Value {
    let message = json!({ "from_pool": pool, "to": to, "body": "hi" });
    customer.send(&message).await.expect(201)["data"].clone()
}

/// The number that each of these peers sees.
async fn seen(customer: &Customer, pool: &str, peers: &[String]) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for peer in peers {
        seen.insert(
            peer.clone(),
            text(&sent(customer, pool, peer).await, "from"),
        );
    }
    seen
}

fn peers(count: u32) -> Vec<String> {
    (0..count).map(peer).collect()
}

/// The `n`th peer whose messages fail by receipt.
fn failing(n: u32) -> String {
    format!("+316{:04}0002", 2_000 + n)
}

/// Sends from one number to peers whose messages fail, until that shows.
async fn ruin(customer: &Customer, pool: &str, number: &str, peers: std::ops::Range<u32>) {
    for n in peers {
        let message = json!({ "from": number, "to": failing(n), "body": "hi" });
        let sent = customer.send(&message).await.expect(201);
        let id = text(&sent["data"], "id");
        customer.message_with(&id, "failed").await;
    }
    healthy(customer, pool, number, false).await;
}

#[tokio::test]
async fn pools_are_made_changed_and_taken_away_and_hold_over_a_crash() {
    let (mut daemon, customer) = start(Options::new()).await;
    let body = json!({ "name": "codes", "numbers": [NUMBER, NUMBER_2] });
    let made = customer.post_once(POOLS, "k-1", &body).await;
    let again = customer.post_once(POOLS, "k-1", &body).await;
    let (made, again) = (made.expect(201), again.expect(201));
    assert_eq!(made, again);
    let pool = text(&made["data"], "id");
    assert!(pool.starts_with("pool_"), "{pool}");
    let first = &made["data"]["numbers"][0];
    assert_eq!(
        (&first["number"], &first["healthy"], &first["counted"]),
        (&json!(NUMBER), &json!(true), &json!(0))
    );
    assert_eq!(first["delivered_share"], Value::Null);

    for (unfit, status, code, field) in [
        (
            json!({ "numbers": [NUMBER] }),
            400,
            "validation_failed",
            "name",
        ),
        (json!({ "name": "x" }), 400, "validation_failed", "numbers"),
        (
            json!({ "name": "", "numbers": [NUMBER_3] }),
            404,
            "number_unknown",
            "numbers",
        ),
        (
            json!({ "name": "x", "numbers": [] }),
            422,
            "pool_numbers_invalid",
            "numbers",
        ),
        (
            json!({ "name": "x", "numbers": [NUMBER] }),
            409,
            "number_pooled",
            "numbers",
        ),
        (
            json!({ "name": "x", "numbers": ["ours"] }),
            400,
            "validation_failed",
            "numbers[0]",
        ),
    ] {
        let problem = customer.post(POOLS, &unfit).await.refused(status, code);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let twice = json!({ "numbers": [NUMBER, NUMBER] });
    let path = format!("{POOLS}/{pool}");
    let answer = customer.ask(Method::PATCH, &path, Some(&twice)).await;
    answer.refused(422, "pool_numbers_invalid");

    // What is another account's is not there.
    let operator = daemon.operator();
    let other = operator.make_account("other", "+31203000001", None).await;
    let stranger = customer.with_key(&other.key);
    stranger.get(&path).await.refused(404, "not_found");
    let foreign = json!({ "name": "x", "numbers": [NUMBER] });
    stranger
        .post(POOLS, &foreign)
        .await
        .refused(404, "number_unknown");
    let message = json!({ "from_pool": pool, "to": peer(1), "body": "hi" });
    let problem = stranger.send(&message).await.refused(404, "pool_unknown");
    assert_eq!(problem["errors"][0]["field"], "from_pool");
    let several = json!({ "from_pool": pool, "from": NUMBER, "to": peer(1), "body": "hi" });
    customer
        .send(&several)
        .await
        .refused(422, "sender_not_single");

    let renamed = json!({ "name": "alerts" });
    let answer = customer.ask(Method::PATCH, &path, Some(&renamed)).await;
    assert_eq!(answer.expect(200)["data"]["name"], "alerts");
    change(&customer, &pool, &[NUMBER_2]).await;
    let second = make(&customer, &[NUMBER]).await;
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let listed = customer.get(POOLS).await.expect(200);
    let listed = listed["data"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["name"]),
        (&json!(pool), &json!("alerts"))
    );
    assert_eq!(sent(&customer, &pool, &peer(1)).await["from"], NUMBER_2);
    let again = customer.post_once(POOLS, "k-1", &body).await.expect(201);
    assert_eq!(again["data"]["name"], "codes");

    let path = format!("{POOLS}/{second}");
    let deleted = customer.ask(Method::DELETE, &path, None).await;
    assert_eq!(deleted.status, 204);
    let deleted = customer.ask(Method::DELETE, &path, None).await;
    deleted.refused(404, "not_found");
    let third = make(&customer, &[NUMBER]).await;
    assert_ne!(second, third, "an id comes once");
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_peer_keeps_its_number_over_a_changed_pool_and_a_crash() {
    let (mut daemon, customer) = start(Options::new()).await;
    host(&daemon, NUMBER_3).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    let peers = peers(40);
    let first = seen(&customer, &pool, &peers).await;
    let used: BTreeSet<_> = first.values().collect();
    assert_eq!(used.len(), 2, "both numbers are used");
    assert_eq!(seen(&customer, &pool, &peers).await, first);

    // A number that comes takes over nobody.
    change(&customer, &pool, &[NUMBER, NUMBER_2, NUMBER_3]).await;
    assert_eq!(seen(&customer, &pool, &peers).await, first);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    assert_eq!(seen(&customer, &pool, &peers).await, first);

    // One that goes leaves its peers to others, and they stay there when it is back.
    change(&customer, &pool, &[NUMBER_2, NUMBER_3]).await;
    let moved = seen(&customer, &pool, &peers).await;
    for (peer, number) in &moved {
        let before = &first[peer];
        assert!(number == before || before == NUMBER, "{peer}");
        assert_ne!(number, NUMBER);
    }
    change(&customer, &pool, &[NUMBER, NUMBER_2, NUMBER_3]).await;
    assert_eq!(seen(&customer, &pool, &peers).await, moved);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    assert_eq!(seen(&customer, &pool, &peers).await, moved);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn first_messages_at_once_come_from_one_number() {
    const SENDS: usize = 8;
    let (daemon, customer) = start(Options::new()).await;
    host(&daemon, NUMBER_3).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2, NUMBER_3]).await;
    let sends: Vec<_> = (0..30 * SENDS)
        .map(|n| {
            let (customer, pool) = (customer.clone(), pool.clone());
            tokio::spawn(async move { sent(&customer, &pool, &peer((n / SENDS) as u32)).await })
        })
        .collect();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for send in sends {
        let message = send.await.unwrap();
        let numbers = seen.entry(text(&message, "to")).or_default();
        numbers.insert(text(&message, "from"));
    }
    assert_eq!(seen.len(), 30);
    assert!(seen.values().all(|numbers| numbers.len() == 1), "{seen:?}");

    // Rows of one batch, two to each peer: to some that know a number and to some that do not.
    let row = |n: u32| json!({ "to": peer(n / 2), "body": format!("row {n}") });
    let rows: Vec<_> = (0..120).map(row).collect();
    let document = json!({ "from_pool": pool, "messages": rows });
    let made = customer.post(BATCHES, &document).await.expect(202);
    assert_eq!(made["data"]["accepted"], 120, "{made}");
    let conversations = customer.conversations().await;
    let known: BTreeSet<_> = conversations.iter().map(|one| text(one, "peer")).collect();
    assert_eq!((conversations.len(), known.len()), (60, 60));
    let unknown = json!({ "from_pool": "pool_zzz", "messages": [row(1)] });
    let made = customer.post(BATCHES, &unknown).await.expect(202);
    assert_eq!(made["data"]["refused"], 1, "{made}");
}

#[tokio::test]
async fn a_peer_that_wrote_to_a_number_sees_that_one() {
    let (_daemon, customer) = start(Options::new()).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    for (n, number) in [NUMBER, NUMBER_2].into_iter().cycle().take(40).enumerate() {
        let peer = peer(n as u32);
        let wrote = json!({ "from": peer, "to": number, "body": "hello" });
        customer.inbound(&wrote).await.expect(200);
        assert_eq!(sent(&customer, &pool, &peer).await["from"], number);
    }
    // So does one that was written to from a number by itself; of two numbers it is the last.
    let known = peer(100);
    for number in [NUMBER, NUMBER_2, NUMBER] {
        let direct = json!({ "from": number, "to": known, "body": "hi" });
        let id = text(&customer.send(&direct).await.expect(201)["data"], "id");
        customer.message_with(&id, "delivered").await;
        if number == NUMBER_2 {
            continue;
        }
        assert_eq!(sent(&customer, &pool, &known).await["from"], number);
    }
}

#[tokio::test]
async fn a_peer_that_stops_the_number_it_wrote_to_last_is_refused_at_once() {
    let (_daemon, customer) = start(Options::new()).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    let peer = peer(1);
    for number in [NUMBER, NUMBER_2] {
        let direct = json!({ "from": number, "to": peer, "body": "hi" });
        customer.send(&direct).await.expect(201);
    }
    // A list has the records catch up: from here on they know both conversations.
    assert_eq!(customer.conversations().await.len(), 2);
    assert_eq!(sent(&customer, &pool, &peer).await["from"], NUMBER_2);
    let stop = json!({ "from": peer, "to": NUMBER, "body": "STOP" });
    customer.inbound(&stop).await.expect(200);
    let message = json!({ "from_pool": pool, "to": peer, "body": "hi" });
    customer.send(&message).await.refused(409, "opted_out");
    // What was refused changes nothing, nor does what the records do not have yet.
    let wrote = json!({ "from": peer, "to": NUMBER_2, "body": "hello" });
    customer.inbound(&wrote).await.expect(200);
    assert_eq!(sent(&customer, &pool, &peer).await["from"], NUMBER_2);
}

#[tokio::test]
async fn the_nearest_number_goes_first() {
    const MANHATTAN: &str = "+12125550100";
    const SAN_FRANCISCO: &str = "+14155550100";
    const TORONTO: &str = "+14165550100";
    let (daemon, customer) = start(Options::new()).await;
    let american = [MANHATTAN, SAN_FRANCISCO, TORONTO];
    for number in american {
        host(&daemon, number).await;
    }
    let pool = make(&customer, &[&american[..], &[NUMBER]].concat()).await;
    for n in 120..130 {
        for (to, numbers) in [
            (format!("+12125550{n}"), &[MANHATTAN][..]),
            (format!("+14155550{n}"), &[SAN_FRANCISCO][..]),
            (format!("+14165550{n}"), &[TORONTO][..]),
            (format!("+13055550{n}"), &[MANHATTAN, SAN_FRANCISCO][..]),
            (format!("+15145550{n}"), &[TORONTO][..]),
            (format!("+316123450{n}"), &[NUMBER][..]),
        ] {
            let from = text(&sent(&customer, &pool, &to).await, "from");
            assert!(numbers.contains(&&*from), "{to} sees {from}");
        }
    }
    // Who is near to none gets any.
    sent(&customer, &pool, "+32470123456").await;
    // A number that cannot send is none: the Dutch get another.
    let operator = daemon.operator();
    let own = member(&customer, &pool, NUMBER).await;
    let off = json!({ "sms": false, "whatsapp": false });
    let path = format!("/ops/numbers/{}", text(&own, "id"));
    operator
        .ask(Method::PATCH, &path, Some(&off))
        .await
        .expect(200);
    assert_ne!(sent(&customer, &pool, "+31612345777").await["from"], NUMBER);
    let whatsapp = json!({ "from_pool": pool, "to": peer(1), "body": "hi", "channel": "whatsapp" });
    let problem = customer.send(&whatsapp).await;
    let problem = problem.refused(409, "pool_without_sender");
    assert_eq!(problem["errors"][0]["field"], "from_pool");
}

#[tokio::test]
async fn a_number_that_fails_is_skipped_for_new_peers() {
    let options = Options::new()
        .set("pools.messages_min", 4)
        .set("pools.probe_interval_s", 86_400);
    let (daemon, customer) = start(options).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    let old = peers(20);
    let before = seen(&customer, &pool, &old).await;
    eventually("all are counted", BOUND, async || {
        let counted = async |number| member(&customer, &pool, number).await["counted"].as_u64();
        let both = (counted(NUMBER).await, counted(NUMBER_2).await);
        (both.0.unwrap_or(0) + both.1.unwrap_or(0) == 20).then_some(())
    })
    .await;
    ruin(&customer, &pool, NUMBER, 0..25).await;
    let failed = member(&customer, &pool, NUMBER).await;
    assert!(failed["delivered_share"].as_u64() < Some(50), "{failed}");
    let gauge = "didfarm_pool_numbers_unhealthy";
    daemon.operator().metric_is(gauge, 1.0).await;
    assert_eq!(
        seen(&customer, &pool, &old).await,
        before,
        "who knows it keeps it"
    );
    let new: Vec<_> = (100..130).map(peer).collect();
    let others = seen(&customer, &pool, &new).await;
    assert!(others.values().all(|number| number == NUMBER_2));

    // Where all fail, all are used.
    ruin(&customer, &pool, NUMBER_2, 100..200).await;
    let newest: Vec<_> = (200..240).map(peer).collect();
    let used = seen(&customer, &pool, &newest).await;
    assert_eq!(used.into_values().collect::<BTreeSet<_>>().len(), 2);
}

#[tokio::test]
async fn a_probe_that_is_delivered_brings_a_number_back() {
    let options = Options::new()
        .set("pools.messages_min", 4)
        .set("pools.probe_interval_s", 1);
    let (daemon, customer) = start(options).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    ruin(&customer, &pool, NUMBER, 0..4).await;
    let operator = daemon.operator();
    // The other number delivers enough to stay healthy.
    let direct = async |n| {
        let message = json!({ "from": NUMBER_2, "to": peer(n), "body": "hi" });
        let sent = customer.send(&message).await.expect(201);
        let id = text(&sent["data"], "id");
        customer.message_with(&id, "delivered").await;
    };
    for n in 0..4 {
        direct(n).await;
    }
    // A probe that fails does not.
    let mut n = 1_000;
    let probe = eventually("a message is a probe", BOUND, async || {
        n += 1;
        for more in 0..2 {
            direct(2 * n + more).await;
        }
        let message = sent(&customer, &pool, &failing(n)).await;
        (message["from"] == NUMBER).then(|| text(&message, "id"))
    })
    .await;
    customer.message_with(&probe, "failed").await;
    assert_eq!(member(&customer, &pool, NUMBER).await["healthy"], false);
    assert_eq!(member(&customer, &pool, NUMBER_2).await["healthy"], true);
    let mut n = 100_000;
    eventually("a probe is delivered", BOUND, async || {
        n += 1;
        sent(&customer, &pool, &peer(n)).await;
        let member = member(&customer, &pool, NUMBER).await;
        (member["healthy"] == true).then_some(())
    })
    .await;
    operator
        .metric_is("didfarm_pool_numbers_unhealthy", 0.0)
        .await;
    let new: Vec<_> = (200_000..200_040).map(peer).collect();
    let used = seen(&customer, &pool, &new).await;
    assert!(used.values().any(|number| number == NUMBER));
}

/// A pool of which one number has fallen ill, with the next probe so many seconds later.
async fn with_an_ill_number(probe_interval_s: u32) -> (Daemon, Customer, String) {
    let options = Options::new()
        .set("pools.messages_min", 4)
        .set("pools.window_s", 10)
        .set("pools.probe_interval_s", probe_interval_s);
    let (daemon, customer) = start(options).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    ruin(&customer, &pool, NUMBER, 0..4).await;
    (daemon, customer, pool)
}

#[tokio::test]
async fn a_number_of_a_carrier_that_confirms_nothing_comes_back() {
    let (daemon, customer, pool) = with_an_ill_number(1).await;
    // What fails of the destination is no fault of the other number.
    for n in 0..8 {
        let message = json!({ "from": NUMBER_2, "to": format!("+316{n:04}0001"), "body": "hi" });
        let id = text(&customer.send(&message).await.expect(201)["data"], "id");
        customer.message_with(&id, "failed").await;
    }
    assert_eq!(member(&customer, &pool, NUMBER_2).await["healthy"], true);
    let mut n = 3_000;
    eventually("a probe did not fail for a window", BOUND, async || {
        n += 1;
        sent(&customer, &pool, &format!("+316{n:04}0003")).await;
        let member = member(&customer, &pool, NUMBER).await;
        (member["healthy"] == true).then_some(())
    })
    .await;
    let gauge = "didfarm_pool_numbers_unhealthy";
    daemon.operator().metric_is(gauge, 0.0).await;
}

#[tokio::test]
async fn a_message_that_is_refused_spends_no_probe() {
    let (daemon, customer, pool) = with_an_ill_number(5).await;
    let operator = daemon.operator();
    let cap = format!("/ops/accounts/{DEMO_ACCOUNT}/spend-cap");
    let none = json!({ "daily": "0" });
    let capped = operator.ask(Method::PUT, &cap, Some(&none)).await;
    capped.expect(200);
    let mut n = 1_000;
    eventually("a probe is refused", BOUND, async || {
        n += 1;
        let message = json!({ "from_pool": pool, "to": peer(n), "body": "hi" });
        let answer = customer.send(&message).await;
        answer.refused(402, "spend_cap_reached");
        let probes = operator.metric(r#"didfarm_pool_choices_total{by="probe"}"#);
        (probes.await > 0.0).then_some(())
    })
    .await;
    let any = json!({ "daily": null });
    let open = operator.ask(Method::PUT, &cap, Some(&any)).await;
    open.expect(200);
    assert_eq!(sent(&customer, &pool, &peer(1)).await["from"], NUMBER);
}

#[tokio::test]
async fn a_messaging_service_is_a_pool() {
    let (_daemon, customer) = start(Options::new()).await;
    let pool = make(&customer, &[NUMBER, NUMBER_2]).await;
    let shown = customer.get(&format!("{POOLS}/{pool}")).await.expect(200);
    let service = text(&shown["data"], "messaging_service_sid");
    let twilio = TwilioCustomer::of(&customer, DEMO_KEY).await;
    for to in peers(10) {
        let form = [
            ("To", &*to),
            ("MessagingServiceSid", &*service),
            ("Body", "hi"),
        ];
        let made = twilio.send(&form).await.expect(201);
        assert_eq!(made["from"], sent(&customer, &pool, &to).await["from"]);
    }
    let other = format!("MG{}", "0".repeat(31) + "1");
    let (to, body) = (peer(1), ("Body", "hi"));
    let form = [("To", &*to), ("MessagingServiceSid", &*other), body];
    twilio.send(&form).await.twilio_error(400, 21_701);
}
