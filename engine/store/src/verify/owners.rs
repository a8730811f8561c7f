//! Accounts and numbers: read whole into small tables, which the rules of everything else look at.

use std::collections::BTreeMap;

use didfarm_core::account::Account;
use didfarm_core::add_on::SmsMonth;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::Number;
use rustc_hash::FxHashMap;

use super::audit::Audit;
use super::maps::{ACCOUNTS, NUMBERS};
use crate::records::keys::{self, MAPS};

/// What is remembered of an account.
pub(super) struct Wallet {
    /// What its record says.
    pub balance: i64,
    /// What its ledger came to so far; wide enough that no ledger overflows it.
    pub sum: i128,
    /// Whether the sum was below zero after any entry.
    pub was_below_zero: bool,
    /// Whether an entry told another balance than the sum after it.
    pub was_mistold: bool,
    /// The count of the last pool that it ever had.
    pub pool_last: u32,
}

/// What is remembered of a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosted {
    pub account: AccountId,
    pub e164: E164,
}

/// Every account and every number.
#[derive(Default)]
pub(super) struct Owners {
    pub wallets: BTreeMap<AccountId, Wallet>,
    pub numbers: FxHashMap<NumberId, Hosted>,
    /// The last month of SMS that the ledger has of a number.
    pub months: FxHashMap<NumberId, SmsMonth>,
}

/// Reads the accounts (V11: keys) and the numbers (V5: owner, hosted once).
pub(super) fn check(audit: &mut Audit<'_>) -> Owners {
    let mut owners = Owners::default();
    let mut key_owners: FxHashMap<[u8; 32], AccountId> = FxHashMap::default();
    audit.walk(&ACCOUNTS, |audit, key, account| {
        let Account {
            id,
            balance,
            pool_last,
            ..
        } = account;
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("account", key, id);
        }
        audit.report.accounts += 1;
        audit.highest.account = audit.highest.account.max(id.get());
        let wallet = Wallet {
            balance: balance.as_micros(),
            sum: 0,
            was_below_zero: false,
            was_mistold: false,
            pool_last,
        };
        owners.wallets.insert(id, wallet);
        for api_key in account.keys {
            if let Some(other) = key_owners.insert(api_key.hash, id) {
                let sentence = format!("its API key {} has the hash of one of {other}", api_key.id);
                audit.breach("V11", id, sentence);
            }
        }
    });
    let mut hosted: FxHashMap<E164, NumberId> = FxHashMap::default();
    audit.walk(&NUMBERS, |audit, key, number| {
        let Number {
            id, account, e164, ..
        } = number;
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("number", key, id);
        }
        audit.report.numbers += 1;
        audit.highest.number = audit.highest.number.max(id.get());
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&account) {
            audit.breach("V5", id, format!("its account {account} does not exist"));
        }
        if let Some(other) = hosted.insert(e164, id) {
            audit.breach("V5", id, format!("it is the same number as {other}"));
        }
        owners.numbers.insert(id, Hosted { account, e164 });
    });
    owners
}
