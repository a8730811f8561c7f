//! Addresses: nothing is sent into the operator's own networks, whatever the URL says or leads to.

use didfarm_tests::customer::NUMBER;
use didfarm_tests::options::Options;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{BOUND, Endpoint, options, sink};
use hyper::Method;
use serde_json::{Value, json};

use crate::start;

/// The first attempt that is listed of an endpoint.
async fn first_attempt(endpoint: &Endpoint) -> Value {
    eventually("an attempt is listed", BOUND, async || {
        endpoint.attempts("").await.into_iter().next_back()
    })
    .await
}

#[tokio::test]
async fn an_address_inside_is_refused_by_the_field_url() {
    let (_daemon, customer) = start(Options::new()).await;
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::127.0.0.1]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "http://example.com/",
        "http://localhost/",
        "ftp://example.com/",
        "https://user:password@example.com/",
        "https://example.com/#fragment",
        "https://example.com:25/",
        "https:///nowhere",
        "example.com",
        "",
        &long,
    ] {
        let answer = customer
            .post("/api/v1/webhooks", &json!({ "url": url }))
            .await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], "url", "{url}");
        let path = customer.number_path(NUMBER).await;
        let change = json!({ "inbound_webhook_url": url });
        let answer = customer.ask(Method::PATCH, &path, Some(&change)).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text());
        assert_eq!(
            answer.json()["errors"][0]["field"],
            "inbound_webhook_url",
            "{url}"
        );
    }
    assert_eq!(
        customer.get("/api/v1/webhooks").await.expect(200)["data"],
        json!([])
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_is_never_connected_to() {
    let (mut daemon, customer) = start(options()).await;
    let sink = sink();
    let url = format!("https://localhost:{}/ok", sink.address().port());
    let endpoint = Endpoint::create(&customer, &url, json!({ "retry_schedule": [] })).await;
    // The operator allows it no more: every attempt is judged by where the name leads now.
    daemon.kill9();
    daemon.reconfigure(|_| Options::new());
    daemon.restart().await;
    let customer = daemon.customer();
    let endpoint = endpoint.at(&customer);
    let again = customer
        .post("/api/v1/webhooks", &json!({ "url": url }))
        .await;
    assert_eq!(again.refused(422, "url_unfit")["errors"][0]["field"], "url");
    endpoint
        .post("/test", &json!({ "event_types": ["wallet.low"] }))
        .await
        .expect(202);
    let attempt = first_attempt(&endpoint).await;
    assert_eq!(
        (&attempt["result"], &attempt["status"]),
        (&json!("forbidden_address"), &Value::Null)
    );
    assert_eq!(sink.report().connections, 0);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_leads_nowhere() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    for status in [301, 302, 303, 307, 308] {
        let to = sink
            .url("/ok/target")
            .replace(':', "%3A")
            .replace('/', "%2F");
        let url = sink.url(&format!("/redirect/{status}?status={status}&to={to}"));
        let endpoint = Endpoint::create(&customer, &url, json!({ "retry_schedule": [] })).await;
        endpoint
            .post("/test", &json!({ "event_types": ["wallet.low"] }))
            .await
            .expect(202);
        let attempt = first_attempt(&endpoint).await;
        assert_eq!(
            (
                &attempt["result"],
                &attempt["status"],
                &attempt["next"]["state"]
            ),
            (&json!("redirected"), &json!(status), &json!("exhausted"))
        );
    }
    let paths: Vec<_> = sink.report().paths.into_keys().collect();
    assert!(
        !paths.contains(&"/ok/target".to_owned()) && paths.len() == 5,
        "{paths:?}"
    );
}

#[tokio::test]
async fn the_daemons_own_listeners_are_never_called() {
    let (daemon, customer) = start(options()).await;
    for address in [daemon.ops_address(), daemon.address()] {
        let body = json!({ "url": format!("http://{address}/"), "retry_schedule": [] });
        let answer = customer.post("/api/v1/webhooks", &body).await;
        if answer.status == 422 {
            assert_eq!(answer.json()["errors"][0]["field"], "url");
            continue;
        }
        answer.expect(201);
        let endpoint = Endpoint::create(&customer, &format!("http://{address}/x"), body).await;
        endpoint
            .post("/test", &json!({ "event_types": ["wallet.low"] }))
            .await
            .expect(202);
        assert_eq!(
            first_attempt(&endpoint).await["result"],
            "forbidden_address"
        );
    }
}
