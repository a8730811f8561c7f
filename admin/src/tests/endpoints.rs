//! Endpoints, their events and their attempts, over a real engine. Nobody answers where they are.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};

use super::*;

const WEBHOOKS: &str = "/api/v1/webhooks";

/// A URL at which nobody answers: its port was free a moment ago.
fn silent_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/in", listener.local_addr().unwrap())
}

#[actix_web::test]
async fn a_secret_is_shown_once_and_kept_by_nobody_on_the_way() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let url = silent_url();
    let wanted = json!({"url": url, "numbers": [NUMBER], "asymmetric": true, "ordered": true});
    let (status, headers, made) = ask!(app, key, TestRequest::post().uri(WEBHOOKS), wanted);
    assert_eq!(
        (status.as_u16(), &made["data"]["url"]),
        (201, &json!(url)),
        "{made}"
    );
    assert_eq!(header(&headers, CACHE_CONTROL), "no-store");
    let secret = made["data"]["secret"].as_str().unwrap();
    let public_key = made["data"]["public_key"].as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && public_key.starts_with("whpk_"),
        "{made}"
    );
    let path = header(&headers, LOCATION);
    assert_eq!(
        path,
        format!("{WEBHOOKS}/{}", made["data"]["id"].as_str().unwrap())
    );

    let (_, _, read) = ask!(app, key, TestRequest::get().uri(path));
    let mut expected = made["data"].clone();
    expected
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "secret" && name != "public_key");
    assert_eq!(read["data"], expected, "a read shows all but what signs");
    assert_eq!(
        (&read["data"]["numbers"], &read["data"]["status"]),
        (&json!([NUMBER]), &json!("enabled"))
    );
    let (_, _, list) = ask!(app, key, TestRequest::get().uri(WEBHOOKS));
    assert_eq!(list["data"], json!([expected]));

    let changed =
        json!({"event_types": ["wallet.low"], "rate_per_second": 5, "description": "bot"});
    let (status, _, changed) = ask!(app, key, TestRequest::patch().uri(path), changed);
    assert_eq!(
        (status.as_u16(), &changed["data"]["event_types"]),
        (200, &json!(["wallet.low"]))
    );
    assert_eq!(
        (&changed["data"]["url"], &changed["data"]["ordered"]),
        (&json!(url), &json!(true))
    );

    let rotate = format!("{path}/rotate-secret");
    let (status, headers, rotated) = ask!(app, key, TestRequest::post().uri(&rotate));
    assert_eq!(
        (status.as_u16(), header(&headers, CACHE_CONTROL)),
        (200, "no-store")
    );
    let data = &rotated["data"];
    assert!(data["secret"].as_str().unwrap().starts_with("whsec_") && data["secret"] != *secret);
    assert!(data["overlap_until"].as_str() > made["data"]["created_at"].as_str());
    let year = json!({"overlap_seconds": 31_536_000});
    let (_, _, refused) = ask!(app, key, TestRequest::post().uri(&rotate), year);
    assert_eq!(
        refused["errors"][0]["field"], "overlap_seconds",
        "{refused}"
    );

    let (status, _, _) = ask!(app, key, TestRequest::delete().uri(path));
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _, _) = ask!(app, key, TestRequest::get().uri(path));
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn another_accounts_endpoint_is_answered_as_one_that_there_is_not() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let (_, stranger) = kit.account("stranger").await;
    let app = customers!(kit);
    let wanted = json!({"url": silent_url()});
    let (_, _, made) = ask!(app, key, TestRequest::post().uri(WEBHOOKS), wanted);
    let id = made["data"]["id"].as_str().unwrap();
    let (_, _, tested) = ask!(
        app,
        key,
        TestRequest::post().uri(&format!("{WEBHOOKS}/{id}/test"))
    );
    let event = tested["data"][0]["event_id"].as_str().unwrap();
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let missing = "ep_0000000zzzz";
    let answers = async |id: &str, event: &str| {
        let path = |rest: &str| format!("{WEBHOOKS}/{id}{rest}");
        let mut answers = Vec::new();
        for (request, body) in [
            (TestRequest::get().uri(&path("")), None),
            (
                TestRequest::patch().uri(&path("")),
                Some(json!({"description": "mine"})),
            ),
            (TestRequest::delete().uri(&path("")), None),
            (TestRequest::post().uri(&path("/enable")), None),
            (TestRequest::post().uri(&path("/disable")), None),
            (TestRequest::post().uri(&path("/rotate-secret")), None),
            (TestRequest::post().uri(&path("/test")), None),
            (
                TestRequest::post().uri(&path("/resend")),
                Some(json!({"event_id": event})),
            ),
            (
                TestRequest::post().uri(&path("/recover")),
                Some(since.clone()),
            ),
            (TestRequest::get().uri(&path("/recovery")), None),
            (TestRequest::delete().uri(&path("/recovery")), None),
            (TestRequest::get().uri(&path("/attempts")), None),
            (
                TestRequest::get().uri(&format!("/api/v1/events/{event}")),
                None,
            ),
        ] {
            let request = match body {
                Some(body) => request.set_json(body),
                None => request,
            };
            let (status, _, mut body) = ask!(app, stranger, request);
            body.as_object_mut().unwrap().remove("request_id");
            assert_eq!(
                (status.as_u16(), &body["code"]),
                (404, &json!("not_found")),
                "{body}"
            );
            answers.push(body);
        }
        answers
    };
    assert_eq!(
        answers(id, event).await,
        answers(missing, "evt_0000000zzzz").await
    );
    let (_, _, list) = ask!(app, stranger, TestRequest::get().uri("/api/v1/events"));
    assert_eq!(list["data"], json!([]));
    let (_, _, read) = ask!(
        app,
        key,
        TestRequest::get().uri(&format!("{WEBHOOKS}/{id}"))
    );
    assert_eq!(
        (&read["data"]["status"], &read["data"]["description"]),
        (&json!("enabled"), &json!(""))
    );
}

