//! A carrier's circuit: closed while the carrier answers, open while it does not, half open to find out.
//!
//! ```text
//! state      alive   failed                     silent  time
//! closed     closed  open after `failures_max`  open    ·
//! half_open  closed  open, for twice as long    open    ·
//! open       closed  ·                          ·       half_open after `open_ms`
//! ```
//!
//! Alive is any answer that shows the carrier at work, a refusal and "slow down" among them.

use didfarm_core::route::Availability;
use didfarm_core::time::Timestamp;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct CircuitRules {
    /// Failures in a row that open it.
    pub(super) failures_max: u32,
    /// How long it stays open at first, in milliseconds.
    pub(super) open_ms: u64,
    /// How long it stays open at most: each failed probe doubles it.
    pub(super) open_ms_max: u64,
    /// Messages under way at once while it is half open.
    pub(super) probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    HalfOpen,
    Open { until: Timestamp },
}

/// The circuit.
#[derive(Debug)]
pub(super) struct Circuit {
    rules: CircuitRules,
    state: State,
    failures: u32,
    open_ms: u64,
}

impl Circuit {
    pub(super) fn new(rules: CircuitRules) -> Circuit {
        Circuit {
            rules,
            state: State::Closed,
            failures: 0,
            open_ms: rules.open_ms,
        }
    }

    /// The carrier showed that it is at work.
    pub(super) fn alive(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
        self.open_ms = self.rules.open_ms;
    }

    /// A message failed over the carrier; `true` when that opens the circuit.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            State::Closed if self.failures < self.rules.failures_max => false,
            State::Closed => {
                self.open(now);
                true
            }
            State::HalfOpen => {
                self.open_ms = (2 * self.open_ms).min(self.rules.open_ms_max);
                self.open(now);
                true
            }
            State::Open { .. } => false,
        }
    }

    /// The carrier has not said anything for too long; `true` when that opens the circuit.
    pub(super) fn silent(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Closed => {
                self.open(now);
                true
            }
            State::HalfOpen => self.failed(now),
            State::Open { .. } => false,
        }
    }

    fn open(&mut self, now: Timestamp) {
        self.state = State::Open {
            until: now.plus_ms(self.open_ms),
        };
    }

    /// Lets time pass; `true` when it becomes half open.
    pub(super) fn tick(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Open { until } if until <= now => {
                self.state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::Closed | State::HalfOpen => false,
        }
    }

    /// What it lets through while so many messages are under way.
    pub(super) fn availability(&self, under_way: usize) -> Availability {
        match self.state {
            State::Closed => Availability::Closed,
            State::HalfOpen if under_way < self.rules.probes as usize => Availability::HalfOpen,
            State::HalfOpen | State::Open { .. } => Availability::Open,
        }
    }

    /// Whether it lets everything through.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The word in metrics and operators' answers.
    pub(super) fn as_str(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::HalfOpen => "half_open",
            State::Open { .. } => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit() -> Circuit {
        Circuit::new(CircuitRules {
            failures_max: 2,
            open_ms: 1_000,
            open_ms_max: 3_000,
            probes: 1,
        })
    }

    const fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000)
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let mut circuit = circuit();
        for _ in 0..5 {
            assert!(!circuit.failed(at(0)));
            circuit.alive();
        }
        assert!(!circuit.failed(at(0)) && circuit.failed(at(0)));
        assert_eq!(circuit.availability(0), Availability::Open);
    }

    #[test]
    fn a_probe_at_a_time_finds_out_and_each_failed_one_doubles_the_wait() {
        let mut circuit = circuit();
        assert!(circuit.silent(at(0)));
        let mut now = 0;
        for wait in [1_000, 2_000, 3_000, 3_000] {
            circuit.tick(at(now + wait - 1));
            assert_eq!(circuit.availability(0), Availability::Open);
            now += wait;
            circuit.tick(at(now));
            assert_eq!(circuit.availability(0), Availability::HalfOpen);
            assert_eq!(circuit.availability(1), Availability::Open);
            assert!(circuit.failed(at(now)));
        }
        circuit.alive();
        assert_eq!(circuit.availability(9), Availability::Closed);
        assert!(circuit.silent(at(now)));
        circuit.tick(at(now + 1_000));
        assert_eq!(circuit.as_str(), "half_open");
    }
}
