//! One webhook attempt: a POST of given bytes, once, under one deadline, and what came of it.
//!
//! One attempt is at most one request on the wire. The client below sends a request anew only when a pooled
//! connection gave it back whole, request line and body, because it closed before it had taken the request from
//! its queue; once it has taken it, the request is no longer there to be given back, and the attempt fails as
//! [`AttemptClass::Broken`](Class::Broken). Without this, an endpoint that closes idle connections would cost an attempt whenever its
//! close and a request cross.

mod body;
mod retry_after;

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use didfarm_core::webhook::attempt::AttemptClass as Class;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::connect::{ConnectError, GuardedConnector, Resolve, SecureConnector, trust};
use crate::guard::AddressGuard;
use crate::signing::{Keyring, WebhookId};
use crate::twilio::signature::FormKey;
use crate::url::EndpointUrl;

pub use body::{BODY_BYTES_MAX, BODY_KEPT_BYTES_MAX};
pub use retry_after::RETRY_AFTER_MAX;

/// How long a connection without a request is kept.
pub const POOL_IDLE: Duration = Duration::from_secs(30);
/// How often an HTTP/2 connection with open requests is probed, and how long the probe may take: one that leads
/// nowhere is to be found before many attempts are lost on it.
const PROBE: Duration = Duration::from_secs(5);
/// The longest head of a response, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Who we say we are.
pub(crate) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("didfarm/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
/// Room for our headers and the `host` that the client adds.
const HEADERS: usize = 8;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const X_TWILIO_SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// How attempts are made.
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// The most that an attempt takes: names, TCP, TLS, and the response with its body.
    pub timeout: Duration,
    /// The most of it that goes to TCP.
    pub connect_timeout: Duration,
    /// How many connections without a request are kept per host.
    pub idle_per_host_max: usize,
    /// Certificates of authorities that are trusted beside the public ones, PEM; may be empty.
    pub roots_pem: Vec<u8>,
}

impl Default for SenderSettings {
    fn default() -> SenderSettings {
        SenderSettings {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            idle_per_host_max: 16,
            roots_pem: Vec::new(),
        }
    }
}

impl SenderSettings {
    /// What connects as these settings say, to what `guard` permits.
    pub(crate) fn connector(
        &self,
        guard: Arc<AddressGuard>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<SecureConnector, SenderError> {
        let tls = trust(&self.roots_pem).map_err(|detail| SenderError::Roots { detail })?;
        let tcp = GuardedConnector::new(guard, resolver, self.connect_timeout);
        Ok(SecureConnector::new(tcp, tls, self.timeout))
    }
}

/// Why there is no sender.
#[derive(Debug, Error)]
pub enum SenderError {
    /// The certificates of further authorities are none.
    #[error("the trusted certificates cannot be read: {detail}")]
    Roots {
        /// What is wrong with them.
        detail: Box<str>,
    },
}

/// Where an endpoint's attempts go; made once per endpoint.
#[derive(Clone)]
pub struct Target {
    uri: Uri,
}

impl Target {
    /// Makes the target of an endpoint.
    pub fn new(url: &EndpointUrl) -> Target {
        Target {
            uri: url.uri().clone(),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target")
            .field(&self.uri.authority())
            .finish()
    }
}

/// What one attempt sends.
#[derive(Clone)]
pub struct Request<'a> {
    /// Where to.
    pub target: &'a Target,
    /// The event's id, the same in each of its attempts.
    pub id: &'a WebhookId,
    /// The time of the attempt, in seconds since 1970.
    pub timestamp_s: i64,
    /// The value of `webhook-signature`.
    pub signature: HeaderValue,
    /// The body: JSON, or a form.
    pub body: Bytes,
    /// The value of `X-Twilio-Signature`; only of a form.
    pub form_signature: Option<HeaderValue>,
}

impl<'a> Request<'a> {
    /// Makes a request that every live secret of the endpoint has signed.
    pub fn signed(
        target: &'a Target,
        keyring: &Keyring,
        id: &'a WebhookId,
        timestamp_s: i64,
        body: Bytes,
    ) -> Request<'a> {
        Request {
            target,
            id,
            timestamp_s,
            signature: keyring.sign(id, timestamp_s, &body),
            body,
            form_signature: None,
        }
    }

