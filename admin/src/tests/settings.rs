//! What owners set of their numbers and accounts, forwarding, and what operators see of trouble.

use actix_web::http::header::CACHE_CONTROL;

use super::*;

async fn first_number<S, B>(list: impl AsyncFnOnce() -> (S, B, Value)) -> String {
    let (_, _, list) = list().await;
    format!("/api/v1/sms/numbers/{}", list["data"][0]["id"])
}

#[actix_web::test]
async fn an_owner_sets_a_numbers_url_forwarding_and_auto_reply() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let (_, stranger) = kit.account("stranger").await;
    let app = customers!(kit);
    let numbers = TestRequest::get().uri("/api/v1/portal/sms/numbers");
    let path = first_number(async || ask!(app, key, numbers)).await;
    let (_, _, bare) = ask!(app, key, TestRequest::get().uri(&path));
    assert_eq!(
        (
            &bare["data"]["number"],
            &bare["data"]["inbound_webhook_url"],
            &bare["data"]["auto_reply"]
        ),
        (&json!(NUMBER), &Value::Null, &Value::Null)
    );
    for request in [
        TestRequest::get().uri(&path),
        TestRequest::patch().uri(&path).set_json(json!({})),
    ] {
        let (status, _, _) = ask!(app, stranger, request);
        assert_eq!(status, StatusCode::NOT_FOUND);
    }

    let refused =
        json!({"inbound_webhook_url": "http://example.com", "forward_to_email": "a@example.com"});
    let (status, _, refused) = ask!(app, key, TestRequest::patch().uri(&path), refused);
    assert_eq!(
        (status.as_u16(), &refused["errors"][0]["field"]),
        (422, &json!("inbound_webhook_url"))
    );
    let (_, _, read) = ask!(app, key, TestRequest::get().uri(&path));
    assert_eq!(read, bare, "what is refused changes nothing");

    let wanted = json!({
        "inbound_webhook_url": "https://127.0.0.1:8443/in",
        "forward_to_email": "desk@example.com",
        "auto_reply": {"immediate": "Thank you for contacting us!"},
    });
    let (status, headers, set) = ask!(app, key, TestRequest::patch().uri(&path), wanted);
    assert_eq!(
        (status.as_u16(), header(&headers, CACHE_CONTROL)),
        (200, "no-store"),
        "{set}"
    );
    assert!(
        set["data"]["inbound_webhook_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );
    let (_, _, read) = ask!(app, key, TestRequest::get().uri(&path));
    let mut shown = set["data"].clone();
    shown
        .as_object_mut()
        .unwrap()
        .remove("inbound_webhook_secret");
    assert_eq!(read["data"], shown);
    assert_eq!(
        shown["auto_reply"]["immediate"],
        "Thank you for contacting us!"
    );
    let endpoint = format!(
        "/api/v1/webhooks/{}",
        shown["inbound_webhook_id"].as_str().unwrap()
    );
    let (_, _, endpoint) = ask!(app, key, TestRequest::get().uri(&endpoint));
    assert_eq!(
        (&endpoint["data"]["number"], &endpoint["data"]["url"]),
        (&json!(NUMBER), &shown["inbound_webhook_url"])
    );

    let away = json!({"inbound_webhook_url": null, "forward_to_email": null, "auto_reply": null});
    let (_, _, away) = ask!(app, key, TestRequest::patch().uri(&path), away);
    assert_eq!(away, bare);
}

#[actix_web::test]
async fn an_owner_sets_the_accounts_address_and_threshold() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let path = "/api/v1/account";
    let (_, _, bare) = ask!(app, key, TestRequest::get().uri(path));
    let data = &bare["data"];
    assert_eq!(
        (&data["name"], &data["email"], &data["balance"]),
        (&json!("customer"), &Value::Null, &json!(1))
    );
    let wanted = json!({"email": "Boss@Example.com", "low_balance": "2.50"});
    let (status, _, set) = ask!(app, key, TestRequest::patch().uri(path), wanted);
    let set = (
        status.as_u16(),
        set["data"]["email"].clone(),
        set["data"]["low_balance"].clone(),
    );
    assert_eq!(set, (200, json!("Boss@example.com"), json!(2.5)));
    for (wanted, field) in [
        (json!({"email": "nobody"}), "email"),
        (json!({"low_balance": -1}), "low_balance"),
        (json!({"balance": 5}), "balance"),
    ] {
        let (_, _, refused) = ask!(app, key, TestRequest::patch().uri(path), wanted);
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let away = json!({"email": null, "low_balance": null});
    let (_, _, away) = ask!(app, key, TestRequest::patch().uri(path), away);
    assert_eq!(away, bare);
}

#[actix_web::test]
async fn a_forwarded_message_is_taken_and_operators_see_no_ones_name() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let forward = |number: &str| {
        json!({
            "number": number,
            "email": "support@example.com",
            "message": {"from": "+31612345678", "body": "Hi", "received_at": "2026-04-05T14:22:08Z"},
        })
    };
    let path = "/api/v1/sms/forward-to-email";
    let (status, _, taken) = ask!(app, key, TestRequest::post().uri(path), forward(NUMBER));
    assert_eq!(
        (status.as_u16(), &taken["success"]),
        (202, &json!(true)),
        "{taken}"
    );
    assert!(taken["id"].as_str().unwrap().starts_with("mail_"));
    let (status, _, refused) = ask!(
        app,
        key,
        TestRequest::post().uri(path),
        forward("+31209999999")
    );
    assert_eq!(
        (status.as_u16(), &refused["errors"][0]["field"]),
        (404, &json!("number"))
    );

    let recorder = PrometheusBuilder::new().build_recorder();
    let ops = init_service(
        App::new()
            .app_data(Rc::new(kit.front()))
            .app_data(Ops::new(recorder.handle(), Arc::from(TOKEN)))
            .configure(ops::routes),
    )
    .await;
    let operator = (AUTHORIZATION, format!("Bearer {TOKEN}"));
    let (status, _, mails) = ask!(
        ops,
        operator,
        TestRequest::get().uri("/ops/mails?limit=100")
    );
    assert_eq!(
        (status.as_u16(), &mails["given_up"]),
        (200, &json!({"data": [], "total": 0})),
        "{mails}"
    );
    assert!(!mails.to_string().contains("support@"), "{mails}");
    let (_, _, troubled) = ask!(ops, operator, TestRequest::get().uri("/ops/webhooks"));
    assert_eq!(troubled["data"], json!([]));
    for path in ["/ops/mails", "/ops/webhooks"] {
        let (status, _, _) = ask!(ops, key, TestRequest::get().uri(path));
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
