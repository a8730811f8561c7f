//! Endpoints of a round: what they are told of, what waits for them, how attempts ended.
//!
//! Attempts end while customers delete and disable, so an end may come to an event that no longer waits,
//! or to an endpoint that is gone. That is in order: what an event's result says decides, and nothing is
//! counted twice.

use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::Redelivery;
use didfarm_core::webhook::endpoint::{EndpointEvent, EndpointState};
use didfarm_core::webhook::{Target, WebhookEvent};

use super::attempts::Attempts;
use super::{
    At, EndpointRecord, EventResult, EventRow, PendingRow, ResultState, Round, grow, lower,
};
use crate::records::keys::{self, MAPS};
use crate::records::working::Working;
use crate::records::{Counts, RecordsError};
use crate::shelf::{Shelf, ShelfBatch};

/// The touched records of webhooks.
pub(super) struct Webhooks {
    pub(super) endpoints: Working<[u8; 8], EndpointRecord>,
    pub(super) events: Working<[u8; 12], EventRow>,
    pub(super) pending: Working<[u8; 20], PendingRow>,
    pub(super) attempts: Attempts,
}

impl Webhooks {
    pub(super) fn new() -> Webhooks {
        Webhooks {
            endpoints: Working::new(MAPS.endpoints, "endpoint"),
            events: Working::new(MAPS.events, "event"),
            pending: Working::new(MAPS.pending, "pending event"),
            attempts: Attempts::default(),
        }
    }

    pub(super) fn commit(
        self,
        shelf: &dyn Shelf,
        counts: &mut Counts,
        out: &mut ShelfBatch,
    ) -> Result<(), RecordsError> {
        grow(&mut counts.endpoints, self.endpoints.commit(shelf, out)?);
        grow(&mut counts.events, self.events.commit(shelf, out)?);
        grow(&mut counts.pending, self.pending.commit(shelf, out)?);
        grow(&mut counts.attempts, self.attempts.commit(shelf, out)?);
        Ok(())
    }

    /// Puts an event in line, whose result then says so.
    pub(super) fn put_in_line(
        &mut self,
        event: &WebhookEvent,
        result: &mut EventResult,
        line: InLine,
    ) {
        let row = PendingRow {
            attempts: line.attempts,
            made: result.made,
            is_manual: line.is_manual,
            conversation: event.conversation,
        };
        let key = keys::pending(result.endpoint, line.due, event.id);
        self.pending.put(key, row);
        result.state = ResultState::Pending;
        result.due = Some(line.due);
    }
}

/// How an event is put in line.
pub(super) struct InLine {
    pub(super) due: Timestamp,
    pub(super) attempts: u16,
    pub(super) is_manual: bool,
}

