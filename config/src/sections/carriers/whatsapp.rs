//! `[carriers.whatsapp]`: Meta's WhatsApp Cloud API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretSlot;
use crate::schema::carriers::SECRET;
use crate::secret::Secret;

/// `[carriers.whatsapp]`: Meta's WhatsApp Cloud API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatsAppSettings {
    /// The address of the Graph API, without a trailing slash.
    pub base_url: String,
    /// The version of the Graph API, as it stands in paths.
    pub version: String,
    /// The token that requests bear.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub access_token: Secret,
    /// The file that holds the token instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub access_token_file: PathBuf,
    /// The app's secret, which signs callbacks.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub app_secret: Secret,
    /// The file that holds the app's secret instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub app_secret_file: PathBuf,
    /// The token by which Meta asks whether the callback address is ours.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub verify_token: Secret,
    /// The file that holds that token instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub verify_token_file: PathBuf,
    /// The most requests at once.
    pub in_flight_max: usize,
    /// How long a request may take.
    pub timeout_ms: u64,
    /// Further certificate authorities that are trusted, in PEM; empty for none.
    pub ca_file: PathBuf,
    /// Our numbers, with what Meta calls them; no two alike.
    pub numbers: Vec<WhatsAppNumber>,
}

/// One of our numbers at Meta.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatsAppNumber {
    /// `+` and digits.
    pub number: String,
    /// What stands in its place in Meta's paths and callbacks.
    pub phone_number_id: String,
}

impl Default for WhatsAppSettings {
    fn default() -> Self {
        Self {
            base_url: "https://graph.facebook.com".to_owned(),
            version: "v23.0".to_owned(),
            access_token: Secret::default(),
            access_token_file: PathBuf::new(),
            app_secret: Secret::default(),
            app_secret_file: PathBuf::new(),
            verify_token: Secret::default(),
            verify_token_file: PathBuf::new(),
            in_flight_max: 64,
            timeout_ms: 9_000,
            ca_file: PathBuf::new(),
            numbers: Vec::new(),
        }
    }
}

impl WhatsAppSettings {
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
                file_key: "whatsapp.access_token_file",
                file: &self.access_token_file,
                secret: &mut self.access_token,
                allowed: &SECRET,
            },
            SecretSlot {
                file_key: "whatsapp.app_secret_file",
                file: &self.app_secret_file,
                secret: &mut self.app_secret,
                allowed: &SECRET,
            },
            SecretSlot {
                file_key: "whatsapp.verify_token_file",
                file: &self.verify_token_file,
                secret: &mut self.verify_token,
                allowed: &SECRET,
            },
        ]
    }
}
