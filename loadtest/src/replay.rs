//! Replays captured callbacks: the recorded spacing at another speed, signed anew, shifted and repeated, and then
//! every message is asked for, whose state no order may change.

pub mod claims;
pub mod drive;
pub mod schedule;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::callbacks::FloodReport;
use crate::capture::{self, CaptureError};
use crate::reading::{Findings, ReadPlan, read_back};
use crate::signature::Keys;
use crate::target::Target;
use crate::workers::WorkersError;

/// What to replay, where and how.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// The capture.
    pub file: PathBuf,
    /// The daemon.
    pub target: Target,
    /// The daemon's public address, which Twilio's signatures are over; no slash at its end.
    pub public_url: String,
    /// What callbacks are signed with.
    pub keys: Keys,
    /// How many times as fast as recorded.
    pub speed: f64,
    /// How far a request may come from its time.
    pub shuffle: Duration,
    /// Share of requests that are sent twice.
    pub duplicates: f64,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// The API key that messages are read back by; without it nothing is checked.
    pub api_key: Option<String>,
    /// How long what was not taken is sent again, and messages may take to come to rest.
    pub drain_timeout: Duration,
    /// What the dice start from.
    pub seed: u64,
    /// Whether a line of progress goes to stderr each second.
    pub progress: bool,
}

/// Why a replay cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The capture cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The capture holds nothing that can be sent again.
    #[error("the capture holds no callback; nothing is replayed")]
    Empty,
    /// The speed is no positive number.
    #[error("the speed must be a positive number; give another")]
    Speed,
    /// No worker can start.
    #[error(transparent)]
    Workers(#[from] WorkersError),
}

/// What came of a replay.
#[derive(Debug, Serialize)]
pub struct ReplayReport {
    /// Requests in the capture.
    pub captured: u64,
    /// Requests in it that were passed over: checks of the address, and what cannot be signed.
    pub passed_over: u64,
    /// Receipts in it that name no message of ours, and cannot be checked therefore.
    pub unnamed: u64,
    /// The requests.
    pub requests: FloodReport,
    /// The messages; absent when they were not read back.
    pub messages: Option<Findings>,
}

impl ReplayReport {
    /// Whether every request was taken and every message ended as it must.
    pub fn is_clean(&self) -> bool {
        self.requests.is_sound() && self.messages.as_ref().is_none_or(Findings::is_clean)
    }
}

impl std::fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "capture     {} requests, {} passed over, {} receipts that name no message",
            self.captured, self.passed_over, self.unnamed
        )?;
        write!(f, "{}", self.requests)?;
        match &self.messages {
            Some(messages) => write!(f, "\nmessages    {messages}"),
            None => Ok(()),
        }
    }
}

/// Replays a capture and checks what came of it.
///
/// # Errors
/// [`ReplayError`] when the capture cannot be read or sent; what is wrong with messages is in the report.
///
/// # Panics
/// When a worker panics.
pub fn replay(plan: &ReplayPlan) -> Result<ReplayReport, ReplayError> {
    if !(plan.speed.is_finite() && plan.speed > 0.0) {
        return Err(ReplayError::Speed);
    }
    let captured = capture::read(&plan.file)?;
    let claimed = claims::claimed(&captured);
    let captured_count = captured.len() as u64;
    let turns = schedule::schedule(plan, captured);
    if turns.is_empty() {
        return Err(ReplayError::Empty);
    }
    let passed_over = captured_count - turns.iter().filter(|turn| !turn.repeat).count() as u64;
    let requests = drive::drive(plan, turns)?;
    let messages = match &plan.api_key {
        None => None,
        Some(key) => {
            let reading = ReadPlan {
                target: plan.target.clone(),
                key: key.clone(),
                drain_timeout: plan.drain_timeout,
                connections: plan.connections,
                threads: plan.threads,
                timeout: plan.timeout,
            };
            Some(read_back(&reading, claimed.outcomes)?)
        }
    };
    Ok(ReplayReport {
        captured: captured_count,
        passed_over,
        unnamed: claimed.unnamed,
        requests,
        messages,
    })
}
