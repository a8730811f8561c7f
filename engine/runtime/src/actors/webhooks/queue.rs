//! What waits for an endpoint and is in memory: ready, later, in line behind others, or in flight.
//!
//! Every event is in memory once at most. The lists hold ids alone; an id whose item has moved on is
//! passed over.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, VecDeque};

use didfarm_core::ids::{ConversationId, EventId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::lines::{Joined, Lines};

/// Room for items that may stay empty before it is given back.
const ROOM_KEPT: usize = 64;

/// The time of what may not start before it is durable.
pub(super) const UNRELEASED: Timestamp = Timestamp(i64::MAX);

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for its time.
    Later,
    /// It may start.
    Ready,
    /// It waits for others of its conversation.
    Held,
    /// What it tells is being read.
    Reading,
    /// Its attempt is being made.
    InFlight,
}

/// An event that waits for an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// When it was due by the wall clock: the key of its row.
    pub(super) due: Timestamp,
    /// When it is due on the monotonic clock.
    pub(super) ready_at: Timestamp,
    /// Attempts that failed since it was put in line.
    pub(super) failed: u16,
    /// Attempts in all.
    pub(super) made: u16,
    pub(super) is_manual: bool,
    /// Whether it has come just now, rather than from the records.
    pub(super) is_fresh: bool,
    pub(super) conversation: Option<ConversationId>,
    pub(super) place: Place,
}

impl Item {
    /// The line that it belongs to: what a customer asked for goes by none.
    pub(super) fn line(&self) -> Option<ConversationId> {
        self.conversation.filter(|_| !self.is_manual)
    }
}

/// What an endpoint's memory holds.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: FxHashMap<EventId, Item>,
    fresh: VecDeque<EventId>,
    backlog: VecDeque<EventId>,
    later: BinaryHeap<Reverse<(Timestamp, EventId)>>,
    lines: Option<Lines>,
    /// Whether the next one comes from the backlog if both have one.
    backlogs_turn: bool,
}

