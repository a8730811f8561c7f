//! The hub: every endpoint's actor, and what they share: the next entry, the room for attempts, payloads.
//!
//! It decides and does nothing else: the supervisor around it hands what it decided to the journal, has
//! attempts made and questions asked. Time comes with every call.

mod asking;
mod forgetting;
mod resting;
mod status;
mod telling;

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{DisableCause, EndpointState};
use didfarm_core::webhook::{Fact, WebhookEvent};
use didfarm_store::records::round::EndpointRecord;
use rustc_hash::FxHashMap;

use self::forgetting::Forgetting;
pub(super) use self::resting::Resting;
use super::batch::{Batch, HubEffect};
use super::endpoint::{EndpointActor, Pumped};
use super::job::{Ended, Job};
use super::materials::{Materials, Reading};
use super::moment::Moment;
use super::payload::Material;
use super::question::{Found, Question, Telling, Told};
use super::turn::{Die, Limits, Notice, Outside, Pool, Turn};
use crate::meters::webhooks::Observed;
use crate::webhooks::EndpointView;

/// What waits for an endpoint before operators see that it is in trouble.
const TROUBLED_PENDING: u64 = 1_000;

/// What a turn came to.
#[derive(Default)]
pub(super) struct Work {
    /// Attempts to make.
    pub(super) jobs: Vec<Job>,
    /// Questions for the records, which must hold everything that was decided so far.
    pub(super) questions: Vec<Question>,
    /// A question for the records as they are.
    pub(super) loose: Option<Question>,
}

/// The hub.
pub(super) struct Hub {
    limits: Limits,
    outside: Box<dyn Outside>,
    endpoints: FxHashMap<EndpointId, Box<EndpointActor>>,
    by_account: FxHashMap<AccountId, BTreeSet<EndpointId>>,
    endpoint_next: u32,
    resting: Resting,
    forgetting: Forgetting,
    batch: Batch,
    pool: Pool,
    materials: Materials,
    die: Die,
    runnable: VecDeque<EndpointId>,
    wakes: BTreeSet<(Timestamp, EndpointId)>,
    notices: Vec<Notice>,
    work: Work,
}

impl Hub {
    /// A hub over what the records hold.
    pub(super) fn new(
        limits: Limits,
        outside: Box<dyn Outside>,
        (records, endpoint_next): (Vec<EndpointRecord>, u32),
        resting: Resting,
        seed: u64,
        now: Moment,
    ) -> Hub {
        let mut hub = Hub {
            pool: Pool::new(limits.in_flight_max),
            limits,
            outside,
            endpoints: FxHashMap::default(),
            by_account: FxHashMap::default(),
            endpoint_next,
            resting,
            forgetting: Forgetting::new(now.mono),
            batch: Batch::default(),
            materials: Materials::default(),
            die: Die::seeded(seed),
            runnable: VecDeque::new(),
            wakes: BTreeSet::new(),
            notices: Vec::new(),
            work: Work::default(),
        };
        for record in records {
            hub.adopt(record, now);
        }
        hub
    }

    /// Makes the actor of an endpoint of the records.
    fn adopt(&mut self, record: EndpointRecord, now: Moment) {
        let EndpointRecord { endpoint, pending } = record;
        let (id, account) = (endpoint.id, endpoint.account);
        let is_deleted = endpoint.state == EndpointState::Deleted;
        let actor = EndpointActor::recorded(endpoint, pending, &mut self.lend(now));
        self.endpoints.insert(id, Box::new(actor));
        if !is_deleted {
            self.by_account.entry(account).or_default().insert(id);
        }
        self.with(id, now, |_, _| ());
    }

