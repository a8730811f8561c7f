//! Tests of the routes over a real engine, with a door of the test's own.

use actix_web::App;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ALLOW, CONTENT_ENCODING, RETRY_AFTER};
use actix_web::test::{call_service, init_service, read_body};
use serde_json::Value;

use super::*;
use crate::kit::{BODY_BYTES_MAX, Kit};
use crate::{carriers, exchange};

/// The carrier that has the door.
const PATH: &str = "/carriers/tw";

/// An app of the carriers' routes.
macro_rules! carriers {
    ($kit:expr, $capture:expr) => {{
        let door: Arc<dyn CallbackDoor> = Arc::new(TestDoor::default());
        let faces = [face("simulator", None), face("tw", Some(door))];
        let callbacks = Callbacks::new(faces, Kit::bounds(), $capture);
        let app = App::new()
            .app_data(Rc::new($kit.front()))
            .app_data(Rc::new(callbacks))
            .configure(carriers::routes)
            .configure(routes)
            .default_service(web::to(exchange::not_found()));
        init_service(app).await
    }};
}

fn post(path: &str, key: &'static str, body: &'static str) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("x-key", key))
        .set_payload(body)
}

async fn code(response: ServiceResponse) -> (u16, String) {
    let status = response.status().as_u16();
    let document: Value = serde_json::from_slice(&read_body(response).await).unwrap();
    (status, document["code"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_genuine_callback_is_answered_in_the_carriers_own_words() {
    let kit = Kit::start();
    let app = carriers!(kit, None);
    for path in [PATH, "/carriers/tw/", "/carriers/tw/status?a=%41"] {
        let response = call_service(&app, post(path, "right", "abc").to_request()).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(read_body(response).await, "<Response/>", "{path}");
    }
}

#[actix_web::test]
async fn each_refusal_has_its_status_and_code() {
    let kit = Kit::start();
    let app = carriers!(kit, None);
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let packed = post(PATH, "right", "abc").insert_header((CONTENT_ENCODING, "gzip"));
    for (request, status, word) in [
        (post(PATH, "wrong", "abc"), 403, "signature_invalid"),
        (post(PATH, "right", "abcd"), 400, "callback_unreadable"),
        (packed, 415, "unsupported_encoding"),
        (
            post(PATH, "right", "").set_payload(long),
            413,
            "payload_too_large",
        ),
        (post("/carriers/other", "right", ""), 404, "not_found"),
        (post("/carriers/simulator", "right", ""), 404, "not_found"),
        (post("/carriers/", "right", ""), 404, "not_found"),
        (post("/carriers", "right", ""), 404, "not_found"),
        (TestRequest::put().uri(PATH), 405, "method_not_allowed"),
    ] {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(code(response).await, (status, word.to_owned()));
    }
    let response = call_service(&app, TestRequest::put().uri(PATH).to_request()).await;
    assert_eq!(response.headers().get(ALLOW).unwrap(), "GET, POST");
}

#[actix_web::test]
async fn a_check_of_the_address_is_a_get() {
    let kit = Kit::start();
    let app = carriers!(kit, None);
    let check = |uri| TestRequest::get().uri(uri).to_request();
    let response = call_service(&app, check("/carriers/tw/check?token=right")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(read_body(response).await, "1158");
    let response = call_service(&app, check("/carriers/tw/check?token=wrong")).await;
    assert_eq!(code(response).await, (403, "signature_invalid".to_owned()));
}

#[actix_web::test]
async fn the_simulators_own_route_wins_over_the_general_one() {
    let kit = Kit::start();
    let app = carriers!(kit, None);
    let inbound = TestRequest::post()
        .uri("/carriers/simulator/inbound")
        .set_json(serde_json::json!({"from": "+31612345678", "to": "+31201234567", "body": "a"}));
    let response = call_service(&app, inbound.to_request()).await;
    assert_eq!(code(response).await, (404, "number_unknown".to_owned()));
}

#[actix_web::test]
async fn an_engine_that_takes_nothing_refuses_before_it_looks_and_says_when_to_come_again() {
    let kit = Kit::start();
    let app = carriers!(kit, None);
    kit.engine().handle().begin_drain();
    // Signed wrongly and too large: neither is found out.
    let request = post(PATH, "wrong", "").set_payload("x".repeat(BODY_BYTES_MAX + 1));
    let response = call_service(&app, request.to_request()).await;
    let retry_after = response.headers().get(RETRY_AFTER).unwrap();
    assert!(retry_after.to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(code(response).await, (503, "overloaded".to_owned()));
}

#[actix_web::test]
async fn what_is_captured_is_what_came_genuine_or_not() {
    let mut kit = Kit::start();
    kit.settings.capture.enabled = true;
    kit.settings.capture.dir = kit.dir.path().join("capture");
    let capture = Capture::start(&kit.settings).unwrap();
    let app = carriers!(kit, capture);
    let check = TestRequest::get().uri("/carriers/tw/check?token=right&a=1");
    for request in [
        post("/carriers/tw/status?a=1", "wrong", "one"),
        post(PATH, "right", "two"),
        check,
    ] {
        call_service(&app, request.to_request()).await;
    }
    let lines = crate::capture::wait_for_lines(&kit.settings.capture.dir, 3);
    let shown = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("method"), text("path"), text("body"))
    };
    let seen = |method: &str, path: &str, body: &str| {
        (method.to_owned(), path.to_owned(), body.to_owned())
    };
    assert_eq!(
        lines.iter().map(shown).collect::<Vec<_>>(),
        [
            seen("POST", "/carriers/tw/status?a=1", "one"),
            seen("POST", PATH, "two"),
            seen("GET", "/carriers/tw/check?a=1", ""),
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line["carrier"] == "tw" && line["kind"] == "twilio")
    );
}
