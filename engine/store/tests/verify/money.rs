//! Breaches of V2 and V3: the ledger, charges, refunds, segments.

use didfarm_core::add_on::SmsMonth;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::segments::Encoding;
use didfarm_core::time::Timestamp;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::{LedgerCause, LedgerEntry};

use crate::rich::Rich;
use crate::shelves::{alter_meta, put_record, remove, rename, rows};
use crate::{Case, check};

const ACCOUNT: fn(&Rich) -> String = |rich| rich.account.to_string();
const QUEUED: fn(&Rich) -> String = |rich| rich.queued.to_string();
const DELIVERED: fn(&Rich) -> String = |rich| rich.delivered.to_string();
const REFUSED: fn(&Rich) -> String = |rich| rich.refused.to_string();
const INBOUND: fn(&Rich) -> String = |rich| rich.inbound.to_string();

/// Adds a ledger entry and keeps balance and count in step, so that only the entry itself is wrong.
fn add_entry(rich: &Rich, cause: LedgerCause, amount: i64) {
    let key = keys::ledger(rich.account, rich.records.meta().unwrap().seq, 99);
    let amount = Micros::new(amount);
    let account = rich.records.account(rich.account).unwrap().unwrap();
    let entry = LedgerEntry {
        at: Timestamp(1),
        amount,
        balance: account.balance.checked_add(amount).unwrap(),
        cause,
    };
    put_record(&rich.records, MAPS.ledger, &key, &entry);
    rich.alter_account(rich.account, |account| {
        account.balance = account.balance.checked_add(amount).unwrap();
    });
    alter_meta(&rich.records, |meta| meta.counts.ledger += 1);
}

/// Has every entry tell the balance after it anew, so that only what was altered is wrong.
fn retell(rich: &Rich) {
    let mut balances = std::collections::BTreeMap::new();
    for (key, value) in rows(&rich.records, MAPS.ledger) {
        let mut entry: LedgerEntry = didfarm_store::records::codec::decode(&value).unwrap();
        let balance = balances.entry(key[..4].to_vec()).or_insert(Micros::ZERO);
        *balance = balance.checked_add(entry.amount).unwrap();
        entry.balance = *balance;
        put_record(&rich.records, MAPS.ledger, &key, &entry);
    }
}

fn remove_entry(rich: &Rich, cause: LedgerCause, amount: i64) {
    remove(&rich.records, MAPS.ledger, &rich.ledger_key(cause));
    retell(rich);
    rich.alter_account(rich.account, |account| {
        account.balance = account.balance.checked_sub(Micros::new(amount)).unwrap();
    });
    alter_meta(&rich.records, |meta| meta.counts.ledger -= 1);
}

