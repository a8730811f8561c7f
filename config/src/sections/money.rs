//! `[price]`: what messages cost, in millionths of a euro.

use serde::{Deserialize, Serialize};

/// `[price]`: what messages cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// What one outbound segment costs, in millionths of a euro.
    pub segment_micros: u64,
    /// What the demo account's wallet starts with, in millionths of a euro.
    pub demo_wallet_micros: u64,
    /// Below which a wallet counts as low whose account has no threshold of its own, in millionths
    /// of a euro.
    pub low_balance_micros: u64,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self {
            segment_micros: 8_000,
            demo_wallet_micros: 100_000_000,
            low_balance_micros: 5_000_000,
        }
    }
}
