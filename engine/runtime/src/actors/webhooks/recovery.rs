//! Which events a recovery puts in line again.

use didfarm_core::ids::{EndpointId, EventId};
use didfarm_core::webhook::endpoint::EventFilter;
use didfarm_core::webhook::recovery::{RecoveryFilter, RecoveryScope};

use crate::webhooks::{EventRow, ResultState};

/// How far ids may run ahead of their time where the clock was set back, in milliseconds: events whose ids
/// are that much beyond the range are not looked at.
const IDS_AHEAD_MS: u64 = 60_000;

/// What a recovery looks for.
#[derive(Debug, Clone)]
pub(crate) struct Recoverable {
    pub(crate) endpoint: EndpointId,
    /// The endpoint's own filter.
    pub(crate) own: EventFilter,
    pub(crate) filter: RecoveryFilter,
}

impl Recoverable {
    /// The event behind which the looking begins.
    pub(crate) fn start(&self) -> EventId {
        let first = EventId::first_at(self.filter.since);
        EventId(first.0.saturating_sub(1))
    }

    /// Whether this event and all behind it are beyond the range.
    pub(crate) fn is_past(&self, event: EventId) -> bool {
        event >= EventId::first_at(self.filter.until.plus_ms(IDS_AHEAD_MS))
    }

    /// Whether an event is put in line.
    pub(crate) fn takes(&self, row: &EventRow) -> bool {
        let (event, filter) = (&row.event, &self.filter);
        let kind = event.fact.event_type();
        let in_range = filter.since <= row.at && row.at < filter.until;
        if !in_range || !(filter.types.is_empty() || filter.types.contains(&kind)) {
            return false;
        }
        match (
            row.result(self.endpoint).map(|result| result.state),
            filter.scope,
        ) {
            (Some(ResultState::Pending), _) => false,
            (
                Some(ResultState::Missed | ResultState::Exhausted | ResultState::Dropped),
                RecoveryScope::Undelivered | RecoveryScope::All,
            ) => true,
            (Some(ResultState::Delivered), scope) => scope == RecoveryScope::All,
            (None, RecoveryScope::Undelivered) => false,
            (None, RecoveryScope::All) => self.own.passes(kind, event.number, event.channel),
        }
    }
}
