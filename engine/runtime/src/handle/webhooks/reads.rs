//! Reads about endpoints: their events, their attempts, and how much a recovery would send.

use std::sync::Arc;

use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::webhook::Fact;
use didfarm_core::webhook::attempt::{Attempt, AttemptClass};
use didfarm_core::webhook::endpoint::{EndpointState, PayloadForm};
use didfarm_core::webhook::recovery::RecoveryFilter;
use didfarm_store::packed::Direction;
use didfarm_store::records::keys::AttemptPlace;
use didfarm_store::records::read::Take;
use didfarm_store::records::{Records, RecordsError};

use super::{EngineHandle, check_range};
use crate::actors::webhooks::payload::Material;
use crate::actors::webhooks::recovery::Recoverable;
use crate::read::{PAGE_ROWS_MAX, Page, ReadError, SCAN_ROWS_MAX};
use crate::shared::Shared;
use crate::webhooks::{
    AttemptPosition, AttemptQuery, EventQuery, EventView, StoredEvent, WebhookError,
};

fn damaged(error: RecordsError) -> ReadError {
    ReadError::Damaged {
        sentence: error.to_string(),
    }
}

impl EngineHandle {
    /// How many events a recovery would put in line now.
    ///
    /// # Errors
    /// [`WebhookError::RecoveryUnfit`], [`WebhookError::Unknown`], [`WebhookError::Unavailable`] or
    /// [`WebhookError::Damaged`].
    pub async fn count_recoverable(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        filter: RecoveryFilter,
    ) -> Result<u64, WebhookError> {
        check_range(&filter)?;
        let view = self.endpoint(account, endpoint).await?;
        let recoverable = Recoverable {
            endpoint,
            own: view.endpoint.settings.filter,
            filter,
            ids_ahead_ms: self.shared.ids_ahead_ms(self.shared.now()),
        };
        let count = move |records: &Records| {
            let mut count = 0;
            let after = Some(recoverable.start());
            records
                .events_page(account, after, Direction::Forward, |id, row| {
                    if recoverable.is_past(id) {
                        return Take::Stop;
                    }
                    count += u64::from(recoverable.takes(&row));
                    Take::Next
                })
                .map_err(damaged)?;
            Ok(count)
        };
        Ok(self.shared.read(count).await?)
    }

    /// One event, its payload in the message form, and its attempts.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::Unavailable`] or [`WebhookError::Damaged`].
    pub async fn event(&self, account: AccountId, id: EventId) -> Result<EventView, WebhookError> {
        let shared = Arc::clone(&self.shared);
        let read =
            move |records: &Records| view_event(&shared, records, account, id).map_err(damaged);
        let view = self.shared.read(read).await?;
        view.ok_or(WebhookError::NO_EVENT)
    }

    /// The account's events, newest first.
    ///
    /// # Errors
    /// [`WebhookError::Unavailable`] or [`WebhookError::Damaged`].
    pub async fn events(
        &self,
        account: AccountId,
        query: EventQuery,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Page<StoredEvent, EventId>, WebhookError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            list_events(records, account, &query, after, limit).map_err(damaged)
        };
        Ok(self.shared.read(read).await?)
    }

    /// The attempts at an endpoint, newest first.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::Unavailable`] or [`WebhookError::Damaged`].
    pub async fn attempts(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        query: AttemptQuery,
        after: Option<AttemptPosition>,
        limit: usize,
    ) -> Result<Page<Attempt, AttemptPosition>, WebhookError> {
        self.endpoint(account, endpoint).await?;
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            list_attempts(records, endpoint, query, after, limit).map_err(damaged)
        };
        Ok(self.shared.read(read).await?)
    }
}

fn view_event(
    shared: &Arc<Shared>,
    records: &Records,
    account: AccountId,
    id: EventId,
) -> Result<Option<EventView>, RecordsError> {
    let Some(row) = records.event(account, id)? else {
        return Ok(None);
    };
    let endpoint_url = match row.event.fact {
        Fact::EndpointDisabled { endpoint, .. } => records
            .endpoint(endpoint)?
            .filter(|found| found.endpoint.state != EndpointState::Deleted)
            .map(|found| found.endpoint.settings.url),
        _ => None,
    };
    let message = match row.event.fact.message() {
        Some(message) => records.message(message)?.map(Arc::new),
        None => None,
    };
    let mut attempts = records.attempts_of(&row)?;
    attempts.sort_by_key(|attempt| (attempt.at, attempt.endpoint, attempt.ordinal));
    let number = row.event.number;
    let number = number.and_then(|number| shared.directory.number(number));
    let material = Material::new(
        Arc::new(row.event.clone()),
        row.at,
        message,
        number.map(|number| number.e164),
        endpoint_url,
    );
    let payload = material.payload(PayloadForm::Message);
    Ok(Some(EventView {
        id,
        row,
        payload: String::from_utf8_lossy(&payload).into_owned(),
        attempts,
    }))
}

fn list_events(
    records: &Records,
    account: AccountId,
    query: &EventQuery,
    after: Option<EventId>,
    limit: usize,
) -> Result<Page<StoredEvent, EventId>, RecordsError> {
    let mut page = Page {
        rows: Vec::with_capacity(limit),
        next: None,
    };
    let (mut looked_at, mut last) = (0, None);
    records.events_page(account, after, Direction::Backward, |id, row| {
        if page.rows.len() == limit || looked_at == SCAN_ROWS_MAX {
            page.next = last;
            return Take::Stop;
        }
        // An id is never before its time: what is behind this one is older still.
        if query
            .since
            .is_some_and(|since| id < EventId::first_at(since))
        {
            return Take::Stop;
        }
        looked_at += 1;
        last = Some(id);
        let event = &row.event;
        let fits = query.since.is_none_or(|since| row.at >= since)
            && query.until.is_none_or(|until| row.at < until)
            && (query.types.is_empty() || query.types.contains(&event.fact.event_type()))
            && (query.number.is_none() || query.number == event.number)
            && (query.channel.is_none() || query.channel == event.channel)
            && (query.conversation.is_none() || query.conversation == event.conversation);
        page.rows.extend(fits.then_some(StoredEvent { id, row }));
        Take::Next
    })?;
    Ok(page)
}

fn list_attempts(
    records: &Records,
    endpoint: EndpointId,
    query: AttemptQuery,
    after: Option<AttemptPosition>,
    limit: usize,
) -> Result<Page<Attempt, AttemptPosition>, RecordsError> {
    let mut page = Page {
        rows: Vec::with_capacity(limit),
        next: None,
    };
    let (mut looked_at, mut last) = (0, None);
    let after = after.map(|position| AttemptPlace {
        at: position.at,
        event: position.event,
        ordinal: position.ordinal,
    });
    records.attempts_page(endpoint, after, |place, attempt| {
        if page.rows.len() == limit || looked_at == SCAN_ROWS_MAX {
            page.next = last;
            return Take::Stop;
        }
        if query.since.is_some_and(|since| place.at < since) {
            return Take::Stop;
        }
        looked_at += 1;
        last = Some(AttemptPosition {
            at: place.at,
            event: place.event,
            ordinal: place.ordinal,
        });
        let succeeded = attempt.class == AttemptClass::Succeeded;
        let fits = query.until.is_none_or(|until| place.at < until)
            && query.event.is_none_or(|event| place.event == event)
            && query.succeeded.is_none_or(|wanted| wanted == succeeded);
        page.rows.extend(fits.then_some(attempt));
        Take::Next
    })?;
    Ok(page)
}
