//! The capture: carriers' callbacks as they came, in rotating files, to be sent again by a load test.
//!
//! A worker writes a callback as one line of JSON (`docs/capture.md`) and puts it into a queue that is
//! bounded in bytes; one thread appends to the files. A full queue drops the line, and a disk that fails
//! ends the capture. Neither ever reaches the callback.

mod files;
mod line;
pub(crate) mod meters;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use didfarm_config::Settings;

use self::files::Files;
pub(crate) use self::line::Seen;
use self::meters::{CaptureMeters, DropLog};
use self::writer::Writer;

/// The capture's near end, one per worker.
#[derive(Clone)]
pub(crate) struct Capture {
    lines: Sender<Line>,
    queue: Arc<Queue>,
}

/// One line on its way to the files, its line feed included.
struct Line {
    bytes: Vec<u8>,
    queued_at: Instant,
}

/// What both ends know of the queue.
struct Queue {
    waiting_bytes: AtomicUsize,
    bytes_max: usize,
    is_stopped: AtomicBool,
    meters: CaptureMeters,
    drop_log: DropLog,
}

impl Queue {
    fn new(bytes_max: usize) -> Arc<Queue> {
        Arc::new(Queue {
            waiting_bytes: AtomicUsize::new(0),
            bytes_max,
            is_stopped: AtomicBool::new(false),
            meters: CaptureMeters::register(),
            drop_log: DropLog::new(),
        })
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Whether so many bytes more may wait, at this moment.
    fn has_room(&self, bytes: usize) -> bool {
        let waiting_bytes = self.waiting_bytes.load(Ordering::Relaxed);
        waiting_bytes.saturating_add(bytes) <= self.bytes_max
    }

    /// Takes room for a line, if there is enough.
    fn admit(&self, bytes: usize) -> bool {
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        let fits = before.saturating_add(bytes) <= self.bytes_max;
        if !fits {
            self.release(bytes);
        }
        fits
    }

    fn release(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn dropped(&self) {
        self.meters.dropped.increment(1);
        if !self.is_stopped() {
            self.drop_log.note();
        }
    }
}

impl Capture {
    /// Starts the capture, if the settings want one.
    ///
    /// # Errors
    /// The system gives no thread. What is wrong with the directory ends the capture later, with a line
    /// in the log.
    pub(crate) fn start(settings: &Settings) -> io::Result<Option<Capture>> {
        let capture = &settings.capture;
        if !capture.enabled {
            return Ok(None);
        }
        let files = Files::new(
            settings.capture_dir(),
            capture.file_bytes_max,
            capture.files_max,
        );
        Capture::of(files, capture.queue_bytes_max).map(Some)
    }

    fn of(files: Files, queue_bytes_max: usize) -> io::Result<Capture> {
        let queue = Queue::new(queue_bytes_max);
        let (lines, from_workers) = mpsc::channel();
        let writer = Writer::new(files, from_workers, Arc::clone(&queue));
        std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || writer.run())?;
        Ok(Capture { lines, queue })
    }

    /// Hands over a callback. Never waits.
    pub(crate) fn keep(&self, seen: &Seen<'_>) {
        let queue = &*self.queue;
        // What cannot fit is not even written down: a line is longer than its body.
        if queue.is_stopped() || !queue.has_room(seen.body.len()) {
            queue.dropped();
            return;
        }
        let bytes = seen.to_line();
        let count = bytes.len();
        if !queue.admit(count) {
            queue.dropped();
            return;
        }
        let queued_at = Instant::now();
        if self.lines.send(Line { bytes, queued_at }).is_err() {
            queue.release(count);
            queue.dropped();
        }
    }
}

#[cfg(test)]
pub(crate) use self::tests::wait_for_lines;

#[cfg(test)]
mod tests;
