//! What endpoints and mailboxes are told of: events and mails that stand in the journal entry of what they
//! tell, and that their supervisors hear of once that entry is durable.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use didfarm_core::abuse::stop::TrafficStop;
use didfarm_core::channel::Channel;
use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, ConversationId, EndpointId, EventId, MailId, NumberId};
use didfarm_core::mail::{Mail, MailKind};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{Endpoint, EventFilter, LiveKeys};
use didfarm_core::webhook::{EventType, Fact, Target, Targets, WebhookEvent};
use subtle::ConstantTimeEq;

use crate::account::{AccountHandle, LowBalance};
use crate::actors::mails::MailInput;
use crate::actors::webhooks::{HubInput, ids_ahead_ms};
use crate::shared::Shared;

/// An endpoint of an account, as far as the choice of whom to tell goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) endpoint: EndpointId,
    pub(crate) filter: EventFilter,
    pub(crate) is_enabled: bool,
    /// What opens the account in Twilio's dialect: only of a status endpoint, which is told of nothing but
    /// messages that name a URL.
    pub(crate) tokens: Option<Arc<[LiveKeys]>>,
}

impl Subscription {
    /// The types that it may be told of, as [`Subscriptions::wanted`] has them.
    fn wanted(&self) -> u32 {
        if self.tokens.is_some() {
            return 0;
        }
        match self.filter.types.as_slice() {
            [] => u32::MAX,
            types => types.iter().fold(0, |sum, kind| sum | bit(*kind)),
        }
    }
}

/// An account's endpoints. They are asked for on every message: one load says that nobody is told.
pub(crate) struct Subscriptions {
    /// The types that any of them may be told of, one bit each.
    wanted: AtomicU32,
    list: RwLock<Arc<[Subscription]>>,
}

impl Subscriptions {
    pub(crate) fn none() -> Subscriptions {
        Subscriptions {
            wanted: AtomicU32::new(0),
            list: RwLock::new(Arc::from([])),
        }
    }

    pub(crate) fn set(&self, list: Arc<[Subscription]>) {
        let mut held = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let wanted = list.iter().fold(0, |sum, one| sum | one.wanted());
        *held = list;
        self.wanted.store(wanted, Ordering::Release);
    }

    /// Who is told of an event of this kind.
    pub(crate) fn targets(
        &self,
        kind: EventType,
        number: Option<NumberId>,
        channel: Option<Channel>,
    ) -> Targets {
        if self.wanted.load(Ordering::Acquire) & bit(kind) == 0 {
            return Targets::new();
        }
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter()
            .filter(|one| one.tokens.is_none() && one.filter.passes(kind, number, channel))
            .map(Subscription::target)
            .collect()
    }

    /// The status endpoint, as the target of a message that names a URL.
    pub(crate) fn status_target(&self) -> Option<Target> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter()
            .find(|one| one.tokens.is_some())
            .map(Subscription::target)
    }

    /// Whether a presented token is one that opens the account at this time, compared in constant time.
    pub(crate) fn opens(&self, presented: &str, now: Timestamp) -> bool {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let live = list.iter().filter_map(|one| one.tokens.as_ref());
        live.flat_map(|tokens| tokens.iter())
            .filter(|live| live.until.is_none_or(|until| now < until))
            .any(|live| {
                let token = live.keys.secret.0.as_bytes();
                token.ct_eq(presented.as_bytes()).into()
            })
    }
}

impl Subscription {
    /// What an endpoint is told of.
    pub(crate) fn of(endpoint: &Endpoint) -> Subscription {
        Subscription {
            endpoint: endpoint.id,
            filter: endpoint.settings.filter.clone(),
            is_enabled: endpoint.is_enabled(),
            tokens: endpoint.is_status.then(|| Arc::from(&*endpoint.keys)),
        }
    }

    fn target(&self) -> Target {
        Target {
            endpoint: self.endpoint,
            is_missed: !self.is_enabled,
        }
    }
}

fn bit(kind: EventType) -> u32 {
    1 << (kind as u32)
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) number: Option<NumberId>,
    pub(crate) channel: Option<Channel>,
    pub(crate) conversation: Option<ConversationId>,
}

