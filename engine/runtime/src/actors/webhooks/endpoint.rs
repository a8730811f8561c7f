//! The endpoint actor: what waits for one endpoint, and when it is sent.
//!
//! Owns: the endpoint's state, its queue, its window, its sweep of the records, its recovery. Never does:
//! I/O, or anything about other endpoints. It has no mailbox: the supervisor gives it turns, so that what
//! many endpoints decide goes into one entry. Restart: one that fails is made anew by the supervisor from
//! its record. Limits: [`Limits`](super::turn::Limits) and the constants in its files.

mod ending;
mod paging;
mod redelivery;

use std::sync::Arc;

use didfarm_core::event::Event;
use didfarm_core::ids::{ConversationId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{Endpoint, EndpointEvent, EndpointState};

use self::redelivery::Desk;
pub(super) use self::redelivery::Resend;
use super::face::Face;
use super::job::{Job, Ticket};
use super::lines::Joined;
use super::materials::Reading;
use super::payload::Material;
use super::queue::{Item, Place, Queue};
use super::sweep::Sweep;
use super::turn::Turn;
use super::window::{Room, SHARE, Window};
use crate::offers::Subscription;
use crate::webhooks::EndpointView;

/// Attempts that one endpoint starts before the others have their turn.
const BURST: usize = 8;
/// How long after a start what is overdue is spread, in milliseconds.
const CATCH_UP_MS: u64 = 60_000;
/// Time between two overdue events of one endpoint then, in microseconds.
const CATCH_UP_SPACING_US: i64 = 5_000;
/// Endpoints begin to catch up within this time after a start, in milliseconds.
const CATCH_UP_JITTER_MS: u32 = 1_000;
/// Events behind one that has to be read that are read with it.
const READ_AHEAD: usize = 64;
/// How long what could not be read waits, in milliseconds.
const READ_AGAIN_MS: u64 = 5_000;

/// Whether an endpoint could start more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// It could, after the others.
    More,
    /// It could if there was room for everyone.
    NoRoom,
    /// It could not now.
    Idle,
}

/// The actor.
pub(super) struct EndpointActor {
    pub(super) state: Endpoint,
    /// Events that wait, in memory or in the records.
    pending: u64,
    face: Option<Arc<Face>>,
    queue: Queue,
    window: Window,
    sweep: Sweep,
    /// What came just now while a page was read, in order.
    arrivals: Vec<(EventId, Item)>,
    /// Events that a page brought before their own news came.
    early: paging::Early,
    /// Rows that were due before this time by the wall clock are spread until that one of the other, and
    /// when the next one is ready.
    catch_up_before: Timestamp,
    catch_up_until: Timestamp,
    catch_up_next: Timestamp,
    desk: Desk,
    /// Since when what is answered counts: attempts before were made to another URL, or before it was
    /// enabled.
    answers_since: Timestamp,
    /// Whether it is among those that may start something.
    pub(super) is_runnable: bool,
    /// When the supervisor will look at it.
    pub(super) wakes_at: Option<Timestamp>,
}

impl EndpointActor {
    /// An endpoint that was made just now: nothing waits for it.
    pub(super) fn made(state: Endpoint, turn: &Turn<'_>) -> EndpointActor {
        let limits = turn.limits;
        let window = Window::new(
            limits.endpoint_in_flight_max,
            state.settings.rate_per_second,
        );
        EndpointActor {
            pending: 0,
            face: None,
            queue: Queue::new(state.settings.is_ordered),
            window,
            sweep: Sweep::complete(),
            arrivals: Vec::new(),
            early: paging::Early::default(),
            catch_up_before: Timestamp::ZERO,
            catch_up_until: Timestamp::ZERO,
            catch_up_next: Timestamp::ZERO,
            desk: Desk::new(turn.now.mono),
            answers_since: Timestamp::ZERO,
            is_runnable: false,
            wakes_at: None,
            state,
        }
    }

    /// An endpoint of the records, for which so much waits there.
    pub(super) fn recorded(state: Endpoint, pending: u64, turn: &mut Turn<'_>) -> EndpointActor {
        let mut actor = EndpointActor::made(state, turn);
        actor.pending = pending;
        let now = turn.now.mono;
        actor.catch_up_before = turn.now.wall;
        actor.catch_up_until = now.plus_ms(CATCH_UP_MS);
        if pending > 0 {
            let jitter_ms = u64::from(turn.die.throw() % CATCH_UP_JITTER_MS);
            let is_ordered = actor.state.settings.is_ordered;
            actor.sweep.restart(now.plus_ms(jitter_ms), is_ordered);
        }
        actor
    }

