//! What waits for room in a window: fresh messages, later segments of messages under way, questions.
//!
//! Every session that submits takes from here, so that messages go where there is room. Later segments go
//! first: their message is half out already.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::flight::Flight;
use crate::{Query, Submit};

/// How long a message waits for room before it is given back as throttled, in milliseconds: half of what
/// an answer may take, so that the doubt of a deadline does not come first.
pub const FRESH_WAIT_MS_MAX: u64 = 5_000;
/// How long later segments wait for a session, in milliseconds from the message's start.
pub(super) const REST_WAIT_MS_MAX: u64 = 60_000;
/// The first pause before a segment is tried again, in milliseconds; each further one is twice as long.
const RETRY_PAUSE_MS: u64 = 250;

/// A message under way, shared by the sessions that carry its segments.
pub(super) type SharedFlight = Rc<RefCell<Flight>>;

/// What a session is to do next.
pub(super) enum Work {
    /// A message of which nothing is out.
    Fresh(Submit),
    /// A segment of a message whose first segment is taken.
    Rest(SharedFlight, usize),
    /// A question.
    Ask(Query),
}

struct Rest {
    due: Instant,
    flight: SharedFlight,
    place: usize,
}

/// What waits.
#[derive(Default)]
pub(super) struct Waiting {
    fresh: VecDeque<(Instant, Submit)>,
    rest: Vec<Rest>,
    questions: VecDeque<Query>,
}

impl Waiting {
    /// Adds fresh messages.
    pub(super) fn push(&mut self, group: Vec<Submit>, now: Instant) {
        self.fresh
            .extend(group.into_iter().map(|submit| (now, submit)));
    }

    /// Adds questions.
    pub(super) fn ask(&mut self, group: Vec<Query>) {
        self.questions.extend(group);
    }

    /// Adds segments that may go at once.
    pub(super) fn push_rest(&mut self, flight: &SharedFlight, places: Vec<usize>, now: Instant) {
        self.rest.extend(places.into_iter().map(|place| Rest {
            due: now,
            flight: Rc::clone(flight),
            place,
        }));
    }

    /// Adds a segment that the SMSC did not take this time.
    pub(super) fn push_again(&mut self, flight: &SharedFlight, place: usize, now: Instant) {
        let doublings = flight.borrow().tries(place).saturating_sub(1);
        let pause = Duration::from_millis(RETRY_PAUSE_MS << doublings.min(8));
        self.rest.push(Rest {
            due: now + pause,
            flight: Rc::clone(flight),
            place,
        });
    }

    /// What is to go next.
    pub(super) fn next(&mut self, now: Instant) -> Option<Work> {
        if let Some(at) = self.rest.iter().position(|rest| rest.due <= now) {
            let Rest { flight, place, .. } = self.rest.remove(at);
            return Some(Work::Rest(flight, place));
        }
        if let Some(query) = self.questions.pop_front() {
            return Some(Work::Ask(query));
        }
        self.fresh
            .pop_front()
            .map(|(_, submit)| Work::Fresh(submit))
    }

    /// Whether something may go now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.fresh.is_empty()
            || !self.questions.is_empty()
            || self.rest.iter().any(|rest| rest.due <= now)
    }

    /// Takes back every fresh message, and drops the questions.
    pub(super) fn take_fresh(&mut self) -> Vec<Submit> {
        self.questions.clear();
        self.fresh.drain(..).map(|(_, submit)| submit).collect()
    }

    /// Takes back the fresh messages that have waited too long.
    pub(super) fn take_old(&mut self, now: Instant) -> Vec<Submit> {
        let wait_max = Duration::from_millis(FRESH_WAIT_MS_MAX);
        let old = self
            .fresh
            .partition_point(|(since, _)| now.duration_since(*since) >= wait_max);
        self.fresh.drain(..old).map(|(_, submit)| submit).collect()
    }

    /// Takes back segments whose messages wait for too long; all of them when `all` is set.
    pub(super) fn take_rest(&mut self, now: Instant, all: bool) -> Vec<(SharedFlight, usize)> {
        let wait_max = Duration::from_millis(REST_WAIT_MS_MAX);
        let is_old =
            |rest: &mut Rest| all || now.duration_since(rest.flight.borrow().begun) >= wait_max;
        self.rest
            .extract_if(.., is_old)
            .map(|rest| (rest.flight, rest.place))
            .collect()
    }

    /// How many fresh messages wait, and how long the first of them does.
    pub(super) fn depth(&self, now: Instant) -> (usize, Duration) {
        let oldest = self
            .fresh
            .front()
            .map(|(since, _)| now.duration_since(*since));
        (self.fresh.len(), oldest.unwrap_or_default())
    }
}
