//! What was counted, per protocol.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

use super::record::Protocol;

/// Counts of one protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProtocolCounts {
    /// Submits that came in.
    pub submits: u64,
    /// Message ids given, whether or not the answer was.
    pub ids: u64,
    /// Submits answered with "too many".
    pub throttled: u64,
    /// Submits refused for what they asked.
    pub refused: u64,
    /// Submits left without an answer, in a blackout or on purpose.
    pub unanswered: u64,
    /// Receipts that left for the first time, repeats on purpose included.
    pub receipts: u64,
    /// Receipts lost on purpose.
    pub lost: u64,
    /// Inbound messages that left for the first time; every part of a long one counts.
    pub inbound: u64,
    /// Receipts and inbound messages that were acknowledged.
    pub acked: u64,
    /// Receipts and inbound messages that were sent again for want of an acknowledgement.
    pub retried: u64,
    /// Receipts and inbound messages given up after the last attempt.
    pub given_up: u64,
    /// Receipts and inbound messages with nowhere to go or no room to wait.
    pub dropped: u64,
    /// Answers to callbacks by HTTP status, or by SMPP command status.
    pub answers: BTreeMap<u32, u64>,
    /// Open binds; always 0 for HTTP.
    pub binds: u64,
}

/// Counts of every protocol.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<Protocol, ProtocolCounts>>);

impl Counts {
    /// Changes the counts of one protocol.
    pub fn add(&self, protocol: Protocol, change: impl FnOnce(&mut ProtocolCounts)) {
        let mut counts = self.0.lock().expect("no holder of the counts panics");
        change(counts.entry(protocol).or_default());
    }

    /// All of them; a protocol that nobody used is all zeros.
    pub fn snapshot(&self) -> BTreeMap<Protocol, ProtocolCounts> {
        let counts = self.0.lock().expect("no holder of the counts panics");
        let of = |protocol| (protocol, counts.get(&protocol).cloned().unwrap_or_default());
        Protocol::ALL.into_iter().map(of).collect()
    }
}