    pub(super) fn view(&self) -> EndpointView {
        EndpointView {
            endpoint: self.state.clone(),
            pending: self.pending,
        }
    }

    /// What it is told of.
    pub(super) fn subscription(&self) -> Subscription {
        Subscription::of(&self.state)
    }

    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    pub(super) fn in_flight(&self) -> usize {
        self.window.in_flight()
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.state.state == EndpointState::Deleted
    }

    /// Whether nothing keeps a deleted endpoint any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_deleted() && self.queue.len() == 0 && !self.sweep.is_behind()
    }

    /// When the event that is ready for longest was due, by the wall clock.
    pub(super) fn oldest_due(&self) -> Option<Timestamp> {
        self.queue.oldest_ready()
    }

    /// Lets something happen to the endpoint and notes it.
    pub(super) fn apply(&mut self, event: EndpointEvent, turn: &mut Turn<'_>) {
        let was_ordered = self.state.settings.is_ordered;
        let rate = self.state.settings.rate_per_second;
        let (forgives, changes_state) = match &event {
            EndpointEvent::Changed(settings) => (settings.url != self.state.settings.url, false),
            EndpointEvent::Enabled => (true, true),
            EndpointEvent::Disabled(_) | EndpointEvent::Deleted => (false, true),
            EndpointEvent::Created(_)
            | EndpointEvent::KeysRotated { .. }
            | EndpointEvent::RecoveryStarted(_)
            | EndpointEvent::RecoveryMoved(_) => (false, false),
        };
        if forgives {
            self.answers_since = turn.now.mono;
            self.window.forgive();
        }
        self.state.evolve(&event, turn.now.wall);
        self.face = None;
        if self.state.settings.rate_per_second != rate {
            self.window.set_rate(self.state.settings.rate_per_second);
        }
        let is_ordered = self.state.settings.is_ordered;
        if changes_state || was_ordered != is_ordered {
            self.queue.reset(is_ordered);
            self.arrivals.clear();
            self.sweep.restart(turn.now.mono, is_ordered);
        }
        let event = Event::Endpoint(self.state.id, event);
        turn.batch.push(event, turn.now.mono);
    }

    /// Whether an event is sent as things are: to a disabled endpoint only if a customer asked for it.
    fn sends(&self, is_manual: bool) -> bool {
        match self.state.state {
            EndpointState::Enabled => true,
            EndpointState::Disabled { .. } => is_manual,
            EndpointState::Deleted => false,
        }
    }

    /// Hears of an event that waits for it.
    pub(super) fn offered(
        &mut self,
        event: EventId,
        at: Timestamp,
        conversation: Option<ConversationId>,
        turn: &mut Turn<'_>,
    ) {
        if self.is_deleted() {
            return;
        }
        self.pending += 1;
        if self.early.forget(event) {
            return;
        }
        if !self.sends(false) {
            return self.drop_rows(vec![(at, event)], turn);
        }
        let item = Item {
            due: at,
            ready_at: turn.now.mono,
            failed: 0,
            made: 0,
            is_manual: false,
            is_fresh: true,
            conversation,
            place: Place::Ready,
        };
        self.take_fresh(event, item, turn);
    }

    /// Takes in what has come just now, as far as there is room.
    fn take_fresh(&mut self, event: EventId, item: Item, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let is_behind = self.sweep.is_behind();
        if is_behind && self.queue.is_ordered() && !item.is_manual {
            // What came before it may still be in the records.
            if self.sweep.is_reading() && self.arrivals.len() < turn.limits.queue_max {
                self.arrivals.push((event, item));
            } else {
                self.leave_fresh(item.line(), now);
            }
            return;
        }
        if self.queue.len() >= turn.limits.queue_max {
            return self.leave_fresh(item.line(), now);
        }
        match self.queue.put(event, item, now, is_behind) {
            Joined::First | Joined::Waits => {}
            Joined::Refused | Joined::Full => self.leave_fresh(item.line(), now),
        }
    }

    /// Leaves in the records what there is no room for.
    fn leave_fresh(&mut self, conversation: Option<ConversationId>, now: Timestamp) {
        if !self.sweep.is_behind() {
            self.queue.shorten();
        }
        if let (Some(lines), Some(conversation)) = (self.queue.lines(), conversation) {
            lines.cut(conversation);
        }
        self.sweep.left(Some(now));
    }

    /// Starts what may start, a few at a time.
    pub(super) fn pump(&mut self, turn: &mut Turn<'_>) -> Pumped {
        for _ in 0..BURST {
            if !self.queue.has_ready() {
                return Pumped::Idle;
            }
            match self.window.room(turn.now.mono, turn.pool.is_crowded()) {
                Room::Open => {}
                Room::Opens(_) | Room::Full => return Pumped::Idle,
            }
            if self.window.in_flight() >= SHARE && !turn.pool.has_room() {
                return Pumped::NoRoom;
            }
            let Some((event, item)) = self.queue.start() else {
                return Pumped::Idle;
            };
            self.start(event, item, turn);
        }
        Pumped::More
    }

    fn start(&mut self, event: EventId, item: Item, turn: &mut Turn<'_>) {
        if self.window.in_flight() >= SHARE {
            turn.pool.take();
        }
        let (account, id) = (self.state.account, self.state.id);
        if let Some(material) = turn.materials.want(account, event, id) {
            self.window.started(turn.now.mono);
            return self.send(event, item, material, turn);
        }
        // Whether it may start is asked again when it has been read.
        self.window.reads();
        self.queue.read(event);
        for next in self.queue.upcoming(READ_AHEAD) {
            turn.materials.foresee(account, next);
        }
    }

    /// Hears how the reading of what an event tells has ended, which an attempt waits for.
    pub(super) fn was_read(&mut self, event: EventId, reading: Reading, turn: &mut Turn<'_>) {
        let Some(item) = self.queue.get(event).copied() else {
            return;
        };
        if item.place != Place::Reading {
            return;
        }
        self.came_back(turn);
        let now = turn.now.mono;
        match reading {
            Reading::AtHand if self.sends(item.is_manual) => self.queue.restore(event),
            Reading::AtHand | Reading::Unknown => {
                self.sweep.ended(event);
                self.finish(event, now);
                self.drop_rows(vec![(item.due, event)], turn);
            }
            Reading::Unreadable => {
                self.queue.unstart(event, now.plus_ms(READ_AGAIN_MS), now);
            }
        }
    }

    /// An attempt that was to be made is not.
    fn came_back(&mut self, turn: &mut Turn<'_>) {
        if self.window.in_flight() > SHARE {
            turn.pool.give_back();
        }
        self.window.unstarted();
    }

    fn send(&mut self, event: EventId, item: Item, material: Arc<Material>, turn: &mut Turn<'_>) {
        let ticket = Ticket {
            endpoint: self.state.id,
            event,
            due: item.due,
            ordinal: item.made.saturating_add(1),
            failed: item.failed,
            is_manual: item.is_manual,
            started_at: turn.now.mono,
        };
        let face = self.face(turn);
        turn.jobs.push(Job {
            ticket,
            face,
            material,
        });
    }

    fn face(&mut self, turn: &Turn<'_>) -> Option<Arc<Face>> {
        let now = turn.now.wall;
        if self.face.as_ref().is_none_or(|face| !face.holds(now)) {
            let url = match self.state.is_status {
                true => None,
                false => Some(turn.outside.url(&self.state.settings.url).ok()?),
            };
            self.face = Face::of(&self.state, url.as_ref(), now).map(Arc::new);
        }
        self.face.clone()
    }

    /// Lets go of an event that is done, and goes on with its conversation.
    fn finish(&mut self, event: EventId, now: Timestamp) {
        if self.queue.done(event, now) {
            self.sweep.left(Some(now));
        }
    }

    /// Looks at the time: wakes what is due, and asks for what it wants of the records.
    pub(super) fn tend(&mut self, turn: &mut Turn<'_>) {
        self.queue.wake(turn.now.mono);
        self.ask_page(turn);
        self.tend_desk(turn);
    }

    /// When it is to be looked at again.
    pub(super) fn next_at(&mut self, turn: &Turn<'_>) -> Option<Timestamp> {
        let opens = match self.window.room(turn.now.mono, false) {
            Room::Opens(at) if self.queue.has_ready() => Some(at),
            Room::Opens(_) | Room::Open | Room::Full => None,
        };
        let page = self.page_at(turn);
        let desk = self.desk_at();
        [self.queue.next_at(), opens, page, desk]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn has_ready(&mut self) -> bool {
        self.queue.has_ready()
    }
}
