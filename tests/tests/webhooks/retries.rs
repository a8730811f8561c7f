//! Endpoints that fail: retried on their schedule, given up visibly, disabled when they ask for it, and nobody
//! else is held up.

use std::collections::{BTreeMap, BTreeSet};

use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::mail::maildir;
use didfarm_tests::peers::peer;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{BOUND, Endpoint, counts, delivered, opened, options, payload, sink};
use hyper::Method;
use serde_json::{Value, json};

use crate::{PEER, received_only, start};

const OWNER: &str = "owner@example.org";
/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

async fn set_email(customer: &Customer) {
    let change = json!({ "email": OWNER });
    let set = customer
        .ask(Method::PATCH, "/api/v1/account", Some(&change))
        .await;
    assert_eq!(set.expect(200)["data"]["email"], OWNER);
}

#[tokio::test]
async fn the_fourth_attempt_succeeds_and_none_comes_before_its_time() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let url = sink.url("/flaky?fail=3&status=500");
    let schedule = received_only(json!({ "retry_schedule": [1, 1, 1] }));
    let endpoint = Endpoint::create(&customer, &url, schedule).await;
    customer.wrote(PEER, NUMBER, "again and again").await;
    let came = delivered(&sink, "/flaky", 1).await;
    assert_eq!(came.len(), 4);
    let times: Vec<u64> = came.iter().map(|request| request.at_us).collect();
    for pair in times.windows(2) {
        assert!(
            pair[1] - pair[0] >= SECOND_US,
            "a retry came early: {times:?}"
        );
    }
    for request in &came {
        assert_eq!(
            (&request.webhook_id, &request.body),
            (&came[0].webhook_id, &came[0].body)
        );
        opened(request, &endpoint.secret);
    }
    endpoint.idle().await;
    assert_eq!(
        endpoint.state_of(&came[0].webhook_id).await,
        ("delivered".to_owned(), 4)
    );
    let attempts = endpoint.attempts("").await;
    let told: Vec<_> = attempts
        .iter()
        .map(|row| {
            (
                row["attempt"].as_u64(),
                row["status"].as_u64(),
                text(&row["next"], "state"),
            )
        })
        .collect();
    let row = |attempt, status, state: &str| (Some(attempt), Some(status), state.to_owned());
    assert_eq!(
        told,
        [
            row(4, 200, "delivered"),
            row(3, 500, "retry"),
            row(2, 500, "retry"),
            row(1, 500, "retry")
        ]
    );
    assert_eq!(endpoint.attempts("?result=succeeded").await.len(), 1);
    assert_eq!(endpoint.attempts("?result=failed&limit=2").await.len(), 3);
    let health = &endpoint.view().await["health"];
    assert_eq!(
        (
            &health["consecutive_failures"],
            &health["failing_since"],
            &health["last_result"]
        ),
        (&json!(0), &Value::Null, &json!("succeeded"))
    );
}

