//! The thread that encodes, writes and syncs groups of entries: the only one that writes.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use serde::Serialize;

use super::{
    error::FatalJournal,
    format::GroupBuffer,
    meter::Meter,
    progress::Progress,
    queue::{Queue, Taken},
    settings::JournalSettings,
    space::{ROOM_CHECK, Space},
};
use crate::seq::Seq;

pub(super) struct Writer<E> {
    queue: Arc<Queue<E>>,
    progress: Arc<Progress>,
    settings: JournalSettings,
    space: Space,
    meter: Meter,
    group: GroupBuffer,
    /// Entries that are taken from the queue and not written yet.
    batch: VecDeque<E>,
    /// The seq of the batch's first entry.
    next: Seq,
}

impl<E: Serialize> Writer<E> {
    /// Makes a writer that has looked at the room already.
    pub(super) fn new(
        queue: Arc<Queue<E>>,
        progress: Arc<Progress>,
        settings: JournalSettings,
        mut space: Space,
    ) -> Self {
        space.maintain();
        let next = progress.durable().next();
        Self {
            queue,
            progress,
            settings,
            space,
            meter: Meter::new(),
            group: GroupBuffer::new(),
            batch: VecDeque::new(),
            next,
        }
    }

    /// Writes until the journal is closed or something fails; then nothing is acknowledged any
    /// more.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.write_groups()));
        let fatal = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(fatal)) => fatal,
            Err(_) => FatalJournal::Panicked {
                seq: self.progress.durable(),
            },
        };
        self.progress.stop();
        self.queue.stop();
        let cause = std::error::Error::source(&fatal).map(ToString::to_string);
        tracing::error!(error = %fatal, ?cause, "the journal has stopped");
        (self.settings.on_fatal)(fatal);
        self.progress.wake();
    }

    fn write_groups(&mut self) -> Result<(), FatalJournal> {
        loop {
            let taken = self.queue.take(&mut self.batch, ROOM_CHECK);
            if !self.batch.is_empty() {
                self.commit()?;
            } else if taken == Taken::Closing {
                return Ok(());
            }
            self.space.maintain();
        }
    }

    /// Makes the next group durable and tells everyone.
    fn commit(&mut self) -> Result<(), FatalJournal> {
        let started = Instant::now();
        self.meter.queue_depth.set(self.batch.len() as f64);
        self.encode()?;
        let first = self.next;
        let count = u64::from(self.group.count());
        self.space.fit(self.group.sealed_bytes(), first)?;
        let frame = self.group.seal(first, self.space.salt());
        self.space.write(frame, first)?;
        let bytes = frame.len() as u64;
        self.next = Seq(first.0 + count);

        self.progress.groups.fetch_add(1, Ordering::Relaxed);
        self.progress.entries.fetch_add(count, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.meter.bytes.increment(bytes);
        self.meter.group_entries.record(count as f64);
        self.meter.commit_seconds.record(started.elapsed());
        self.progress.publish(self.next.previous());
        let waiting = self.queue.appended().0.saturating_sub(first.0 + count - 1);
        self.meter.queue_depth.set(waiting as f64);
        Ok(())
    }

    /// Moves entries from the batch into the group, as many as it may hold.
    fn encode(&mut self) -> Result<(), FatalJournal> {
        let bytes_max = self.settings.group_bytes_max as usize;
        self.group.clear(bytes_max);
        while let Some(entry) = self.batch.front() {
            match self.group.push(entry, bytes_max) {
                Ok(true) => drop(self.batch.pop_front()),
                Ok(false) => break,
                Err(source) => {
                    let seq = Seq(self.next.0 + u64::from(self.group.count()));
                    return Err(FatalJournal::Encode { seq, source });
                }
            }
        }
        Ok(())
    }
}
