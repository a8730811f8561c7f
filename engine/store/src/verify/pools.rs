//! V23: pools, their accounts and their numbers.

use didfarm_core::ids::{NumberId, PoolId};
use didfarm_core::pool::Pool;
use rustc_hash::FxHashMap;

use super::audit::Audit;
use super::maps::POOLS;
use super::owners::Owners;
use crate::records::keys::{self, MAPS};

/// Looks at every pool.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    let mut pooled: FxHashMap<NumberId, PoolId> = FxHashMap::default();
    audit.walk(&POOLS, |audit, key, pool: Pool| {
        audit.report.pools += 1;
        let id = pool.id;
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("pool", key, id);
        }
        if audit.is_whole(MAPS.accounts) {
            let mut wallets = owners.wallets.iter();
            let owner = wallets.find(|(account, _)| account.get() == id.account());
            match owner {
                Some((_, wallet)) if id.ordinal() <= wallet.pool_last => {}
                Some(_) => audit.breach("V23", id, "its account never had so many"),
                None => audit.breach("V23", id, "its account does not exist"),
            }
        }
        for number in pool.numbers {
            let owner = owners.numbers.get(&number);
            let is_own = owner.is_some_and(|hosted| hosted.account.get() == id.account());
            if audit.is_whole(MAPS.numbers) && !is_own {
                audit.breach("V23", id, format!("{number} is no number of its account"));
            }
            if let Some(other) = pooled.insert(number, id) {
                audit.breach("V23", id, format!("{number} is in {other} too"));
            }
        }
    });
}
