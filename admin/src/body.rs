//! Reading a request's body: its type, its size, its deadline.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Bytes;

use crate::problem::Problem;

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    /// The most bytes.
    pub(crate) bytes_max: usize,
    /// How long it may take to arrive.
    pub(crate) timeout: Duration,
}

/// The length that the head declares.
pub(crate) fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Checks that the body is declared to be JSON in UTF-8.
///
/// # Errors
/// `unsupported_media_type`.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Err(Problem::unsupported_media_type());
    };
    if value.as_bytes() == b"application/json" || value.to_str().is_ok_and(is_json) {
        return Ok(());
    }
    Err(Problem::unsupported_media_type())
}

/// Checks that the body is as it stands on the wire: what is signed is that, and a small body that
/// unpacks into a large one has no way in.
///
/// # Errors
/// `unsupported_encoding`.
pub(crate) fn check_not_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::unsupported_encoding())
        }
        Some(_) | None => Ok(()),
    }
}

fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/json")
        && parts
            .filter(|part| !part.is_empty())
            .all(|parameter| match parameter.split_once('=') {
                Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => charset
                    .trim()
                    .trim_matches('"')
                    .eq_ignore_ascii_case("utf-8"),
                Some(_) => true,
                None => false,
            })
}

/// Reads a body whole.
///
/// # Errors
/// `payload_too_large`, at once if the head declares too many bytes; `request_timeout`;
/// `body_incomplete`.
pub(crate) async fn read(
    payload: &mut Payload,
    declared: Option<u64>,
    bounds: BodyBounds,
) -> Result<Bytes, Problem> {
    let too_large = || Problem::payload_too_large(bounds.bytes_max);
    if declared.is_some_and(|bytes| bytes > bounds.bytes_max as u64) {
        return Err(too_large());
    }
    let mut reading = Reading::new(payload, bounds);
    let finished = match reading.at_once().await {
        Some(finished) => finished,
        None => tokio::time::timeout(bounds.timeout, poll_fn(|context| reading.poll_all(context)))
            .await
            .map_err(|_| Problem::request_timeout(bounds.timeout))?,
    };
    finished.map_err(|fault| match fault {
        Fault::TooLarge | Fault::Payload(PayloadError::Overflow) => too_large(),
        Fault::Payload(error) => Problem::body_incomplete(error.to_string()),
    })
}

/// Tells whether a body that nobody wants came whole with its head, and takes it off the connection.
pub(crate) async fn is_here(payload: &mut Payload, bounds: BodyBounds) -> bool {
    matches!(Reading::new(payload, bounds).at_once().await, Some(Ok(_)))
}

/// Makes an answer the last of its connection, whose request has not arrived whole.
///
/// As long as the payload lives the server closes such a connection, after a short wait for the peer
/// to take the answer. Of a dropped payload it would go on to read chunks, with no deadline.
pub(crate) fn end_connection_after(response: HttpResponse, payload: Payload) -> HttpResponse {
    response.map_body(|_, answer| {
        BoxBody::new(LastAnswer {
            answer,
            _payload: payload,
        })
    })
}

struct LastAnswer {
    answer: BoxBody,
    _payload: Payload,
}

impl MessageBody for LastAnswer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

enum Fault {
    TooLarge,
    Payload(PayloadError),
}

/// Collects a body. A body of one chunk is taken as it is, without a copy.
struct Reading<'a> {
    payload: BodyStream<&'a mut Payload>,
    bytes_max: usize,
    first: Bytes,
    all: Vec<u8>,
}

impl<'a> Reading<'a> {
    fn new(payload: &'a mut Payload, bounds: BodyBounds) -> Reading<'a> {
        let payload = BodyStream::new(payload);
        Reading {
            payload,
            bytes_max: bounds.bytes_max,
            first: Bytes::new(),
            all: Vec::new(),
        }
    }

    /// The body if it came with its head: only one that did not pays for a timer.
    ///
    /// The server polls a handler before it hands over what it has read already, so that nothing is
    /// there at the first look says nothing yet.
    async fn at_once(&mut self) -> Option<Result<Bytes, Fault>> {
        let mut looked = false;
        poll_fn(|context| match self.poll_all(context) {
            Poll::Ready(finished) => Poll::Ready(Some(finished)),
            Poll::Pending if looked => Poll::Ready(None),
            Poll::Pending => {
                looked = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }

    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        loop {
            match ready!(Pin::new(&mut self.payload).poll_next(context)) {
                None if self.all.is_empty() => {
                    return Poll::Ready(Ok(std::mem::take(&mut self.first)));
                }
                None => return Poll::Ready(Ok(Bytes::from(std::mem::take(&mut self.all)))),
                Some(Err(error)) => return Poll::Ready(Err(Fault::Payload(error))),
                Some(Ok(chunk)) => {
                    let bytes = self.first.len().max(self.all.len()) + chunk.len();
                    if bytes > self.bytes_max {
                        return Poll::Ready(Err(Fault::TooLarge));
                    }
                    self.add(chunk);
                }
            }
        }
    }

    fn add(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use actix_web::http::header::HeaderValue;
    use actix_web::{App, HttpServer, web};

    use super::*;
    use crate::problem::Code;

    const BOUNDS: BodyBounds = BodyBounds {
        bytes_max: 8,
        timeout: Duration::from_millis(1),
    };

    #[test]
    fn only_json_in_utf_8_is_taken() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            check_media_type(&headers).is_ok()
        };
        for taken in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(check(taken), "{taken}");
        }
        for refused in [
            "text/json",
            "application/json; charset=latin1",
            "application/jsonp",
            "",
            "application/json; x",
        ] {
            assert!(!check(refused), "{refused}");
        }
        assert!(check_media_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_body_that_is_packed_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(check_not_encoded(&headers).is_ok());
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        assert!(check_not_encoded(&headers).is_ok());
        for encoding in ["gzip", "identity, gzip", ""] {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            let problem = check_not_encoded(&headers).unwrap_err();
            assert_eq!(problem.code(), Code::UnsupportedEncoding, "{encoding}");
        }
    }

    #[tokio::test]
    async fn a_body_within_the_bound_is_read_and_a_larger_one_is_refused() {
        let read_all = async |body: &'static [u8], declared| {
            read(
                &mut Payload::from(Bytes::from_static(body)),
                declared,
                BOUNDS,
            )
            .await
        };
        assert_eq!(read_all(b"12345678", None).await.unwrap(), "12345678");
        assert_eq!(read_all(b"", Some(0)).await.unwrap(), "");
        assert_eq!(
            read_all(b"123456789", None).await.unwrap_err().code(),
            Code::PayloadTooLarge
        );
        assert_eq!(
            read_all(b"1", Some(9)).await.unwrap_err().code(),
            Code::PayloadTooLarge
        );
    }

    #[actix_web::test]
    async fn a_body_that_never_ends_ends_its_connection() {
        let answer =
            |payload: Payload| end_connection_after(HttpResponse::BadRequest().body("no"), payload);
        let unread = move |payload: web::Payload| ready(answer(payload.into_inner()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = HttpServer::new(move || App::new().default_service(web::to(unread)))
            .workers(1)
            .client_disconnect_timeout(Duration::from_millis(10))
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let read = web::block(move || {
            let mut connection = TcpStream::connect(address).unwrap();
            connection
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{";
            connection.write_all(request).unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = read
            .await
            .unwrap()
            .expect("the server closes the connection");
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.ends_with("no"),
            "{answer}"
        );
        handle.stop(false).await;
    }
}
