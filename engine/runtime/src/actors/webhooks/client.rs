//! The threads that make attempts: each a single-threaded runtime with its own pool of connections.
//!
//! The attempts of one endpoint are made by one thread, so that they share its connections. What ended
//! goes to the webhook supervisor's inbox in groups. How many attempts there are at once is the
//! supervisor's to bound.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use didfarm_config::Settings;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::AttemptClass;
use didfarm_webhooks::{
    AddressGuard, Attempted, Request, Sender, SenderError, SenderSettings, SystemResolver, Target,
    WebhookId,
};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::HubInput;
use super::job::{Ended, Job};
use crate::shared::Shared;

/// Ends that go to the supervisor as one group.
const GROUP_MAX: usize = 256;
/// Idle connections that are kept to one endpoint at most.
const IDLE_PER_HOST_MAX: usize = 64;

/// Why attempts cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientStartError {
    /// The file of further certificate authorities cannot be read.
    #[error("webhooks.extra_root_certificates cannot be read: {0}")]
    File(std::io::Error),
    /// What it holds is no certificate.
    #[error("webhooks.extra_root_certificates: {0}")]
    Roots(#[from] SenderError),
    /// A thread cannot be made.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// The threads.
pub(crate) struct Clients {
    jobs: Vec<UnboundedSender<Vec<Job>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        settings: &SenderSettings,
    ) -> Result<Clients, ClientStartError> {
        let mut clients = Clients {
            jobs: Vec::new(),
            threads: Vec::new(),
        };
        for index in 0..shared.settings.webhooks.client_threads.max(1) {
            let (jobs, queue) = unbounded_channel();
            let client = Client::new(Arc::clone(shared), settings.clone())?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(ClientStartError::Thread)?;
            let thread = std::thread::Builder::new()
                .name(format!("webhook-client-{index}"))
                .spawn(move || {
                    runtime.block_on(client.serve(queue));
                    // A lookup that nobody waits for any more holds up no stop.
                    runtime.shutdown_background();
                })
                .map_err(ClientStartError::Thread)?;
            clients.jobs.push(jobs);
            clients.threads.push(thread);
        }
        Ok(clients)
    }

    /// Has attempts made.
    pub(crate) fn make(&self, jobs: Vec<Job>) {
        let mut groups: Vec<Vec<Job>> = self.jobs.iter().map(|_| Vec::new()).collect();
        let count = groups.len();
        for job in jobs {
            groups[job.ticket.endpoint.0 as usize % count].push(job);
        }
        for (thread, group) in self.jobs.iter().zip(groups) {
            if !group.is_empty() {
                // A thread ends only with the engine.
                let _ = thread.send(group);
            }
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.jobs.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How the settings have requests made.
pub(crate) fn sender_settings(settings: &Settings) -> Result<SenderSettings, ClientStartError> {
    let webhooks = &settings.webhooks;
    let roots_pem = match webhooks.extra_root_certificates() {
        Some(path) => std::fs::read(path).map_err(ClientStartError::File)?,
        None => Vec::new(),
    };
    Ok(SenderSettings {
        timeout: webhooks.timeout(),
        connect_timeout: webhooks.connect_timeout(),
        idle_per_host_max: webhooks.endpoint_in_flight_max.min(IDLE_PER_HOST_MAX),
        roots_pem,
    })
}

/// One thread's client.
struct Client {
    shared: Arc<Shared>,
    settings: SenderSettings,
    /// The guard that the sender asks.
    guard: Arc<AddressGuard>,
    sender: Sender,
}

impl Client {
    fn new(shared: Arc<Shared>, settings: SenderSettings) -> Result<Client, SenderError> {
        let guard = shared.reach.guard();
        let sender = sender(&settings, &guard)?;
        Ok(Client {
            shared,
            settings,
            guard,
            sender,
        })
    }

    async fn serve(mut self, mut jobs: UnboundedReceiver<Vec<Job>>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                group = jobs.recv() => {
                    let Some(group) = group else { return };
                    self.follow_guard();
                    for job in group {
                        let began = self.shared.now();
                        let target = self.target(&job);
                        under_way.push(guarded(self.sender.clone(), (job, target), began));
                    }
                }
                Some(ended) = under_way.next() => {
                    let mut group = vec![ended];
                    while group.len() < GROUP_MAX
                        && let Some(Some(ended)) = under_way.next().now_or_never()
                    {
                        group.push(ended);
                    }
                    self.shared.webhooks.push(HubInput::Ended(group));
                }
            }
        }
    }

    /// Where an attempt goes; `None` when nothing may be sent there any more.
    fn target(&self, job: &Job) -> Option<Target> {
        match &job.face.as_ref()?.target {
            Some(target) => Some(target.clone()),
            None => {
                let url = self.shared.reach.read(job.material.status_url()?);
                url.ok().map(|url| Target::new(&url))
            }
        }
    }

    /// A sender of the guard in force: its connections are judged anew.
    fn follow_guard(&mut self) {
        let guard = self.shared.reach.guard();
        if Arc::ptr_eq(&guard, &self.guard) {
            return;
        }
        if let Ok(sender) = sender(&self.settings, &guard) {
            self.sender = sender;
            self.guard = guard;
        }
    }
}

fn sender(settings: &SenderSettings, guard: &Arc<AddressGuard>) -> Result<Sender, SenderError> {
    Sender::new(settings, Arc::clone(guard), Arc::new(SystemResolver::new()))
}

/// Makes an attempt; one that panics has failed like any other.
async fn guarded(sender: Sender, job: (Job, Option<Target>), began: Timestamp) -> Ended {
    let ticket = job.0.ticket;
    let made = AssertUnwindSafe(attempt(sender, job, began)).catch_unwind();
    let attempted = made.await.unwrap_or_else(|_| {
        tracing::error!(endpoint = %ticket.endpoint, event = %ticket.event, "a webhook attempt panicked");
        failed(AttemptClass::Broken)
    });
    let duration_ms = u32::try_from(attempted.duration.as_millis()).unwrap_or(u32::MAX);
    let retry_after_ms = attempted
        .retry_after
        .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Ended {
        ticket,
        at: began,
        duration_ms,
        status: attempted.status,
        class: attempted.class,
        body_start: attempted.body_start,
        retry_after_ms,
    }
}

async fn attempt(
    sender: Sender,
    (job, target): (Job, Option<Target>),
    began: Timestamp,
) -> Attempted {
    let (Some(face), Some(target)) = (&job.face, &target) else {
        return failed(AttemptClass::ForbiddenAddress);
    };
    let id = WebhookId::new(job.ticket.event.spelled().as_str())
        .expect("an event's id is letters, digits and an underscore");
    let body = job.material.payload(face.form);
    let timestamp_s = began.0.div_euclid(1_000_000);
    let request = Request::signed(target, &face.keyring, &id, timestamp_s, body);
    let request = match &face.form_key {
        Some(key) => request.signed_as_form(key),
        None => request,
    };
    sender.attempt(request).await
}

fn failed(class: AttemptClass) -> Attempted {
    Attempted {
        status: None,
        class,
        duration: Duration::ZERO,
        body_start: "".into(),
        retry_after: None,
    }
}
