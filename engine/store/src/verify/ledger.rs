//! V2: every account's balance is what its ledger comes to, and never was below zero. V20: every entry
//! tells the balance after it, and a month of SMS is paid once.

use didfarm_core::ids::AccountId;
use didfarm_core::money::Micros;

use super::audit::Audit;
use super::maps::{self, LEDGER};
use super::owners::Owners;
use super::sides;
use crate::records::keys::MAPS;
use crate::records::round::{LedgerCause, LedgerEntry};

/// The bytes of a ledger key: account, sequence, place.
const KEY_BYTES: usize = 14;

/// Sums the ledgers up and notes every charge and refund as found.
pub(super) fn check(audit: &mut Audit<'_>, owners: &mut Owners) {
    audit.walk(&LEDGER, |audit, key, entry| {
        audit.report.ledger += 1;
        match key.first_chunk() {
            Some(account) if key.len() == KEY_BYTES => {
                let account = AccountId(u32::from_be_bytes(*account));
                add(audit, owners, account, key, &entry);
            }
            Some(_) | None => {
                let subject = format!("key {}", maps::hex(key));
                audit.breach(
                    "V10",
                    subject,
                    "the ledger has a row that is none of its kind",
                );
            }
        }
    });
    if !audit.is_whole(MAPS.ledger) {
        return;
    }
    for (account, wallet) in &owners.wallets {
        if i128::from(wallet.balance) != wallet.sum {
            let balance = Micros::new(wallet.balance);
            let sum = match i64::try_from(wallet.sum) {
                Ok(sum) => Micros::new(sum).to_string(),
                Err(_) => "more than an amount can be".into(),
            };
            let sentence = format!("its balance is {balance}, its ledger comes to {sum}");
            audit.breach("V2", *account, sentence);
        }
    }
}

fn add(audit: &mut Audit<'_>, owners: &mut Owners, id: AccountId, key: &[u8], entry: &LedgerEntry) {
    if let Some(fact) = sides::of_ledger_entry(key, entry) {
        audit.tallies[fact.index() as usize].found(&fact);
    }
    let row = || format!("the ledger entry {} of {}", maps::hex(key), entry.at);
    if entry.cause == LedgerCause::TopUp && entry.amount <= Micros::ZERO {
        audit.breach(
            "V2",
            id,
            format!("{} tops up by {}, which adds nothing", row(), entry.amount),
        );
    }
    check_month(audit, owners, key, entry);
    let Some(wallet) = owners.wallets.get_mut(&id) else {
        if audit.is_whole(MAPS.accounts) {
            audit.breach(
                "V2",
                id,
                format!("{} is of this account, which does not exist", row()),
            );
        }
        return;
    };
    wallet.sum += i128::from(entry.amount.as_micros());
    let sum = wallet.sum;
    let is_told = i128::from(entry.balance.as_micros()) == sum;
    if !is_told && !wallet.was_mistold && audit.is_whole(MAPS.ledger) {
        wallet.was_mistold = true;
        let sentence = format!(
            "{} tells a balance of {}, and the ledger comes to {sum} millionths by then",
            row(),
            entry.balance
        );
        audit.breach("V20", id, sentence);
    }
    let Some(wallet) = owners.wallets.get_mut(&id) else {
        return;
    };
    // Behind an entry that could not be read, the sum says nothing.
    if wallet.sum < 0 && !wallet.was_below_zero && audit.is_whole(MAPS.ledger) {
        wallet.was_below_zero = true;
        audit.breach("V2", id, format!("{} takes its balance below zero", row()));
    }
}

/// Months of SMS on a number follow each other: those of one account lie in the order they were paid in.
fn check_month(audit: &mut Audit<'_>, owners: &mut Owners, key: &[u8], entry: &LedgerEntry) {
    let LedgerCause::SmsMonthly(number, month) = entry.cause else {
        return;
    };
    let before = owners.months.insert(number, month);
    let is_again =
        before.is_some_and(|before| before.since == month.since && month.month <= before.month);
    if is_again || entry.amount > Micros::ZERO {
        let sentence = format!(
            "the ledger entry {} pays month {} of SMS since {}, which was paid, or pays nothing",
            maps::hex(key),
            month.month,
            month.since
        );
        audit.breach("V20", number, sentence);
    }
}
