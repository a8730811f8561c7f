//! The shapes of `/api/v1/webhooks`: prefixed ids, times with a fraction.

use didfarm_core::ids::{EndpointId, EventId, NumberId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::attempt::{AfterAttempt, Attempt as StoredAttempt};
use didfarm_core::webhook::endpoint::{EndpointState, Health as StoredHealth};
use didfarm_core::webhook::recovery::Recovery as StoredRecovery;
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_runtime::webhooks::{EndpointView, MissedEvents, Rotated};
use serde::{Serialize, Serializer};

use super::{Fraction, Shown};
use crate::fields::NumberRef;

/// The word of the product's own retry schedule.
pub(crate) const SCHEDULE_DEFAULT: &str = "default";
/// The word of the schedule that the Standard Webhooks specification gives.
pub(crate) const SCHEDULE_EXTENDED: &str = "extended";

/// An endpoint.
#[derive(Serialize)]
pub(crate) struct Endpoint<'a> {
    id: Shown<EndpointId>,
    /// None of a status endpoint: each message names its own.
    url: Option<&'a str>,
    description: &'a str,
    number: Option<Shown<NumberRef>>,
    event_types: Vec<&'static str>,
    numbers: Vec<Shown<NumberRef>>,
    channels: Vec<&'static str>,
    payload: &'static str,
    retry_schedule: Schedule<'a>,
    ordered: bool,
    rate_per_second: Option<u32>,
    asymmetric: bool,
    status: &'static str,
    disabled_reason: Option<&'static str>,
    disabled_at: Option<Fraction>,
    pending: u64,
    health: Health,
    created_at: Fraction,
    #[serde(flatten)]
    secrets: Option<Secrets<'a>>,
}

/// What signs: in the answers that make it, and in no other.
#[derive(Serialize)]
pub(crate) struct Secrets<'a> {
    pub(crate) secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<&'a str>,
}

impl<'a> Endpoint<'a> {
    /// `named` tells what number an id stands for.
    pub(crate) fn of(
        view: &'a EndpointView,
        secrets: Option<Secrets<'a>>,
        named: impl Fn(NumberId) -> NumberRef,
    ) -> Endpoint<'a> {
        let endpoint = &view.endpoint;
        let settings = &endpoint.settings;
        let filter = &settings.filter;
        let (status, disabled_reason, disabled_at) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None, None),
            EndpointState::Disabled { cause, at } => ("disabled", Some(cause.as_str()), Some(at)),
            EndpointState::Deleted => ("deleted", None, None),
        };
        let newest = endpoint.keys.first();
        Endpoint {
            id: Shown(endpoint.id),
            url: (!endpoint.is_status).then_some(&*settings.url),
            description: &settings.description,
            number: endpoint.number.map(|number| Shown(named(number))),
            event_types: filter.types.iter().map(|kind| kind.as_str()).collect(),
            numbers: filter
                .numbers
                .iter()
                .map(|number| Shown(named(*number)))
                .collect(),
            channels: filter
                .channels
                .iter()
                .map(|channel| channel.as_str())
                .collect(),
            payload: settings.form.as_str(),
            retry_schedule: Schedule(&settings.schedule),
            ordered: settings.is_ordered,
            rate_per_second: settings.rate_per_second,
            asymmetric: newest.is_some_and(|live| live.keys.private_key.is_some()),
            status,
            disabled_reason,
            disabled_at: disabled_at.map(Fraction),
            pending: view.pending,
            health: Health::of(&endpoint.health),
            created_at: Fraction(endpoint.created_at),
            secrets,
        }
    }
}

struct Schedule<'a>(&'a RetrySchedule);

impl Serialize for Schedule<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RetrySchedule::Product => serializer.serialize_str(SCHEDULE_DEFAULT),
            RetrySchedule::Specification => serializer.serialize_str(SCHEDULE_EXTENDED),
            RetrySchedule::Custom(waits) => waits.serialize(serializer),
        }
    }
}

/// How an endpoint has done.
#[derive(Serialize)]
struct Health {
    failing_since: Option<Fraction>,
    last_success_at: Option<Fraction>,
    last_attempt_at: Option<Fraction>,
    last_result: Option<&'static str>,
    consecutive_failures: u32,
}

