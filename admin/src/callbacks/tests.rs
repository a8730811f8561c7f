//! Tests of the way in: paths, headers, the order of verifying and reading, the answers.

mod route;

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::body::to_bytes;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::test::TestRequest;
use didfarm_carriers::callback::{NotGenuine, Reply, Unreadable};
use didfarm_runtime::carriers::Kind;

use super::*;
use crate::problem::Code;

/// Takes what has the header `x-key: right`; what is longer than three bytes it cannot read.
#[derive(Default)]
struct TestDoor {
    reads: AtomicUsize,
}

impl CallbackDoor for TestDoor {
    fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
        match (request.header)("x-key") {
            Some("right") => Ok(()),
            _ => Err(NotGenuine),
        }
    }

    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Unreadable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if request.body.len() > 3 {
            let detail = "longer than three bytes".to_owned();
            return Err(Unreadable { detail });
        }
        Ok(Callback {
            ignored: 1,
            ..Callback::default()
        })
    }

    fn reply(&self) -> Reply {
        Reply {
            content_type: "text/xml",
            body: "<Response/>",
        }
    }

    fn challenge(&self, request: &CallbackRequest<'_>) -> Result<Option<String>, NotGenuine> {
        match (request.tail, request.query()) {
            ("", _) => Ok(None),
            ("/check", "token=right") => Ok(Some("1158".to_owned())),
            _ => Err(NotGenuine),
        }
    }
}

fn face(name: &str, door: Option<Arc<dyn CallbackDoor>>) -> CarrierFace {
    CarrierFace {
        id: CarrierId(2),
        name: name.into(),
        kind: Kind::Twilio,
        door,
    }
}

fn entrance() -> (Entrance, Arc<TestDoor>) {
    let door = Arc::new(TestDoor::default());
    let bounds = BodyBounds {
        bytes_max: 8,
        timeout: Duration::from_millis(1),
    };
    let as_door = Arc::clone(&door) as Arc<dyn CallbackDoor>;
    let mut callbacks = Callbacks::new([face("tw", Some(as_door))], bounds, None);
    (callbacks.entrances.remove("tw").unwrap(), door)
}

fn read(entrance: &Entrance, key: &str, body: &[u8]) -> Result<Callback, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("x-key"),
        HeaderValue::from_str(key).unwrap(),
    );
    let header = |name: &str| value(&headers, name);
    entrance.read(&CallbackRequest {
        method: "POST",
        tail: "",
        path_and_query: "/carriers/tw",
        header: &header,
        body,
        now: Timestamp(0),
    })
}

fn challenge(entrance: &Entrance, tail: &str, query: &str) -> Result<HttpResponse, Problem> {
    let path_and_query = format!("/carriers/tw{tail}?{query}");
    let header = |_: &str| None;
    entrance.challenge(&CallbackRequest {
        method: "GET",
        tail,
        path_and_query: &path_and_query,
        header: &header,
        body: &[],
        now: Timestamp(0),
    })
}

#[test]
fn a_path_falls_into_the_carriers_name_and_a_tail() {
    for (path, found) in [
        ("/carriers/nl-wa", Some(("nl-wa", ""))),
        ("/carriers/nl-wa/", Some(("nl-wa", "/"))),
        ("/carriers/tw/status/1", Some(("tw", "/status/1"))),
        ("/carriers/a%2Fb", Some(("a%2Fb", ""))),
        ("/carriers/", None),
        ("/carriers//x", None),
        ("/carriers", None),
        ("/carriersx/y", None),
    ] {
        assert_eq!(name_and_tail(path), found, "{path}");
    }
}

#[test]
fn only_a_carrier_with_a_door_has_a_way_in() {
    let bounds = BodyBounds {
        bytes_max: 8,
        timeout: Duration::from_millis(1),
    };
    let door: Arc<dyn CallbackDoor> = Arc::new(TestDoor::default());
    let faces = [face("simulator", None), face("tw", Some(door))];
    let callbacks = Callbacks::new(faces, bounds, None);
    assert!(callbacks.entrances.contains_key("tw"));
    assert!(!callbacks.entrances.contains_key("simulator"));
}

#[test]
fn what_is_not_genuine_is_never_read() {
    let (entrance, door) = entrance();
    let problem = read(&entrance, "wrong", b"abc").unwrap_err();
    assert_eq!(problem.code(), Code::SignatureInvalid);
    assert_eq!(door.reads.load(Ordering::Relaxed), 0);
    assert_eq!(read(&entrance, "right", b"abc").unwrap().ignored, 1);
    assert_eq!(door.reads.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_genuine_and_cannot_be_read_is_400_with_the_cause() {
    let (entrance, _) = entrance();
    let problem = read(&entrance, "right", b"abcd").unwrap_err();
    assert_eq!(problem.code(), Code::CallbackUnreadable);
    let document = crate::problem::document_of(problem);
    assert_eq!(document["status"], 400);
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .ends_with("three bytes")
    );
}

#[actix_web::test]
async fn a_carrier_hears_what_it_wants_to_hear() {
    let (entrance, _) = entrance();
    let response = entrance.taken(&ElementCounts::of(&Callback::default()));
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "text/xml");
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "<Response/>");
    let later = entrance.later(Duration::from_secs(3));
    assert_eq!(later.code(), Code::Overloaded);
}

#[actix_web::test]
async fn a_check_of_the_address_is_answered_as_text_to_who_knows_the_token() {
    let (entrance, _) = entrance();
    let response = challenge(&entrance, "/check", "token=right").unwrap();
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "text/plain");
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "1158");
    let refused = challenge(&entrance, "/check", "token=wrong").unwrap_err();
    assert_eq!(refused.code(), Code::SignatureInvalid);
    let none = challenge(&entrance, "", "token=right").unwrap_err();
    assert_eq!(none.code(), Code::MethodNotAllowed);
}

#[test]
fn a_header_is_found_by_its_lower_case_name_and_must_be_text() {
    let request = TestRequest::default()
        .insert_header(("X-Hub-Signature-256", "sha256=00"))
        .insert_header(("x-bytes", HeaderValue::from_bytes(&[0xff]).unwrap()))
        .to_http_request();
    assert_eq!(
        value(request.headers(), "x-hub-signature-256"),
        Some("sha256=00")
    );
    assert_eq!(value(request.headers(), "x-bytes"), None);
    assert_eq!(value(request.headers(), "x-none"), None);
}

#[test]
fn the_path_and_the_query_are_those_of_the_request_line() {
    for text in ["/carriers/tw/a%2fb?x=%41&y", "/carriers/tw"] {
        let request = TestRequest::with_uri(text).to_http_request();
        assert_eq!(path_and_query(&request), text);
    }
}
