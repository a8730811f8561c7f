//! `[carriers.smpp]`: an SMSC by SMPP 3.4.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretSlot;
use crate::address::Authority;
use crate::schema::carriers::SMPP_PASSWORD;
use crate::secret::Secret;

/// `[carriers.smpp]`: an SMSC by SMPP 3.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmppSettings {
    /// `host:port` of the SMSC.
    pub address: String,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The name that its certificate is for; empty for the host of `address`, see
    /// [`SmppSettings::server_name`].
    pub server_name: String,
    /// Further certificate authorities that are trusted, in PEM; empty for none.
    pub ca_file: PathBuf,
    /// `system_id` (SMPP 3.4, 5.2.1).
    pub system_id: String,
    /// `password` (SMPP 3.4, 5.2.2).
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub password: Secret,
    /// The file that holds the password instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub password_file: PathBuf,
    /// `system_type` (SMPP 3.4, 5.2.3).
    pub system_type: String,
    /// How it is bound.
    pub bind: SmppBind,
    /// How many binds, or pairs of them, there are.
    pub binds: usize,
    /// The most `submit_sm` of one bind that are not answered yet.
    pub window: usize,
    /// How long a bind may be quiet before `enquire_link`.
    pub enquire_link_ms: u64,
    /// How long the SMSC may take to answer.
    pub answer_timeout_ms: u64,
    /// How long connecting may take.
    pub connect_timeout_ms: u64,
    /// How long after a lost connection the next is tried, the first time.
    pub reconnect_ms_min: u64,
    /// How long at most; the time doubles with every try that fails.
    pub reconnect_ms_max: u64,
    /// `source_addr_ton` (SMPP 3.4, 5.2.5).
    pub source_ton: u8,
    /// `source_addr_npi` (SMPP 3.4, 5.2.6).
    pub source_npi: u8,
    /// `dest_addr_ton` (SMPP 3.4, 5.2.5).
    pub destination_ton: u8,
    /// `dest_addr_npi` (SMPP 3.4, 5.2.6).
    pub destination_npi: u8,
    /// What `data_coding` 0 stands for at this SMSC.
    pub default_coding: SmppCoding,
    /// How the segments of a long message name it.
    pub concatenation: SmppConcatenation,
    /// `service_type` (SMPP 3.4, 5.2.11).
    pub service_type: String,
    /// How message ids are spelled in submit answers.
    pub answer_ids: SmppIds,
    /// How message ids are spelled in receipts.
    pub receipt_ids: SmppIds,
    /// Whether upper and lower case of ids are the same.
    pub fold_case: bool,
    /// Whether leading zeros of ids count for nothing.
    pub strip_zeros: bool,
}

/// How an SMSC is bound (SMPP 3.4, 2.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppBind {
    /// One transceiver for both ways.
    #[default]
    Transceiver,
    /// A transmitter and a receiver.
    Separate,
}

/// What `data_coding` 0 stands for (SMPP 3.4, 5.2.19: the SMSC's default alphabet).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppCoding {
    /// GSM-7, one septet to an octet (3GPP TS 23.038, 6.2.1).
    #[default]
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How the segments of a long message name it (3GPP TS 23.040, 9.2.3.24).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppConcatenation {
    /// In the UDH, by an 8-bit reference.
    #[default]
    Udh8,
    /// In the UDH, by a 16-bit reference.
    Udh16,
}

/// How message ids are spelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppIds {
    /// As text.
    #[default]
    Text,
    /// As a decimal number.
    Decimal,
    /// As a hexadecimal number.
    Hexadecimal,
}

impl Default for SmppSettings {
    fn default() -> Self {
        Self {
            address: String::new(),
            tls: false,
            server_name: String::new(),
            ca_file: PathBuf::new(),
            system_id: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            system_type: String::new(),
            bind: SmppBind::default(),
            binds: 1,
            window: 500,
            enquire_link_ms: 30_000,
            answer_timeout_ms: 9_000,
            connect_timeout_ms: 5_000,
            reconnect_ms_min: 500,
            reconnect_ms_max: 30_000,
            source_ton: 1,
            source_npi: 1,
            destination_ton: 1,
            destination_npi: 1,
            default_coding: SmppCoding::default(),
            concatenation: SmppConcatenation::default(),
            service_type: String::new(),
            answer_ids: SmppIds::default(),
            receipt_ids: SmppIds::default(),
            fold_case: false,
            strip_zeros: false,
        }
    }
}

impl SmppSettings {
    /// Returns the host of `address`, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        Authority::parse(&self.address).map_or("", |address| address.host)
    }

    /// Returns the port of `address`.
    pub fn port(&self) -> u16 {
        Authority::parse(&self.address)
            .and_then(|address| address.port)
            .unwrap_or(0)
    }

    /// Returns the name that the certificate is for.
    pub fn server_name(&self) -> &str {
        crate::sections::set(&self.server_name).unwrap_or_else(|| self.host())
    }

    /// Returns `ca_file`, if one is set.
    pub fn ca_file(&self) -> Option<&Path> {
        crate::sections::set_path(&self.ca_file)
    }

    /// Returns `enquire_link_ms`.
    pub fn enquire_link(&self) -> Duration {
        Duration::from_millis(self.enquire_link_ms)
    }

    /// Returns `answer_timeout_ms`.
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }

    /// Returns `connect_timeout_ms`.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Returns `reconnect_ms_min`.
    pub fn reconnect_min(&self) -> Duration {
        Duration::from_millis(self.reconnect_ms_min)
    }

    /// Returns `reconnect_ms_max`.
    pub fn reconnect_max(&self) -> Duration {
        Duration::from_millis(self.reconnect_ms_max)
    }

    pub(super) fn secrets(&mut self) -> Vec<SecretSlot<'_>> {
        vec![SecretSlot {
            file_key: "smpp.password_file",
            file: &self.password_file,
            secret: &mut self.password,
            allowed: &SMPP_PASSWORD,
        }]
    }
}
