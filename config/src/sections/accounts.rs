//! `[[accounts]]`: the accounts that the first start makes.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// `[[accounts]]`: one account, made at the first start when the data directory is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSettings {
    /// What it is called; no two accounts share a name.
    pub name: String,
    /// Its messages a second; `limits.rate_per_second` when left out.
    pub rate_per_second: Option<u32>,
    /// Its messages at once; `limits.burst` when left out.
    pub burst: Option<u32>,
    /// What its wallet starts with, in millionths of a euro; nothing when left out.
    pub wallet_micros: Option<u64>,
    /// Its API key in plain text, given by the operator; one is made when left out.
    pub api_key: Option<Secret>,
    /// The numbers that it owns; no two accounts own the same one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<HostedNumber>,
}

/// One number of an account and the channels that it has, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostedNumber {
    /// `+` and digits.
    pub e164: String,
    /// Whether it takes and sends SMS.
    pub sms: bool,
    /// Whether it takes and sends WhatsApp messages.
    pub whatsapp: bool,
}

impl Default for HostedNumber {
    fn default() -> Self {
        Self {
            e164: String::new(),
            sms: true,
            whatsapp: false,
        }
    }
}