impl Health {
    fn of(health: &StoredHealth) -> Health {
        Health {
            failing_since: health.failing_since.map(Fraction),
            last_success_at: health.succeeded_at.map(Fraction),
            last_attempt_at: health.attempted_at.map(Fraction),
            last_result: health.last.map(|class| class.as_str()),
            consecutive_failures: health.failures,
        }
    }
}

/// An endpoint that was enabled, and what it missed.
#[derive(Serialize)]
pub(crate) struct Enabled<'a> {
    pub(crate) data: Endpoint<'a>,
    pub(crate) missed: Option<Missed>,
}

/// The events that an endpoint missed.
#[derive(Serialize)]
pub(crate) struct Missed {
    count: u64,
    since: Fraction,
    until: Fraction,
}

impl Missed {
    pub(crate) fn of(missed: MissedEvents) -> Missed {
        Missed {
            count: missed.count,
            since: Fraction(missed.since),
            until: Fraction(missed.until),
        }
    }
}

/// New keys of an endpoint.
#[derive(Serialize)]
pub(crate) struct NewKeys<'a> {
    #[serde(flatten)]
    secrets: Secrets<'a>,
    overlap_until: Fraction,
}

impl<'a> NewKeys<'a> {
    pub(crate) fn of(rotated: &'a Rotated) -> NewKeys<'a> {
        NewKeys {
            secrets: Secrets {
                secret: &rotated.secret.0,
                public_key: rotated.public_key.as_deref(),
            },
            overlap_until: Fraction(rotated.overlap_until),
        }
    }
}

/// An example that is on its way.
#[derive(Serialize)]
pub(crate) struct Example {
    event_id: Shown<EventId>,
    r#type: &'static str,
}

impl Example {
    pub(crate) fn of((event, kind): &(EventId, EventType)) -> Example {
        Example {
            event_id: Shown(*event),
            r#type: kind.as_str(),
        }
    }
}

/// An event that is sent again.
#[derive(Serialize)]
pub(crate) struct Resent {
    pub(crate) event_id: Shown<EventId>,
    pub(crate) endpoint_id: Shown<EndpointId>,
    pub(crate) due_at: Fraction,
}

/// How many events a recovery would be about.
#[derive(Serialize)]
pub(crate) struct Count {
    pub(crate) count: u64,
}

/// A recovery.
#[derive(Serialize)]
pub(crate) struct Recovery {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    queued: u64,
    since: Fraction,
    until: Fraction,
    event_types: Vec<&'static str>,
    scope: &'static str,
    per_second: u32,
    started_at: Fraction,
}

impl Recovery {
    /// `count` is how many events it found in its range, where that was asked.
    pub(crate) fn of(recovery: &StoredRecovery, count: Option<u64>) -> Recovery {
        let filter = &recovery.filter;
        Recovery {
            state: recovery.state.as_str(),
            count,
            queued: recovery.queued,
            since: Fraction(filter.since),
            until: Fraction(filter.until),
            event_types: filter.types.iter().map(|kind| kind.as_str()).collect(),
            scope: filter.scope.as_str(),
            per_second: recovery.pace_per_second,
            started_at: Fraction(recovery.started_at),
        }
    }
}

/// One attempt.
#[derive(Serialize)]
pub(crate) struct Attempt<'a> {
    event_id: Shown<EventId>,
    endpoint_id: Shown<EndpointId>,
    attempt: u16,
    at: Fraction,
    duration_ms: u32,
    status: Option<u16>,
    result: &'static str,
    response_body: &'a str,
    manual: bool,
    next: Next,
}

#[derive(Serialize)]
struct Next {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Fraction>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn of(attempt: &'a StoredAttempt) -> Attempt<'a> {
        let (state, due): (_, Option<Timestamp>) = match attempt.next {
            AfterAttempt::Delivered => ("delivered", None),
            AfterAttempt::Retry { due } => ("retry", Some(due)),
            AfterAttempt::Exhausted => ("exhausted", None),
        };
        Attempt {
            event_id: Shown(attempt.event),
            endpoint_id: Shown(attempt.endpoint),
            attempt: attempt.ordinal,
            at: Fraction(attempt.at),
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            result: attempt.class.as_str(),
            response_body: &attempt.body_start,
            manual: attempt.is_manual,
            next: Next {
                state,
                due_at: due.map(Fraction),
            },
        }
    }
}
