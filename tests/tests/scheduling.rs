//! Scheduling: a message leaves at its time and not before, whatever becomes of the daemon and its clock.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, assert_forward, statuses, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::faults::CLOCK_AHEAD_FILE;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const DAY_S: i64 = 24 * 60 * 60;
/// What the demo account's wallet starts with, in millionths of a euro.
const DEMO_WALLET_MICROS: i64 = 100_000_000;
/// What one segment costs by default, in millionths of a euro.
const SEGMENT_MICROS: i64 = 8_000;
/// The latest that a message may leave after its time, in microseconds.
const LATE_US_MAX: i64 = 1_000_000;

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

async fn start() -> (Daemon, Customer) {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    (daemon, customer)
}

/// A daemon whose clock is ahead by as many seconds as a file says.
async fn start_with_clock(file: &Path) -> (Daemon, Customer) {
    set_clock(file, 0);
    let options = Options::new().env(CLOCK_AHEAD_FILE, file.display());
    let daemon = Daemon::start(&program(), options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

fn set_clock(file: &Path, ahead_s: i64) {
    // Renamed into place: nobody reads half of it.
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, ahead_s.to_string()).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// A time by RFC 3339 (the days by the calendar of 400 years that repeats).
fn rfc3339(us: i64) -> String {
    let (days, of_day) = (
        us.div_euclid(DAY_S * 1_000_000),
        us.rem_euclid(DAY_S * 1_000_000),
    );
    let day = days + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    let [seconds, fraction] = [of_day / 1_000_000, of_day % 1_000_000];
    let [hour, minute, second] = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// The time in so many seconds.
fn in_s(seconds: i64) -> String {
    rfc3339(now_us() + seconds * 1_000_000)
}

async fn schedule(customer: &Customer, to: &str, body: &str, send_at: &str) -> String {
    let message = json!({ "from": NUMBER, "to": to, "body": body, "send_at": send_at });
    let sent = customer.send(&message).await.expect(201)["data"].clone();
    assert_eq!(sent["status"], "scheduled");
    text(&sent, "id")
}

/// When a message first had a status, as RFC 3339 with six digits.
fn since(message: &Value, status: &str) -> String {
    let history = message["status_history"].as_array().unwrap();
    let step = history.iter().find(|step| step["status"] == status);
    text(
        step.unwrap_or_else(|| panic!("it never was {status}: {message:#}")),
        "at",
    )
}

#[tokio::test]
async fn a_scheduled_message_leaves_at_its_time_and_not_before() {
    let (daemon, customer) = start().await;
    let due_us = now_us() + 2_000_000;
    let id = schedule(&customer, PEER, "later", &rfc3339(due_us)).await;
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS - SEGMENT_MICROS);
    let waiting = customer.message(&id).await;
    assert_eq!(
        (&waiting["status"], &waiting["submits"]),
        (&json!("scheduled"), &json!(0))
    );
    daemon.operator().metric_is("didfarm_scheduled", 1.0).await;

    let delivered = customer.message_with(&id, "delivered").await;
    assert_eq!(
        statuses(&delivered),
        ["scheduled", "queued", "sending", "sent", "delivered"]
    );
    assert_forward(&delivered);
    let left = since(&delivered, "sending");
    assert!(rfc3339(due_us) <= left, "it left at {left}");
    assert!(left <= rfc3339(due_us + LATE_US_MAX), "it left at {left}");
    // The validity period counts from the time of sending.
    let until = rfc3339(due_us + 2 * DAY_S * 1_000_000);
    assert_eq!(text(&delivered, "valid_until")[..19], until[..19]);
    daemon.operator().metric_is("didfarm_scheduled", 0.0).await;
}

#[tokio::test]
async fn what_is_scheduled_survives_a_crash_and_leaves_once_and_on_time() {
    let (mut daemon, customer) = start().await;
    let due_us = now_us() + 15_000_000;
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(schedule(&customer, &peer(n), "later", &rfc3339(due_us)).await);
    }
    daemon.kill9();
    daemon.restart().await;
    assert!(now_us() < due_us, "the machine is too slow for this test");
    let customer = daemon.customer();
    for id in &ids {
        let delivered = customer.message_with(id, "delivered").await;
        assert_eq!(delivered["submits"], 1);
        let left = since(&delivered, "sending");
        assert!(rfc3339(due_us) <= left, "it left at {left}");
        assert!(left <= rfc3339(due_us + LATE_US_MAX), "it left at {left}");
    }
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn a_day_s_jump_of_the_clock_fires_nothing_early_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    let (mut daemon, customer) = start_with_clock(&file).await;
    let tomorrow = schedule(&customer, &peer(1), "tomorrow", &in_s(DAY_S - 60)).await;
    for ahead_s in [DAY_S, -DAY_S] {
        set_clock(&file, ahead_s);
        let due_us = now_us() + 3_000_000;
        let soon = schedule(&customer, PEER, "soon", &rfc3339(due_us)).await;
        let delivered = customer.message_with(&soon, "delivered").await;
        let left = since(&delivered, "sending");
        assert!(
            rfc3339(due_us) <= left,
            "it left at {left} by a clock that jumped"
        );
        assert!(left <= rfc3339(due_us + LATE_US_MAX), "it left at {left}");
        assert_eq!(customer.message(&tomorrow).await["status"], "scheduled");
        let step = daemon.operator().metric("didfarm_clock_step_seconds").await;
        assert!((step - ahead_s as f64).abs() < 1.0, "{step}");
    }
    // A restart believes the clock that it finds: a day has passed then, and its messages leave.
    set_clock(&file, DAY_S);
    daemon.kill9();
    daemon.restart().await;
    daemon.customer().message_with(&tomorrow, "delivered").await;
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn a_cancelled_message_is_refunded_and_never_leaves_even_after_a_crash() {
    let (mut daemon, customer) = start().await;
    let id = schedule(&customer, PEER, "never", &in_s(3)).await;
    let path = format!("/api/v1/sms/messages/{id}/cancel");
    let cancelled = customer.ask(Method::POST, &path, None).await.expect(200)["data"].clone();
    assert_eq!(
        (&cancelled["status"], &cancelled["refunded"]),
        (&json!("cancelled"), &json!(true))
    );
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS);
    // A repeat finds it done.
    let again = customer.ask(Method::POST, &path, None).await.expect(200)["data"].clone();
    assert_eq!(again["status_history"], cancelled["status_history"]);
    // One that leaves after it shows that its time came and went.
    let other = schedule(&customer, PEER, "later", &in_s(3)).await;
    customer.message_with(&other, "delivered").await;
    let still = customer.message(&id).await;
    assert_eq!(statuses(&still), ["scheduled", "cancelled"]);
    assert_eq!(still["submits"], 0);

    let late = format!("/api/v1/sms/messages/{other}/cancel");
    let answer = customer.ask(Method::POST, &late, None).await;
    let problem = answer.refused(409, "message_under_way");
    assert_eq!(problem["message_status"], "delivered");
    let unknown = "/api/v1/sms/messages/msg_00000099999/cancel";
    let answer = customer.ask(Method::POST, unknown, None).await;
    answer.refused(404, "not_found");
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn another_time_is_kept_over_a_crash_and_a_bad_one_changes_nothing() {
    let (mut daemon, customer) = start().await;
    let id = schedule(&customer, PEER, "moved", &in_s(3_600)).await;
    let path = format!("/api/v1/sms/messages/{id}");
    for (change, code, field) in [
        (
            json!({ "send_at": in_s(-120) }),
            "send_at_invalid",
            "send_at",
        ),
        (
            json!({ "send_at": in_s(35 * DAY_S + 60) }),
            "send_at_invalid",
            "send_at",
        ),
        (json!({ "send_at": "soon" }), "validation_failed", "send_at"),
        (json!({}), "validation_failed", "send_at"),
        (
            json!({ "send_at": in_s(9), "priority": "high" }),
            "validation_failed",
            "priority",
        ),
    ] {
        let status = if code == "send_at_invalid" { 422 } else { 400 };
        let answer = customer.ask(Method::PATCH, &path, Some(&change)).await;
        let problem = answer.refused(status, code);
        assert_eq!(problem["errors"][0]["field"], field);
        // A send is judged by the same rule.
        let mut send =
            json!({ "from": NUMBER, "to": PEER, "body": "x", "send_at": change["send_at"] });
        if code == "send_at_invalid" {
            customer.send(&send).await.refused(status, code);
        }
        send["send_at"] = json!(1);
        let answer = customer.send(&send).await;
        answer.refused(400, "validation_failed");
    }
    let due_us = now_us() + 6_000_000;
    let change = json!({ "send_at": rfc3339(due_us) });
    let moved = customer
        .ask(Method::PATCH, &path, Some(&change))
        .await
        .expect(200)["data"]
        .clone();
    assert_eq!(text(&moved, "send_at")[..19], rfc3339(due_us)[..19]);
    assert_eq!(moved["status"], "scheduled");
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let delivered = customer.message_with(&id, "delivered").await;
    let left = since(&delivered, "sending");
    assert!(rfc3339(due_us) <= left, "it left at {left}");
    let answer = customer.ask(Method::PATCH, &path, Some(&change)).await;
    answer.refused(409, "message_under_way");
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn the_list_is_by_time_and_a_cancel_of_many_says_how_many_it_caught() {
    let (daemon, customer) = start().await;
    let mut ids = Vec::new();
    for n in [3, 1, 2] {
        ids.push((
            n,
            schedule(&customer, &peer(n), "later", &in_s(600 + i64::from(n))).await,
        ));
    }
    let from_other = json!({ "from": NUMBER_2, "to": peer(1), "body": "x", "send_at": in_s(900) });
    let other = text(&customer.send(&from_other).await.expect(201)["data"], "id");
    ids.sort_unstable();
    let by_time: Vec<String> = ids.into_iter().map(|(_, id)| id).chain([other]).collect();
    let listed = async |query: &str| -> Vec<String> {
        let rows = customer
            .all(&format!("/api/v1/sms/scheduled?{query}"))
            .await;
        rows.iter().map(|row| text(row, "id")).collect()
    };
    assert_eq!(listed("limit=2").await, by_time);
    assert_eq!(listed("limit=1&number=%2B31207654321").await, by_time[3..]);
    assert_eq!(
        listed(&format!("to={}", peer(1).replace('+', "%2B"))).await,
        [&*by_time[0], &*by_time[3]]
    );

    let cancel = async |body: Value| customer.post("/api/v1/sms/cancel", &body).await;
    let answer = cancel(json!({})).await;
    let problem = answer.refused(400, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "to");
    let answer = cancel(json!({ "from": "+31201111111" })).await;
    answer.refused(404, "number_unknown");
    let caught = cancel(json!({ "to": peer(1), "from": NUMBER }))
        .await
        .expect(200);
    assert_eq!(caught["data"]["cancelled"], 1);
    let caught = cancel(json!({ "to": peer(1) })).await.expect(200);
    assert_eq!(caught["data"]["cancelled"], 1);
    let caught = cancel(json!({ "from": NUMBER })).await.expect(200);
    assert_eq!(caught["data"]["cancelled"], 2);
    assert_eq!(listed("").await, [""; 0]);
    assert_eq!(
        daemon.operator().demo_balance_micros().await,
        DEMO_WALLET_MICROS
    );
}

#[tokio::test]
async fn a_cancel_that_races_the_start_has_one_answer() {
    let (daemon, customer) = start().await;
    let mut kept = 0;
    for n in 0..40 {
        let id = schedule(&customer, &peer(n), "race", &rfc3339(now_us() + 400_000)).await;
        tokio::time::sleep(Duration::from_millis(300 + 5 * u64::from(n))).await;
        let path = format!("/api/v1/sms/messages/{id}/cancel");
        let answer = customer.ask(Method::POST, &path, None).await;
        if answer.status == 200 {
            let cancelled = customer.message(&id).await;
            assert_eq!(
                (&cancelled["status"], &cancelled["submits"]),
                (&json!("cancelled"), &json!(0))
            );
        } else {
            answer.refused(409, "message_under_way");
            customer.message_with(&id, "delivered").await;
            kept += 1;
        }
    }
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS - kept * SEGMENT_MICROS);
}

#[tokio::test]
async fn quiet_hours_hold_a_message_until_they_end_and_a_password_goes_at_once() {
    let (mut daemon, customer) = start().await;
    // All of the day but the one minute that is half an hour away; zones here differ by whole hours.
    let free = (now_us() / 60_000_000 + 30) % 60;
    let quiet =
        json!({ "from": format!("12:{:02}", (free + 1) % 60), "until": format!("12:{free:02}") });
    let set = json!({ "quiet_hours": quiet });
    let account = customer
        .ask(Method::PATCH, "/api/v1/account", Some(&set))
        .await
        .expect(200);
    assert_eq!(account["data"]["quiet_hours"], quiet);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let message =
        |priority: &str| json!({ "from": NUMBER, "to": PEER, "body": "x", "priority": priority });
    if free != 59 {
        let held = customer.send(&message("normal")).await.expect(201)["data"].clone();
        assert_eq!(held["status"], "scheduled");
        let at = text(&held, "send_at");
        assert_eq!(at[14..], format!("{free:02}:00Z"));
    }
    let password = customer.send(&message("otp")).await.expect(201)["data"].clone();
    assert_eq!(password["status"], "queued");
    customer
        .message_with(&text(&password, "id"), "delivered")
        .await;
    let off = json!({ "quiet_hours": null });
    customer
        .ask(Method::PATCH, "/api/v1/account", Some(&off))
        .await
        .expect(200);
    let now = customer.send(&message("normal")).await.expect(201)["data"].clone();
    assert_eq!(now["status"], "queued");
    let unfit = json!({ "quiet_hours": { "from": "25:00", "until": "08:00" } });
    let answer = customer
        .ask(Method::PATCH, "/api/v1/account", Some(&unfit))
        .await;
    let problem = answer.refused(400, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "quiet_hours");
}

#[tokio::test]
async fn a_batch_that_is_still_moving_when_quiet_hours_begin_is_held_but_for_its_passwords() {
    let options = Options::new().set("limits.rate_per_second", 40);
    let mut daemon = Daemon::start(&program(), options).await;
    let customer = daemon.customer();
    let row = |n: u32, priority: &str| json!({ "to": peer(n), "body": "x", "priority": priority });
    let rows: Vec<_> = (0..200)
        .map(|n| row(n, "normal"))
        .chain((200..210).map(|n| row(n, "otp")))
        .collect();
    let batches = "/api/v1/sms/batches";
    let document = json!({ "from": NUMBER, "messages": rows });
    let made = customer.post(batches, &document).await.expect(202);
    let path = format!("{batches}/{}", text(&made["data"], "id"));
    // All of the day but one minute that is half an hour away at least.
    let free = (now_us() / 60_000_000 + 30) % 60;
    let quiet =
        json!({ "from": format!("12:{:02}", (free + 1) % 60), "until": format!("12:{free:02}") });
    let set = json!({ "quiet_hours": quiet });
    customer
        .ask(Method::PATCH, "/api/v1/account", Some(&set))
        .await
        .expect(200);
    let counts = async |customer: &Customer| {
        let batch = customer.get(&path).await.expect(200)["data"]["messages"].clone();
        let count = |status: &str| batch[status].as_u64().unwrap_or(0);
        (count("queued"), count("delivered"))
    };
    let password = customer
        .all(&format!("{path}/rows?limit=100"))
        .await
        .pop()
        .unwrap();
    let id = text(&password, "id");
    customer.message_with(&id, "delivered").await;
    let (held, delivered) = counts(&customer).await;
    assert!(held > 100 && held + delivered == 210, "{held} {delivered}");
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    // What is behind them goes, and they are held as before.
    customer.send_sms(PEER, "in the night").await;
    let another = customer
        .post(
            batches,
            &json!({ "from": NUMBER, "messages": [row(300, "otp")] }),
        )
        .await
        .expect(202);
    let id = text(&another["data"]["results"][0], "id");
    customer.message_with(&id, "delivered").await;
    assert_eq!(counts(&customer).await, (held, delivered));
    let cancelled = customer.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(cancelled.expect(200)["data"]["caught"], held);
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn whatsapp_s_window_is_judged_at_the_time_of_sending() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    let (mut daemon, customer) = start_with_clock(&file).await;
    let hello = json!({ "from": PEER, "to": NUMBER, "body": "hello", "channel": "whatsapp" });
    customer.inbound(&hello).await.expect(200);
    let message = |at: String| json!({ "from": NUMBER, "to": PEER, "body": "x", "channel": "whatsapp", "send_at": at });
    let inside = customer.send(&message(in_s(2))).await.expect(201)["data"].clone();
    let outside = customer.send(&message(in_s(DAY_S + 600))).await.expect(201)["data"].clone();
    customer
        .message_with(&text(&inside, "id"), "delivered")
        .await;
    let before = daemon.operator().demo_balance_micros().await;
    set_clock(&file, DAY_S + 900);
    daemon.kill9();
    daemon.restart().await;
    let failed = daemon
        .customer()
        .message_with(&text(&outside, "id"), "failed")
        .await;
    assert_eq!(
        (&failed["reason"], &failed["submits"]),
        (&json!("window_closed"), &json!(0))
    );
    let after = daemon.operator().demo_balance_micros().await;
    assert_eq!(after, before + SEGMENT_MICROS);
    daemon.terminate().await;
    daemon.verify(None);
}

#[tokio::test]
async fn what_is_scheduled_to_a_peer_that_opts_out_is_given_back_also_over_a_crash() {
    let (mut daemon, customer) = start().await;
    let at = in_s(3_600);
    let mut barred = Vec::new();
    for body in ["first", "second"] {
        barred.push(schedule(&customer, PEER, body, &at).await);
    }
    let other = schedule(&customer, &peer(1), "another peer", &at).await;
    let stop = json!({ "from": PEER, "to": NUMBER, "body": "STOP", "id": "c-1" });
    customer.inbound(&stop).await.expect(200);
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    for id in &barred {
        let message = customer.message_with(id, "failed").await;
        assert_eq!(
            (&message["reason"], &message["submits"]),
            (&json!("opted_out"), &json!(0))
        );
    }
    assert_eq!(customer.message(&other).await["status"], "scheduled");
    // The other peer's message is paid for, and the answer to the word.
    let balance = daemon.operator().demo_balance_micros().await;
    assert_eq!(balance, DEMO_WALLET_MICROS - 2 * SEGMENT_MICROS);
    daemon.kill9();
    daemon.verify(None);
}
