//! `[pools]`: when a number of a pool is skipped, and how it is tried then.

use serde::{Deserialize, Serialize};

/// `[pools]`: when a number of a pool is skipped, and how it is tried then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSettings {
    /// The least share of a number's messages that is delivered, in percent; below it new peers get others. 0
    /// finds every number healthy.
    pub delivered_share_min: u32,
    /// The fewest messages in the window that say anything.
    pub messages_min: u32,
    /// The length of the sliding window, in seconds.
    pub window_s: u32,
    /// The time between two messages to new peers that try a number which is skipped, in seconds.
    pub probe_interval_s: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            delivered_share_min: 50,
            messages_min: 20,
            window_s: 600,
            probe_interval_s: 60,
        }
    }
}
