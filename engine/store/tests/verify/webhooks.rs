//! Breaches of V14 to V18: endpoints and their events, what waits, attempts, mails, rules.

use didfarm_core::ids::{AccountId, EndpointId, NumberId};
use didfarm_core::mail::WaitingMail;
use didfarm_core::webhook::endpoint::EndpointState;
use didfarm_store::records::MAILS_GIVEN_UP_MAX;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::{AttemptRow, PendingRow, ResultState};

use crate::rich::Rich;
use crate::shelves::{alter, put, remove, rename, rows};
use crate::{Case, check};

const ENDPOINT: fn(&Rich) -> String = |rich| rich.endpoint.to_string();
const IDLE: fn(&Rich) -> String = |rich| rich.idle.to_string();
const WAITING: fn(&Rich) -> String = |rich| rich.waiting.to_string();
const TOLD: fn(&Rich) -> String = |rich| rich.told.to_string();
const MAIL: fn(&Rich) -> String = |rich| rich.mail.to_string();
const NUMBER: fn(&Rich) -> String = |rich| rich.number.to_string();

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn v14_events_and_endpoints_agree_with_their_accounts() {
    check(&[
        Case {
            name: "an event under another account",
            invariants: &["V10"],
            subject: WAITING,
            alter: |rich| {
                let foreign = keys::event(rich.rival, rich.waiting);
                rename(
                    &rich.records,
                    MAPS.events,
                    &rich.event_key(rich.waiting),
                    &foreign,
                );
            },
        },
        Case {
            name: "an event of an account that is none",
            invariants: &["V14", "V10"],
            subject: WAITING,
            alter: |rich| rich.alter_event(rich.waiting, |row| row.event.account = AccountId(99)),
        },
        Case {
            name: "an endpoint named twice by an event",
            invariants: &["V14"],
            subject: TOLD,
            alter: |rich| {
                rich.alter_event(rich.told, |row| {
                    let mut again = row.results[0].clone();
                    again.attempts.clear();
                    row.results.push(again);
                })
            },
        },
        Case {
            name: "a result at another account's endpoint",
            invariants: &["V14"],
            subject: TOLD,
            alter: |rich| {
                rich.alter_event(rich.told, |row| {
                    let mut foreign = row.results[0].clone();
                    foreign.attempts.clear();
                    foreign.endpoint = rich.idle;
                    row.results.push(foreign);
                })
            },
        },
        Case {
            name: "a due time of what is delivered",
            invariants: &["V14"],
            subject: WAITING,
            alter: |rich| {
                rich.alter_event(rich.waiting, |row| {
                    row.results[0].state = ResultState::Delivered
                })
            },
        },
        Case {
            name: "an attempt that was not counted",
            invariants: &["V14"],
            subject: TOLD,
            alter: |rich| rich.alter_event(rich.told, |row| row.results[0].made -= 1),
        },
        Case {
            name: "an endpoint of an account that is none",
            invariants: &["V14"],
            subject: IDLE,
            alter: |rich| {
                rich.alter_endpoint(rich.idle, |found| found.endpoint.account = AccountId(99))
            },
        },
        Case {
            name: "an endpoint of a number that is none",
            invariants: &["V14"],
            subject: IDLE,
            alter: |rich| {
                rich.alter_endpoint(rich.idle, |found| {
                    found.endpoint.number = Some(NumberId(99))
                })
            },
        },
        Case {
            name: "an endpoint of another account's number",
            invariants: &["V14"],
            subject: IDLE,
            alter: |rich| {
                rich.alter_endpoint(rich.idle, |found| found.endpoint.number = Some(rich.number))
            },
        },
    ]);
}

#[test]
fn v15_what_waits_is_what_events_say() {
    fn row(rich: &Rich, change: fn(&mut PendingRow)) {
        alter(&rich.records, MAPS.pending, &rich.pending_key(), change);
    }
    check(&[
        Case {
            name: "an event that is lost from the line",
            invariants: &["V15", "V10"],
            subject: WAITING,
            alter: |rich| remove(&rich.records, MAPS.pending, &rich.pending_key()),
        },
        Case {
            name: "an event that waits until another time",
            invariants: &["V15"],
            subject: WAITING,
            alter: |rich| {
                let due = rich.farm.due(rich.endpoint, rich.waiting).plus_ms(1);
                let late = keys::pending(rich.endpoint, due, rich.waiting);
                rename(&rich.records, MAPS.pending, &rich.pending_key(), &late);
            },
        },
        Case {
            name: "an event that waits and was delivered",
            invariants: &["V15"],
            subject: WAITING,
            alter: |rich| {
                rich.alter_event(rich.waiting, |row| {
                    row.results[0].state = ResultState::Delivered;
                    row.results[0].due = None;
                })
            },
        },
        Case {
            name: "an event that waits after another number of attempts",
            invariants: &["V15"],
            subject: WAITING,
            alter: |rich| row(rich, |row| row.made += 1),
        },
        Case {
            name: "an event that waits in another conversation",
            invariants: &["V15"],
            subject: WAITING,
            alter: |rich| {
                row(rich, |row| {
                    row.conversation = Some(didfarm_core::ids::ConversationId(1))
                })
            },
        },
        Case {
            name: "an endpoint that is lost while something waits for it",
            invariants: &["V15", "V10"],
            subject: WAITING,
            alter: |rich| {
                let key = keys::id(rich.endpoint.get());
                remove(&rich.records, MAPS.endpoints, &key)
            },
        },
        Case {
            name: "an endpoint that counts what does not wait",
            invariants: &["V15"],
            subject: ENDPOINT,
            alter: |rich| rich.alter_endpoint(rich.endpoint, |found| found.pending += 1),
        },
        Case {
            name: "a deleted endpoint for which nothing waits",
            invariants: &["V15"],
            subject: IDLE,
            alter: |rich| {
                rich.alter_endpoint(rich.idle, |found| {
                    found.endpoint.state = EndpointState::Deleted
                })
            },
        },
    ]);
}

