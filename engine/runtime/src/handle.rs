//! The one door for everyone outside: sends, health, drains. Operators' commands are in [`operate`],
//! reads in [`reads`], consent in [`consent`], limits against fraud in [`abuse`], what carriers bring in [`callbacks`].

mod abuse;
pub(crate) mod batches;
pub(crate) mod callbacks;
mod consent;
mod idempotency;
mod limits;
mod mails;
mod operate;
mod pooling;
mod reads;
mod schedule;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Addr;
use didfarm_carriers::callback::Inbound;
use didfarm_core::conversation::SendMessage;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, CarrierId, NumberId};
use didfarm_core::number::Number;
use didfarm_core::price::PriceList;
use didfarm_core::refusal::Refusal;
use didfarm_core::segments;
use tokio::sync::oneshot;

use self::callbacks::hand_in;
pub use self::operate::{KEY_BYTES_MAX, KEY_BYTES_MIN};
use crate::abuse::Counted;
use crate::account::AccountHandle;
use crate::actors::conversation::{ReceiveReply, SendCommand, SendReply};
use crate::actors::partition::{PartitionInput, faulted};
use crate::actors::root::RootSupervisor;
use crate::carriers::Faces;
use crate::health::Readiness;
use crate::idempotency::Guard;
use crate::pools::{self, Chosen, PoolClaim, Want};
use crate::receive::{ReceiveError, ReceivedMessage};
use crate::send::{
    Priority, SendError, SendRequest, Sender, SentMessage, Unavailable, charge, validity_ms,
};
use crate::shared::Shared;

/// How often a drain looks whether it is over.
const DRAIN_POLL: Duration = Duration::from_millis(2);

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    shared: Arc<Shared>,
    root: Addr<RootSupervisor>,
    faces: Arc<Faces>,
}

