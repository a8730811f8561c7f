//! The directory: which key opens which account, and which number is whose. Read on every request.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use didfarm_core::account::ApiKey;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::Number;
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::account::AccountHandle;

/// The prefix of keys that we make: `df_live_<id>_<secret>`.
pub(crate) const KEY_PREFIX: &str = "df_live_";
/// Digits of a key's public part.
pub(crate) const KEY_ID_CHARS: usize = 8;

/// What every thread looks up.
#[derive(Default)]
pub(crate) struct Directory {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    accounts: FxHashMap<AccountId, Arc<AccountHandle>>,
    /// By the first eight bytes of the key's hash.
    keys: FxHashMap<u64, Key>,
    /// Keys on their way to an account, by the same eight bytes.
    claimed: FxHashSet<u64>,
    numbers: FxHashMap<NumberId, Arc<Number>>,
    by_e164: FxHashMap<E164, NumberId>,
}

struct Key {
    hash: [u8; 32],
    account: Arc<AccountHandle>,
}

/// The public part of a key, for people: it opens nothing.
///
/// A key of an operator's own making has none: the start of its hash serves.
pub(crate) fn key_id(key: &str, hash: &[u8; 32]) -> Box<str> {
    match key
        .strip_prefix(KEY_PREFIX)
        .and_then(|rest| rest.split_once('_'))
    {
        Some((id, _)) if id.len() == KEY_ID_CHARS => id.into(),
        Some(_) | None => hash[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
    }
}

/// Where a key is found: a part of its hash, so that nothing of the key shows in how long that takes.
fn slot(hash: &[u8; 32]) -> u64 {
    let start: [u8; 8] = hash[..8]
        .try_into()
        .expect("a hash is longer than eight bytes");
    u64::from_le_bytes(start)
}

/// What is stored of a key.
pub(crate) fn hash_key(presented: &str) -> [u8; 32] {
    Sha256::digest(presented.as_bytes()).into()
}

impl Directory {
    pub(crate) fn add_account(&self, account: Arc<AccountHandle>) {
        self.write().accounts.insert(account.id(), account);
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<Arc<AccountHandle>> {
        self.read().accounts.get(&id).cloned()
    }

    /// Every account, in no order.
    pub(crate) fn accounts(&self) -> Vec<Arc<AccountHandle>> {
        self.read().accounts.values().cloned().collect()
    }

    pub(crate) fn add_key(&self, account: &Arc<AccountHandle>, key: &ApiKey) {
        let entry = Key {
            hash: key.hash,
            account: Arc::clone(account),
        };
        self.write().keys.insert(slot(&key.hash), entry);
    }

    /// Claims a key for one account; `false` when it is in use or claimed.
    pub(crate) fn claim_key(&self, hash: &[u8; 32]) -> bool {
        let mut tables = self.write();
        !tables.keys.contains_key(&slot(hash)) && tables.claimed.insert(slot(hash))
    }

    /// Gives a claim up, whatever came of it.
    pub(crate) fn release_key(&self, hash: &[u8; 32]) {
        self.write().claimed.remove(&slot(hash));
    }

    /// The account that a presented key opens. The work is the same for an unknown and for a wrong key.
    pub(crate) fn authenticate(&self, presented: &str) -> Option<Arc<AccountHandle>> {
        let hash = hash_key(presented);
        let tables = self.read();
        let known = tables.keys.get(&slot(&hash));
        let stored = known.map_or([0; 32], |key| key.hash);
        let equal: bool = stored.ct_eq(&hash).into();
        known.filter(|_| equal).map(|key| Arc::clone(&key.account))
    }

    pub(crate) fn set_number(&self, number: &Number) {
        let mut tables = self.write();
        tables.by_e164.insert(number.e164, number.id);
        tables.numbers.insert(number.id, Arc::new(number.clone()));
    }

    pub(crate) fn number_id(&self, e164: E164) -> Option<NumberId> {
        self.read().by_e164.get(&e164).copied()
    }

    pub(crate) fn number(&self, id: NumberId) -> Option<Arc<Number>> {
        self.read().numbers.get(&id).cloned()
    }

    /// The number, if it is this account's.
    pub(crate) fn own_number(&self, id: NumberId, account: AccountId) -> Option<Arc<Number>> {
        self.number(id).filter(|number| number.account == account)
    }

    /// Whether the number is this account's.
    pub(crate) fn owned(&self, id: NumberId, account: AccountId) -> bool {
        let tables = self.read();
        let number = tables.numbers.get(&id);
        number.is_some_and(|number| number.account == account)
    }

    pub(crate) fn numbers_of(&self, account: AccountId) -> Vec<Arc<Number>> {
        let tables = self.read();
        let mut numbers: Vec<Arc<Number>> = tables
            .numbers
            .values()
            .filter(|number| number.account == account)
            .cloned()
            .collect();
        numbers.sort_by_key(|number| number.id);
        numbers
    }

    /// The ids of some numbers of any account, in no order.
    pub(crate) fn some_numbers(
        &self,
        max: usize,
        wanted: impl Fn(&Number) -> bool,
    ) -> Vec<NumberId> {
        let tables = self.read();
        let numbers = tables.numbers.values().filter(|number| wanted(number));
        numbers.take(max).map(|number| number.id).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}
