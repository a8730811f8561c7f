//! The capture's far end: one thread that appends lines to the files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use super::files::{FileFailed, Files};
use super::{Line, Queue};

pub(super) struct Writer {
    files: Files,
    lines: Receiver<Line>,
    queue: Arc<Queue>,
}

impl Writer {
    pub(super) fn new(files: Files, lines: Receiver<Line>, queue: Arc<Queue>) -> Writer {
        Writer {
            files,
            lines,
            queue,
        }
    }

    /// Writes until no worker is left, or until the disk fails.
    pub(super) fn run(mut self) {
        self.queue.meters.running.set(1.0);
        if let Err(failure) = self.write() {
            let cause = std::error::Error::source(&failure).map(ToString::to_string);
            tracing::error!(
                cause,
                "the capture of callbacks has stopped until the next start: {failure}"
            );
            self.stop();
        }
        self.queue.meters.running.set(0.0);
    }

    fn write(&mut self) -> Result<(), FileFailed> {
        while let Ok(first) = self.lines.recv() {
            self.append(first)?;
            while let Ok(next) = self.lines.try_recv() {
                self.append(next)?;
            }
            // Nothing more waits: whoever looks into the file finds all of it.
            self.files.flush()?;
            self.queue.meters.queue_oldest_seconds.set(0.0);
        }
        Ok(())
    }

    fn append(&mut self, Line { bytes, queued_at }: Line) -> Result<(), FileFailed> {
        let meters = &self.queue.meters;
        meters.queue_oldest_seconds.set(queued_at.elapsed());
        let appended = self.files.append(&bytes);
        self.queue.release(bytes.len());
        let waiting_bytes = self.queue.waiting_bytes.load(Ordering::Relaxed);
        meters.queue_bytes.set(waiting_bytes as f64);
        if appended.is_err() {
            meters.dropped.increment(1);
        }
        appended
    }

    /// Takes nothing more, and counts what waited.
    fn stop(&mut self) {
        self.queue.is_stopped.store(true, Ordering::Release);
        while let Ok(line) = self.lines.try_recv() {
            self.queue.release(line.bytes.len());
            self.queue.meters.dropped.increment(1);
        }
        self.queue.meters.queue_bytes.set(0.0);
        self.queue.meters.queue_oldest_seconds.set(0.0);
    }
}