#[test]
fn v16_attempts_are_those_that_events_name_and_whole() {
    check(&[
        Case {
            name: "an attempt that is lost",
            invariants: &["V16", "V10"],
            subject: TOLD,
            alter: |rich| {
                (0..3)
                    .for_each(|part| remove(&rich.records, MAPS.attempts, &rich.attempt_key(part)))
            },
        },
        Case {
            name: "an attempt that no result names",
            invariants: &["V16"],
            subject: TOLD,
            alter: |rich| rich.alter_event(rich.told, |row| row.results[0].attempts.truncate(1)),
        },
        Case {
            name: "a body without its last part",
            invariants: &["V16", "V10"],
            subject: TOLD,
            alter: |rich| remove(&rich.records, MAPS.attempts, &rich.attempt_key(2)),
        },
        Case {
            name: "a body without a part in the middle",
            invariants: &["V16", "V10"],
            subject: |rich| format!("attempt {}", hex(&rich.attempt_key(2))),
            alter: |rich| remove(&rich.records, MAPS.attempts, &rich.attempt_key(1)),
        },
        Case {
            name: "a part behind the last",
            invariants: &["V16"],
            subject: |rich| format!("attempt {}", hex(&rich.attempt_key(3))),
            alter: |rich| {
                let [key, behind] = [2, 3].map(|part| rich.attempt_key(part));
                rename(&rich.records, MAPS.attempts, &key, &behind)
            },
        },
        Case {
            name: "an attempt of another endpoint",
            invariants: &["V16"],
            subject: |rich| format!("attempt {}", hex(&rich.attempt_key(0))),
            alter: |rich| {
                alter(
                    &rich.records,
                    MAPS.attempts,
                    &rich.attempt_key(0),
                    |row: &mut AttemptRow| row.attempt.endpoint = EndpointId(2),
                )
            },
        },
    ]);
}

#[test]
fn v17_mails_lie_under_their_own_keys_and_the_ring_keeps_the_last() {
    fn mail(rich: &Rich, change: fn(&mut WaitingMail)) {
        alter(&rich.records, MAPS.mails, &rich.mail_key(), change);
    }
    check(&[
        Case {
            name: "a mail of an account that is none",
            invariants: &["V17"],
            subject: MAIL,
            alter: |rich| mail(rich, |waiting| waiting.mail.account = AccountId(99)),
        },
        Case {
            name: "a mail under another's key",
            invariants: &["V10"],
            subject: |_| didfarm_core::ids::MailId(2).to_string(),
            alter: |rich| mail(rich, |waiting| waiting.mail.id.0 = 2),
        },
        Case {
            name: "a mail that is due before it was queued",
            invariants: &["V17"],
            subject: MAIL,
            alter: |rich| {
                mail(rich, |waiting| {
                    waiting.queued_at = waiting.queued_at.plus_ms(1)
                })
            },
        },
        Case {
            name: "a place behind the ring",
            invariants: &["V17"],
            subject: |_| format!("given up mail {}", hex(&keys::id(MAILS_GIVEN_UP_MAX))),
            alter: |rich| {
                let [own, behind] = [0, MAILS_GIVEN_UP_MAX].map(keys::id);
                rename(&rich.records, MAPS.mails_given_up, &own, &behind)
            },
        },
    ]);
}

#[test]
fn v18_rules_are_whole_and_of_numbers_that_exist() {
    fn key(rich: &Rich, part: u8) -> [u8; 5] {
        keys::auto_reply(rich.number, part)
    }
    check(&[
        Case {
            name: "rules without their last part",
            invariants: &["V18", "V10"],
            subject: NUMBER,
            alter: |rich| remove(&rich.records, MAPS.auto_replies, &key(rich, 2)),
        },
        Case {
            name: "rules without their first part",
            invariants: &["V18", "V10"],
            subject: NUMBER,
            alter: |rich| remove(&rich.records, MAPS.auto_replies, &key(rich, 0)),
        },
        Case {
            name: "a part of other rules",
            invariants: &["V18"],
            subject: NUMBER,
            alter: |rich| {
                let rows = rows(&rich.records, MAPS.auto_replies);
                let (_, mut value) = rows.into_iter().nth(1).unwrap();
                value.truncate(100);
                put(&rich.records, MAPS.auto_replies, &key(rich, 1), Some(value));
            },
        },
        Case {
            name: "rules of a number that is none",
            invariants: &["V18"],
            subject: |_| NumberId(99).to_string(),
            alter: |rich| {
                let own = keys::auto_reply(rich.foreign, 0);
                let foreign = keys::auto_reply(NumberId(99), 0);
                rename(&rich.records, MAPS.auto_replies, &own, &foreign)
            },
        },
    ]);
}
