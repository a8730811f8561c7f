//! How a host becomes addresses.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;

/// How many lookups the system resolver has open at once: a slow name server holds up threads, and those of
/// the runtime are not only for webhooks.
pub const LOOKUPS_MAX: usize = 256;
/// How many of them under one domain: whoever has a name server that never answers holds up no neighbour.
pub const DOMAIN_LOOKUPS_MAX: usize = 8;

/// A lookup on its way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds a host's addresses.
pub trait Resolve: Send + Sync + 'static {
    /// Looks up every address of a host name, in the order in which they are to be tried. The caller bounds the
    /// time by dropping the future.
    fn resolve(&self, host: &str) -> Resolving;
}

/// What a lookup found; the error's text, as errors cannot be shared.
type Found = Result<Vec<IpAddr>, String>;

/// Lookups under way by their host; several that ask for one host at once are one lookup.
type UnderWay = HashMap<String, watch::Receiver<Option<Found>>>;

/// The operating system's resolver, with its hosts file.
#[derive(Debug, Clone, Default)]
pub struct SystemResolver {
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    under_way: Mutex<UnderWay>,
    /// Wakes those for whom there was no room.
    ended: Notify,
}

impl Desk {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl SystemResolver {
    /// Makes a resolver with [`LOOKUPS_MAX`] lookups at once.
    pub fn new() -> SystemResolver {
        SystemResolver::default()
    }

    /// Joins the lookup of a host, or begins it; `None` while there is no room.
    fn look_up(&self, host: &str) -> Option<watch::Receiver<Option<Found>>> {
        let mut under_way = self.desk.under_way();
        if let Some(answer) = under_way.get(host) {
            return Some(answer.clone());
        }
        let domain = domain_of(host);
        let of_domain = under_way.keys().filter(|other| domain_of(other) == domain);
        if under_way.len() >= LOOKUPS_MAX || of_domain.count() >= DOMAIN_LOOKUPS_MAX {
            return None;
        }
        let (done, answer) = watch::channel(None);
        under_way.insert(host.to_owned(), answer.clone());
        let (host, desk) = (host.to_owned(), Arc::clone(&self.desk));
        // Who gives up does not end the thread: the lookup is under way until the system answers.
        spawn_blocking(move || {
            let found = (host.as_str(), 0).to_socket_addrs();
            let found = found.map(|sockets| sockets.map(|socket| socket.ip()).collect());
            desk.under_way().remove(&host);
            desk.ended.notify_waiters();
            // Who has given up need not be told.
            let _ = done.send(Some(found.map_err(|error| error.to_string())));
        });
        Some(answer)
    }

    /// The same, once there is room.
    async fn looked_up(&self, host: &str) -> watch::Receiver<Option<Found>> {
        loop {
            let mut ended = pin!(self.desk.ended.notified());
            ended.as_mut().enable();
            match self.look_up(host) {
                Some(answer) => return answer,
                None => ended.await,
            }
        }
    }
}

/// The last two labels of a host: about what one owner has.
fn domain_of(host: &str) -> &str {
    let mut dots = host.trim_end_matches('.').rmatch_indices('.');
    dots.nth(1).map_or(host, |(at, _)| &host[at + 1..])
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let (resolver, host) = (self.clone(), host.to_owned());
        Box::pin(async move {
            let mut answer = resolver.looked_up(&host).await;
            let answered = answer.wait_for(Option::is_some).await;
            let answered = answered.map_err(io::Error::other)?;
            match answered.as_ref() {
                Some(Ok(found)) => Ok(found.clone()),
                Some(Err(error)) => Err(io::Error::other(error.clone())),
                None => Err(io::Error::other("the lookup was cut short")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_the_last_two_labels() {
        for (host, domain) in [
            ("localhost", "localhost"),
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("a.b.example.com.", "example.com."),
        ] {
            assert_eq!(domain_of(host), domain);
        }
    }

    #[tokio::test]
    async fn lookups_of_one_host_at_once_are_one_and_a_domain_has_few() {
        let resolver = SystemResolver::new();
        let (_done, answer) = watch::channel(None);
        for n in 0..DOMAIN_LOOKUPS_MAX {
            let host = format!("h{n}.dead.example");
            resolver.desk.under_way().insert(host, answer.clone());
        }
        assert!(resolver.look_up("h8.dead.example").is_none());
        assert!(
            resolver.look_up("h0.dead.example").is_some(),
            "it is joined"
        );
        let found = resolver.resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
        assert_eq!(resolver.desk.under_way().len(), DOMAIN_LOOKUPS_MAX);
    }
}
