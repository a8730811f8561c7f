//! Events are forgotten once they are as old as the settings say, account by account, never one that
//! waits for an endpoint.

use std::collections::VecDeque;

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_store::records::RecordsError;
use rustc_hash::FxHashSet;

use super::Hub;
use crate::actors::webhooks::moment::Moment;
use crate::actors::webhooks::question::{Question, Step};

/// How often old events are looked for, in milliseconds.
const INTERVAL_MS: u64 = 3_600_000;
/// How long after a start they are looked for first, in milliseconds.
const FIRST_MS: u64 = 60_000;
/// Time between two pages, in milliseconds: live work comes between them.
const PAGE_SPACING_MS: u64 = 50;
/// Events that one entry forgets.
const PAGE_EVENTS_MAX: usize = 500;

/// How far the forgetting is.
pub(super) struct Forgetting {
    accounts: VecDeque<AccountId>,
    /// The event behind which the looking goes on in the first account.
    after: EventId,
    /// When it goes on; `None` while the records are asked.
    next_at: Option<Timestamp>,
    /// Whether the accounts are known.
    has_begun: bool,
    /// Events that were put in line again while the records were asked.
    revived: FxHashSet<EventId>,
}

impl Forgetting {
    pub(super) fn new(now: Timestamp) -> Forgetting {
        Forgetting {
            accounts: VecDeque::new(),
            after: EventId(0),
            next_at: Some(now.plus_ms(FIRST_MS)),
            has_begun: false,
            revived: FxHashSet::default(),
        }
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.next_at
    }

    /// An event waits again.
    pub(super) fn revive(&mut self, event: EventId) {
        if self.next_at.is_none() {
            self.revived.insert(event);
        }
    }

    pub(super) fn begin(&mut self, accounts: Result<Vec<AccountId>, RecordsError>, now: Timestamp) {
        match accounts {
            Ok(accounts) => {
                self.accounts = accounts.into();
                self.has_begun = true;
                self.goes_on(EventId(0), now);
            }
            Err(error) => {
                tracing::error!(%error, "old events cannot be looked for");
                self.next_at = Some(now.plus_ms(INTERVAL_MS));
            }
        }
    }

    fn goes_on(&mut self, after: EventId, now: Timestamp) {
        self.after = after;
        self.revived.clear();
        self.has_begun = !self.accounts.is_empty();
        let wait_ms = match self.has_begun {
            true => PAGE_SPACING_MS,
            false => INTERVAL_MS,
        };
        self.next_at = Some(now.plus_ms(wait_ms));
    }
}

impl Hub {
    pub(super) fn tend_forgetting(&mut self, now: Moment) {
        let forgetting = &mut self.forgetting;
        if forgetting.next_at.is_none_or(|at| at > now.mono) {
            return;
        }
        forgetting.next_at = None;
        let age_us = i64::try_from(self.limits.event_age_ms.saturating_mul(1_000));
        let before = Timestamp(now.wall.0.saturating_sub(age_us.unwrap_or(i64::MAX)));
        let question = match forgetting.accounts.front() {
            Some(account) if forgetting.has_begun => {
                Question::Old(*account, forgetting.after, before, PAGE_EVENTS_MAX)
            }
            Some(_) | None => Question::Accounts,
        };
        self.work.questions.push(question);
    }

    /// Forgets a page of events.
    pub(super) fn forget(
        &mut self,
        account: AccountId,
        step: Result<Step<EventId>, RecordsError>,
        now: Moment,
    ) {
        let step = step.unwrap_or_else(|error| {
            tracing::error!(%account, %error, "an account's old events cannot be read");
            Step {
                found: Vec::new(),
                next: None,
            }
        });
        let revived = &self.forgetting.revived;
        let old: Vec<EventId> = step
            .found
            .into_iter()
            .filter(|event| !revived.contains(event))
            .collect();
        if !old.is_empty() {
            let event = Event::EventsForgotten(account, old);
            self.batch.push(event, now.mono);
        }
        if step.next.is_none() {
            self.forgetting.accounts.pop_front();
        }
        self.forgetting
            .goes_on(step.next.unwrap_or(EventId(0)), now.mono);
    }
}
