//! Endpoints whose actor failed: each rests until its attempts have ended, and is made anew from its record.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use didfarm_core::ids::{AccountId, EndpointId};
use didfarm_core::time::Timestamp;
use didfarm_store::records::RecordsError;
use didfarm_store::records::round::EndpointRecord;
use rustc_hash::FxHashMap;

use super::Hub;
use crate::actors::webhooks::endpoint::EndpointActor;
use crate::actors::webhooks::job::Ended;
use crate::actors::webhooks::moment::Moment;
use crate::actors::webhooks::question::Question;
use crate::actors::webhooks::window::SHARE;
use crate::offers::Subscription;
use crate::restarts::RestartBudget;

type Panic = Box<dyn Any + Send>;

/// Runs a turn of an endpoint; one that panics harms no other.
pub(super) fn guarded<R>(act: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(act))
}

struct Rest {
    account: AccountId,
    /// What it is told of once it is back.
    subscription: Subscription,
    /// When its record is read: no attempt takes as long. `None` while it is.
    until: Option<Timestamp>,
    /// How its attempts ended meanwhile.
    ended: Vec<Ended>,
}

/// The endpoints that rest.
pub(in crate::actors::webhooks) struct Resting {
    resting: FxHashMap<EndpointId, Rest>,
    rest_ms: u64,
    budget: RestartBudget,
}

impl Resting {
    /// Endpoints rest for so long; past the budget of restarts a failure is everyone's.
    pub(in crate::actors::webhooks) fn new(rest: Duration, budget: RestartBudget) -> Resting {
        Resting {
            resting: FxHashMap::default(),
            rest_ms: u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
            budget,
        }
    }

    /// Keeps the end of an attempt for an endpoint that rests; gives it back for any other.
    pub(super) fn hold(&mut self, ended: Ended) -> Option<Ended> {
        match self.resting.get_mut(&ended.ticket.endpoint) {
            Some(rest) => {
                rest.ended.push(ended);
                None
            }
            None => Some(ended),
        }
    }

    /// What those of an account that rest are told of, all of which waits for them.
    pub(super) fn subscriptions(&self, account: AccountId) -> impl Iterator<Item = &Subscription> {
        let resting = self.resting.values();
        resting
            .filter(move |rest| rest.account == account)
            .map(|rest| &rest.subscription)
    }

    pub(super) fn contains(&self, id: EndpointId) -> bool {
        self.resting.contains_key(&id)
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.resting.values().filter_map(|rest| rest.until).min()
    }
}

impl Hub {
    /// An endpoint's turn panicked.
    pub(super) fn rest(
        &mut self,
        id: EndpointId,
        actor: &EndpointActor,
        panic: Panic,
        now: Moment,
    ) {
        let mono = Duration::from_micros(u64::try_from(now.mono.0).unwrap_or(0));
        if !self.resting.budget.spend(mono) {
            resume_unwind(panic);
        }
        tracing::error!(endpoint = %id, "a webhook endpoint's actor failed and is made anew from its record");
        for _ in SHARE..actor.in_flight() {
            self.pool.give_back();
        }
        let rest = Rest {
            account: actor.state.account,
            subscription: actor.subscription(),
            until: Some(now.mono.plus_ms(self.resting.rest_ms)),
            ended: Vec::new(),
        };
        self.resting.resting.insert(id, rest);
    }

    /// Has the records of those read that have rested.
    pub(super) fn wake_resting(&mut self, now: Moment) {
        for (id, rest) in &mut self.resting.resting {
            if rest.until.is_some_and(|until| until <= now.mono) {
                rest.until = None;
                self.work.questions.push(Question::Record(*id));
            }
        }
    }

    /// Makes an endpoint's actor anew.
    pub(super) fn rested(
        &mut self,
        id: EndpointId,
        record: Result<Option<EndpointRecord>, RecordsError>,
        now: Moment,
    ) {
        match record {
            Ok(Some(mut record)) => {
                let rest = self.resting.resting.remove(&id);
                let account = record.endpoint.account;
                // What was in memory is in the records, whatever the count says.
                record.pending = record.pending.max(1);
                self.adopt(record, now);
                self.publish(account);
                self.ended(rest.map(|rest| rest.ended).unwrap_or_default(), now);
            }
            Ok(None) => {
                self.resting.resting.remove(&id);
            }
            Err(error) => {
                tracing::error!(endpoint = %id, %error, "a webhook endpoint cannot be read");
                let until = now.mono.plus_ms(self.resting.rest_ms);
                if let Some(rest) = self.resting.resting.get_mut(&id) {
                    rest.until = Some(until);
                }
            }
        }
    }
}
