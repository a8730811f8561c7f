//! The lane to one carrier: what waits for it, what is under way, and how much of that it stands.
//!
//! The window starts at the setting, is halved when the carrier says "slow down" and grows again by one
//! for each window's worth of taken messages, as TCP does it (RFC 5681, 3.1).

use std::collections::VecDeque;

use didfarm_core::ids::MessageId;
use didfarm_core::route::Availability;
use didfarm_core::time::Timestamp;

use super::circuit::{Circuit, CircuitRules};
use crate::carriers::Entry;

/// At most one halving in so many milliseconds: what was handed over together is throttled together.
const HALVING_INTERVAL_MS: u64 = 100;

/// The lane.
pub(super) struct Lane {
    /// How long the carrier has for its answer; past it the message is in doubt.
    pub(super) answer_deadline_ms: u64,
    /// How long a message waits for its last receipt.
    pub(super) receipt_deadline_ms: u64,
    /// Messages that wait for a place in the window.
    pub(super) waiting: VecDeque<MessageId>,
    /// Messages handed over and not answered.
    pub(super) outstanding: usize,
    /// The same with the time at which each was handed over, oldest first; answered ones are skipped.
    pub(super) unanswered: VecDeque<(Timestamp, MessageId)>,
    pub(super) circuit: Circuit,
    /// When it last said anything.
    heard_at: Timestamp,
    window: usize,
    window_max: usize,
    /// Messages taken since the window last grew.
    taken: usize,
    halved_at: Timestamp,
}

impl Lane {
    pub(super) fn new(entry: &Entry, rules: CircuitRules, now: Timestamp) -> Lane {
        Lane {
            answer_deadline_ms: entry.answer_deadline_ms,
            receipt_deadline_ms: entry.receipt_deadline_ms,
            waiting: VecDeque::new(),
            outstanding: 0,
            unanswered: VecDeque::new(),
            circuit: Circuit::new(rules),
            heard_at: now,
            window: entry.window,
            window_max: entry.window,
            taken: 0,
            halved_at: now,
        }
    }

    pub(super) fn availability(&self) -> Availability {
        self.circuit
            .availability(self.outstanding + self.waiting.len())
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// The next message, if the window has a place for it.
    pub(super) fn next(&mut self) -> Option<MessageId> {
        if self.outstanding >= self.window {
            return None;
        }
        self.waiting.pop_front()
    }

    pub(super) fn handed_over(&mut self, message: MessageId, now: Timestamp) {
        self.outstanding += 1;
        self.unanswered.push_back((now, message));
    }

    /// The carrier took or refused a message.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard_at = now;
        self.circuit.alive();
        self.taken += 1;
        if self.taken >= self.window {
            self.taken = 0;
            self.window = (self.window + 1).min(self.window_max);
        }
    }

    /// The carrier said "slow down".
    pub(super) fn throttled(&mut self, now: Timestamp) {
        self.heard_at = now;
        self.circuit.alive();
        if now.ms_since(self.halved_at) >= HALVING_INTERVAL_MS {
            self.halved_at = now;
            self.window = (self.window / 2).max(1);
            self.taken = 0;
        }
    }

    /// Whether what is under way has waited for `silence_ms` without a word from the carrier.
    pub(super) fn is_silent(&self, now: Timestamp, silence_ms: u64) -> bool {
        let Some((since, _)) = self.unanswered.front() else {
            return false;
        };
        self.outstanding > 0
            && now.ms_since(*since) >= silence_ms
            && now.ms_since(self.heard_at) >= silence_ms
    }
}
