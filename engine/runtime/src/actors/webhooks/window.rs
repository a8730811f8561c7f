//! How much an endpoint is sent at once and how fast: its window, its rate, its pauses.
//!
//! The window grows by one attempt for each window of successes and is halved by failures that say "too
//! much", once for what was in flight together. A rate is kept by spacing the starts.

use std::collections::VecDeque;

use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::AttemptClass;

/// Attempts at once that every endpoint may have, whatever the others do.
pub(super) const SHARE: usize = 2;
/// Attempts at once to an endpoint that nothing is known of.
const START: usize = 8;
/// An endpoint whose attempts take longer is slow, in milliseconds.
const SLOW_MS: u64 = 1_000;
/// Attempts at once to a slow endpoint while others want the room.
const SLOW_MAX: usize = 8;
/// Weight of the last attempt in the mean duration: one in so many.
const MEAN_OF: u64 = 8;
/// What may be started early to make up for a late timer, in microseconds.
const CATCH_UP_US: i64 = 5_000;

const SECOND_US: i64 = 1_000_000;

/// Keeps a rate: starts are spaced, and within any second there are as many at most.
#[derive(Debug)]
pub(super) struct Gate {
    per_second: usize,
    spacing_us: i64,
    next_at: Timestamp,
    /// The starts of the last second, oldest first.
    recent: VecDeque<Timestamp>,
}

impl Gate {
    pub(super) fn new(per_second: u32) -> Gate {
        let per_second = per_second.max(1);
        Gate {
            per_second: per_second as usize,
            spacing_us: SECOND_US / i64::from(per_second),
            next_at: Timestamp::ZERO,
            recent: VecDeque::new(),
        }
    }

    /// When the next start is allowed.
    pub(super) fn opens_at(&self) -> Timestamp {
        match self.recent.front() {
            Some(first) if self.recent.len() == self.per_second => {
                self.next_at.max(Timestamp(first.0 + SECOND_US))
            }
            Some(_) | None => self.next_at,
        }
    }

    /// Counts a start. What a late timer held up is made up for, within a few milliseconds.
    pub(super) fn pass(&mut self, now: Timestamp) {
        let earliest = self.next_at.0.max(now.0 - CATCH_UP_US);
        self.next_at = Timestamp(earliest + self.spacing_us);
        if self.recent.len() == self.per_second {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }
}

/// The window of one endpoint.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    max: usize,
    /// Successes since the window grew.
    successes: usize,
    /// What was started before does not halve it again.
    halved_at: Timestamp,
    in_flight: usize,
    mean_ms: u64,
    paused_until: Timestamp,
    gate: Option<Gate>,
}

/// Whether an attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It may.
    Open,
    /// Not before this time.
    Opens(Timestamp),
    /// Not before another one ends.
    Full,
}

impl Window {
    pub(super) fn new(max: usize, rate_per_second: Option<u32>) -> Window {
        Window {
            size: START.min(max.max(1)),
            max: max.max(1),
            successes: 0,
            halved_at: Timestamp::ZERO,
            in_flight: 0,
            mean_ms: 0,
            paused_until: Timestamp::ZERO,
            gate: rate_per_second.map(Gate::new),
        }
    }

    pub(super) fn set_rate(&mut self, rate_per_second: Option<u32>) {
        self.gate = rate_per_second.map(Gate::new);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many attempts at once there may be: `crowded` says whether others want the room.
    pub(super) fn limit(&self, crowded: bool) -> usize {
        match crowded && self.mean_ms > SLOW_MS {
            true => self.size.min(SLOW_MAX),
            false => self.size,
        }
    }

    pub(super) fn room(&self, now: Timestamp, crowded: bool) -> Room {
        if self.in_flight >= self.limit(crowded) {
            return Room::Full;
        }
        let gate = self.gate.as_ref().map_or(Timestamp::ZERO, Gate::opens_at);
        match self.paused_until.max(gate) {
            at if at > now => Room::Opens(at),
            _ => Room::Open,
        }
    }

    pub(super) fn started(&mut self, now: Timestamp) {
        self.in_flight += 1;
        if let Some(gate) = &mut self.gate {
            gate.pass(now);
        }
    }

    /// Counts what is read for an attempt: it takes its room, and nothing of the rate.
    pub(super) fn reads(&mut self) {
        self.in_flight += 1;
    }

    /// Forgets what was learned; its rate is kept.
    pub(super) fn forgive(&mut self) {
        *self = Window {
            in_flight: self.in_flight,
            gate: self.gate.take(),
            ..Window::new(self.max, None)
        };
    }

    /// Counts an attempt that was not made after all.
    pub(super) fn unstarted(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Counts the end of an attempt that was started at `started_at`.
    pub(super) fn ended(&mut self, now: Timestamp, started_at: Timestamp, end: &WindowEnd) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let weighed = self.mean_ms * (MEAN_OF - 1) + u64::from(end.duration_ms);
        self.mean_ms = weighed / MEAN_OF;
        if let Some(wait_ms) = end.retry_after_ms {
            self.paused_until = self.paused_until.max(now.plus_ms(wait_ms));
        }
        if says_too_much(end.class) {
            if started_at >= self.halved_at {
                self.size = (self.size / 2).max(1);
                self.halved_at = now;
            }
            self.successes = 0;
        } else if end.class == AttemptClass::Succeeded {
            self.successes += 1;
            if self.successes >= self.size {
                self.successes = 0;
                self.size = (self.size + 1).min(self.max);
            }
        }
    }
}

/// What the window is told of an attempt that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowEnd {
    pub(super) class: AttemptClass,
    pub(super) duration_ms: u32,
    pub(super) retry_after_ms: Option<u64>,
}