#[tokio::test]
async fn what_is_exhausted_is_kept_shown_counted_and_mailed_once() {
    const EVENTS: u64 = 5;
    let (daemon, customer) = start(options()).await;
    set_email(&customer).await;
    let sink = sink();
    let schedule = received_only(json!({ "retry_schedule": [1, 1, 1] }));
    let endpoint = Endpoint::create(&customer, &sink.url("/status/503"), schedule).await;
    for n in 0..EVENTS as u32 {
        customer.wrote(&peer(n), NUMBER, "never taken").await;
    }
    let what = "every event has had its four attempts";
    eventually(what, BOUND, async || {
        (counts(&sink, "/status/503").requests >= 4 * EVENTS).then_some(())
    })
    .await;
    let view = endpoint
        .view_when("nothing waits", |view| view["pending"] == 0)
        .await;
    assert_eq!(view["status"], "enabled");
    assert_eq!(view["health"]["consecutive_failures"], 4 * EVENTS);
    assert_eq!(counts(&sink, "/status/503").requests, 4 * EVENTS);
    for event in sink.ids("/status/503") {
        assert_eq!(endpoint.state_of(&event).await, ("exhausted".to_owned(), 4));
        let event = customer.event(&event).await;
        assert_eq!(event["payload"]["body"], "never taken");
        assert_eq!(event["attempts"].as_array().unwrap().len(), 4);
    }
    // The messages are in the inbox all the same.
    assert_eq!(customer.conversations().await.len(), EVENTS as usize);

    let operator = daemon.operator();
    let scrape = operator.scrape().await;
    assert_eq!(
        scrape.get("didfarm_webhooks_exhausted_total"),
        EVENTS as f64
    );
    let failed = "didfarm_webhooks_attempts_total{class=\"server_error\"}";
    assert_eq!(scrape.get(failed), 4.0 * EVENTS as f64);
    let troubled = operator.get("/ops/webhooks").await.expect(200);
    assert_eq!(troubled["data"][0]["id"], *endpoint.id);

    let mails = daemon.data_dir().join("mail");
    eventually("the account is mailed", BOUND, async || {
        let waiting = operator.get("/ops/mails").await.expect(200)["waiting"]["total"].clone();
        (waiting == 0 && !maildir(&mails).is_empty()).then_some(())
    })
    .await;
    let [mail] = &maildir(&mails)[..] else {
        panic!("the account is mailed more than once")
    };
    assert_eq!(mail.address("To"), OWNER);
    assert!(
        mail.text().contains(&sink.url("/status/503")),
        "{}",
        mail.text()
    );
}

#[tokio::test]
async fn gone_disables_at_once_and_the_others_and_the_owner_are_told() {
    let (daemon, customer) = start(options()).await;
    set_email(&customer).await;
    let sink = sink();
    let watching = json!({ "event_types": ["webhook.endpoint_disabled"] });
    let watcher = Endpoint::create(&customer, &sink.url("/ok"), watching).await;
    let leaving = Endpoint::create(&customer, &sink.url("/gone"), received_only(json!({}))).await;
    customer.wrote(PEER, NUMBER, "go away").await;
    let view = leaving
        .view_when("it is disabled", |view| view["status"] == "disabled")
        .await;
    assert_eq!(view["disabled_reason"], "gone");
    let came = delivered(&sink, "/ok", 1).await;
    let told = opened(&came[0], &watcher.secret);
    assert_eq!(
        (&told["endpoint_id"], &told["url"], &told["reason"]),
        (
            &json!(leaving.id),
            &json!(sink.url("/gone")),
            &json!("gone")
        )
    );
    // What happens from now on is missed, and nothing is sent.
    customer.wrote(PEER, NUMBER, "missed").await;
    let events = customer.events("?type=message.received").await;
    for event in &events {
        assert_eq!(leaving.state_of(&text(event, "id")).await.0, "missed");
    }
    assert_eq!((events.len(), counts(&sink, "/gone").requests), (2, 1));
    let mails = daemon.data_dir().join("mail");
    let mail = eventually("the owner is mailed", BOUND, async || maildir(&mails).pop()).await;
    assert_eq!(
        (mail.header("Subject"), mail.address("To")),
        ("Webhook endpoint disabled".into(), OWNER.into())
    );
    let scrape = daemon.operator().scrape().await;
    assert_eq!(
        scrape.get("didfarm_webhooks_disabled_total{cause=\"gone\"}"),
        1.0
    );
}

