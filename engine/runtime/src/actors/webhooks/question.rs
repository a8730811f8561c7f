//! What the webhook supervisor asks of the records, and what they say. Questions are answered on a loader.

use std::sync::Arc;

use didfarm_core::ids::{AccountId, ConversationId, EndpointId, EventId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_store::packed::Direction;
use didfarm_store::records::read::Take;
use didfarm_store::records::round::{EndpointRecord, PendingRow};
use didfarm_store::records::{Records, RecordsError};

use super::materials::{Bare, MaterialAsked};
use super::recovery::Recoverable;
use super::sweep::{PAGE_ROWS, PageAsked};
use crate::webhooks::EventRow;

/// Events that one step of a recovery or of forgetting looks at.
const LOOKED_AT_MAX: usize = 2_000;

/// What is asked.
pub(crate) enum Question {
    /// What waits for an endpoint.
    Page(EndpointId, PageAsked),
    /// What events tell.
    Materials(Vec<MaterialAsked>),
    /// One event, for an endpoint that it is to be sent to again.
    Event(EndpointId, AccountId, EventId),
    /// The next events of a recovery behind this one, at most so many.
    Recovery(Box<Recoverable>, AccountId, EventId, usize),
    /// An endpoint.
    Record(EndpointId),
    /// Every account.
    Accounts,
    /// Events of an account that happened before this time and wait for nobody, behind this one.
    Old(AccountId, EventId, Timestamp, usize),
}

/// One event that a recovery puts in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) event: EventId,
    /// Attempts that were made of it in all.
    pub(crate) made: u16,
    pub(crate) conversation: Option<ConversationId>,
}

/// The events of one step, and where the next one begins: `None` at the end.
pub(crate) struct Step<T> {
    pub(crate) found: Vec<T>,
    pub(crate) next: Option<EventId>,
}

/// What an event tells, as the records have it.
pub(crate) struct Told {
    pub(crate) bare: Bare,
    pub(crate) message: Option<Arc<Message>>,
}

/// What the records say of an event.
pub(crate) enum Telling {
    Told(Told),
    /// They do not have it.
    Missing(MaterialAsked),
    Unreadable(RecordsError),
}

/// What the records say.
pub(crate) enum Found {
    Page(
        EndpointId,
        u32,
        Result<Vec<(Timestamp, EventId, PendingRow)>, RecordsError>,
    ),
    Materials(Vec<(EventId, Telling)>),
    Event(EndpointId, EventId, Result<Option<EventRow>, RecordsError>),
    /// With the event that the step began behind.
    Recovery(EndpointId, EventId, Result<Step<Recovered>, RecordsError>),
    Record(
        EndpointId,
        Box<Result<Option<EndpointRecord>, RecordsError>>,
    ),
    Accounts(Result<Vec<AccountId>, RecordsError>),
    Old(AccountId, Result<Step<EventId>, RecordsError>),
}

impl Question {
    /// Asks the records.
    pub(crate) fn ask(self, records: &Records) -> Found {
        match self {
            Question::Page(endpoint, PageAsked { after, generation }) => {
                let page = records.pending_page(endpoint, after, PAGE_ROWS);
                Found::Page(endpoint, generation, page)
            }
            Question::Materials(asked) => {
                let told = asked
                    .into_iter()
                    .map(|asked| (asked.event, told(records, asked)));
                Found::Materials(told.collect())
            }
            Question::Event(endpoint, account, event) => {
                Found::Event(endpoint, event, records.event(account, event))
            }
            Question::Recovery(recoverable, account, after, rows_max) => {
                let step = recovery(records, &recoverable, account, after, rows_max);
                Found::Recovery(recoverable.endpoint, after, step)
            }
            Question::Record(endpoint) => {
                Found::Record(endpoint, Box::new(records.endpoint(endpoint)))
            }
            Question::Accounts => {
                let mut accounts = Vec::new();
                let read = records.each_account(|account| accounts.push(account.id));
                Found::Accounts(read.map(|()| accounts))
            }
            Question::Old(account, after, before, rows_max) => {
                Found::Old(account, old(records, account, after, before, rows_max))
            }
        }
    }
}

fn told(records: &Records, asked: MaterialAsked) -> Telling {
    match try_told(records, &asked) {
        Ok(Some(told)) => Telling::Told(told),
        Ok(None) => Telling::Missing(asked),
        Err(error) => Telling::Unreadable(error),
    }
}

fn try_told(records: &Records, asked: &MaterialAsked) -> Result<Option<Told>, RecordsError> {
    let bare = match &asked.bare {
        Some(bare) => bare.clone(),
        None => match records.event(asked.account, asked.event)? {
            Some(row) => (Arc::new(row.event), row.at),
            None => return Ok(None),
        },
    };
    let Some(message) = bare.0.fact.message() else {
        return Ok(Some(Told {
            bare,
            message: None,
        }));
    };
    let message = records.message(message)?.map(Arc::new);
    let is_missing = message.is_none() && !asked.is_second;
    Ok((!is_missing).then_some(Told { bare, message }))
}

fn recovery(
    records: &Records,
    recoverable: &Recoverable,
    account: AccountId,
    after: EventId,
    rows_max: usize,
) -> Result<Step<Recovered>, RecordsError> {
    let after = after.max(recoverable.start());
    walk(
        records,
        account,
        after,
        |event, row| {
            if recoverable.is_past(event) {
                return None;
            }
            let made = row
                .result(recoverable.endpoint)
                .map_or(0, |result| result.made);
            let recovered = Recovered {
                event,
                made,
                conversation: row.event.conversation,
            };
            Some(recoverable.takes(row).then_some(recovered))
        },
        rows_max,
    )
}

fn old(
    records: &Records,
    account: AccountId,
    after: EventId,
    before: Timestamp,
    rows_max: usize,
) -> Result<Step<EventId>, RecordsError> {
    walk(
        records,
        account,
        after,
        |event, row| (row.at < before).then(|| (!row.is_pending()).then_some(event)),
        rows_max,
    )
}

/// Walks an account's events from the oldest; `judge` says `None` where the walk ends.
fn walk<T>(
    records: &Records,
    account: AccountId,
    after: EventId,
    mut judge: impl FnMut(EventId, &EventRow) -> Option<Option<T>>,
    rows_max: usize,
) -> Result<Step<T>, RecordsError> {
    let mut step = Step {
        found: Vec::new(),
        next: None,
    };
    let mut looked_at = 0;
    let mut last = after;
    records.events_page(account, Some(after), Direction::Forward, |event, row| {
        if step.found.len() == rows_max || looked_at == LOOKED_AT_MAX {
            step.next = Some(last);
            return Take::Stop;
        }
        let Some(judged) = judge(event, &row) else {
            return Take::Stop;
        };
        looked_at += 1;
        last = event;
        step.found.extend(judged);
        Take::Next
    })?;
    Ok(step)
}
