//! Twilio's dialect: what its customers send is carried out, shown and called back as they know it.

use std::collections::BTreeMap;
use std::time::Duration;

use didfarm_loadtest::sink::Sink;
use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::{DEMO_KEY, Options};
use didfarm_tests::peers::{fated, peer};
use didfarm_tests::program::Program;
use didfarm_tests::twilio::{TwilioCustomer, forms};
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{self, Endpoint, is_signed};
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
/// How long a condition may take, retries of some seconds included.
const BOUND: Duration = Duration::from_secs(40);

async fn start(options: Options) -> (Daemon, Customer, TwilioCustomer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, options).await;
    let customer = daemon.customer();
    let twilio = TwilioCustomer::of(&customer, DEMO_KEY).await;
    (daemon, customer, twilio)
}

fn sms(body: &str) -> [(&str, &str); 3] {
    [("To", PEER), ("From", NUMBER), ("Body", body)]
}

async fn sent(twilio: &TwilioCustomer, form: &[(&str, &str)]) -> Value {
    twilio.send(form).await.expect(201)
}

/// A time twenty hours behind that of a message which is sent for it: its own, read as of another zone.
async fn later(customer: &Customer) -> String {
    let message = customer.sent(PEER, "what time is it?").await;
    text(&message, "created_at").replace('Z', "-20:00")
}

/// The id that a sid stands for, as our own API spells it.
fn id_of(sid: &str) -> String {
    u64::from_str_radix(&sid[2..], 16).unwrap().to_string()
}

#[tokio::test]
async fn a_message_is_sent_shown_and_delivered_as_twilio_shows_it() {
    let (_daemon, customer, twilio) = start(Options::new()).await;
    let made = sent(&twilio, &sms("Grüße, 1 €")).await;
    let sid = text(&made, "sid");
    assert_eq!((sid.len(), &sid[..2]), (34, "SM"));
    let uri = twilio.path(&format!("/Messages/{sid}.json"));
    let media = twilio.path(&format!("/Messages/{sid}/Media.json"));
    let expected = json!({
        "account_sid": twilio.sid, "api_version": "2010-04-01", "body": "Grüße, 1 €",
        "direction": "outbound-api", "error_code": null, "error_message": null, "from": NUMBER,
        "messaging_service_sid": null, "num_media": "0", "num_segments": "1", "price": "-0.008",
        "price_unit": "EUR", "sid": sid, "status": "queued", "subresource_uris": { "media": media },
        "to": PEER, "uri": uri, "date_sent": null, "date_created": made["date_created"],
        "date_updated": made["date_created"],
    });
    assert_eq!(made, expected);
    assert!(text(&made, "date_created").ends_with(" +0000"), "{made}");

    let delivered = twilio.message_with(&sid, "delivered").await;
    let mut expected = expected;
    expected["status"] = json!("delivered");
    for changed in ["date_sent", "date_updated"] {
        assert!(text(&delivered, changed).ends_with(" +0000"), "{delivered}");
        expected[changed] = delivered[changed].clone();
    }
    assert_eq!(delivered, expected);
    assert_eq!(customer.message(&id_of(&sid)).await["body"], "Grüße, 1 €");

    let path = format!("/2010-04-01/Accounts/{}.json", twilio.sid);
    let account = twilio.ask(Method::GET, &path, None, None).await.expect(200);
    assert_eq!(
        (&account["sid"], &account["status"]),
        (&json!(twilio.sid), &json!("active"))
    );
}

#[tokio::test]
async fn what_failed_has_twilios_words_and_codes() {
    let (_daemon, customer, twilio) = start(Options::new()).await;
    for (ending, status, code) in [(1, "failed", 30_005), (2, "undelivered", 30_003)] {
        let to = fated(ending);
        let form = [("To", &*to), ("From", NUMBER), ("Body", "no")];
        let sid = text(&sent(&twilio, &form).await, "sid");
        let failed = twilio.message_with(&sid, status).await;
        assert_eq!(failed["error_code"], code);
        assert!(failed["error_message"].is_string(), "{failed}");
    }
    customer.wrote(PEER, NUMBER, "hello").await;
    let [sid] = twilio
        .listed(&format!("?From={}", PEER.replace('+', "%2B")))
        .await
        .try_into()
        .unwrap();
    let inbound = twilio.message(&sid).await;
    let shown = (&inbound["direction"], &inbound["status"], &inbound["price"]);
    assert_eq!(shown, (&json!("inbound"), &json!("received"), &Value::Null));
    assert!(inbound["date_sent"].is_string(), "{inbound}");
}

