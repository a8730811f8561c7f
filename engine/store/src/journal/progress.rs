//! How far the writer has come, and everyone who waits for it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::error::JournalStopped;
use crate::seq::Seq;

/// Is told the new durable seq, by the writer's thread, after each sync.
pub type Subscriber = Box<dyn Fn(Seq) + Send + Sync>;

/// Says whether new work may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The space for what comes next is there.
    Enough,
    /// The next segment cannot be allocated, or the file system is nearly full: refuse new
    /// work. What was taken already still fits.
    Short,
}

/// Is a snapshot of the journal's numbers since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalStats {
    /// Groups that became durable.
    pub groups: u64,
    /// Entries that became durable.
    pub entries: u64,
    /// Bytes that were written for them, with headers and padding.
    pub bytes: u64,
    /// Segment files that are kept.
    pub segments: u64,
    /// Length of all segment files.
    pub segment_bytes: u64,
    /// Entries that are appended and not durable.
    pub queue_depth: u64,
    /// How long the oldest of them has waited.
    pub oldest_wait: Duration,
}

/// Is what the writer publishes and everyone may read.
#[derive(Default)]
pub(crate) struct Progress {
    durable: AtomicU64,
    short: AtomicBool,
    stopped: AtomicBool,
    pub(super) groups: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    waiting: Mutex<()>,
    moved: Condvar,
    subscribers: Mutex<Arc<Vec<Arc<Subscriber>>>>,
}

/// Locks although another thread may have panicked: every value under these locks is whole at
/// any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    pub(super) fn starting_at(durable: Seq) -> Self {
        Self {
            durable: AtomicU64::new(durable.0),
            ..Self::default()
        }
    }

    pub(super) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn room(&self) -> Room {
        if self.short.load(Ordering::Relaxed) {
            Room::Short
        } else {
            Room::Enough
        }
    }

    pub(super) fn set_room(&self, room: Room) {
        self.short.store(room == Room::Short, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> Option<JournalStopped> {
        let stopped = self.stopped.load(Ordering::Acquire);
        stopped.then(|| JournalStopped {
            durable: self.durable(),
        })
    }

    pub(super) fn wait(&self, seq: Seq) -> Result<(), JournalStopped> {
        let mut waiting = lock(&self.waiting);
        while self.durable() < seq {
            if let Some(stopped) = self.stopped() {
                return Err(stopped);
            }
            let woken = self.moved.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    pub(super) fn subscribe(&self, subscriber: Subscriber) {
        let mut subscribers = lock(&self.subscribers);
        Arc::make_mut(&mut subscribers).push(Arc::new(subscriber));
    }

    /// Tells everyone that all entries up to `durable` are on the disk.
    pub(super) fn publish(&self, durable: Seq) {
        self.durable.store(durable.0, Ordering::Release);
        self.wake();
        let subscribers = Arc::clone(&lock(&self.subscribers));
        for subscriber in subscribers.iter() {
            subscriber(durable);
        }
    }

    /// Ends all acknowledging.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Wakes everyone who waits, to look again.
    pub(super) fn wake(&self) {
        // Held for a moment, so that nobody is between looking and waiting.
        drop(lock(&self.waiting));
        self.moved.notify_all();
    }
}
