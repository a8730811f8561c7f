//! Reads accepted messages back until they are at rest, and counts what is lost, doubled or misreported.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::{Accepted, doubled};
use crate::peers::{Fate, Peers};
use crate::reading::{ReadMessage, ReadPlan, Sought, Verdict, differs, read_back};
use crate::request::BodyText;
use crate::target::Target;
use crate::workers::WorkersError;

pub use crate::ledger::sample;

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

/// One accepted message, to be read back.
#[derive(Clone)]
struct SentMessage {
    accepted: Accepted,
    plan: Arc<ReconcilePlan>,
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
    let shared = Arc::new(plan.clone());
    let sought: Vec<_> = sample(accepted, plan.sample_max.unwrap_or(usize::MAX))
        .into_iter()
        .map(|accepted| SentMessage {
            accepted,
            plan: Arc::clone(&shared),
        })
        .collect();
    let reading = ReadPlan {
        target: plan.target.clone(),
        key: plan.key.clone(),
        drain_timeout: plan.drain_timeout,
        connections: plan.connections,
        threads: plan.threads,
        timeout: plan.timeout,
    };
    let found = read_back(&reading, sought)?;
    Ok(ReconcileReport {
        accepted: accepted.len() as u64,
        sampled: found.sought,
        reconciled: found.settled,
        lost: found.lost,
        doubled: doubled(accepted),
        misreported: found.misreported,
        unfinished: found.unfinished,
        unread: found.unread,
        drain_s: found.drain_s,
        faults: found.faults,
    })
}

impl Sought for SentMessage {
    fn id(&self) -> &str {
        &self.accepted.id
    }

    fn judge(&self, read: &ReadMessage) -> Verdict {
        let Self { accepted, plan } = self;
        let (to, body) = (
            plan.peers.e164(accepted.sequence),
            plan.body.text(accepted.sequence),
        );
        if read.to != to {
            return differs("peer", &to, &read.to);
        }
        if read.body != body {
            return differs("body", &body, &read.body);
        }
        let resting = Fate::of(plan.peers.number(accepted.sequence)).resting_status();
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
}

/// How far a status is along its way; `None` for a word that is no status.
fn progress(status: &str) -> Option<u8> {
    match status {
        "scheduled" | "queued" => Some(0),
        "sending" => Some(1),
        "sent" => Some(2),
        "delivered" | "failed" | "cancelled" => Some(3),
        _ => None,
    }
}
