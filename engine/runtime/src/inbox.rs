//! An inbox: how work crosses to an actor on another thread, in groups.
//!
//! Senders put items in a shared list; only the first of a group wakes the actor, which then takes the
//! whole list. A full hot path costs one lock an item and one wake a group. What may be in the list is
//! bounded by the permits that its senders hold.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{Message, Recipient};

/// Tells an actor that its inbox has something.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

/// A list that an actor drains.
pub(crate) struct Inbox<T> {
    list: Mutex<List<T>>,
}

struct List<T> {
    items: Vec<T>,
    oldest: Option<Instant>,
    reader: Option<Recipient<Drain>>,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Inbox<T> {
        Inbox {
            list: Mutex::new(List {
                items: Vec::new(),
                oldest: None,
                reader: None,
            }),
        }
    }

    /// Sets who drains it, at start and after a restart.
    pub(crate) fn read_by(&self, reader: Recipient<Drain>) {
        let mut list = self.lock();
        if !list.items.is_empty() {
            reader.do_send(Drain);
        }
        list.reader = Some(reader);
    }

    /// Adds one item.
    pub(crate) fn push(&self, item: T) {
        let mut list = self.lock();
        list.items.push(item);
        if list.items.len() > 1 {
            return;
        }
        list.oldest = Some(Instant::now());
        let reader = list.reader.clone();
        drop(list);
        if let Some(reader) = reader {
            reader.do_send(Drain);
        }
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> Vec<T> {
        let mut list = self.lock();
        list.oldest = None;
        std::mem::take(&mut list.items)
    }

    /// How many wait, and since when the first.
    pub(crate) fn depth(&self) -> (usize, Duration) {
        let list = self.lock();
        (
            list.items.len(),
            list.oldest.map(|since| since.elapsed()).unwrap_or_default(),
        )
    }

    fn lock(&self) -> MutexGuard<'_, List<T>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
