//! The one door for everyone outside: commands, operators' work, health. Reads are in [`reads`], what
//! carriers bring is in [`callbacks`].

pub(crate) mod callbacks;
mod reads;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Addr;
use didfarm_carriers::callback::Inbound;
use didfarm_core::account::{AccountCommand, ApiKey, RateLimit};
use didfarm_core::conversation::SendMessage;
use didfarm_core::delivery::InFlight;
use didfarm_core::e164::E164;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{AccountId, CarrierId, MessageId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::number::{Number, NumberCommand};
use didfarm_core::refusal::Refusal;
use didfarm_core::segments;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

use self::callbacks::hand_in;
use crate::account::AccountHandle;
use crate::actors::conversation::{ReceiveReply, SendCommand};
use crate::actors::delivery::DeliveryInput;
use crate::actors::number::SetNumber;
use crate::actors::partition::{PartitionInput, faulted};
use crate::actors::root::{AddNumber, CreateAccount, ListAccounts, OnAccount, RootSupervisor};
use crate::admission::Permit;
use crate::carriers::Faces;
use crate::directory::{KEY_ID_CHARS, KEY_PREFIX, hash_key, key_id};
use crate::health::Readiness;
use crate::operate::{AccountView, NewAccount, NewKey, NewNumber, OperateError, Resolution};
use crate::receive::{ReceiveError, ReceivedMessage};
use crate::send::{SendError, SendRequest, Sender, SentMessage, Unavailable};
use crate::shared::Shared;

/// Shortest key that an operator may give, in bytes.
pub const KEY_BYTES_MIN: usize = 20;
/// Longest key that an operator may give, in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Random bytes of a key's secret.
const KEY_SECRET_BYTES: usize = 32;
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

    /// The account that a presented key opens, compared in constant time. Never blocks on I/O.
    pub fn authenticate(&self, presented: &str) -> Option<Arc<AccountHandle>> {
        self.shared.directory.authenticate(presented)
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
        let answer = match self.hand_over(account, request) {
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
        sent
    }

    fn hand_over(
        &self,
        account: &Arc<AccountHandle>,
        request: SendRequest,
    ) -> Result<oneshot::Receiver<Result<SentMessage, SendError>>, SendError> {
        let shared = &self.shared;
        shared.gate()?;
        let number = self.own_number(account, request.from)?;
        let targets = shared.directory.number(number).map(|own| {
            let table = &shared.routes;
            table
                .targets(own.e164, &request.to, request.channel)
                .is_empty()
        });
        if targets == Some(true) {
            return Err(Refusal::NoRoute.into());
        }
        let segmentation = segments::count(&request.body);
        let price =
            Micros::new(i64::try_from(shared.settings.price.segment_micros).unwrap_or(i64::MAX));
        let unaffordable = Refusal::InsufficientBalance {
            needed: price,
            available: account.balance(),
        };
        let charge = price
            .checked_mul(u64::from(segmentation.segments))
            .ok_or(unaffordable)?;
        let permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
        let limit = account.take().map_err(|wait| SendError::RateLimited {
            limit: account.limit(),
            wait,
        })?;
        let validity_ms = match request.validity {
            Some(validity) => u64::try_from(validity.as_millis()).unwrap_or(u64::MAX),
            None => shared.settings.delivery.validity_ms,
        };
        let validity_ms = validity_ms.min(shared.settings.delivery.validity_max_ms);
        let (reply, answer) = oneshot::channel();
        let command = SendCommand {
            number,
            peer: request.to,
            message: SendMessage {
                channel: request.channel,
                body: request.body,
                segmentation,
                charge,
                content: request.content,
                valid_until: shared.now().plus_ms(validity_ms),
            },
            account: Arc::clone(account),
            limit,
            reply,
            permit,
        };
        shared
            .partition_of(number)
            .push(PartitionInput::Send(Box::new(command)));
        Ok(answer)
    }

    fn own_number(&self, account: &AccountHandle, sender: Sender) -> Result<NumberId, Refusal> {
        let directory = &self.shared.directory;
        let (id, name) = match sender {
            Sender::Number(e164) => (directory.number_id(e164), e164.to_string()),
            Sender::Id(id) => (Some(id), id.to_string()),
        };
        id.filter(|id| directory.owned(*id, account.id()))
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
        self.shared.directory.numbers_of(account)
    }

    /// A number by what it is, if it is the account's.
    pub fn number_by_e164(&self, account: AccountId, e164: E164) -> Option<NumberId> {
        let id = self.shared.directory.number_id(e164)?;
        self.shared.directory.owned(id, account).then_some(id)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn create_account(&self, new: NewAccount) -> Result<AccountView, OperateError> {
        let _permit = self.operators_permit()?;
        let (reply, answer) = oneshot::channel();
        self.root.do_send(CreateAccount { new, reply });
        faulted(answer.await)
    }

    /// Lets a key into an account: a fresh one, or the one given.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn create_key(
        &self,
        account: AccountId,
        given: Option<String>,
    ) -> Result<NewKey, OperateError> {
        let secret = given.unwrap_or_else(fresh_key);
        let fits = (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&secret.len())
            && secret.bytes().all(|byte| byte.is_ascii_graphic());
        let hash = hash_key(&secret);
        if !fits || !self.shared.directory.claim_key(&hash) {
            return Err(OperateError::KeyUnfit {
                bytes_min: KEY_BYTES_MIN,
                bytes_max: KEY_BYTES_MAX,
            });
        }
        let id = key_id(&secret, &hash);
        let key = ApiKey {
            id: id.clone(),
            hash,
        };
        let added = self.on_account(account, AccountCommand::AddKey(key)).await;
        self.shared.directory.release_key(&hash);
        added?;
        Ok(NewKey {
            id: id.into(),
            secret,
        })
    }

    /// Adds money to a wallet.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn top_up(
        &self,
        account: AccountId,
        amount: Micros,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::TopUp(amount))
            .await
    }

    /// Sets an account's own limit.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_rate_limit(
        &self,
        account: AccountId,
        limit: RateLimit,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::SetRateLimit(limit))
            .await
    }

    async fn on_account(
        &self,
        account: AccountId,
        command: AccountCommand,
    ) -> Result<AccountView, OperateError> {
        let _permit = self.operators_permit()?;
        let (reply, answer) = oneshot::channel();
        self.root.do_send(OnAccount {
            account,
            command,
            reply,
        });
        faulted(answer.await)
    }

    /// Operators' commands are under way like any other: a drain waits for them.
    fn operators_permit(&self) -> Result<Permit, Unavailable> {
        self.shared.gate()?;
        self.shared.admission.admit().ok_or(Unavailable::Busy)
    }

    /// Hosts a number.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn add_number(&self, new: NewNumber) -> Result<Number, OperateError> {
        let _permit = self.operators_permit()?;
        let (reply, answer) = oneshot::channel();
        self.root.do_send(AddNumber { new, reply });
        faulted(answer.await)
    }

    /// Changes a number.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_number(
        &self,
        number: NumberId,
        command: NumberCommand,
    ) -> Result<Number, OperateError> {
        let _permit = self.operators_permit()?;
        if self.shared.directory.number(number).is_none() {
            return Err(Refusal::NumberUnknown {
                number: number.to_string(),
            }
            .into());
        }
        let (reply, answer) = oneshot::channel();
        let set = SetNumber {
            number,
            command,
            reply,
        };
        self.shared
            .partition_of(number)
            .push(PartitionInput::Set(set));
        faulted(answer.await)
    }

    /// Settles a message in doubt as an operator found out.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn resolve(
        &self,
        message: MessageId,
        resolution: Resolution,
    ) -> Result<(), OperateError> {
        let _permit = self.operators_permit()?;
        let (reply, answer) = oneshot::channel();
        self.shared
            .delivery
            .push(DeliveryInput::Resolve(message, resolution, reply));
        faulted(answer.await)
    }

    /// The messages in doubt, those that are it longest first.
    pub async fn messages_in_doubt(&self, limit: usize) -> Vec<InFlight> {
        let (reply, answer) = oneshot::channel();
        self.shared
            .delivery
            .push(DeliveryInput::ListInDoubt(limit, reply));
        answer.await.unwrap_or_default()
    }

    /// The parked receipts, those that wait longest first.
    pub async fn parked_receipts(&self, limit: usize) -> Vec<(Timestamp, ParkedReceipt)> {
        let (reply, answer) = oneshot::channel();
        self.shared
            .delivery
            .push(DeliveryInput::ListParked(limit, reply));
        answer.await.unwrap_or_default()
    }

    /// Every account.
    pub async fn accounts(&self) -> Vec<AccountView> {
        self.root.send(ListAccounts).await.unwrap_or_default()
    }

    /// Numbers in quarantine.
    pub fn quarantined(&self) -> Vec<NumberId> {
        self.shared.quarantine.list()
    }

    /// Lets a number out of quarantine; `false` when it was not in.
    pub fn release_number(&self, number: NumberId) -> bool {
        let held = self.shared.quarantine.release(number);
        if held {
            self.shared.delivery.push(DeliveryInput::Released);
        }
        held
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
                && shared.callbacks.under_way() == 0
                && !shared.hands_over.load(Ordering::Acquire)
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

fn fresh_key() -> String {
    let mut random = [0u8; KEY_SECRET_BYTES + KEY_ID_CHARS];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    let text: String = random
        .iter()
        .map(|byte| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[usize::from(byte & 31)]))
        .collect();
    let (id, secret) = text.split_at(KEY_ID_CHARS);
    format!("{KEY_PREFIX}{id}_{secret}")
}
