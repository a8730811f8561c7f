//! `[delivery]` and `[circuit]`: how long messages wait for what, and when a carrier is left alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[delivery]`: how long outbound messages and receipts wait for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// How long a message may be queued before the metric of late messages counts it.
    pub queued_alarm_ms: u64,
    /// The validity period of a message that brings none of its own.
    pub validity_ms: u64,
    /// The longest validity period that a message may bring.
    pub validity_max_ms: u64,
    /// The most messages that may wait for the time that they are scheduled for.
    pub scheduled_max: u64,
    /// The most of them that may be of one account.
    pub scheduled_account_max: u64,
    /// How long a message may be in doubt before it is given up.
    pub in_doubt_deadline_ms: u64,
    /// How long a receipt is kept whose message is not yet known.
    pub parked_receipt_age_max_ms: u64,
    /// The same for carriers of the WhatsApp Cloud API, which repeat callbacks for days.
    pub parked_receipt_age_max_whatsapp_ms: u64,
    /// How long a submitted message waits for its last receipt, unless its carrier says otherwise.
    pub receipt_deadline_ms: u64,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            queued_alarm_ms: 60_000,
            validity_ms: 172_800_000,
            validity_max_ms: 172_800_000,
            scheduled_max: 1_000_000,
            scheduled_account_max: 500_000,
            in_doubt_deadline_ms: 259_200_000,
            parked_receipt_age_max_ms: 259_200_000,
            parked_receipt_age_max_whatsapp_ms: 604_800_000,
            receipt_deadline_ms: 259_200_000,
        }
    }
}

impl DeliverySettings {
    /// Returns `queued_alarm_ms`.
    pub fn queued_alarm(&self) -> Duration {
        Duration::from_millis(self.queued_alarm_ms)
    }

    /// Returns `validity_ms`.
    pub fn validity(&self) -> Duration {
        Duration::from_millis(self.validity_ms)
    }

    /// Returns `validity_max_ms`.
    pub fn validity_max(&self) -> Duration {
        Duration::from_millis(self.validity_max_ms)
    }

    /// Returns `in_doubt_deadline_ms`.
    pub fn in_doubt_deadline(&self) -> Duration {
        Duration::from_millis(self.in_doubt_deadline_ms)
    }

    /// Returns `parked_receipt_age_max_ms`.
    pub fn parked_receipt_age_max(&self) -> Duration {
        Duration::from_millis(self.parked_receipt_age_max_ms)
    }

    /// Returns `parked_receipt_age_max_whatsapp_ms`.
    pub fn parked_receipt_age_max_whatsapp(&self) -> Duration {
        Duration::from_millis(self.parked_receipt_age_max_whatsapp_ms)
    }

    /// Returns `receipt_deadline_ms`.
    pub fn receipt_deadline(&self) -> Duration {
        Duration::from_millis(self.receipt_deadline_ms)
    }
}

/// `[circuit]`: the circuit breaker that every carrier has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitSettings {
    /// The failures in a row that open a carrier's circuit.
    pub failures_max: u32,
    /// How long messages that were handed over may all go unanswered before it opens.
    pub silence_ms: u64,
    /// How long it stays open before a probe, the first time.
    pub open_ms: u64,
    /// How long at most; the time doubles with every probe that fails.
    pub open_ms_max: u64,
    /// The messages that a half-open circuit lets through at once.
    pub probes: u32,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            silence_ms: 5_000,
            open_ms: 2_000,
            open_ms_max: 60_000,
            probes: 1,
        }
    }
}

impl CircuitSettings {
    /// Returns `silence_ms`.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }

    /// Returns `open_ms`.
    pub fn open(&self) -> Duration {
        Duration::from_millis(self.open_ms)
    }

    /// Returns `open_ms_max`.
    pub fn open_max(&self) -> Duration {
        Duration::from_millis(self.open_ms_max)
    }
}
