//! `[webhooks]`: what customers' endpoints are told, how fast, and where they may lie.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// `[webhooks]`: what customers' endpoints are told, how fast, and where they may lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// The networks that endpoints may lie in besides the public ones; see
    /// [`WebhookSettings::networks`]. Only hosts in them may be spoken to without TLS.
    pub allowed_networks: Vec<String>,
    /// How long one attempt may take, from the name's lookup to the last byte of the answer.
    pub timeout_ms: u64,
    /// How much of that connecting may take; the lookup has time of its own.
    pub connect_timeout_ms: u64,
    /// The most attempts at once.
    pub in_flight_max: usize,
    /// The most attempts at once to one endpoint.
    pub endpoint_in_flight_max: usize,
    /// The threads that make attempts.
    pub client_threads: usize,
    /// How long the secrets before a rotation go on signing, unless it says otherwise.
    pub rotation_overlap_hours: u64,
    /// How long an endpoint may fail without a success before it is disabled.
    pub failing_hours_max: u64,
    /// How long events and their attempts are kept.
    pub event_days: u64,
    /// A PEM file of further certificate authorities that are trusted; empty for none.
    pub extra_root_certificates: PathBuf,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            timeout_ms: 10_000,
            connect_timeout_ms: 5_000,
            in_flight_max: 1_024,
            endpoint_in_flight_max: 64,
            client_threads: 1,
            rotation_overlap_hours: 24,
            failing_hours_max: 120,
            event_days: 30,
            extra_root_certificates: PathBuf::new(),
        }
    }
}

impl WebhookSettings {
    /// Returns `allowed_networks`; what is no network, which no loading yields, is left out.
    pub fn networks(&self) -> Vec<IpNet> {
        let parsed = self.allowed_networks.iter().map(|text| text.parse());
        parsed.filter_map(Result::ok).collect()
    }

    /// Returns `timeout_ms`.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Returns `connect_timeout_ms`.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Returns `rotation_overlap_hours`.
    pub fn rotation_overlap(&self) -> Duration {
        Duration::from_secs(self.rotation_overlap_hours * HOUR_S)
    }

    /// Returns `failing_hours_max`.
    pub fn failing_max(&self) -> Duration {
        Duration::from_secs(self.failing_hours_max * HOUR_S)
    }

    /// Returns `event_days`.
    pub fn event_age_max(&self) -> Duration {
        Duration::from_secs(self.event_days * DAY_S)
    }

    /// Returns `extra_root_certificates`, unless there are none.
    pub fn extra_root_certificates(&self) -> Option<&Path> {
        super::set_path(&self.extra_root_certificates)
    }
}
