//! Events that are sent again because a customer asked for it: one by one, or by a recovery at its pace.
//!
//! One question at a time goes to the records, so that no event is put in line twice.

use std::collections::VecDeque;

use didfarm_core::event::Event;
use didfarm_core::ids::EventId;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::Redelivery;
use didfarm_core::webhook::endpoint::EndpointEvent;
use didfarm_core::webhook::recovery::{Recovery, RecoveryState};
use didfarm_store::records::RecordsError;

use super::{EndpointActor, READ_AGAIN_MS};
use crate::actors::webhooks::batch::HubEffect;
use crate::actors::webhooks::command::Reply;
use crate::actors::webhooks::question::{Question, Recovered, Step};
use crate::actors::webhooks::queue::{Item, Place, UNRELEASED};
use crate::actors::webhooks::recovery::Recoverable;
use crate::actors::webhooks::turn::Turn;
use crate::admission::Permit;
use crate::webhooks::{EventRow, ResultState, WebhookError};

/// Events that one step of a recovery puts in line at most.
const STEP_MAX: u32 = 500;
/// Steps that a recovery makes in a second.
const STEPS_PER_SECOND: u32 = 4;

/// A customer who wants one event sent again.
pub(in crate::actors::webhooks) struct Resend {
    pub(in crate::actors::webhooks) event: EventId,
    pub(in crate::actors::webhooks) reply: Reply<Timestamp>,
    pub(in crate::actors::webhooks) permit: Permit,
}

/// What is to be sent again.
pub(super) struct Desk {
    resends: VecDeque<Resend>,
    /// Whether the records are being asked.
    is_asking: bool,
    /// When the recovery goes on.
    recovery_at: Timestamp,
}

impl Desk {
    pub(super) fn new(now: Timestamp) -> Desk {
        Desk {
            resends: VecDeque::new(),
            is_asking: false,
            recovery_at: now,
        }
    }
}

impl EndpointActor {
    /// Takes a customer's wish; the answer follows from what the records say.
    pub(in crate::actors::webhooks) fn resend(&mut self, resend: Resend) {
        self.desk.resends.push_back(resend);
    }

    fn recovery(&self) -> Option<&Recovery> {
        let recovery = self.state.recovery.as_ref()?;
        (recovery.state == RecoveryState::Running && !self.is_deleted()).then_some(recovery)
    }

    pub(super) fn desk_at(&self) -> Option<Timestamp> {
        if self.desk.is_asking {
            return None;
        }
        if !self.desk.resends.is_empty() {
            return Some(Timestamp::ZERO);
        }
        self.recovery().map(|_| self.desk.recovery_at)
    }

    pub(super) fn tend_desk(&mut self, turn: &mut Turn<'_>) {
        if self.desk_at().is_none_or(|at| at > turn.now.mono) {
            return;
        }
        let (id, account) = (self.state.id, self.state.account);
        if let Some(resend) = self.desk.resends.front() {
            turn.questions
                .push(Question::Event(id, account, resend.event));
        } else if let Some(recovery) = self.recovery() {
            let rows = (recovery.pace_per_second / STEPS_PER_SECOND).clamp(1, STEP_MAX);
            let recoverable = Recoverable {
                endpoint: id,
                own: self.state.settings.filter.clone(),
                filter: recovery.filter.clone(),
                ids_ahead_ms: turn.outside.ids_ahead_ms(turn.now.wall),
            };
            let after = recovery.cursor;
            let question = Question::Recovery(Box::new(recoverable), account, after, rows as usize);
            turn.questions.push(question);
        }
        self.desk.is_asking = true;
    }

