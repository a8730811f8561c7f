//! What is due when: receipts, repeats, inbound messages.
//!
//! Bounded by [`PENDING_MAX`] over the agenda and everything that it has handed on: who adds must take a place first
//! and give it back when the thing is acknowledged, given up or lost.

use std::cmp::Ordering as Order;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The most receipts and inbound messages that wait to be sent or to be acknowledged.
pub const PENDING_MAX: usize = 4_000_000;
/// The shortest sleep between two looks, in milliseconds: what falls due in between goes out together.
const TICK_MS: u64 = 1;

struct Entry<T> {
    at: Instant,
    turn: u64,
    thing: T,
}

// The heap gives the greatest first: the earliest has to be the greatest.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Order {
        (other.at, other.turn).cmp(&(self.at, self.turn))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl<T> Eq for Entry<T> {}

struct Heap<T> {
    entries: BinaryHeap<Entry<T>>,
    turn: u64,
}

/// Things with their due times; equal times keep the order in which they were added.
pub struct Agenda<T> {
    heap: Mutex<Heap<T>>,
    pending: AtomicUsize,
    added: Notify,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        let heap = Heap {
            entries: BinaryHeap::new(),
            turn: 0,
        };
        Self {
            heap: Mutex::new(heap),
            pending: AtomicUsize::new(0),
            added: Notify::new(),
        }
    }
}

impl<T> Agenda<T> {
    /// Takes a place; `false` when there is none left.
    pub fn take_place(&self) -> bool {
        let take = |pending| (pending < PENDING_MAX).then_some(pending + 1);
        self.pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    /// Gives places back.
    pub fn leave(&self, places: usize) {
        self.pending.fetch_sub(places, Ordering::Relaxed);
    }

    /// How many places are taken.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Adds something that holds a place.
    pub fn add(&self, after: Duration, thing: T) {
        let at = Instant::now() + after;
        {
            let mut heap = self.heap.lock().expect("no holder of the agenda panics");
            let turn = heap.turn;
            heap.turn += 1;
            heap.entries.push(Entry { at, turn, thing });
        }
        self.added.notify_one();
    }

    /// Waits until something is due and takes everything that is.
    pub async fn due(&self) -> Vec<T> {
        loop {
            let now = Instant::now();
            let next = {
                let mut heap = self.heap.lock().expect("no holder of the agenda panics");
                let mut due = Vec::new();
                while heap.entries.peek().is_some_and(|entry| entry.at <= now) {
                    due.extend(heap.entries.pop().map(|entry| entry.thing));
                }
                if !due.is_empty() {
                    return due;
                }
                heap.entries.peek().map(|entry| entry.at)
            };
            match next {
                None => self.added.notified().await,
                Some(at) => {
                    let soonest = now + Duration::from_millis(TICK_MS);
                    tokio::select! {
                        () = tokio::time::sleep_until(at.max(soonest)) => {}
                        () = self.added.notified() => tokio::time::sleep_until(soonest).await,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn things_come_when_they_are_due_and_in_order() {
        let agenda = Agenda::default();
        let ms = Duration::from_millis;
        for (after, thing) in [(ms(50), 3), (ms(10), 1), (ms(10), 2)] {
            assert!(agenda.take_place());
            agenda.add(after, thing);
        }
        let start = Instant::now();
        assert_eq!(agenda.due().await, [1, 2]);
        assert!(start.elapsed() >= ms(10) && start.elapsed() < ms(20));
        assert_eq!(agenda.due().await, [3]);
        agenda.leave(3);
        assert_eq!(agenda.pending(), 0);
    }
}
