//! What stands before the engine: HTTP, logs, admission, and how phone numbers are checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[http]`: the customers' and carriers' side of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// The address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The worker threads; 0 for one per core, see [`HttpSettings::worker_count`].
    pub workers: usize,
    /// The most bytes of a request's body.
    pub body_bytes_max: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout_ms: u64,
    /// How long the body of a request may take to arrive.
    pub body_timeout_ms: u64,
    /// How long an idle connection is kept.
    pub keep_alive_ms: u64,
    /// The most connections at once.
    pub connections_max: usize,
    /// How long requests may still take once the daemon was told to stop.
    pub shutdown_grace_ms: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            workers: 0,
            body_bytes_max: 64 * 1024,
            head_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            keep_alive_ms: 75_000,
            connections_max: 25_000,
            shutdown_grace_ms: 10_000,
        }
    }
}

impl HttpSettings {
    /// Returns the number of worker threads, at least one, with 0 resolved to the cores.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => super::cores(),
            workers => workers,
        }
    }

    /// Returns `head_timeout_ms`.
    pub fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    /// Returns `body_timeout_ms`.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// Returns `keep_alive_ms`.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }

    /// Returns `shutdown_grace_ms`.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}

/// `[ops]`: the operators' side of HTTP, with health, metrics and state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpsSettings {
    /// The address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
        }
    }
}

/// `[log]`: the logs on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormat,
    /// The filter directive string, such as `info` or `info,didfarm_store=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object to a line, for a collector.
    Json,
}

/// `[limits]`: what is let in, per account and in total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// The messages a second of an account that has no rate of its own.
    pub rate_per_second: u32,
    /// The messages at once of an account that has no burst of its own.
    pub burst: u32,
    /// The most customers' commands in the engine at once; more are refused.
    pub commands_in_flight_max: usize,
    /// The most carriers' callbacks in the engine at once; more are refused.
    pub callbacks_in_flight_max: usize,
    /// The seconds after which a refused caller is told to try again.
    pub retry_after_s: u64,
    /// The seconds for which idempotency keys are kept.
    pub idempotency_s: u32,
    /// The percentage of an account's rate that messages sent one by one have while others wait in line.
    pub reply_share_percent: u32,
    /// The seconds at its rate that an account's messages may wait in line; more are refused.
    pub backlog_s: u64,
    /// The most messages of all accounts that wait in line; more are refused.
    pub backlog_max: u64,
    /// The SMS segments a second of each number; 0 for no limit.
    pub number_segments_per_second: u32,
    /// The WhatsApp messages a second of each number; 0 for no limit.
    pub whatsapp_per_second: u32,
    /// The milliseconds in which one WhatsApp message goes to the same peer; 0 for no limit.
    pub pair_interval_ms: u64,
    /// The WhatsApp messages that may go to the same peer at once.
    pub pair_burst: u32,
    /// The longest JSON document of a batch, in bytes.
    pub batch_body_bytes_max: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            rate_per_second: 10,
            burst: 10,
            commands_in_flight_max: 16_384,
            callbacks_in_flight_max: 16_384,
            retry_after_s: 1,
            idempotency_s: 72 * 3_600,
            reply_share_percent: 90,
            backlog_s: 4 * 3_600,
            backlog_max: 5_000_000,
            number_segments_per_second: 0,
            whatsapp_per_second: 80,
            pair_interval_ms: 6_000,
            pair_burst: 45,
            batch_body_bytes_max: 32 * 1024 * 1024,
        }
    }
}

impl LimitSettings {
    /// Returns `retry_after_s`.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.retry_after_s)
    }
}

/// `[numbers]`: how phone numbers are checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NumberSettings {
    /// How closely a peer's number is looked at before a message to it is accepted.
    pub validation: NumberValidation,
}

/// How closely a phone number is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberValidation {
    /// `+` and digits of an allowed count.
    Syntax,
    /// A known country code and a length that this country has.
    #[default]
    Possible,
    /// Within a range that this country hands out.
    Valid,
}
