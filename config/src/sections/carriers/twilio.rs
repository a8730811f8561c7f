//! `[carriers.twilio]`: the Twilio Messages API, version 2010-04-01.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretSlot;
use crate::schema::carriers::SECRET;
use crate::secret::Secret;

/// `[carriers.twilio]`: the Twilio Messages API, version 2010-04-01.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TwilioSettings {
    /// The address of the API, without a trailing slash.
    pub base_url: String,
    /// The account, `AC…`.
    pub account_sid: String,
    /// The account's token: it signs callbacks, and requests bear it unless there is an API key.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub auth_token: Secret,
    /// The file that holds the token instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub auth_token_file: PathBuf,
    /// The API key that requests bear in place of the token, `SK…`; empty for none.
    pub api_key_sid: String,
    /// The secret of that key; there is one exactly if the key is.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub api_key_secret: Secret,
    /// The file that holds that secret instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub api_key_secret_file: PathBuf,
    /// The messaging service that messages are sent with; empty for none.
    pub messaging_service_sid: String,
    /// The most requests at once.
    pub in_flight_max: usize,
    /// How long a request may take.
    pub timeout_ms: u64,
    /// Further certificate authorities that are trusted, in PEM; empty for none.
    pub ca_file: PathBuf,
}

impl Default for TwilioSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.twilio.com".to_owned(),
            account_sid: String::new(),
            auth_token: Secret::default(),
            auth_token_file: PathBuf::new(),
            api_key_sid: String::new(),
            api_key_secret: Secret::default(),
            api_key_secret_file: PathBuf::new(),
            messaging_service_sid: String::new(),
            in_flight_max: 64,
            timeout_ms: 9_000,
            ca_file: PathBuf::new(),
        }
    }
}

impl TwilioSettings {
    /// Returns the id and the secret of the API key, if there is one.
    pub fn api_key(&self) -> Option<(&str, &Secret)> {
        crate::sections::set(&self.api_key_sid).map(|sid| (sid, &self.api_key_secret))
    }

    /// Returns `messaging_service_sid`, if one is set.
    pub fn messaging_service_sid(&self) -> Option<&str> {
        crate::sections::set(&self.messaging_service_sid)
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
        vec![
            SecretSlot {
                file_key: "twilio.auth_token_file",
                file: &self.auth_token_file,
                secret: &mut self.auth_token,
                allowed: &SECRET,
            },
            SecretSlot {
                file_key: "twilio.api_key_secret_file",
                file: &self.api_key_secret_file,
                secret: &mut self.api_key_secret,
                allowed: &SECRET,
            },
        ]
    }
}