impl Round<'_> {
    pub(super) fn offered(&mut self, at: At, event: &WebhookEvent) -> Result<(), RecordsError> {
        let mut event = event.clone();
        if let (None, Some(message)) = (event.conversation, event.fact.message()) {
            let message = self.messages.get(self.shelf, keys::id(message.0))?;
            event.conversation = message.as_ref().map(|message| message.conversation);
        }
        let mut results = Vec::with_capacity(event.to.len());
        for target in &event.to {
            results.push(self.first_result(at, &event, *target)?);
        }
        self.meta.event_last = self.meta.event_last.max(event.id);
        let row = EventRow {
            at: at.time,
            results,
            event,
        };
        let key = keys::event(row.event.account, row.event.id);
        self.webhooks.events.put(key, row);
        Ok(())
    }

    /// An endpoint that was deleted since the event was decided is not told of it.
    fn first_result(
        &mut self,
        at: At,
        event: &WebhookEvent,
        target: Target,
    ) -> Result<EventResult, RecordsError> {
        let mut result = EventResult::none(target.endpoint);
        let key = keys::id(target.endpoint.get());
        match self.webhooks.endpoints.get(self.shelf, key)? {
            Some(record) if record.endpoint.state != EndpointState::Deleted => {
                result.state = ResultState::Missed;
                if !target.is_missed {
                    record.pending += 1;
                    let line = InLine {
                        due: at.time,
                        attempts: 0,
                        is_manual: false,
                    };
                    self.webhooks.put_in_line(event, &mut result, line);
                }
            }
            Some(_) | None => {}
        }
        Ok(result)
    }

    pub(super) fn endpoint(
        &mut self,
        at: At,
        id: EndpointId,
        event: &EndpointEvent,
    ) -> Result<(), RecordsError> {
        let was_given_out = id.0 < self.meta.endpoint_next;
        let record = self
            .webhooks
            .endpoints
            .get(self.shelf, keys::id(id.get()))?;
        if let EndpointEvent::Created(endpoint) = event {
            *record = Some(EndpointRecord {
                endpoint: (**endpoint).clone(),
                pending: 0,
            });
            self.meta.endpoint_next = self.meta.endpoint_next.max(id.0 + 1);
            return Ok(());
        }
        match record {
            None if was_given_out => {}
            None => return Err(at.missing(format!("endpoint {id}"))),
            Some(found) if found.endpoint.state == EndpointState::Deleted => {}
            Some(found) => {
                found.endpoint.evolve(event, at.time);
                leave_if_done(record);
            }
        }
        Ok(())
    }

    /// Puts an event in line again, unless it waits already.
    pub(super) fn redelivered(&mut self, redelivery: Redelivery) -> Result<(), RecordsError> {
        let Redelivery {
            event,
            endpoint,
            due,
        } = redelivery;
        let webhooks = &mut self.webhooks;
        let record = webhooks
            .endpoints
            .get(self.shelf, keys::id(endpoint.get()))?;
        let Some(record) = record else { return Ok(()) };
        let key = keys::event(record.endpoint.account, event);
        let Some(mut row) = webhooks.events.get(self.shelf, key)?.take() else {
            return Ok(());
        };
        if record.endpoint.state != EndpointState::Deleted
            && let Some(place) = webhooks.attempts.make_room(&mut row, endpoint)
        {
            let result = &mut row.results[place];
            if result.due.is_none() {
                record.pending += 1;
                let line = InLine {
                    due,
                    attempts: 0,
                    is_manual: true,
                };
                webhooks.put_in_line(&row.event, result, line);
            }
        }
        webhooks.events.put(key, row);
        Ok(())
    }

    /// Takes events out of line, as far as they wait there.
    pub(super) fn pending_dropped(
        &mut self,
        endpoint: EndpointId,
        rows: &[(Timestamp, EventId)],
    ) -> Result<(), RecordsError> {
        let Some(account) = self.account_of(endpoint)? else {
            return Ok(());
        };
        let webhooks = &mut self.webhooks;
        for (due, event) in rows {
            let row = webhooks
                .events
                .get(self.shelf, keys::event(account, *event))?;
            let mut results = row.iter_mut().flat_map(|row| &mut row.results);
            let Some(result) =
                results.find(|result| result.endpoint == endpoint && result.due == Some(*due))
            else {
                continue;
            };
            webhooks
                .pending
                .remove(keys::pending(endpoint, *due, *event));
            let record = webhooks
                .endpoints
                .get(self.shelf, keys::id(endpoint.get()))?;
            let is_deleted = record
                .as_ref()
                .is_none_or(|found| found.endpoint.state == EndpointState::Deleted);
            if let Some(found) = record {
                found.endpoint.dropped([*event]);
            }
            result.due = None;
            result.state = match is_deleted {
                true => ResultState::Dropped,
                false => ResultState::Missed,
            };
            one_less(record);
        }
        Ok(())
    }

    /// Forgets events with their attempts, but for those that still wait.
    pub(super) fn forgotten(
        &mut self,
        account: AccountId,
        events: &[EventId],
    ) -> Result<(), RecordsError> {
        let webhooks = &mut self.webhooks;
        for event in events {
            let key = keys::event(account, *event);
            let row = webhooks.events.get(self.shelf, key)?;
            if let Some(row) = row.take_if(|row| !row.is_pending()) {
                webhooks.attempts.forget(&row);
            }
        }
        Ok(())
    }

    /// Whose an endpoint is; `None` for one that is gone.
    pub(super) fn account_of(
        &mut self,
        endpoint: EndpointId,
    ) -> Result<Option<AccountId>, RecordsError> {
        let key = keys::id(endpoint.get());
        let record = self.webhooks.endpoints.get(self.shelf, key)?;
        Ok(record.as_ref().map(|found| found.endpoint.account))
    }
}

/// Lets one event less wait for an endpoint; a deleted one goes with the last.
pub(super) fn one_less(record: &mut Option<EndpointRecord>) {
    if let Some(found) = record {
        lower(&mut found.pending, 1);
    }
    leave_if_done(record);
}

fn leave_if_done(record: &mut Option<EndpointRecord>) {
    record.take_if(|found| found.endpoint.state == EndpointState::Deleted && found.pending == 0);
}
