//! Which events a recovery puts in line again.

use didfarm_core::ids::{EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::Fact;
use didfarm_core::webhook::endpoint::EventFilter;
use didfarm_core::webhook::recovery::{RecoveryFilter, RecoveryScope};

use crate::webhooks::{EventRow, ResultState};

/// How far ids may run ahead of their time at least, in milliseconds.
const IDS_AHEAD_MS: u64 = 60_000;

/// What a recovery looks for.
#[derive(Debug, Clone)]
pub(crate) struct Recoverable {
    pub(crate) endpoint: EndpointId,
    /// The endpoint's own filter.
    pub(crate) own: EventFilter,
    pub(crate) filter: RecoveryFilter,
    /// How far ids run ahead of their time where the clock was set back, in milliseconds: events whose ids
    /// are that much beyond the range are not looked at.
    pub(crate) ids_ahead_ms: u64,
}

/// How far ids run ahead, as far as it is known: those of now by as much as the last one does.
pub(crate) fn ids_ahead_ms(last: EventId, now: Timestamp) -> u64 {
    last.time().ms_since(now).saturating_add(IDS_AHEAD_MS)
}

impl Recoverable {
    /// The event behind which the looking begins.
    pub(crate) fn start(&self) -> EventId {
        let first = EventId::first_at(self.filter.since);
        EventId(first.0.saturating_sub(1))
    }

    /// Whether this event and all behind it are beyond the range.
    pub(crate) fn is_past(&self, event: EventId) -> bool {
        event >= EventId::first_at(self.filter.until.plus_ms(self.ids_ahead_ms))
    }

    /// Whether an event is put in line.
    pub(crate) fn takes(&self, row: &EventRow) -> bool {
        let (event, filter) = (&row.event, &self.filter);
        if matches!(event.fact, Fact::Example(_)) {
            // It was for the one endpoint that asked for it.
            return false;
        }
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
