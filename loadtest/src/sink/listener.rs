//! The sink's HTTP/1.1 listener: what each endpoint answers, and the control routes.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::behaviour::Behaviour;
use super::book::{BODY_KEPT_BYTES_MAX, Book, ID_BYTES_MAX, Visit};
use super::control;
use super::endpoint::Arrival;
use super::payload::Payload;
use super::report::Received;
use super::verifier::{Signed, Verifier};
use crate::carriers::answer::Answer;

/// The longest request body, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Pause after a connection could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;

/// A body that comes at once, or one that drips.
pub type Content = Either<Full<Bytes>, StreamBody<Drops>>;
type Drops = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// The request could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the request could not be read")]
struct Hangup;

/// What all connections share.
#[derive(Debug)]
pub struct Shared {
    /// What was received.
    pub book: Arc<Book>,
    /// The secrets, if signatures are checked.
    pub verifier: Option<Verifier>,
}

/// Accepts connections, for as long as the sink runs.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        // Without it answers are slower, nothing else.
        let _ = stream.set_nodelay(true);
        shared.book.connect();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // A connection that breaks is the other side's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Content>, Hangup> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Hangup)?.to_bytes();
    let (path, query) = (head.uri.path(), head.uri.query());
    if let Some(route) = path.strip_prefix("/_sink/") {
        return Ok(control::answer(&shared.book, &head.method, route, query));
    }
    let refuse = |status, why: &str| {
        shared.book.pass_over();
        Ok(refusal(status, why))
    };
    if head.method != Method::POST {
        return refuse(405, "webhooks are posted");
    }
    let behaviour = match Behaviour::parse(path, query) {
        Ok(behaviour) => behaviour,
        Err(error) => return refuse(404, &error.to_string()),
    };
    match shared.receive(path, &head.headers, &body) {
        Some(visit) => Ok(play(behaviour, visit).await),
        None => refuse(404, "there are too many paths, or this one is too long"),
    }
}

impl Shared {
    /// Reads, judges, counts and keeps a request.
    fn receive(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Visit> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("the clock is behind 1970");
        let at_us = now.as_micros() as u64;
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let signed = Signed {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signatures: text("webhook-signature"),
        };
        let seal = self
            .verifier
            .as_ref()
            .map(|verifier| verifier.check(signed, body, now.as_secs()));
        let arrival = Arrival {
            id: (1..=ID_BYTES_MAX)
                .contains(&signed.id.len())
                .then_some(signed.id),
            seal,
            payload: Payload::read(body),
            body_bytes: body.len(),
            at_us,
        };
        let visit = self.book.arrive(path, &arrival)?;
        if self.book.keeps_requests() {
            let kept = &body[..body.len().min(BODY_KEPT_BYTES_MAX)];
            self.book.keep(Received {
                path: path.to_owned(),
                at_us,
                webhook_id: signed.id.to_owned(),
                webhook_timestamp: signed.timestamp.to_owned(),
                webhook_signature: signed.signatures.to_owned(),
                twilio_signature: text("x-twilio-signature").to_owned(),
                body_bytes: body.len(),
                body: String::from_utf8_lossy(kept).into_owned(),
            });
        }
        Some(visit)
    }
}

/// Does what comes before the answer, and answers.
async fn play(behaviour: Behaviour, visit: Visit) -> Response<Content> {
    match behaviour {
        Behaviour::Answer {
            status,
            retry_after_s,
        } => {
            let mut response = plain(status, visit);
            if let Some(seconds) = retry_after_s {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Behaviour::Slow(pause) => {
            tokio::time::sleep(pause).await;
            plain(StatusCode::OK, visit)
        }
        Behaviour::Dead => {
            // Held until the other side gives up: its connection's end drops this, and the visit with it.
            let _visit = visit;
            match pending::<Infallible>().await {}
        }
        Behaviour::Flaky { fail, status } if visit.nth <= fail => plain(status, visit),
        Behaviour::Flaky { .. } => plain(StatusCode::OK, visit),
        Behaviour::Drip { pause, bytes } => drip(pause, bytes, visit),
        Behaviour::Redirect { status, to } => {
            let mut response = plain(status, visit);
            response.headers_mut().insert(header::LOCATION, to);
            response
        }
    }
}

/// An answer without a body: the visit is over with it.
fn plain(status: StatusCode, mut visit: Visit) -> Response<Content> {
    visit.succeeded = status.is_success();
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

/// 200 at once and a body without an end; the visit lasts as long as somebody reads.
fn drip(pause: Duration, bytes: usize, mut visit: Visit) -> Response<Content> {
    visit.succeeded = true;
    let piece = Bytes::from(vec![b'.'; bytes]);
    let drops = stream::unfold((piece, visit), move |(piece, visit)| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Ok(Frame::data(piece.clone())), (piece, visit)))
    });
    let drops: Drops = Box::pin(drops);
    Response::new(Either::Right(StreamBody::new(drops)))
}

/// An answer in words.
pub fn refusal(status: u16, why: &str) -> Response<Content> {
    json(status, serde_json::json!({ "error": why }))
}

/// An answer in JSON.
pub fn json(status: u16, body: serde_json::Value) -> Response<Content> {
    Response::from(Answer::new(status, body)).map(Either::Left)
}

/// An answer in plain text.
pub fn text(body: String) -> Response<Content> {
    let mut response = Response::new(Either::Left(Full::from(body)));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
