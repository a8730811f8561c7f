//! How a host becomes addresses.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many lookups the system resolver has open at once: a slow name server holds up threads, and those of
/// the runtime are not only for webhooks.
pub const LOOKUPS_MAX: usize = 64;

/// A lookup on its way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds a host's addresses.
pub trait Resolve: Send + Sync + 'static {
    /// Looks up every address of a host name, in the order in which they are to be tried. The caller bounds the
    /// time by dropping the future.
    fn resolve(&self, host: &str) -> Resolving;
}

/// The operating system's resolver, with its hosts file.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    /// Makes a resolver with [`LOOKUPS_MAX`] lookups at once.
    pub fn new() -> SystemResolver {
        SystemResolver {
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }
}

impl Default for SystemResolver {
    fn default() -> SystemResolver {
        SystemResolver::new()
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        let lookups = self.lookups.clone();
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // The permit goes with the thread: a caller that gives up does not free it.
            let looking = spawn_blocking(move || {
                let found = (host.as_str(), 0).to_socket_addrs();
                drop(permit);
                Ok(found?.map(|socket| socket.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    }
}
