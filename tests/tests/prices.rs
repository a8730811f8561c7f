//! Prices: a quote is what is charged, the ledger sums to the balance, and no cent goes twice.

use std::collections::BTreeSet;

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::operator::{DEMO_ACCOUNT, Made, Operator};
use didfarm_tests::options::Options;
use didfarm_tests::peers::{fated, peer};
use didfarm_tests::program::Program;
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const QUOTE: &str = "/api/v1/sms/quote";
const LEDGER: &str = "/api/v1/wallet/ledger";
/// The product's own example, whose dash costs two segments more.
const ORDER: &str = "Hi! Thanks for reaching out. I can see your order #4521 — it shipped yesterday and should arrive by Friday. I will send you the tracking link shortly.";

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

async fn start_with(options: Options) -> (Daemon, Customer) {
    let daemon = Daemon::start(&program(), options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

/// An amount in millionths of a euro.
fn micros(value: &Value) -> i64 {
    let euros = value
        .as_f64()
        .unwrap_or_else(|| panic!("no amount: {value}"));
    (euros * 1e6).round() as i64
}

/// The ledger, oldest first, after checking that every entry tells the sum so far.
async fn ledger(customer: &Customer) -> Vec<Value> {
    let mut rows = customer.all(&format!("{LEDGER}?limit=100")).await;
    rows.reverse();
    let mut sum = 0;
    for row in &rows {
        sum += micros(&row["amount"]);
        assert_eq!(micros(&row["balance"]), sum, "{row}");
        assert!(sum >= 0, "{row}");
    }
    rows
}

fn kinds(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(row, "kind")).collect()
}

async fn quote(customer: &Customer, asked: &Value) -> Value {
    customer.post(QUOTE, asked).await.expect(200)["data"].clone()
}

#[tokio::test]
async fn a_quote_is_what_is_charged_with_smart_encoding_and_without() {
    let (daemon, customer) = start_with(Options::new()).await;
    for (smart, segments, cost) in [(false, 3, 0.024), (true, 1, 0.008)] {
        let asked = json!({ "from": NUMBER, "to": PEER, "body": ORDER, "smart_encoding": smart });
        let quoted = quote(&customer, &asked).await;
        assert_eq!(quoted["cost"], json!(cost));
        assert_eq!(quoted["segments"], 3);
        assert_eq!(quoted["encoding"], "UCS-2");
        let counted: u64 = quoted["segment_characters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(counted as usize, ORDER.chars().count());
        let forcing = &quoted["ucs2_characters"];
        assert_eq!(forcing.as_array().unwrap().len(), 1);
        assert_eq!(forcing[0]["code_point"], "U+2014");
        assert_eq!(
            forcing[0]["position"],
            json!(ORDER.chars().position(|c| c == '—'))
        );
        assert_eq!(forcing[0]["replacement"], "-");
        assert_eq!(quoted["smart_encoding"]["encoding"], "GSM-7");
        assert_eq!(quoted["smart_encoding"]["price"], json!(0.008));

        let before = daemon.operator().demo_balance_micros().await;
        let sent = customer.send(&asked).await.expect(201)["data"].clone();
        assert_eq!(sent["cost"], quoted["cost"]);
        assert_eq!(sent["segments"], segments);
        let after = daemon.operator().demo_balance_micros().await;
        assert_eq!(before - after, micros(&quoted["cost"]));
        let stored = customer.message_with(&text(&sent, "id"), "delivered").await;
        if smart {
            assert_eq!(sent["smart_encoding_applied"], true);
            assert_eq!(stored["body"], quoted["smart_encoding"]["body"]);
            assert_eq!(stored["encoding"], "GSM-7");
        } else {
            assert_eq!(sent.get("smart_encoding_applied"), None);
            assert_eq!(stored["body"], ORDER);
        }
    }
    // A quote moves nothing, needs no money, and asks for less than a send.
    let poor = daemon
        .operator()
        .make_account("poor", "+31203000001", None)
        .await;
    let poor = customer.with_key(&poor.key);
    let plain = quote(&poor, &json!({ "to": PEER, "body": "hi" })).await;
    assert_eq!(
        (&plain["cost"], &plain["smart_encoding"]["changes"]),
        (&json!(0.008), &json!(false))
    );
    assert_eq!(ledger(&poor).await.len(), 0);
    let foreign = json!({ "from": NUMBER, "to": PEER, "body": "hi" });
    poor.post(QUOTE, &foreign)
        .await
        .refused(404, "number_unknown");
    let whatsapp =
        json!({ "to": PEER, "body": "hi", "channel": "whatsapp", "smart_encoding": true });
    let refused = customer
        .post(QUOTE, &whatsapp)
        .await
        .refused(400, "validation_failed");
    assert_eq!(refused["errors"][0]["field"], "smart_encoding");
}

#[tokio::test]
async fn prices_follow_the_list_by_country_and_type() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("prices.toml");
    let rows = "[[rows]]\ncountry = \"NL\"\nsegment_micros = 10000\n[[rows]]\ncountry = \"NL\"\ntype = \"mobile\"\nsegment_micros = 11000\n[[rows]]\ncountry = \"US\"\nsegment_micros = 12000\n";
    std::fs::write(&list, rows).unwrap();
    let options = Options::new().set("price.list_file", list.display());
    let (daemon, customer) = start_with(options).await;
    for (to, cost) in [
        ("+31201234999", 10_000),
        (PEER, 11_000),
        ("+12125550123", 12_000),
        ("+14165550123", 8_000),
        ("+4915112345678", 8_000),
    ] {
        let quoted = quote(&customer, &json!({ "to": to, "body": "a".repeat(200) })).await;
        assert_eq!(micros(&quoted["cost"]), 2 * cost, "{to}");
        let sent = customer.sent(to, &"a".repeat(200)).await;
        assert_eq!(sent["cost"], quoted["cost"], "{to}");
    }
    ledger(&customer).await;
    drop(daemon);
    for (rows, fault) in [
        (
            "[[rows]]\ncountry = \"ZZ\"\nsegment_micros = 1\n",
            "row 1: \"ZZ\" is no country",
        ),
        (
            "[[rows]]\ncountry = \"NL\"\nsegment_micros = -1\n",
            "row 1: segment_micros must be",
        ),
        (
            "[[rows]]\ncountry = \"NL\"\nsegment_micros = 1\n[[rows]]\ncountry = \"NL\"\nsegment_micros = 2\n",
            "row 2: there is a row of this country and type already",
        ),
    ] {
        std::fs::write(&list, rows).unwrap();
        let options = Options::new().set("price.list_file", list.display());
        let failed = Daemon::fail(&program(), options).await;
        let said = format!("{failed:?}");
        assert!(
            said.contains("price.list_file") && said.contains(&fault.replace('"', "\\\"")),
            "{said}"
        );
    }
}

/// Sends so many messages at once; says how many were accepted, and with what the others were refused.
async fn send_at_once(customer: &Customer, from: &str, count: u32) -> (usize, BTreeSet<String>) {
    let sends = (0..count).map(|n| {
        let (customer, from) = (customer.clone(), from.to_owned());
        tokio::spawn(async move {
            let message = json!({ "from": from, "to": peer(n), "body": "hi" });
            customer.send(&message).await
        })
    });
    let sends: Vec<_> = sends.collect();
    let (mut accepted, mut refused) = (0, BTreeSet::new());
    for send in sends {
        let answer = send.await.unwrap();
        match answer.status {
            201 => accepted += 1,
            _ => drop(refused.insert(text(&answer.json(), "code"))),
        }
    }
    (accepted, refused)
}

async fn account(operator: &Operator, number: &str, euros: &str) -> Made {
    operator.make_account("somebody", number, Some(euros)).await
}

#[tokio::test]
async fn the_ledger_sums_to_the_balance_under_parallel_sends_and_n_affordable_sends_are_n() {
    let (mut daemon, customer) = start_with(Options::new()).await;
    let number = "+31203000002";
    // 100 messages and a bit.
    let made = account(&daemon.operator(), number, "0.807").await;
    let somebody = customer.with_key(&made.key);
    let (accepted, refused) = send_at_once(&somebody, number, 200).await;
    assert_eq!(accepted, 100);
    assert_eq!(refused, BTreeSet::from(["insufficient_balance".to_owned()]));
    let rows = ledger(&somebody).await;
    assert_eq!(rows.len(), 101);
    assert_eq!(daemon.operator().balance_micros(&made.account).await, 7_000);
    assert_eq!(micros(&rows[100]["balance"]), 7_000);

    daemon.kill9();
    daemon.restart().await;
    let somebody = daemon.customer().with_key(&made.key);
    assert_eq!(ledger(&somebody).await, rows);
    assert_eq!(daemon.operator().balance_micros(&made.account).await, 7_000);
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn the_ledger_is_filtered_paged_and_exported() {
    let (daemon, customer) = start_with(Options::new()).await;
    let rules = json!({ "auto_reply": { "immediate": "We are on it." } });
    customer.set_number(NUMBER, &rules).await;
    for n in 0..3 {
        customer.sent_id(&peer(n), "hi").await;
    }
    let refused = customer.sent_id(&fated(1), "hi").await;
    customer.message_with(&refused, "failed").await;
    let inbound = json!({ "from": PEER, "to": NUMBER, "body": "hello?" });
    customer.inbound(&inbound).await.expect(200);
    let rows = ledger(&customer).await;
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(micros(&rows.last().unwrap()["balance"]), balance);
    let mut sorted = kinds(&rows);
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "auto_reply",
            "message",
            "message",
            "message",
            "message",
            "refund",
            "top_up"
        ]
    );
    let refund = rows.iter().find(|row| row["kind"] == "refund").unwrap();
    assert_eq!(refund["message_id"], json!(refused));

    let pages = customer.all(&format!("{LEDGER}?limit=2")).await;
    assert_eq!(pages.len(), rows.len());
    assert!(pages.iter().rev().eq(rows.iter()));
    let messages = customer
        .all(&format!("{LEDGER}?kind=message&limit=1"))
        .await;
    assert_eq!(messages.len(), 4);
    let since = text(&rows[3], "at");
    let late = customer.all(&format!("{LEDGER}?since={since}")).await;
    let early = customer.all(&format!("{LEDGER}?until={since}")).await;
    assert_eq!(late.len() + early.len(), rows.len());
    assert!(late.iter().all(|row| text(row, "at") >= since));
    for query in ["kind=gift", "since=noon", "format=csv", "cursor=x"] {
        assert_eq!(
            customer.get(&format!("{LEDGER}?{query}")).await.status,
            400,
            "{query}"
        );
    }

    let ndjson = customer
        .get(&format!("{LEDGER}/export?format=ndjson"))
        .await;
    assert_eq!(ndjson.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = ndjson
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, rows);
    let csv = customer.get(&format!("{LEDGER}/export?kind=refund")).await;
    assert_eq!(csv.status, 200);
    let csv = csv.text();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("id,at,kind,amount,balance,currency"));
    assert!(lines[1].contains(",refund,0.008,") && lines[1].contains(&refused));
    customer
        .get(&format!("{LEDGER}/export?format=xls"))
        .await
        .refused(400, "validation_failed");
    customer
        .with_key("nobody")
        .get(LEDGER)
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn sms_that_is_enabled_is_paid_for_a_month_once() {
    let (mut daemon, customer) = start_with(Options::new()).await;
    let operator = daemon.operator();
    let made = operator
        .post("/ops/accounts", &json!({ "name": "later" }))
        .await
        .expect(201);
    let owner = text(&made, "id");
    let hosted =
        json!({ "account": owner, "e164": "+31203000003", "sms": false, "whatsapp": true });
    let hosted = operator.post("/ops/numbers", &hosted).await.expect(201);
    assert_eq!(hosted["sms_paid_until"], Value::Null);
    let path = format!("/ops/numbers/{}", text(&hosted, "id"));
    let key = operator
        .post(&format!("/ops/accounts/{owner}/keys"), &json!({}))
        .await
        .expect(201);
    let key = text(&key, "api_key");
    let toggle = |sms: bool| json!({ "sms": sms, "whatsapp": true });

    let poor = operator
        .ask(Method::PATCH, &path, Some(&toggle(true)))
        .await;
    let poor = poor.refused(402, "insufficient_balance");
    assert_eq!(
        (&poor["needed"], &poor["available"]),
        (&json!(0.75), &json!(0))
    );
    let top_up = json!({ "amount": "1.00" });
    operator
        .post(&format!("/ops/accounts/{owner}/top-up"), &top_up)
        .await
        .expect(200);
    let on = operator
        .ask(Method::PATCH, &path, Some(&toggle(true)))
        .await
        .expect(200);
    assert_eq!(on["sms"], true);
    let paid_until = text(&on, "sms_paid_until");
    // Off and on within the month, and over a crash: nothing more.
    operator
        .ask(Method::PATCH, &path, Some(&toggle(false)))
        .await
        .expect(200);
    daemon.kill9();
    daemon.restart().await;
    let operator = daemon.operator();
    let on = operator
        .ask(Method::PATCH, &path, Some(&toggle(true)))
        .await
        .expect(200);
    assert_eq!(text(&on, "sms_paid_until"), paid_until);
    assert_eq!(operator.balance_micros(&owner).await, 250_000);
    let rows = ledger(&daemon.customer().with_key(&key)).await;
    assert_eq!(kinds(&rows), ["top_up", "sms_monthly"]);
    assert_eq!(rows[1]["number_id"], hosted["id"]);
    assert_eq!(
        (&rows[1]["sms_month"], micros(&rows[1]["amount"])),
        (&json!(0), -750_000)
    );
    drop(customer);
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn a_daily_cap_stops_parallel_sends_at_the_last_that_fits_and_over_a_crash() {
    let (mut daemon, customer) = start_with(Options::new()).await;
    let operator = daemon.operator();
    let path = format!("/ops/accounts/{DEMO_ACCOUNT}/spend-cap");
    for body in [
        json!({}),
        json!({ "daily": "-1" }),
        json!({ "daily": "much" }),
        json!({ "weekly": "1" }),
    ] {
        let status = operator.ask(Method::PUT, &path, Some(&body)).await.status;
        assert!((400..=422).contains(&status), "{body}");
    }
    let cap = json!({ "daily": "0.4" });
    let set = operator
        .ask(Method::PUT, &path, Some(&cap))
        .await
        .expect(200);
    assert_eq!(set["spend_cap"], json!(0.4));
    let (accepted, refused) = send_at_once(&customer, NUMBER, 120).await;
    assert_eq!(accepted, 50);
    assert_eq!(refused, BTreeSet::from(["spend_cap_reached".to_owned()]));
    daemon.kill9();
    daemon.restart().await;
    let (operator, customer) = (daemon.operator(), daemon.customer());
    let reached = customer
        .send_sms(PEER, "hi")
        .await
        .refused(402, "spend_cap_reached");
    assert_eq!(
        (&reached["cap"], &reached["spent"]),
        (&json!(0.4), &json!(0.4))
    );
    assert!(text(&reached, "ends_at").ends_with("T00:00:00Z"));
    let account = customer.get("/api/v1/account").await.expect(200);
    assert_eq!(account["data"]["spent_today"], json!(0.4));
    let none = json!({ "daily": null });
    operator
        .ask(Method::PUT, &path, Some(&none))
        .await
        .expect(200);
    customer.sent(PEER, "hi").await;
    ledger(&customer).await;
}
