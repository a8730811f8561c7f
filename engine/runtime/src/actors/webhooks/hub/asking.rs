//! Customers' commands: each is decided here and answered once it is durable.

use std::time::Duration;

use didfarm_core::event::Event;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::{AccountId, EndpointId, EventId, NumberId};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{
    DisableCause, ENDPOINTS_MAX, Endpoint, EndpointEvent, EndpointSecret, EndpointSettings,
    EndpointState, EventFilter, Health, LiveKeys, SigningKeys,
};
use didfarm_core::webhook::recovery::{Recovery, RecoveryFilter, RecoveryScope, RecoveryState};
use didfarm_core::webhook::{EventType, Fact, Target, WebhookEvent};
use didfarm_webhooks::{Secret, SecretError};

use super::Hub;
use crate::actors::webhooks::batch::HubEffect;
use crate::actors::webhooks::command::{Asked, Command, Reply};
use crate::actors::webhooks::endpoint::{EndpointActor, Resend};
use crate::actors::webhooks::moment::Moment;
use crate::actors::webhooks::question::{Recovered, Told};
use crate::admission::Permit;
use crate::idempotency::Guard;
use crate::send::Unavailable;
use crate::webhooks::{
    Created, EndpointView, InboundUrl, InboundUrlSet, NewEndpoint, Rotated, WebhookError,
};

pub(super) type Decided<T> = Result<T, WebhookError>;

impl Hub {
    /// Decides a command.
    pub(in crate::actors::webhooks) fn asked(&mut self, asked: Asked, now: Moment) {
        let Asked {
            account,
            command,
            permit,
        } = asked;
        match command {
            Command::Create(new, guard, reply) => {
                let decided = self.create(account, *new, now);
                self.answer_made(reply, permit, (decided, guard), now);
            }
            Command::Change(id, change, reply) => {
                let decided = self.change_from(account, id, *change, now);
                self.answer(reply, permit, decided);
            }
            Command::Rotate(id, overlap, reply) => {
                let decided = self.rotate(account, id, overlap, now);
                self.answer(reply, permit, decided);
            }
            Command::Enable(id, reply) => {
                let decided = self.enable(account, id, now);
                self.answer(reply, permit, decided);
            }
            Command::Disable(id, reply) => {
                let decided = self.disable(account, id, now);
                self.answer(reply, permit, decided);
            }
            Command::Delete(id, reply) => {
                let decided = self.delete(account, id, now);
                self.answer(reply, permit, decided);
            }
            Command::View(id, reply) => {
                let decided = self.view(account, id);
                self.answer(reply, permit, decided);
            }
            Command::List(reply) => {
                let listed = self.list(account);
                self.answer(reply, permit, listed);
            }
            Command::Resend(id, event, reply) => {
                self.resend(account, id, event, reply, permit, now)
            }
            Command::Recover(id, filter, pace, reply) => {
                let decided = self.recover(account, id, filter, pace, now);
                self.answer(reply, permit, decided);
            }
            Command::CancelRecovery(id, reply) => {
                let decided = self.cancel_recovery(account, id, now);
                self.answer(reply, permit, decided);
            }
            Command::Test(id, types, reply) => {
                let decided = self.test(account, id, &types, now);
                self.answer(reply, permit, decided);
            }
            Command::InboundUrl(number, reply) => {
                let inbound = self.inbound(account, number);
                self.answer(reply, permit, inbound);
            }
            Command::WantStatus(reply) => {
                let decided = self.want_status(account, now);
                self.answer(reply, permit, decided);
            }
            Command::RenewToken(reply) => {
                let decided = self.renew_token(account, now);
                self.answer(reply, permit, decided);
            }
            Command::SetInboundUrl(number, url, reply) => {
                let decided = self.set_inbound(account, number, url, now);
                self.answer(reply, permit, decided);
            }
        }
    }

