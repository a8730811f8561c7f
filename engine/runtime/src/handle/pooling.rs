//! Pools at the door: made, changed and taken away, each durable before it is answered, and read from memory.

use std::sync::Arc;

use didfarm_core::account::AccountCommand;
use didfarm_core::ids::{NumberId, PoolId};
use didfarm_core::pool::Pool;
use didfarm_core::refusal::Refusal;

use super::EngineHandle;
use crate::account::AccountHandle;
use crate::idempotency::Guard;
use crate::operate::OperateError;
use crate::pools::PoolView;

impl EngineHandle {
    /// The account's pools, by id.
    pub fn pools(&self, account: &AccountHandle) -> Vec<PoolView> {
        let pools = account.pools().all();
        let view = |pool: &Arc<_>| self.shared.pool_view(pool);
        pools.iter().map(view).collect()
    }

    /// Whether the account has any pool.
    pub fn has_pools(&self, account: &AccountHandle) -> bool {
        !account.pools().all().is_empty()
    }

    /// A pool, if it is the account's.
    pub fn pool(&self, account: &AccountHandle, id: PoolId) -> Option<PoolView> {
        let (pool, _) = account.pools().get(id)?;
        Some(self.shared.pool_view(&pool))
    }

    /// A pool as it was when it was made.
    pub fn created_pool(&self, pool: &Pool) -> PoolView {
        self.shared.view_of(pool)
    }

    /// Makes a pool, under an idempotency key if there is a guard.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn create_pool(
        &self,
        account: &AccountHandle,
        name: &str,
        numbers: Vec<NumberId>,
        guard: Option<Box<Guard>>,
    ) -> Result<PoolView, OperateError> {
        self.check_own(account, &numbers)?;
        let command = AccountCommand::CreatePool {
            name: name.into(),
            numbers: numbers.clone(),
        };
        let done = self
            .on_account_guarded(account.id(), command, guard)
            .await?;
        let id = done.pool.expect("a pool that is made has an id");
        Ok(self.created_pool(&Pool {
            id,
            name: name.into(),
            numbers,
        }))
    }

    /// Changes a pool; `None` leaves as it is.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn change_pool(
        &self,
        account: &AccountHandle,
        id: PoolId,
        name: Option<&str>,
        numbers: Option<Vec<NumberId>>,
    ) -> Result<PoolView, OperateError> {
        self.check_own(account, numbers.as_deref().unwrap_or_default())?;
        let command = AccountCommand::ChangePool {
            id,
            name: name.map(Box::from),
            numbers,
        };
        self.on_account_guarded(account.id(), command, None).await?;
        let unknown = Refusal::PoolUnknown { pool: id };
        // Somebody else may have taken it away by now.
        self.pool(account, id).ok_or(unknown.into())
    }

    /// Takes a pool away.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn delete_pool(
        &self,
        account: &AccountHandle,
        id: PoolId,
    ) -> Result<(), OperateError> {
        let command = AccountCommand::DeletePool(id);
        self.on_account_guarded(account.id(), command, None).await?;
        Ok(())
    }

    /// A number stays its account's for good: what holds here holds when the command is decided.
    fn check_own(&self, account: &AccountHandle, numbers: &[NumberId]) -> Result<(), Refusal> {
        let owned = |number: &&NumberId| self.shared.directory.owned(**number, account.id());
        match numbers.iter().find(|number| !owned(number)) {
            None => Ok(()),
            Some(number) => Err(Refusal::NumberUnknown {
                number: number.to_string(),
            }),
        }
    }
}
