//! A small HTTP client with kept connections, and answers that know what a problem looks like.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The longest that an answer may take.
pub const ANSWER_BOUND: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// An answer in whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Client {
    /// A client without connections yet.
    pub fn new() -> Client {
        Client {
            inner: legacy::Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Asks and waits for the whole answer.
    ///
    /// # Errors
    /// There is no answer, or only a part of one, or none within [`ANSWER_BOUND`].
    pub async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        tokio::time::timeout(ANSWER_BOUND, async {
            let response = self.inner.request(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        })
        .await?
    }
}

/// A request with a JSON body, or without a body when `body` is `None`.
///
/// # Panics
/// When the URL or the key cannot stand in a request.
pub fn request(
    method: Method,
    url: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Request<Full<Bytes>> {
    let bytes = body.map(|body| Bytes::from(body.to_string()));
    let mut request = Request::new(Full::new(bytes.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().expect("a test asks for a URL");
    let headers = request.headers_mut();
    if body.is_some() {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    if let Some(key) = key {
        let value = HeaderValue::try_from(format!("Bearer {key}"));
        headers.insert("authorization", value.expect("a key is ASCII"));
    }
    request
}

impl Answer {
    /// A header field's text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::try_from(name).ok()?;
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts a success with this status and gives its JSON.
    ///
    /// # Panics
    /// On any other status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// Asserts a problem with this status and code, whole and consistent, and gives it.
    ///
    /// # Panics
    /// On any other answer.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{code} wanted: {}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(
            problem["request_id"].as_str(),
            self.header("x-request-id"),
            "{problem}"
        );
        for member in ["type", "title", "detail"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        problem
    }

    /// The seconds of `Retry-After`.
    ///
    /// # Panics
    /// When it is not there or is no whole number of at least one.
    pub fn retry_after_s(&self) -> u64 {
        let text = self.header("retry-after").expect("Retry-After is there");
        let seconds = text.parse().expect("Retry-After is in seconds");
        assert!(seconds >= 1, "Retry-After of {seconds} invites a storm");
        seconds
    }
}