    /// Answers once everything that was decided so far is durable.
    fn answer<T: 'static>(&mut self, reply: Reply<T>, permit: Permit, decided: Decided<T>) {
        self.batch.reply(move || {
            // An asker who has gone finds it done.
            let _ = reply.send(decided);
            drop(permit);
        });
    }

    /// The same of an endpoint that may have been made under an idempotency key.
    fn answer_made(
        &mut self,
        reply: Reply<Created>,
        permit: Permit,
        (decided, guard): (Decided<Created>, Option<Box<Guard>>),
        now: Moment,
    ) {
        let guard = match (&decided, guard) {
            (Ok(made), Some(mut guard)) => {
                let answer = GuardedAnswer::Endpoint(Box::new(made.view.endpoint.clone()));
                self.batch.push(guard.event(answer, now.wall), now.mono);
                Some(guard)
            }
            (Ok(_), None) | (Err(_), _) => None,
        };
        self.batch.reply(move || {
            if let Some(guard) = guard {
                guard.made_durable(now.wall);
            }
            // An asker who has gone finds it done.
            let _ = reply.send(decided);
            drop(permit);
        });
    }

    /// The account's endpoint of this id.
    fn own(&self, account: AccountId, id: EndpointId) -> Decided<&EndpointActor> {
        if self.resting.contains(id) {
            return Err(Unavailable::Faulted.into());
        }
        let actor = self.endpoints.get(&id).map(|actor| &**actor);
        actor
            .filter(|actor| actor.state.account == account && !actor.is_deleted())
            .ok_or(WebhookError::NO_ENDPOINT)
    }

    fn view(&self, account: AccountId, id: EndpointId) -> Decided<EndpointView> {
        self.own(account, id).map(EndpointActor::view)
    }

    fn list(&self, account: AccountId) -> Decided<Vec<EndpointView>> {
        self.check_whole(account)?;
        let ids = self.by_account.get(&account).into_iter().flatten();
        let actors = ids.filter_map(|id| self.endpoints.get(id));
        Ok(actors.map(|actor| actor.view()).collect())
    }

    /// Refuses what would be wrong while one of the account's endpoints rests.
    pub(super) fn check_whole(&self, account: AccountId) -> Decided<()> {
        let mut ids = self.by_account.get(&account).into_iter().flatten();
        match ids.any(|id| self.resting.contains(*id)) {
            true => Err(Unavailable::Faulted.into()),
            false => Ok(()),
        }
    }

    /// Lets something happen to an endpoint, and everyone know.
    fn happen(
        &mut self,
        account: AccountId,
        id: EndpointId,
        event: EndpointEvent,
        now: Moment,
    ) -> Decided<EndpointView> {
        self.own(account, id)?;
        let view = self.with(id, now, |actor, turn| {
            actor.apply(event, turn);
            actor.view()
        });
        self.publish(account);
        view.ok_or(Unavailable::Faulted.into())
    }

    pub(super) fn create(
        &mut self,
        account: AccountId,
        new: NewEndpoint,
        now: Moment,
    ) -> Decided<Created> {
        let own = self.by_account.entry(account).or_default();
        if own.len() >= ENDPOINTS_MAX {
            return Err(Refusal::TooManyEndpoints { max: ENDPOINTS_MAX }.into());
        }
        if let Some(number) = new.number
            && self.inbound(account, number)?.is_some()
        {
            return Err(Refusal::EndpointUnfit {
                field: "number",
                why: "it has an inbound URL already",
            }
            .into());
        }
        let (keys, public_key) = fresh_keys(new.is_asymmetric)?;
        let id = EndpointId(self.endpoint_next);
        self.endpoint_next += 1;
        let endpoint = Endpoint {
            id,
            account,
            number: new.number,
            is_status: new.is_status,
            settings: new.settings,
            keys: vec![LiveKeys {
                keys: keys.clone(),
                until: None,
            }],
            state: EndpointState::Enabled,
            health: Health::default(),
            mailed_at: None,
            recovery: None,
            dropped_from: None,
            created_at: now.wall,
        };
        let actor = EndpointActor::made(endpoint.clone(), &self.lend(now));
        let view = actor.view();
        self.endpoints.insert(id, Box::new(actor));
        self.by_account.entry(account).or_default().insert(id);
        let event = Event::Endpoint(id, EndpointEvent::Created(Box::new(endpoint)));
        self.batch.push(event, now.mono);
        self.publish(account);
        Ok(Created {
            view,
            secret: keys.secret,
            public_key,
        })
    }

    /// Applies a change that was made from settings that may not be those of now.
    fn change_from(
        &mut self,
        account: AccountId,
        id: EndpointId,
        (before, after): (EndpointSettings, EndpointSettings),
        now: Moment,
    ) -> Decided<EndpointView> {
        let mut settings = self.own(account, id)?.state.settings.clone();
        settings.take_changes(&before, after);
        self.change(account, id, settings, now)
    }

    fn change(
        &mut self,
        account: AccountId,
        id: EndpointId,
        settings: EndpointSettings,
        now: Moment,
    ) -> Decided<EndpointView> {
        self.own(account, id)?.state.check_change(&settings)?;
        let event = EndpointEvent::Changed(Box::new(settings));
        self.happen(account, id, event, now)
    }

    pub(super) fn rotate(
        &mut self,
        account: AccountId,
        id: EndpointId,
        overlap: Option<Duration>,
        now: Moment,
    ) -> Decided<Rotated> {
        let newest = self.own(account, id)?.state.keys.first();
        let is_asymmetric = newest.is_some_and(|live| live.keys.private_key.is_some());
        let (keys, public_key) = fresh_keys(is_asymmetric)?;
        let overlap_ms = overlap.map_or(self.limits.overlap_ms, |overlap| {
            u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX)
        });
        let overlap_until = now.wall.plus_ms(overlap_ms);
        let event = EndpointEvent::KeysRotated {
            keys: keys.clone(),
            overlap_until,
        };
        self.happen(account, id, event, now)?;
        Ok(Rotated {
            secret: keys.secret,
            public_key,
            overlap_until,
        })
    }

    fn enable(
        &mut self,
        account: AccountId,
        id: EndpointId,
        now: Moment,
    ) -> Decided<(EndpointView, Option<Timestamp>)> {
        match self.own(account, id)?.state.missed_since() {
            Some(since) => {
                let view = self.happen(account, id, EndpointEvent::Enabled, now)?;
                Ok((view, Some(since)))
            }
            None => Ok((self.view(account, id)?, None)),
        }
    }

    fn disable(
        &mut self,
        account: AccountId,
        id: EndpointId,
        now: Moment,
    ) -> Decided<EndpointView> {
        if !self.own(account, id)?.state.is_enabled() {
            return self.view(account, id);
        }
        let cause = DisableCause::Customer;
        self.batch.then(HubEffect::Disabled(cause));
        self.happen(account, id, EndpointEvent::Disabled(cause), now)
    }

    fn delete(&mut self, account: AccountId, id: EndpointId, now: Moment) -> Decided<()> {
        self.own(account, id)?;
        if let Some(own) = self.by_account.get_mut(&account) {
            own.remove(&id);
        }
        self.happen(account, id, EndpointEvent::Deleted, now)?;
        Ok(())
    }

    fn resend(
        &mut self,
        account: AccountId,
        id: EndpointId,
        event: EventId,
        reply: Reply<Timestamp>,
        permit: Permit,
        now: Moment,
    ) {
        if let Err(error) = self.own(account, id) {
            return self.answer(reply, permit, Err(error));
        }
        self.forgetting.revive(event);
        let resend = Resend {
            event,
            reply,
            permit,
        };
        self.with(id, now, |actor, _| actor.resend(resend));
    }

    fn recover(
        &mut self,
        account: AccountId,
        id: EndpointId,
        filter: RecoveryFilter,
        pace_per_second: u32,
        now: Moment,
    ) -> Decided<EndpointView> {
        let endpoint = &self.own(account, id)?.state;
        if endpoint.is_status && filter.scope == RecoveryScope::All {
            return Err(WebhookError::RecoveryUnfit {
                field: "scope",
                why: "it is undelivered: not every message names a URL for its status",
            });
        }
        let before = endpoint.recovery.as_ref();
        if before.is_some_and(|recovery| recovery.state == RecoveryState::Running) {
            return Err(WebhookError::RecoveryRunning);
        }
        let since = EventId::first_at(filter.since);
        let recovery = Recovery {
            cursor: EventId(since.0.saturating_sub(1)),
            filter,
            pace_per_second,
            queued: 0,
            state: RecoveryState::Running,
            started_at: now.wall,
        };
        let event = EndpointEvent::RecoveryStarted(Box::new(recovery));
        self.happen(account, id, event, now)
    }

    fn cancel_recovery(
        &mut self,
        account: AccountId,
        id: EndpointId,
        now: Moment,
    ) -> Decided<EndpointView> {
        let running = self.own(account, id)?.state.recovery.clone();
        let running = running.filter(|recovery| recovery.state == RecoveryState::Running);
        let Some(mut recovery) = running else {
            return Err(WebhookError::RecoveryNotRunning);
        };
        recovery.state = RecoveryState::Cancelled;
        let event = EndpointEvent::RecoveryMoved(Box::new(recovery));
        self.happen(account, id, event, now)
    }

    /// Examples are missed and put in line by hand: so they reach an endpoint that is disabled, and leave
    /// its health alone.
    fn test(
        &mut self,
        account: AccountId,
        id: EndpointId,
        types: &[EventType],
        now: Moment,
    ) -> Decided<Vec<(EventId, EventType)>> {
        let endpoint = &self.own(account, id)?.state;
        if endpoint.is_status {
            return Err(Refusal::EndpointUnfit {
                field: "url",
                why: "it has none of its own that an example could be sent to",
            }
            .into());
        }
        let (number, form) = (endpoint.number, endpoint.settings.form);
        let mut sent = Vec::with_capacity(types.len());
        for kind in types.iter().filter(|kind| form.tells(**kind)) {
            let target = Target {
                endpoint: id,
                is_missed: true,
            };
            let event = WebhookEvent {
                id: self.outside.event_id(now.wall),
                account,
                number,
                channel: None,
                conversation: None,
                fact: Fact::Example(*kind),
                to: [target].into_iter().collect(),
            };
            sent.push((event.id, *kind));
            let offered = Event::Offered(Box::new(event.clone()));
            self.batch.push(offered, now.mono);
            let recovered = Recovered {
                event: event.id,
                made: 0,
                conversation: None,
            };
            self.keep(Told {
                bare: (event.into(), now.wall),
                message: None,
            });
            self.with(id, now, |actor, turn| actor.redeliver(recovered, turn));
        }
        Ok(sent)
    }

    /// The endpoint behind a number's inbound URL.
    fn inbound(&self, account: AccountId, number: NumberId) -> Decided<Option<InboundUrl>> {
        self.check_whole(account)?;
        let ids = self.by_account.get(&account).into_iter().flatten();
        let mut actors = ids.filter_map(|id| self.endpoints.get(id));
        let actor = actors.find(|actor| actor.state.number == Some(number));
        Ok(actor.map(|actor| InboundUrl {
            endpoint: actor.state.id,
            url: actor.state.settings.url.clone(),
        }))
    }

    fn set_inbound(
        &mut self,
        account: AccountId,
        number: NumberId,
        url: Option<Box<str>>,
        now: Moment,
    ) -> Decided<InboundUrlSet> {
        let mut secret = None;
        match (self.inbound(account, number)?, url) {
            (None, None) => {}
            (Some(inbound), None) => self.delete(account, inbound.endpoint, now)?,
            (Some(inbound), Some(url)) => self.change_inbound(account, inbound, url, now)?,
            (None, Some(url)) => {
                let new = NewEndpoint {
                    settings: inbound_settings(number, url),
                    number: Some(number),
                    is_asymmetric: false,
                    is_status: false,
                };
                secret = Some(self.create(account, new, now)?.secret);
            }
        }
        Ok(InboundUrlSet {
            inbound: self.inbound(account, number)?,
            secret,
        })
    }

    /// Another URL also enables the endpoint: what was wrong with the one before does not hold for it.
    fn change_inbound(
        &mut self,
        account: AccountId,
        inbound: InboundUrl,
        url: Box<str>,
        now: Moment,
    ) -> Decided<()> {
        if inbound.url == url {
            return Ok(());
        }
        let mut settings = self.own(account, inbound.endpoint)?.state.settings.clone();
        settings.url = url;
        self.change(account, inbound.endpoint, settings, now)?;
        self.enable(account, inbound.endpoint, now)?;
        Ok(())
    }
}

fn inbound_settings(number: NumberId, url: Box<str>) -> EndpointSettings {
    EndpointSettings {
        url,
        description: "".into(),
        filter: EventFilter {
            types: vec![EventType::MessageReceived],
            numbers: vec![number],
            channels: Vec::new(),
        },
        form: Default::default(),
        schedule: Default::default(),
        is_ordered: false,
        rate_per_second: None,
    }
}

/// Keys that nobody has, and the public one where a private key signs too.
fn fresh_keys(is_asymmetric: bool) -> Decided<(SigningKeys, Option<String>)> {
    let faulted = |_: SecretError| WebhookError::from(Unavailable::Faulted);
    let spelled = |secret: &Secret| EndpointSecret(secret.expose().into());
    let shared = Secret::generate().map_err(faulted)?;
    let private = match is_asymmetric {
        true => Some(Secret::generate_pair().map_err(faulted)?),
        false => None,
    };
    let keys = SigningKeys {
        secret: spelled(&shared),
        private_key: private.as_ref().map(spelled),
    };
    Ok((keys, private.and_then(|private| private.public_key())))
}
