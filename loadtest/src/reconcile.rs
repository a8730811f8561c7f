//! Reads accepted messages back until they are at rest, and counts what is lost, doubled or misreported.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::connection::{Connection, get_request};
use crate::ledger::{Accepted, doubled};
use crate::peers::{Fate, Peers};
use crate::request::{BodyText, SEND_PATH};
use crate::send::{PROGRESS_INTERVAL_MS, RECONNECT_PAUSE_MS};
use crate::tally::sentence;
use crate::target::Target;
use crate::workers::{Workers, WorkersError};

pub use crate::ledger::sample;

/// Pause between two readings of messages that are not yet at rest, in milliseconds.
const PASS_PAUSE_MS: u64 = 100;
/// The most faults that are told in words.
const FAULTS_TOLD_MAX: usize = 10;

/// What a message has to look like when it is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The status that its peer's fate brings it to.
    AtRest,
    /// Any status: it only has to be there with its peer and body.
    Present,
}

/// What to read back and how long to wait for it.
#[derive(Debug, Clone)]
pub struct ReconcilePlan {
    /// The daemon.
    pub target: Target,
    /// The account's API key.
    pub key: String,
    /// The peers of the run.
    pub peers: Peers,
    /// The body of the run.
    pub body: BodyText,
    /// At most this many messages are read, evenly spread; all of them if absent.
    pub sample_max: Option<usize>,
    /// What is expected.
    pub expectation: Expectation,
    /// How long a message may take to come to rest, from now. Every message is read at least once.
    pub drain_timeout: Duration,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// What came of reading back.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReconcileReport {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages looked for.
    pub sampled: u64,
    /// Messages found as expected.
    pub reconciled: u64,
    /// Messages that the daemon does not know.
    pub lost: u64,
    /// Ids that were given to more than one message.
    pub doubled: u64,
    /// Messages with another id, peer, body or status than they must have.
    pub misreported: u64,
    /// Messages not at rest when the time was over.
    pub unfinished: u64,
    /// Messages that could not be read when the time was over.
    pub unread: u64,
    /// Time until the last message was settled, in seconds.
    pub drain_s: f64,
    /// The first faults in words.
    pub faults: Vec<String>,
}

impl ReconcileReport {
    /// Whether every message looked for was found as expected.
    pub fn is_clean(&self) -> bool {
        self.reconciled == self.sampled && self.doubled == 0
    }
}

impl fmt::Display for ReconcileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, looked for {}, reconciled {}, lost {}, doubled {}, misreported {}, unfinished {}, \
             unread {}, drained in {:.2} s",
            self.accepted,
            self.sampled,
            self.reconciled,
            self.lost,
            self.doubled,
            self.misreported,
            self.unfinished,
            self.unread,
            self.drain_s
        )?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// What one reading of a message says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Settled,
    NotYet(String),
    Unread { why: String, pause: Duration },
    Lost,
    Misreported(String),
}

#[derive(Deserialize)]
struct ReadAnswer {
    data: ReadMessage,
}

#[derive(Deserialize)]
struct ReadMessage {
    id: String,
    to: String,
    body: String,
    status: String,
}

/// Reads back what was accepted.
///
/// # Errors
/// [`WorkersError`] when no worker can start; every other trouble is in the report.
///
/// # Panics
/// When a worker panics.
pub fn reconcile(
    plan: &ReconcilePlan,
    accepted: &[Accepted],
) -> Result<ReconcileReport, WorkersError> {
    let start = Instant::now();
    let mut waiting = sample(accepted, plan.sample_max.unwrap_or(usize::MAX));
    let mut report = ReconcileReport {
        accepted: accepted.len() as u64,
        sampled: waiting.len() as u64,
        doubled: doubled(accepted),
        ..ReconcileReport::default()
    };
    while !waiting.is_empty() {
        let over = start.elapsed() >= plan.drain_timeout;
        waiting = pass(plan, waiting, &mut report, over)?;
        report.drain_s = start.elapsed().as_secs_f64();
        if !waiting.is_empty() {
            std::thread::sleep(Duration::from_millis(PASS_PAUSE_MS));
        }
    }
    Ok(report)
}

struct Pass {
    plan: ReconcilePlan,
    messages: Vec<Accepted>,
    next: AtomicUsize,
    verdicts: Mutex<Vec<(usize, Verdict)>>,
}

impl Pass {
    fn verdicts(&self) -> MutexGuard<'_, Vec<(usize, Verdict)>> {
        self.verdicts
            .lock()
            .expect("no holder of the verdicts panics")
    }
}

