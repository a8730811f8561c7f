//! What the sessions of one carrier share on its thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::flight::Next;
use super::meter::Meter;
use super::session::{Role, Session};
use super::settings::SmppSettings;
use super::tls::Tls;
use super::waiting::{SharedFlight, Waiting};
use crate::{CarrierEvent, CarrierSink, Submit, SubmitAnswer};

/// What the sessions share.
pub(super) struct Shared {
    /// The account.
    pub settings: SmppSettings,
    /// TLS, where the settings want it.
    pub tls: Option<Tls>,
    /// Where answers and receipts go.
    pub sink: Arc<dyn CarrierSink>,
    /// What is counted.
    pub meter: Meter,
    /// What waits for room.
    pub waiting: RefCell<Waiting>,
    /// Rings every session that submits: there may be work.
    pub work: Notify,
    sessions: RefCell<Vec<Rc<Session>>>,
    transmitters: Cell<usize>,
    reference: Cell<u16>,
    closing: Cell<bool>,
    closed: Notify,
}

impl Shared {
    /// Nothing waits and nobody is bound.
    pub(super) fn new(
        settings: SmppSettings,
        tls: Option<Tls>,
        sink: Arc<dyn CarrierSink>,
    ) -> Shared {
        Shared {
            meter: Meter::new(&settings.name),
            settings,
            tls,
            sink,
            waiting: RefCell::default(),
            work: Notify::new(),
            sessions: RefCell::default(),
            transmitters: Cell::new(0),
            // Where it starts differs from run to run, so that a restart does not join two messages on
            // one handset.
            reference: Cell::new(now().0 as u16),
            closing: Cell::new(false),
            closed: Notify::new(),
        }
    }

    /// A reference for the segments of one message.
    pub(super) fn next_reference(&self) -> u16 {
        let reference = self.reference.get();
        self.reference.set(reference.wrapping_add(1));
        reference
    }

    /// Whether a session that submits is bound.
    pub(super) fn can_submit(&self) -> bool {
        self.transmitters.get() > 0
    }

    /// A session is bound.
    pub(super) fn enter(&self, session: &Rc<Session>, role: Role) {
        self.sessions.borrow_mut().push(Rc::clone(session));
        self.transmitters
            .set(self.transmitters.get() + usize::from(role.submits()));
    }

    /// A session has ended. What waits is given back with the last that submits.
    pub(super) fn leave(&self, session: &Rc<Session>, role: Role) {
        self.sessions
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, session));
        self.transmitters
            .set(self.transmitters.get() - usize::from(role.submits()));
        if !self.can_submit() {
            let fresh = self.waiting.borrow_mut().take_fresh();
            self.give_back(fresh, Reason::CarrierError);
        }
    }

    /// Says of messages that nothing of them was written.
    pub(super) fn give_back(&self, group: Vec<Submit>, reason: Reason) {
        let not_taken =
            |submit: Submit| CarrierEvent::Answer(submit.message, SubmitAnswer::NotTaken(reason));
        self.deliver(group.into_iter().map(not_taken).collect());
    }

    /// Hands events over, if there are any.
    pub(super) fn deliver(&self, events: Vec<CarrierEvent>) {
        if !events.is_empty() {
            self.sink.deliver(self.settings.id, events);
        }
    }

    /// Does what follows for a message.
    pub(super) fn follow(&self, flight: &SharedFlight, next: Next, events: &mut Vec<CarrierEvent>) {
        let now = Instant::now();
        let mut waiting = self.waiting.borrow_mut();
        match next {
            Next::Wait => return,
            Next::Send(places) => waiting.push_rest(flight, places, now),
            Next::Again(place) => waiting.push_again(flight, place, now),
            Next::Over(over) => return events.extend(over),
        }
        self.work.notify_waiters();
    }

    /// Gives back what has waited too long, and shows what waits.
    pub(super) fn tidy(&self, all: bool) {
        let now = Instant::now();
        let (old, rest) = {
            let mut waiting = self.waiting.borrow_mut();
            let fresh = if all {
                waiting.take_fresh()
            } else {
                waiting.take_old(now)
            };
            (fresh, waiting.take_rest(now, all))
        };
        let reason = if all {
            Reason::CarrierError
        } else {
            Reason::Throttled
        };
        self.give_back(old, reason);
        let mut events = Vec::new();
        for (flight, place) in rest {
            let next = flight.borrow_mut().given_up(place);
            self.follow(&flight, next, &mut events);
        }
        self.deliver(events);
        if self.waiting.borrow().is_due(now) {
            self.work.notify_waiters();
        }
        self.show(now);
    }

    fn show(&self, now: Instant) {
        let (depth, oldest) = self.waiting.borrow().depth(now);
        self.meter.queued.set(depth as f64);
        self.meter.queued_age.set(oldest.as_secs_f64());
        let sessions = self.sessions.borrow();
        let (mut unanswered, mut window, mut undurable) = (0, 0, 0);
        for (used, limit, waits) in sessions.iter().map(|session| session.depths()) {
            unanswered += used;
            window += limit;
            undurable += waits;
        }
        self.meter.bound.set(sessions.len() as f64);
        self.meter.unanswered.set(f64::from(unanswered));
        self.meter.window.set(f64::from(window));
        self.meter.undurable.set(undurable as f64);
    }

    /// Begins to leave: every session drains and unbinds.
    pub(super) fn close(&self) {
        self.closing.set(true);
        self.closed.notify_waiters();
    }

    /// Whether we leave.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Waits until we leave.
    pub(super) async fn closed(&self) {
        let closed = self.closed.notified();
        if !self.is_closing() {
            closed.await;
        }
    }

    /// What `future` comes to, unless we leave first.
    pub(super) async fn unless_closed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = future => Some(done),
            () = self.closed() => None,
        }
    }
}

/// The time by the system's clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
