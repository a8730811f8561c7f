//! What endpoints and mail servers were told of, counted straight from the entries.

use std::collections::{BTreeMap, BTreeSet};

use didfarm_core::event::Event;
use didfarm_core::idempotency::{Guarded, KeyHash, Slot};
use didfarm_core::ids::{AccountId, EndpointId, EventId, MailId};
use didfarm_core::mail::AfterTry;
use didfarm_core::webhook::attempt::{AfterAttempt, Attempt};
use didfarm_core::webhook::endpoint::EndpointEvent;
use didfarm_store::records::Records;
use didfarm_store::records::read::Take;
use didfarm_store::records::round::ResultState;

/// The state of everything that is to be told.
#[derive(Clone, Default)]
pub struct Webhooks {
    results: BTreeMap<(AccountId, EventId), BTreeMap<EndpointId, ResultState>>,
    attempts: Vec<Attempt>,
    endpoints: BTreeSet<EndpointId>,
    deleted: BTreeSet<EndpointId>,
    waiting: BTreeSet<MailId>,
    given_up: Vec<MailId>,
}

impl Webhooks {
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Endpoint(id, EndpointEvent::Created(_)) => {
                self.endpoints.insert(*id);
            }
            Event::Endpoint(id, EndpointEvent::Deleted) => {
                self.deleted.insert(*id);
            }
            Event::Offered(event) => {
                let state = |is_missed| match is_missed {
                    true => ResultState::Missed,
                    false => ResultState::Pending,
                };
                let results = event.to.iter();
                let results = results.map(|to| (to.endpoint, state(to.is_missed)));
                let key = (event.account, event.id);
                self.results.insert(key, results.collect());
            }
            Event::Attempted(attempt) => {
                let state = match attempt.next {
                    AfterAttempt::Delivered => ResultState::Delivered,
                    AfterAttempt::Retry { .. } => ResultState::Pending,
                    AfterAttempt::Exhausted => ResultState::Exhausted,
                };
                self.set(attempt.endpoint, attempt.event, state);
                self.attempts.push((**attempt).clone());
            }
            Event::Redelivered(again) => {
                self.set(again.endpoint, again.event, ResultState::Pending);
            }
            Event::PendingDropped(endpoint, rows) => {
                let state = match self.deleted.contains(endpoint) {
                    true => ResultState::Dropped,
                    false => ResultState::Missed,
                };
                for (_, event) in rows {
                    self.set(*endpoint, *event, state);
                }
            }
            Event::EventsForgotten(account, events) => {
                for event in events {
                    self.results.remove(&(*account, *event));
                    self.attempts.retain(|attempt| attempt.event != *event);
                }
            }
            Event::MailQueued(mail) => {
                self.waiting.insert(mail.id);
            }
            Event::MailTried(tried) => match tried.next {
                AfterTry::Later { .. } => {}
                AfterTry::Sent => drop(self.waiting.remove(&tried.mail)),
                AfterTry::GivenUp { .. } => {
                    self.waiting.remove(&tried.mail);
                    self.given_up.insert(0, tried.mail);
                }
            },
            _ => {}
        }
    }

    fn set(&mut self, endpoint: EndpointId, event: EventId, state: ResultState) {
        let mut results = self.results.iter_mut();
        let (_, results) = results.find(|((_, id), _)| *id == event).unwrap();
        results.insert(endpoint, state);
    }

    /// Every event with every result, what waits for whom, every attempt whole, every mail once.
    pub fn assert_in(&self, records: &Records, what: &str) {
        let counts = records.meta().unwrap().counts;
        assert_eq!(counts.events, self.results.len() as u64, "{what}");
        let mut waits: BTreeMap<EndpointId, BTreeSet<EventId>> = BTreeMap::new();
        for ((account, id), told) in &self.results {
            let row = records.event(*account, *id).unwrap();
            let row = row.unwrap_or_else(|| panic!("{what}: {id} is lost"));
            let results = row.results.iter();
            let results = results.map(|result| (result.endpoint, result.state));
            assert_eq!(results.collect::<BTreeMap<_, _>>(), *told, "{what}: {id}");
            for (endpoint, state) in told {
                if *state == ResultState::Pending {
                    waits.entry(*endpoint).or_default().insert(*id);
                }
            }
        }
        let mut attempts = 0;
        for id in &self.endpoints {
            let wanted = waits.remove(id).unwrap_or_default();
            let record = records.endpoint(*id).unwrap();
            let is_there = !self.deleted.contains(id) || !wanted.is_empty();
            assert_eq!(record.is_some(), is_there, "{what}: {id}");
            let pending = record.map_or(0, |record| record.pending);
            assert_eq!(pending, wanted.len() as u64, "{what}: {id}");
            let page = records.pending_page(*id, None, usize::MAX).unwrap();
            let found: BTreeSet<_> = page.iter().map(|(_, event, _)| *event).collect();
            assert_eq!(found, wanted, "{what}: {id}");
            let page = records.attempts_page(*id, None, |_, attempt| {
                assert!(self.attempts.contains(&attempt), "{what}: {attempt:?}");
                attempts += 1;
                Take::Next
            });
            page.unwrap();
        }
        assert_eq!(attempts, self.attempts.len(), "{what}");
        self.assert_mails_in(records, what);
    }

    fn assert_mails_in(&self, records: &Records, what: &str) {
        let end = didfarm_core::time::Timestamp(i64::MAX);
        let mails = records.mails_due(None, end, usize::MAX).unwrap();
        let found: Vec<MailId> = mails.iter().map(|(_, waiting)| waiting.mail.id).collect();
        assert_eq!(found.len(), self.waiting.len(), "{what}");
        assert!(found.iter().all(|id| self.waiting.contains(id)), "{what}");
        let mut given_up = Vec::new();
        let walked = records.each_given_up_mail(|mail| {
            given_up.push(mail.waiting.mail.id);
            Take::Next
        });
        walked.unwrap();
        assert_eq!(given_up, self.given_up, "{what}");
    }
}

/// Idempotency keys, and what was answered under each.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<(Slot, KeyHash), Guarded>);

impl Keys {
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Guarded(guarded) => {
                let place = (guarded.slot, guarded.key);
                self.0.insert(place, (**guarded).clone());
            }
            Event::KeysForgotten(old) => {
                for place in old {
                    self.0.remove(place);
                }
            }
            _ => {}
        }
    }

    /// Every key that was not forgotten, with its answer, and no other.
    pub fn assert_in(&self, records: &Records, what: &str) {
        let found = records.guarded_page(None, usize::MAX).unwrap();
        let wanted: Vec<_> = self.0.keys().copied().collect();
        assert_eq!(found, wanted, "{what}");
        for guarded in self.0.values() {
            let row = records.guarded(guarded.slot, guarded.key).unwrap().unwrap();
            assert_eq!(row.answer, guarded.answer, "{what}");
            assert_eq!(row.fingerprint, guarded.fingerprint, "{what}");
        }
    }
}
