//! The journal's metrics, with their handles kept.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const GROUP_ENTRIES: &str = "didfarm_journal_group_entries";
const COMMIT_SECONDS: &str = "didfarm_journal_commit_seconds";
const BYTES_TOTAL: &str = "didfarm_journal_bytes_total";
const QUEUE_DEPTH: &str = "didfarm_journal_queue_depth";

/// Holds the handles; it is made after the recorder is installed, or it counts nothing.
pub(super) struct Meter {
    pub(super) group_entries: Histogram,
    pub(super) commit_seconds: Histogram,
    pub(super) bytes: Counter,
    pub(super) queue_depth: Gauge,
}

impl Meter {
    pub(super) fn new() -> Self {
        describe_histogram!(GROUP_ENTRIES, "Entries that one sync made durable.");
        describe_histogram!(
            COMMIT_SECONDS,
            Unit::Seconds,
            "Time to encode, write and sync one group."
        );
        describe_counter!(BYTES_TOTAL, Unit::Bytes, "Bytes written to the journal.");
        describe_gauge!(QUEUE_DEPTH, "Entries appended and not durable yet.");
        Self {
            group_entries: histogram!(GROUP_ENTRIES),
            commit_seconds: histogram!(COMMIT_SECONDS),
            bytes: counter!(BYTES_TOTAL),
            queue_depth: gauge!(QUEUE_DEPTH),
        }
    }
}
