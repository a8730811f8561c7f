//! What the records say waits for the endpoint: pages are taken in, or dropped if the endpoint is disabled.

use std::collections::VecDeque;

use didfarm_core::event::Event;
use didfarm_core::ids::EventId;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::schedule::RETRY_AFTER_MS_MAX;
use didfarm_store::records::RecordsError;
use didfarm_store::records::round::PendingRow;
use rustc_hash::FxHashSet;

use super::{CATCH_UP_SPACING_US, EndpointActor, READ_AGAIN_MS};
use crate::actors::webhooks::lines::Joined;
use crate::actors::webhooks::question::Question;
use crate::actors::webhooks::queue::{Item, Place};
use crate::actors::webhooks::sweep::PAGE_ROWS;
use crate::actors::webhooks::turn::Turn;

/// How far ahead of its time a row is taken into a memory that is half full, in microseconds.
pub(super) const AHEAD_US: i64 = 2_000_000;
/// A row that is older has had its news long since, in microseconds.
const EARLY_US: i64 = 10_000_000;
/// How long a sweep rests when no further conversation can be begun, in milliseconds.
const LINES_FULL_MS: u64 = 1_000;
/// Rows without news that are remembered.
const EARLY_MAX: usize = 1_024;

/// Events that a page brought before the news of them came: when it comes, they are known already.
#[derive(Debug, Default)]
pub(super) struct Early {
    events: FxHashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Early {
    fn remember(&mut self, event: EventId) {
        if self.events.insert(event) {
            self.order.push_back(event);
        }
        if self.order.len() > EARLY_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
    }

    /// Whether the event had come already.
    pub(super) fn forget(&mut self, event: EventId) -> bool {
        self.events.remove(&event)
    }
}

/// What became of a row.
enum Taken {
    /// It was seen to.
    On,
    /// Memory is full: it is read again.
    Full,
    /// It and all behind it are wanted at this time.
    Later(Timestamp),
}

impl EndpointActor {
    /// When the next page is wanted, if there is room for it.
    pub(super) fn page_at(&self, turn: &Turn<'_>) -> Option<Timestamp> {
        let room = turn.limits.queue_max.saturating_sub(self.queue.len());
        let has_room = room >= PAGE_ROWS.min(turn.limits.queue_max / 4);
        self.sweep.next_at().filter(|_| has_room)
    }

    pub(super) fn ask_page(&mut self, turn: &mut Turn<'_>) {
        if self.page_at(turn).is_none_or(|at| at > turn.now.mono) {
            return;
        }
        let (asked, begins) = self.sweep.ask(turn.now.mono);
        if let Some(lines) = self.queue.lines().filter(|_| begins) {
            lines.sweep_begins();
        }
        turn.questions.push(Question::Page(self.state.id, asked));
    }

    /// Takes in a page.
    pub(in crate::actors::webhooks) fn page(
        &mut self,
        generation: u32,
        page: Result<Vec<(Timestamp, EventId, PendingRow)>, RecordsError>,
        turn: &mut Turn<'_>,
    ) {
        if !self.sweep.awaits(generation) {
            return;
        }
        match page {
            Ok(rows) if self.sweep.is_survey() => self.survey(&rows),
            Ok(rows) => self.take_rows(&rows, turn),
            Err(error) => {
                tracing::error!(endpoint = %self.state.id, %error, "what waits for a webhook endpoint cannot be read");
                self.sweep.failed(turn.now.mono.plus_ms(READ_AGAIN_MS));
            }
        }
        self.settle_arrivals(turn);
        if !self.sweep.is_behind() {
            self.pending = self.queue.len() as u64;
        }
    }

    /// Learns which conversations have an event under way.
    fn survey(&mut self, rows: &[(Timestamp, EventId, PendingRow)]) {
        if let Some(lines) = self.queue.lines() {
            for (_, event, row) in rows {
                if let Some(conversation) = row.conversation
                    && row.attempts > 0
                    && !row.is_manual
                {
                    lines.learn(conversation, *event);
                }
            }
        }
        match rows.last() {
            Some((due, event, _)) if rows.len() == PAGE_ROWS => {
                self.sweep.goes_on(Some((*due, *event)));
            }
            Some(_) | None => {
                self.sweep.came_to_end();
            }
        }
    }

