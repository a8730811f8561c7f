//! Where endpoints may lie: the address guard, which learns the daemon's own addresses once they are known.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use didfarm_config::Settings;
use didfarm_webhooks::{AddressGuard, EndpointUrl, Policy, UrlError};

/// The rules of addresses in force.
pub(crate) struct Reach {
    guard: RwLock<Arc<AddressGuard>>,
}

impl Reach {
    /// What the settings allow. Listen addresses with a port are refused from the start.
    pub(crate) fn of(settings: &Settings) -> Reach {
        let mut guard = AddressGuard::new(settings.webhooks.networks());
        let listens = [settings.http.listen, settings.ops.listen];
        for own in listens.into_iter().filter(|own| own.port() != 0) {
            guard.refuse(own);
        }
        Reach {
            guard: RwLock::new(Arc::new(guard)),
        }
    }

    pub(crate) fn refuse(&self, own: &[SocketAddr]) {
        let mut guard = self.guard.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = AddressGuard::clone(&guard);
        own.iter().for_each(|own| changed.refuse(*own));
        *guard = Arc::new(changed);
    }

    /// The guard in force; another one takes its place when an address is refused.
    pub(crate) fn guard(&self) -> Arc<AddressGuard> {
        Arc::clone(&self.guard.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The normal form of a URL that an endpoint may have.
    pub(crate) fn judge(&self, url: &str) -> Result<Box<str>, UrlError> {
        Ok(self.read(url)?.as_str().into())
    }

    /// A URL that an endpoint may have.
    pub(crate) fn read(&self, url: &str) -> Result<EndpointUrl, UrlError> {
        let policy = Policy {
            guard: self.guard(),
            ..Policy::default()
        };
        EndpointUrl::parse(url, &policy)
    }
}
