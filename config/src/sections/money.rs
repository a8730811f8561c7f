//! `[price]`: what messages and numbers cost, in millionths of a euro.

use std::path::PathBuf;
use std::sync::Arc;

use didfarm_core::money::Micros;
use didfarm_core::price::{PriceList, PriceRows};
use serde::{Deserialize, Serialize};

use crate::prices;

/// `[price]`: what messages and numbers cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// What one outbound segment costs where the list says nothing else, in millionths of a euro.
    pub segment_micros: u64,
    /// What a month of SMS on a number costs where the list says nothing else, in millionths of a euro.
    pub sms_monthly_micros: u64,
    /// The file with the prices of countries and types of numbers; empty for the list that is built in.
    pub list_file: PathBuf,
    /// The rows of that list.
    #[serde(skip)]
    pub rows: Arc<PriceRows>,
    /// What an account may spend on messages a day that has no cap of its own, in millionths of a euro; 0
    /// for no cap.
    pub spend_daily_max_micros: u64,
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
            sms_monthly_micros: 750_000,
            list_file: PathBuf::new(),
            rows: Arc::new(prices::built_in()),
            spend_daily_max_micros: 0,
            demo_wallet_micros: 100_000_000,
            low_balance_micros: 5_000_000,
        }
    }
}

impl PriceSettings {
    /// Returns the price list in force.
    pub fn list(&self) -> PriceList {
        PriceList::new(
            amount(self.segment_micros),
            amount(self.sms_monthly_micros),
            Arc::clone(&self.rows),
        )
    }

    /// Returns `spend_daily_max_micros`, with 0 resolved to none.
    pub fn spend_daily_max(&self) -> Option<Micros> {
        (self.spend_daily_max_micros > 0).then(|| amount(self.spend_daily_max_micros))
    }
}

/// No setting is above what an amount can be.
fn amount(micros: u64) -> Micros {
    Micros::new(i64::try_from(micros).unwrap_or(i64::MAX))
}