#[tokio::test]
async fn a_dead_endpoint_does_not_hold_up_a_healthy_one() {
    const EVENTS: u32 = 300;
    const DEAD_MAX: u64 = 8;
    let options = options()
        .set("webhooks.timeout_ms", 60_000)
        .set("webhooks.in_flight_max", 16)
        .set("webhooks.endpoint_in_flight_max", DEAD_MAX);
    let (mut daemon, customer) = start(options).await;
    let sink = sink();
    Endpoint::create(&customer, &sink.url("/dead"), received_only(json!({}))).await;
    let healthy = Endpoint::create(&customer, &sink.url("/ok"), received_only(json!({}))).await;
    // The dead one has its fill before the flood.
    for n in 0..DEAD_MAX as u32 {
        customer.wrote(&peer(n), NUMBER, "before").await;
    }
    eventually("the dead one holds its window", BOUND, async || {
        (counts(&sink, "/dead").in_flight > 0).then_some(())
    })
    .await;
    for n in 0..EVENTS {
        customer.wrote(&peer(n % 20), NUMBER, "flood").await;
    }
    delivered(&sink, "/ok", u64::from(EVENTS) + DEAD_MAX).await;
    healthy.idle().await;
    let (dead, ok) = (counts(&sink, "/dead"), counts(&sink, "/ok"));
    assert_eq!((ok.requests, ok.doubled), (u64::from(EVENTS) + DEAD_MAX, 0));
    assert!(dead.in_flight > 0 && dead.requests <= DEAD_MAX, "{dead:?}");
    // Nor does it hold up the stop; what it holds is there again at the next start.
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn an_ordered_endpoint_gets_each_conversation_in_its_order_and_holds_up_no_other() {
    const PEERS: u32 = 6;
    const EACH: usize = 3;
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let ordered = received_only(json!({ "retry_schedule": [1, 1], "ordered": true }));
    let endpoint = Endpoint::create(&customer, &sink.url("/flaky?fail=1"), ordered).await;
    for n in 0..EACH {
        for who in 0..PEERS {
            customer.wrote(&peer(who), NUMBER, &n.to_string()).await;
        }
    }
    let came = delivered(&sink, "/flaky", u64::from(PEERS) * EACH as u64).await;
    endpoint.idle().await;
    let mut by_peer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for value in came.iter().map(payload) {
        by_peer
            .entry(text(&value, "from"))
            .or_default()
            .push(text(&value, "body"));
    }
    for (peer, bodies) in &by_peer {
        // Each twice, because its first attempt fails, and the next one only then.
        assert_eq!(bodies, &["0", "0", "1", "1", "2", "2"], "{peer}");
    }
    assert_eq!(counts(&sink, "/flaky").inversions, 0);
    // All conversations began before any of them came to its second event.
    let bodies: Vec<String> = came.iter().map(|one| text(&payload(one), "body")).collect();
    let second = bodies.iter().position(|body| body == "1").unwrap();
    let begun: BTreeSet<_> = came[..second]
        .iter()
        .map(|one| text(&payload(one), "from"))
        .collect();
    assert_eq!(begun.len(), PEERS as usize);
}

#[tokio::test]
async fn a_rate_is_kept_and_retry_after_is_honoured() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let slow = received_only(json!({ "rate_per_second": 2 }));
    Endpoint::create(&customer, &sink.url("/ok"), slow).await;
    let busy = received_only(json!({ "retry_schedule": [1] }));
    let busy = Endpoint::create(&customer, &sink.url("/status/429?retry_after=3"), busy).await;
    for n in 0..8 {
        customer.wrote(&peer(n), NUMBER, "steady").await;
    }
    let came = delivered(&sink, "/ok", 8).await;
    let mut times: Vec<u64> = came.iter().map(|request| request.at_us).collect();
    times.sort_unstable();
    // A bucket of two is full at first; from then on one comes every half second.
    for (n, at) in times.iter().enumerate().skip(2) {
        let earliest = times[0] + (n as u64 - 2) * SECOND_US / 2;
        assert!(*at >= earliest, "{n} came early: {times:?}");
    }
    let throttled = eventually("a throttled event is tried again", BOUND, async || {
        let came = sink.latest("/status/429");
        let again = came.iter().find(|one| {
            came.iter()
                .filter(|other| other.webhook_id == one.webhook_id)
                .count()
                >= 2
        });
        again.map(|one| {
            let times = came
                .iter()
                .filter(|other| other.webhook_id == one.webhook_id);
            times.map(|one| one.at_us).collect::<Vec<_>>()
        })
    })
    .await;
    assert!(
        throttled[1] - throttled[0] >= 3 * SECOND_US,
        "{throttled:?}"
    );
    let attempts = busy.attempts("").await;
    assert!(
        attempts.iter().all(|row| row["result"] == "throttled"),
        "{attempts:?}"
    );
}
