//! Who is bound, and what waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};

use super::ids::IdSpelling;
use super::outbound::Outbound;

/// The most system ids that are remembered; a bind of one more is refused.
pub const SYSTEM_IDS_MAX: usize = 1_024;

/// One system id.
#[derive(Default)]
struct Esme {
    waiting: VecDeque<Outbound>,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Registry {
    esmes: BTreeMap<Box<str>, Esme>,
    /// Inbound messages go to whoever bound as a receiver last.
    latest_receiver: Option<Box<str>>,
    unrouted: VecDeque<Outbound>,
}

/// Every system id that was ever bound.
pub struct Esmes {
    /// How ids are spelled.
    pub ids: IdSpelling,
    password: Option<String>,
    registry: Mutex<Registry>,
    generation: watch::Sender<u64>,
}

impl Esmes {
    /// Nobody is bound.
    pub fn new(ids: IdSpelling, password: Option<String>) -> Self {
        Self {
            ids,
            password,
            registry: Mutex::default(),
            generation: watch::Sender::new(0),
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry
            .lock()
            .expect("no holder of the registry panics")
    }

    /// Whether a bind may use this password.
    pub fn admits(&self, password: &str) -> bool {
        self.password
            .as_deref()
            .is_none_or(|known| known == password)
    }

    /// Notes a bind; the notification tells that something waits. `None` when there are too many system ids.
    pub fn bind(&self, system_id: &str, receives: bool) -> Option<Arc<Notify>> {
        let mut registry = self.registry();
        if registry.esmes.len() >= SYSTEM_IDS_MAX && !registry.esmes.contains_key(system_id) {
            return None;
        }
        let unrouted = match receives {
            true => std::mem::take(&mut registry.unrouted),
            false => VecDeque::new(),
        };
        if receives {
            registry.latest_receiver = Some(system_id.into());
        }
        let esme = registry.esmes.entry(system_id.into()).or_default();
        esme.waiting.extend(unrouted);
        Some(Arc::clone(&esme.wake))
    }

    /// Hands something over for whoever is bound, now or later.
    pub fn send(&self, outbound: Outbound) {
        self.put(outbound, false);
    }

    /// Hands something back that was not acknowledged: it goes before what waits.
    pub fn send_first(&self, outbound: Outbound) {
        self.put(outbound, true);
    }

    fn put(&self, outbound: Outbound, first: bool) {
        let mut registry = self.registry();
        let Some(system_id) = outbound
            .system_id()
            .map(Box::from)
            .or(registry.latest_receiver.clone())
        else {
            registry.unrouted.push_back(outbound);
            return;
        };
        let esme = registry.esmes.entry(system_id).or_default();
        match first {
            true => esme.waiting.push_front(outbound),
            false => esme.waiting.push_back(outbound),
        }
        esme.wake.notify_one();
    }

    /// Takes at most `room` of what waits for a system id.
    pub fn take(&self, system_id: &str, room: usize) -> Vec<Outbound> {
        let mut registry = self.registry();
        let Some(esme) = registry.esmes.get_mut(system_id) else {
            return Vec::new();
        };
        let taken: Vec<_> = esme.waiting.drain(..room.min(esme.waiting.len())).collect();
        if !esme.waiting.is_empty() {
            // Another bind of the same system id may have room.
            esme.wake.notify_one();
        }
        taken
    }

    /// Ends every connection without an unbind.
    pub fn drop_all(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Changes when connections are to end.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}
