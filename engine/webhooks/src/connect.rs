//! Guarded connections: a host is resolved here, every answer is judged, and exactly the judged addresses are
//! connected to.
//!
//! There is no second resolution that a name server could answer differently (DNS rebinding), and no proxy. Each
//! new connection is judged anew; a pooled one keeps the address that was judged for it.

mod resolve;
mod secure;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use crate::guard::AddressGuard;

pub use resolve::{DOMAIN_LOOKUPS_MAX, LOOKUPS_MAX, Resolve, Resolving, SystemResolver};
pub(crate) use secure::{SecureConnector, trust};

/// How long a host is resolved.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How many of a host's addresses are tried for one connection; all of them are judged.
pub const ADDRESSES_TRIED_MAX: usize = 4;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// The host has no address, or the answer took too long.
    #[error("the host cannot be resolved")]
    Unresolvable,
    /// One of the host's addresses is closed to webhooks.
    #[error("the host has an address that webhooks are not sent to")]
    ForbiddenAddress,
    /// No address accepts connections.
    #[error("the host cannot be connected to")]
    Unreachable,
    /// Nothing answered in time.
    #[error("connecting took too long")]
    TimedOut,
    /// TCP stands, TLS does not: a certificate that is not trusted, or no TLS at all.
    #[error("tls failed")]
    Tls,
}

/// Connects over TCP to permitted addresses only.
#[derive(Clone)]
pub struct GuardedConnector {
    rules: Arc<Rules>,
}

struct Rules {
    guard: Arc<AddressGuard>,
    resolver: Arc<dyn Resolve>,
    timeout: Duration,
}

impl GuardedConnector {
    /// Makes a connector that takes at most `timeout` to connect, all addresses of a host together; resolving
    /// has [`RESOLVE_TIMEOUT`] of its own.
    pub fn new(
        guard: Arc<AddressGuard>,
        resolver: Arc<dyn Resolve>,
        timeout: Duration,
    ) -> GuardedConnector {
        let rules = Arc::new(Rules {
            guard,
            resolver,
            timeout,
        });
        GuardedConnector { rules }
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let rules = self.rules.clone();
        Box::pin(async move {
            let sockets = rules.judged(&to).await?;
            Ok(TokioIo::new(rules.connect(&sockets).await?))
        })
    }
}

impl Rules {
    /// The host's addresses, all of them permitted and at least one.
    ///
    /// One forbidden address forbids the host: its owner could put the public one first.
    async fn judged(&self, to: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = to
            .port_u16()
            .unwrap_or(if to.scheme() == Some(&Scheme::HTTP) {
                80
            } else {
                443
            });
        let host = to.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let ips = match host.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => match timeout(RESOLVE_TIMEOUT, self.resolver.resolve(host)).await {
                Ok(Ok(ips)) if !ips.is_empty() => ips,
                _ => return Err(ConnectError::Unresolvable),
            },
        };
        let sockets: Vec<SocketAddr> = ips
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
        if !sockets
            .iter()
            .all(|&socket| self.guard.permits_socket(socket))
        {
            return Err(ConnectError::ForbiddenAddress);
        }
        Ok(sockets)
    }

    /// Tries the addresses in their order; each has an equal share of the time that is left.
    async fn connect(&self, sockets: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
        let deadline = Instant::now() + self.timeout;
        let tried = &sockets[..sockets.len().min(ADDRESSES_TRIED_MAX)];
        let mut failure = ConnectError::TimedOut;
        for (left, &socket) in (1..=tried.len()).rev().zip(tried) {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let share = remaining / u32::try_from(left).expect("few addresses are tried");
            match timeout(share, TcpStream::connect(socket)).await {
                Ok(Ok(stream)) if stream.set_nodelay(true).is_ok() => return Ok(stream),
                Ok(_) => failure = ConnectError::Unreachable,
                Err(_) => {}
            }
        }
        Err(failure)
    }
}
