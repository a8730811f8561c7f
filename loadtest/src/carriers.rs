//! The other side of every protocol in one process: Telnyx, Twilio and WhatsApp on one HTTP listener, an SMPP 3.4
//! message center on another.
//!
//! It takes messages, gives ids, and calls the daemon back with receipts and inbound messages: signed, late, early,
//! twice, out of order or never, as [`Faults`] say. What is not acknowledged is sent again, within bounds. It holds no
//! message on disk and knows nobody's passwords: any credentials are taken, their absence is not.
//!
//! Everything runs on one thread with a runtime of its own; `GET` and `POST /control` on the HTTP listener count and
//! steer it, also during a blackout.

pub mod agenda;
pub mod answer;
pub mod control;
pub mod counts;
pub mod faults;
pub mod http_listener;
pub mod post;
pub mod record;
pub mod smsc;
pub mod telnyx;
pub mod twilio;
pub mod whatsapp;
pub mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use counts::ProtocolCounts;
pub use faults::Faults;
pub use record::Protocol;
pub use smsc::ids::IdSpelling;
use world::World;

use crate::signature::Keys;
use crate::target::Target;

/// The most requests that carry callbacks at once.
pub const CALLBACK_CONNECTIONS_MAX: usize = 1_024;
/// The most statuses in one WhatsApp webhook.
pub const BATCH_MAX: usize = 1_000;

/// Where callbacks go that no submit names a place for.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// WhatsApp's webhook.
    pub callback: Option<String>,
    /// Telnyx' webhook for inbound messages.
    pub inbound_telnyx: Option<String>,
    /// Twilio's webhook for inbound messages.
    pub inbound_twilio: Option<String>,
    /// WhatsApp's phone number ids with their numbers in E.164.
    pub numbers: Vec<(String, String)>,
}

impl Addresses {
    /// The number that webhooks show for a phone number id, digits only: its own, or the id.
    pub fn display_number(&self, phone_number_id: &str) -> String {
        let known = self.numbers.iter().find(|(id, _)| id == phone_number_id);
        known
            .map_or(phone_number_id, |(_, number)| number)
            .trim_start_matches('+')
            .to_owned()
    }

    /// The phone number id of a number; a number that is not known is its own.
    pub fn phone_number_id(&self, number: &str) -> String {
        let known = self.numbers.iter().find(|(_, known)| known == number);
        known
            .map_or(number.trim_start_matches('+'), |(id, _)| id)
            .to_owned()
    }
}

/// How to set the carriers up.
#[derive(Debug, Clone)]
pub struct CarriersPlan {
    /// Where the HTTP carriers listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Where the message center listens; port 0 takes any.
    pub smpp_listen: SocketAddr,
    /// What callbacks are signed with.
    pub keys: Keys,
    /// Where callbacks go that no submit names a place for.
    pub addresses: Addresses,
    /// The server that all callbacks go to, whatever their URL says; signatures are over the URL all the same.
    pub deliver_to: Option<Target>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Statuses in one WhatsApp webhook at most, 1 to [`BATCH_MAX`].
    pub batch: usize,
    /// How often a callback is sent at most, at least once.
    pub attempts_max: u32,
    /// Callbacks under way at once, 1 to [`CALLBACK_CONNECTIONS_MAX`].
    pub connections: usize,
    /// How the message center spells ids.
    pub ids: IdSpelling,
    /// The password that binds need; any is taken if absent.
    pub password: Option<String>,
    /// What the dice start from.
    pub seed: u64,
    /// Messages that can be asked for at most.
    pub messages_kept: usize,
    /// Sends no receipts but early ones: whoever embeds the carriers sends the others.
    pub only_early: bool,
}

impl Default for CarriersPlan {
    fn default() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any_port,
            smpp_listen: any_port,
            keys: Keys::default(),
            addresses: Addresses::default(),
            deliver_to: None,
            faults: Faults::default(),
            batch: 1,
            attempts_max: 10,
            connections: 16,
            ids: IdSpelling::Decimal,
            password: None,
            seed: 1,
            messages_kept: record::MESSAGES_KEPT_DEFAULT,
            only_early: false,
        }
    }
}

