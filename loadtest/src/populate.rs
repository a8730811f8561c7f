//! Sends exactly one message to each of many peers, however long the daemon makes it wait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{Connection, ExchangeError};
use crate::ledger::Accepted;
use crate::peers::Peers;
use crate::request::{BodyText, SendRequest, Sender, accepted_id};
use crate::send::{PROGRESS_INTERVAL_MS, RECONNECT_PAUSE_MS};
use crate::target::Target;
use crate::workers::{Workers, WorkersError};

/// How often one message is tried again after being refused for now.
pub const REFUSALS_MAX: u32 = 600;
/// The longest `Retry-After` that is waited for, in seconds.
const RETRY_AFTER_S_MAX: u64 = 60;

/// Whom to send one message each.
#[derive(Debug, Clone)]
pub struct PopulatePlan {
    /// The daemon.
    pub target: Target,
    /// The key and the number to send from.
    pub sender: Sender,
    /// The peers; each gets one message.
    pub peers: Peers,
    /// What to send.
    pub body: BodyText,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// Whether accepted messages are kept for reading them back.
    pub keep_accepted: bool,
    /// Whether a line of progress goes to stderr each second.
    pub progress: bool,
}

/// What came of it, and the accepted messages.
#[derive(Debug)]
pub struct PopulateOutcome {
    /// The figures.
    pub report: PopulateReport,
    /// The accepted messages in the order of their peers, if they were kept.
    pub accepted: Vec<Accepted>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PopulateReport {
    /// Peers to send to.
    pub peers: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Answers 429 and 503, each waited out and tried again.
    pub waits: u64,
    /// Messages given up: refused for good or too often, by the last status; 0 stands for no connection.
    pub given_up: BTreeMap<u16, u64>,
    /// Messages without a readable answer, not sent again because the daemon may have them.
    pub in_doubt: u64,
    /// From start to end, in seconds.
    pub duration_s: f64,
    /// Accepted messages per second.
    pub accepted_per_second: f64,
}

impl PopulateReport {
    /// Whether every peer has got its message.
    pub fn is_complete(&self) -> bool {
        self.accepted == self.peers
    }
}

impl fmt::Display for PopulateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {} of {} in {:.2} s, {:.1}/s; waited {} times, in doubt {}, given up {}",
            self.accepted,
            self.peers,
            self.duration_s,
            self.accepted_per_second,
            self.waits,
            self.in_doubt,
            self.given_up.values().sum::<u64>()
        )?;
        self.given_up
            .iter()
            .try_for_each(|(status, count)| write!(f, "\n  {status}: {count}"))
    }
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    waits: AtomicU64,
    in_doubt: AtomicU64,
    given_up: Mutex<BTreeMap<u16, u64>>,
    ledger: Mutex<Vec<Accepted>>,
}

struct Run {
    plan: PopulatePlan,
    next: AtomicU64,
    counts: Counts,
}

/// Sends to every peer and waits for the end.
///
/// # Errors
/// [`WorkersError`] when no worker can start; every other trouble is in the report.
///
/// # Panics
/// When a worker panics.
pub fn populate(plan: &PopulatePlan) -> Result<PopulateOutcome, WorkersError> {
    let start = Instant::now();
    let run = Arc::new(Run {
        plan: plan.clone(),
        next: AtomicU64::new(0),
        counts: Counts::default(),
    });
    let workers = {
        let run = Arc::clone(&run);
        Workers::start(plan.threads, plan.connections, move |_| {
            drive(Arc::clone(&run))
        })?
    };
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || {
        if plan.progress {
            let accepted = run.counts.accepted.load(Ordering::Relaxed);
            eprintln!(
                "{:>6.1} s  accepted {accepted} of {}",
                start.elapsed().as_secs_f64(),
                plan.peers.count()
            );
        }
    });
    let duration_s = start.elapsed().as_secs_f64();
    let accepted = run.counts.accepted.load(Ordering::Relaxed);
    let given_up = run
        .counts
        .given_up
        .lock()
        .expect("no holder of this lock panics")
        .clone();
    let mut ledger = std::mem::take(
        &mut *run
            .counts
            .ledger
            .lock()
            .expect("no holder of this lock panics"),
    );
    ledger.sort_unstable_by_key(|accepted| accepted.sequence);
    let report = PopulateReport {
        peers: plan.peers.count(),
        accepted,
        waits: run.counts.waits.load(Ordering::Relaxed),
        given_up,
        in_doubt: run.counts.in_doubt.load(Ordering::Relaxed),
        duration_s,
        accepted_per_second: accepted as f64 / duration_s,
    };
    Ok(PopulateOutcome {
        report,
        accepted: ledger,
    })
}

async fn drive(run: Arc<Run>) {
    let plan = &run.plan;
    let mut connection = Connection::new(plan.target.clone(), plan.timeout);
    let mut request = SendRequest::new(&plan.target, &plan.sender, plan.peers, &plan.body);
    loop {
        let sequence = run.next.fetch_add(1, Ordering::Relaxed);
        if sequence >= plan.peers.count() {
            return;
        }
        let id = send_once(&mut connection, request.for_message(sequence), &run.counts).await;
        if let (Some(id), true) = (id, plan.keep_accepted) {
            let accepted = Accepted { id, sequence };
            run.counts
                .ledger
                .lock()
                .expect("no holder of this lock panics")
                .push(accepted);
        }
    }
}

/// Sends one message until it is accepted, refused for good, or in doubt; gives the id of an accepted one.
async fn send_once(
    connection: &mut Connection,
    request: &[u8],
    counts: &Counts,
) -> Option<Box<str>> {
    let mut last_status = 0;
    for _ in 0..REFUSALS_MAX {
        let pause = match connection.exchange(request).await {
            Ok(answer) => {
                if answer.status == 201
                    && let Some(id) = accepted_id(answer.body)
                {
                    counts.accepted.fetch_add(1, Ordering::Relaxed);
                    return Some(id.into());
                }
                last_status = answer.status;
                if !matches!(answer.status, 429 | 503) {
                    break;
                }
                counts.waits.fetch_add(1, Ordering::Relaxed);
                retry_pause(answer.retry_after_s)
            }
            Err(ExchangeError::Connect(_)) => {
                last_status = 0;
                Duration::from_millis(RECONNECT_PAUSE_MS)
            }
            Err(_) => {
                counts.in_doubt.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        };
        tokio::time::sleep(pause).await;
    }
    *counts
        .given_up
        .lock()
        .expect("no holder of this lock panics")
        .entry(last_status)
        .or_default() += 1;
    None
}

fn retry_pause(retry_after_s: Option<u64>) -> Duration {
    match retry_after_s {
        Some(0) => Duration::from_millis(RECONNECT_PAUSE_MS),
        Some(seconds) => Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)),
        None => Duration::from_secs(1),
    }
}
