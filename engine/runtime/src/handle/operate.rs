//! Operators' commands at the door, and customers' on their account and numbers: each is durable before it
//! is answered.

use didfarm_core::account::{AccountCommand, ApiKey, RateLimit};
use didfarm_core::delivery::InFlight;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{AccountId, MessageId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::number::{Number, NumberCommand};
use didfarm_core::quiet::QuietHours;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

use super::EngineHandle;
use crate::actors::delivery::DeliveryInput;
use crate::actors::number::SetNumber;
use crate::actors::partition::{PartitionInput, faulted};
use crate::actors::root::{AddNumber, CreateAccount, ListAccounts, OnAccount};
use crate::admission::Permit;
use crate::directory::{KEY_ID_CHARS, KEY_PREFIX, hash_key, key_id};
use crate::idempotency::Guard;
use crate::operate::{AccountView, NewAccount, NewKey, NewNumber, OperateError, Resolution};
use crate::send::Unavailable;

/// Shortest key that an operator may give, in bytes.
pub const KEY_BYTES_MIN: usize = 20;
/// Longest key that an operator may give, in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Random bytes of a key's secret.
const KEY_SECRET_BYTES: usize = 32;

impl EngineHandle {
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
        self.top_up_guarded(account, amount, None).await
    }

    /// Adds money to a wallet, under an idempotency key if there is a guard.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn top_up_guarded(
        &self,
        account: AccountId,
        amount: Micros,
        guard: Option<Box<Guard>>,
    ) -> Result<AccountView, OperateError> {
        let command = AccountCommand::TopUp(amount);
        self.on_account_guarded(account, command, guard).await
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

    /// Sets where an account's notices are mailed to; `None` for nowhere.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_email(
        &self,
        account: AccountId,
        email: Option<&str>,
    ) -> Result<AccountView, OperateError> {
        let command = AccountCommand::SetEmail(email.map(Box::from));
        self.on_account(account, command).await
    }

    /// Sets below which an account's wallet counts as low; `None` for the settings' default.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_low_balance(
        &self,
        account: AccountId,
        threshold: Option<Micros>,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::SetLowBalance(threshold))
            .await
    }

    /// Sets when an account sends nothing, in the recipient's time; `None` for never.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_quiet_hours(
        &self,
        account: AccountId,
        hours: Option<QuietHours>,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::SetQuietHours(hours))
            .await
    }

    /// Sets what an account may spend on messages a day; `None` for the settings' default.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_spend_cap(
        &self,
        account: AccountId,
        cap: Option<Micros>,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::SetSpendCap(cap))
            .await
    }

    pub(super) async fn on_account(
        &self,
        account: AccountId,
        command: AccountCommand,
    ) -> Result<AccountView, OperateError> {
        self.on_account_guarded(account, command, None).await
    }

    pub(super) async fn on_account_guarded(
        &self,
        account: AccountId,
        command: AccountCommand,
        guard: Option<Box<Guard>>,
    ) -> Result<AccountView, OperateError> {
        let _permit = self.operators_permit()?;
        let (reply, answer) = oneshot::channel();
        self.root.do_send(OnAccount {
            account,
            command,
            guard,
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

    /// An account.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn account(&self, id: AccountId) -> Result<AccountView, OperateError> {
        let mut accounts = self.accounts().await.into_iter();
        let found = accounts.find(|account| account.id == id);
        found.ok_or(OperateError::AccountUnknown { account: id })
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
