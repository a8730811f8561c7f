//! The HTTP client of one carrier: pooled, TLS by rustls, HTTP/2 where the carrier offers it.

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service;

use super::gate::GatedBody;
use super::{HttpAnswer, HttpRequest, HttpSettings, HttpStartError};

/// The longest body of a response that is read, in bytes; a longer one is no whole response.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a connection without a request is kept: well below what carriers' front ends keep it, so that
/// a request seldom meets a connection that is being closed.
pub const POOL_IDLE: Duration = Duration::from_secs(20);
/// How often an HTTP/2 connection with open requests is probed, and how long the probe may take: one that
/// leads nowhere is to be found before many requests are lost on it.
const PROBE: Duration = Duration::from_secs(3);
/// Who we say we are.
const AGENT: &str = "didfarm";

type BoxError = Box<dyn Error + Send + Sync>;

/// Why there is no whole response.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was sent, and nothing will be.
    NotSent(BoxError),
    /// Some or all of the request may have reached the carrier.
    Unanswered(BoxError),
}

/// The client.
pub(super) struct HttpClient {
    client: Client<Timed<HttpsConnector<HttpConnector>>, GatedBody>,
}

impl HttpClient {
    /// Makes a client; plain HTTP is spoken only where the base address says so.
    pub(super) fn new(settings: &HttpSettings) -> Result<HttpClient, HttpStartError> {
        let base: Uri = settings
            .base_url
            .parse()
            .map_err(|_| HttpStartError::BaseUrl)?;
        if base.host().is_none_or(str::is_empty) || base.query().is_some() {
            return Err(HttpStartError::BaseUrl);
        }
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls(settings)?);
        let builder = match base.scheme_str() {
            Some("https") => builder.https_only(),
            Some("http") => builder.https_or_http(),
            _ => return Err(HttpStartError::BaseUrl),
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = Timed {
            inner: builder.enable_all_versions().wrap_connector(tcp),
            max: settings.connect_timeout,
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(settings.in_flight_max)
            .http2_keep_alive_interval(PROBE)
            .http2_keep_alive_timeout(PROBE)
            .build(connector);
        Ok(HttpClient { client })
    }

    /// Makes one request, once, and reads the whole response.
    ///
    /// The client sends a request a second time by itself only when a pooled connection gave it back
    /// unread, and so with its gate still fresh.
    pub(super) async fn exchange(
        &self,
        request: HttpRequest,
        deadline: Instant,
    ) -> Result<HttpAnswer, Failure> {
        let (head, body) = request.into_parts();
        let (body, gate) = GatedBody::new(body);
        let request = http::Request::from_parts(head, body);
        let error: BoxError = match timeout_at(deadline, self.read(request)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        Err(if gate.shut() || is_refused_stream(&*error) {
            Failure::NotSent(error)
        } else {
            Failure::Unanswered(error)
        })
    }

    async fn read(&self, request: http::Request<GatedBody>) -> Result<HttpAnswer, BoxError> {
        let (head, body) = self.client.request(request).await?.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| {
            let seconds = value.to_str().ok()?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds))
        });
        let body: Bytes = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await?
            .to_bytes();
        Ok(HttpAnswer {
            status: head.status,
            retry_after,
            body,
        })
    }
}

/// An error and what caused it.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether the carrier refused the stream before it looked at it (RFC 9113, 8.7).
fn is_refused_stream(error: &(dyn Error + 'static)) -> bool {
    chain(error)
        .filter_map(|error| error.downcast_ref::<h2::Error>())
        .any(|error| {
            error.is_reset()
                && error.is_remote()
                && error.reason() == Some(h2::Reason::REFUSED_STREAM)
        })
}

/// The public authorities, and those of the settings' file.
fn tls(settings: &HttpSettings) -> Result<ClientConfig, HttpStartError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = &settings.ca_file {
        add_authorities(&mut roots, path).map_err(|detail| HttpStartError::Authorities {
            path: path.clone(),
            detail,
        })?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() == before {
        return Err("it holds no certificate".to_owned());
    }
    Ok(())
}

/// A connector with a bound on all of connecting: names, TCP and TLS.
#[derive(Clone)]
struct Timed<C> {
    inner: C,
    max: Duration,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = timeout(self.max, self.inner.call(address));
        Box::pin(async move { connecting.await? })
    }
}

/// A request that carries a body.
///
/// # Panics
/// When the address is none: it is made of one that was checked when the carrier was made.
pub(crate) fn post(
    uri: &str,
    content_type: &'static str,
    authorization: &HeaderValue,
    body: Vec<u8>,
) -> HttpRequest {
    common(http::Request::post(uri), authorization)
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(Bytes::from(body)))
        .expect("the address was checked when the carrier was made")
}

/// A request that asks.
///
/// # Panics
/// As [`post`].
pub(crate) fn get(uri: &str, authorization: &HeaderValue) -> HttpRequest {
    common(http::Request::get(uri), authorization)
        .body(Full::default())
        .expect("the address was checked when the carrier was made")
}

fn common(request: http::request::Builder, authorization: &HeaderValue) -> http::request::Builder {
    request
        .header(AUTHORIZATION, authorization)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT)
}

/// A header's value that is kept out of logs and of HTTP/2's tables.
///
/// # Errors
/// [`HttpStartError::Setting`] for what no header can hold.
pub(crate) fn secret_header(
    setting: &'static str,
    value: &str,
) -> Result<HeaderValue, HttpStartError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| HttpStartError::Setting {
        setting,
        why: "it holds what no header can hold",
    })?;
    value.set_sensitive(true);
    Ok(value)
}
