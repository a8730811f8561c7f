//! What an audit found: counts, and breaches by the invariant that they break.

use std::collections::BTreeMap;
use std::fmt;

use didfarm_core::delivery::status::Status;

use crate::seq::Seq;

/// Breaches that a report keeps; the others are counted.
pub const BREACHES_KEPT_MAX: usize = 100;

/// One place where an invariant does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The invariant, as `V2`.
    pub invariant: &'static str,
    /// What breaks it: an id, a key or a file.
    pub subject: String,
    /// How. It names no phone number and no body.
    pub sentence: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.invariant, self.subject, self.sentence)
    }
}

/// What an audit counted and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The last journal sequence that was taken into account.
    pub seq: Seq,
    /// Entries of the journal's tail that were replayed.
    pub replayed: u64,
    /// Where the journal's tail is torn, if it is: no breach, opening cuts it.
    pub torn_tail: Option<String>,
    /// Accounts.
    pub accounts: u64,
    /// Numbers.
    pub numbers: u64,
    /// Conversations.
    pub conversations: u64,
    /// Extents beyond the first of their conversation.
    pub extents: u64,
    /// Outbound messages by their present status, in the order of [`Status::ALL`].
    pub outbound: [u64; Status::ALL.len()],
    /// Inbound messages.
    pub inbound: u64,
    /// Messages, whatever their direction and however unreadable their history.
    pub messages: u64,
    /// Open deliveries.
    pub in_flight: u64,
    /// Parked receipts.
    pub parked: u64,
    /// Receipts that aged out and are kept.
    pub aged: u64,
    /// Carrier message ids that lead to their message.
    pub owners: u64,
    /// Carrier message ids that lead to an older inbound message.
    pub inbound_ids: u64,
    /// Parts of long inbound messages that wait for the others.
    pub parts: u64,
    /// Ledger entries.
    pub ledger: u64,
    /// Endpoints, and deleted ones for which something still waits.
    pub endpoints: u64,
    /// Events that endpoints are told of.
    pub events: u64,
    /// Events that wait for an endpoint.
    pub pending: u64,
    /// Attempts.
    pub attempts: u64,
    /// Mails that wait.
    pub mails: u64,
    /// Mails that were given up and are kept.
    pub mails_given_up: u64,
    /// Idempotency keys that are kept.
    pub guarded: u64,
    /// Opt-outs, also those that ended.
    pub opt_outs: u64,
    /// Batches.
    pub batches: u64,
    /// Rows of batches.
    pub batch_rows: u64,
    /// Pools of numbers.
    pub pools: u64,
    /// Expected messages that were looked for.
    pub expected: u64,
    /// The first breaches found, [`BREACHES_KEPT_MAX`] at most.
    pub breaches: Vec<Breach>,
    /// How many breaches of each invariant were found, at least.
    pub breaches_by_invariant: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Whether every invariant holds.
    pub fn is_clean(&self) -> bool {
        self.breaches.is_empty()
    }

    /// How many breaches were found, at least.
    pub fn breaches_total(&self) -> u64 {
        self.breaches_by_invariant.values().sum()
    }

    pub(super) fn breach(&mut self, invariant: &'static str, subject: String, sentence: String) {
        if self.breaches.len() < BREACHES_KEPT_MAX {
            self.breaches.push(Breach {
                invariant,
                subject,
                sentence,
            });
        }
        self.count_breaches(invariant, 1);
    }

    /// Counts breaches that are not looked at one by one.
    pub(super) fn count_breaches(&mut self, invariant: &'static str, more: u64) {
        *self.breaches_by_invariant.entry(invariant).or_default() += more;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "messages       {} ({} inbound",
            self.messages, self.inbound
        )?;
        for (status, count) in Status::ALL.iter().zip(self.outbound) {
            write!(f, ", {count} {status}")?;
        }
        writeln!(f, ")")?;
        for (name, count) in [
            ("conversations", self.conversations),
            ("extents", self.extents),
            ("accounts", self.accounts),
            ("numbers", self.numbers),
            ("ledger entries", self.ledger),
            ("in flight", self.in_flight),
            ("parked", self.parked),
            ("aged out", self.aged),
            ("carrier ids", self.owners),
            ("inbound ids", self.inbound_ids),
            ("parts", self.parts),
            ("endpoints", self.endpoints),
            ("events", self.events),
            ("pending", self.pending),
            ("attempts", self.attempts),
            ("mails", self.mails),
            ("given up mails", self.mails_given_up),
            ("request keys", self.guarded),
            ("opt-outs", self.opt_outs),
            ("batches", self.batches),
            ("batch rows", self.batch_rows),
            ("pools", self.pools),
            ("expected", self.expected),
        ] {
            writeln!(f, "{name:<14} {count}")?;
        }
        writeln!(
            f,
            "journal        up to seq {}, {} replayed",
            self.seq, self.replayed
        )?;
        if let Some(torn) = &self.torn_tail {
            writeln!(f, "note           {torn}")?;
        }
        if self.is_clean() {
            return write!(f, "every invariant holds");
        }
        for breach in &self.breaches {
            writeln!(f, "{breach}")?;
        }
        let kinds: Vec<_> = self
            .breaches_by_invariant
            .iter()
            .map(|(id, count)| format!("{id} {count}"))
            .collect();
        write!(
            f,
            "{} breaches at least: {}",
            self.breaches_total(),
            kinds.join(", ")
        )
    }
}
