//! `[simulator]`: the carrier inside the daemon that submits to nobody.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[simulator]`: how the simulated carrier answers and misbehaves.
///
/// Shares are from 0 (never) to 1 (always).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatorSettings {
    /// The most messages handed to it and not answered yet.
    pub window: usize,
    /// How long it takes to answer a submit.
    pub submit_delay_ms: u64,
    /// How long after its answer the receipt comes, at least.
    pub receipt_delay_ms: u64,
    /// How much later than that a receipt may come, at most.
    pub receipt_jitter_ms: u64,
    /// The share of receipts that never come.
    pub loss: f64,
    /// The share of receipts that come twice.
    pub duplication: f64,
    /// The share of receipts that come out of order.
    pub reordering: f64,
    /// The share of submits answered with "slow down".
    pub throttling: f64,
    /// The most submits a second; 0 for no limit.
    pub rate_max: u32,
    /// Where its randomness starts; 0 takes it from the clock.
    pub seed: u64,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self {
            window: 4_096,
            submit_delay_ms: 1,
            receipt_delay_ms: 50,
            receipt_jitter_ms: 50,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            throttling: 0.0,
            rate_max: 0,
            seed: 0,
        }
    }
}

impl SimulatorSettings {
    /// Returns `submit_delay_ms`.
    pub fn submit_delay(&self) -> Duration {
        Duration::from_millis(self.submit_delay_ms)
    }

    /// Returns `receipt_delay_ms`.
    pub fn receipt_delay(&self) -> Duration {
        Duration::from_millis(self.receipt_delay_ms)
    }

    /// Returns `receipt_jitter_ms`.
    pub fn receipt_jitter(&self) -> Duration {
        Duration::from_millis(self.receipt_jitter_ms)
    }
}
