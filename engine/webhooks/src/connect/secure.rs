//! TLS over guarded connections: whom we trust, and a bound on all of connecting.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::{ConnectError, GuardedConnector};

type BoxError = Box<dyn Error + Send + Sync>;

/// Speaks TLS where the URL says `https`, offers HTTP/2, and says why a connection failed.
#[derive(Clone)]
pub(crate) struct SecureConnector {
    https: HttpsConnector<GuardedConnector>,
    timeout: Duration,
}

impl SecureConnector {
    /// Wraps a connector. `timeout` bounds names, TCP and TLS together, also of a connection whose attempt went
    /// over another one meanwhile.
    pub(crate) fn new(
        tcp: GuardedConnector,
        tls: ClientConfig,
        timeout: Duration,
    ) -> SecureConnector {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        SecureConnector { https, timeout }
    }
}

impl Service<Uri> for SecureConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.https.poll_ready(cx).map_err(judge)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = timeout(self.timeout, self.https.call(to));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(judge),
                Err(_) => Err(ConnectError::TimedOut),
            }
        })
    }
}

/// The guarded connector says itself why it failed; whatever else fails, fails in the handshake.
fn judge(error: BoxError) -> ConnectError {
    error.downcast().map_or(ConnectError::Tls, |error| *error)
}

/// Trusts the public authorities and those in `pem`, which may be empty.
///
/// # Errors
/// What is wrong with `pem`.
pub(crate) fn trust(pem: &[u8]) -> Result<ClientConfig, Box<str>> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let public = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if !pem.is_empty() && roots.len() == public {
        return Err("it holds no certificate".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
