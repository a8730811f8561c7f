//! The webhook supervisor: every webhook endpoint, what waits for it, and its attempts.
//!
//! Owns: the endpoints' states and ids, what is in memory of what waits for them, the room for attempts.
//! Never does: I/O; attempts are made by client threads, and what it wants from the records a loader thread
//! reads. Messages: [`Drain`], [`Durable`]. Restart: one endpoint's actor that fails is made anew from its
//! record; when the supervisor fails the root supervisor rebuilds it from the records, and it starts
//! nothing until the attempts of the one before have ended. An attempt whose end is not in the journal is
//! made again, with the same `webhook-id`. Limits: those of the settings, and the constants in its files.

mod batch;
pub(crate) mod client;
pub(crate) mod command;
mod endpoint;
mod face;
mod hub;
mod job;
mod lines;
mod materials;
mod moment;
mod outside;
pub(crate) mod payload;
mod question;
mod queue;
pub(crate) mod reach;
pub(crate) mod rebuild;
pub(crate) mod recovery;
mod sweep;
#[cfg(test)]
mod tests;
mod turn;
mod window;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, SpawnHandle};
use didfarm_core::event::Entry;
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::WebhookEvent;
use tokio::sync::oneshot;

pub(crate) use self::batch::HubEffect;
use self::client::Clients;
use self::command::Asked;
use self::hub::{Hub, Resting};
use self::job::Ended;
use self::moment::Moment;
use self::outside::Engine;
use self::question::{Found, Question};
use self::rebuild::Endpoints;
pub(crate) use self::recovery::ids_ahead_ms;
use self::turn::Limits;
use super::root::{Exited, RootSupervisor};
use crate::inbox::Drain;
use crate::meters::Kind;
use crate::meters::webhooks::WebhookMeter;
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::restarts::RestartBudget;
use crate::shared::Shared;
use crate::webhooks::EndpointView;

/// How much longer than an attempt may take it is waited for, in milliseconds.
const ATTEMPT_GRACE_MS: u64 = 1_000;
/// How often the gauges are set, in milliseconds.
const OBSERVE_MS: u64 = 1_000;

/// What comes to the webhook supervisor from other threads.
pub(crate) enum HubInput {
    /// An event is durable: its targets are told of it.
    Offered {
        event: Arc<WebhookEvent>,
        /// When it happened: the time of its journal entry.
        at: Timestamp,
        /// The message of a `message.received`, as it is stored.
        message: Option<Arc<Message>>,
    },
    /// An account's command.
    Asked(Box<Asked>),
    /// Attempts ended.
    Ended(Vec<Ended>),
    /// What the records say.
    Found(Box<Found>),
    /// An operator asks for the endpoints in trouble, at most so many.
    ListTroubled(usize, oneshot::Sender<Vec<EndpointView>>),
}

/// The actor.
pub(crate) struct WebhookSupervisor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<HubEffect>>,
    bell: Arc<DurableBell>,
    root: Addr<RootSupervisor>,
    clients: Arc<Clients>,
    hub: Hub,
    meter: WebhookMeter,
    /// When attempts of the supervisor before this one have ended at the latest.
    settles_at: Timestamp,
    has_settled: bool,
    /// Attempts whose end came in this turn.
    came_down: usize,
    /// When it wakes by itself.
    alarm: Option<(Timestamp, SpawnHandle)>,
    observed_at: Timestamp,
}

