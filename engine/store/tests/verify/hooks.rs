//! Makes entries about endpoints, their events and mails, as the running engine does.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EndpointId, EventId, MailId};
use didfarm_core::mail::{AfterTry, Mail, MailKind, MailTry};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, Attempt, AttemptClass, Redelivery};
use didfarm_core::webhook::endpoint::{
    Endpoint, EndpointEvent, EndpointSecret, EndpointSettings, EndpointState, EventFilter, Health,
    LiveKeys, PayloadForm, SigningKeys,
};
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_core::webhook::{Fact, Target, WebhookEvent};

use crate::farm::Farm;

/// The endpoints of a farm, and what it has in line for them.
#[derive(Default)]
pub struct Hooks {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    last_event: u64,
    /// When an event is due at an endpoint, and how many attempts were made before.
    line: BTreeMap<(EndpointId, EventId), (Option<Timestamp>, u16)>,
    mails: BTreeMap<MailId, Timestamp>,
    last_mail: u64,
}

impl Farm {
    pub fn endpoint(&mut self, account: AccountId) -> EndpointId {
        let id = EndpointId(self.hooks.endpoints.len() as u32 + 1);
        let endpoint = endpoint(id, account, self.now());
        self.hooks.endpoints.insert(id, endpoint.clone());
        let created = EndpointEvent::Created(Box::new(endpoint));
        self.decided(vec![Event::Endpoint(id, created)]);
        id
    }

    pub fn change(&mut self, id: EndpointId, event: EndpointEvent) {
        let at = self.now();
        let endpoint = self.hooks.endpoints.get_mut(&id).unwrap();
        endpoint.evolve(&event, at);
        self.decided(vec![Event::Endpoint(id, event)]);
    }

    /// Offers what happened to endpoints of the account.
    pub fn offer(&mut self, account: AccountId, fact: Fact, to: &[EndpointId]) -> EventId {
        let at = self.now();
        let (id, event) = self.offered(at, account, fact, to);
        self.decided(vec![event]);
        id
    }

    /// As [`Farm::offer`], in the entry of what happened: the last one.
    pub fn offer_at_once(&mut self, account: AccountId, fact: Fact, to: &[EndpointId]) -> EventId {
        let at = self.entries.last().unwrap().at;
        let (id, event) = self.offered(at, account, fact, to);
        self.entries.last_mut().unwrap().events.push(event);
        id
    }

    fn offered(
        &mut self,
        at: Timestamp,
        account: AccountId,
        fact: Fact,
        to: &[EndpointId],
    ) -> (EventId, Event) {
        self.hooks.last_event += 1;
        let id = EventId(self.hooks.last_event);
        let target = |endpoint: &EndpointId| Target {
            endpoint: *endpoint,
            is_missed: !self.hooks.endpoints[endpoint].is_enabled(),
        };
        let to: Vec<Target> = to.iter().map(target).collect();
        for target in &to {
            let due = (!target.is_missed).then_some(at);
            self.hooks.line.insert((target.endpoint, id), (due, 0));
        }
        let event = WebhookEvent {
            id,
            account,
            number: None,
            channel: None,
            conversation: None,
            fact,
            to: to.into(),
        };
        (id, Event::Offered(Box::new(event)))
    }

    /// When an event is due at an endpoint.
    pub fn due(&self, endpoint: EndpointId, event: EventId) -> Timestamp {
        self.hooks.line[&(endpoint, event)].0.expect("it waits")
    }

    /// When a mail is due.
    pub fn mail_due(&self, mail: MailId) -> Timestamp {
        self.hooks.mails[&mail]
    }

    /// An attempt that was due ends.
    pub fn attempted(
        &mut self,
        endpoint: EndpointId,
        event: EventId,
        next: AfterAttempt,
        body: &str,
    ) -> Attempt {
        let at = self.now();
        let (due, made) = self.hooks.line.get_mut(&(endpoint, event)).unwrap();
        *made += 1;
        let ended = attempt((endpoint, event, *made), (due.unwrap(), at), next, body);
        *due = match next {
            AfterAttempt::Retry { due } => Some(due),
            AfterAttempt::Delivered | AfterAttempt::Exhausted => None,
        };
        self.decided(vec![Event::Attempted(Box::new(ended.clone()))]);
        ended
    }

