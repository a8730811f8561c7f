//! A webhook endpoint: an account's URL with its secrets, its filter and its health.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::EventType;
use super::attempt::{AfterAttempt, Attempt, AttemptClass};
use super::recovery::Recovery;
use super::schedule::RetrySchedule;
use crate::channel::Channel;
use crate::ids::{AccountId, EndpointId, EventId, NumberId};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Endpoints that one account may have, those of its numbers included.
pub const ENDPOINTS_MAX: usize = 200;
/// Entries of each list of a filter.
pub const FILTER_ENTRIES_MAX: usize = 64;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 200;
/// Keys that sign at once: the newest, and older ones until their overlap ends.
pub const KEYS_MAX: usize = 8;
/// Highest rate that may be set, in attempts a second.
pub const RATE_PER_SECOND_MAX: u32 = 10_000;
/// How often an account is mailed at most that events of one endpoint were exhausted, in milliseconds.
pub const MAIL_INTERVAL_MS: u64 = 3_600_000;
/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// A signing secret in its public spelling (`whsec_…` or `whsk_…`). It is shown once, and never in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointSecret(pub Box<str>);

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSecret(..)")
    }
}

/// What signs: a shared secret, and a private key where the customer asked for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeys {
    /// The shared secret, `whsec_…`, for `v1` signatures.
    pub secret: EndpointSecret,
    /// The private key, `whsk_…`, for `v1a` signatures.
    pub private_key: Option<EndpointSecret>,
}

/// Keys and how long they sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveKeys {
    /// The keys.
    pub keys: SigningKeys,
    /// When its overlap ends; `None` for the newest.
    pub until: Option<Timestamp>,
}

/// Which payload an endpoint is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PayloadForm {
    /// Flat, with `event: "message.received"`.
    #[default]
    #[serde(rename = "m")]
    Message,
    /// Nested, with `event: "sms.received"` and `data`.
    #[serde(rename = "s")]
    Sms,
    /// A form as Twilio posts it, signed as Twilio signs.
    #[serde(rename = "t")]
    Twilio,
}

impl PayloadForm {
    /// Every form.
    pub const ALL: [PayloadForm; 3] = [PayloadForm::Message, PayloadForm::Sms, PayloadForm::Twilio];

    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PayloadForm::Message => "message",
            PayloadForm::Sms => "sms",
            PayloadForm::Twilio => "twilio",
        }
    }

    /// Whether an event of this type can be told in it: Twilio has a form only for messages.
    pub fn tells(self, kind: EventType) -> bool {
        match self {
            PayloadForm::Message | PayloadForm::Sms => true,
            PayloadForm::Twilio => {
                matches!(kind, EventType::MessageReceived | EventType::MessageStatus)
            }
        }
    }

    /// Reads the word of public JSON.
    pub fn parse(text: &str) -> Option<PayloadForm> {
        PayloadForm::ALL
            .into_iter()
            .find(|form| form.as_str() == text)
    }
}

/// What an endpoint is told of. Empty lists let everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventFilter {
    /// Only these types.
    pub types: Vec<EventType>,
    /// Only what is about these numbers.
    pub numbers: Vec<NumberId>,
    /// Only what is on these channels.
    pub channels: Vec<Channel>,
}

impl EventFilter {
    /// Whether an event passes: one without a number or channel passes no filter that names some.
    pub fn passes(
        &self,
        kind: EventType,
        number: Option<NumberId>,
        channel: Option<Channel>,
    ) -> bool {
        let among = |listed: bool, empty: bool| empty || listed;
        among(self.types.contains(&kind), self.types.is_empty())
            && among(
                number.is_some_and(|number| self.numbers.contains(&number)),
                self.numbers.is_empty(),
            )
            && among(
                channel.is_some_and(|channel| self.channels.contains(&channel)),
                self.channels.is_empty(),
            )
    }
}

/// What a customer sets of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSettings {
    /// Where events are sent; checked by the webhooks' rules of addresses.
    pub url: Box<str>,
    /// What people call it.
    pub description: Box<str>,
    /// What it is told of.
    pub filter: EventFilter,
    /// Which payload it is sent.
    pub form: PayloadForm,
    /// When failed attempts are made again.
    pub schedule: RetrySchedule,
    /// Whether the events of one conversation are sent in their order, each once the one before is
    /// done.
    pub is_ordered: bool,
    /// Attempts a second at most.
    pub rate_per_second: Option<u32>,
}

