//! V19, and what rounds and reads make of idempotency keys.

use didfarm_core::channel::Channel;
use didfarm_core::idempotency::{Fingerprint, Guarded, GuardedAnswer, KeyHash, Slot};
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::time::Timestamp;
use didfarm_store::records::Records;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::GuardedRow;

use crate::farm::Farm;
use crate::guards::AGE_S;
use crate::rich::{PEER, Rich};
use crate::rounds::assert_sound;
use crate::shelves::{alter, records_of, rename, rows};
use crate::{Case, check};

const SUBJECT: fn(&Rich) -> String = |rich| subject(&rich.guarded_key(0));

fn subject(key: &[u8]) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("idempotency key {hex}")
}

fn row(rich: &Rich, change: impl FnOnce(&mut GuardedRow)) {
    alter(&rich.records, MAPS.guarded, &rich.guarded_key(0), change);
}

#[test]
fn v19_a_key_leads_to_what_its_own_entry_did() {
    check(&[
        Case {
            name: "a key of an account that is none",
            invariants: &["V19"],
            subject: SUBJECT,
            alter: |rich| row(rich, |row| row.account = AccountId(99)),
        },
        Case {
            name: "a key of another account than its message",
            invariants: &["V19"],
            subject: SUBJECT,
            alter: |rich| row(rich, |row| row.account = rich.rival),
        },
        Case {
            name: "a key of a message that is lost",
            invariants: &["V19"],
            subject: SUBJECT,
            alter: |rich| {
                row(rich, |row| {
                    row.answer = GuardedAnswer::Message(MessageId(1 << 40), None)
                })
            },
        },
        Case {
            name: "a key of an inbound message",
            invariants: &["V19"],
            subject: SUBJECT,
            alter: |rich| {
                row(rich, |row| {
                    row.answer = GuardedAnswer::Message(rich.inbound, None);
                    row.account = rich.rival;
                })
            },
        },
        Case {
            name: "a key of a message that another entry made",
            invariants: &["V19"],
            subject: SUBJECT,
            alter: |rich| row(rich, |row| row.at = row.at.plus_ms(1)),
        },
        Case {
            name: "a key of another account than its endpoint",
            invariants: &["V19"],
            subject: |rich| subject(&rich.guarded_key(1)),
            alter: |rich| {
                let key = rich.guarded_key(1);
                let change = |row: &mut GuardedRow| row.account = rich.rival;
                alter(&rich.records, MAPS.guarded, &key, change)
            },
        },
        Case {
            name: "a key of a mail that is still to be made",
            invariants: &["V10"],
            subject: |_| "the meta row".into(),
            alter: |rich| {
                let key = rich.guarded_key(2);
                let change = |row: &mut GuardedRow| {
                    row.answer = GuardedAnswer::Mail(didfarm_core::ids::MailId(99))
                };
                alter(&rich.records, MAPS.guarded, &key, change)
            },
        },
        Case {
            name: "a row whose key is none",
            invariants: &["V10"],
            subject: |_| subject(b"short"),
            alter: |rich| rename(&rich.records, MAPS.guarded, &rich.guarded_key(0), b"short"),
        },
    ]);
}

/// A farm with a message of a number, and its records' rows of keys.
fn farm() -> (Farm, AccountId, didfarm_core::ids::NumberId) {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 1_000_000);
    let number = farm.number(account, "+31201234567");
    (farm, account, number)
}

fn guarded(
    farm: &mut Farm,
    (account, number): (AccountId, didfarm_core::ids::NumberId),
    key: u128,
) -> Guarded {
    let message = farm.send(number, PEER, Channel::Sms, "hello");
    farm.guard(account, key, GuardedAnswer::Message(message, None))
}

fn found(records: &Records, guarded: &Guarded) -> Option<GuardedRow> {
    records.guarded(guarded.slot, guarded.key).unwrap()
}

#[test]
fn a_key_is_found_with_what_it_was_answered_until_it_is_forgotten() {
    let (mut farm, account, number) = farm();
    let [first, second] = [1, 2].map(|key| guarded(&mut farm, (account, number), key));
    let records = records_of(&farm.entries);
    let row = found(&records, &first).unwrap();
    let told = (row.account, row.fingerprint, row.answer);
    assert_eq!(told, (account, Fingerprint(2), first.answer.clone()));
    assert_eq!(records.guarded(first.slot, KeyHash(3)).unwrap(), None);
    assert_eq!(records.meta().unwrap().counts.guarded, 2);
    farm.forget_keys(&[&first]);
    farm.forget_keys(&[&first]);
    let records = records_of(&farm.entries);
    assert_eq!(found(&records, &first), None);
    assert!(found(&records, &second).is_some());
    assert_eq!(records.meta().unwrap().counts.guarded, 1);
    assert_sound(&records);
}

#[test]
fn slots_are_listed_and_old_keys_come_from_the_front() {
    let (mut farm, account, number) = farm();
    let mut all = Vec::new();
    for day in 0..4i64 {
        for key in 0..3 {
            let message = farm.send(number, PEER, Channel::Sms, "hello");
            // Days apart, as the entries of a farm are not.
            let last = farm.entries.last_mut().unwrap();
            last.at = Timestamp(last.at.0 + day * 86_400_000_000);
            all.push(farm.guard(account, key, GuardedAnswer::Message(message, None)));
        }
    }
    let records = records_of(&farm.entries);
    assert_eq!(rows(&records, MAPS.guarded).len(), 12);
    let slots = records.guarded_slots().unwrap();
    let mut wanted: Vec<Slot> = all.iter().map(|guarded| guarded.slot).collect();
    wanted.dedup();
    assert_eq!((slots.len(), &slots), (4, &wanted));
    let place = |guarded: &Guarded| (guarded.slot, guarded.key);
    let page = records.guarded_page(None, 5).unwrap();
    assert_eq!(page, all[..5].iter().map(place).collect::<Vec<_>>());
    let rest = records.guarded_page(page.last().copied(), 100).unwrap();
    assert_eq!(rest, all[5..].iter().map(place).collect::<Vec<_>>());
    let at = |place: usize| found(&records, &all[place]).unwrap().at;
    for (upto, limit, count) in [
        (Timestamp(at(0).0 - 1), 100, 0),
        (at(0), 100, 1),
        (at(4), 100, 5),
        (at(11), 7, 7),
        (at(11), 100, 12),
    ] {
        let old = records.old_keys(upto, limit).unwrap();
        let old: Vec<_> = old.iter().map(|(slot, key, _)| (*slot, *key)).collect();
        let wanted: Vec<_> = all[..count].iter().map(place).collect();
        assert_eq!(old, wanted);
    }
    assert_eq!(keys::guarded_of(b"short"), None);
    assert_eq!(Slot::length_s(AGE_S), 86_400);
}