    fn lend(&mut self, now: Moment) -> Turn<'_> {
        Turn {
            now,
            limits: &self.limits,
            outside: &*self.outside,
            batch: &mut self.batch,
            pool: &mut self.pool,
            materials: &mut self.materials,
            die: &mut self.die,
            jobs: &mut self.work.jobs,
            questions: &mut self.work.questions,
            notices: &mut self.notices,
        }
    }

    /// Gives an endpoint a turn. `None` when there is no such endpoint, or it failed.
    fn with<R>(
        &mut self,
        id: EndpointId,
        now: Moment,
        act: impl FnOnce(&mut EndpointActor, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let mut actor = self.endpoints.remove(&id)?;
        let acted = {
            let mut turn = self.lend(now);
            resting::guarded(|| {
                let answer = act(&mut actor, &mut turn);
                (answer, actor.next_at(&turn), actor.has_ready())
            })
        };
        let acted = match acted {
            Ok(acted) => acted,
            Err(panic) => {
                self.rest(id, &actor, panic, now);
                return None;
            }
        };
        let (answer, next_at, has_ready) = acted;
        if has_ready && !actor.is_runnable {
            actor.is_runnable = true;
            self.runnable.push_back(id);
        }
        if let Some(at) = next_at
            && actor.wakes_at.is_none_or(|wakes| at < wakes)
        {
            if let Some(later) = actor.wakes_at.replace(at) {
                self.wakes.remove(&(later, id));
            }
            self.wakes.insert((at, id));
        }
        if !actor.is_gone() {
            self.endpoints.insert(id, actor);
        }
        self.tell(now);
        Some(answer)
    }

    /// Hears of an event that is durable.
    pub(super) fn offered(
        &mut self,
        event: &Arc<WebhookEvent>,
        at: Timestamp,
        message: Option<Arc<Message>>,
        now: Moment,
    ) {
        if event.to.iter().all(|target| target.is_missed) {
            return;
        }
        match (event.fact.message(), message) {
            (Some(_), None) => self.materials.keep_bare(Arc::clone(event), at),
            (_, message) => {
                let bare = (Arc::clone(event), at);
                self.keep(Told { bare, message });
            }
        }
        for target in event.to.iter().filter(|target| !target.is_missed) {
            self.with(target.endpoint, now, |actor, turn| {
                actor.offered(event.id, at, event.conversation, turn);
            });
        }
    }

    /// Keeps what an event tells at hand.
    fn keep(&mut self, told: Told) {
        let (event, at) = told.bare;
        let id = event.id;
        let number = event.number.and_then(|number| self.outside.number(number));
        let url = match event.fact {
            Fact::EndpointDisabled { endpoint, .. } => self
                .endpoints
                .get(&endpoint)
                .map(|actor| actor.state.settings.url.clone()),
            _ => None,
        };
        let material = Arc::new(Material::new(event, at, told.message, number, url));
        self.materials.keep(id, material);
    }

    /// Hears how attempts ended.
    pub(super) fn ended(&mut self, group: Vec<Ended>, now: Moment) {
        for ended in group {
            let id = ended.ticket.endpoint;
            if let Some(ended) = self.resting.hold(ended) {
                self.with(id, now, |actor, turn| actor.ended(ended, turn));
            }
        }
    }

    /// Hears what the records say.
    pub(super) fn found(&mut self, found: Found, now: Moment) {
        match found {
            Found::Page(id, generation, page) => {
                self.with(id, now, |actor, turn| actor.page(generation, page, turn));
            }
            Found::Materials(told) => {
                for (event, told) in told {
                    self.material_came(event, told, now);
                }
            }
            Found::Event(id, event, row) => {
                self.forgetting.revive(event);
                self.with(id, now, |actor, turn| actor.event_came(event, row, turn));
            }
            Found::Recovery(id, after, step) => {
                for recovered in step.iter().flat_map(|step| &step.found) {
                    self.forgetting.revive(recovered.event);
                }
                self.with(id, now, |actor, turn| {
                    actor.recovery_came(after, step, turn)
                });
            }
            Found::Record(id, record) => self.rested(id, *record, now),
            Found::Accounts(accounts) => self.forgetting.begin(accounts, now.mono),
            Found::Old(account, step) => self.forget(account, step, now),
        }
    }

    fn material_came(&mut self, event: EventId, telling: Telling, now: Moment) {
        let reading = match telling {
            Telling::Told(told) => {
                self.keep(told);
                Reading::AtHand
            }
            Telling::Missing(asked) if !asked.is_second => {
                return self.materials.ask_again(asked);
            }
            Telling::Missing(_) => Reading::Unknown,
            Telling::Unreadable(error) => {
                tracing::error!(%event, %error, "an event cannot be read");
                Reading::Unreadable
            }
        };
        for id in self.materials.came(event) {
            self.with(id, now, |actor, turn| actor.was_read(event, reading, turn));
        }
    }

    /// Looks at the time, and starts what may start unless nothing may.
    pub(super) fn turn(&mut self, may_start: bool, now: Moment) -> Work {
        while let Some((at, id)) = self.wakes.first().copied()
            && at <= now.mono
        {
            self.wakes.pop_first();
            let Some(actor) = self.endpoints.get_mut(&id) else {
                continue;
            };
            if actor.wakes_at == Some(at) {
                actor.wakes_at = None;
                self.with(id, now, EndpointActor::tend);
            }
        }
        self.wake_resting(now);
        self.tend_forgetting(now);
        if may_start {
            self.pump(now);
        }
        let asked = self.materials.take_asked();
        if !asked.is_empty() {
            self.work.loose = Some(Question::Materials(asked));
        }
        let again = self.materials.take_asked_again();
        if !again.is_empty() {
            self.work.questions.push(Question::Materials(again));
        }
        std::mem::take(&mut self.work)
    }

    /// Endpoints start what they may in turns, until none can.
    fn pump(&mut self, now: Moment) {
        let mut refused = 0;
        while refused <= self.runnable.len() {
            let Some(id) = self.runnable.pop_front() else {
                return;
            };
            match self.with(id, now, EndpointActor::pump) {
                Some(Pumped::More) => refused = 0,
                Some(Pumped::NoRoom) => refused += 1,
                Some(Pumped::Idle) | None => {
                    if let Some(actor) = self.endpoints.get_mut(&id) {
                        actor.is_runnable = false;
                    }
                    continue;
                }
            }
            self.runnable.push_back(id);
        }
    }

    /// Events that were put in line by hand are durable: they may start.
    pub(super) fn release(&mut self, id: EndpointId, event: EventId, now: Moment) {
        self.with(id, now, |actor, turn| actor.release(event, turn.now.mono));
    }

    /// What is to go to the journal now, in an entry of this time: all of it if `all`, else once it has
    /// gathered long enough.
    pub(super) fn take_batch(
        &mut self,
        all: bool,
        now: Moment,
    ) -> Option<(Vec<Event>, Vec<HubEffect>)> {
        let is_due = self.batch.due_at().is_some_and(|at| at <= now.mono);
        if all || is_due {
            return self.batch.take(now.wall);
        }
        None
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// When the next turn is wanted at the latest.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let wake = self.wakes.first().map(|(at, _)| *at);
        let others = [
            wake,
            self.batch.due_at(),
            self.resting.next_at(),
            self.forgetting.next_at(),
        ];
        others.into_iter().flatten().min()
    }

    /// How things are.
    pub(super) fn observe(&self, now: Moment) -> Observed {
        let mut seen = Observed::default();
        let mut oldest = now.wall;
        for actor in self.endpoints.values() {
            seen.in_flight += actor.in_flight();
            seen.pending += actor.pending();
            oldest = oldest.min(actor.oldest_due().unwrap_or(oldest));
            match actor.state.state {
                EndpointState::Enabled if actor.state.health.failing_since.is_some() => {
                    seen.failing += 1;
                }
                EndpointState::Enabled => seen.enabled += 1,
                EndpointState::Disabled { .. } => seen.disabled += 1,
                EndpointState::Deleted => {}
            }
        }
        seen.oldest_due_ms = now.wall.ms_since(oldest);
        seen
    }

    /// The endpoints in trouble, those that most waits for first.
    pub(super) fn troubled(&self, limit: usize) -> Vec<EndpointView> {
        let is_troubled = |actor: &&EndpointActor| match actor.state.state {
            EndpointState::Enabled => {
                actor.state.health.failing_since.is_some() || actor.pending() >= TROUBLED_PENDING
            }
            EndpointState::Disabled { cause, .. } => match cause {
                DisableCause::Gone | DisableCause::Failing => true,
                DisableCause::Customer => false,
            },
            EndpointState::Deleted => false,
        };
        let actors = self.endpoints.values().map(|actor| &**actor);
        let mut found: Vec<&EndpointActor> = actors.filter(is_troubled).collect();
        found.sort_by_key(|actor| (Reverse(actor.pending()), actor.state.id));
        found.truncate(limit);
        found.into_iter().map(EndpointActor::view).collect()
    }
}
