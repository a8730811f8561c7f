//! What one thread has counted and measured so far.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::ExchangeError;
use crate::ledger::Accepted;

/// The longest latency told apart, in microseconds; longer ones are counted as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// The most accepted messages that one run keeps in memory.
pub const ACCEPTED_KEPT_MAX: usize = 50_000_000;

/// An empty histogram of microseconds.
pub fn microseconds() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
        .expect("the bounds are valid constants")
}

/// Records a duration in microseconds, rounded down.
pub fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(duration.as_micros() as u64);
}

/// Counts of one thread, or the sum over all.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests that were begun.
    pub sent: u64,
    /// Answers 201 with an id.
    pub accepted: u64,
    /// Every other answer by its status; 201 here means that it held no id.
    pub refused: BTreeMap<u16, u64>,
    /// Requests that never left, for want of a connection.
    pub unconnected: u64,
    /// Requests without a readable answer: the server may have acted on them.
    pub in_doubt: u64,
    /// Arrivals that were due and never sent.
    pub unsent: u64,
    /// Intended start to answer, accepted messages only, in microseconds.
    pub latency: Histogram<u64>,
    /// Intended start to actual start, in microseconds.
    pub start_lag: Histogram<u64>,
    /// The accepted messages themselves, if they are kept.
    pub ledger: Vec<Accepted>,
    /// Accepted messages left out of a full ledger.
    pub unkept: u64,
    /// When the last answer came.
    pub last_answer: Option<Instant>,
    /// The latest failure, in words.
    pub last_failure: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            accepted: 0,
            refused: BTreeMap::new(),
            unconnected: 0,
            in_doubt: 0,
            unsent: 0,
            latency: microseconds(),
            start_lag: microseconds(),
            ledger: Vec::new(),
            unkept: 0,
            last_answer: None,
            last_failure: None,
        }
    }
}

impl Tally {
    /// Counts an accepted message.
    pub fn accept(&mut self, latency: Duration, at: Instant) {
        self.accepted += 1;
        record(&mut self.latency, latency);
        self.last_answer = Some(at);
    }

    /// Keeps an accepted message for reading it back.
    pub fn keep(&mut self, accepted: Accepted) {
        if self.ledger.len() < ACCEPTED_KEPT_MAX {
            self.ledger.push(accepted);
        } else {
            self.unkept += 1;
        }
    }

    /// Counts an answer that accepts nothing.
    pub fn refuse(&mut self, status: u16, at: Instant) {
        *self.refused.entry(status).or_default() += 1;
        self.last_answer = Some(at);
    }

    /// Counts a request without an answer.
    pub fn fail(&mut self, error: &ExchangeError) {
        match error {
            ExchangeError::Connect(_) => self.unconnected += 1,
            ExchangeError::Broken(_)
            | ExchangeError::Timeout { .. }
            | ExchangeError::Response(_) => {
                self.in_doubt += 1;
            }
        }
        self.last_failure = Some(sentence(error));
    }

    /// Adds what another thread has counted; its ledger is left to [`Self::absorb`].
    pub fn add_counts(&mut self, other: &Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        self.unconnected += other.unconnected;
        self.in_doubt += other.in_doubt;
        self.unsent += other.unsent;
        self.unkept += other.unkept;
        self.latency
            .add(&other.latency)
            .expect("all histograms have the same bounds");
        self.start_lag
            .add(&other.start_lag)
            .expect("all histograms have the same bounds");
        self.last_answer = self.last_answer.max(other.last_answer);
        if other.last_failure.is_some() {
            self.last_failure.clone_from(&other.last_failure);
        }
    }

    /// Adds what another thread has counted and kept, leaving its ledger empty.
    pub fn absorb(&mut self, other: &mut Self) {
        self.add_counts(other);
        self.ledger.append(&mut other.ledger);
    }
}

/// An error and its causes on one line.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
