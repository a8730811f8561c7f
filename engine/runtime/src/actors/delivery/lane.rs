//! The lane to one carrier: what waits for it, what is under way, and how much of that it stands.
//!
//! The window starts at the setting, is halved when the carrier says "slow down" and grows again by one
//! for each window's worth of taken messages, as TCP does it (RFC 5681, 3.1).

use std::collections::VecDeque;
use std::sync::Arc;

use didfarm_core::ids::MessageId;
use didfarm_core::route::Availability;
use didfarm_core::time::Timestamp;

use super::circuit::{Circuit, CircuitRules};
use crate::carriers::Entry;
use crate::clock::Clock;
use crate::limiter::tokens::Tokens;

/// At most one halving in so many milliseconds: what was handed over together is throttled together.
const HALVING_INTERVAL_MS: u64 = 100;

/// A message that was handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandedOver {
    /// When, by the monotonic clock.
    pub(super) at: Timestamp,
    pub(super) message: MessageId,
    /// Which of its submits it was.
    pub(super) submit: u16,
}

/// The lane. Its times are those of the monotonic clock.
pub(super) struct Lane {
    /// How long the carrier has for its answer; past it the message is in doubt.
    pub(super) answer_deadline_ms: u64,
    /// How long a message waits for its last receipt.
    pub(super) receipt_deadline_ms: u64,
    /// Messages that wait for a place in the window.
    pub(super) waiting: VecDeque<MessageId>,
    /// Messages handed over and not answered.
    pub(super) outstanding: usize,
    /// The same, oldest first; answered ones are skipped.
    pub(super) unanswered: VecDeque<HandedOver>,
    pub(super) circuit: Circuit,
    /// The segments that it takes a second, where it takes no more.
    pub(super) tokens: Option<Tokens>,
    /// When it last said anything.
    heard_at: Timestamp,
    /// Silence counts for what was handed over since: what a probe is to find out is not decided by what
    /// came before it.
    judged_from: Timestamp,
    /// Messages handed over since then and not answered, while the circuit is half open.
    probes: usize,
    window: usize,
    window_max: usize,
    /// Messages taken since the window last grew.
    taken: usize,
    halved_at: Timestamp,
}

impl Lane {
    pub(super) fn new(
        entry: &Entry,
        rules: CircuitRules,
        (clock, now): (&Arc<dyn Clock>, Timestamp),
    ) -> Lane {
        let per_second = entry.segments_per_second;
        let tokens = || Tokens::new(per_second, Arc::clone(clock));
        Lane {
            tokens: (per_second > 0).then(tokens),
            answer_deadline_ms: entry.answer_deadline_ms,
            receipt_deadline_ms: entry.receipt_deadline_ms,
            waiting: VecDeque::new(),
            outstanding: 0,
            unanswered: VecDeque::new(),
            circuit: Circuit::new(rules),
            heard_at: now,
            judged_from: now,
            probes: 0,
            window: entry.window,
            window_max: entry.window,
            taken: 0,
            halved_at: now,
        }
    }

    pub(super) fn availability(&self) -> Availability {
        self.circuit.availability(self.probes + self.waiting.len())
    }

    /// Since when what is handed over counts for the circuit.
    pub(super) fn judged_from(&self) -> Timestamp {
        self.judged_from
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

    pub(super) fn handed_over(&mut self, message: MessageId, submit: u16, now: Timestamp) {
        self.outstanding += 1;
        self.probes += 1;
        self.unanswered.push_back(HandedOver {
            at: now,
            message,
            submit,
        });
    }

    /// One message less is unanswered.
    pub(super) fn answered(&mut self, message: MessageId) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if self.circuit.is_closed() || self.judges(message) {
            self.probes = self.probes.saturating_sub(1);
        }
    }

    /// Whether what becomes of a message counts for the circuit: not what was handed over before the
    /// circuit was last half open.
    pub(super) fn judges(&self, message: MessageId) -> bool {
        let mut handed = self.unanswered.iter().rev();
        handed
            .find(|handed| handed.message == message)
            .is_none_or(|handed| handed.at >= self.judged_from)
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.circuit.tick(now) {
            self.judged_from = now;
            self.probes = 0;
        }
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

    /// Whether what is under way, as `waits` tells, has waited for `silence_ms` without a word from the
    /// carrier.
    pub(super) fn is_silent(
        &self,
        now: Timestamp,
        silence_ms: u64,
        waits: impl Fn(&HandedOver) -> bool,
    ) -> bool {
        if self.outstanding == 0 || now.ms_since(self.heard_at) < silence_ms {
            return false;
        }
        let judged = |handed: &&HandedOver| handed.at >= self.judged_from && waits(handed);
        let Some(first) = self.unanswered.iter().find(judged) else {
            return false;
        };
        now.ms_since(first.at) >= silence_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000)
    }

    fn lane() -> Lane {
        let rules = CircuitRules {
            failures_max: 5,
            open_ms: 1_000,
            open_ms_max: 8_000,
            probes: 1,
        };
        Lane {
            tokens: None,
            answer_deadline_ms: 60_000,
            receipt_deadline_ms: 0,
            waiting: VecDeque::new(),
            outstanding: 0,
            unanswered: VecDeque::new(),
            circuit: Circuit::new(rules),
            heard_at: at(0),
            judged_from: at(0),
            probes: 0,
            window: 8,
            window_max: 8,
            taken: 0,
            halved_at: at(0),
        }
    }

    #[test]
    fn a_half_open_lane_is_judged_by_its_probe_alone() {
        let mut lane = lane();
        lane.handed_over(MessageId(1), 1, at(0));
        let is_silent = |lane: &Lane, ms| lane.is_silent(at(ms), 5_000, |_| true);
        assert!(!is_silent(&lane, 4_999) && is_silent(&lane, 5_000));
        assert!(lane.circuit.silent(at(5_000)));
        lane.tick(at(6_000));
        // The old message is still unanswered, and the probe may go all the same.
        assert_eq!(lane.availability(), Availability::HalfOpen);
        assert!(!is_silent(&lane, 6_000) && !lane.judges(MessageId(1)));
        lane.handed_over(MessageId(2), 1, at(6_000));
        assert_eq!(lane.availability(), Availability::Open);
        assert!(!is_silent(&lane, 10_999) && is_silent(&lane, 11_000));
        assert!(!lane.is_silent(at(11_000), 5_000, |handed| handed.message == MessageId(1)));
        // The old message's late failure takes nothing from the probe.
        lane.answered(MessageId(1));
        assert_eq!(lane.availability(), Availability::Open);
        lane.answered(MessageId(2));
        lane.heard(at(10_500));
        assert_eq!(lane.availability(), Availability::Closed);
    }

    #[test]
    fn slow_down_halves_the_window_once_and_taken_messages_open_it_again() {
        let mut lane = lane();
        for _ in 0..5 {
            lane.throttled(at(1_000));
        }
        assert_eq!(lane.window(), 4);
        for _ in 0..4 {
            lane.heard(at(1_001));
        }
        assert_eq!(lane.window(), 5);
        for n in 0..20 {
            lane.throttled(at(2_000 + n * 100));
        }
        assert_eq!(lane.window(), 1);
    }
}