impl About {
    /// The account as a whole.
    pub(crate) const ACCOUNT: About = About {
        number: None,
        channel: None,
        conversation: None,
    };
}

/// Something to tell: what the journal entry says of it, and what follows once that is durable.
pub(crate) struct Offer {
    pub(crate) event: Event,
    pub(crate) tell: Tell,
}

impl Offer {
    /// Hands over the message that the event tells of, so that nobody has to read it.
    pub(crate) fn with_message(mut self, stored: Message) -> Offer {
        if let Tell::Event { message, .. } = &mut self.tell {
            *message = Some(Arc::new(stored));
        }
        self
    }
}

/// Who hears of it, once it is durable.
pub(crate) enum Tell {
    Event {
        event: Arc<WebhookEvent>,
        at: Timestamp,
        message: Option<Arc<Message>>,
    },
    Mail {
        mail: Arc<Mail>,
        at: Timestamp,
    },
}

impl Tell {
    /// Dates it by its entry: what waits in the records is found by that time.
    pub(crate) fn date(&mut self, entry_at: Timestamp) {
        match self {
            Tell::Event { at, .. } | Tell::Mail { at, .. } => *at = entry_at,
        }
    }

    /// Tells the supervisor.
    pub(crate) fn perform(self, engine: &Shared) {
        match self {
            Tell::Event { event, at, message } => {
                engine
                    .webhooks
                    .push(HubInput::Offered { event, at, message })
            }
            Tell::Mail { mail, at } => engine.mails.push(MailInput::Queued(mail, at)),
        }
    }
}

