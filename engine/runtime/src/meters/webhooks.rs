//! Metrics of webhook endpoints, their events and their attempts.

use didfarm_core::webhook::EventType;
use didfarm_core::webhook::attempt::AttemptClass;
use didfarm_core::webhook::endpoint::DisableCause;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const CAUSES: [DisableCause; 3] = [
    DisableCause::Customer,
    DisableCause::Gone,
    DisableCause::Failing,
];

/// How endpoints are, over all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Attempts being made.
    pub(crate) in_flight: usize,
    /// Events that wait for an endpoint: one for each endpoint.
    pub(crate) pending: u64,
    /// How long ago the event was due that is ready for longest.
    pub(crate) oldest_due_ms: u64,
    pub(crate) enabled: usize,
    pub(crate) failing: usize,
    pub(crate) disabled: usize,
}

/// Handles on the metrics of webhooks.
pub(crate) struct WebhookMeter {
    attempts: Vec<Counter>,
    attempt_seconds: Histogram,
    events: Vec<Counter>,
    in_flight: Gauge,
    pending: Gauge,
    oldest_due_seconds: Gauge,
    endpoints: [Gauge; 3],
    pub(crate) exhausted: Counter,
    pub(crate) recovered: Counter,
    disabled: [Counter; 3],
}

impl WebhookMeter {
    pub(crate) fn new() -> WebhookMeter {
        describe();
        WebhookMeter {
            attempts: AttemptClass::ALL
                .iter()
                .map(|class| counter!("didfarm_webhooks_attempts_total", "class" => class.as_str()))
                .collect(),
            attempt_seconds: histogram!("didfarm_webhooks_attempt_seconds"),
            events: EventType::ALL
                .iter()
                .map(|kind| counter!("didfarm_webhooks_events_total", "type" => kind.as_str()))
                .collect(),
            in_flight: gauge!("didfarm_webhooks_in_flight"),
            pending: gauge!("didfarm_webhooks_pending"),
            oldest_due_seconds: gauge!("didfarm_webhooks_oldest_due_seconds"),
            endpoints: ["enabled", "failing", "disabled"]
                .map(|state| gauge!("didfarm_webhooks_endpoints", "state" => state)),
            exhausted: counter!("didfarm_webhooks_exhausted_total"),
            recovered: counter!("didfarm_webhooks_recovered_total"),
            disabled: CAUSES.map(
                |cause| counter!("didfarm_webhooks_disabled_total", "cause" => cause.as_str()),
            ),
        }
    }

    pub(crate) fn event(&self, kind: EventType) {
        self.events[kind as usize].increment(1);
    }

    /// Counts attempts that ended: how, and in how many milliseconds.
    pub(crate) fn attempts(&self, ends: &[(AttemptClass, u32)]) {
        for (class, ms) in ends {
            self.attempts[*class as usize].increment(1);
            self.attempt_seconds.record(f64::from(*ms) / 1_000.0);
        }
    }

    pub(crate) fn disabled(&self, cause: DisableCause) {
        self.disabled[cause as usize].increment(1);
    }

    pub(crate) fn observed(&self, seen: &Observed) {
        self.in_flight.set(seen.in_flight as f64);
        self.pending.set(seen.pending as f64);
        self.oldest_due_seconds
            .set(seen.oldest_due_ms as f64 / 1_000.0);
        let states = [seen.enabled, seen.failing, seen.disabled];
        for (gauge, count) in self.endpoints.iter().zip(states) {
            gauge.set(count as f64);
        }
    }
}

fn describe() {
    describe_counter!(
        "didfarm_webhooks_attempts_total",
        "Webhook attempts that ended, by how."
    );
    describe_histogram!(
        "didfarm_webhooks_attempt_seconds",
        "How long webhook attempts took."
    );
    describe_counter!(
        "didfarm_webhooks_events_total",
        "Events that endpoints were told of, by type."
    );
    describe_gauge!("didfarm_webhooks_in_flight", "Webhook attempts being made.");
    describe_gauge!(
        "didfarm_webhooks_pending",
        "Events that wait for an endpoint, one for each endpoint."
    );
    describe_gauge!(
        "didfarm_webhooks_oldest_due_seconds",
        "Age of the oldest event that is due and waits for its attempt, of those in memory."
    );
    describe_gauge!("didfarm_webhooks_endpoints", "Webhook endpoints, by state.");
    describe_counter!(
        "didfarm_webhooks_exhausted_total",
        "Events that reached an endpoint in none of their attempts."
    );
    describe_counter!(
        "didfarm_webhooks_recovered_total",
        "Events that recoveries put in line again."
    );
    describe_counter!(
        "didfarm_webhooks_disabled_total",
        "Webhook endpoints that were disabled, by cause."
    );
}