#[actix_web::test]
async fn what_an_endpoint_cannot_be_is_refused_by_its_field() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let url = silent_url();
    for (wanted, status, code, field) in [
        (json!({}), 400, "validation_failed", "url"),
        (json!({"url": "ftp://example.com"}), 422, "url_unfit", "url"),
        (
            json!({"url": "http://example.com"}),
            422,
            "url_unfit",
            "url",
        ),
        (
            json!({"url": "https://169.254.169.254/"}),
            422,
            "url_unfit",
            "url",
        ),
        (
            json!({"url": url, "numbers": ["+31209999999"]}),
            404,
            "number_unknown",
            "numbers[0]",
        ),
        (
            json!({"url": url, "retry_schedule": [0]}),
            422,
            "endpoint_unfit",
            "retry_schedule",
        ),
        (
            json!({"url": url, "secret": "whsec_x"}),
            400,
            "unknown_field",
            "secret",
        ),
    ] {
        let (answered, _, refused) = ask!(app, key, TestRequest::post().uri(WEBHOOKS), wanted);
        assert_eq!(
            (
                answered.as_u16(),
                &refused["code"],
                &refused["errors"][0]["field"]
            ),
            (status, &json!(code), &json!(field)),
            "{refused}"
        );
    }
    let (_, _, list) = ask!(app, key, TestRequest::get().uri(WEBHOOKS));
    assert_eq!(list["data"], json!([]));
}