#[tokio::test]
async fn only_the_accounts_own_secrets_open_it_and_a_path_of_another_is_not_there() {
    let (daemon, customer, twilio) = start(Options::new()).await;
    let other = daemon
        .operator()
        .make_account("other", "+31203000001", None)
        .await;
    let other = TwilioCustomer::of(&customer.with_key(&other.key), &other.key).await;
    for (user, secret) in [
        (twilio.sid.as_str(), "wrong"),
        (&*twilio.sid, ""),
        (&*twilio.sid, &*other.secret),
        (&*other.sid, DEMO_KEY),
        ("AC1", DEMO_KEY),
        ("", DEMO_KEY),
        ("SK1", "wrong"),
    ] {
        let answer = twilio.with(user, secret).get("/Messages.json").await;
        let error = answer.twilio_error(401, 20_003);
        assert_eq!(error["message"], "Authenticate");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Basic realm=\"Twilio API\"")
        );
    }
    // An API key by itself, whatever the rest of its user's name.
    twilio
        .with("SK0123", DEMO_KEY)
        .get("/Messages.json")
        .await
        .expect(200);
    let foreign = other.path("/Messages.json");
    let answer = twilio.ask(Method::GET, &foreign, None, None).await;
    answer.twilio_error(404, 20_404);

    // The auth token opens the account, and the one before does until its overlap ends.
    let renewed = customer.post("/api/v1/account/twilio", &json!({})).await;
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let first = renewed.expect(201)["data"].clone();
    assert_eq!(
        (&first["account_sid"], &first["previous_until"]),
        (&json!(twilio.sid), &Value::Null)
    );
    let second = customer
        .post("/api/v1/account/twilio", &json!({}))
        .await
        .expect(201)["data"]
        .clone();
    assert!(second["previous_until"].is_string(), "{second}");
    assert_eq!(first["endpoint_id"], second["endpoint_id"]);
    for renewed in [&first, &second] {
        let token = text(renewed, "auth_token");
        twilio
            .with(&twilio.sid, &token)
            .get("/Messages.json")
            .await
            .expect(200);
        other
            .with(&other.sid, &token)
            .get("/Messages.json")
            .await
            .twilio_error(401, 20_003);
    }
    let path = format!(
        "/api/v1/webhooks/{}/rotate-secret",
        text(&first, "endpoint_id")
    );
    customer
        .post(&path, &json!({ "overlap_seconds": 0 }))
        .await
        .expect(200);
    let token = text(&second, "auth_token");
    twilio
        .with(&twilio.sid, &token)
        .get("/Messages.json")
        .await
        .twilio_error(401, 20_003);
}