/// Why the carriers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CarriersError {
    /// A listener cannot be opened.
    #[error("cannot listen at {address}; free the port or take another")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A count is out of its bounds.
    #[error(
        "give 1 to {BATCH_MAX} statuses a request, 1 to {CALLBACK_CONNECTIONS_MAX} callback connections \
         and at least one attempt"
    )]
    Counts,
    /// The operating system gives no thread or no event queue.
    #[error("no thread could be started; free some resources of the operating system")]
    Thread(#[from] std::io::Error),
}

/// What the carriers have to say of themselves.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// Counts per protocol.
    pub protocols: BTreeMap<Protocol, ProtocolCounts>,
    /// Receipts and inbound messages that wait to be sent or acknowledged.
    pub pending: usize,
    /// Whether nothing is answered at present.
    pub blackout: bool,
}

/// Carriers at work; they end when this is dropped.
pub struct Carriers {
    http: SocketAddr,
    smpp: SocketAddr,
    world: Arc<World>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Carriers {
    /// Opens both listeners and starts.
    ///
    /// # Errors
    /// [`CarriersError`] when a listener or the thread cannot be had, or a count is out of bounds.
    pub fn start(plan: &CarriersPlan) -> Result<Self, CarriersError> {
        let counts_fit = (1..=BATCH_MAX).contains(&plan.batch)
            && (1..=CALLBACK_CONNECTIONS_MAX).contains(&plan.connections)
            && plan.attempts_max > 0;
        if !counts_fit {
            return Err(CarriersError::Counts);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (http_listener, http) = listen(plan.listen)?;
        let (smpp_listener, smpp) = listen(plan.smpp_listen)?;
        let world = Arc::new(World::new(plan));
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let world = Arc::clone(&world);
            let listeners = {
                let _inside = runtime.enter();
                (
                    TcpListener::from_std(http_listener)?,
                    TcpListener::from_std(smpp_listener)?,
                )
            };
            let run = run(world, listeners, plan.connections, stopped);
            std::thread::Builder::new()
                .name("carriers".into())
                .spawn(move || runtime.block_on(run))?
        };
        Ok(Self {
            http,
            smpp,
            world,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where the HTTP carriers listen.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the message center listens.
    pub fn smpp(&self) -> SocketAddr {
        self.smpp
    }

    /// Counts so far.
    pub fn snapshot(&self) -> Snapshot {
        self.world.snapshot()
    }

    /// Lets all callbacks go to this server from now on, whatever their URL says.
    pub fn deliver_to(&self, target: Target) {
        *self.world.deliver_to() = Some(target);
    }

    /// The messages taken so far, oldest first, as many as are kept.
    pub fn records(&self) -> Vec<Arc<record::Record>> {
        let mut records: Vec<_> = self.world.book().newest().cloned().collect();
        records.reverse();
        records
    }

    /// Waits for ever.
    ///
    /// # Panics
    /// When the carriers' thread has panicked, with its panic.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Carriers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl World {
    /// Counts so far.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            protocols: self.counts.snapshot(),
            pending: self.agenda.pending(),
            blackout: *self.blackout.borrow(),
        }
    }
}

/// Runs everything until the sender of `stopped` is dropped.
async fn run(
    world: Arc<World>,
    (http, smpp): (TcpListener, TcpListener),
    connections: usize,
    stopped: oneshot::Receiver<()>,
) {
    tokio::spawn(Arc::clone(&world).run_agenda());
    for _ in 0..connections {
        tokio::spawn(post::work(Arc::clone(&world)));
    }
    tokio::spawn(smsc::serve(Arc::clone(&world), smpp));
    tokio::spawn(http_listener::serve(world, http));
    // Nothing is ever sent: its end is the signal.
    let _ = stopped.await;
}

fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), CarriersError> {
    let open = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|source| CarriersError::Listen { address, source })
}
