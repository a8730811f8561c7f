//! The load that every bench drives, through the load test's library.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use didfarm_loadtest::{
    Accepted, BodyText, Expectation, Pace, Peers, ReconcilePlan, ReconcileReport, SendOutcome,
    SendPlan, SendReport, Target, peers::PEER_BASE_DEFAULT, reconcile, send,
};

use crate::daemon::{Daemon, KEY};

/// The longest wait for one answer, in seconds.
pub const ANSWER_TIMEOUT_S: u64 = 30;
/// The body of every message, 40 characters long.
const BODY: &str = "Your parcel arrives today, no {n}";

/// How hard to press.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Distinct peers, sent to in turn.
    #[arg(long, default_value_t = 10_000)]
    pub peers: u64,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Sends each message under an idempotency key of its own.
    #[arg(long)]
    pub keys: bool,
}

impl Load {
    /// The peers of this load.
    ///
    /// # Errors
    /// When there are none or too many.
    pub fn peers(&self) -> Result<Peers> {
        Ok(Peers::plain(PEER_BASE_DEFAULT, self.peers)?)
    }

    /// The body of this load.
    pub fn body(&self) -> BodyText {
        let body = BodyText::new(BODY);
        match self.keys {
            true => body.under_keys(),
            false => body,
        }
    }

    /// Sends to one server; what is accepted is kept, for the floor too, so that both cost the sender the same.
    ///
    /// # Errors
    /// When the run cannot start.
    pub fn run(&self, target: &Target, pace: Pace, seconds: f64) -> Result<SendOutcome> {
        Ok(send(&SendPlan {
            target: target.clone(),
            sender: Daemon::sender(),
            peers: self.peers()?,
            body: self.body(),
            pace,
            duration: Duration::try_from_secs_f64(seconds)?,
            connections: self.connections,
            threads: self.threads,
            timeout: Duration::from_secs(ANSWER_TIMEOUT_S),
            keep_accepted: true,
            acked_out: None,
            progress: false,
        })?)
    }

    /// Reads back at most `sample_max` messages from a daemon.
    ///
    /// # Errors
    /// When the run cannot start.
    pub fn read_back(
        &self,
        target: &Target,
        accepted: &[Accepted],
        sample_max: usize,
        expectation: Expectation,
        drain_timeout: Duration,
    ) -> Result<ReconcileReport> {
        Ok(reconcile(
            &ReconcilePlan {
                target: target.clone(),
                key: KEY.into(),
                peers: self.peers()?,
                body: self.body(),
                sample_max: Some(sample_max),
                expectation,
                drain_timeout,
                connections: self.connections,
                threads: self.threads,
                timeout: Duration::from_secs(ANSWER_TIMEOUT_S),
            },
            accepted,
        )?)
    }
}

/// Makes sure that every request of a run had an answer and some were accepted.
///
/// # Errors
/// When that is not so; the figures of such a run are not worth printing.
pub fn ensure_answered(report: &SendReport) -> Result<()> {
    let unanswered = report.unconnected + report.in_doubt + report.unsent + report.unkept;
    ensure!(
        report.accepted > 0 && unanswered == 0,
        "the run is void:\n{report}"
    );
    Ok(())
}

/// The middle value; the lower of both middle ones, and zero of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0)
}

/// Values without decimals, separated by commas.
pub fn listed(values: &[f64]) -> String {
    values
        .iter()
        .map(|value| format!("{value:.0}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_measured_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
