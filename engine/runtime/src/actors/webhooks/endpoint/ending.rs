//! How attempts end: what is noted of them, what follows, and when the endpoint is disabled.

use didfarm_core::event::Event;
use didfarm_core::ids::EventId;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, Attempt, AttemptClass};
use didfarm_core::webhook::endpoint::{DisableCause, EndpointEvent};

use super::EndpointActor;
use super::paging::AHEAD_US;
use crate::actors::webhooks::batch::HubEffect;
use crate::actors::webhooks::job::{Ended, Ticket};
use crate::actors::webhooks::queue::Place;
use crate::actors::webhooks::turn::{Notice, Turn};
use crate::actors::webhooks::window::{SHARE, WindowEnd};

impl EndpointActor {
    /// Hears how an attempt ended.
    pub(in crate::actors::webhooks) fn ended(&mut self, ended: Ended, turn: &mut Turn<'_>) {
        let ticket = ended.ticket;
        let item = self.queue.get(ticket.event);
        let is_stale = ticket.started_at < self.answers_since;
        if item.is_some_and(|item| item.place == Place::InFlight && item.due == ticket.due) {
            match is_stale {
                true => self.came_back(turn),
                false => self.came_down(&ended, turn),
            }
        }
        let attempt = self.judge(ended, turn);
        self.sweep.ended(attempt.event);
        let cause = self
            .state
            .decide_disable(&attempt, turn.limits.failing_ms_max)
            .filter(|_| !is_stale);
        self.state.attempted(&attempt);
        turn.batch.ended(attempt.class, attempt.duration_ms);
        let (next, class, status) = (attempt.next, attempt.class, attempt.status);
        turn.batch
            .push(Event::Attempted(Box::new(attempt)), turn.now.mono);
        if let Some(cause) = cause {
            self.disable(cause, turn);
        }
        match next {
            AfterAttempt::Delivered => self.lessen(ticket.event, turn),
            AfterAttempt::Exhausted => {
                self.lessen(ticket.event, turn);
                turn.batch.then(HubEffect::Exhausted);
                self.tell_exhausted(&ticket, class, status, turn);
            }
            AfterAttempt::Retry { due } => self.retry(&ticket, due, turn),
        }
    }

    /// Gives back the room that an attempt took.
    fn came_down(&mut self, ended: &Ended, turn: &mut Turn<'_>) {
        if self.window.in_flight() > SHARE {
            turn.pool.give_back();
        }
        let end = WindowEnd {
            class: ended.class,
            duration_ms: ended.duration_ms,
            retry_after_ms: ended.retry_after_ms,
        };
        self.window
            .ended(turn.now.mono, ended.ticket.started_at, &end);
    }

    /// What an attempt amounts to.
    fn judge(&mut self, ended: Ended, turn: &mut Turn<'_>) -> Attempt {
        let ticket = ended.ticket;
        let wait_ms = || {
            let failed = ticket.failed.saturating_add(1);
            let schedule = &self.state.settings.schedule;
            schedule.wait_ms(failed, ended.retry_after_ms, turn.die.throw())
        };
        let next = match ended.class {
            AttemptClass::Succeeded => AfterAttempt::Delivered,
            AttemptClass::Redirected
            | AttemptClass::ClientError
            | AttemptClass::ServerError
            | AttemptClass::Throttled
            | AttemptClass::Gone
            | AttemptClass::Timeout
            | AttemptClass::Unresolvable
            | AttemptClass::ForbiddenAddress
            | AttemptClass::Unreachable
            | AttemptClass::Tls
            | AttemptClass::Broken => match { wait_ms }() {
                Some(wait_ms) => AfterAttempt::Retry {
                    due: turn.now.wall.plus_ms(wait_ms),
                },
                None => AfterAttempt::Exhausted,
            },
        };
        Attempt {
            event: ticket.event,
            endpoint: ticket.endpoint,
            ordinal: ticket.ordinal,
            due: ticket.due,
            at: ended.at,
            duration_ms: ended.duration_ms,
            status: ended.status,
            class: ended.class,
            body_start: ended.body_start,
            next,
            is_manual: ticket.is_manual,
        }
    }

    fn disable(&mut self, cause: DisableCause, turn: &mut Turn<'_>) {
        tracing::warn!(
            endpoint = %self.state.id,
            cause = cause.as_str(),
            "a webhook endpoint was disabled"
        );
        self.apply(EndpointEvent::Disabled(cause), turn);
        turn.batch.then(HubEffect::Disabled(cause));
        turn.notices.push(Notice::Disabled(self.state.id, cause));
    }

    /// One event less waits.
    fn lessen(&mut self, event: EventId, turn: &Turn<'_>) {
        self.pending = self.pending.saturating_sub(1);
        self.finish(event, turn.now.mono);
    }

    /// The account is mailed once an hour, and not about what it asked for by hand.
    fn tell_exhausted(
        &mut self,
        ticket: &Ticket,
        class: AttemptClass,
        status: Option<u16>,
        turn: &mut Turn<'_>,
    ) {
        if ticket.is_manual || !self.state.decide_mail(turn.now.wall) {
            return;
        }
        turn.notices.push(Notice::Exhausted {
            endpoint: self.state.id,
            event: ticket.event,
            class,
            status,
        });
    }

    /// An event waits for its next attempt, in memory or in the records.
    fn retry(&mut self, ticket: &Ticket, due: Timestamp, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        if !self.sends(ticket.is_manual) {
            self.finish(ticket.event, now);
            if self.is_deleted() {
                // The end of its attempt is the end of it.
                self.pending = self.pending.saturating_sub(1);
                return;
            }
            return self.drop_rows(vec![(due, ticket.event)], turn);
        }
        let ready_at = turn.now.reaches(due);
        if self.queue.get(ticket.event).is_none() {
            // It ended when it was not expected any more: it is only in the records.
            return self.sweep.left(Some(ready_at));
        }
        // Half of memory is left to what comes next, however much waits for later.
        let has_room = self.queue.len() <= turn.limits.queue_max / 2;
        if has_room || ready_at.0 <= now.0.saturating_add(AHEAD_US) {
            self.queue.retry(ticket.event, (due, ready_at), now);
            return;
        }
        if self.queue.leave(ticket.event) {
            self.sweep.left(None);
        }
        self.sweep.left(Some(ready_at));
    }
}
