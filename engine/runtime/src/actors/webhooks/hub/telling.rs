//! What an account's other endpoints and its mailbox are told of what happened to an endpoint.

use std::sync::Arc;

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EndpointId};
use didfarm_core::mail::MailKind;
use didfarm_core::webhook::endpoint::DisableCause;
use didfarm_core::webhook::{EventType, Fact, Target, Targets, WebhookEvent};

use super::Hub;
use crate::actors::webhooks::batch::HubEffect;
use crate::actors::webhooks::moment::Moment;
use crate::actors::webhooks::turn::Notice;
use crate::offers::{Subscription, Tell};

impl Hub {
    /// Notes what others are to be told of, in the entry of what happened.
    pub(super) fn tell(&mut self, now: Moment) {
        for notice in std::mem::take(&mut self.notices) {
            match notice {
                Notice::Disabled(endpoint, cause) => self.tell_disabled(endpoint, cause, now),
                Notice::Exhausted {
                    endpoint,
                    event,
                    class,
                    status,
                } => {
                    let kind = MailKind::Exhausted {
                        endpoint,
                        event,
                        class,
                        status,
                    };
                    if self.mail(endpoint, kind, now)
                        && let Some(actor) = self.endpoints.get_mut(&endpoint)
                    {
                        actor.state.mailed_at = Some(now.wall);
                    }
                }
            }
        }
    }

    fn account_of(&self, endpoint: EndpointId) -> Option<AccountId> {
        self.endpoints
            .get(&endpoint)
            .map(|actor| actor.state.account)
    }

    /// Queues a mail to an endpoint's account; `false` when that has no address.
    fn mail(&mut self, endpoint: EndpointId, kind: MailKind, now: Moment) -> bool {
        let account = self.account_of(endpoint);
        let Some(offer) = account.and_then(|account| self.outside.mail(now.wall, account, kind))
        else {
            return false;
        };
        self.batch.push(offer.event, now.mono);
        self.batch.then(HubEffect::Tell(offer.tell));
        true
    }

    fn tell_disabled(&mut self, endpoint: EndpointId, cause: DisableCause, now: Moment) {
        self.mail(
            endpoint,
            MailKind::EndpointDisabled { endpoint, cause },
            now,
        );
        let Some(account) = self.account_of(endpoint) else {
            return;
        };
        self.publish(account);
        let to = self.targets(account, endpoint);
        if to.is_empty() {
            return;
        }
        let event = WebhookEvent {
            id: self.outside.event_id(now.wall),
            account,
            number: None,
            channel: None,
            conversation: None,
            fact: Fact::EndpointDisabled { endpoint, cause },
            to,
        };
        let offered = Event::Offered(Box::new(event.clone()));
        self.batch.push(offered, now.mono);
        self.batch.then(HubEffect::Tell(Tell::Event {
            event: Arc::new(event),
            at: now.wall,
            message: None,
        }));
    }

    /// The account's endpoints that are told that one of the others was disabled.
    fn targets(&self, account: AccountId, disabled: EndpointId) -> Targets {
        let ids = self.by_account.get(&account).into_iter().flatten();
        let actors = ids.filter_map(|id| self.endpoints.get(id));
        actors
            .map(|actor| actor.subscription())
            .chain(self.resting.subscriptions(account).cloned())
            .filter(|one| one.endpoint != disabled)
            .filter(|one| one.filter.passes(EventType::EndpointDisabled, None, None))
            .map(|one| Target {
                endpoint: one.endpoint,
                is_missed: !one.is_enabled,
            })
            .collect()
    }

    /// Has everyone know the account's endpoints once they are durable.
    pub(super) fn publish(&mut self, account: AccountId) {
        let ids = self.by_account.get(&account).into_iter().flatten();
        let subscriptions: Arc<[Subscription]> = ids
            .filter_map(|id| self.endpoints.get(id))
            .map(|actor| actor.subscription())
            .chain(self.resting.subscriptions(account).cloned())
            .collect();
        self.batch.then(HubEffect::Publish(account, subscriptions));
        self.batch.hurry();
    }
}