    /// Hears what the records say of an event that is to be sent again.
    pub(in crate::actors::webhooks) fn event_came(
        &mut self,
        event: EventId,
        row: Result<Option<EventRow>, RecordsError>,
        turn: &mut Turn<'_>,
    ) {
        self.desk.is_asking = false;
        // An answer to who stood here before this actor was made anew is none for who stands here now.
        let Some(resend) = self
            .desk
            .resends
            .pop_front_if(|resend| resend.event == event)
        else {
            return;
        };
        let answer = match row {
            Err(error) => Err(WebhookError::Damaged {
                sentence: error.to_string(),
            }),
            Ok(_) if self.is_deleted() => Err(WebhookError::NO_ENDPOINT),
            Ok(None) => Err(WebhookError::NO_EVENT),
            Ok(Some(row)) => Ok(self.put_again(event, &row, turn)),
        };
        let Resend { reply, permit, .. } = resend;
        turn.batch.reply(move || {
            // Whoever has gone sees it among the attempts.
            let _ = reply.send(answer);
            drop(permit);
        });
    }

    /// Puts an event in line unless it is. Returns when it is due.
    fn put_again(&mut self, event: EventId, row: &EventRow, turn: &mut Turn<'_>) -> Timestamp {
        let result = row.result(self.state.id);
        if let Some(item) = self.queue.get(event) {
            return item.due;
        }
        if let Some(waits) = result.filter(|result| result.state == ResultState::Pending) {
            return waits.due.unwrap_or(turn.now.wall);
        }
        self.redeliver(
            Recovered {
                event,
                made: result.map_or(0, |result| result.made),
                conversation: row.event.conversation,
            },
            turn,
        );
        turn.now.wall
    }

    /// Puts an event in line that is known not to be.
    pub(in crate::actors::webhooks) fn redeliver(
        &mut self,
        recovered: Recovered,
        turn: &mut Turn<'_>,
    ) {
        let Recovered {
            event,
            made,
            conversation,
        } = recovered;
        let due = turn.now.wall;
        let redelivery = Redelivery {
            event,
            endpoint: self.state.id,
            due,
        };
        turn.batch
            .push(Event::Redelivered(redelivery), turn.now.mono);
        turn.batch.hurry();
        self.pending += 1;
        let item = Item {
            due,
            ready_at: UNRELEASED,
            failed: 0,
            made,
            is_manual: true,
            is_fresh: false,
            conversation,
            place: Place::Ready,
        };
        self.take_fresh(event, item, turn);
        let release = HubEffect::Release(self.state.id, event);
        turn.batch.then(release);
    }

    /// Lets an event start that was put in line by hand, now that this is durable.
    pub(in crate::actors::webhooks) fn release(&mut self, event: EventId, now: Timestamp) {
        self.queue.release(event, now);
    }

    /// Takes a step of the recovery.
    pub(in crate::actors::webhooks) fn recovery_came(
        &mut self,
        after: EventId,
        step: Result<Step<Recovered>, RecordsError>,
        turn: &mut Turn<'_>,
    ) {
        self.desk.is_asking = false;
        // The answer to a recovery that was cancelled is none to the one that came after it.
        let running = self.recovery().filter(|recovery| recovery.cursor == after);
        let Some(mut recovery) = running.cloned() else {
            return;
        };
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                tracing::error!(endpoint = %self.state.id, %error, "a recovery cannot read its events");
                self.desk.recovery_at = turn.now.mono.plus_ms(READ_AGAIN_MS);
                return;
            }
        };
        let mut queued = 0;
        for recovered in step.found {
            if self.queue.get(recovered.event).is_none() {
                self.redeliver(recovered, turn);
                queued += 1;
            }
        }
        recovery.queued += queued;
        match step.next {
            Some(next) => recovery.cursor = next,
            None => recovery.state = RecoveryState::Done,
        }
        let pace = u64::from(recovery.pace_per_second.max(1));
        self.desk.recovery_at = turn.now.mono.plus_ms(queued * 1_000 / pace);
        self.apply(EndpointEvent::RecoveryMoved(Box::new(recovery)), turn);
        if queued > 0 {
            turn.batch.then(HubEffect::Recovered(queued));
        }
    }
}
