//! The journal, the source of truth: every decision, durable before anybody is told of it.
//!
//! Entries are appended to segment files by one thread of its own. It takes everything that
//! waits as one group, writes it as one frame with a checksum and syncs once; only then are the
//! group's entries durable. `format.rs` has the bytes.
//!
//! Invariants:
//! - a seq is reported durable only after a successful `fdatasync` of its frame;
//! - after a failed write or sync nothing is reported durable any more;
//! - at open, only a tail that nobody was told of is cut; any other damage is an error.

mod chain;
mod clean;
mod error;
mod format;
mod kept;
mod meter;
mod progress;
mod queue;
mod reader;
mod recovery;
mod segment;
mod settings;
mod space;
mod writer;

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    chain::TornTail,
    error::{
        FatalJournal, JournalCloseError, JournalOpenError, JournalReadError, JournalStopped,
        JournalTrimError,
    },
    format::EncodeError,
    progress::{JournalStats, Room, Subscriber},
    reader::JournalReader,
    settings::{GROUP_BYTES_LIMIT, JournalSettings, OnFatal, SEGMENT_BYTES_MIN},
};
use self::{
    kept::Kept, progress::Progress, queue::Queue, recovery::recover, space::Space, writer::Writer,
};
use crate::{disk::Disk, seq::Seq};

/// Is the name of the writer's thread.
const THREAD_NAME: &str = "didfarm-journal";

/// Is the open journal of entries `E`: the handle of everyone but the writer.
///
/// Dropping it closes it, see [`Journal::close`]. A subscriber must not own it.
pub struct Journal<E: Serialize + DeserializeOwned + Send + 'static> {
    disk: Arc<dyn Disk>,
    keep_bytes: u64,
    queue: Arc<Queue<E>>,
    progress: Arc<Progress>,
    kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

impl<E: Serialize + DeserializeOwned + Send + 'static> Journal<E> {
    /// Opens the journal of a directory, or starts one in an empty directory, and its writer.
    ///
    /// `checkpoint` is the last entry that the records hold: every later entry must be there
    /// and decode, earlier segments are only looked at. A torn tail is cut with a warning.
    /// Metrics are counted if their recorder is installed before.
    ///
    /// # Errors
    /// See [`JournalOpenError`]; an error is found before anything on the disk is changed.
    pub fn open(
        disk: Arc<dyn Disk>,
        settings: JournalSettings,
        checkpoint: Seq,
    ) -> Result<Self, JournalOpenError> {
        let settings = settings.bounded();
        let recovered = recover::<E>(&disk, &settings, checkpoint)?;
        let progress = Arc::new(Progress::starting_at(recovered.last));
        let queue = Arc::new(Queue::starting_at(recovered.last.next()));
        let kept = Arc::new(Kept::new(recovered.kept));
        let space = Space::new(
            Arc::clone(&disk),
            settings.clone(),
            Arc::clone(&progress),
            Arc::clone(&kept),
            recovered.segment,
        );
        let keep_bytes = settings.keep_bytes;
        let writer = Writer::new(Arc::clone(&queue), Arc::clone(&progress), settings, space);
        let thread = thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || writer.run())
            .map_err(|source: io::Error| JournalOpenError::Io {
                file: disk.label(""),
                seq: recovered.last.next(),
                source,
            })?;
        Ok(Self {
            disk,
            keep_bytes,
            queue,
            progress,
            kept,
            thread: Some(thread),
        })
    }

    /// Gives the entry the next seq and leaves it to the writer; never waits for the disk.
    ///
    /// # Limits
    /// The queue has no bound: whoever admits work bounds it, see [`JournalStats::queue_depth`].
    pub fn append(&self, entry: E) -> Seq {
        self.queue.push(entry)
    }

    /// Appends several entries with seqs in a row, emptying the vector, and returns the seq of
    /// the last one (of the last entry before, if there are none).
    pub fn append_all(&self, entries: &mut Vec<E>) -> Seq {
        self.queue.push_all(entries)
    }

    /// Returns the last entry that is durable.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.progress.durable()
    }

    /// Returns the last entry that was appended.
    #[must_use]
    pub fn appended(&self) -> Seq {
        self.queue.appended()
    }

    /// Blocks until the entry is durable.
    ///
    /// # Errors
    /// [`JournalStopped`] if it will not become durable in this process.
    pub fn wait_durable(&self, seq: Seq) -> Result<(), JournalStopped> {
        self.progress.wait(seq)
    }

    /// Has the writer's thread call `subscriber` with the new durable seq after each sync, from
    /// the next one on. It should return at once: the next group waits for it.
    pub fn subscribe(&self, subscriber: Subscriber) {
        self.progress.subscribe(subscriber);
    }

    /// Returns a reader of the durable entries from `from` on, which follows the writer.
    #[must_use]
    pub fn reader(&self, from: Seq) -> JournalReader<E> {
        JournalReader::live(Arc::clone(&self.disk), from, Arc::clone(&self.progress))
    }

    /// Removes the segments whose entries are all `<= upto`, but for the newest of them up to
    /// `keep_bytes` of the settings; returns how many it removed.
    ///
    /// # Errors
    /// [`JournalTrimError`] if a file cannot be removed.
    pub fn trim(&self, upto: Seq) -> Result<usize, JournalTrimError> {
        let upto = upto.min(self.durable());
        self.kept.trim(&*self.disk, upto, self.keep_bytes)
    }

    /// Returns the first entry that a reader can still start from.
    #[must_use]
    pub fn first_seq_kept(&self) -> Seq {
        self.kept.first()
    }

    /// Says whether new work may be taken; cheap enough to ask on every request.
    #[must_use]
    pub fn room(&self) -> Room {
        self.progress.room()
    }

    /// Returns the journal's numbers.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let (segments, segment_bytes) = self.kept.totals();
        let durable = self.durable();
        JournalStats {
            groups: self.progress.groups.load(Ordering::Relaxed),
            entries: self.progress.entries.load(Ordering::Relaxed),
            bytes: self.progress.bytes.load(Ordering::Relaxed),
            segments,
            segment_bytes,
            queue_depth: self.appended().0.saturating_sub(durable.0),
            oldest_wait: self.queue.oldest_wait(),
        }
    }

    /// Makes everything appended durable, ends the writer and leaves the mark of a clean stop,
    /// by which the next open notices a lost tail.
    ///
    /// # Errors
    /// [`JournalCloseError`] if the writer had stopped or the mark could not be written.
    pub fn close(mut self) -> Result<(), JournalCloseError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), JournalCloseError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.queue.close();
        // The writer catches its own panics; a handler that panics has said its word.
        let ended = thread.join();
        if let Some(stopped) = self.progress.stopped() {
            return Err(stopped.into());
        }
        drop(ended);
        clean::write(&*self.disk, self.durable()).map_err(|source| JournalCloseError::Mark {
            file: self.disk.label(clean::CLEAN_FILE),
            source,
        })
    }
}

impl<E: Serialize + DeserializeOwned + Send + 'static> Drop for Journal<E> {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }
}
