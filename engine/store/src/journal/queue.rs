//! The entries that are appended and wait for the writer.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::progress::lock;
use crate::seq::Seq;

/// Is the queue between everyone who appends and the writer. It has no bound of its own:
/// admission, outside, counts what is under way.
pub(super) struct Queue<E> {
    inner: Mutex<Inner<E>>,
    wake: Condvar,
}

struct Inner<E> {
    entries: VecDeque<E>,
    next: Seq,
    /// The writer waits for a wake-up.
    sleeping: bool,
    closing: bool,
    stopped: bool,
    /// When the oldest entry that is queued, and the oldest that the writer holds, came.
    queued_since: Option<Instant>,
    taken_since: Option<Instant>,
    /// When the writer last took a group.
    taken_at: Option<Instant>,
}

/// Groups are taken at least this far apart: under load each gathers more entries, which costs less
/// than the switches between threads that more and smaller groups take. An entry that comes after
/// a pause does not wait.
const GROUP_SPACING: Duration = Duration::from_millis(1);

/// Says what the writer has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There may be entries; more can come.
    Open,
    /// The journal is being closed: these are the last entries.
    Closing,
}

impl<E> Queue<E> {
    pub(super) fn starting_at(next: Seq) -> Self {
        Self {
            inner: Mutex::new(Inner {
                entries: VecDeque::new(),
                next,
                sleeping: false,
                closing: false,
                stopped: false,
                queued_since: None,
                taken_since: None,
                taken_at: None,
            }),
            wake: Condvar::new(),
        }
    }

    /// Gives the entry the next seq and queues it.
    pub(super) fn push(&self, entry: E) -> Seq {
        let mut inner = lock(&self.inner);
        let seq = inner.next;
        inner.next = seq.next();
        if inner.stopped {
            // The entry is dropped after the lock: dropping it is foreign code.
            drop(inner);
            return seq;
        }
        inner.entries.push_back(entry);
        self.rouse(inner);
        seq
    }

    /// Gives the entries seqs in a row and queues them at once; returns the last seq.
    pub(super) fn push_all(&self, entries: &mut Vec<E>) -> Seq {
        let mut inner = lock(&self.inner);
        inner.next = Seq(inner.next.0.saturating_add(entries.len() as u64));
        let last = inner.next.previous();
        if inner.stopped {
            drop(inner);
            entries.clear();
            return last;
        }
        if !entries.is_empty() {
            inner.entries.extend(entries.drain(..));
            self.rouse(inner);
        }
        last
    }

    fn rouse(&self, mut inner: MutexGuard<'_, Inner<E>>) {
        if inner.queued_since.is_none() {
            inner.queued_since = Some(Instant::now());
        }
        // One wake-up is enough, and most of the time the writer is at work anyway.
        let sleeping = mem::replace(&mut inner.sleeping, false);
        drop(inner);
        if sleeping {
            self.wake.notify_one();
        }
    }

    /// Moves everything queued behind what `batch` still holds. With nothing at all to do it
    /// waits, at most `idle_wait`.
    pub(super) fn take(&self, batch: &mut VecDeque<E>, idle_wait: Duration) -> Taken {
        let mut inner = lock(&self.inner);
        if batch.is_empty() {
            inner.taken_since = None;
            if inner.entries.is_empty() && !inner.closing {
                inner.sleeping = true;
                let woken = self.wake.wait_timeout(inner, idle_wait);
                inner = woken.unwrap_or_else(PoisonError::into_inner).0;
                inner.sleeping = false;
            }
            inner = self.gather(inner);
            mem::swap(&mut inner.entries, batch);
        } else {
            batch.append(&mut inner.entries);
        }
        let queued_since = inner.queued_since.take();
        inner.taken_since = inner.taken_since.or(queued_since);
        if inner.closing {
            Taken::Closing
        } else {
            Taken::Open
        }
    }

    /// Waits until the next group may be taken.
    fn gather<'a>(&self, mut inner: MutexGuard<'a, Inner<E>>) -> MutexGuard<'a, Inner<E>> {
        while !inner.closing && !inner.entries.is_empty() {
            let since = inner
                .taken_at
                .map_or(GROUP_SPACING, |taken| taken.elapsed());
            let left = GROUP_SPACING.saturating_sub(since);
            if left.is_zero() {
                break;
            }
            let woken = self.wake.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.taken_at = Some(Instant::now());
        inner
    }

    pub(super) fn close(&self) {
        lock(&self.inner).closing = true;
        self.wake.notify_one();
    }

    /// Drops what is queued and everything that will be.
    pub(super) fn stop(&self) {
        let mut inner = lock(&self.inner);
        inner.stopped = true;
        let entries = mem::take(&mut inner.entries);
        drop(inner);
        drop(entries);
    }

    pub(super) fn appended(&self) -> Seq {
        lock(&self.inner).next.previous()
    }

    pub(super) fn oldest_wait(&self) -> Duration {
        let inner = lock(&self.inner);
        let since = inner.taken_since.or(inner.queued_since);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
