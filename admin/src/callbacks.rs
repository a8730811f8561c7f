//! Carriers' callbacks by HTTP, the fast path: verified on the raw bytes, read, made durable, answered.
//!
//! What a carrier signed and what can be read is answered with 200 once it is durable, or with 503 and
//! `Retry-After`; never with 4xx, after which some carriers do not come again. Of what is not signed
//! nothing is looked at.

pub(crate) mod meters;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use didfarm_carriers::Taken;
use didfarm_carriers::callback::{Callback, CallbackDoor, CallbackRequest};
use didfarm_core::ids::CarrierId;
use didfarm_core::time::Timestamp;
use didfarm_runtime::carriers::CarrierFace;

use self::meters::{CarrierMeters, ElementCounts, Outcome};
use crate::body::BodyBounds;
use crate::capture::{Capture, Seen};
use crate::exchange::{Exchange, serve};
use crate::metrics::Route;
use crate::problem::Problem;

/// Where callbacks come in; the carrier's name and whatever it likes follow.
const PREFIX: &str = "/carriers";

/// Adds the routes. They take every path below [`PREFIX`] that no route before them took.
pub(crate) fn routes(config: &mut ServiceConfig) {
    // A scope compares a prefix, where a resource with a name in it would run a regular expression.
    let scope = web::scope(PREFIX).default_service(web::to(serve(Route::Callback, callback)));
    config.service(scope);
}

/// What one worker needs for callbacks.
pub(crate) struct Callbacks {
    entrances: HashMap<Arc<str>, Entrance>,
    bounds: BodyBounds,
    capture: Option<Capture>,
}

/// One carrier's way in.
struct Entrance {
    id: CarrierId,
    name: Arc<str>,
    kind: &'static str,
    door: Arc<dyn CallbackDoor>,
    meters: CarrierMeters,
}

impl Callbacks {
    /// Opens a way in for every carrier that has a door.
    pub(crate) fn new(
        faces: impl IntoIterator<Item = CarrierFace>,
        bounds: BodyBounds,
        capture: Option<Capture>,
    ) -> Callbacks {
        let entrance = |face: CarrierFace| {
            let door = face.door?;
            let entrance = Entrance {
                id: face.id,
                name: Arc::clone(&face.name),
                kind: face.kind.as_str(),
                door,
                meters: CarrierMeters::register(&face.name),
            };
            Some((face.name, entrance))
        };
        Callbacks {
            entrances: faces.into_iter().filter_map(entrance).collect(),
            bounds,
            capture,
        }
    }

    /// Hands a callback as it came to the capture, if there is one.
    fn keep(&self, entrance: &Entrance, request: &HttpRequest, at: Timestamp, body: &[u8]) {
        let Some(capture) = &self.capture else {
            return;
        };
        capture.keep(&Seen {
            at,
            carrier: &entrance.name,
            kind: entrance.kind,
            method: request.method().as_str(),
            path_and_query: path_and_query(request),
            headers: request.headers(),
            body,
        });
    }
}

/// Whatever comes below `/carriers`.
async fn callback(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let callbacks = Rc::clone(exchange.state::<Rc<Callbacks>>());
    let request = exchange.request().clone();
    let (name, tail) = name_and_tail(request.path()).ok_or_else(Problem::not_found)?;
    let entrance = callbacks
        .entrances
        .get(name)
        .ok_or_else(Problem::not_found)?;
    match *request.method() {
        Method::POST => bring(exchange, &callbacks, entrance, &request, tail).await,
        Method::GET => {
            let now = now();
            callbacks.keep(entrance, &request, now, &[]);
            let header = |name: &str| value(request.headers(), name);
            entrance.challenge(&CallbackRequest {
                method: "GET",
                tail,
                path_and_query: path_and_query(&request),
                header: &header,
                body: &[],
                now,
            })
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// `POST`: takes what a carrier brings.
async fn bring(
    exchange: &mut Exchange,
    callbacks: &Callbacks,
    entrance: &Entrance,
    request: &HttpRequest,
    tail: &str,
) -> Result<HttpResponse, Problem> {
    let open = exchange.front().engine.callbacks_open();
    open.map_err(|wait| entrance.later(wait))?;
    let body = exchange.raw(callbacks.bounds).await?;
    let now = now();
    callbacks.keep(entrance, request, now, &body);
    let header = |name: &str| value(request.headers(), name);
    let callback = entrance.read(&CallbackRequest {
        method: "POST",
        tail,
        path_and_query: path_and_query(request),
        header: &header,
        body: &body,
        now,
    })?;
    let counts = ElementCounts::of(&callback);
    let engine = &exchange.front().engine;
    match engine.take_callback(entrance.id, callback).await {
        Taken::Durable => Ok(entrance.taken(&counts)),
        Taken::Later(wait) => Err(entrance.later(wait)),
    }
}

impl Entrance {
    /// Verifies a request, and only then reads it.
    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Problem> {
        self.door.verify(request).map_err(|not_genuine| {
            self.meters.count(Outcome::RefusedSignature);
            Problem::signature_invalid(not_genuine)
        })?;
        self.door.read(request).map_err(|unreadable| {
            self.meters.count(Outcome::Unreadable);
            Problem::callback_unreadable(&unreadable)
        })
    }

    /// Answers a carrier's check of the address.
    fn challenge(&self, request: &CallbackRequest<'_>) -> Result<HttpResponse, Problem> {
        match self.door.challenge(request) {
            Ok(Some(answer)) => {
                self.meters.count(Outcome::Challenge);
                let content_type = HeaderValue::from_static("text/plain");
                let mut response = HttpResponse::Ok();
                Ok(response
                    .insert_header((CONTENT_TYPE, content_type))
                    .body(answer))
            }
            Ok(None) => Err(Problem::method_not_allowed("POST")),
            Err(not_genuine) => {
                self.meters.count(Outcome::RefusedSignature);
                Err(Problem::signature_invalid(not_genuine))
            }
        }
    }

    /// The answer to a callback that is durable. What it held is counted here and not when it is read:
    /// a callback that is brought again after a 503 counts once.
    fn taken(&self, counts: &ElementCounts) -> HttpResponse {
        self.meters.count(Outcome::Taken);
        self.meters.count_elements(counts);
        let reply = self.door.reply();
        let content_type = HeaderValue::from_static(reply.content_type);
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, content_type))
            .body(reply.body)
    }

    fn later(&self, wait: Duration) -> Problem {
        self.meters.count(Outcome::Overloaded);
        Problem::callback_later(wait)
    }
}

/// The carrier's name in a path, and what stands behind it: empty, or `/…`.
fn name_and_tail(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?.strip_prefix('/')?;
    let name_bytes = rest.find('/').unwrap_or(rest.len());
    (name_bytes > 0).then(|| rest.split_at(name_bytes))
}

/// The path and the query as the request line has them.
fn path_and_query(request: &HttpRequest) -> &str {
    request
        .uri()
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str())
}

/// The first value of a header by its lower-case name. Requests have few headers: to compare them all
/// costs less than to make a header's name of the text.
fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().find(|(known, _)| known.as_str() == name)?;
    value.to_str().ok()
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

#[cfg(test)]
mod tests;