#[actix_web::test]
async fn an_event_shows_its_payload_and_every_attempt_and_is_sent_again_on_request() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let wanted = json!({"url": silent_url(), "event_types": ["message.received"]});
    let (_, _, made) = ask!(app, key, TestRequest::post().uri(WEBHOOKS), wanted);
    let id = made["data"]["id"].as_str().unwrap();
    let path = |rest: &str| format!("{WEBHOOKS}/{id}{rest}");
    for body in ["one", "two"] {
        let inbound = json!({"from": "+31612345678", "to": NUMBER, "body": body});
        let (status, _, _) = ask!(
            app,
            key,
            TestRequest::post().uri("/carriers/simulator/inbound"),
            inbound
        );
        assert_eq!(status, StatusCode::OK);
    }
    let (_, _, events) = ask!(
        app,
        key,
        TestRequest::get()
            .uri("/api/v1/events?type=message.received&number=%2B31201234567&limit=1")
    );
    let newest = events["data"][0].clone();
    let cursor = events["next_cursor"].as_str().unwrap();
    let (_, _, older) = ask!(
        app,
        key,
        TestRequest::get().uri(&format!("/api/v1/events?cursor={cursor}"))
    );
    assert_eq!(older["data"].as_array().unwrap().len(), 1, "{older}");
    assert!(older["data"][0]["id"].as_str() < newest["id"].as_str());
    let event_path = format!("/api/v1/events/{}", newest["id"].as_str().unwrap());

    let start = Instant::now();
    let event = loop {
        let (_, _, event) = ask!(app, key, TestRequest::get().uri(&event_path));
        if event["data"]["attempts"] != json!([]) {
            break event["data"].clone();
        }
        assert!(start.elapsed() < PATIENCE, "{event}");
        actix_web::rt::task::yield_now().await;
    };
    assert_eq!(
        (&event["payload"]["event"], &event["payload"]["body"]),
        (&json!("message.received"), &json!("two"))
    );
    assert_eq!(event["message_id"], event["payload"]["id"]);
    assert_eq!(
        event["endpoints"],
        json!([{"id": id, "state": "pending", "attempts": 1}])
    );
    let attempt = &event["attempts"][0];
    assert_eq!(
        (&attempt["result"], &attempt["status"]),
        (&json!("unreachable"), &Value::Null)
    );
    assert_eq!(
        (&attempt["next"]["state"], &attempt["manual"]),
        (&json!("retry"), &json!(false))
    );

    let failed = path("/attempts?result=failed&event_id=") + newest["id"].as_str().unwrap();
    let (_, _, attempts) = ask!(app, key, TestRequest::get().uri(&failed));
    assert_eq!(attempts["data"], event["attempts"]);
    let (_, _, none) = ask!(
        app,
        key,
        TestRequest::get().uri(&path("/attempts?result=succeeded"))
    );
    assert_eq!(
        (&none["data"], &none["has_more"]),
        (&json!([]), &json!(false))
    );
    let (status, _, _) = ask!(
        app,
        key,
        TestRequest::get().uri(&path(&format!("/attempts?cursor={cursor}")))
    );
    assert_eq!(status, StatusCode::BAD_REQUEST, "a cursor of another list");

    let again = json!({"event_id": newest["id"]});
    let (status, _, resent) = ask!(app, key, TestRequest::post().uri(&path("/resend")), again);
    assert_eq!(
        (status.as_u16(), &resent["data"]["endpoint_id"]),
        (202, &json!(id)),
        "{resent}"
    );
    let (status, _, disabled) = ask!(app, key, TestRequest::post().uri(&path("/disable")));
    let disabled = (status.as_u16(), disabled["data"]["disabled_reason"].clone());
    assert_eq!(disabled, (200, json!("customer")));
    let inbound = json!({"from": "+31612345678", "to": NUMBER, "body": "three"});
    ask!(
        app,
        key,
        TestRequest::post().uri("/carriers/simulator/inbound"),
        inbound
    );
    let range = json!({"since": newest["created_at"], "dry_run": true});
    let (status, _, counted) = ask!(app, key, TestRequest::post().uri(&path("/recover")), range);
    assert_eq!(status, StatusCode::OK, "{counted}");
    assert!(counted["data"]["count"].as_u64() >= Some(1), "{counted}");
    let (status, _, enabled) = ask!(app, key, TestRequest::post().uri(&path("/enable")));
    assert_eq!(
        (status.as_u16(), &enabled["data"]["status"]),
        (200, &json!("enabled"))
    );
    assert!(enabled["missed"]["count"].as_u64() >= Some(1), "{enabled}");
    let range = json!({"since": newest["created_at"], "per_second": 10});
    let (status, _, begun) = ask!(app, key, TestRequest::post().uri(&path("/recover")), range);
    assert_eq!(
        (status.as_u16(), &begun["data"]["per_second"]),
        (202, &json!(10)),
        "{begun}"
    );
}