#[tokio::test]
async fn what_is_refused_has_twilios_code() {
    let (daemon, customer, twilio) = start(Options::new()).await;
    let long = "x".repeat(1_601);
    let far = "https://a.example/".to_owned() + &"x".repeat(2_048);
    for (changes, status, code) in [
        (&[("To", "")][..], 400, 21_604),
        (&[("To", "123")], 400, 21_211),
        (&[("From", "")], 400, 21_603),
        (&[("From", "12")], 400, 21_212),
        (&[("From", "+31209999999")], 400, 21_659),
        (&[("From", "whatsapp:+31201234567")], 400, 21_910),
        (&[("Body", "")], 400, 21_602),
        (&[("Body", &*long)], 400, 21_617),
        (&[("MediaUrl", "https://a.example/a.png")], 400, 21_612),
        (&[("MediaUrl", "ftp://a.example/a.png")], 400, 21_620),
        (&[("ContentSid", "HX1")], 400, 21_655),
        (&[("StatusCallback", "http://a.example/")], 400, 21_609),
        (&[("StatusCallback", "https://127.0.0.1/")], 400, 21_609),
        (&[("StatusCallback", &*far)], 400, 21_609),
        (&[("ValidityPeriod", "0")], 400, 20_001),
        (&[("ValidityPeriod", "soon")], 400, 20_001),
        (&[("ScheduleType", "fixed")], 400, 35_114),
        (
            &[("ScheduleType", "fixed"), ("SendAt", "soon")],
            400,
            35_114,
        ),
        (
            &[
                ("ScheduleType", "fixed"),
                ("SendAt", "2020-01-01T00:00:00Z"),
            ],
            400,
            35_114,
        ),
        (&[("SendAt", "2026-01-01T00:00:00Z")], 400, 20_001),
        (
            &[
                ("To", "whatsapp:+31612345678"),
                ("From", "whatsapp:+31201234567"),
            ],
            400,
            63_016,
        ),
    ] {
        let mut form: Vec<(&str, &str)> = sms("hi").to_vec();
        for (name, value) in changes {
            form.retain(|(known, _)| known != name);
            form.push((name, value));
        }
        twilio.send(&form).await.twilio_error(status, code);
    }
    customer.wrote(PEER, NUMBER, "STOP").await;
    eventually("the peer has opted out", BOUND, async || {
        let answer = twilio.send(&sms("hi")).await;
        (answer.status == 400).then(|| answer.twilio_error(400, 21_610))
    })
    .await;
    twilio
        .get("/Messages/SM1.json")
        .await
        .twilio_error(404, 20_404);
    let none = format!("/Messages/SM{:032x}.json", 65_537u64 << 20);
    twilio.get(&none).await.twilio_error(404, 20_404);
    twilio.get("/Calls.json").await.twilio_error(404, 20_404);
    let path = twilio.path("/Messages.json");
    let deleted = twilio.ask(Method::DELETE, &path, None, None).await;
    deleted.twilio_error(405, 20_004);
    twilio
        .ask(Method::POST, &path, None, None)
        .await
        .twilio_error(415, 20_001);

    // What has no money or comes too fast.
    let made = daemon
        .operator()
        .make_account("poor", "+31203000001", None)
        .await;
    let poor = TwilioCustomer::of(&customer.with_key(&made.key), &made.key).await;
    let form = [("To", PEER), ("From", "+31203000001"), ("Body", "hi")];
    poor.send(&form).await.twilio_error(403, 20_005);
    let path = format!("/ops/accounts/{}/limit", made.account);
    let limit = json!({ "rate_per_second": 1, "burst": 1 });
    daemon
        .operator()
        .ask(Method::PUT, &path, Some(&limit))
        .await;
    let limited = eventually("the limit is used up", BOUND, async || {
        let answer = poor.send(&form).await;
        (answer.status == 429).then_some(answer)
    });
    let limited = limited.await;
    limited.twilio_error(429, 20_429);
    assert!(
        limited.header("retry-after").is_some() && limited.header("ratelimit-policy").is_some()
    );
}

#[tokio::test]
async fn what_fraud_protection_refuses_has_twilios_code() {
    let options = Options::new().set("abuse.prefix_window_max", 3);
    let (_daemon, customer, twilio) = start(options).await;
    let dutch = json!({ "destinations": ["NL"] });
    let change = customer.ask(Method::PATCH, "/api/v1/account", Some(&dutch));
    change.await.expect(200);
    let to = |to: &'static str| [("To", to), ("From", NUMBER), ("Body", "hi")];
    let far = twilio.send(&to("+32470123456")).await;
    far.twilio_error(400, 21_408);
    let dear = twilio.send(&to("+31900123456")).await;
    dear.twilio_error(400, 21_408);
    for _ in 0..3 {
        sent(&twilio, &to(PEER)).await;
    }
    let stopped = twilio.send(&to(PEER)).await;
    stopped.twilio_error(403, 30_450);
}

#[tokio::test]
async fn look_alikes_are_swapped_however_the_flag_is_written() {
    let (_daemon, _customer, twilio) = start(Options::new()).await;
    for (flag, body) in [("true", "it's"), ("True", "it's"), ("False", "it’s")] {
        let mut form = sms("it’s").to_vec();
        form.push(("SmartEncoded", flag));
        assert_eq!(sent(&twilio, &form).await["body"], body, "{flag}");
    }
}

