//! Filters: each endpoint is told of what concerns it, and no account of another's.

use std::collections::BTreeSet;

use didfarm_tests::customer::{NUMBER, NUMBER_2, text};
use didfarm_tests::webhooks::{Endpoint, delivered, opened, options, payload, sink};
use hyper::Method;
use serde_json::{Value, json};

use crate::{PEER, start};

#[tokio::test]
async fn each_endpoint_is_told_of_what_its_filter_lets_pass() {
    let (daemon, customer) = start(options()).await;
    let sink = sink();
    let number_2 = customer.number_path(NUMBER_2).await;
    let number_2: u64 = number_2.rsplit('/').next().unwrap().parse().unwrap();
    let mut endpoints = Vec::new();
    for (path, filter) in [
        ("/ok/all", json!({})),
        (
            "/ok/types",
            json!({ "event_types": ["message.received", "number.added"] }),
        ),
        ("/ok/number", json!({ "numbers": [NUMBER_2] })),
        (
            "/ok/number-id",
            json!({ "numbers": [number_2], "event_types": ["message.received"] }),
        ),
        ("/ok/channel", json!({ "channels": ["whatsapp"] })),
    ] {
        endpoints.push(Endpoint::create(&customer, &sink.url(path), filter).await);
    }
    customer.wrote(PEER, NUMBER, "to one").await;
    customer.wrote(PEER, NUMBER_2, "to two").await;
    let by_whatsapp =
        json!({ "from": "+31612345679", "to": NUMBER, "body": "whatsapp", "channel": "whatsapp" });
    customer.inbound(&by_whatsapp).await.expect(200);
    let hosted = json!({
        "account": "acct_00000000001", "e164": "+31203333333", "sms": true, "whatsapp": false,
    });
    daemon
        .operator()
        .post("/ops/numbers", &hosted)
        .await
        .expect(201);

    let told = |path: &str| -> Vec<String> {
        let came = sink.latest(path);
        let mut told: Vec<_> = came
            .iter()
            .map(payload)
            .map(|value| {
                format!(
                    "{} {}",
                    text(&value, "event"),
                    value["body"].as_str().unwrap_or("-")
                )
            })
            .collect();
        told.sort();
        told
    };
    // Everything is told to the first; once it has all, and nobody waits, nothing more comes.
    delivered(&sink, "/ok/all", 7).await;
    for endpoint in &endpoints {
        endpoint.idle().await;
    }
    for (path, wanted) in [
        (
            "/ok/types",
            &[
                "message.received to one",
                "message.received to two",
                "message.received whatsapp",
                "number.added -",
            ][..],
        ),
        (
            "/ok/number",
            &["conversation.created -", "message.received to two"],
        ),
        ("/ok/number-id", &["message.received to two"]),
        (
            "/ok/channel",
            &["conversation.created -", "message.received whatsapp"],
        ),
    ] {
        assert_eq!(told(path), wanted, "{path}");
    }
    assert_eq!(told("/ok/all").len(), 7);
    // The list of events says the same of them, newest first.
    let events = customer.events("").await;
    let ids: Vec<_> = events.iter().map(|event| text(event, "id")).collect();
    assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
    assert_eq!(
        ids.into_iter().collect::<BTreeSet<_>>(),
        sink.ids("/ok/all").into_iter().collect()
    );
    let of_two = customer
        .events("?type=message.received&number=%2B31207654321")
        .await;
    assert_eq!(of_two.len(), 1);
    assert_eq!(
        customer.event(&text(&of_two[0], "id")).await["payload"]["body"],
        "to two"
    );
}

