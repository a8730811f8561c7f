//! What became of requests with an idempotency key, and how many keys are in memory.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// What became of a request with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOutcome {
    /// It was the first with its key, and went on.
    Begun,
    /// It was answered as the first one was.
    Replayed,
    /// The first one was under way.
    InProgress,
    /// The key had come with another body.
    Reused,
}

impl KeyOutcome {
    const ALL: [(KeyOutcome, &'static str); 4] = [
        (KeyOutcome::Begun, "begun"),
        (KeyOutcome::Replayed, "replayed"),
        (KeyOutcome::InProgress, "in_progress"),
        (KeyOutcome::Reused, "reused"),
    ];
}

/// The handles.
pub(crate) struct IdempotencyMeter {
    outcomes: [Counter; 4],
    forgotten: Counter,
    held: Gauge,
}

impl IdempotencyMeter {
    pub(crate) fn new() -> IdempotencyMeter {
        describe_counter!(
            "didfarm_idempotency_total",
            "Requests with an idempotency key, by what became of them."
        );
        describe_counter!(
            "didfarm_idempotency_forgotten_total",
            "Idempotency keys that were kept for as long as the settings say."
        );
        describe_gauge!(
            "didfarm_idempotency_held",
            "Idempotency keys in memory: under way, or not in the records yet."
        );
        IdempotencyMeter {
            outcomes: KeyOutcome::ALL
                .map(|(_, label)| counter!("didfarm_idempotency_total", "outcome" => label)),
            forgotten: counter!("didfarm_idempotency_forgotten_total"),
            held: gauge!("didfarm_idempotency_held"),
        }
    }

    pub(crate) fn count(&self, outcome: KeyOutcome) {
        self.outcomes[outcome as usize].increment(1);
    }

    pub(crate) fn forgotten(&self, keys: usize) {
        self.forgotten.increment(keys as u64);
    }

    pub(crate) fn held(&self, keys: usize) {
        self.held.set(keys as f64);
    }
}