impl WebhookSupervisor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        outbox: Rc<Outbox<HubEffect>>,
        bell: Arc<DurableBell>,
        root: Addr<RootSupervisor>,
        clients: Arc<Clients>,
        endpoints: Endpoints,
    ) -> WebhookSupervisor {
        engine.meters.born(Kind::Webhooks);
        let now = moment(&engine);
        let settings = &engine.settings.engine;
        let budget = RestartBudget::new(settings.restarts_max as usize, settings.restart_window());
        let longest = engine.settings.webhooks.timeout() + Duration::from_millis(ATTEMPT_GRACE_MS);
        let settles_at = match engine.attempts_in_flight.load(Ordering::Acquire) {
            0 => now.mono,
            _ => now.mono.plus_ms(longest.as_millis() as u64),
        };
        let hub = Hub::new(
            Limits::of(&engine.settings),
            Box::new(Engine(Arc::clone(&engine))),
            (endpoints.records, endpoints.next),
            Resting::new(longest, budget),
            seed(),
            now,
        );
        WebhookSupervisor {
            hub,
            meter: WebhookMeter::new(),
            engine,
            outbox,
            bell,
            root,
            clients,
            settles_at,
            has_settled: false,
            came_down: 0,
            alarm: None,
            observed_at: Timestamp::ZERO,
        }
    }

    fn input(&mut self, input: HubInput, now: Moment) {
        match input {
            HubInput::Offered { event, at, message } => {
                self.meter.event(event.fact.event_type());
                self.hub.offered(&event, at, message, now);
            }
            HubInput::Asked(asked) => self.hub.asked(*asked, now),
            HubInput::Ended(group) => {
                self.came_down += group.len();
                self.hub.ended(group, now);
            }
            HubInput::Found(found) => self.hub.found(*found, now),
            HubInput::ListTroubled(limit, reply) => {
                // An operator who has gone need not be told.
                let _ = reply.send(self.hub.troubled(limit));
            }
        }
        if self.hub.is_full() {
            self.flush(true, now);
        }
    }

    /// Takes what came, and does what is due.
    fn work(&mut self, ctx: &mut Context<Self>) {
        let now = moment(&self.engine);
        for input in self.engine.clone().webhooks.take() {
            self.input(input, now);
        }
        self.settle(now);
        let is_settled = now.mono >= self.settles_at;
        let is_draining = self.engine.draining.load(Ordering::Acquire);
        if is_settled {
            let work = self.hub.turn(!is_draining, now);
            // What the records say must be behind everything that was decided so far.
            self.flush(is_draining || !work.questions.is_empty(), now);
            if !work.jobs.is_empty() {
                let count = work.jobs.len();
                self.engine
                    .attempts_in_flight
                    .fetch_add(count, Ordering::AcqRel);
                self.clients.make(work.jobs);
            }
            self.ask(work.questions);
            if let Some(question) = work.loose {
                self.ask_now(question);
            }
        } else {
            self.flush(is_draining, now);
        }
        self.count_down();
        self.observe(now);
        self.set_alarm(now, is_settled, ctx);
    }

    /// Attempts of the supervisor before this one that have not ended by now never will.
    fn settle(&mut self, now: Moment) {
        if self.has_settled {
            return;
        }
        let left = self.engine.attempts_in_flight.load(Ordering::Acquire);
        if now.mono >= self.settles_at || left <= self.came_down {
            // This supervisor has started none yet.
            self.has_settled = true;
            self.settles_at = self.settles_at.min(now.mono);
            self.came_down = 0;
            self.engine.attempts_in_flight.store(0, Ordering::Release);
        }
    }

    /// Attempts count as ended once their ends are with the journal.
    fn count_down(&mut self) {
        let ended = std::mem::take(&mut self.came_down);
        if ended > 0 {
            let counter = &self.engine.attempts_in_flight;
            let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                Some(count.saturating_sub(ended))
            });
        }
    }

    /// Hands what was decided to the journal.
    fn flush(&mut self, all: bool, now: Moment) {
        let Some((events, effects)) = self.hub.take_batch(all, now) else {
            return;
        };
        if events.is_empty() {
            self.outbox.follow(effects);
        } else {
            let entry = Entry {
                at: now.wall,
                events,
            };
            self.outbox.append(entry, effects);
        }
    }

    /// Has questions answered on a loader, in their order.
    fn ask(&self, questions: Vec<Question>) {
        for question in questions {
            let engine = Arc::clone(&self.engine);
            self.engine.read_after(
                &self.engine.loaders,
                self.engine.journal.appended(),
                move |records| Box::new(question.ask(records)),
                move |found| engine.webhooks.push(HubInput::Found(found)),
            );
        }
    }

    /// Has a question answered from the records as they are.
    fn ask_now(&self, question: Question) {
        let (engine, records) = (Arc::clone(&self.engine), self.engine.records.clone());
        self.engine.loaders.run(Box::new(move || {
            let found = Box::new(question.ask(&records));
            engine.webhooks.push(HubInput::Found(found));
        }));
    }

    fn observe(&mut self, now: Moment) {
        if now.mono.ms_since(self.observed_at) >= OBSERVE_MS || self.observed_at == Timestamp::ZERO
        {
            self.observed_at = now.mono;
            self.meter.observed(&self.hub.observe(now));
        }
    }

    /// Wakes for what is next, and now and then for the gauges.
    fn set_alarm(&mut self, now: Moment, is_settled: bool, ctx: &mut Context<Self>) {
        let watch = now.mono.plus_ms(OBSERVE_MS);
        let next = match is_settled {
            true => self.hub.next_at().unwrap_or(watch).min(watch),
            false => self.settles_at.min(watch),
        };
        if let Some((at, handle)) = self.alarm {
            if now.mono < at && at <= next {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait_us = u64::try_from(next.0.saturating_sub(now.mono.0)).unwrap_or(0);
        let handle = ctx.run_later(Duration::from_micros(wait_us), |supervisor, ctx| {
            supervisor.alarm = None;
            supervisor.work(ctx);
        });
        self.alarm = Some((next, handle));
    }

    fn perform(&mut self) {
        let now = moment(&self.engine);
        while let Some(effect) = self.outbox.next_due() {
            match effect {
                HubEffect::Reply(answer) => answer(),
                HubEffect::Publish(account, subscriptions) => {
                    if let Some(account) = self.engine.directory.account(account) {
                        account.set_subscriptions(subscriptions);
                    }
                }
                HubEffect::Tell(tell) => tell.perform(&self.engine),
                HubEffect::Attempts(ends) => self.meter.attempts(&ends),
                HubEffect::Exhausted => self.meter.exhausted.increment(1),
                HubEffect::Disabled(cause) => self.meter.disabled(cause),
                HubEffect::Release(endpoint, event) => self.hub.release(endpoint, event, now),
                HubEffect::Recovered(count) => self.meter.recovered.increment(count),
            }
        }
    }
}

fn moment(engine: &Shared) -> Moment {
    Moment {
        wall: engine.now(),
        mono: engine.mono(),
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    u64::from_le_bytes(bytes)
}

impl Actor for WebhookSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.bell.heard_by(ctx.address().recipient());
        self.engine.webhooks.read_by(ctx.address().recipient());
        self.work(ctx);
    }
}

impl Handler<Drain> for WebhookSupervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Context<Self>) {
        self.work(ctx);
    }
}

impl Handler<Durable> for WebhookSupervisor {
    type Result = ();

    fn handle(&mut self, _: Durable, ctx: &mut Context<Self>) {
        self.perform();
        self.work(ctx);
    }
}

impl Drop for WebhookSupervisor {
    fn drop(&mut self) {
        self.engine.meters.gone(Kind::Webhooks);
        self.root.do_send(Exited::Webhooks);
    }
}
