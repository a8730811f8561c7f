//! Refusals: what an endpoint cannot be, or cannot be asked for, is named by its field.

use didfarm_tests::customer::{NUMBER, text};
use didfarm_tests::webhooks::{Endpoint, options, sink};
use hyper::Method;
use serde_json::json;

use crate::{PEER, start};

#[tokio::test]
async fn bad_settings_are_refused_by_their_field() {
    let (_daemon, customer) = start(options()).await;
    let endpoint = Endpoint::create(&customer, "https://example.com/", json!({})).await;
    let types = vec!["message.received"; 65];
    for (change, status, code, field) in [
        (json!({ "url": 7 }), 400, "validation_failed", "url"),
        (
            json!({ "event_types": ["sms"] }),
            400,
            "validation_failed",
            "event_types[0]",
        ),
        (
            json!({ "event_types": "sms" }),
            400,
            "validation_failed",
            "event_types",
        ),
        (
            json!({ "event_types": types }),
            422,
            "endpoint_unfit",
            "event_types",
        ),
        (
            json!({ "numbers": ["+31209999999"] }),
            404,
            "number_unknown",
            "numbers[0]",
        ),
        (
            json!({ "numbers": ["x"] }),
            400,
            "validation_failed",
            "numbers[0]",
        ),
        (
            json!({ "channels": ["sms", "fax"] }),
            400,
            "validation_failed",
            "channels[1]",
        ),
        (
            json!({ "payload": "xml" }),
            400,
            "validation_failed",
            "payload",
        ),
        (
            json!({ "retry_schedule": "never" }),
            400,
            "validation_failed",
            "retry_schedule",
        ),
        (
            json!({ "retry_schedule": [0] }),
            422,
            "endpoint_unfit",
            "retry_schedule",
        ),
        (
            json!({ "retry_schedule": vec![1; 17] }),
            422,
            "endpoint_unfit",
            "retry_schedule",
        ),
        (
            json!({ "retry_schedule": [604_801] }),
            422,
            "endpoint_unfit",
            "retry_schedule",
        ),
        (
            json!({ "ordered": "yes" }),
            400,
            "validation_failed",
            "ordered",
        ),
        (
            json!({ "rate_per_second": 0 }),
            422,
            "endpoint_unfit",
            "rate_per_second",
        ),
        (
            json!({ "rate_per_second": 10_001 }),
            422,
            "endpoint_unfit",
            "rate_per_second",
        ),
        (
            json!({ "description": "x".repeat(201) }),
            422,
            "endpoint_unfit",
            "description",
        ),
        (
            json!({ "description": "a\nb" }),
            422,
            "endpoint_unfit",
            "description",
        ),
        (
            json!({ "secret": "whsec_x" }),
            400,
            "unknown_field",
            "secret",
        ),
    ] {
        let mut made = change.clone();
        if made["url"].is_null() {
            made["url"] = json!("https://example.com/");
        }
        let created = customer.post("/api/v1/webhooks", &made).await;
        let changed = customer
            .ask(Method::PATCH, &endpoint.path(""), Some(&change))
            .await;
        for answer in [created, changed] {
            let problem = answer.refused(status, code);
            assert_eq!(problem["errors"][0]["field"], field, "{change}: {problem}");
        }
    }
    let missing = customer.post("/api/v1/webhooks", &json!({})).await;
    assert_eq!(
        missing.refused(400, "validation_failed")["errors"][0]["field"],
        "url"
    );
    assert_eq!(
        customer.get("/api/v1/webhooks").await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn bad_commands_are_refused_by_their_field_and_what_is_not_there_is_not_found() {
    let (_daemon, customer) = start(options()).await;
    let sink = sink();
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), json!({})).await;
    let told = customer.wrote(PEER, NUMBER, "hello").await;
    for (tail, body, status, code, field) in [
        ("/resend", json!({}), 400, "validation_failed", "event_id"),
        (
            "/resend",
            json!({ "event_id": told["id"] }),
            400,
            "validation_failed",
            "event_id",
        ),
        (
            "/test",
            json!({ "event_types": ["x"] }),
            400,
            "validation_failed",
            "event_types[0]",
        ),
        ("/recover", json!({}), 400, "validation_failed", "since"),
        (
            "/recover",
            json!({ "since": "today" }),
            400,
            "validation_failed",
            "since",
        ),
        (
            "/recover",
            json!({ "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z" }),
            422,
            "recovery_unfit",
            "until",
        ),
        (
            "/recover",
            json!({ "since": "2026-01-02T00:00:00Z", "per_second": 0 }),
            422,
            "recovery_unfit",
            "per_second",
        ),
        (
            "/recover",
            json!({ "since": "2026-01-02T00:00:00Z", "scope": "some" }),
            400,
            "validation_failed",
            "scope",
        ),
    ] {
        let problem = endpoint.post(tail, &body).await.refused(status, code);
        assert_eq!(
            problem["errors"][0]["field"], field,
            "{tail} {body}: {problem}"
        );
    }
    let unknown = json!({ "event_id": "evt_00000000001" });
    endpoint
        .post("/resend", &unknown)
        .await
        .refused(404, "not_found");
    customer
        .get("/api/v1/webhooks/ep_00000000zzz")
        .await
        .refused(404, "not_found");
    customer
        .get("/api/v1/events/evt_00000000001")
        .await
        .refused(404, "not_found");
    let cancel = customer
        .ask(Method::DELETE, &endpoint.path("/recovery"), None)
        .await;
    assert!([404, 409].contains(&cancel.status), "{}", cancel.text());
    // A deleted endpoint is as one that never was, and is told of nothing any more.
    let before = sink.ids("/ok").len();
    endpoint.idle().await;
    let deleted = customer.ask(Method::DELETE, &endpoint.path(""), None).await;
    assert_eq!(deleted.status, 204);
    for tail in ["", "/attempts"] {
        customer
            .get(&endpoint.path(tail))
            .await
            .refused(404, "not_found");
    }
    let event = text(&customer.events("?type=message.received").await[0], "id");
    let again = json!({ "event_id": event });
    endpoint
        .post("/resend", &again)
        .await
        .refused(404, "not_found");
    customer.wrote(PEER, NUMBER, "nobody is told").await;
    let told_of = customer.events("").await;
    assert!(
        sink.ids("/ok").len() >= before && told_of.len() == 2,
        "{told_of:?}"
    );
    customer.get("/api/v1/webhooks").await.expect(200);
}