impl EndpointSettings {
    /// Checks what core can judge.
    ///
    /// # Errors
    /// [`Refusal::EndpointUnfit`] with the field at fault.
    pub fn check(&self) -> Result<(), Refusal> {
        let unfit = |field, why| Err(Refusal::EndpointUnfit { field, why });
        if self.url.len() > URL_BYTES_MAX {
            return unfit("url", "it has 2,048 bytes at most");
        }
        if self.description.chars().count() > DESCRIPTION_CHARS_MAX
            || self.description.chars().any(char::is_control)
        {
            return unfit(
                "description",
                "it has 200 characters at most, none of them a control character",
            );
        }
        let EventFilter {
            types,
            numbers,
            channels,
        } = &self.filter;
        let longest = types.len().max(numbers.len()).max(channels.len());
        if longest > FILTER_ENTRIES_MAX {
            return unfit("filter", "each list has 64 entries at most");
        }
        if self
            .rate_per_second
            .is_some_and(|rate| !(1..=RATE_PER_SECOND_MAX).contains(&rate))
        {
            return unfit("rate_per_second", "it is 1 to 10,000");
        }
        let told_all = types.iter().all(|kind| self.form.tells(*kind));
        if self.form == PayloadForm::Twilio && (types.is_empty() || !told_all) {
            let why = "with the payload twilio it names message.received, message.status, or both";
            return unfit("event_types", why);
        }
        self.schedule.check()
    }
}

impl EndpointSettings {
    /// Takes over what differs between `before` and `after`: a change that was made from settings that
    /// may have been changed since undoes none of those changes.
    pub fn take_changes(&mut self, before: &EndpointSettings, after: EndpointSettings) {
        fn take<T: PartialEq>(own: &mut T, before: &T, after: T) {
            if *before != after {
                *own = after;
            }
        }
        let EventFilter {
            types,
            numbers,
            channels,
        } = after.filter;
        take(&mut self.url, &before.url, after.url);
        take(
            &mut self.description,
            &before.description,
            after.description,
        );
        take(&mut self.filter.types, &before.filter.types, types);
        take(&mut self.filter.numbers, &before.filter.numbers, numbers);
        take(&mut self.filter.channels, &before.filter.channels, channels);
        take(&mut self.form, &before.form, after.form);
        take(&mut self.schedule, &before.schedule, after.schedule);
        take(&mut self.is_ordered, &before.is_ordered, after.is_ordered);
        let rate = after.rate_per_second;
        take(&mut self.rate_per_second, &before.rate_per_second, rate);
    }
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisableCause {
    /// The customer asked for it.
    #[serde(rename = "c")]
    Customer,
    /// It answered 410 Gone.
    #[serde(rename = "g")]
    Gone,
    /// It failed for as long as the settings allow.
    #[serde(rename = "f")]
    Failing,
}

impl DisableCause {
    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            DisableCause::Customer => "customer",
            DisableCause::Gone => "gone",
            DisableCause::Failing => "failing",
        }
    }
}

/// Whether an endpoint is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointState {
    /// It is.
    #[serde(rename = "e")]
    Enabled,
    /// It is not: what happens meanwhile is missed, and may be recovered.
    #[serde(rename = "d")]
    Disabled {
        /// Why.
        cause: DisableCause,
        /// Since when.
        at: Timestamp,
    },
    /// It is gone, and so is what still waited for it.
    #[serde(rename = "x")]
    Deleted,
}

/// How an endpoint has done. Attempts that a customer asked for by hand do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Since when every attempt failed; `None` after a success.
    pub failing_since: Option<Timestamp>,
    /// When the last attempt succeeded.
    pub succeeded_at: Option<Timestamp>,
    /// When the last attempt was made.
    pub attempted_at: Option<Timestamp>,
    /// How the last attempt ended.
    pub last: Option<AttemptClass>,
    /// Attempts that failed since the last success.
    pub failures: u32,
}

/// The state of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub account: AccountId,
    /// The number whose inbound URL it is; `None` for one of the account's.
    pub number: Option<NumberId>,
    /// Whether it is the account's status endpoint: it has no URL of its own, but calls the one that each
    /// message names for its status.
    pub is_status: bool,
    /// What the customer set.
    pub settings: EndpointSettings,
    /// What signs, newest first.
    pub keys: Vec<LiveKeys>,
    /// Whether it is sent to.
    pub state: EndpointState,
    /// How it has done.
    pub health: Health,
    /// When the account was last mailed that events were exhausted.
    pub mailed_at: Option<Timestamp>,
    /// The recovery that is under way or was last.
    pub recovery: Option<Recovery>,
    /// The oldest of the events that waited for it when it was disabled last and were not sent any more.
    pub dropped_from: Option<EventId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What happened to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointEvent {
    /// It was made.
    #[serde(rename = "c")]
    Created(Box<Endpoint>),
    /// Its settings were changed.
    #[serde(rename = "s")]
    Changed(Box<EndpointSettings>),
    /// New keys sign; those before sign until their overlap ends.
    #[serde(rename = "k")]
    KeysRotated {
        /// The new ones.
        keys: SigningKeys,
        /// When the overlap of those before ends.
        overlap_until: Timestamp,
    },
    /// It was disabled.
    #[serde(rename = "d")]
    Disabled(DisableCause),
    /// It was enabled.
    #[serde(rename = "e")]
    Enabled,
    /// It was deleted.
    #[serde(rename = "x")]
    Deleted,
    /// Events are looked for again.
    #[serde(rename = "r")]
    RecoveryStarted(Box<Recovery>),
    /// A recovery went on, or ended.
    #[serde(rename = "p")]
    RecoveryMoved(Box<Recovery>),
}