#[tokio::test]
async fn a_request_under_one_key_is_one_message() {
    let (_daemon, customer, twilio) = start(Options::new()).await;
    let path = twilio.path("/Messages.json");
    let once = async |body: &str| {
        let form = sms(body);
        twilio
            .ask(Method::POST, &path, Some(&form), Some("one"))
            .await
    };
    let first = once("once").await;
    let again = once("once").await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.text(), again.text());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert!(first.header("ratelimit").is_some() && again.header("ratelimit-policy").is_some());
    once("twice").await.twilio_error(422, 20_001);
    assert_eq!(twilio.listed("").await.len(), 1);
    // The same key is another's in our own dialect.
    let own = json!({ "from": NUMBER, "to": PEER, "body": "once" });
    customer
        .post_once("/api/v1/sms/messages", "one", &own)
        .await
        .expect(201);
    assert_eq!(twilio.listed("").await.len(), 2);
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let (_daemon, customer, twilio) = start(Options::new()).await;
    let mut sids = Vec::new();
    for n in 0..7 {
        let (to, from) = (peer(n % 2), [NUMBER, NUMBER_2][n as usize / 4]);
        let form = [("To", &*to), ("From", from), ("Body", "hi")];
        sids.insert(0, text(&sent(&twilio, &form).await, "sid"));
    }
    assert_eq!(twilio.listed("").await, sids);
    for sid in &sids {
        twilio.message_with(sid, "delivered").await;
    }
    for (size, pages) in [(1, 7), (3, 3), (7, 1), (100_000, 1)] {
        let found = twilio.pages(&format!("?PageSize={size}")).await;
        assert_eq!(found.len(), pages, "{size}");
        for (number, page) in found.iter().enumerate() {
            assert_eq!(
                (&page["page"], &page["page_size"]),
                (&json!(number), &json!(size.min(1_000)))
            );
            let rows = page["messages"].as_array().unwrap().len();
            assert_eq!(page["start"], json!(number * size));
            assert_eq!(page["end"], json!(number * size + rows - 1));
            assert_eq!(page["previous_page_uri"], Value::Null);
            let own = page["uri"].as_str().unwrap();
            let again = twilio.ask(Method::GET, own, None, None).await.expect(200);
            assert_eq!(again["messages"], page["messages"]);
        }
        assert_eq!(twilio.listed(&format!("?PageSize={size}")).await, sids);
    }
    let escaped = |number: &str| number.replace('+', "%2B");
    let to = twilio
        .listed(&format!("?PageSize=2&To={}", escaped(&peer(1))))
        .await;
    assert_eq!(to, [1, 3, 5].map(|place: usize| sids[place].clone()));
    let from = twilio.listed(&format!("?From={}", escaped(NUMBER_2))).await;
    assert_eq!(from, sids[..3]);
    let both = format!("?From={}&To={}", escaped(NUMBER_2), escaped(&peer(1)));
    assert_eq!(twilio.listed(&both).await, sids[1..2]);
    assert!(
        twilio
            .listed(&format!("?From=whatsapp:{}", escaped(NUMBER)))
            .await
            .is_empty()
    );

    let mut times = Vec::new();
    for sid in sids.iter().rev() {
        let own = customer.message(&id_of(sid)).await;
        times.push(text(&own, "created_at"));
    }
    let at = &times[0];
    let day = &at[..10];
    let on_day = times.iter().filter(|at| at.starts_with(day)).count();
    for (query, count) in [
        (format!("?DateSent>={day}"), 7),
        (format!("?DateSent%3E={day}&PageSize=2"), 7),
        (format!("?DateSent<={day}"), on_day),
        (format!("?DateSent={day}"), on_day),
        (
            format!("?DateSent>={at}&DateSent<=2100-01-01&PageSize=3"),
            7,
        ),
        ("?DateSent<=2026-01-01".to_owned(), 0),
        ("?DateSent=2026-01-01".to_owned(), 0),
        ("?DateSent>=2100-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let query = query.replace('<', "%3C").replace('>', "%3E");
        assert_eq!(twilio.listed(&query).await.len(), count, "{query}");
    }
    for wrong in [
        "?PageSize=0",
        "?To=me",
        "?DateSent=today",
        "?PageToken=PAx",
        "?Page=-1",
        "?Page=2",
        "?Page=1&PageSize=3",
    ] {
        let answer = twilio.get(&format!("/Messages.json{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_is_scheduled_is_shown_and_cancelled() {
    let (daemon, customer, twilio) = start(Options::new()).await;
    let send_at = later(&customer).await;
    let scheduled = [
        ("ScheduleType", "fixed"),
        ("SendAt", &*send_at),
        ("MessagingServiceSid", "MG1"),
    ];
    let form = [&sms("later")[..], &scheduled].concat();
    let made = sent(&twilio, &form).await;
    assert_eq!(made["status"], "scheduled");
    let sid = text(&made, "sid");
    let tail = format!("/Messages/{sid}.json");
    let own = customer.message(&id_of(&sid)).await;
    assert_eq!(
        (&own["status"], own["send_at"].is_string()),
        (&json!("scheduled"), true)
    );
    twilio
        .post(&tail, &[("Body", "")])
        .await
        .twilio_error(400, 20_001);
    twilio
        .post(&tail, &[("Status", "sent")])
        .await
        .twilio_error(400, 20_001);
    twilio.post(&tail, &[]).await.twilio_error(400, 20_001);
    for _ in 0..2 {
        let canceled = twilio
            .post(&tail, &[("Status", "canceled")])
            .await
            .expect(200);
        assert_eq!(
            (&canceled["status"], &canceled["price"]),
            (&json!("canceled"), &json!("0"))
        );
    }
    let gone = text(&sent(&twilio, &sms("at once")).await, "sid");
    twilio.message_with(&gone, "delivered").await;
    let tail = format!("/Messages/{gone}.json");
    twilio
        .post(&tail, &[("Status", "canceled")])
        .await
        .twilio_error(409, 30_409);

    // The demo account has two numbers: a service alone does not say which one sends.
    let form = [("To", PEER), ("MessagingServiceSid", "MG1"), ("Body", "hi")];
    twilio.send(&form).await.twilio_error(400, 21_603);
    let single = "+31203000001";
    let made = daemon
        .operator()
        .make_account("single", single, Some("10"))
        .await;
    let other = TwilioCustomer::of(&customer.with_key(&made.key), &made.key).await;
    assert_eq!(sent(&other, &form).await["from"], single);
}

#[tokio::test]
async fn whatsapp_has_its_prefix_and_one_attachment() {
    let (_daemon, customer, twilio) = start(Options::new()).await;
    let opening = json!({ "from": PEER, "to": NUMBER, "body": "hi", "channel": "whatsapp" });
    customer.inbound(&opening).await.expect(200);
    let (to, from) = (format!("whatsapp:{PEER}"), format!("whatsapp:{NUMBER}"));
    let parties = [("To", &*to), ("From", &*from)];
    let picture = ("MediaUrl", "https://a.example/cat.png?x=1");
    let form = [&parties[..], &[("Body", "a cat"), picture]].concat();
    let made = sent(&twilio, &form).await;
    assert_eq!(
        (&made["to"], &made["from"], &made["num_media"]),
        (&json!(to), &json!(from), &json!("1"))
    );
    let read = twilio.message_with(&text(&made, "sid"), "read").await;
    assert_eq!(read["body"], "a cat");
    let own = customer.message(&id_of(&text(&made, "sid"))).await;
    assert_eq!(
        (&own["channel"], &own["message_type"]),
        (&json!("whatsapp"), &json!("image"))
    );
    let two = [&parties[..], &[picture, picture]].concat();
    twilio.send(&two).await.twilio_error(400, 21_620);
    let listed = twilio
        .listed(&format!("?From={}", from.replace('+', "%2B")))
        .await;
    assert_eq!(listed, [text(&made, "sid")]);
}

/// The statuses that a message's URL was told, and how often each; every form says the same besides.
fn told(
    sink: &Sink,
    path: &str,
    url: &str,
    token: &str,
    message: &Value,
) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for form in forms(sink, path, url, token) {
        let sid = message["sid"].as_str();
        for name in ["MessageSid", "SmsSid"] {
            assert_eq!(form.get(name), sid, "{form:?}");
        }
        assert_eq!(form.get("MessageStatus"), form.get("SmsStatus"));
        for (name, member) in [
            ("To", "to"),
            ("From", "from"),
            ("AccountSid", "account_sid"),
        ] {
            assert_eq!(form.get(name), message[member].as_str(), "{form:?}");
        }
        assert_eq!(form.get("ApiVersion"), Some("2010-04-01"));
        let status = form.get("MessageStatus").expect("there is a status");
        let failed = matches!(status, "failed" | "undelivered");
        assert_eq!(form.get("ErrorCode").is_some(), failed, "{form:?}");
        *told.entry(status.to_owned()).or_default() += 1;
    }
    told
}

async fn told_all(sink: &Sink, path: &str, url: &str, token: &str, message: &Value, all: &[&str]) {
    let what = format!("{path} is told {all:?}");
    let told = eventually(&what, BOUND, async || {
        let told = told(sink, path, url, token, message);
        (told.len() >= all.len()).then_some(told)
    });
    let mut expected: Vec<&str> = all.to_vec();
    expected.sort_unstable();
    let told = told.await;
    assert!(told.keys().eq(expected), "{path}: {told:?}");
}

#[tokio::test]
async fn the_url_of_a_message_is_told_every_change_of_its_status_rightly_signed() {
    let (mut daemon, customer, twilio) = start(webhooks::options()).await;
    let sink = webhooks::sink();
    let renewed = customer
        .post("/api/v1/account/twilio", &json!({}))
        .await
        .expect(201);
    let token = text(&renewed["data"], "auth_token");
    let endpoint = text(&renewed["data"], "endpoint_id");
    // Other endpoints are told as before, and of messages without a URL nobody else is.
    let other = Endpoint::create(
        &customer,
        &sink.url("/ok/other"),
        json!({ "event_types": ["message.status"] }),
    )
    .await;

    let (refused, failed) = (fated(1), fated(2));
    let mut sent_to = Vec::new();
    for (path, to, statuses) in [
        ("/ok/1", PEER, &["sending", "sent", "delivered"][..]),
        ("/ok/2", &*refused, &["sending", "failed"]),
        ("/ok/3", &*failed, &["sending", "sent", "undelivered"]),
    ] {
        let url = format!("{}?order=1&name=J%C3%BCrgen%20B", sink.url(path));
        let form = [
            ("To", to),
            ("From", NUMBER),
            ("Body", "hi"),
            ("StatusCallback", &*url),
        ];
        let message = sent(&twilio, &form).await;
        sent_to.push((path, url, message, statuses));
    }
    sent(&twilio, &sms("without a URL")).await;
    for (path, url, message, statuses) in &sent_to {
        told_all(&sink, path, url, &token, message, statuses).await;
    }
    webhooks::delivered(&sink, "/ok/other", 11).await;
    for received in sink.latest("/ok/other") {
        assert!(received.twilio_signature.is_empty() && is_signed(&received, &other.secret));
    }

    // It is an endpoint like others: shown without a URL, with a schedule that can be set, not pointed elsewhere.
    let path = format!("/api/v1/webhooks/{endpoint}");
    let view = customer.get(&path).await.expect(200)["data"].clone();
    assert_eq!(
        (&view["url"], &view["payload"]),
        (&Value::Null, &json!("twilio"))
    );
    let change = json!({ "retry_schedule": [1, 1, 1, 1, 1] });
    customer
        .ask(Method::PATCH, &path, Some(&change))
        .await
        .expect(200);
    for change in [
        json!({ "url": sink.url("/ok/x") }),
        json!({ "payload": "sms" }),
        json!({ "event_types": [] }),
    ] {
        let refused = customer.ask(Method::PATCH, &path, Some(&change)).await;
        refused.refused(422, "endpoint_unfit");
    }
    customer
        .post(&format!("{path}/test"), &json!({}))
        .await
        .refused(422, "endpoint_unfit");
    let all = json!({ "since": "2026-01-01T00:00:00Z", "scope": "all" });
    let refused = customer.post(&format!("{path}/recover"), &all).await;
    refused.refused(422, "recovery_unfit");

    // What fails is made again; what waits outlives the daemon, and one dead URL disables nothing.
    let url = sink.url("/flaky/9") + "?fail=1";
    let form = [&sms("retried")[..], &[("StatusCallback", &*url)]].concat();
    let retried = sent(&twilio, &form).await;
    let dead = sink.url("/gone");
    let form = [&sms("gone")[..], &[("StatusCallback", &*dead)]].concat();
    sent(&twilio, &form).await;
    twilio
        .message_with(&text(&retried, "sid"), "delivered")
        .await;
    daemon.kill9();
    daemon.restart().await;
    told_all(
        &sink,
        "/flaky/9",
        &url,
        &token,
        &retried,
        &["sending", "sent", "delivered"],
    )
    .await;
    let customer = daemon.customer();
    eventually("nothing waits for the endpoint", BOUND, async || {
        let view = customer.get(&path).await.expect(200)["data"].clone();
        assert_eq!(view["status"], "enabled");
        (view["pending"] == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn a_status_endpoint_is_made_with_the_first_url_and_its_cancels_and_times_are_told() {
    let (_daemon, customer, twilio) = start(webhooks::options()).await;
    let sink = webhooks::sink();
    let url = sink.url("/ok/later");
    let send_at = later(&customer).await;
    let scheduled = [
        ("ScheduleType", "fixed"),
        ("SendAt", &*send_at),
        ("StatusCallback", &*url),
    ];
    let form = [&sms("later")[..], &scheduled].concat();
    let message = sent(&twilio, &form).await;
    let listed = customer.get("/api/v1/webhooks").await.expect(200)["data"].clone();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["url"]),
        (1, &Value::Null)
    );
    // Nobody has seen the secret yet: a token that is made now signs what comes.
    let renewed = customer
        .post("/api/v1/account/twilio", &json!({}))
        .await
        .expect(201);
    let token = text(&renewed["data"], "auth_token");
    let tail = format!("/Messages/{}.json", text(&message, "sid"));
    twilio
        .post(&tail, &[("Status", "canceled")])
        .await
        .expect(200);
    told_all(&sink, "/ok/later", &url, &token, &message, &["canceled"]).await;
}

#[tokio::test]
async fn an_endpoint_in_twilios_form_is_told_of_inbound_messages() {
    let (_daemon, customer, twilio) = start(webhooks::options()).await;
    let sink = webhooks::sink();
    let url = sink.url("/ok/in");
    let unfit = json!({ "url": url, "payload": "twilio" });
    let refused = customer.post("/api/v1/webhooks", &unfit).await;
    let refused = refused.refused(422, "endpoint_unfit");
    assert_eq!(refused["errors"][0]["field"], "event_types");
    let more = json!({ "payload": "twilio", "event_types": ["message.received"] });
    let endpoint = Endpoint::create(&customer, &url, more).await;
    customer.wrote(PEER, NUMBER, "Hé 👋 a&b=c").await;
    webhooks::delivered(&sink, "/ok/in", 1).await;
    let [form] = forms(&sink, "/ok/in", &url, &endpoint.secret)
        .try_into()
        .unwrap();
    let [sid] = twilio.listed("").await.try_into().unwrap();
    for (name, value) in [
        ("MessageSid", &*sid),
        ("SmsSid", &sid),
        ("SmsMessageSid", &sid),
        ("SmsStatus", "received"),
        ("AccountSid", &twilio.sid),
        ("From", PEER),
        ("To", NUMBER),
        ("Body", "Hé 👋 a&b=c"),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("ApiVersion", "2010-04-01"),
    ] {
        assert_eq!(form.get(name), Some(value), "{name}");
    }
    // An example is of what it can be told of.
    let tested = endpoint.post("/test", &json!({})).await.expect(202);
    assert_eq!(tested["data"].as_array().unwrap().len(), 2);
}