    /// Signs the body once more as Twilio signs forms, and declares it to be one.
    pub fn signed_as_form(mut self, key: &FormKey) -> Request<'a> {
        let url = self.target.uri.to_string();
        self.form_signature = Some(key.sign(&url, &self.body));
        self
    }

    fn into_http(self) -> http::Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        match self.form_signature {
            Some(signature) => {
                headers.insert(CONTENT_TYPE, FORM);
                headers.insert(X_TWILIO_SIGNATURE, signature);
            }
            None => {
                headers.insert(CONTENT_TYPE, JSON);
            }
        }
        headers.insert(ACCEPT, ANYTHING);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(WEBHOOK_ID, self.id.header().clone());
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(self.timestamp_s));
        headers.insert(WEBHOOK_SIGNATURE, self.signature);
        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The status of the response, when its head arrived.
    pub status: Option<u16>,
    /// How it is judged.
    pub class: Class,
    /// How long it took, with the body.
    pub duration: Duration,
    /// The start of the response's body, at most [`BODY_KEPT_BYTES_MAX`] bytes; control characters are visible.
    pub body_start: Box<str>,
    /// How long the endpoint wants not to be called, at most [`RETRY_AFTER_MAX`]; only of failures.
    pub retry_after: Option<Duration>,
}

/// What has arrived of a response: it outlives the deadline that ends the exchange.
#[derive(Default)]
struct Arrived {
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// Makes attempts. Clones share one pool of connections, which live on the runtime that first used them.
#[derive(Clone)]
pub struct Sender {
    client: Client<SecureConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Sender {
    /// Makes a sender whose connections are judged by `guard` and resolved by `resolver`.
    ///
    /// # Errors
    /// [`SenderError::Roots`] when `settings.roots_pem` is no PEM, or holds no certificate.
    pub fn new(
        settings: &SenderSettings,
        guard: Arc<AddressGuard>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Sender, SenderError> {
        let connector = settings.connector(guard, resolver)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(settings.idle_per_host_max)
            .retry_canceled_requests(true)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http2_keep_alive_interval(PROBE)
            .http2_keep_alive_timeout(PROBE)
            .build(connector);
        Ok(Sender {
            client,
            timeout: settings.timeout,
        })
    }

    /// Makes one attempt, once. It always ends, within the timeout of the settings.
    ///
    /// The status decides as soon as it is there: a body that breaks off, drips or never ends is cut, its
    /// connection dropped, and the status counts. Redirects are not followed.
    pub async fn attempt(&self, request: Request<'_>) -> Attempted {
        let started = Instant::now();
        let mut arrived = Arrived::default();
        let exchange = self.exchange(request, &mut arrived);
        let ended = timeout_at(started + self.timeout, exchange).await;
        let class = match (arrived.status, ended) {
            (Some(status), _) => Class::of_status(status.as_u16()),
            (None, Ok(ended)) => ended.err().as_ref().map_or(Class::Broken, judge),
            (None, Err(_)) => Class::Timeout,
        };
        Attempted {
            status: arrived.status.map(|status| status.as_u16()),
            class,
            duration: started.elapsed(),
            body_start: body::visible(&arrived.body),
            retry_after: arrived.retry_after,
        }
    }

    async fn exchange(&self, request: Request<'_>, arrived: &mut Arrived) -> Result<(), Error> {
        let (head, mut body) = self.client.request(request.into_http()).await?.into_parts();
        arrived.status = Some(head.status);
        if !head.status.is_success() {
            let wish = head.headers.get(RETRY_AFTER);
            arrived.retry_after = wish.and_then(|wish| retry_after::read(wish, SystemTime::now()));
        }
        body::read(&mut body, &mut arrived.body).await;
        Ok(())
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
fn judge(error: &Error) -> Class {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(ConnectError::Unresolvable) => Class::Unresolvable,
        Some(ConnectError::ForbiddenAddress) => Class::ForbiddenAddress,
        Some(ConnectError::Unreachable) => Class::Unreachable,
        Some(ConnectError::TimedOut) => Class::Timeout,
        Some(ConnectError::Tls) => Class::Tls,
        None => Class::Broken,
    }
}
