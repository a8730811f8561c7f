//! Nothing is lost: not by kill -9, not while an endpoint is disabled, not when its secret is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use didfarm_loadtest::sink::Received;
use didfarm_tests::customer::{Customer, NUMBER, text};
use didfarm_tests::peers::peer;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{
    BOUND, Endpoint, counts, delivered, ids, is_signed, opened, options, payload, sink,
};
use hyper::Method;
use serde_json::json;

use crate::{PEER, received_only, start};

/// Messages of the flood.
const FLOOD: u32 = 500;
/// How long before the kill an attempt's end may not have been durable yet.
const UNDURABLE: Duration = Duration::from_secs(1);

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("the clock is past 1970").as_micros() as u64
}

/// Brings the messages of the flood that are left, eight at a time, until the daemon is gone; each that was
/// answered is in the list.
async fn flood(customer: &Customer, next: &Arc<AtomicU32>, taken: &Arc<Mutex<Vec<String>>>) {
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (customer, next, taken) = (customer.clone(), Arc::clone(next), Arc::clone(taken));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= FLOOD {
                        return;
                    }
                    let body = json!({ "from": peer(n % 50), "to": NUMBER, "body": n.to_string() });
                    let path = "/carriers/simulator/inbound";
                    match customer.try_ask(Method::POST, path, Some(&body)).await {
                        Ok(answer) => {
                            let id = text(&answer.expect(200), "id");
                            taken.lock().unwrap().push(id);
                        }
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
}

/// The requests of each webhook-id, in their order.
fn by_id(came: &[Received]) -> BTreeMap<&str, Vec<&Received>> {
    let mut by_id: BTreeMap<&str, Vec<&Received>> = BTreeMap::new();
    for request in came {
        by_id.entry(&request.webhook_id).or_default().push(request);
    }
    by_id
}

#[tokio::test]
async fn kill_9_in_a_flood_loses_no_event_and_repeats_only_what_was_under_way() {
    let (mut daemon, customer) = start(options()).await;
    let sink = sink();
    let schedule = received_only(json!({ "retry_schedule": [1, 1, 1] }));
    let endpoint = Endpoint::create(&customer, &sink.url("/flaky?fail=1"), schedule).await;
    let (next, taken) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let flooding = {
        let (customer, next, taken) = (customer.clone(), Arc::clone(&next), Arc::clone(&taken));
        tokio::spawn(async move { flood(&customer, &next, &taken).await })
    };
    eventually("the flood is in the middle", BOUND, async || {
        let is_half = taken.lock().unwrap().len() >= FLOOD as usize / 2;
        (is_half && counts(&sink, "/flaky").succeeded >= 1).then_some(())
    })
    .await;
    let killed_us = now_us();
    daemon.kill9();
    flooding.await.unwrap();
    let before = sink.latest("/flaky");
    daemon.restart().await;

    // The rest of the flood, and what was not answered is not owed.
    flood(&daemon.customer(), &next, &taken).await;
    let taken = taken.lock().unwrap().clone();
    let endpoint = endpoint.at(&daemon.customer());
    endpoint.idle().await;
    let came = delivered(&sink, "/flaky", taken.len() as u64).await;
    let mut event_of: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for request in &came {
        opened(request, &endpoint.secret);
        let message = text(&payload(request), "id");
        event_of
            .entry(message)
            .or_default()
            .insert(&request.webhook_id);
    }
    for message in &taken {
        let events = event_of.get(message);
        let events = events.unwrap_or_else(|| panic!("{message} was never told of"));
        assert_eq!(
            events.len(),
            1,
            "{message} is told of by several ids: {events:?}"
        );
    }
    let edge_us = killed_us - UNDURABLE.as_micros() as u64;
    let mut retried_after = 0;
    for (id, requests) in by_id(&came) {
        assert!(requests.len() >= 2, "{id} was never answered with 200");
        assert_eq!(endpoint.state_of(id).await.0, "delivered");
        // The second one is answered with 200: a third one means that this was not durable.
        if requests.len() > 2 {
            assert!(
                requests[1].at_us >= edge_us,
                "{id} is repeated: {requests:?}"
            );
        }
        let was_tried = before.iter().any(|request| request.webhook_id == id);
        retried_after += u32::from(was_tried && requests[1].at_us > killed_us);
    }
    assert!(retried_after > 0, "no retry was due behind the restart");
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn what_a_disabled_endpoint_missed_is_counted_and_recovered_exactly() {
    const MISSED: u32 = 5;
    let (mut daemon, customer) = start(options()).await;
    let sink = sink();
    let endpoint = Endpoint::create(&customer, &sink.url("/gone"), received_only(json!({}))).await;
    customer.wrote(PEER, NUMBER, "go away").await;
    endpoint
        .view_when("it is disabled", |view| view["status"] == "disabled")
        .await;
    endpoint
        .change(&json!({ "url": sink.url("/ok/back") }))
        .await;
    for n in 0..MISSED {
        customer.wrote(&peer(n), NUMBER, "missed").await;
    }
    let events = customer.events("?type=message.received").await;
    let events: Vec<String> = events.iter().map(|event| text(event, "id")).collect();
    assert_eq!(events.len(), 1 + MISSED as usize);

    // One by hand, while it is disabled: it comes, and the endpoint's health is left alone.
    let health = endpoint.view().await["health"].clone();
    let resent = endpoint
        .post("/resend", &json!({ "event_id": events[0] }))
        .await
        .expect(202);
    assert_eq!(resent["data"]["event_id"], *events[0]);
    let came = delivered(&sink, "/ok/back", 1).await;
    assert_eq!(opened(&came[0], &endpoint.secret)["event_id"], *events[0]);
    let view = endpoint
        .view_when("the resend is done", |view| view["pending"] == 0)
        .await;
    assert_eq!(
        (&view["status"], &view["health"]),
        (&json!("disabled"), &health)
    );
    assert_eq!(endpoint.state_of(&events[0]).await.0, "delivered");
    let attempts = endpoint.attempts(&format!("?event_id={}", events[0])).await;
    assert_eq!((attempts.len(), &attempts[0]["manual"]), (1, &json!(true)));

    // What it was disabled by counts among what it missed.
    let since = json!({ "since": "2020-01-01T00:00:00Z", "dry_run": true });
    let counted = endpoint.post("/recover", &since).await.expect(200);
    assert_eq!(counted["data"]["count"], MISSED);
    daemon.kill9();
    daemon.restart().await;
    let endpoint = endpoint.at(&daemon.customer());
    let enabled = endpoint.post("/enable", &json!({})).await.expect(200);
    assert_eq!(enabled["data"]["status"], "enabled");
    let missed = &enabled["missed"];
    assert_eq!(missed["count"], MISSED, "{missed}");
    assert_eq!(
        counts(&sink, "/ok/back").requests,
        1,
        "nothing comes before it is asked for"
    );
    let recover = json!({ "since": "2020-01-01T00:00:00Z", "per_second": 1 });
    let started = endpoint.post("/recover", &recover).await.expect(202);
    assert_eq!(
        (&started["data"]["count"], &started["data"]["per_second"]),
        (&json!(MISSED), &json!(1))
    );
    let again = endpoint.post("/recover", &recover).await;
    again.refused(409, "recovery_running");

    let came = delivered(&sink, "/ok/back", 1 + u64::from(MISSED)).await;
    assert_eq!(
        (ids(&came), came.len()),
        (events.iter().cloned().collect(), events.len())
    );
    let mut times: Vec<u64> = came[1..].iter().map(|one| one.at_us).collect();
    times.sort_unstable();
    let took_us = times[times.len() - 1] - times[0];
    assert!(
        took_us >= u64::from(MISSED - 2) * 1_000_000,
        "faster than its pace: {times:?}"
    );
    let done = eventually("the recovery is done", BOUND, async || {
        let customer = daemon.customer();
        let now = customer.get(&endpoint.path("/recovery")).await.expect(200)["data"].clone();
        (now["state"] == "done").then_some(now)
    })
    .await;
    assert_eq!(done["queued"], MISSED);
    // Nothing is left, and what happens now comes by itself.
    let counted = endpoint.post("/recover", &since).await.expect(200);
    assert_eq!(counted["data"]["count"], 0);
    daemon.customer().wrote(PEER, NUMBER, "live again").await;
    delivered(&sink, "/ok/back", 2 + u64::from(MISSED)).await;
}

#[tokio::test]
async fn what_was_delivered_can_be_sent_once_more_as_a_whole() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), json!({})).await;
    for n in 0..3 {
        customer.wrote(&peer(n), NUMBER, "once").await;
    }
    delivered(&sink, "/ok", 6).await;
    endpoint.idle().await;
    let undelivered = json!({ "since": "2020-01-01T00:00:00Z", "dry_run": true });
    assert_eq!(
        endpoint.post("/recover", &undelivered).await.expect(200)["data"]["count"],
        0
    );
    let all = json!({
        "since": "2020-01-01T00:00:00Z", "scope": "all", "event_types": ["message.received"],
        "per_second": 1_000,
    });
    assert_eq!(
        endpoint.post("/recover", &all).await.expect(202)["data"]["count"],
        3
    );
    eventually("all came twice", BOUND, async || {
        (counts(&sink, "/ok").succeeded == 9).then_some(())
    })
    .await;
    for (id, requests) in by_id(&sink.latest("/ok")) {
        let is_message = payload(requests[0])["event"] == "message.received";
        assert_eq!(requests.len(), 1 + usize::from(is_message), "{id}");
        assert_eq!(requests[0].body, requests[requests.len() - 1].body);
    }
}

