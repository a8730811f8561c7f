//! Tests of customers' and operators' routes over a real engine.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::test::{
    TestRequest, call_and_read_body_json, call_service, init_service, read_body,
};
use actix_web::{App, web};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};

use crate::api::{self, SendBounds};
use crate::carriers;
use crate::exchange;
use crate::kit::{Kit, NUMBER};
use crate::ops::{self, Ops};

/// How long a condition may take to become true.
const PATIENCE: Duration = Duration::from_secs(20);
const TOKEN: &str = "the operators' token";

/// An app of the customers' routes.
macro_rules! customers {
    ($kit:expr) => {
        init_service(
            App::new()
                .app_data(Rc::new($kit.front()))
                .app_data(SendBounds::new($kit.settings.delivery.validity_max()))
                .configure(api::routes)
                .configure(carriers::routes)
                .default_service(web::to(exchange::not_found())),
        )
        .await
    };
}

/// What an answer is made of; a body that is no JSON is `null`.
type Answer = (StatusCode, HeaderMap, Value);

/// Asks with a key, and with a JSON body where one is given.
macro_rules! ask {
    ($app:expr, $key:expr, $request:expr $(, $body:expr)?) => {{
        let request = $request.insert_header($key.clone());
        $(let request = request.set_json($body);)?
        crate::tests::answer(call_service(&$app, request.to_request()).await).await
    }};
}

async fn answer<B: MessageBody>(response: ServiceResponse<B>) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = read_body(response).await;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (status, headers, body)
}

/// A header that the answer must have.
fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(&name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().unwrap()
}

mod endpoints;
mod settings;

#[actix_web::test]
async fn a_template_reaches_a_user_without_a_number_and_shows_its_route() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let send = TestRequest::post()
        .uri("/api/v1/sms/messages")
        .insert_header(key.clone())
        .set_json(json!({
            "from": NUMBER,
            "to": "NL.1349120865",
            "channel": "whatsapp",
            "template": {"name": "hello", "language": "nl", "components": []},
            "validity_period": 60,
        }));
    let sent: Value = call_and_read_body_json(&app, send.to_request()).await;
    assert_eq!(sent["data"]["to"], "NL.1349120865", "{sent}");
    assert_eq!(sent["data"]["body"], "[template hello]");
    let path = format!(
        "/api/v1/sms/messages/{}",
        sent["data"]["id"].as_str().unwrap()
    );
    let start = Instant::now();
    let message = loop {
        let read = TestRequest::get().uri(&path).insert_header(key.clone());
        let message: Value = call_and_read_body_json(&app, read.to_request()).await;
        let message = message["data"].clone();
        if message["submits"] == 1 {
            break message;
        }
        assert!(start.elapsed() < PATIENCE, "{message}");
        actix_web::rt::task::yield_now().await;
    };
    assert_eq!(message["carrier"], "simulator");
    assert_eq!(message["route_reason"], "preferred");
    assert_eq!(message["message_type"], "template");
    assert_eq!(
        message["template"],
        json!({"name": "hello", "language": "nl", "components": []})
    );
    assert!(message["valid_until"].as_str() > message["created_at"].as_str());

    let list = TestRequest::get()
        .uri("/api/v1/portal/sms")
        .insert_header(key);
    let list: Value = call_and_read_body_json(&app, list.to_request()).await;
    let row = &list["data"][0];
    assert_eq!(
        (&row["carrier"], &row["route_carrier"]),
        (&json!("didfarm"), &json!("simulator"))
    );
}

#[actix_web::test]
async fn what_a_channel_cannot_carry_names_the_channel() {
    let kit = Kit::start();
    let key = kit.customer().await;
    let app = customers!(kit);
    let send = TestRequest::post()
        .uri("/api/v1/portal/sms/send")
        .insert_header(key)
        .set_json(json!({
            "from": NUMBER,
            "to": "+31612345678",
            "media": {"type": "image", "url": "https://example.com/a.png"},
        }));
    let refused: Value = call_and_read_body_json(&app, send.to_request()).await;
    assert_eq!(
        (
            &refused["status"],
            &refused["code"],
            &refused["errors"][0]["field"]
        ),
        (&json!(422), &json!("channel_unfit"), &json!("channel")),
        "{refused}"
    );
}

#[actix_web::test]
async fn operators_see_carriers_and_what_needs_them() {
    let kit = Kit::start();
    let recorder = PrometheusBuilder::new().build_recorder();
    let app = init_service(
        App::new()
            .app_data(Rc::new(kit.front()))
            .app_data(Ops::new(recorder.handle(), Arc::from(TOKEN)))
            .configure(ops::routes)
            .default_service(web::to(exchange::not_found())),
    )
    .await;
    let get = |path: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header((AUTHORIZATION, format!("Bearer {TOKEN}")))
            .to_request()
    };
    let carriers: Value = call_and_read_body_json(&app, get("/ops/carriers")).await;
    let simulator = &carriers["data"][0];
    assert_eq!(
        (
            &simulator["name"],
            &simulator["kind"],
            &simulator["callbacks"]
        ),
        (&json!("simulator"), &json!("simulator"), &json!(false))
    );
    for path in [
        "/ops/messages/in-doubt?limit=1000",
        "/ops/receipts/parked",
        "/ops/receipts/aged-out",
    ] {
        let list: Value = call_and_read_body_json(&app, get(path)).await;
        assert_eq!(list["data"], json!([]), "{path}");
    }
    let aged: Value = call_and_read_body_json(&app, get("/ops/receipts/aged-out")).await;
    assert_eq!(aged["total"], 0);
    let too_many = call_service(&app, get("/ops/receipts/parked?limit=1001")).await;
    assert_eq!(too_many.status(), 400);
    let resolve = |path: &str, body: Value| {
        TestRequest::post()
            .uri(path)
            .insert_header((AUTHORIZATION, format!("Bearer {TOKEN}")))
            .set_json(body)
            .to_request()
    };
    let path = "/ops/messages/msg_00000002001/resolve";
    let unknown: Value =
        call_and_read_body_json(&app, resolve(path, json!({"outcome": "failed"}))).await;
    assert_eq!(
        (&unknown["status"], &unknown["code"]),
        (&json!(409), &json!("not_in_doubt"))
    );
    let stranger = TestRequest::get().uri("/ops/carriers").to_request();
    assert_eq!(call_service(&app, stranger).await.status(), 401);
}