/// Reads every message once and returns those to be read again; none when this was the `last` time.
fn pass(
    plan: &ReconcilePlan,
    messages: Vec<Accepted>,
    report: &mut ReconcileReport,
    last: bool,
) -> Result<Vec<Accepted>, WorkersError> {
    let connections = plan.connections.min(messages.len());
    let pass = Arc::new(Pass {
        plan: plan.clone(),
        messages,
        next: AtomicUsize::new(0),
        verdicts: Mutex::default(),
    });
    let workers = {
        let pass = Arc::clone(&pass);
        Workers::start(plan.threads, connections, move |_| {
            read_in_turn(Arc::clone(&pass))
        })?
    };
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || ());
    let mut again = Vec::new();
    for (index, verdict) in pass.verdicts().drain(..) {
        let message = &pass.messages[index];
        let fault = match verdict {
            Verdict::Settled => {
                report.reconciled += 1;
                continue;
            }
            Verdict::NotYet(_) | Verdict::Unread { .. } if !last => {
                again.push(message.clone());
                continue;
            }
            Verdict::NotYet(why) => (&mut report.unfinished, why),
            Verdict::Unread { why, .. } => (&mut report.unread, why),
            Verdict::Lost => (&mut report.lost, "the daemon does not know it".to_owned()),
            Verdict::Misreported(why) => (&mut report.misreported, why),
        };
        *fault.0 += 1;
        if report.faults.len() < FAULTS_TOLD_MAX {
            report.faults.push(format!("{}: {}", message.id, fault.1));
        }
    }
    Ok(again)
}

async fn read_in_turn(pass: Arc<Pass>) {
    let mut connection = Connection::new(pass.plan.target.clone(), pass.plan.timeout);
    loop {
        let index = pass.next.fetch_add(1, Ordering::Relaxed);
        let Some(message) = pass.messages.get(index) else {
            return;
        };
        let verdict = read(&mut connection, &pass.plan, message).await;
        let pause = match &verdict {
            Verdict::Unread { pause, .. } => Some(*pause),
            _ => None,
        };
        pass.verdicts().push((index, verdict));
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn read(connection: &mut Connection, plan: &ReconcilePlan, message: &Accepted) -> Verdict {
    let path = format!("{SEND_PATH}/{}", message.id);
    let reconnect_pause = Duration::from_millis(RECONNECT_PAUSE_MS);
    match connection
        .exchange(&get_request(&plan.target, &path, Some(&plan.key)))
        .await
    {
        Err(error) => Verdict::Unread {
            why: sentence(&error),
            pause: reconnect_pause,
        },
        Ok(answer) => match answer.status {
            200 => match serde_json::from_slice::<ReadAnswer>(answer.body) {
                Ok(read) => judge(plan, message, &read.data),
                Err(error) => Verdict::Misreported(format!("the answer is no message: {error}")),
            },
            404 | 410 => Verdict::Lost,
            status => Verdict::Unread {
                why: format!("reading it is answered with {status}"),
                pause: answer
                    .retry_after_s
                    .map_or(reconnect_pause, Duration::from_secs)
                    .min(plan.timeout),
            },
        },
    }
}

fn judge(plan: &ReconcilePlan, message: &Accepted, read: &ReadMessage) -> Verdict {
    let differs = |what: &str, expected: &str, actual: &str| {
        Verdict::Misreported(format!("its {what} must be {expected:?} and is {actual:?}"))
    };
    let (to, body) = (
        plan.peers.e164(message.sequence),
        plan.body.text(message.sequence),
    );
    if read.id != *message.id {
        return differs("id", &message.id, &read.id);
    }
    if read.to != to {
        return differs("peer", &to, &read.to);
    }
    if read.body != body {
        return differs("body", &body, &read.body);
    }
    let resting = Fate::of(plan.peers.number(message.sequence)).resting_status();
    match (progress(&read.status), plan.expectation) {
        (None, _) => differs("status", resting, &read.status),
        (Some(_), Expectation::Present) => Verdict::Settled,
        (Some(_), Expectation::AtRest) if read.status == resting => Verdict::Settled,
        (at, Expectation::AtRest) if at < progress(resting) => Verdict::NotYet(format!(
            "its status must come to {resting:?} and is still {:?}",
            read.status
        )),
        (Some(_), Expectation::AtRest) => differs("status", resting, &read.status),
    }
}

/// How far a status is along its way; `None` for a word that is no status.
fn progress(status: &str) -> Option<u8> {
    match status {
        "queued" => Some(0),
        "sending" => Some(1),
        "sent" => Some(2),
        "delivered" | "failed" => Some(3),
        _ => None,
    }
}