impl Endpoint {
    /// Whether it is sent to.
    pub fn is_enabled(&self) -> bool {
        self.state == EndpointState::Enabled
    }

    /// Checks what it is changed to.
    ///
    /// # Errors
    /// [`Refusal::EndpointUnfit`] with the field that a status endpoint may not change.
    pub fn check_change(&self, settings: &EndpointSettings) -> Result<(), Refusal> {
        let unfit = |field, why| Err(Refusal::EndpointUnfit { field, why });
        if !self.is_status {
            return Ok(());
        }
        if settings.url != self.settings.url {
            return unfit("url", "each message names the URL for its own status");
        }
        if settings.filter != self.settings.filter {
            return unfit(
                "event_types",
                "it is told of the status of messages that name a URL",
            );
        }
        if settings.form != self.settings.form {
            return unfit("payload", "it is that of Twilio");
        }
        Ok(())
    }

    /// The keys that sign at this time, newest first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &SigningKeys> {
        self.keys
            .iter()
            .filter(move |live| live.until.is_none_or(|until| now < until))
            .map(|live| &live.keys)
    }

    /// Decides whether an attempt that ended now disables the endpoint.
    ///
    /// `failing_ms_max` is how long an endpoint may fail without a success. A status endpoint is never
    /// disabled: what one message's URL answers says nothing of the others.
    pub fn decide_disable(&self, attempt: &Attempt, failing_ms_max: u64) -> Option<DisableCause> {
        if attempt.is_manual || !self.is_enabled() || self.is_status {
            return None;
        }
        if attempt.class == AttemptClass::Gone {
            return Some(DisableCause::Gone);
        }
        let failing_since = self.health.failing_since?;
        // Never the first failure after a long silence: an event has had all its attempts.
        let is_exhausted = attempt.next == AfterAttempt::Exhausted;
        (is_exhausted && attempt.at.ms_since(failing_since) >= failing_ms_max)
            .then_some(DisableCause::Failing)
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &EndpointEvent, at: Timestamp) {
        match event {
            EndpointEvent::Created(made) => *self = (**made).clone(),
            EndpointEvent::Changed(settings) => {
                if self.settings.url != settings.url {
                    self.forgive();
                }
                self.settings = (**settings).clone();
            }
            EndpointEvent::KeysRotated {
                keys,
                overlap_until,
            } => self.rotate(keys, *overlap_until, at),
            EndpointEvent::Disabled(cause) => {
                self.state = EndpointState::Disabled { cause: *cause, at };
                self.dropped_from = None;
            }
            EndpointEvent::Enabled => {
                self.state = EndpointState::Enabled;
                self.forgive();
            }
            EndpointEvent::Deleted => self.state = EndpointState::Deleted,
            EndpointEvent::RecoveryStarted(recovery) | EndpointEvent::RecoveryMoved(recovery) => {
                self.recovery = Some((**recovery).clone());
            }
        }
    }

    /// What failed until now is not held against it.
    fn forgive(&mut self) {
        self.health.failing_since = None;
        self.health.failures = 0;
    }

    fn rotate(&mut self, keys: &SigningKeys, overlap_until: Timestamp, at: Timestamp) {
        for live in &mut self.keys {
            live.until = Some(
                live.until
                    .map_or(overlap_until, |until| until.min(overlap_until)),
            );
        }
        self.keys
            .retain(|live| live.until.is_some_and(|until| at < until));
        let newest = LiveKeys {
            keys: keys.clone(),
            until: None,
        };
        self.keys.insert(0, newest);
        self.keys.truncate(KEYS_MAX);
    }

    /// Notes events that waited for it and are not sent any more.
    pub fn dropped(&mut self, events: impl IntoIterator<Item = EventId>) {
        self.dropped_from = events.into_iter().chain(self.dropped_from).min();
    }

    /// Since when a disabled endpoint may have missed events: when it was disabled, or when the oldest
    /// event happened that still waited then. `None` for one that is not disabled.
    pub fn missed_since(&self) -> Option<Timestamp> {
        match self.state {
            EndpointState::Disabled { at, .. } => {
                let dropped = self.dropped_from.map(EventId::time);
                Some(dropped.map_or(at, |dropped| at.min(dropped)))
            }
            EndpointState::Enabled | EndpointState::Deleted => None,
        }
    }

    /// Applies the end of an attempt.
    pub fn attempted(&mut self, attempt: &Attempt) {
        if attempt.is_manual {
            return;
        }
        let health = &mut self.health;
        health.attempted_at = Some(attempt.at);
        health.last = Some(attempt.class);
        if attempt.next == AfterAttempt::Delivered {
            health.succeeded_at = Some(attempt.at);
            health.failing_since = None;
            health.failures = 0;
        } else {
            health.failing_since.get_or_insert(attempt.at);
            health.failures = health.failures.saturating_add(1);
        }
    }

    /// Whether the account is mailed about an event that was exhausted now: once an hour.
    pub fn decide_mail(&self, now: Timestamp) -> bool {
        self.mailed_at
            .is_none_or(|at| now < at || now.ms_since(at) >= MAIL_INTERVAL_MS)
    }
}