impl Queue {
    pub(super) fn new(is_ordered: bool) -> Queue {
        Queue {
            lines: is_ordered.then(Lines::default),
            ..Queue::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn get(&self, event: EventId) -> Option<&Item> {
        self.items.get(&event)
    }

    pub(super) fn lines(&mut self) -> Option<&mut Lines> {
        self.lines.as_mut()
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.lines.is_some()
    }

    /// Takes an item in, where nothing keeps it out.
    pub(super) fn put(
        &mut self,
        event: EventId,
        mut item: Item,
        now: Timestamp,
        is_behind: bool,
    ) -> Joined {
        let Entry::Vacant(vacant) = self.items.entry(event) else {
            return Joined::Waits;
        };
        let joined = match (&mut self.lines, item.line()) {
            (Some(lines), Some(conversation)) => lines.join(conversation, event, is_behind),
            (Some(_), None) | (None, Some(_) | None) => Joined::First,
        };
        match joined {
            Joined::First => {
                item.place = Place::Later;
                vacant.insert(item);
                self.await_time(event, now);
            }
            Joined::Waits => {
                item.place = Place::Held;
                vacant.insert(item);
            }
            Joined::Refused | Joined::Full => {}
        }
        joined
    }

    /// Lets an item that nothing holds wait for its time, which may have come.
    fn await_time(&mut self, event: EventId, now: Timestamp) {
        let Some(item) = self.items.get_mut(&event) else {
            return;
        };
        if item.ready_at > now {
            item.place = Place::Later;
            if item.ready_at != UNRELEASED {
                self.later.push(Reverse((item.ready_at, event)));
            }
            return;
        }
        item.place = Place::Ready;
        match item.is_fresh {
            true => self.fresh.push_back(event),
            false => self.backlog.push_back(event),
        }
    }

    /// Makes ready what has come to its time.
    pub(super) fn wake(&mut self, now: Timestamp) {
        while let Some(Reverse((at, event))) = self.later.peek().copied() {
            if at > now {
                return;
            }
            self.later.pop();
            let waits = |item: &&Item| item.place == Place::Later && item.ready_at == at;
            if self.items.get(&event).filter(waits).is_some() {
                self.await_time(event, now);
            }
        }
    }

    /// When the next item comes to its time.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.later.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets an item wait for nothing more that waited to be durable.
    pub(super) fn release(&mut self, event: EventId, now: Timestamp) {
        if let Some(item) = self.items.get_mut(&event)
            && item.place == Place::Later
            && item.ready_at == UNRELEASED
        {
            item.ready_at = now;
            self.await_time(event, now);
        }
    }

    /// Whether anything may start.
    pub(super) fn has_ready(&mut self) -> bool {
        for list in [&mut self.fresh, &mut self.backlog] {
            while let Some(event) = list.front() {
                if self
                    .items
                    .get(event)
                    .is_some_and(|item| item.place == Place::Ready)
                {
                    return true;
                }
                list.pop_front();
            }
        }
        false
    }

    /// When the item that is ready for longest was due.
    pub(super) fn oldest_ready(&self) -> Option<Timestamp> {
        let fronts = [self.fresh.front(), self.backlog.front()];
        let items = fronts
            .into_iter()
            .flatten()
            .filter_map(|event| self.items.get(event));
        items
            .filter(|item| item.place == Place::Ready)
            .map(|item| item.due)
            .min()
    }

    /// Starts the next item: fresh ones and older ones take turns.
    pub(super) fn start(&mut self) -> Option<(EventId, Item)> {
        self.backlogs_turn = !self.backlogs_turn;
        let (first, second) = match self.backlogs_turn {
            true => (&mut self.backlog, &mut self.fresh),
            false => (&mut self.fresh, &mut self.backlog),
        };
        for list in [first, second] {
            while let Some(event) = list.pop_front() {
                if let Some(item) = self.items.get_mut(&event)
                    && item.place == Place::Ready
                {
                    item.place = Place::InFlight;
                    return Some((event, *item));
                }
            }
        }
        None
    }

    /// The older items that start next, so many at most.
    pub(super) fn upcoming(&self, count: usize) -> impl Iterator<Item = EventId> {
        self.backlog.iter().take(count).copied()
    }

    /// Has an item read before it starts.
    pub(super) fn read(&mut self, event: EventId) {
        if let Some(item) = self.items.get_mut(&event) {
            item.place = Place::Reading;
        }
    }

    /// Puts an item that has been read back to where it was taken from.
    pub(super) fn restore(&mut self, event: EventId) {
        if let Some(item) = self.items.get_mut(&event) {
            item.place = Place::Ready;
            match item.is_fresh {
                true => self.fresh.push_front(event),
                false => self.backlog.push_front(event),
            }
        }
    }

    /// Takes an item in again that did not start after all.
    pub(super) fn unstart(&mut self, event: EventId, at: Timestamp, now: Timestamp) {
        if let Some(item) = self.items.get_mut(&event) {
            item.ready_at = at;
            self.await_time(event, now);
        }
    }

    /// Lets an item in flight wait for its next attempt.
    pub(super) fn retry(
        &mut self,
        event: EventId,
        (due, ready_at): (Timestamp, Timestamp),
        now: Timestamp,
    ) {
        let Some(item) = self.items.get_mut(&event) else {
            return;
        };
        item.due = due;
        item.ready_at = ready_at;
        item.failed = item.failed.saturating_add(1);
        item.made = item.made.saturating_add(1);
        item.is_fresh = false;
        let line = item.line();
        if let (Some(lines), Some(conversation)) = (&mut self.lines, line) {
            lines.rest(conversation, false);
        }
        self.await_time(event, now);
    }

    /// Leaves an item in the records until its next attempt, and those that wait for it. Returns whether
    /// any did.
    pub(super) fn leave(&mut self, event: EventId) -> bool {
        let Some(item) = self.items.remove(&event) else {
            return false;
        };
        let Some((lines, conversation)) = self.lines.as_mut().zip(item.line()) else {
            return false;
        };
        let left = lines.rest(conversation, true);
        let any = !left.is_empty();
        for event in left {
            self.items.remove(&event);
        }
        any
    }

    /// Lets go of an item that is done. Returns whether the records may have more of its line.
    pub(super) fn done(&mut self, event: EventId, now: Timestamp) -> bool {
        let Some(item) = self.items.remove(&event) else {
            return false;
        };
        if self.items.is_empty() && self.items.capacity() > ROOM_KEPT {
            self.shrink();
        }
        let Some((lines, conversation)) = self.lines.as_mut().zip(item.line()) else {
            return false;
        };
        let (next, has_more) = lines.done(conversation, event);
        if let Some(next) = next {
            self.await_time(next, now);
        }
        has_more
    }

    /// Leaves in the records what ordered conversations need not have in memory.
    pub(super) fn shorten(&mut self) {
        if let Some(lines) = &mut self.lines {
            for event in lines.shorten() {
                self.items.remove(&event);
            }
        }
    }

    /// Forgets everything that is not in flight or being read, and orders what comes next as asked. What is in flight
    /// is under way in its line.
    pub(super) fn reset(&mut self, is_ordered: bool) {
        self.items
            .retain(|_, item| matches!(item.place, Place::InFlight | Place::Reading));
        self.fresh.clear();
        self.backlog.clear();
        self.later.clear();
        self.shrink();
        self.lines = is_ordered.then(Lines::default);
        if let Some(lines) = &mut self.lines {
            for (event, item) in &self.items {
                if let Some(conversation) = item.line() {
                    lines.learn(conversation, *event);
                }
            }
        }
    }

    fn shrink(&mut self) {
        self.items.shrink_to(ROOM_KEPT);
        self.fresh.shrink_to(ROOM_KEPT);
        self.backlog.shrink_to(ROOM_KEPT);
        self.later.shrink_to(ROOM_KEPT);
    }
}
