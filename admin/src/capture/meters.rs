//! The metrics of the capture, and the log line about what it dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// Whether callbacks are being captured: 1, or 0 once a disk failed.
pub const CAPTURE_RUNNING: &str = "didfarm_capture_running";
/// Callbacks that were not captured for want of room in the queue, or after a disk failed.
pub const CAPTURE_DROPPED_TOTAL: &str = "didfarm_capture_dropped_total";
/// Bytes that wait to be written.
pub const CAPTURE_QUEUE_BYTES: &str = "didfarm_capture_queue_bytes";
/// How long the line waited that was written last; 0 when none waits.
pub const CAPTURE_QUEUE_OLDEST_SECONDS: &str = "didfarm_capture_queue_oldest_seconds";

/// How long the log is silent about drops after a line about them.
const DROP_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Handles of the metrics, looked up once.
pub(super) struct CaptureMeters {
    pub(super) running: Gauge,
    pub(super) dropped: Counter,
    pub(super) queue_bytes: Gauge,
    pub(super) queue_oldest_seconds: Gauge,
}

impl CaptureMeters {
    /// Looks the handles up in the recorder that is installed.
    pub(super) fn register() -> CaptureMeters {
        CaptureMeters {
            running: gauge!(CAPTURE_RUNNING),
            dropped: counter!(CAPTURE_DROPPED_TOTAL),
            queue_bytes: gauge!(CAPTURE_QUEUE_BYTES),
            queue_oldest_seconds: gauge!(CAPTURE_QUEUE_OLDEST_SECONDS),
        }
    }
}

/// Says at most once in [`DROP_LOG_INTERVAL`] that callbacks were dropped, and how many since the last time.
pub(super) struct DropLog {
    started: Instant,
    dropped: AtomicU64,
    /// Milliseconds after `started` from which on it may speak again.
    silent_until_ms: AtomicU64,
}

impl DropLog {
    pub(super) fn new() -> DropLog {
        DropLog {
            started: Instant::now(),
            dropped: AtomicU64::new(0),
            silent_until_ms: AtomicU64::new(0),
        }
    }

    /// One more was dropped.
    pub(super) fn note(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let now_ms = self.started.elapsed().as_millis();
        if let Some(dropped) = self.due(u64::try_from(now_ms).unwrap_or(u64::MAX)) {
            tracing::warn!(
                dropped,
                "callbacks are not captured: the queue to the files is full"
            );
        }
    }

    /// How many were dropped since the last line, if it is time for another.
    fn due(&self, now_ms: u64) -> Option<u64> {
        let until_ms = self.silent_until_ms.load(Ordering::Relaxed);
        if now_ms < until_ms {
            return None;
        }
        let next_ms = now_ms.saturating_add(DROP_LOG_INTERVAL.as_millis() as u64);
        // Of several workers one speaks.
        self.silent_until_ms
            .compare_exchange(until_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            .map(|_| self.dropped.swap(0, Ordering::Relaxed))
    }
}

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_gauge!(
        CAPTURE_RUNNING,
        "Whether callbacks are being captured: 1, or 0 once a disk failed."
    );
    describe_counter!(
        CAPTURE_DROPPED_TOTAL,
        Unit::Count,
        "Callbacks that were not captured, for want of room or after a disk failed."
    );
    describe_gauge!(
        CAPTURE_QUEUE_BYTES,
        Unit::Bytes,
        "Bytes that wait to be written to the capture."
    );
    describe_gauge!(
        CAPTURE_QUEUE_OLDEST_SECONDS,
        Unit::Seconds,
        "How long the line waited that was written last; 0 when none waits."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_speaks_once_a_minute_and_says_how_many() {
        let log = DropLog::new();
        log.dropped.fetch_add(1, Ordering::Relaxed);
        assert_eq!(log.due(5), Some(1));
        log.dropped.fetch_add(7, Ordering::Relaxed);
        assert_eq!(log.due(60_004), None);
        assert_eq!(log.due(60_005), Some(7));
        assert_eq!(log.due(60_006), None);
    }
}
