//! Webhook endpoints at the door: commands, each durable before it is answered. Reads are in [`reads`].

mod reads;

use std::net::SocketAddr;
use std::time::Duration;

use didfarm_core::ids::{AccountId, EndpointId, EventId, NumberId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::endpoint::EndpointSettings;
use didfarm_core::webhook::recovery::{PACE_PER_SECOND, RecoveryFilter, RecoveryScope};
use tokio::sync::oneshot;

use super::EngineHandle;
use crate::account::AccountHandle;
use crate::actors::partition::faulted;
use crate::actors::webhooks::HubInput;
use crate::actors::webhooks::command::{Asked, Command, Reply};
use crate::idempotency::Guard;
use crate::send::Unavailable;
use crate::webhooks::{
    AuthToken, Created, Enabled, EndpointView, InboundUrl, InboundUrlSet, MissedEvents,
    NewEndpoint, OVERLAP_MAX, Rotated, WebhookError,
};

impl EngineHandle {
    /// Refuses the daemon's own listen addresses as addresses of endpoints, in addition to those that
    /// were refused before.
    pub fn refuse_addresses(&self, own: &[SocketAddr]) {
        self.shared.reach.refuse(own);
    }

    /// Makes an endpoint, under an idempotency key if there is a guard.
    ///
    /// # Errors
    /// [`WebhookError::UrlUnfit`], [`WebhookError::Refused`] for settings that do not fit or too many
    /// endpoints, [`WebhookError::Unknown`] for a number that is another's, or
    /// [`WebhookError::Unavailable`].
    pub async fn create_endpoint(
        &self,
        account: AccountId,
        mut new: NewEndpoint,
        guard: Option<Box<Guard>>,
    ) -> Result<Created, WebhookError> {
        new.settings.url = self.judged_url(&new.settings.url)?;
        self.check(account, &new.settings)?;
        if let Some(number) = new.number {
            self.own(account, number)?;
        }
        self.ask(account, |reply| {
            Command::Create(Box::new(new), guard, reply)
        })
        .await
    }

    /// Changes what a customer sets of an endpoint, as far as it differs from `before`, the settings that
    /// the change was made from: one that is made meanwhile is not undone.
    ///
    /// # Errors
    /// As [`EngineHandle::create_endpoint`]; [`WebhookError::Unknown`] when the account has no such
    /// endpoint.
    pub async fn change_endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        before: EndpointSettings,
        mut settings: EndpointSettings,
    ) -> Result<EndpointView, WebhookError> {
        // Only a status endpoint has none, and it gets none.
        if !(before.url.is_empty() && settings.url.is_empty()) {
            settings.url = self.judged_url(&settings.url)?;
        }
        self.check(account, &settings)?;
        let change = Box::new((before, settings));
        self.ask(account, |reply| Command::Change(endpoint, change, reply))
            .await
    }

    /// Makes new keys sign; those before sign as well until the overlap, or that of the settings, ends.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::Unavailable`], or [`WebhookError::Refused`] for an
    /// overlap of more than [`OVERLAP_MAX`].
    pub async fn rotate_keys(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        overlap: Option<Duration>,
    ) -> Result<Rotated, WebhookError> {
        if overlap.is_some_and(|overlap| overlap > OVERLAP_MAX) {
            return Err(didfarm_core::refusal::Refusal::EndpointUnfit {
                field: "overlap_seconds",
                why: "it is 30 days at most",
            }
            .into());
        }
        self.ask(account, |reply| Command::Rotate(endpoint, overlap, reply))
            .await
    }

    /// Lets an endpoint be sent to again, and says what it missed meanwhile.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::Unavailable`] or [`WebhookError::Damaged`].
    pub async fn enable_endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
    ) -> Result<Enabled, WebhookError> {
        let asked = self.ask(account, |reply| Command::Enable(endpoint, reply));
        let (view, missed_since) = asked.await?;
        let Some(since) = missed_since else {
            return Ok(Enabled { view, missed: None });
        };
        let until = self.shared.now().plus_ms(1);
        let filter = RecoveryFilter {
            since,
            until,
            types: Vec::new(),
            scope: RecoveryScope::Undelivered,
        };
        let count = self.count_recoverable(account, endpoint, filter).await?;
        let missed = MissedEvents {
            count,
            since,
            until,
        };
        Ok(Enabled {
            view,
            missed: Some(missed),
        })
    }

    /// Lets an endpoint not be sent to: what waits for it and what happens meanwhile is missed.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] or [`WebhookError::Unavailable`].
    pub async fn disable_endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
    ) -> Result<EndpointView, WebhookError> {
        self.ask(account, |reply| Command::Disable(endpoint, reply))
            .await
    }

    /// Deletes an endpoint and what waits for it.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] or [`WebhookError::Unavailable`].
    pub async fn delete_endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
    ) -> Result<(), WebhookError> {
        self.ask(account, |reply| Command::Delete(endpoint, reply))
            .await
    }

    /// One endpoint, with its recovery, if there ever was one.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] or [`WebhookError::Unavailable`].
    pub async fn endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
    ) -> Result<EndpointView, WebhookError> {
        self.look(account, |reply| Command::View(endpoint, reply))
            .await
    }

    /// The account's endpoints by id, those of its numbers included.
    ///
    /// # Errors
    /// [`WebhookError::Unavailable`].
    pub async fn endpoints(&self, account: AccountId) -> Result<Vec<EndpointView>, WebhookError> {
        self.look(account, Command::List).await
    }

    /// Sends one event to an endpoint again, and says when it is due. It is sent even to an endpoint that
    /// is disabled, and leaves the endpoint's health alone.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::Unavailable`] or [`WebhookError::Damaged`].
    pub async fn resend(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        event: EventId,
    ) -> Result<Timestamp, WebhookError> {
        self.ask(account, |reply| Command::Resend(endpoint, event, reply))
            .await
    }

    /// Puts the events of a time range in line for an endpoint, at a pace of so many a second.
    ///
    /// # Errors
    /// [`WebhookError::RecoveryUnfit`], [`WebhookError::RecoveryRunning`], [`WebhookError::Unknown`] or
    /// [`WebhookError::Unavailable`].
    pub async fn recover(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        filter: RecoveryFilter,
        pace_per_second: u32,
    ) -> Result<EndpointView, WebhookError> {
        check_range(&filter)?;
        if !PACE_PER_SECOND.contains(&pace_per_second) {
            return Err(WebhookError::RecoveryUnfit {
                field: "per_second",
                why: "it is 1 to 10,000",
            });
        }
        self.ask(account, |reply| {
            Command::Recover(endpoint, filter, pace_per_second, reply)
        })
        .await
    }

    /// Ends an endpoint's recovery; what is in line already is sent.
    ///
    /// # Errors
    /// [`WebhookError::RecoveryNotRunning`], [`WebhookError::Unknown`] or
    /// [`WebhookError::Unavailable`].
    pub async fn cancel_recovery(
        &self,
        account: AccountId,
        endpoint: EndpointId,
    ) -> Result<EndpointView, WebhookError> {
        self.ask(account, |reply| Command::CancelRecovery(endpoint, reply))
            .await
    }

    /// Sends an endpoint an example of each of these types, or of every type if there are none.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] or [`WebhookError::Unavailable`].
    pub async fn test_endpoint(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        types: &[EventType],
    ) -> Result<Vec<(EventId, EventType)>, WebhookError> {
        let types = if types.is_empty() {
            EventType::ALL
        } else {
            types
        };
        let mut types = types.to_vec();
        types.sort_unstable();
        types.dedup();
        self.ask(account, |reply| Command::Test(endpoint, types, reply))
            .await
    }

    /// The URL that a number's inbound messages are sent to.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] or [`WebhookError::Unavailable`].
    pub async fn inbound_url(
        &self,
        account: AccountId,
        number: NumberId,
    ) -> Result<Option<InboundUrl>, WebhookError> {
        self.own(account, number)?;
        self.look(account, |reply| Command::InboundUrl(number, reply))
            .await
    }

    /// The normal form of a URL where a message's status is to be told; the account has a status endpoint
    /// then, which calls it.
    ///
    /// # Errors
    /// [`WebhookError::UrlUnfit`], [`WebhookError::Refused`] for too many endpoints, or
    /// [`WebhookError::Unavailable`].
    pub async fn status_url(
        &self,
        account: &AccountHandle,
        url: &str,
    ) -> Result<Box<str>, WebhookError> {
        let url = self.judged_url(url)?;
        if account.status_target().is_none() {
            self.ask(account.id(), Command::WantStatus).await?;
        }
        Ok(url)
    }

    /// Makes a new auth token for Twilio's dialect; the one before opens the account until the overlap of
    /// the settings ends.
    ///
    /// # Errors
    /// [`WebhookError::Refused`] for too many endpoints, or [`WebhookError::Unavailable`].
    pub async fn renew_auth_token(&self, account: AccountId) -> Result<AuthToken, WebhookError> {
        self.ask(account, Command::RenewToken).await
    }

    /// Sets the URL that a number's inbound messages are sent to, or lets it have none: makes, changes or
    /// deletes the endpoint behind it.
    ///
    /// # Errors
    /// As [`EngineHandle::create_endpoint`].
    pub async fn set_inbound_url(
        &self,
        account: AccountId,
        number: NumberId,
        url: Option<&str>,
    ) -> Result<InboundUrlSet, WebhookError> {
        self.own(account, number)?;
        let url = url.map(|url| self.judged_url(url)).transpose()?;
        self.ask(account, |reply| Command::SetInboundUrl(number, url, reply))
            .await
    }

    /// The endpoints that are disabled by themselves, that fail or that much waits for, at most so many.
    pub async fn troubled_endpoints(&self, limit: usize) -> Vec<EndpointView> {
        let (reply, answer) = oneshot::channel();
        self.shared
            .webhooks
            .push(HubInput::ListTroubled(limit, reply));
        answer.await.unwrap_or_default()
    }

    /// Hands a command to the webhook supervisor.
    async fn ask<T>(
        &self,
        account: AccountId,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, WebhookError> {
        self.shared.gate()?;
        self.look(account, command).await
    }

    /// The same for what changes nothing: it is answered while nothing new is taken.
    async fn look<T>(
        &self,
        account: AccountId,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, WebhookError> {
        let permit = self.shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            account,
            command: command(reply),
            permit,
        };
        self.shared.webhooks.push(HubInput::Asked(Box::new(asked)));
        faulted(answer.await)
    }

    /// Judges a URL as [`EngineHandle::set_inbound_url`] would.
    ///
    /// # Errors
    /// [`WebhookError::UrlUnfit`].
    pub fn judge_url(&self, url: &str) -> Result<(), WebhookError> {
        self.judged_url(url).map(drop)
    }

    fn judged_url(&self, url: &str) -> Result<Box<str>, WebhookError> {
        self.shared.reach.judge(url).map_err(|error| {
            let why = error.to_string();
            WebhookError::UrlUnfit { why }
        })
    }

    fn check(&self, account: AccountId, settings: &EndpointSettings) -> Result<(), WebhookError> {
        settings.check()?;
        let mut numbers = settings.filter.numbers.iter();
        numbers.try_for_each(|number| self.own(account, *number))
    }

    fn own(&self, account: AccountId, number: NumberId) -> Result<(), WebhookError> {
        match self.shared.directory.owned(number, account) {
            true => Ok(()),
            false => Err(WebhookError::NO_NUMBER),
        }
    }
}

fn check_range(filter: &RecoveryFilter) -> Result<(), WebhookError> {
    if filter.since < filter.until {
        return Ok(());
    }
    Err(WebhookError::RecoveryUnfit {
        field: "until",
        why: "it is later than since",
    })
}
