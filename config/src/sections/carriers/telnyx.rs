//! `[carriers.telnyx]`: the Telnyx messaging API, version 2.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretSlot;
use crate::schema::carriers::SECRET;
use crate::secret::Secret;

/// `[carriers.telnyx]`: the Telnyx messaging API, version 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelnyxSettings {
    /// The address of the API, without a trailing slash.
    pub base_url: String,
    /// The key that requests bear.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub api_key: Secret,
    /// The file that holds the key instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub api_key_file: PathBuf,
    /// The account's public Ed25519 key, in base64: 32 bytes.
    pub public_key: String,
    /// The messaging profile that messages are sent with; empty for the number's own.
    pub messaging_profile_id: String,
    /// How far a callback's timestamp may be from our clock, either way.
    pub tolerance_s: u64,
    /// The most requests at once.
    pub in_flight_max: usize,
    /// How long a request may take.
    pub timeout_ms: u64,
    /// Further certificate authorities that are trusted, in PEM; empty for none.
    pub ca_file: PathBuf,
}

impl Default for TelnyxSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.telnyx.com".to_owned(),
            api_key: Secret::default(),
            api_key_file: PathBuf::new(),
            public_key: String::new(),
            messaging_profile_id: String::new(),
            tolerance_s: 300,
            in_flight_max: 64,
            timeout_ms: 9_000,
            ca_file: PathBuf::new(),
        }
    }
}

impl TelnyxSettings {
    /// Returns `messaging_profile_id`, if one is set.
    pub fn messaging_profile_id(&self) -> Option<&str> {
        crate::sections::set(&self.messaging_profile_id)
    }

    /// Returns `tolerance_s`.
    pub fn tolerance(&self) -> Duration {
        Duration::from_secs(self.tolerance_s)
    }

    /// Returns `timeout_ms`.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Returns `ca_file`, if one is set.
    pub fn ca_file(&self) -> Option<&Path> {
        crate::sections::set_path(&self.ca_file)
    }

    pub(super) fn secrets(&mut self) -> Vec<SecretSlot<'_>> {
        vec![SecretSlot {
            file_key: "telnyx.api_key_file",
            file: &self.api_key_file,
            secret: &mut self.api_key,
            allowed: &SECRET,
        }]
    }
}