fn says_too_much(class: AttemptClass) -> bool {
    match class {
        AttemptClass::ServerError
        | AttemptClass::Throttled
        | AttemptClass::Timeout
        | AttemptClass::Unresolvable
        | AttemptClass::Unreachable
        | AttemptClass::Tls
        | AttemptClass::Broken => true,
        AttemptClass::Succeeded
        | AttemptClass::Redirected
        | AttemptClass::ClientError
        | AttemptClass::Gone
        | AttemptClass::ForbiddenAddress => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Timestamp {
        Timestamp::ZERO.plus_ms(ms)
    }

    fn end(class: AttemptClass) -> WindowEnd {
        WindowEnd {
            class,
            duration_ms: 10,
            retry_after_ms: None,
        }
    }

    #[test]
    fn a_window_grows_by_one_for_each_window_of_successes_and_is_halved_once_for_what_flew_together()
     {
        let mut window = Window::new(64, None);
        for _ in 0..8 {
            window.started(ms(1));
        }
        assert_eq!(window.room(ms(1), false), Room::Full);
        for _ in 0..8 {
            window.ended(ms(2), ms(1), &end(AttemptClass::Succeeded));
        }
        assert_eq!(window.size(), 9);
        for _ in 0..9 {
            window.started(ms(3));
        }
        for _ in 0..9 {
            window.ended(ms(4), ms(3), &end(AttemptClass::ServerError));
        }
        assert_eq!(
            window.size(),
            4,
            "nine failures of one flight halve it once"
        );
        for at in [5, 7, 9, 11] {
            window.started(ms(at));
            window.ended(ms(at + 1), ms(at), &end(AttemptClass::Timeout));
        }
        assert_eq!(window.size(), 1, "it never closes");
        for _ in 0..10_000 {
            window.started(ms(20));
            window.ended(ms(21), ms(20), &end(AttemptClass::Succeeded));
        }
        assert_eq!(window.size(), 64, "it never exceeds its bound");
    }

    #[test]
    fn a_slow_endpoint_is_held_to_a_few_while_others_want_the_room() {
        let mut window = Window::new(64, None);
        for _ in 0..500 {
            window.started(ms(1));
            let slow = WindowEnd {
                duration_ms: 9_000,
                ..end(AttemptClass::Succeeded)
            };
            window.ended(ms(2), ms(1), &slow);
        }
        assert_eq!(window.limit(true), SLOW_MAX);
        assert!(window.limit(false) > SLOW_MAX);
    }

    #[test]
    fn a_rate_is_kept_in_every_second_whatever_the_timer_does() {
        for (rate, step_us) in [
            (1, 900),
            (7, 1_000),
            (150, 1_300),
            (2_000, 1_700),
            (10_000, 1_000),
        ] {
            let mut window = Window::new(10_000, Some(rate));
            window.size = 10_000;
            let mut starts: Vec<i64> = Vec::new();
            let mut now = Timestamp(7);
            while now.0 < 5 * SECOND_US {
                while window.room(now, false) == Room::Open {
                    window.started(now);
                    window.ended(now, now, &end(AttemptClass::Redirected));
                    starts.push(now.0);
                }
                now.0 += step_us;
            }
            for (index, first) in starts.iter().enumerate() {
                let within = starts[index..].partition_point(|at| *at < first + SECOND_US);
                assert!(
                    within <= rate as usize,
                    "{within} starts in a second at {rate}"
                );
            }
            assert!(
                starts.len() * 10 >= rate as usize * 5 * 9,
                "{} at {rate}",
                starts.len()
            );
        }
    }

    #[test]
    fn retry_after_pauses_the_endpoint() {
        let mut window = Window::new(64, None);
        window.started(ms(1));
        let paused = WindowEnd {
            retry_after_ms: Some(5_000),
            ..end(AttemptClass::Throttled)
        };
        window.ended(ms(2), ms(1), &paused);
        assert_eq!(window.room(ms(5_001), false), Room::Opens(ms(5_002)));
        assert_eq!(window.room(ms(5_002), false), Room::Open);
    }
}