#[tokio::test]
async fn a_number_has_an_inbound_url_of_its_own() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let change = json!({ "inbound_webhook_url": sink.url("/ok/one") });
    let set = customer.set_number(NUMBER, &change).await;
    let secret = text(&set, "inbound_webhook_secret");
    assert_eq!(set["inbound_webhook_url"], change["inbound_webhook_url"]);
    customer.wrote(PEER, NUMBER, "to one").await;
    customer.wrote(PEER, NUMBER_2, "to two").await;
    let came = delivered(&sink, "/ok/one", 1).await;
    assert_eq!(opened(&came[0], &secret)["body"], "to one");
    // Another URL is the same endpoint with the same secret, which is not shown again.
    let change = json!({ "inbound_webhook_url": sink.url("/ok/other") });
    let changed = customer.set_number(NUMBER, &change).await;
    assert_eq!(changed["inbound_webhook_id"], set["inbound_webhook_id"]);
    assert_eq!(changed.get("inbound_webhook_secret"), None);
    customer.wrote(PEER, NUMBER, "to the other").await;
    let came = delivered(&sink, "/ok/other", 1).await;
    assert_eq!(opened(&came[0], &secret)["body"], "to the other");
    let gone = customer
        .set_number(NUMBER, &json!({ "inbound_webhook_url": null }))
        .await;
    assert_eq!(gone["inbound_webhook_id"], Value::Null);
    assert_eq!(
        customer.get("/api/v1/webhooks").await.expect(200)["data"],
        json!([])
    );
    assert_eq!(
        (sink.ids("/ok/one").len(), sink.ids("/ok/other").len()),
        (1, 1)
    );
}

#[tokio::test]
async fn no_account_sees_anything_of_another() {
    let (daemon, customer) = start(options()).await;
    let sink = sink();
    let made = daemon
        .operator()
        .make_account("Acme", "+31203333333", Some("1"))
        .await;
    let acme = customer.with_key(&made.key);
    let own = Endpoint::create(&customer, &sink.url("/ok/own"), json!({})).await;
    let others = Endpoint::create(&acme, &sink.url("/ok/others"), json!({})).await;
    customer.wrote(PEER, NUMBER, "to the first").await;
    acme.wrote(PEER, "+31203333333", "to the other").await;
    delivered(&sink, "/ok/own", 2).await;
    delivered(&sink, "/ok/others", 2).await;
    own.idle().await;
    others.idle().await;
    for (path, number) in [("/ok/own", NUMBER), ("/ok/others", "+31203333333")] {
        for value in sink.latest(path).iter().map(payload) {
            let about = value.get("to").unwrap_or(&value["number"]);
            assert_eq!(about, number, "{value}");
        }
    }
    let event = &sink.ids("/ok/own")[0];
    let body = json!({});
    for (method, path) in [
        (Method::GET, own.path("")),
        (Method::PATCH, own.path("")),
        (Method::DELETE, own.path("")),
        (Method::POST, own.path("/enable")),
        (Method::POST, own.path("/disable")),
        (Method::POST, own.path("/rotate-secret")),
        (Method::POST, own.path("/test")),
        (Method::GET, own.path("/attempts")),
        (Method::GET, own.path("/recovery")),
        (Method::DELETE, own.path("/recovery")),
        (Method::GET, format!("/api/v1/events/{event}")),
        (Method::GET, customer.number_path(NUMBER).await),
        (Method::PATCH, customer.number_path(NUMBER).await),
    ] {
        let has_body = matches!(method, Method::POST | Method::PATCH);
        let answer = acme.ask(method, &path, has_body.then_some(&body)).await;
        answer.refused(404, "not_found");
    }
    let stolen = others.post("/resend", &json!({ "event_id": event })).await;
    stolen.refused(404, "not_found");
    let since = json!({ "since": "2020-01-01T00:00:00Z", "dry_run": true });
    own.at(&acme)
        .post("/recover", &since)
        .await
        .refused(404, "not_found");
    let foreign = json!({ "url": sink.url("/ok/x"), "numbers": [NUMBER] });
    acme.post("/api/v1/webhooks", &foreign)
        .await
        .refused(404, "number_unknown");
    assert_eq!(acme.events("").await.len(), 2);
    // It is still there for its owner, as it was.
    assert_eq!(own.view().await["status"], "enabled");
}
