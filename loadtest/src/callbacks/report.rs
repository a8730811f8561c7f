//! What a flood came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::connection::{Answer, ExchangeError};
use crate::report::LatencyReport;
use crate::tally::{microseconds, record, sentence};

/// Counts of one thread, or the sum over all.
#[derive(Debug, Clone)]
pub struct FloodTally {
    /// Requests that were begun.
    pub sent: u64,
    /// Genuine requests that were taken (2xx).
    pub taken: u64,
    /// Statuses and messages in them.
    pub items: u64,
    /// Requests with a wrong signature that were answered with 403.
    pub forbidden: u64,
    /// Answers 503.
    pub overloaded: u64,
    /// Every other answer by its status.
    pub other: BTreeMap<u16, u64>,
    /// Requests with a wrong signature with another answer than 403; 503 is not wrong.
    pub wrongly_taken: u64,
    /// Genuine requests with an answer that is neither 2xx nor 503.
    pub wrongly_refused: u64,
    /// Answers 503 without `Retry-After`.
    pub without_retry_after: u64,
    /// Requests that never left, for want of a connection.
    pub unconnected: u64,
    /// Requests without a readable answer.
    pub in_doubt: u64,
    /// Arrivals that were due and never sent.
    pub unsent: u64,
    /// Intended start to answer, taken requests, in microseconds.
    pub latency: Histogram<u64>,
    /// Intended start to answer 503, in microseconds.
    pub overload_latency: Histogram<u64>,
    /// Intended start to actual start, in microseconds.
    pub start_lag: Histogram<u64>,
    /// When the last answer came.
    pub last_answer: Option<Instant>,
    /// The latest failure, in words.
    pub last_failure: Option<String>,
}

impl Default for FloodTally {
    fn default() -> Self {
        Self {
            sent: 0,
            taken: 0,
            items: 0,
            forbidden: 0,
            overloaded: 0,
            other: BTreeMap::new(),
            wrongly_taken: 0,
            wrongly_refused: 0,
            without_retry_after: 0,
            unconnected: 0,
            in_doubt: 0,
            unsent: 0,
            latency: microseconds(),
            overload_latency: microseconds(),
            start_lag: microseconds(),
            last_answer: None,
            last_failure: None,
        }
    }
}

impl FloodTally {
    /// Counts an answer; whether a genuine request was taken.
    pub fn count(
        &mut self,
        answer: &Answer<'_>,
        genuine: bool,
        items: u32,
        after: Duration,
    ) -> bool {
        self.last_answer = Some(Instant::now());
        match (answer.status, genuine) {
            (200..300, true) => {
                self.taken += 1;
                self.items += u64::from(items);
                record(&mut self.latency, after);
                return true;
            }
            (403, false) => self.forbidden += 1,
            (503, _) => {
                self.overloaded += 1;
                self.without_retry_after += u64::from(answer.retry_after_s.is_none());
                record(&mut self.overload_latency, after);
            }
            (status, genuine) => {
                *self.other.entry(status).or_default() += 1;
                self.wrongly_refused += u64::from(genuine);
                self.wrongly_taken += u64::from(!genuine);
            }
        }
        false
    }

    /// Counts a request without an answer.
    pub fn fail(&mut self, error: &ExchangeError) {
        match error {
            ExchangeError::Connect(_) => self.unconnected += 1,
            _ => self.in_doubt += 1,
        }
        self.last_failure = Some(sentence(error));
    }

    /// Adds what another thread has counted.
    pub fn absorb(&mut self, other: &Self) {
        self.sent += other.sent;
        self.taken += other.taken;
        self.items += other.items;
        self.forbidden += other.forbidden;
        self.overloaded += other.overloaded;
        for (status, count) in &other.other {
            *self.other.entry(*status).or_default() += count;
        }
        self.wrongly_taken += other.wrongly_taken;
        self.wrongly_refused += other.wrongly_refused;
        self.without_retry_after += other.without_retry_after;
        self.unconnected += other.unconnected;
        self.in_doubt += other.in_doubt;
        self.unsent += other.unsent;
        for (into, from) in [
            (&mut self.latency, &other.latency),
            (&mut self.overload_latency, &other.overload_latency),
            (&mut self.start_lag, &other.start_lag),
        ] {
            into.add(from).expect("all histograms have the same bounds");
        }
        self.last_answer = self.last_answer.max(other.last_answer);
        if other.last_failure.is_some() {
            self.last_failure.clone_from(&other.last_failure);
        }
    }
}