    fn take_rows(&mut self, rows: &[(Timestamp, EventId, PendingRow)], turn: &mut Turn<'_>) {
        let (mut after, mut dropped) = (None, Vec::new());
        let mut stopped = None;
        for (due, event, row) in rows {
            match self.take_row((*due, *event), row, &mut dropped, turn) {
                Taken::On => after = Some((*due, *event)),
                stop @ (Taken::Full | Taken::Later(_)) => {
                    stopped = Some(stop);
                    break;
                }
            }
        }
        self.drop_rows(dropped, turn);
        match stopped {
            Some(Taken::Later(at)) => self.sweep.rests(at),
            Some(Taken::Full | Taken::On) => self.sweep.goes_on(after),
            None if rows.len() == PAGE_ROWS => self.sweep.goes_on(after),
            None => {
                if self.sweep.came_to_end()
                    && let Some(lines) = self.queue.lines()
                {
                    lines.mend();
                }
            }
        }
    }

    fn take_row(
        &mut self,
        (due, event): (Timestamp, EventId),
        row: &PendingRow,
        dropped: &mut Vec<(Timestamp, EventId)>,
        turn: &Turn<'_>,
    ) -> Taken {
        if self.queue.get(event).is_some() || self.sweep.is_outdated(event) {
            return Taken::On;
        }
        if !self.sends(row.is_manual) {
            dropped.push((due, event));
            return Taken::On;
        }
        let now = turn.now.mono;
        let ready_at = self.ready_at(due, row, turn);
        if self.queue.len() >= turn.limits.queue_max {
            return Taken::Full;
        }
        let is_far = ready_at.0 > now.0.saturating_add(AHEAD_US);
        if is_far && self.queue.len() >= turn.limits.queue_max / 2 {
            return Taken::Later(ready_at);
        }
        let item = Item {
            due,
            ready_at: self.spread(due, ready_at, now),
            failed: row.attempts,
            made: row.made,
            is_manual: row.is_manual,
            is_fresh: false,
            conversation: row.conversation,
            place: Place::Ready,
        };
        match self.queue.put(event, item, now, true) {
            Joined::First | Joined::Waits => {
                if row.made == 0 && due.0 > turn.now.wall.0.saturating_sub(EARLY_US) {
                    self.early.remember(event);
                }
                Taken::On
            }
            Joined::Refused => {
                self.sweep.left(None);
                Taken::On
            }
            Joined::Full => Taken::Later(now.plus_ms(LINES_FULL_MS)),
        }
    }

    /// When a row is due on the monotonic clock. Where the wall was set back, what was never tried is due
    /// now, and a retry no later than had it failed just now.
    fn ready_at(&self, due: Timestamp, row: &PendingRow, turn: &Turn<'_>) -> Timestamp {
        let now = turn.now.mono;
        if row.attempts == 0 {
            return now;
        }
        let schedule = &self.state.settings.schedule;
        let longest_ms = schedule.wait_ms(row.attempts, Some(RETRY_AFTER_MS_MAX), u32::MAX);
        let latest = now.plus_ms(longest_ms.unwrap_or(RETRY_AFTER_MS_MAX));
        turn.now.reaches(due).min(latest)
    }

    /// Spreads what is overdue after a start.
    fn spread(&mut self, due: Timestamp, ready_at: Timestamp, now: Timestamp) -> Timestamp {
        if now >= self.catch_up_until || due >= self.catch_up_before || ready_at > now {
            return ready_at;
        }
        let next = self.catch_up_next.max(now);
        self.catch_up_next = Timestamp(next.0 + CATCH_UP_SPACING_US);
        next
    }

    /// Takes in what came while the page was read, or leaves it where it is: in the records.
    fn settle_arrivals(&mut self, turn: &mut Turn<'_>) {
        let arrivals = std::mem::take(&mut self.arrivals);
        let now = turn.now.mono;
        for (event, item) in arrivals {
            if self.sweep.is_behind() {
                self.leave_fresh(item.line(), now);
            } else if self.queue.get(event).is_none() {
                self.take_fresh(event, item, turn);
            }
        }
    }

    /// Lets events wait no more.
    pub(super) fn drop_rows(&mut self, rows: Vec<(Timestamp, EventId)>, turn: &mut Turn<'_>) {
        if rows.is_empty() {
            return;
        }
        self.pending = self.pending.saturating_sub(rows.len() as u64);
        self.state.dropped(rows.iter().map(|(_, event)| *event));
        let event = Event::PendingDropped(self.state.id, rows);
        turn.batch.push(event, turn.now.mono);
    }
}
