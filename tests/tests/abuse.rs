//! Fraud: countries and dear ranges are refused before anything happens, and a flood of one range ends at
//! its limit, over a crash, until somebody releases it.

use std::collections::BTreeMap;

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::mail::maildir;
use didfarm_tests::operator::DEMO_ACCOUNT;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{BOUND, Endpoint, delivered, options, payload, sink};
use hyper::Method;
use serde_json::{Value, json};

/// What a segment costs, in millionths of a euro.
const SEGMENT: i64 = 8_000;
const ACCOUNT: &str = "/api/v1/account";
const STOPS: &str = "/api/v1/account/stops";
const DUTCH: &str = "+31612345678";
const BELGIAN: &str = "+32470123456";
const OWNER: &str = "owner@example.org";

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

async fn start_with(options: Options) -> (Daemon, Customer) {
    let daemon = Daemon::start(&program(), options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

fn ops(tail: &str) -> String {
    format!("/ops/accounts/{DEMO_ACCOUNT}/{tail}")
}

async fn set(customer: &Customer, destinations: Value) -> Value {
    let change = json!({ "destinations": destinations });
    let answer = customer.ask(Method::PATCH, ACCOUNT, Some(&change)).await;
    answer.expect(200)["data"].clone()
}

/// The `n`th peer of a prefix of seven digits.
fn peer(prefix: &str, n: u32) -> String {
    format!("{prefix}{:04}", 1_000 + n)
}

/// Sends so many messages at once to peers of a prefix: how many were accepted, and refused by code.
async fn flood(customer: &Customer, prefix: &str, count: u32) -> (u32, BTreeMap<String, u32>) {
    let sends: Vec<_> = (0..count)
        .map(|n| {
            let (customer, to) = (customer.clone(), peer(prefix, n));
            tokio::spawn(async move { customer.send_sms(&to, "your code is 1234").await })
        })
        .collect();
    let (mut accepted, mut refused) = (0, BTreeMap::new());
    for send in sends {
        let answer = send.await.unwrap();
        match answer.status {
            201 => accepted += 1,
            _ => *refused.entry(text(&answer.json(), "code")).or_default() += 1,
        }
    }
    (accepted, refused)
}

async fn stops(customer: &Customer) -> Vec<Value> {
    let answer = customer.get(STOPS).await.expect(200);
    answer["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn other_countries_are_refused_before_anything_is_charged_or_taken() {
    let options = Options::new().set("abuse.destinations", r#"["NL", "BE", "US"]"#);
    let (mut daemon, customer) = start_with(options).await;
    let before = daemon.operator().demo_balance_micros().await;
    let refused = customer
        .send_sms("+4915112345678", "hi")
        .await
        .refused(403, "destination_not_allowed");
    assert_eq!(
        (&refused["country"], &refused["errors"][0]["field"]),
        (&json!("DE"), &json!("to"))
    );
    // Toronto shares its country code with New York.
    let refused = customer
        .send_sms("+14165550123", "hi")
        .await
        .refused(403, "destination_not_allowed");
    assert_eq!(refused["country"], "CA");
    for to in [DUTCH, BELGIAN, "+12125550123"] {
        customer.sent(to, "hi").await;
    }

    // The account narrows what is open to it, and cannot widen it.
    let narrowed = set(&customer, json!(["NL"])).await;
    assert_eq!(
        (&narrowed["destinations"], &narrowed["destinations_open"]),
        (&json!(["NL"]), &json!(["BE", "NL", "US"]))
    );
    customer
        .send_sms(BELGIAN, "hi")
        .await
        .refused(403, "destination_not_allowed");
    for unfit in [json!(["DE"]), json!(["nl"]), json!([]), json!("NL")] {
        let change = json!({ "destinations": unfit });
        let answer = customer.ask(Method::PATCH, ACCOUNT, Some(&change)).await;
        let problem = answer.refused(400, "validation_failed");
        let field = text(&problem["errors"][0], "field");
        assert!(field.starts_with("destinations"), "{problem}");
    }

    // Operators open another country to it, which holds over a crash.
    let operator = daemon.operator();
    let open = json!({ "countries": ["NL", "DE"] });
    let done = operator
        .ask(Method::PUT, &ops("destinations"), Some(&open))
        .await
        .expect(200);
    assert_eq!(done["destinations_open"], json!(["DE", "NL"]));
    set(&customer, Value::Null).await;
    daemon.kill9();
    daemon.restart().await;
    let (operator, customer) = (daemon.operator(), daemon.customer());
    customer.sent("+4915112345678", "hi").await;
    customer
        .send_sms(BELGIAN, "hi")
        .await
        .refused(403, "destination_not_allowed");
    let settings = json!({ "countries": null });
    operator
        .ask(Method::PUT, &ops("destinations"), Some(&settings))
        .await
        .expect(200);
    customer.sent(BELGIAN, "hi").await;
    let sent = 5;
    assert_eq!(
        before - operator.demo_balance_micros().await,
        sent * SEGMENT
    );
    let series = r#"didfarm_messages_refused_total{reason="destination_not_allowed"}"#;
    operator.metric_is(series, 1.0).await;
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn dear_ranges_are_blocked_until_an_operator_opens_their_kind() {
    let (daemon, customer) = start_with(Options::new()).await;
    let operator = daemon.operator();
    let before = operator.demo_balance_micros().await;
    let dear = [
        ("+319061234567", "premium"),
        ("+19005550123", "premium"),
        ("+881631234567", "satellite"),
        ("+447012345678", "personal"),
        ("+448451234567", "shared_cost"),
        ("+883510012345", "international_networks"),
    ];
    for (to, kind) in dear {
        let refused = customer
            .send_sms(to, "hi")
            .await
            .refused(403, "range_blocked");
        assert_eq!(refused["kind"], kind, "{to}");
    }
    // The account cannot open one by itself.
    let change = json!({ "ranges_open": ["premium"] });
    customer
        .ask(Method::PATCH, ACCOUNT, Some(&change))
        .await
        .refused(400, "unknown_field");
    let open = json!({ "kinds": ["satellite", "premium"] });
    let done = operator
        .ask(Method::PUT, &ops("ranges"), Some(&open))
        .await
        .expect(200);
    assert_eq!(done["ranges_open"], json!(["premium", "satellite"]));
    for (to, kind) in dear {
        let answer = customer.send_sms(to, "hi").await;
        match kind {
            "premium" | "satellite" => drop(answer.expect(201)),
            _ => drop(answer.refused(403, "range_blocked")),
        }
    }
    let unfit = json!({ "kinds": ["dear"] });
    operator
        .ask(Method::PUT, &ops("ranges"), Some(&unfit))
        .await
        .refused(400, "validation_failed");
    let none = daemon.run(&["account", "ranges", "--account", "1"]);
    assert_eq!(none.code, Some(0), "{}", none.stderr);
    customer
        .send_sms("+881631234567", "hi")
        .await
        .refused(403, "range_blocked");
    assert_eq!(before - operator.demo_balance_micros().await, 3 * SEGMENT);
}

#[tokio::test]
async fn a_list_of_ranges_of_ones_own_takes_the_place_of_the_built_in_one() {
    let home = tempfile::tempdir().unwrap();
    let list = home.path().join("ranges.toml");
    let rows = "[[ranges]]\nkind = \"satellite\"\nprefixes = [\"+3161234\"]\n\
                [[ranges]]\nkind = \"ordinary\"\nprefixes = [\"+31906\"]\n";
    std::fs::write(&list, rows).unwrap();
    let options = Options::new().set("abuse.ranges_file", list.display());
    let (_daemon, customer) = start_with(options.clone()).await;
    let refused = customer
        .send_sms(DUTCH, "hi")
        .await
        .refused(403, "range_blocked");
    assert_eq!(refused["kind"], "satellite");
    customer.sent("+319061234567", "hi").await;
    std::fs::write(&list, "[[ranges]]\nkind = \"dear\"\nprefixes = []\n").unwrap();
    let failed = Daemon::fail(&program(), options).await;
    assert!(
        failed.stderr.contains("abuse.ranges_file"),
        "{}",
        failed.stderr
    );
}

#[tokio::test]
async fn a_flood_of_one_range_ends_at_its_limit_with_one_event_and_stays_stopped_over_a_crash() {
    const LIMIT: u32 = 40;
    let options = options().set("abuse.prefix_window_max", LIMIT);
    let (mut daemon, customer) = start_with(options).await;
    let sink = sink();
    let only = json!({ "event_types": ["account.traffic_stopped"] });
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), only).await;
    let change = json!({ "email": OWNER });
    customer
        .ask(Method::PATCH, ACCOUNT, Some(&change))
        .await
        .expect(200);
    let before = daemon.operator().demo_balance_micros().await;
    let (accepted, refused) = flood(&customer, "+3161234", 300).await;
    assert_eq!((accepted, refused.values().sum()), (LIMIT, 260));
    let codes = refused.keys().map(String::as_str);
    let known = ["prefix_busy", "prefix_stopped"];
    assert!(
        codes.clone().all(|code| known.contains(&code)),
        "{refused:?}"
    );
    let operator = daemon.operator();
    let spent = before - operator.demo_balance_micros().await;
    assert_eq!(spent, i64::from(LIMIT) * SEGMENT);

    let came = delivered(&sink, "/ok", 1).await;
    endpoint.idle().await;
    let told = payload(&came[0]);
    assert_eq!(
        (
            &told["prefix"],
            &told["cause"],
            &told["messages"],
            &told["ends_at"]
        ),
        (
            &json!("+3161234"),
            &json!("velocity"),
            &json!(LIMIT),
            &Value::Null
        )
    );
    assert_eq!(
        customer.events("?type=account.traffic_stopped").await.len(),
        1
    );
    let path = daemon.data_dir().join("mail");
    let mail = eventually("the stop is mailed", BOUND, async || maildir(&path).pop()).await;
    assert_eq!(mail.address("To"), OWNER);
    assert!(mail.text().contains("Range: +3161234"), "{}", mail.text());
    let series = r#"didfarm_traffic_stops_total{cause="velocity"}"#;
    operator.metric_is(series, 1.0).await;
    let listed = stops(&customer).await;
    assert_eq!(
        (listed.len(), &listed[0]["prefix"]),
        (1, &json!("+3161234"))
    );

    daemon.kill9();
    daemon.restart().await;
    let (operator, customer) = (daemon.operator(), daemon.customer());
    assert_eq!(stops(&customer).await, listed);
    let refused = customer
        .send_sms(&peer("+3161234", 8_000), "hi")
        .await
        .refused(403, "prefix_stopped");
    assert_eq!(
        (&refused["prefix"], &refused["since"], &refused["ends_at"]),
        (&listed[0]["prefix"], &listed[0]["since"], &Value::Null)
    );
    // The range beside it goes on.
    customer.sent(&peer("+3161235", 0), "hi").await;

    // Its owner releases it: it goes on, and is counted anew.
    let release = format!("{STOPS}/+3161234/release");
    let released = customer.post(&release, &json!({})).await.expect(200);
    assert_eq!(
        released["data"],
        json!({ "prefix": "+3161234", "released": true })
    );
    customer
        .post(&release, &json!({}))
        .await
        .refused(404, "not_found");
    assert_eq!(stops(&customer).await, Vec::<Value>::new());
    let (accepted, _) = flood(&customer, "+3161234", 100).await;
    assert_eq!(accepted, LIMIT);
    let listed = operator.get(&ops("stops")).await.expect(200);
    assert_eq!(listed["data"][0]["prefix"], "+3161234");
    let release = ops("stops/%2B3161234/release");
    operator.post(&release, &json!({})).await.expect(200);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    assert_eq!(stops(&customer).await, Vec::<Value>::new());
    customer.sent(&peer("+3161234", 1), "hi").await;
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn a_daily_cap_stops_a_prefix_and_a_country() {
    let options = Options::new()
        .set("abuse.prefix_daily_max", 10)
        .set("abuse.country_daily_max", 25)
        .set("abuse.stop_s", 86_400);
    let (daemon, customer) = start_with(options).await;
    let (accepted, _) = flood(&customer, "+3161234", 20).await;
    assert_eq!(accepted, 10);
    let listed = stops(&customer).await;
    assert_eq!(
        (
            &listed[0]["prefix"],
            &listed[0]["cause"],
            &listed[0]["messages"]
        ),
        (&json!("+3161234"), &json!("daily_cap"), &json!(10))
    );
    assert!(listed[0]["ends_at"].is_string(), "{listed:?}");
    let (second, _) = flood(&customer, "+3161235", 10).await;
    let (third, _) = flood(&customer, "+3161236", 10).await;
    assert_eq!((second, third), (10, 5));
    let refused = customer
        .send_sms(&peer("+3161237", 0), "hi")
        .await
        .refused(403, "prefix_stopped");
    assert_eq!(refused["prefix"], "NL");
    customer.sent(BELGIAN, "hi").await;
    let released = daemon.run(&[
        "account",
        "release-stop",
        "--account",
        "1",
        "--prefix",
        "NL",
    ]);
    assert_eq!(released.code, Some(0), "{}", released.stderr);
    customer.sent(&peer("+3161237", 0), "hi").await;
    let listed = daemon.run(&["account", "stops", "--account", "1"]);
    assert!(listed.stdout.contains("+3161235"), "{}", listed.stdout);
}

#[tokio::test]
async fn a_key_releases_no_more_than_the_day_allows() {
    let options = Options::new()
        .set("abuse.prefix_window_max", 4)
        .set("abuse.prefix_daily_max", 10)
        .set("abuse.country_daily_max", 12);
    let (daemon, customer) = start_with(options).await;
    let release = |range: &str| format!("{STOPS}/{range}/release");
    let body = json!({});
    for wanted in [4, 4, 2] {
        let (accepted, _) = flood(&customer, "+3161234", 8).await;
        assert_eq!(accepted, wanted);
        if wanted == 4 {
            customer.post(&release("+3161234"), &body).await.expect(200);
        }
    }
    // The day is what stopped it: the key that got this far may be a stolen one.
    assert_eq!(stops(&customer).await[0]["cause"], "daily_cap");
    let refused = customer.post(&release("+3161234"), &body).await;
    let problem = refused.refused(403, "release_not_allowed");
    assert_eq!(problem["prefix"], "+3161234");
    let (accepted, _) = flood(&customer, "+3161235", 3).await;
    assert_eq!(accepted, 2);
    let refused = customer.post(&release("NL"), &body).await;
    refused.refused(403, "release_not_allowed");
    assert_eq!(stops(&customer).await.len(), 2);
    let operator = daemon.operator();
    for range in ["NL", "%2B3161234"] {
        let path = ops(&format!("stops/{range}/release"));
        operator.post(&path, &body).await.expect(200);
    }
    let (accepted, _) = flood(&customer, "+3161234", 8).await;
    assert_eq!(accepted, 4);
}

#[tokio::test]
async fn a_limit_that_was_lowered_says_when_there_is_room_and_operators_release_it() {
    let (daemon, customer) = start_with(Options::new()).await;
    let operator = daemon.operator();
    // With a message a second there are 100 in an hour to one prefix.
    let (accepted, _) = flood(&customer, "+3161234", 101).await;
    assert_eq!(accepted, 101);
    let slow = json!({ "rate_per_second": 1, "burst": 1_000 });
    let limited = operator.ask(Method::PUT, &ops("limit"), Some(&slow)).await;
    limited.expect(200);
    let busy = customer.send_sms(&peer("+3161234", 200), "hi").await;
    let wait: u32 = busy.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=4_050).contains(&wait), "{wait}");
    busy.refused(429, "prefix_busy");
    assert_eq!(stops(&customer).await, Vec::<Value>::new());
    let own = format!("{STOPS}/+3161234/release");
    let refused = customer.post(&own, &json!({})).await;
    refused.refused(404, "not_found");
    let release = ops("stops/%2B3161234/release");
    operator.post(&release, &json!({})).await.expect(200);
    customer.sent(&peer("+3161234", 200), "hi").await;
    let again = operator.post(&release, &json!({})).await;
    again.refused(404, "not_found");
}

#[tokio::test]
async fn what_is_refused_later_is_not_counted() {
    let options = Options::new().set("abuse.prefix_window_max", 5);
    let (daemon, customer) = start_with(options).await;
    let operator = daemon.operator();
    let cap = json!({ "daily": "0" });
    operator
        .ask(Method::PUT, &ops("spend-cap"), Some(&cap))
        .await
        .expect(200);
    let (accepted, refused) = flood(&customer, "+3161234", 4).await;
    assert_eq!((accepted, refused.get("spend_cap_reached")), (0, Some(&4)));
    for n in 0..20 {
        customer
            .send_sms(&peer("+3161234", n), "hi")
            .await
            .refused(402, "spend_cap_reached");
    }
    assert_eq!(stops(&customer).await, Vec::<Value>::new());
    let none = json!({ "daily": null });
    operator
        .ask(Method::PUT, &ops("spend-cap"), Some(&none))
        .await
        .expect(200);
    let (accepted, _) = flood(&customer, "+3161234", 20).await;
    assert_eq!(accepted, 5);
    assert_eq!(stops(&customer).await.len(), 1);
}

#[tokio::test]
async fn answers_go_to_a_stopped_range_and_to_no_dear_one() {
    let options = Options::new().set("abuse.prefix_window_max", 3);
    let (_daemon, customer) = start_with(options).await;
    let rules = json!({ "auto_reply": { "immediate": "We will be back soon." } });
    customer.set_number(NUMBER, &rules).await;
    let (accepted, _) = flood(&customer, "+3161234", 10).await;
    assert_eq!(accepted, 3);
    let answered = async |peer: &str| {
        customer.wrote(peer, NUMBER, "hello?").await;
        let sent = customer
            .all("/api/v1/portal/sms?limit=100&direction=outbound")
            .await;
        let answers = sent.iter().filter(|row| row["to"] == peer);
        answers
            .filter(|row| row["body"] == "We will be back soon.")
            .count()
    };
    assert_eq!(answered(&peer("+3161234", 8_000)).await, 1);
    assert_eq!(answered("+319061234567").await, 0);
    assert_eq!(answered("+881631234567").await, 0);
    assert_eq!(stops(&customer).await.len(), 1);
}