/// The outcome of one flood.
#[derive(Debug, Clone, Serialize)]
pub struct FloodReport {
    /// Requests per second asked for; absent in a closed loop.
    pub requested_per_second: Option<f64>,
    /// Genuine requests taken per second, from the start to the last answer of the schedule.
    pub taken_per_second: f64,
    /// Statuses and messages in them, per second.
    pub items_per_second: f64,
    /// From the start to the last answer of the schedule, in seconds.
    pub duration_s: f64,
    /// Requests begun.
    pub sent: u64,
    /// Genuine requests taken.
    pub taken: u64,
    /// Statuses and messages in them.
    pub items: u64,
    /// Requests with a wrong signature that were answered with 403.
    pub forbidden: u64,
    /// Answers 503.
    pub overloaded: u64,
    /// Every other answer by its status.
    pub other: BTreeMap<u16, u64>,
    /// Requests with a wrong signature with another answer than 403 or 503: must be 0.
    pub wrongly_taken: u64,
    /// Genuine requests with another answer than 2xx or 503: must be 0.
    pub wrongly_refused: u64,
    /// Answers 503 without `Retry-After`: must be 0.
    pub without_retry_after: u64,
    /// Requests that found no connection.
    pub unconnected: u64,
    /// Requests without a readable answer.
    pub in_doubt: u64,
    /// Arrivals that were due and given up.
    pub unsent: u64,
    /// Genuine requests that were sent (again) after the end, because they had not been taken.
    pub retried: u64,
    /// Genuine requests that were never taken, all attempts included.
    pub untaken: u64,
    /// Whether the stock ended before the planned time.
    pub cut: bool,
    /// Intended start to answer, taken requests.
    pub latency: LatencyReport,
    /// Intended start to answer, requests answered with 503.
    pub overload_latency: LatencyReport,
    /// Intended start to actual start.
    pub start_lag: LatencyReport,
    /// The latest failure, in words.
    pub last_failure: Option<String>,
}

impl FloodReport {
    /// Sums up a flood that started at `start`.
    pub fn of(
        tally: &FloodTally,
        requested_per_second: Option<f64>,
        start: Instant,
        cut: bool,
    ) -> Self {
        let duration_s = tally.last_answer.map_or(0.0, |last| {
            last.saturating_duration_since(start).as_secs_f64()
        });
        let per_second = |count: u64| match duration_s > 0.0 {
            true => count as f64 / duration_s,
            false => 0.0,
        };
        Self {
            requested_per_second,
            taken_per_second: per_second(tally.taken),
            items_per_second: per_second(tally.items),
            duration_s,
            sent: tally.sent,
            taken: tally.taken,
            items: tally.items,
            forbidden: tally.forbidden,
            overloaded: tally.overloaded,
            other: tally.other.clone(),
            wrongly_taken: tally.wrongly_taken,
            wrongly_refused: tally.wrongly_refused,
            without_retry_after: tally.without_retry_after,
            unconnected: tally.unconnected,
            in_doubt: tally.in_doubt,
            unsent: tally.unsent,
            retried: 0,
            untaken: 0,
            cut,
            latency: LatencyReport::of(&tally.latency),
            overload_latency: LatencyReport::of(&tally.overload_latency),
            start_lag: LatencyReport::of(&tally.start_lag),
            last_failure: tally.last_failure.clone(),
        }
    }

    /// Whether every answer was one that it may be, and everything genuine was taken in the end.
    pub fn is_sound(&self) -> bool {
        let wrong = self.wrongly_taken + self.wrongly_refused + self.without_retry_after;
        self.taken > 0 && wrong == 0 && self.untaken == 0
    }
}

impl fmt::Display for FloodReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requested_per_second {
            Some(rate) => writeln!(f, "open loop, {rate} requests/s requested")?,
            None => writeln!(f, "closed loop")?,
        }
        if self.cut {
            writeln!(f, "            the stock ended before the planned time")?;
        }
        writeln!(
            f,
            "taken       {} of {} sent, {:.1}/s with {:.1} items/s over {:.2} s",
            self.taken, self.sent, self.taken_per_second, self.items_per_second, self.duration_s
        )?;
        let other: u64 = self.other.values().sum();
        writeln!(
            f,
            "answers     200: {}, 403: {}, 503: {}, other: {other}",
            self.taken, self.forbidden, self.overloaded
        )?;
        for (status, count) in &self.other {
            writeln!(f, "            {status}: {count}")?;
        }
        writeln!(
            f,
            "wrong       forged and not 403: {}, genuine and refused: {}, 503 without retry-after: {}",
            self.wrongly_taken, self.wrongly_refused, self.without_retry_after
        )?;
        writeln!(
            f,
            "failed      unconnected: {}, in doubt: {}, unsent: {}, sent again: {}, never taken: {}",
            self.unconnected, self.in_doubt, self.unsent, self.retried, self.untaken
        )?;
        if let Some(failure) = &self.last_failure {
            writeln!(f, "            last: {failure}")?;
        }
        writeln!(f, "latency     {}", self.latency)?;
        writeln!(f, "503 after   {}", self.overload_latency)?;
        write!(f, "start lag   {}", self.start_lag)
    }
}
