//! Attempts of a round: their rows, and which of them an event keeps.

use didfarm_core::ids::{EndpointId, EventId};
use didfarm_core::webhook::attempt::{AfterAttempt, Attempt, BODY_KEPT_BYTES_MAX};
use didfarm_core::webhook::endpoint::EndpointState;

use super::webhooks::{InLine, one_less};
use super::{AttemptMark, AttemptRow, Changes, EventResult, EventRow, ResultState, Round};
use crate::records::keys::{self, AttemptPlace, MAPS};
use crate::records::{RecordsError, codec};
use crate::shelf::{Shelf, ShelfBatch};

/// Endpoints that one event keeps results of. A new one takes the place of the oldest that is not
/// pending; an account has fewer endpoints at once.
pub const RESULTS_MAX: usize = 256;
/// Attempts of one event at one endpoint that are kept; the oldest makes room.
pub const ATTEMPTS_MAX: usize = 64;
/// Attempts of one event at all its endpoints that are kept; the endpoint that has most of them makes
/// room. With all of them an event's row stays below what a row may have.
pub const EVENT_ATTEMPTS_MAX: usize = 320;
/// Bytes of an attempt's body in one row: a row has no room for all of it.
pub const BODY_PART_BYTES_MAX: usize = 8 * 1024;

/// The rows of attempts that a round adds and removes.
#[derive(Default)]
pub(super) struct Attempts(Changes);

impl Attempts {
    /// Keeps an attempt with the result at `place`; says whether it is a new one.
    pub(super) fn keep(&mut self, row: &mut EventRow, place: usize, attempt: &Attempt) -> bool {
        let result = &mut row.results[place];
        let mut known = result.attempts.iter();
        if known.any(|mark| (mark.at, mark.ordinal) == (attempt.at, attempt.ordinal)) {
            return false;
        }
        let mark = AttemptMark {
            at: attempt.at,
            ordinal: attempt.ordinal,
            parts: self.put(attempt),
        };
        result.made = result.made.saturating_add(1);
        result.attempts.push(mark);
        let kept = |row: &EventRow| row.results.iter().map(|result| result.attempts.len()).sum();
        if row.results[place].attempts.len() > ATTEMPTS_MAX {
            self.remove_oldest(row.event.id, &mut row.results[place]);
        } else if EVENT_ATTEMPTS_MAX < kept(row) {
            let most = row.results.iter_mut();
            if let Some(result) = most.max_by_key(|result| result.attempts.len()) {
                self.remove_oldest(row.event.id, result);
            }
        }
        true
    }

    /// Where the result of an endpoint is or may be, which is made if there is none; `None` when every
    /// other one is pending.
    pub(super) fn make_room(&mut self, row: &mut EventRow, endpoint: EndpointId) -> Option<usize> {
        let mut results = row.results.iter();
        if let Some(place) = results.position(|result| result.endpoint == endpoint) {
            return Some(place);
        }
        if row.results.len() >= RESULTS_MAX {
            let mut results = row.results.iter();
            let done = results.position(|result| result.state != ResultState::Pending)?;
            let result = row.results.remove(done);
            self.remove_all(row.event.id, &result);
        }
        row.results.push(EventResult::none(endpoint));
        Some(row.results.len() - 1)
    }

    /// Removes every attempt of an event.
    pub(super) fn forget(&mut self, row: &EventRow) {
        for result in &row.results {
            self.remove_all(row.event.id, result);
        }
    }

    /// Writes what was touched; returns how many rows more there are then.
    pub(super) fn commit(
        self,
        shelf: &dyn Shelf,
        out: &mut ShelfBatch,
    ) -> Result<i64, RecordsError> {
        Ok(MAPS.attempts.apply(shelf, &self.0, out)?)
    }

    /// Puts the rows of an attempt; returns how many they are.
    fn put(&mut self, attempt: &Attempt) -> u8 {
        let (endpoint, place) = (attempt.endpoint, AttemptPlace::of(attempt));
        let (first, rest) = cut(kept_of(&attempt.body_start));
        let further = std::iter::successors(Some(cut(rest)), |(_, rest)| Some(cut(rest)))
            .map(|(part, _)| part)
            .take_while(|part| !part.is_empty());
        let mut parts = 1;
        for part in further {
            let key = keys::attempt(endpoint, place, parts);
            self.0.insert(key.to_vec(), Some(codec::encode(&part)));
            parts += 1;
        }
        let attempt = Attempt {
            body_start: first.into(),
            ..attempt.clone()
        };
        let key = keys::attempt(endpoint, place, 0);
        let row = AttemptRow { attempt, parts };
        self.0.insert(key.to_vec(), Some(codec::encode(&row)));
        parts
    }