#[tokio::test]
async fn both_secrets_sign_while_a_rotation_overlaps_and_then_only_the_new_one() {
    let (mut daemon, customer) = start(options()).await;
    let sink = sink();
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), received_only(json!({}))).await;
    let rotate = async |endpoint: &Endpoint, overlap_s: u64| {
        let body = json!({ "overlap_seconds": overlap_s });
        let answer = endpoint.post("/rotate-secret", &body).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        text(&answer.expect(200)["data"], "secret")
    };
    let second = rotate(&endpoint, 3_600).await;
    // A restart in between changes nothing.
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    let endpoint = endpoint.at(&customer);
    customer.wrote(PEER, NUMBER, "while both hold").await;
    let came = delivered(&sink, "/ok", 1).await;
    for secret in [&endpoint.secret, &second] {
        opened(&came[0], secret);
    }
    let third = rotate(&endpoint, 1).await;
    let mut sent = 1;
    let last = eventually("the overlap is over", BOUND, async || {
        customer.wrote(PEER, NUMBER, "and now").await;
        sent += 1;
        let last = delivered(&sink, "/ok", sent).await.pop().unwrap();
        assert!(is_signed(&last, &third), "the newest always signs");
        (!is_signed(&last, &second)).then_some(last)
    })
    .await;
    assert!(!is_signed(&last, &endpoint.secret));
    assert_eq!(last.webhook_signature.split(' ').count(), 1);
}
