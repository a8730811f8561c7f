//! `[store]`: the journal on disk and the records beside it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[store]`: the journal on disk and the records beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The size at which a journal file is closed and the next one begun.
    pub segment_bytes: u64,
    /// The most bytes that one commit appends; at most `segment_bytes`.
    pub group_bytes_max: u64,
    /// The journal that is kept beyond what a restart needs, to rebuild damaged records from.
    pub keep_bytes: u64,
    /// The free bytes of the disk below which new work is refused.
    pub free_bytes_min: u64,
    /// How often the states of changed entities are written to the records.
    pub checkpoint_interval_ms: u64,
    /// The memory that the records' database may use as its cache.
    pub sled_cache_bytes: u64,
    /// The most journal entries that the records may be behind before new work is refused.
    pub records_lag_entries_max: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            group_bytes_max: 8 * 1024 * 1024,
            keep_bytes: 256 * 1024 * 1024,
            free_bytes_min: 256 * 1024 * 1024,
            checkpoint_interval_ms: 5_000,
            sled_cache_bytes: 192 * 1024 * 1024,
            records_lag_entries_max: 1_000_000,
        }
    }
}

impl StoreSettings {
    /// Returns `checkpoint_interval_ms`.
    pub fn checkpoint_interval(&self) -> Duration {
        Duration::from_millis(self.checkpoint_interval_ms)
    }
}