impl EngineHandle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        root: Addr<RootSupervisor>,
        faces: Arc<Faces>,
    ) -> EngineHandle {
        EngineHandle {
            shared,
            root,
            faces,
        }
    }

    /// What the engine's threads share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The account that a presented key opens, compared in constant time. Never blocks on I/O.
    pub fn authenticate(&self, presented: &str) -> Option<Arc<AccountHandle>> {
        self.shared.directory.authenticate(presented)
    }

    /// The account of this id, if a presented secret opens it: one of its API keys, or its auth token. Never
    /// blocks on I/O.
    pub fn authenticate_as(
        &self,
        account: AccountId,
        presented: &str,
    ) -> Option<Arc<AccountHandle>> {
        let by_key = self.authenticate(presented);
        if let Some(owner) = by_key {
            return (owner.id() == account).then_some(owner);
        }
        let owner = self.shared.directory.account(account)?;
        owner.opens(presented, self.shared.now()).then_some(owner)
    }

    /// Sends a message: when this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is kept of the message then.
    pub async fn send(
        &self,
        account: &Arc<AccountHandle>,
        request: SendRequest,
    ) -> Result<SentMessage, SendError> {
        self.send_guarded(account, request, None).await
    }

    /// As [`EngineHandle::send`], under an idempotency key if there is a guard.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is kept of the message then, and its key is free.
    pub async fn send_guarded(
        &self,
        account: &Arc<AccountHandle>,
        mut request: SendRequest,
        guard: Option<Box<Guard>>,
    ) -> Result<SentMessage, SendError> {
        let smart_encoded = request.encode();
        let handed_over = match self.sender(account, &request).await {
            Ok((own, claim)) => self.hand_over(account, (own, claim), request, guard),
            Err(error) => Err(error),
        };
        let answer = match handed_over {
            Ok(answer) => answer,
            Err(error) => {
                self.shared.meters.refused(&error);
                return Err(error);
            }
        };
        let sent = faulted(answer.await);
        if let Err(error @ SendError::Unavailable(Unavailable::Faulted)) = &sent {
            self.shared.meters.refused(error);
        }
        sent.map(|sent| SentMessage {
            smart_encoded,
            ..sent
        })
    }

    /// The number that sends a message. One of a pool is claimed for the peer.
    async fn sender(
        &self,
        account: &Arc<AccountHandle>,
        request: &SendRequest,
    ) -> Result<(Arc<Number>, Option<Box<PoolClaim>>), SendError> {
        let shared = &self.shared;
        shared.gate()?;
        let Sender::Pool(pool) = request.from else {
            return Ok((self.own_number(account, request.from)?, None));
        };
        let _permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
        let want = Want {
            pool,
            peer: request.to.clone(),
            channel: request.channel,
        };
        let mut chosen = pools::choose(shared, account, vec![want]).await;
        let Chosen { number, claim } = chosen.pop().expect("each message has its answer")?;
        Ok((number, Some(claim)))
    }

    fn hand_over(
        &self,
        account: &Arc<AccountHandle>,
        (own, claim): (Arc<Number>, Option<Box<PoolClaim>>),
        request: SendRequest,
        guard: Option<Box<Guard>>,
    ) -> Result<oneshot::Receiver<Result<SentMessage, SendError>>, SendError> {
        let shared = &self.shared;
        let peer = request.to.clone();
        let (message, counted) = self.prepare(account, &own, request)?;
        let permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
        let limit = account.take().map_err(|wait| SendError::RateLimited {
            limit: account.limit(),
            wait,
        })?;
        let (reply, answer) = oneshot::channel();
        let command = SendCommand {
            number: own.id,
            peer,
            message,
            account: Arc::clone(account),
            counted,
            guard,
            place: None,
            reply: SendReply::One(reply, limit),
            claim,
            permit: Some(permit),
        };
        shared
            .partition_of(own.id)
            .push(PartitionInput::Send(Box::new(command)));
        Ok(answer)
    }

    /// Judges a message by what its conversation need not be asked for: where it goes, when, at what price.
    fn prepare(
        &self,
        account: &Arc<AccountHandle>,
        own: &Number,
        request: SendRequest,
    ) -> Result<(SendMessage, Counted), SendError> {
        let shared = &self.shared;
        let counted = shared.abuse.judge(account, &request.to, shared.now())?;
        let routes = &shared.routes;
        if routes
            .targets(own.e164, &request.to, request.channel)
            .is_empty()
        {
            return Err(Refusal::NoRoute.into());
        }
        let send_at = schedule::send_at_for(
            shared,
            account,
            (own.e164, &request.to),
            request.send_at,
            request.priority,
        )?;
        if send_at.is_some() {
            schedule::check_room(shared, account)?;
        }
        let segmentation = segments::count(&request.body);
        let (segments, available) = (segmentation.segments, account.balance());
        let charge = charge(&shared.prices, &request.to, segments, available)?;
        let validity_ms = validity_ms(&shared.settings, request.validity);
        let message = SendMessage {
            channel: request.channel,
            body: request.body,
            segmentation,
            charge,
            content: request.content,
            valid_until: send_at.unwrap_or_else(|| shared.now()).plus_ms(validity_ms),
            send_at,
            auto_reply: None,
            batch: None,
            status_url: request.status_url,
            is_urgent: request.priority == Priority::Otp,
        };
        Ok((message, counted))
    }

    /// The price list in force.
    pub(crate) fn prices(&self) -> &PriceList {
        &self.shared.prices
    }

    /// One of the account's numbers; a pool is none.
    pub(crate) fn own_number(
        &self,
        account: &AccountHandle,
        sender: Sender,
    ) -> Result<Arc<Number>, Refusal> {
        let directory = &self.shared.directory;
        let (id, name) = match sender {
            Sender::Number(e164) => (directory.number_id(e164), e164.to_string()),
            Sender::Id(id) => (Some(id), id.to_string()),
            Sender::Pool(pool) => return Err(Refusal::PoolUnknown { pool }),
        };
        id.and_then(|id| directory.own_number(id, account.id()))
            .ok_or(Refusal::NumberUnknown { number: name })
    }

    /// Takes an inbound message that a carrier brings by hand: when this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn receive(
        &self,
        carrier: CarrierId,
        inbound: Inbound,
    ) -> Result<ReceivedMessage, ReceiveError> {
        let shared = &self.shared;
        shared.gate()?;
        let unknown = || Refusal::NumberUnknown {
            number: inbound.to.to_string(),
        };
        let number = shared.directory.number_id(inbound.to).ok_or_else(unknown)?;
        let permit = shared.callbacks.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let reply = ReceiveReply::Caller(reply);
        hand_in(shared, number, carrier, inbound, reply, Some(permit));
        faulted(answer.await)
    }

    /// The account's numbers, by id.
    pub fn numbers(&self, account: AccountId) -> Vec<Number> {
        let numbers = self.shared.directory.numbers_of(account);
        numbers.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// A number by what it is, if it is the account's.
    pub fn number_by_e164(&self, account: AccountId, e164: E164) -> Option<NumberId> {
        let id = self.shared.directory.number_id(e164)?;
        Some(self.number(account, id)?.id)
    }

    /// A number, if it is the account's.
    pub fn number(&self, account: AccountId, id: NumberId) -> Option<Arc<Number>> {
        self.shared.directory.own_number(id, account)
    }

    /// Whether new work is taken.
    pub fn readiness(&self) -> Readiness {
        self.shared.readiness()
    }

    /// How long a refused caller should wait.
    pub fn retry_after(&self) -> Duration {
        self.shared.retry_after()
    }

    /// Refuses new work from now on.
    pub fn begin_drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Waits until nothing is under way; `false` when the bound passes first.
    pub async fn drained(&self, bound: Duration) -> bool {
        let shared = &self.shared;
        // A submit that is not answered before the end is in doubt after it.
        let idle = || {
            shared.admission.under_way() == 0
                && shared.rows.under_way() == 0
                && shared.callbacks.under_way() == 0
                && !shared.hands_over.load(Ordering::Acquire)
                && shared.mails_trying.is_empty()
                && shared.unanswered.load(Ordering::Acquire) == 0
        };
        let until = tokio::time::Instant::now() + bound;
        while !idle() {
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        true
    }
}
