//! Carriers that are reached by HTTP: what is the same for all of them.
//!
//! [`HttpCarrier`] owns two threads: `carrier-NAME` with a single-threaded runtime that makes the
//! requests, and `answers-NAME` that hands answers to the sink in groups of at most [`SINK_GROUP_MAX`], so
//! that a slow sink never holds up a response. What a request and its answer mean is said by an
//! [`HttpProtocol`]; it has no state that matters and does no I/O.
//!
//! Whether a request may have reached the carrier is never guessed. Its body passes through a gate: one
//! that was not opened is shut for good, and the message is known not to be taken; one that was opened
//! leaves it in doubt unless a whole response came. Requests are not sent again, and redirects are not
//! followed.
//!
//! At most [`HttpSettings::in_flight_max`] requests are under way; what waits longer than half of
//! [`HttpSettings::timeout`] is given back as not taken. While a carrier's `Retry-After` runs, everything
//! is. Dropping the carrier ends both threads: what was not answered by then never is.

mod answer;
mod client;
mod gate;
pub(crate) mod party;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use didfarm_core::ids::CarrierId;
use didfarm_core::reason::Reason;
use http_body_util::Full;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::callback::CallbackDoor;
use crate::{Abilities, Carrier, CarrierSink, Query, Receipt, Submit, SubmitAnswer};

pub use answer::{HttpAnswer, verdict_of_status};
pub use client::{BODY_BYTES_MAX, POOL_IDLE};
pub(crate) use client::{get, post, secret_header};
pub use worker::RETRY_AFTER_MAX;

/// The most answers handed to the sink in one call.
pub const SINK_GROUP_MAX: usize = 1_024;
/// The default of [`HttpSettings::in_flight_max`].
pub const IN_FLIGHT_MAX: usize = 64;
/// The default of [`HttpSettings::connect_timeout`].
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The default of [`HttpSettings::timeout`]: below the 10 s that the engine waits for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(9);

/// A request as protocols make it: complete, with an absolute address.
pub type HttpRequest = http::Request<Full<Bytes>>;

/// What requests to one carrier look like and what its answers mean.
pub trait HttpProtocol: Send + Sync + 'static {
    /// The request that submits a message.
    ///
    /// # Errors
    /// A final refusal: the carrier cannot carry such a message, and is not asked.
    fn request(&self, submit: &Submit) -> Result<HttpRequest, Reason>;

    /// What a whole response says about the message.
    fn answer(&self, submit: &Submit, answer: &HttpAnswer) -> SubmitAnswer;

    /// The door for the carrier's callbacks.
    fn door(&self) -> Option<Arc<dyn CallbackDoor>>;

    /// What the carrier can do.
    fn abilities(&self) -> Abilities;

    /// The request that asks what became of a message; `None` where the protocol has none.
    fn question(&self, query: &Query) -> Option<HttpRequest> {
        let _ = query;
        None
    }

    /// What a whole response says about what was asked; `None` when it says nothing.
    fn learned(&self, query: &Query, answer: &HttpAnswer) -> Option<Receipt> {
        let _ = (query, answer);
        None
    }
}

/// How one carrier is reached.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Which carrier it is.
    pub id: CarrierId,
    /// Its name in the settings, at most 32 characters.
    pub name: String,
    /// Where it is, without a slash at the end: `https://…`, or `http://…` for tests on loopback.
    pub base_url: String,
    /// The most requests under way at once, at least 1.
    pub in_flight_max: usize,
    /// The longest that connecting may take, name resolution and TLS included.
    pub connect_timeout: Duration,
    /// The longest from a message's hand-over to its answer.
    pub timeout: Duration,
    /// A PEM file of authorities that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
}

impl HttpSettings {
    /// Settings with every limit at its default.
    pub fn new(id: CarrierId, name: &str, base_url: &str) -> HttpSettings {
        HttpSettings {
            id,
            name: name.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            in_flight_max: IN_FLIGHT_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            ca_file: None,
        }
    }
}

/// A carrier by HTTP cannot be started: its settings or the system are at fault.
#[derive(Debug, thiserror::Error)]
pub enum HttpStartError {
    /// The address is not `http(s)://host…`.
    #[error("the base address is no http or https address")]
    BaseUrl,
    /// A setting of the protocol cannot be used.
    #[error("{setting} is not usable: {why}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is wrong with it, without its value.
        why: &'static str,
    },
    /// The file of authorities cannot be read.
    #[error("the authorities in {path} cannot be read: {detail}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The system refused a thread, or what a runtime needs.
    #[error("the system refused a thread of the carrier")]
    System(#[source] std::io::Error),
}

/// A carrier reached by HTTP.
pub struct HttpCarrier {
    id: CarrierId,
    name: String,
    protocol: Arc<dyn HttpProtocol>,
    jobs: Option<UnboundedSender<worker::Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl HttpCarrier {
    /// Starts the carrier's threads, which answer to `sink`. Nothing is sent before the first submit.
    ///
    /// # Errors
    /// [`HttpStartError`]; no thread is left behind.
    pub fn start(
        settings: &HttpSettings,
        protocol: Arc<dyn HttpProtocol>,
        sink: Arc<dyn CarrierSink>,
    ) -> Result<HttpCarrier, HttpStartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(HttpStartError::System)?;
        let (jobs, inbox) = unbounded_channel();
        let (answers, outbox) = unbounded_channel();
        let worker = worker::Worker::new(settings, Arc::clone(&protocol), answers)?;
        let mut carrier = HttpCarrier {
            id: settings.id,
            name: settings.name.clone(),
            protocol,
            jobs: Some(jobs),
            threads: Vec::with_capacity(2),
        };
        let id = settings.id;
        carrier.spawn("carrier", move || {
            runtime.block_on(worker.run(inbox));
            // A name resolution may hang for as long as the system likes.
            runtime.shutdown_background();
        })?;
        carrier.spawn("answers", move || worker::hand_over(id, outbox, &*sink))?;
        Ok(carrier)
    }

    fn spawn(
        &mut self,
        role: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), HttpStartError> {
        let thread = thread::Builder::new()
            .name(format!("{role}-{}", self.name))
            .spawn(run)
            .map_err(HttpStartError::System)?;
        self.threads.push(thread);
        Ok(())
    }

    fn hand_in(&self, work: Vec<worker::Work>) {
        let jobs = self.jobs.as_ref().expect("taken in drop only");
        let came_at = Instant::now();
        if jobs.send(worker::Job { came_at, work }).is_err() {
            tracing::error!(
                carrier = self.name,
                "the carrier's thread has ended: its messages stay without an answer"
            );
        }
    }
}

impl Carrier for HttpCarrier {
    fn id(&self) -> CarrierId {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        self.protocol.abilities()
    }

    fn submit(&self, group: Vec<Submit>) {
        self.hand_in(group.into_iter().map(worker::Work::Submit).collect());
    }

    fn query(&self, group: Vec<Query>) {
        if self.protocol.abilities().queries {
            self.hand_in(group.into_iter().map(worker::Work::Query).collect());
        }
    }

    fn door(&self) -> Option<Arc<dyn CallbackDoor>> {
        self.protocol.door()
    }
}

impl fmt::Debug for HttpCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCarrier")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for HttpCarrier {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A sink that holds the last reference drops it on the carrier's own thread, which cannot
            // wait for itself; that thread ends once the sink returns.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!(
                    carrier = self.name,
                    "a thread of the carrier had panicked: answers are missing"
                );
            }
        }
    }
}
