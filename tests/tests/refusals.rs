//! Refusals: what is wrong is named, costs nothing, and leaves nothing behind.

use std::time::Duration;

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const SEND: &str = "/api/v1/sms/messages";
const PORTAL_SEND: &str = "/api/v1/portal/sms/send";
const JSON: Option<&str> = Some("application/json");

async fn start() -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, Options::new()).await;
    let customer = daemon.customer();
    (daemon, customer)
}

fn message() -> Value {
    json!({ "from": NUMBER, "to": PEER, "body": "hi" })
}

/// The message with one member set, or taken out when `value` is null.
fn message_with(member: &str, value: Value) -> Value {
    let mut message = message();
    match value {
        Value::Null => drop(message.as_object_mut().unwrap().remove(member)),
        value => message[member] = value,
    }
    message
}

fn at_field(problem: &Value) -> &str {
    problem["errors"][0]["field"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_kept() {
    let (daemon, customer) = start().await;
    for path in [SEND, PORTAL_SEND] {
        for (member, value, status, code) in [
            ("subject", json!("hi"), 400, "unknown_field"),
            ("to", Value::Null, 400, "validation_failed"),
            ("body", Value::Null, 400, "validation_failed"),
            ("body", json!(7), 400, "validation_failed"),
            ("to", json!(["+31612345678"]), 400, "validation_failed"),
            ("channel", json!("fax"), 400, "validation_failed"),
            ("to", json!("+3161"), 422, "invalid_number"),
            ("to", json!("0612345678"), 422, "invalid_number"),
            ("to", json!("+999123456789"), 422, "invalid_number"),
            ("body", json!(""), 422, "body_empty"),
            ("body", json!("a".repeat(1_601)), 422, "body_too_long"),
            ("from", json!("+31201111111"), 404, "number_unknown"),
        ] {
            let answer = customer.post(path, &message_with(member, value)).await;
            let problem = answer.refused(status, code);
            assert_eq!(at_field(&problem), member, "{problem}");
        }
        let both = message_with("from_number_id", json!(1));
        for wrong in [both, message_with("from", Value::Null)] {
            let problem = customer
                .post(path, &wrong)
                .await
                .refused(422, "sender_not_single");
            assert_eq!(at_field(&problem), "from");
        }
    }
    let invalid = message_with("to", json!("+3161"));
    let problem = customer.send(&invalid).await.refused(422, "invalid_number");
    assert!(text(&problem, "detail").starts_with("Failed to send SMS: "));

    assert_eq!(
        customer.all("/api/v1/portal/sms").await,
        Vec::<Value>::new()
    );
    assert_eq!(customer.conversations().await, Vec::<Value>::new());
    assert_eq!(daemon.operator().demo_balance_micros().await, 100_000_000);
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_it_is_read_further() {
    let (_daemon, customer) = start().await;
    for body in ["{", "", "nonsense", "{\"from\": }", "[1, 2"] {
        let answer = customer.post_raw(SEND, JSON, body.as_bytes()).await;
        answer.refused(400, "malformed_json");
    }
    let answer = customer
        .post_raw(SEND, JSON, &[b'{', b'"', 0xff, b'"', b'}'])
        .await;
    answer.refused(400, "malformed_json");
    let text_of_a_message = message().to_string();
    for media_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let answer = customer
            .post_raw(SEND, media_type, text_of_a_message.as_bytes())
            .await;
        answer.refused(415, "unsupported_media_type");
    }
    let huge = message_with("body", json!("a".repeat(70_000))).to_string();
    let answer = customer.post_raw(SEND, JSON, huge.as_bytes()).await;
    answer.refused(413, "payload_too_large");
    // The longest text in its longest spelling still fits.
    let escaped = format!(
        r#"{{"from":"{NUMBER}","to":"{PEER}","body":"{}"}}"#,
        "\\ud83d\\ude00".repeat(1_600)
    );
    let answer = customer.post_raw(SEND, JSON, escaped.as_bytes()).await;
    assert_eq!(
        answer.expect(201)["data"]["body"],
        json!("😀".repeat(1_600))
    );
}

#[tokio::test]
async fn a_wrong_method_or_path_says_what_there_is() {
    let (_daemon, customer) = start().await;
    for (method, path, allow) in [
        (Method::GET, SEND, "POST"),
        (Method::DELETE, "/api/v1/sms/messages/1", "GET, PATCH"),
        (Method::POST, "/api/v1/sms/conversations", "GET"),
        (Method::PUT, "/api/v1/sms/conversations/1/messages", "GET"),
        (Method::GET, PORTAL_SEND, "POST"),
        (Method::POST, "/api/v1/portal/sms", "GET"),
        (Method::PATCH, "/api/v1/portal/sms/numbers", "GET"),
        (Method::GET, "/carriers/simulator/inbound", "POST"),
    ] {
        let answer = customer.ask(method.clone(), path, None).await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    for path in [
        "/",
        "/api/v1/sms",
        "/api/v2/sms/messages",
        "/metrics",
        "/ops/accounts",
    ] {
        customer.get(path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn only_a_known_key_opens_anything() {
    let (daemon, customer) = start().await;
    let id = customer.sent_id(PEER, "mine").await;
    let conversation = text(&customer.message(&id).await, "conversation_id");
    let strangers = [
        daemon.stranger(),
        customer.with_key("didfarm-demo-key-0123456788"),
        customer.with_key("x"),
    ];
    for stranger in strangers {
        stranger.send(&message()).await.refused(401, "unauthorized");
        for path in [
            format!("/api/v1/sms/messages/{id}"),
            format!("/api/v1/sms/conversations/{conversation}/messages"),
            "/api/v1/sms/conversations".into(),
            "/api/v1/portal/sms".into(),
            "/api/v1/portal/sms/numbers".into(),
        ] {
            let answer = stranger.get(&path).await;
            answer.refused(401, "unauthorized");
            assert!(answer.header("www-authenticate").is_some(), "{path}");
        }
        let ops = Customer::new(
            didfarm_tests::http::Client::new(),
            daemon.ops_address(),
            Some("not-the-token"),
        );
        for path in ["/ops/accounts", "/ops/quarantine"] {
            ops.get(path).await.refused(401, "unauthorized");
        }
        let account = json!({ "name": "Mallory" });
        ops.post("/ops/accounts", &account)
            .await
            .refused(401, "unauthorized");
    }
}

#[tokio::test]
async fn what_is_anothers_is_not_found_and_not_forbidden() {
    let (daemon, customer) = start().await;
    let id = customer.sent_id(PEER, "mine").await;
    let conversation = text(&customer.message(&id).await, "conversation_id");
    let operator = daemon.operator();
    let made = operator
        .make_account("Other", "+31203333333", Some("1"))
        .await;
    let other = customer.with_key(&made.key);
    for path in [
        format!("/api/v1/sms/messages/{id}"),
        format!("/api/v1/sms/conversations/{conversation}/messages"),
        "/api/v1/sms/messages/msg_zzzzzzzzzzz".into(),
        "/api/v1/sms/messages/9007199254740991".into(),
        "/api/v1/sms/messages/0".into(),
        "/api/v1/sms/conversations/conv_x7y8z9/messages".into(),
        "/api/v1/sms/conversations/7777777/messages".into(),
    ] {
        other.get(&path).await.refused(404, "not_found");
    }
    let by_number = other.send(&message()).await.refused(404, "number_unknown");
    assert_eq!(at_field(&by_number), "from");
    let by_id = json!({ "from_number_id": 1, "to": PEER, "body": "hi" });
    let by_id = other.send(&by_id).await.refused(404, "number_unknown");
    assert_eq!(at_field(&by_id), "from_number_id");
    assert_eq!(other.conversations().await, Vec::<Value>::new());
    assert_eq!(other.all("/api/v1/portal/sms").await, Vec::<Value>::new());
    // A cursor is good for one list of one account.
    let cursor = "/api/v1/sms/conversations?cursor=nonsense";
    other.get(cursor).await.refused(400, "invalid_cursor");
    other
        .get("/api/v1/portal/sms?page=2")
        .await
        .refused(400, "unknown_parameter");
    other
        .get("/api/v1/portal/sms?limit=101")
        .await
        .refused(400, "validation_failed");
}

#[tokio::test]
async fn a_wallet_pays_for_exactly_what_it_holds() {
    const AFFORDABLE: usize = 150;
    const CLIENTS: usize = 64;
    let (daemon, customer) = start().await;
    let operator = daemon.operator();
    // 150 segments and a millionth less than one more.
    let made = operator
        .make_account("Purse", "+31204444444", Some("1.207999"))
        .await;
    let purse = customer.with_key(&made.key);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let purse = purse.clone();
            tokio::spawn(async move {
                let mut accepted = 0;
                for n in 0.. {
                    let to = peer((client * 1_000 + n) as u32);
                    let send = json!({ "from": "+31204444444", "to": to, "body": "paid" });
                    let answer = purse.send(&send).await;
                    if answer.status == 201 {
                        accepted += 1;
                        continue;
                    }
                    let problem = answer.refused(402, "insufficient_balance");
                    assert_eq!(problem["detail"], "Insufficient wallet balance");
                    assert_eq!(problem["title"], "Insufficient wallet balance");
                    assert_eq!(problem["needed"], json!(0.008));
                    assert!(problem["available"].as_f64().unwrap() < 0.008);
                    return accepted;
                }
                unreachable!("a wallet is empty at last")
            })
        })
        .collect();
    let mut accepted = 0;
    for client in clients {
        accepted += client.await.unwrap();
    }
    assert_eq!(accepted, AFFORDABLE);
    assert_eq!(operator.balance_micros(&made.account).await, 7_999);
    let listed = purse.all("/api/v1/portal/sms?limit=100").await;
    assert_eq!(listed.len(), AFFORDABLE);
    let refused = "didfarm_messages_refused_total{reason=\"insufficient_balance\"}";
    assert_eq!(operator.metric(refused).await, CLIENTS as f64);
    // A refund can be spent again, as can a top-up.
    let path = format!("/ops/accounts/{}/top-up", made.account);
    operator
        .post(&path, &json!({ "amount": "0.000001" }))
        .await
        .expect(200);
    let one_more = json!({ "from": "+31204444444", "to": "+31612340001", "body": "refunded" });
    let id = text(&purse.send(&one_more).await.expect(201)["data"], "id");
    purse.message_with(&id, "failed").await;
    didfarm_tests::wait::eventually("the refund is there", Duration::from_secs(10), async || {
        (operator.balance_micros(&made.account).await == 8_000).then_some(())
    })
    .await;
    purse.send(&one_more).await.expect(201);
}

#[tokio::test]
async fn whatsapp_needs_an_open_window() {
    let (daemon, customer) = start().await;
    let send = message_with("channel", json!("whatsapp"));
    let problem = customer.send(&send).await.refused(409, "window_closed");
    assert_eq!(
        (at_field(&problem), &problem["expired_at"]),
        ("channel", &Value::Null)
    );
    // An SMS opens no window.
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "by sms" });
    customer.inbound(&wrote).await.expect(200);
    customer.send(&send).await.refused(409, "window_closed");
    let wrote = json!({ "from": PEER, "to": NUMBER, "body": "by app", "channel": "whatsapp" });
    customer.inbound(&wrote).await.expect(200);
    customer.send(&send).await.expect(201);
    let conversation = customer.conversations().await.remove(0);
    assert_eq!(conversation["whatsapp_window"]["state"], "active");
    let refused = "didfarm_messages_refused_total{reason=\"window_closed\"}";
    assert_eq!(daemon.operator().metric(refused).await, 2.0);
}

#[tokio::test]
async fn a_number_carries_only_what_is_enabled_on_it() {
    let (daemon, customer) = start().await;
    let operator = daemon.operator();
    let made = operator
        .make_account("Shop", "+31205555555", Some("1"))
        .await;
    let shop = customer.with_key(&made.key);
    let send = |channel: &str| json!({ "from": "+31205555555", "to": PEER, "body": "hi", "channel": channel });
    let problem = shop
        .send(&send("whatsapp"))
        .await
        .refused(409, "channel_disabled");
    assert_eq!(at_field(&problem), "channel");

    let numbers = shop.get("/api/v1/portal/sms/numbers").await.expect(200);
    let path = format!("/ops/numbers/{}", numbers["data"][0]["id"]);
    let both_off = json!({ "sms": false, "whatsapp": false });
    operator
        .ask(Method::PATCH, &path, Some(&both_off))
        .await
        .expect(200);
    shop.send(&send("sms"))
        .await
        .refused(409, "channel_disabled");
    let wrote = json!({ "from": PEER, "to": "+31205555555", "body": "hi" });
    shop.inbound(&wrote).await.refused(409, "channel_disabled");
    let sms_on = json!({ "sms": true, "whatsapp": false });
    operator
        .ask(Method::PATCH, &path, Some(&sms_on))
        .await
        .expect(200);
    shop.send(&send("sms")).await.expect(201);
}

#[tokio::test]
async fn sms_is_enabled_only_on_active_numbers_of_the_right_type() {
    let (daemon, customer) = start().await;
    let operator = daemon.operator();
    let made = operator
        .make_account("Shop", "+31205555555", Some("1"))
        .await;
    let host = |e164: &str, sms: bool, active: bool| json!({ "account": made.account, "e164": e164, "sms": sms, "whatsapp": false, "active": active });
    let waiting = operator
        .post("/ops/numbers", &host("+31206666666", true, false))
        .await;
    let problem = waiting.refused(409, "number_not_active");
    assert_eq!(problem["detail"], "Number must be active to enable SMS");
    let toll_free = operator
        .post("/ops/numbers", &host("+498001234567", true, true))
        .await;
    let problem = toll_free.refused(409, "sms_not_available");
    assert_eq!(problem["detail"], "SMS not available for this number type");
    let taken = operator
        .post("/ops/numbers", &host(NUMBER, true, true))
        .await;
    taken.refused(409, "number_taken");

    let hosted = operator
        .post("/ops/numbers", &host("+31206666666", false, false))
        .await;
    let id = text(&hosted.expect(201), "id");
    let shop = customer.with_key(&made.key);
    let send = json!({ "from": "+31206666666", "to": PEER, "body": "hi" });
    let problem = shop.send(&send).await.refused(409, "number_not_active");
    assert_eq!(problem["detail"], "Number must be active to enable SMS");
    let path = format!("/ops/numbers/{id}");
    let sms = json!({ "sms": true, "whatsapp": false });
    let early = operator.ask(Method::PATCH, &path, Some(&sms)).await;
    early.refused(409, "number_not_active");
    let active = json!({ "active": true });
    operator
        .ask(Method::PATCH, &path, Some(&active))
        .await
        .expect(200);
    operator
        .ask(Method::PATCH, &path, Some(&sms))
        .await
        .expect(200);
    shop.send(&send).await.expect(201);
}

#[tokio::test]
async fn wrong_operators_commands_are_refused_by_field() {
    let (daemon, _customer) = start().await;
    let operator = daemon.operator();
    for (path, body, status, code) in [
        ("/ops/accounts", json!({ "name": "" }), 422, "name_invalid"),
        ("/ops/accounts", json!({}), 400, "validation_failed"),
        (
            "/ops/accounts",
            json!({ "name": "A", "rate_per_second": 0 }),
            422,
            "limit_invalid",
        ),
        (
            "/ops/accounts/1/top-up",
            json!({ "amount": "-1" }),
            422,
            "amount_invalid",
        ),
        (
            "/ops/accounts/1/top-up",
            json!({ "amount": "0" }),
            422,
            "amount_invalid",
        ),
        (
            "/ops/accounts/1/top-up",
            json!({ "amount": "1.0000001" }),
            422,
            "amount_invalid",
        ),
        (
            "/ops/accounts/77/top-up",
            json!({ "amount": "1" }),
            404,
            "not_found",
        ),
        (
            "/ops/accounts/1/keys",
            json!({ "key": "short" }),
            422,
            "key_invalid",
        ),
        (
            "/ops/accounts/1/keys",
            json!({ "key": "didfarm-demo-key-0123456789" }),
            422,
            "key_invalid",
        ),
        ("/ops/numbers/1/release", json!({}), 404, "not_found"),
    ] {
        operator.post(path, &body).await.refused(status, code);
    }
    // Keys are bounded.
    for _ in 0..1_000 {
        let answer = operator.post("/ops/accounts/1/keys", &json!({})).await;
        if answer.status != 201 {
            answer.refused(409, "too_many_keys");
            return;
        }
    }
    panic!("an account takes any number of keys")
}
