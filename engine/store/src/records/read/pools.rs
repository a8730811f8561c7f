//! Reading pools: an account's, by id.

use std::ops::Bound;

use didfarm_core::ids::{AccountId, PoolId};
use didfarm_core::pool::Pool;

use super::Take;
use crate::records::keys::{self, MAPS};
use crate::records::{Records, RecordsError};

impl Records {
    /// The pools of an account.
    ///
    /// # Errors
    /// A record is damaged.
    pub(super) fn pools(&self, account: AccountId) -> Result<Vec<Pool>, RecordsError> {
        let mut pools = Vec::new();
        self.each_pool(Some(account), |pool| {
            if pool.id.account() != account.get() {
                return Take::Stop;
            }
            pools.push(pool);
            Take::Next
        })?;
        Ok(pools)
    }

    /// Walks every pool, by account and id, from those of an account on.
    pub(super) fn each_pool(
        &self,
        from: Option<AccountId>,
        mut visit: impl FnMut(Pool) -> Take,
    ) -> Result<(), RecordsError> {
        let from = match from {
            Some(account) => Bound::Included(keys::id(PoolId::of(account, 0).get()).to_vec()),
            None => Bound::Unbounded,
        };
        self.each(MAPS.pools, "pool", from, |_, pool| Ok(visit(pool)))
    }
}
