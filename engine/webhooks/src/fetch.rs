//! Fetching a file by a link: a bounded GET under the address guard that follows a few redirects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::url::Url;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use tokio::time::timeout;

use crate::attempt::{AGENT, SenderError, SenderSettings};
use crate::connect::{Resolve, SecureConnector};
use crate::guard::AddressGuard;
use crate::url::{EndpointUrl, Policy, UrlError};

/// Redirects that are followed: carriers' links lead to where the file is stored.
pub const REDIRECTS_MAX: usize = 3;

/// A file that was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its media type, as the server says.
    pub media_type: Option<Box<str>>,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Why a file was not fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Nothing is fetched from such a link.
    #[error("the link cannot be followed: {0}")]
    Url(#[from] UrlError),
    /// What is to be shown there is no header's value.
    #[error("the credentials are malformed")]
    Credentials,
    /// There is no connection, or it broke.
    #[error("the file cannot be reached: {0}")]
    Unreachable(Box<str>),
    /// The server answered with something else.
    #[error("the server answered {0}")]
    Status(u16),
    /// It led on too often, or to nowhere.
    #[error("the link leads from one place to another")]
    Redirected,
    /// The file is too large.
    #[error("the file has more than {bytes_max} bytes")]
    TooLarge {
        /// The most that it may have.
        bytes_max: usize,
    },
    /// It took too long.
    #[error("the file did not arrive in time")]
    TimedOut,
}

/// Fetches files. Its connections live on the runtime that first used them.
pub struct Fetcher {
    client: Client<SecureConnector, Empty<Bytes>>,
    policy: Policy,
    timeout: Duration,
}

impl Fetcher {
    /// Makes a fetcher whose connections are judged by `guard` and resolved by `resolver`. A file takes at most
    /// the timeout of the settings, redirects included.
    ///
    /// # Errors
    /// [`SenderError::Roots`] when `settings.roots_pem` is no PEM, or holds no certificate.
    pub fn new(
        settings: &SenderSettings,
        guard: Arc<AddressGuard>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Fetcher, SenderError> {
        let connector = settings.connector(Arc::clone(&guard), resolver)?;
        Ok(Fetcher {
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            policy: Policy {
                guard,
                ..Policy::default()
            },
            timeout: settings.timeout,
        })
    }

    /// Fetches the file behind a link, of at most `bytes_max` bytes. `authorization`, a value of that header,
    /// goes to the link's own origin alone, wherever that leads.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(
        &self,
        link: &str,
        authorization: Option<&str>,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let credentials = authorization.map(|text| {
            let mut value = HeaderValue::from_str(text).map_err(|_| FetchError::Credentials)?;
            value.set_sensitive(true);
            Ok::<_, FetchError>(value)
        });
        let credentials = credentials.transpose()?;
        let following = self.follow(link, credentials.as_ref(), bytes_max);
        timeout(self.timeout, following)
            .await
            .map_err(|_| FetchError::TimedOut)?
    }

    async fn follow(
        &self,
        link: &str,
        authorization: Option<&HeaderValue>,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let mut url = Url::parse(link).map_err(|_| UrlError::Malformed)?;
        let origin = url.origin();
        for _ in 0..=REDIRECTS_MAX {
            let credentials = authorization.filter(|_| url.origin() == origin);
            let response = self.get(&url, credentials).await?;
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                url = leads_to(&url, &response).ok_or(FetchError::Redirected)?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status.as_u16()));
            }
            return take(response, bytes_max).await;
        }
        Err(FetchError::Redirected)
    }

    async fn get(
        &self,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Incoming>, FetchError> {
        let target = EndpointUrl::parse(url.as_str(), &self.policy)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = target.uri().clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        if let Some(credentials) = authorization {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        let asked = self.client.request(request).await;
        asked.map_err(|error| FetchError::Unreachable(told(&error)))
    }
}

/// An error with its causes: the client's own text says little.
fn told(error: &dyn std::error::Error) -> Box<str> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.into()
}

fn leads_to(from: &Url, response: &Response<Incoming>) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let mut to = from.join(location).ok()?;
    to.set_fragment(None);
    Some(to)
}

async fn take(response: Response<Incoming>, bytes_max: usize) -> Result<Fetched, FetchError> {
    let (head, mut body) = response.into_parts();
    let said = head.headers.get(CONTENT_TYPE);
    let media_type = said.and_then(|said| said.to_str().ok()).map(Box::from);
    let too_large = || FetchError::TooLarge { bytes_max };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Unreachable(told(&error)))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Fetched { media_type, bytes })
}
