//! Metrics of scheduled messages, and of the clock that they go by.

use metrics::{Gauge, Histogram, describe_gauge, describe_histogram, gauge, histogram};

const SCHEDULED: &str = "didfarm_scheduled";
const LATENESS: &str = "didfarm_scheduled_lateness_seconds";
const CLOCK_STEP: &str = "didfarm_clock_step_seconds";

/// Handles of the metrics.
pub(crate) struct ScheduleMeter {
    scheduled: Gauge,
    lateness: Histogram,
    clock_step: Gauge,
}

impl ScheduleMeter {
    pub(super) fn new() -> ScheduleMeter {
        describe_gauge!(SCHEDULED, "Messages that wait for their time.");
        describe_histogram!(
            LATENESS,
            "Seconds from the time of a scheduled message to when it was let into its lane."
        );
        describe_gauge!(
            CLOCK_STEP,
            "Seconds that the machine's clock is ahead of the time that the daemon goes by."
        );
        ScheduleMeter {
            scheduled: gauge!(SCHEDULED),
            lateness: histogram!(LATENESS),
            clock_step: gauge!(CLOCK_STEP),
        }
    }

    /// A message was let into its lane so long after its time.
    pub(crate) fn released(&self, late_ms: u64) {
        self.lateness.record(late_ms as f64 / 1_000.0);
    }

    /// So many wait, and the machine's clock is so far ahead.
    pub(crate) fn show(&self, scheduled: usize, stepped_us: i64) {
        self.scheduled.set(scheduled as f64);
        self.clock_step.set(stepped_us as f64 / 1_000_000.0);
    }
}
