//! The limiter: a burst goes at once, more is told to wait, and what is refused leaves a counter only.

use std::time::Duration;

use didfarm_tests::customer::NUMBER;
use didfarm_tests::daemon::Daemon;
use didfarm_tests::operator::DEMO_ACCOUNT;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use hyper::Method;
use serde_json::json;

const BURST: u32 = 10;

/// A daemon whose demo account may send a burst of ten and one message a second.
async fn start() -> Daemon {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    // A slow rate, so that nothing comes back while the burst is spent on a busy machine.
    let options = Options::new()
        .set("limits.rate_per_second", 1)
        .set("limits.burst", BURST);
    Daemon::start(&program, options).await
}

#[tokio::test]
async fn the_default_is_ten_a_second_with_a_burst_of_ten() {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let printed = program.run(["config", "--print"]);
    assert_eq!(printed.code, Some(0));
    for line in ["rate_per_second = 10", "burst = 10"] {
        assert!(printed.stdout.contains(line), "{line}");
    }
}

#[tokio::test]
async fn what_is_over_the_limit_waits_and_leaves_no_trace() {
    let daemon = start().await;
    let customer = daemon.customer();
    for n in 0..BURST {
        let answer = customer.send_sms(&peer(n), "within").await;
        answer.expect(201);
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"msgs\";q=10;w=10")
        );
        let left = answer.header("ratelimit").unwrap();
        assert!(left.starts_with("\"msgs\";r="), "{left}");
    }
    let mut refused = 0;
    let answer = eventually("a refusal", Duration::from_secs(20), async || {
        let answer = customer.send_sms(&peer(100), "over").await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    refused += 1;
    answer.refused(429, "rate_limited");
    assert_eq!(answer.retry_after_s(), 1);
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some("\"msgs\";q=10;w=10")
    );
    let left = answer.header("ratelimit").unwrap();
    assert!(left.starts_with("\"msgs\";r=0;t="), "{left}");

    let accepted = |scrape: didfarm_tests::scrape::Scrape| {
        scrape.get("didfarm_messages_accepted_total{channel=\"sms\"}") as usize
    };
    let scrape = daemon.operator().scrape().await;
    assert_eq!(
        scrape.get("didfarm_messages_refused_total{reason=\"rate_limited\"}"),
        f64::from(refused)
    );
    let listed = customer.all("/api/v1/portal/sms?limit=100").await;
    assert_eq!(listed.len(), accepted(scrape));
    let spent = 100_000_000 - daemon.operator().demo_balance_micros().await;
    assert_eq!(spent, 8_000 * listed.len() as i64);

    // Whoever waits as long as told may send again.
    eventually("the rate comes back", Duration::from_secs(20), async || {
        let answer = customer.send_sms(&peer(101), "later").await;
        (answer.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_mistake_costs_nothing_of_the_limit_and_reads_are_free() {
    let daemon = start().await;
    let customer = daemon.customer();
    for _ in 0..3 * BURST {
        customer
            .send_sms("nonsense", "no number")
            .await
            .refused(422, "invalid_number");
        customer.get("/api/v1/portal/sms").await.expect(200);
    }
    let answer = customer.send_sms(&peer(0), "first").await;
    answer.expect(201);
    assert_eq!(answer.header("ratelimit"), Some("\"msgs\";r=9;t=1"));
}

#[tokio::test]
async fn accounts_have_limits_of_their_own_which_survive_a_restart() {
    let mut daemon = start().await;
    let operator = daemon.operator();
    let made = operator
        .make_account("Bulk", "+31203333333", Some("10"))
        .await;
    let path = format!("/ops/accounts/{}/limit", made.account);
    let limit = json!({ "rate_per_second": 1_000, "burst": 500 });
    operator
        .ask(Method::PUT, &path, Some(&limit))
        .await
        .expect(200);
    daemon.kill9();
    daemon.restart().await;
    let operator = daemon.operator();
    let account = operator.account(&made.account).await;
    assert_eq!(
        (&account["rate_per_second"], &account["burst"]),
        (&json!(1_000), &json!(500))
    );
    assert_eq!(operator.account(DEMO_ACCOUNT).await["burst"], json!(BURST));

    let demo = daemon.customer();
    let bulk = demo.with_key(&made.key);
    for n in 0..100 {
        let send = json!({ "from": "+31203333333", "to": peer(n), "body": "bulk" });
        bulk.send(&send).await.expect(201);
    }
    // The other account's burst is untouched.
    let send = json!({ "from": NUMBER, "to": peer(0), "body": "demo" });
    for _ in 0..BURST {
        demo.send(&send).await.expect(201);
    }
}