    fn remove_oldest(&mut self, event: EventId, result: &mut EventResult) {
        let mark = result.attempts.remove(0);
        self.remove(event, result.endpoint, mark);
    }

    fn remove_all(&mut self, event: EventId, result: &EventResult) {
        for mark in &result.attempts {
            self.remove(event, result.endpoint, *mark);
        }
    }

    fn remove(&mut self, event: EventId, endpoint: EndpointId, mark: AttemptMark) {
        for part in 0..mark.parts {
            let key = keys::attempt(endpoint, mark.place(event), part);
            self.0.insert(key.to_vec(), None);
        }
    }
}

impl Round<'_> {
    /// Keeps an attempt. It moves the event that waits for it; one that waits no more, or anew, it can
    /// only deliver.
    pub(super) fn attempted(&mut self, attempt: &Attempt) -> Result<(), RecordsError> {
        let Some(account) = self.account_of(attempt.endpoint)? else {
            return Ok(());
        };
        let key = keys::event(account, attempt.event);
        let Some(mut row) = self.webhooks.events.get(self.shelf, key)?.take() else {
            return Ok(());
        };
        if let Some(place) = place_of(&row, attempt.endpoint)
            && self.webhooks.attempts.keep(&mut row, place, attempt)
        {
            self.follow(&mut row, place, attempt)?;
        }
        self.webhooks.events.put(key, row);
        Ok(())
    }

    fn follow(
        &mut self,
        row: &mut EventRow,
        place: usize,
        attempt: &Attempt,
    ) -> Result<(), RecordsError> {
        let key = keys::id(attempt.endpoint.get());
        let record = self.webhooks.endpoints.get(self.shelf, key)?;
        let Some(found) = record else { return Ok(()) };
        found.endpoint.attempted(attempt);
        let is_deleted = found.endpoint.state == EndpointState::Deleted;
        let result = &mut row.results[place];
        if result.due != Some(attempt.due) {
            return self.stray(attempt, result);
        }
        result.due = None;
        result.state = match attempt.next {
            AfterAttempt::Delivered => ResultState::Delivered,
            AfterAttempt::Exhausted => ResultState::Exhausted,
            AfterAttempt::Retry { .. } if is_deleted => ResultState::Dropped,
            AfterAttempt::Retry { .. } => ResultState::Pending,
        };
        if result.state != ResultState::Pending {
            one_less(record);
        }
        let pending = keys::pending(attempt.endpoint, attempt.due, attempt.event);
        let waiting = self.webhooks.pending.get(self.shelf, pending)?.take();
        if let (ResultState::Pending, AfterAttempt::Retry { due }) = (result.state, attempt.next) {
            let failed = waiting.map_or(0, |waiting| waiting.attempts);
            let line = InLine {
                due,
                attempts: failed.saturating_add(1),
                is_manual: attempt.is_manual,
            };
            self.webhooks.put_in_line(&row.event, result, line);
        }
        Ok(())
    }

    /// An attempt that was not the one that the event waits for, if it waits.
    fn stray(&mut self, attempt: &Attempt, result: &mut EventResult) -> Result<(), RecordsError> {
        match result.due {
            Some(due) => {
                let key = keys::pending(attempt.endpoint, due, attempt.event);
                if let Some(waiting) = self.webhooks.pending.get(self.shelf, key)? {
                    waiting.made = result.made;
                }
            }
            None if attempt.next == AfterAttempt::Delivered => {
                result.state = ResultState::Delivered;
            }
            None => {}
        }
        Ok(())
    }
}

fn place_of(row: &EventRow, endpoint: EndpointId) -> Option<usize> {
    let mut results = row.results.iter();
    results.position(|result| result.endpoint == endpoint)
}

/// What is kept of a body: whoever makes attempts keeps to the same bound.
fn kept_of(body: &str) -> &str {
    &body[..body.floor_char_boundary(BODY_KEPT_BYTES_MAX)]
}

/// Cuts the first part off.
fn cut(body: &str) -> (&str, &str) {
    body.split_at(body.floor_char_boundary(BODY_PART_BYTES_MAX))
}
