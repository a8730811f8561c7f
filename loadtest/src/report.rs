//! What a run reports, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::gate::Pace;
use crate::tally::Tally;

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Half are at most this.
    pub p50_ms: f64,
    /// Nine in ten are at most this.
    pub p90_ms: f64,
    /// 99 in a hundred are at most this.
    pub p99_ms: f64,
    /// 999 in a thousand are at most this.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// The mean.
    pub mean_ms: f64,
}

impl LatencyReport {
    /// Reads the percentiles off a histogram of microseconds; all zero when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let quantile_ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50_ms: quantile_ms(0.5),
            p90_ms: quantile_ms(0.9),
            p99_ms: quantile_ms(0.99),
            p999_ms: quantile_ms(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
            mean_ms: (histogram.mean()).round() / 1000.0,
        }
    }
}

impl fmt::Display for LatencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.3} ms",
            self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms
        )
    }
}

/// The outcome of one run of sends.
#[derive(Debug, Clone, Serialize)]
pub struct SendReport {
    /// Arrivals per second asked for; absent in a closed loop.
    pub requested_per_second: Option<f64>,
    /// Accepted messages per second, from the start to the last answer.
    pub accepted_per_second: f64,
    /// From the start to the last answer, in seconds.
    pub duration_s: f64,
    /// Requests begun.
    pub sent: u64,
    /// Messages accepted (201 with an id).
    pub accepted: u64,
    /// Answers that accepted nothing, by status code.
    pub refused: BTreeMap<u16, u64>,
    /// Requests that found no connection.
    pub unconnected: u64,
    /// Requests without a readable answer; the daemon may have accepted them.
    pub in_doubt: u64,
    /// Arrivals that were due and given up, because no connection came free in time.
    pub unsent: u64,
    /// Accepted messages that did not fit in memory and cannot be read back.
    pub unkept: u64,
    /// Intended start to answer, accepted messages only.
    pub latency: LatencyReport,
    /// Intended start to actual start: the part of the latency spent on pacing and on waiting for a free connection.
    pub start_lag: LatencyReport,
    /// The latest failure, in words.
    pub last_failure: Option<String>,
}

impl SendReport {
    /// Sums up a run that started at `start`.
    pub fn of(tally: &Tally, pace: Pace, start: Instant) -> Self {
        let duration_s = tally.last_answer.map_or(0.0, |last| {
            last.saturating_duration_since(start).as_secs_f64()
        });
        Self {
            requested_per_second: match pace {
                Pace::Open { rate_per_second } => Some(rate_per_second),
                Pace::Closed => None,
            },
            accepted_per_second: if duration_s > 0.0 {
                tally.accepted as f64 / duration_s
            } else {
                0.0
            },
            duration_s,
            sent: tally.sent,
            accepted: tally.accepted,
            refused: tally.refused.clone(),
            unconnected: tally.unconnected,
            in_doubt: tally.in_doubt,
            unsent: tally.unsent,
            unkept: tally.unkept,
            latency: LatencyReport::of(&tally.latency),
            start_lag: LatencyReport::of(&tally.start_lag),
            last_failure: tally.last_failure.clone(),
        }
    }

    /// Answers with this status that accepted nothing.
    pub fn refused_with(&self, status: u16) -> u64 {
        self.refused.get(&status).copied().unwrap_or(0)
    }
}

impl fmt::Display for SendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requested_per_second {
            Some(rate) => writeln!(f, "open loop, {rate} messages/s requested")?,
            None => writeln!(f, "closed loop")?,
        }
        let (rate, duration_s) = (self.accepted_per_second, self.duration_s);
        writeln!(
            f,
            "accepted    {} of {} sent, {rate:.1}/s over {duration_s:.2} s",
            self.accepted, self.sent
        )?;
        let known = self.refused_with(429) + self.refused_with(503);
        let other: u64 = self.refused.values().sum::<u64>() - known;
        writeln!(
            f,
            "refused     429: {}, 503: {}, other: {other}",
            self.refused_with(429),
            self.refused_with(503)
        )?;
        for (status, count) in self
            .refused
            .iter()
            .filter(|(status, _)| !matches!(status, 429 | 503))
        {
            writeln!(f, "            {status}: {count}")?;
        }
        writeln!(
            f,
            "failed      unconnected: {}, in doubt: {}, unsent: {}",
            self.unconnected, self.in_doubt, self.unsent
        )?;
        if let Some(failure) = &self.last_failure {
            writeln!(f, "            last: {failure}")?;
        }
        if self.unkept > 0 {
            writeln!(
                f,
                "unkept      {} accepted messages cannot be read back",
                self.unkept
            )?;
        }
        writeln!(f, "latency     {}", self.latency)?;
        write!(f, "start lag   {}", self.start_lag)
    }
}