#[test]
fn v2_every_movement_of_money_is_accounted_for() {
    check(&[
        Case {
            name: "a balance above the ledger",
            invariants: &["V2"],
            subject: ACCOUNT,
            alter: |rich| {
                rich.alter_account(rich.account, |account| account.balance = Micros::new(7))
            },
        },
        Case {
            name: "a top-up that comes after what it pays for",
            invariants: &["V2"],
            subject: ACCOUNT,
            alter: |rich| {
                let key = rich.ledger_key(LedgerCause::TopUp);
                let late = keys::ledger(rich.account, rich.records.meta().unwrap().seq, 99);
                rename(&rich.records, MAPS.ledger, &key, &late);
                retell(rich);
            },
        },
        Case {
            name: "a top-up of less than nothing",
            invariants: &["V2"],
            subject: ACCOUNT,
            alter: |rich| add_entry(rich, LedgerCause::TopUp, -5),
        },
        Case {
            name: "an outbound message without a charge",
            invariants: &["V2"],
            subject: QUEUED,
            alter: |rich| remove_entry(rich, LedgerCause::Charge(rich.queued), -8_000),
        },
        Case {
            name: "a second charge",
            invariants: &["V2"],
            subject: QUEUED,
            alter: |rich| add_entry(rich, LedgerCause::Charge(rich.queued), -8_000),
        },
        Case {
            name: "a charge that is not the message's",
            invariants: &["V2"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_ledger(LedgerCause::Charge(rich.queued), |entry| {
                    entry.amount = Micros::new(-9_000)
                });
                rich.alter_account(rich.account, |account| {
                    account.balance = account.balance.checked_sub(Micros::new(1_000)).unwrap();
                });
                retell(rich);
            },
        },
        Case {
            name: "a charge for an inbound message",
            invariants: &["V2"],
            subject: INBOUND,
            alter: |rich| add_entry(rich, LedgerCause::Charge(rich.inbound), -8_000),
        },
        Case {
            name: "a refund of what was not refunded",
            invariants: &["V2"],
            subject: DELIVERED,
            alter: |rich| add_entry(rich, LedgerCause::Refund(rich.delivered), 8_000),
        },
        Case {
            name: "a second refund",
            invariants: &["V2"],
            subject: REFUSED,
            alter: |rich| add_entry(rich, LedgerCause::Refund(rich.refused), 8_000),
        },
        Case {
            name: "a refunded message without its refund",
            invariants: &["V2"],
            subject: REFUSED,
            alter: |rich| remove_entry(rich, LedgerCause::Refund(rich.refused), 8_000),
        },
        Case {
            name: "a refused message that was never given back",
            invariants: &["V2"],
            subject: REFUSED,
            alter: |rich| {
                remove_entry(rich, LedgerCause::Refund(rich.refused), 8_000);
                rich.alter_message(rich.refused, |message| message.refunded = false);
            },
        },
        Case {
            name: "a refund of a delivered message",
            invariants: &["V2"],
            subject: DELIVERED,
            alter: |rich| {
                add_entry(rich, LedgerCause::Refund(rich.delivered), 8_000);
                rich.alter_message(rich.delivered, |message| message.refunded = true);
            },
        },
        Case {
            name: "a refund of what was given up and may have arrived",
            invariants: &["V2"],
            subject: |rich| rich.given_up.to_string(),
            alter: |rich| {
                add_entry(rich, LedgerCause::Refund(rich.given_up), 8_000);
                rich.alter_message(rich.given_up, |message| message.refunded = true);
            },
        },
        Case {
            name: "a refusal after it was given up that was never given back",
            invariants: &["V2"],
            subject: |rich| rich.given_back.to_string(),
            alter: |rich| {
                remove_entry(rich, LedgerCause::Refund(rich.given_back), 8_000);
                rich.alter_message(rich.given_back, |message| message.refunded = false);
            },
        },
        Case {
            name: "a refund of an open delivery",
            invariants: &["V2"],
            subject: QUEUED,
            alter: |rich| {
                add_entry(rich, LedgerCause::Refund(rich.queued), 8_000);
                rich.alter_message(rich.queued, |message| message.refunded = true);
            },
        },
        Case {
            name: "an entry of an account that is none",
            invariants: &["V2"],
            subject: |_| AccountId(77).to_string(),
            alter: |rich| {
                let key = keys::ledger(AccountId(77), rich.records.meta().unwrap().seq, 0);
                let entry = LedgerEntry {
                    at: Timestamp(1),
                    amount: Micros::new(1),
                    balance: Micros::new(1),
                    cause: LedgerCause::TopUp,
                };
                put_record(&rich.records, MAPS.ledger, &key, &entry);
                alter_meta(&rich.records, |meta| meta.counts.ledger += 1);
            },
        },
    ]);
}

#[test]
fn v19_every_entry_tells_the_balance_after_it_and_a_month_is_paid_once() {
    check(&[
        Case {
            name: "an entry that tells another balance",
            invariants: &["V20"],
            subject: ACCOUNT,
            alter: |rich| {
                rich.alter_ledger(LedgerCause::Charge(rich.queued), |entry| {
                    entry.balance = Micros::new(1)
                });
            },
        },
        Case {
            name: "a month that is paid twice",
            invariants: &["V20"],
            subject: |_| NumberId(1).to_string(),
            alter: |rich| {
                let month = SmsMonth {
                    since: Timestamp(1),
                    month: 3,
                };
                let cause = LedgerCause::SmsMonthly(NumberId(1), month);
                add_entry(rich, cause, -1);
                let first = rich.ledger_key(cause);
                let second = keys::ledger(rich.account, rich.records.meta().unwrap().seq, 98);
                rename(&rich.records, MAPS.ledger, &first, &second);
                add_entry(rich, cause, -1);
            },
        },
    ]);
}

#[test]
fn v3_segments_encoding_and_charge_follow_from_the_body() {
    check(&[
        Case {
            name: "a body that takes more segments",
            invariants: &["V3"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_message(rich.queued, |message| message.body = "x".repeat(161).into())
            },
        },
        Case {
            name: "a body of another encoding",
            invariants: &["V3"],
            subject: INBOUND,
            alter: |rich| {
                rich.alter_message(rich.inbound, |message| message.encoding = Encoding::Ucs2)
            },
        },
        Case {
            name: "a count of segments",
            invariants: &["V3"],
            subject: |rich| rich.long.to_string(),
            alter: |rich| rich.alter_message(rich.long, |message| message.segments = 2),
        },
        Case {
            name: "a charge that is no whole price for each segment",
            invariants: &["V3", "V2", "V6"],
            subject: |rich| rich.long.to_string(),
            alter: |rich| {
                rich.alter_message(rich.long, |message| message.charge = Micros::new(24_001))
            },
        },
        Case {
            name: "an outbound message for nothing",
            invariants: &["V3", "V2"],
            subject: DELIVERED,
            alter: |rich| {
                rich.alter_message(rich.delivered, |message| message.charge = Micros::ZERO)
            },
        },
        Case {
            name: "an inbound message that costs something",
            invariants: &["V3"],
            subject: INBOUND,
            alter: |rich| {
                rich.alter_message(rich.inbound, |message| message.charge = Micros::new(8_000))
            },
        },
    ]);
}