    /// An attempt that was due fails, and is made again later.
    pub fn failed(&mut self, endpoint: EndpointId, event: EventId) {
        let due = self.now().plus_ms(30_000);
        self.attempted(endpoint, event, AfterAttempt::Retry { due }, "not now");
    }

    pub fn delivered(&mut self, endpoint: EndpointId, event: EventId) {
        self.attempted(endpoint, event, AfterAttempt::Delivered, "thanks");
    }

    pub fn redeliver(&mut self, endpoint: EndpointId, event: EventId) {
        let due = self.now();
        self.hooks.line.entry((endpoint, event)).or_default().0 = Some(due);
        let redelivery = Redelivery {
            event,
            endpoint,
            due,
        };
        self.decided(vec![Event::Redelivered(redelivery)]);
    }

    /// Takes all that waits for an endpoint out of line.
    pub fn drop_pending(&mut self, endpoint: EndpointId) {
        let line = self.hooks.line.iter_mut();
        let rows = line
            .filter(|((of, _), _)| *of == endpoint)
            .filter_map(|((_, event), (due, _))| Some((due.take()?, *event)))
            .collect();
        self.decided(vec![Event::PendingDropped(endpoint, rows)]);
    }

    pub fn forget(&mut self, account: AccountId, events: &[EventId]) {
        self.decided(vec![Event::EventsForgotten(account, events.to_vec())]);
    }

    pub fn mail(&mut self, account: AccountId, kind: MailKind) -> MailId {
        self.hooks.last_mail += 1;
        let id = MailId(self.hooks.last_mail);
        self.hooks.mails.insert(id, self.now());
        let to = "ops@example.com".into();
        let mail = Mail {
            id,
            account,
            to,
            kind,
        };
        self.decided(vec![Event::MailQueued(Box::new(mail))]);
        id
    }

    pub fn tried(&mut self, mail: MailId, next: AfterTry) {
        let due = self.hooks.mails[&mail];
        if let AfterTry::Later { due, .. } = &next {
            self.hooks.mails.insert(mail, *due);
        }
        self.decided(vec![Event::MailTried(MailTry { mail, due, next })]);
    }
}

/// A new endpoint.
pub fn endpoint(id: EndpointId, account: AccountId, at: Timestamp) -> Endpoint {
    let keys = SigningKeys {
        secret: EndpointSecret("whsec_".into()),
        private_key: None,
    };
    Endpoint {
        id,
        account,
        number: None,
        is_status: false,
        settings: EndpointSettings {
            url: "https://example.com/hook".into(),
            description: "".into(),
            filter: EventFilter::default(),
            form: PayloadForm::Message,
            schedule: RetrySchedule::Product,
            is_ordered: false,
            rate_per_second: None,
        },
        keys: vec![LiveKeys { keys, until: None }],
        state: EndpointState::Enabled,
        health: Health::default(),
        mailed_at: None,
        dropped_from: None,
        recovery: None,
        created_at: at,
    }
}

/// The n-th attempt of an event at an endpoint, by when it was due and when it began.
pub fn attempt(
    (endpoint, event, ordinal): (EndpointId, EventId, u16),
    (due, at): (Timestamp, Timestamp),
    next: AfterAttempt,
    body: &str,
) -> Attempt {
    let is_success = next == AfterAttempt::Delivered;
    let (status, class) = match is_success {
        true => (200, AttemptClass::Succeeded),
        false => (503, AttemptClass::ServerError),
    };
    Attempt {
        event,
        endpoint,
        ordinal,
        due,
        at,
        duration_ms: 7,
        status: Some(status),
        class,
        body_start: body.into(),
        next,
        is_manual: false,
    }
}
