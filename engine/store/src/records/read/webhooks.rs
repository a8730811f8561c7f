//! Reading endpoints, their events, what waits for them and how attempts ended.

use std::ops::Bound;

use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::Attempt;

use super::Take;
use crate::packed::Direction;
use crate::records::keys::{self, AttemptPlace, MAPS};
use crate::records::round::{
    AttemptMark, AttemptRow, BodyPart, EndpointRecord, EventRow, PendingRow,
};
use crate::records::{Records, RecordsError, working};

impl Records {
    /// One endpoint; a deleted one is there as long as something waits for it.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn endpoint(&self, id: EndpointId) -> Result<Option<EndpointRecord>, RecordsError> {
        self.get(MAPS.endpoints, "endpoint", &keys::id(id.get()))
    }

    /// Walks every endpoint, those included that are deleted and for which something still waits.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_endpoint(&self, mut visit: impl FnMut(EndpointRecord)) -> Result<(), RecordsError> {
        self.each(MAPS.endpoints, "endpoint", Bound::Unbounded, |_, record| {
            visit(record);
            Ok(Take::Next)
        })
    }

    /// One event of an account.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn event(&self, account: AccountId, id: EventId) -> Result<Option<EventRow>, RecordsError> {
        self.get(MAPS.events, "event", &keys::event(account, id))
    }

    /// Walks an account's events behind `after`, which need not exist: [`Direction::Forward`] from the
    /// oldest, [`Direction::Backward`] from the newest.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn events_page(
        &self,
        account: AccountId,
        after: Option<EventId>,
        direction: Direction,
        mut visit: impl FnMut(EventId, EventRow) -> Take,
    ) -> Result<(), RecordsError> {
        let end = match direction {
            Direction::Forward => EventId(0),
            Direction::Backward => EventId(u64::MAX),
        };
        let from = keys::event(account, after.unwrap_or(end)).to_vec();
        for row in MAPS
            .events
            .scan(self.shelf(), Bound::Excluded(from), direction)
        {
            let (key, value) = row?;
            let Some((_, id)) = keys::event_of(&key).filter(|(owner, _)| *owner == account) else {
                break;
            };
            if let Take::Stop = visit(id, working::read("event", &key, &value)?) {
                break;
            }
        }
        Ok(())
    }

    /// What waits for an endpoint behind `after`, `limit` rows at most, by due time and then by event.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn pending_page(
        &self,
        endpoint: EndpointId,
        after: Option<(Timestamp, EventId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, EventId, PendingRow)>, RecordsError> {
        let mut page = Vec::new();
        let from = match after {
            Some((due, event)) => Bound::Excluded(keys::pending(endpoint, due, event).to_vec()),
            None => Bound::Included(endpoint.0.to_be_bytes().to_vec()),
        };
        if limit == 0 {
            return Ok(page);
        }
        self.each(MAPS.pending, "pending event", from, |key, row| {
            let place = keys::pending_of(key).filter(|(of, _, _)| *of == endpoint);
            let Some((_, due, event)) = place else {
                return Ok(Take::Stop);
            };
            page.push((due, event, row));
            Ok(match page.len() < limit {
                true => Take::Next,
                false => Take::Stop,
            })
        })?;
        Ok(page)
    }

    /// Walks an endpoint's attempts behind `after`, newest first, each with all of its body that is
    /// kept.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn attempts_page(
        &self,
        endpoint: EndpointId,
        after: Option<AttemptPlace>,
        mut visit: impl FnMut(AttemptPlace, Attempt) -> Take,
    ) -> Result<(), RecordsError> {
        let from = match after {
            Some(place) => Bound::Excluded(keys::attempt(endpoint, place, u8::MAX).to_vec()),
            None => Bound::Included(endpoint.0.to_be_bytes().to_vec()),
        };
        self.each_raw(MAPS.attempts, from, |key, value| {
            let place = keys::attempt_of(key).filter(|(of, _, _)| *of == endpoint);
            match place {
                None => Ok(Take::Stop),
                Some((_, place, 0)) => Ok(visit(place, self.joined(key, value)?)),
                Some((_, _, _)) => Ok(Take::Next),
            }
        })
    }

    /// One attempt, with all of its body that is kept; `None` for one that an event keeps no more.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn attempt(
        &self,
        endpoint: EndpointId,
        place: AttemptPlace,
    ) -> Result<Option<Attempt>, RecordsError> {
        let key = keys::attempt(endpoint, place, 0);
        let value = MAPS.attempts.get(self.shelf(), &key)?;
        value.map(|value| self.joined(&key, &value)).transpose()
    }

    /// The attempts that an event keeps, endpoint by endpoint, oldest first.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn attempts_of(&self, row: &EventRow) -> Result<Vec<Attempt>, RecordsError> {
        let mut attempts = Vec::new();
        for result in &row.results {
            for mark in &result.attempts {
                let place = AttemptMark::place(*mark, row.event.id);
                attempts.extend(self.attempt(result.endpoint, place)?);
            }
        }
        Ok(attempts)
    }

    /// Joins an attempt from its rows. They are looked up one by one, for a round may forget them
    /// meanwhile: what is left of the body is given then.
    fn joined(&self, key: &[u8], value: &[u8]) -> Result<Attempt, RecordsError> {
        let AttemptRow { mut attempt, parts } = working::read("attempt", key, value)?;
        let (endpoint, place) = (attempt.endpoint, AttemptPlace::of(&attempt));
        let mut body = String::from(attempt.body_start);
        for part in 1..parts {
            let key = keys::attempt(endpoint, place, part);
            let Some(part) = self.get::<BodyPart>(MAPS.attempts, "part of an attempt", &key)?
            else {
                break;
            };
            body.push_str(&part);
        }
        attempt.body_start = body.into();
        Ok(attempt)
    }
}
