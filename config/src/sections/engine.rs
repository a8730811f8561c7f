//! `[engine]`: the actors, their restarts, and what they keep in memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[engine]`: the actors, their restarts, and what they keep in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// The partitions of numbers, each a thread; 0 for half the cores, see
    /// [`EngineSettings::partition_count`].
    pub partitions: usize,
    /// How long a conversation stays in memory after its last message.
    pub conversation_idle_ms: u64,
    /// How often idle conversations are looked for.
    pub passivate_scan_ms: u64,
    /// The most restarts of one actor within the window before it is quarantined.
    pub restarts_max: u32,
    /// The window in which restarts are counted.
    pub restart_window_ms: u64,
    /// The most finished messages kept in memory to recognise repeated receipts.
    pub recent_finished_max: usize,
    /// The most receipts kept whose message is not yet known.
    pub parked_receipts_max: usize,
    /// How long a message that no carrier took waits before its next round.
    pub retry_ms: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            partitions: 0,
            conversation_idle_ms: 60_000,
            passivate_scan_ms: 5_000,
            restarts_max: 10,
            restart_window_ms: 60_000,
            recent_finished_max: 100_000,
            parked_receipts_max: 200_000,
            retry_ms: 200,
        }
    }
}

impl EngineSettings {
    /// Returns the number of partitions, at least one, with 0 resolved to half the cores.
    pub fn partition_count(&self) -> usize {
        match self.partitions {
            0 => (super::cores() / 2).max(1),
            partitions => partitions,
        }
    }

    /// Returns `conversation_idle_ms`.
    pub fn conversation_idle(&self) -> Duration {
        Duration::from_millis(self.conversation_idle_ms)
    }

    /// Returns `passivate_scan_ms`.
    pub fn passivate_scan(&self) -> Duration {
        Duration::from_millis(self.passivate_scan_ms)
    }

    /// Returns `restart_window_ms`.
    pub fn restart_window(&self) -> Duration {
        Duration::from_millis(self.restart_window_ms)
    }

    /// Returns `retry_ms`.
    pub fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms)
    }
}
