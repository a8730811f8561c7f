//! The door between those who submit and the simulator's thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Submit;

/// Groups that wait for the thread, and what both sides know of each other.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    closed: AtomicBool,
    pending: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    groups: Vec<Vec<Submit>>,
    /// Whether the thread sleeps: a wake-up is a system call, and a busy thread needs none.
    sleeping: bool,
}

impl Queue {
    /// Adds a group and wakes the thread if it sleeps.
    pub(super) fn push(&self, group: Vec<Submit>) {
        self.pending.fetch_add(group.len(), Ordering::Relaxed);
        let mut inner = self.lock();
        inner.groups.push(group);
        if std::mem::take(&mut inner.sleeping) {
            self.wake.notify_one();
        }
    }

    /// Swaps the waiting groups for an empty `into`; if there are none, first sleeps until one comes, the
    /// time is up (never, without one) or the queue is closed.
    pub(super) fn swap(&self, into: &mut Vec<Vec<Submit>>, sleep_max: Option<Duration>) {
        let mut inner = self.lock();
        if inner.groups.is_empty() && sleep_max != Some(Duration::ZERO) && !self.is_closed() {
            inner.sleeping = true;
            inner = match sleep_max {
                Some(max) => {
                    self.wake
                        .wait_timeout(inner, max)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .wake
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
            };
            inner.sleeping = false;
        }
        std::mem::swap(&mut inner.groups, into);
    }

    /// Tells the thread to end.
    pub(super) fn close(&self) {
        // Under the lock, so that the thread is either before its check or asleep.
        let _inner = self.lock();
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether the thread is to end.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How much is yet to come.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    /// Counts events that a group of submits led to.
    pub(super) fn add_pending(&self, count: usize) {
        self.pending.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts off what is done with. What it led to was counted before.
    pub(super) fn sub_pending(&self, count: usize) {
        self.pending.fetch_sub(count, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under the lock can leave it half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
