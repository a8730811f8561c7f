//! A receiver of webhooks that plays many endpoints, chosen by path: sound, slow, dead, failing, dripping.
//!
//! It counts what comes to each path: webhook-ids, those that came again, wrong signatures, the order within each
//! conversation, and the latency from the time that a message's text names ([`payload::MARKER`]). It answers as the
//! path says, whatever the signature. Memory is bounded: the constants of [`book`] say what is kept.
//!
//! Everything runs on one thread with a runtime of its own, because it shares its cores with the daemon.

pub mod behaviour;
pub mod book;
pub mod control;
pub mod endpoint;
pub mod listener;
pub mod payload;
pub mod report;
pub mod verifier;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use book::Book;
use listener::Shared;
pub use report::{EndpointReport, Received, SinkReport};
use verifier::{SecretError, Verifier};

/// The most of the latest requests that can be kept.
pub const REQUESTS_KEPT_MAX: usize = 100_000;

/// Where to listen, and what to check.
#[derive(Clone)]
pub struct SinkPlan {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Secrets, `whsec_…`, of which one has to fit each request; signatures are not checked without any.
    pub secrets: Vec<String>,
    /// How many of the latest requests are kept with their bodies, at most [`REQUESTS_KEPT_MAX`].
    pub requests_kept: usize,
}

impl Default for SinkPlan {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secrets: Vec::new(),
            requests_kept: 0,
        }
    }
}

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The listener cannot be opened.
    #[error("cannot listen at {address}; free the port or take another")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A secret is none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Too many requests are to be kept.
    #[error("at most {REQUESTS_KEPT_MAX} requests can be kept; give fewer")]
    RequestsKept,
    /// The operating system gives no thread or no event queue.
    #[error("no thread could be started; free some resources of the operating system")]
    Thread(#[from] std::io::Error),
}

/// A sink at work; it ends when this is dropped.
pub struct Sink {
    address: SocketAddr,
    book: Arc<Book>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Opens the listener and starts.
    ///
    /// # Errors
    /// [`SinkError`] when the listener or the thread cannot be had, or the plan is out of bounds.
    pub fn start(plan: &SinkPlan) -> Result<Self, SinkError> {
        if plan.requests_kept > REQUESTS_KEPT_MAX {
            return Err(SinkError::RequestsKept);
        }
        let verifier = match plan.secrets.as_slice() {
            [] => None,
            secrets => Some(Verifier::new(secrets)?),
        };
        let book = Arc::new(Book::new(plan.requests_kept));
        let shared = Arc::new(Shared {
            book: Arc::clone(&book),
            verifier,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let unheard = |source| SinkError::Listen {
            address: plan.listen,
            source,
        };
        let listener = runtime
            .block_on(TcpListener::bind(plan.listen))
            .map_err(unheard)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::spawn(listener::serve(shared, listener));
                    // Nothing is ever sent: its end is the signal.
                    let _ = stopped.await;
                });
            })?;
        Ok(Self {
            address,
            book,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an endpoint; `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The figures so far.
    pub fn report(&self) -> SinkReport {
        self.book.report()
    }

    /// The webhook-ids that came to a path, sorted.
    pub fn ids(&self, path: &str) -> Vec<String> {
        self.book.ids(path)
    }

    /// The latest requests to a path, oldest first, as many as are kept.
    pub fn latest(&self, path: &str) -> Vec<Received> {
        self.book.latest(Some(path))
    }

    /// Forgets everything.
    pub fn reset(&self) {
        self.book.reset();
    }

    /// Waits for ever.
    ///
    /// # Panics
    /// When the sink's thread has panicked, with its panic.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}