impl Shared {
    /// An event id behind every one before.
    pub(crate) fn next_event(&self, now: Timestamp) -> EventId {
        let next = |last| EventId::next(EventId(last), now);
        let before = self
            .event_last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last).0)
            });
        next(before.unwrap_or_else(|last| last))
    }

    /// How far event ids run ahead of their time, in milliseconds.
    pub(crate) fn ids_ahead_ms(&self, now: Timestamp) -> u64 {
        ids_ahead_ms(EventId(self.event_last.load(Ordering::Relaxed)), now)
    }

    /// What an account's endpoints are told; `None` when none of them wants to know. `fact` is made only
    /// where one does.
    pub(crate) fn offer(
        &self,
        at: Timestamp,
        account: &AccountHandle,
        about: About,
        kind: EventType,
        fact: impl FnOnce() -> Fact,
    ) -> Option<Offer> {
        let to = account.targets(kind, about.number, about.channel);
        self.offer_to(at, account, about, to, fact)
    }

    /// The same for endpoints that are known.
    pub(crate) fn offer_to(
        &self,
        at: Timestamp,
        account: &AccountHandle,
        about: About,
        to: Targets,
        fact: impl FnOnce() -> Fact,
    ) -> Option<Offer> {
        if to.is_empty() {
            return None;
        }
        let event = WebhookEvent {
            id: self.next_event(at),
            account: account.id(),
            number: about.number,
            channel: about.channel,
            conversation: about.conversation,
            fact: fact(),
            to,
        };
        let tell = Tell::Event {
            event: Arc::new(event.clone()),
            at,
            message: None,
        };
        Some(Offer {
            event: Event::Offered(Box::new(event)),
            tell,
        })
    }

    /// A mail to an address.
    pub(crate) fn mail(
        &self,
        at: Timestamp,
        account: AccountId,
        to: &str,
        kind: MailKind,
    ) -> Offer {
        let mail = Mail {
            id: MailId(self.mail_next.fetch_add(1, Ordering::Relaxed)),
            account,
            to: to.into(),
            kind,
        };
        let tell = Tell::Mail {
            mail: Arc::new(mail.clone()),
            at,
        };
        Offer {
            event: Event::MailQueued(Box::new(mail)),
            tell,
        }
    }

    /// That a wallet fell below its threshold: the endpoints are told, and the account by mail.
    pub(crate) fn tell_low(
        &self,
        at: Timestamp,
        account: &AccountHandle,
        low: LowBalance,
    ) -> Vec<Offer> {
        let LowBalance { balance, threshold } = low;
        let offer = self.offer(at, account, About::ACCOUNT, EventType::WalletLow, || {
            Fact::WalletLow { balance, threshold }
        });
        let kind = MailKind::WalletLow { balance, threshold };
        let mail = account
            .email()
            .map(|address| self.mail(at, account.id(), &address, kind));
        offer.into_iter().chain(mail).collect()
    }

    /// That a range is stopped: the endpoints are told, and the account by mail.
    pub(crate) fn tell_stopped(
        &self,
        at: Timestamp,
        account: &AccountHandle,
        stop: TrafficStop,
    ) -> Vec<Offer> {
        let fact = || Fact::TrafficStopped(stop);
        let offer = self.offer(at, account, About::ACCOUNT, EventType::TrafficStopped, fact);
        let mail = account.email().map(|address| {
            let kind = MailKind::TrafficStopped(stop);
            self.mail(at, account.id(), &address, kind)
        });
        offer.into_iter().chain(mail).collect()
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::webhook::endpoint::{EndpointSecret, SigningKeys};

    use super::*;

    fn subscription(endpoint: u32, types: &[EventType], numbers: &[u32]) -> Subscription {
        Subscription {
            endpoint: EndpointId(endpoint),
            filter: EventFilter {
                types: types.to_vec(),
                numbers: numbers.iter().copied().map(NumberId).collect(),
                channels: Vec::new(),
            },
            is_enabled: true,
            tokens: None,
        }
    }

    fn told(subscriptions: &Subscriptions, kind: EventType, number: u32) -> Vec<(u32, bool)> {
        let targets = subscriptions.targets(kind, Some(NumberId(number)), Some(Channel::Sms));
        targets
            .iter()
            .map(|target| (target.endpoint.0, target.is_missed))
            .collect()
    }

    #[test]
    fn a_status_endpoint_is_told_of_nothing_by_its_filter_and_its_live_tokens_open_the_account() {
        let live = |token: &str, until| LiveKeys {
            keys: SigningKeys {
                secret: EndpointSecret(token.into()),
                private_key: None,
            },
            until,
        };
        let subscriptions = Subscriptions::none();
        assert_eq!(subscriptions.status_target(), None);
        let tokens = [live("new", None), live("old", Some(Timestamp(10)))];
        subscriptions.set(Arc::from([Subscription {
            tokens: Some(Arc::from(tokens)),
            is_enabled: false,
            ..subscription(7, &[EventType::MessageStatus], &[])
        }]));
        for kind in EventType::ALL {
            assert_eq!(told(&subscriptions, *kind, 1), [], "{kind:?}");
        }
        let target = subscriptions.status_target().unwrap();
        assert_eq!((target.endpoint, target.is_missed), (EndpointId(7), true));
        for (token, at, opens) in [
            ("new", 9, true),
            ("new", 11, true),
            ("old", 9, true),
            ("old", 10, false),
            ("", 9, false),
            ("ne", 9, false),
        ] {
            let opened = subscriptions.opens(token, Timestamp(at));
            assert_eq!(opened, opens, "{token} at {at}");
        }
    }

    #[test]
    fn those_are_told_whose_filter_lets_the_event_pass_and_disabled_ones_miss_it() {
        let subscriptions = Subscriptions::none();
        assert_eq!(told(&subscriptions, EventType::MessageReceived, 1), []);
        let disabled = Subscription {
            is_enabled: false,
            ..subscription(3, &[EventType::MessageReceived], &[1])
        };
        subscriptions.set(Arc::from([
            subscription(1, &[EventType::MessageReceived], &[]),
            subscription(2, &[EventType::NumberAdded], &[1]),
            disabled,
        ]));
        let received = told(&subscriptions, EventType::MessageReceived, 1);
        assert_eq!(received, [(1, false), (3, true)]);
        let other = told(&subscriptions, EventType::MessageReceived, 2);
        assert_eq!(other, [(1, false)]);
        for kind in EventType::ALL {
            let told = told(&subscriptions, *kind, 1);
            let wanted = [EventType::MessageReceived, EventType::NumberAdded].contains(kind);
            assert_eq!(!told.is_empty(), wanted, "{kind:?}");
        }
        subscriptions.set(Arc::from([subscription(4, &[], &[])]));
        for kind in EventType::ALL {
            assert_eq!(told(&subscriptions, *kind, 9), [(4, false)], "{kind:?}");
        }
    }
}
