//! Breaches of V7 to V9: the pair index, the lists, the parked receipts.

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{CarrierId, CarrierMessageId, ConversationId};
use didfarm_core::time::Timestamp;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::{InboxRow, ParkedRow, TimelineRow};

use crate::farm::{carrier_id, e164};
use crate::rich::{PARKED, Rich};
use crate::shelves::{alter, alter_meta, put, put_record, remove, rename};
use crate::{Case, check};

const CONVERSATION: fn(&Rich) -> String = |rich| rich.conversation.to_string();
const OTHER: fn(&Rich) -> String = |rich| rich.other.to_string();
const QUEUED: fn(&Rich) -> String = |rich| rich.queued.to_string();

#[test]
fn v7_pairs_and_conversations_are_the_same_ones() {
    check(&[
        Case {
            name: "no pair row",
            invariants: &["V7", "V10"],
            subject: CONVERSATION,
            alter: |rich| remove(&rich.records, MAPS.pairs, &rich.pair_key(rich.conversation)),
        },
        Case {
            name: "a pair row that leads to another conversation",
            invariants: &["V7"],
            subject: CONVERSATION,
            alter: |rich| {
                let value = keys::id(rich.other.0).to_vec();
                put(
                    &rich.records,
                    MAPS.pairs,
                    &rich.pair_key(rich.conversation),
                    Some(value),
                );
            },
        },
        Case {
            name: "a pair row that leads nowhere",
            invariants: &["V7", "V10"],
            subject: |_| ConversationId(99).to_string(),
            alter: |rich| {
                let key = keys::pair(rich.number, e164("+441632960961"));
                put(&rich.records, MAPS.pairs, &key, Some(keys::id(99).to_vec()));
            },
        },
        Case {
            name: "a conversation with another peer than its pair",
            invariants: &["V7", "V5"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.peer = e164("+441632960961")
                })
            },
        },
    ]);
}

#[test]
fn v8_lists_show_everything_once() {
    check(&[
        Case {
            name: "no timeline row",
            invariants: &["V8", "V10"],
            subject: QUEUED,
            alter: |rich| {
                remove(
                    &rich.records,
                    MAPS.timeline,
                    &rich.timeline_key(rich.queued),
                )
            },
        },
        Case {
            name: "a timeline row of another channel",
            invariants: &["V8"],
            subject: QUEUED,
            alter: |rich| {
                let key = rich.timeline_key(rich.queued);
                alter(
                    &rich.records,
                    MAPS.timeline,
                    &key,
                    |row: &mut TimelineRow| row.channel = Channel::WhatsApp,
                );
            },
        },
        Case {
            name: "a timeline row at another time",
            invariants: &["V8"],
            subject: QUEUED,
            alter: |rich| {
                let other = keys::newest_first(rich.account, Timestamp(1), rich.queued.0);
                rename(
                    &rich.records,
                    MAPS.timeline,
                    &rich.timeline_key(rich.queued),
                    &other,
                );
            },
        },
        Case {
            name: "a second timeline row",
            invariants: &["V8", "V10"],
            subject: QUEUED,
            alter: |rich| {
                let row = TimelineRow {
                    number: rich.number,
                    direction: Direction::Outbound,
                    channel: Channel::Sms,
                };
                let key = keys::newest_first(rich.account, Timestamp(1), rich.queued.0);
                put_record(&rich.records, MAPS.timeline, &key, &row);
            },
        },
        Case {
            name: "no inbox row",
            invariants: &["V8", "V10"],
            subject: OTHER,
            alter: |rich| remove(&rich.records, MAPS.inbox, &rich.inbox_key(rich.other)),
        },
        Case {
            name: "an inbox row that says all is read",
            invariants: &["V8"],
            subject: OTHER,
            alter: |rich| {
                let key = rich.inbox_key(rich.other);
                alter(&rich.records, MAPS.inbox, &key, |row: &mut InboxRow| {
                    row.unread = false
                });
            },
        },
        Case {
            name: "an inbox row of another account",
            invariants: &["V8"],
            subject: OTHER,
            alter: |rich| {
                let key = rich.inbox_key(rich.other);
                let mut other = key;
                other[3] = rich.account.0 as u8;
                rename(&rich.records, MAPS.inbox, &key, &other);
            },
        },
    ]);
}

fn park(rich: &Rich, key: &[u8], id: CarrierMessageId) {
    let receipt = ParkedReceipt {
        carrier: CarrierId::SIMULATOR,
        id,
        claim: Claim::Delivered,
        reason: None,
    };
    let row: ParkedRow = vec![(Timestamp(1), receipt)];
    put_record(&rich.records, MAPS.parked, key, &row);
    alter_meta(&rich.records, |meta| meta.counts.parked += 1);
}

#[test]
fn v9_parked_receipts_lie_where_they_are_looked_for() {
    check(&[
        Case {
            name: "under another key",
            invariants: &["V9"],
            subject: |_| "parked receipts 00010000000000000000".into(),
            alter: |rich| {
                let own = keys::parked(CarrierId::SIMULATOR, &carrier_id(PARKED));
                rename(
                    &rich.records,
                    MAPS.parked,
                    &own,
                    &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                );
            },
        },
        Case {
            name: "an empty row",
            invariants: &["V9"],
            subject: |_| "parked receipts 00010000000000000000".into(),
            alter: |rich| {
                put_record(
                    &rich.records,
                    MAPS.parked,
                    &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                    &ParkedRow::new(),
                );
            },
        },
        Case {
            name: "a receipt that a delivery in flight should have claimed",
            invariants: &["V9"],
            subject: |rich| rich.submitted.to_string(),
            alter: |rich| {
                let id = carrier_id(&format!("{}-0", rich.submitted));
                park(rich, &keys::parked(CarrierId::SIMULATOR, &id), id);
            },
        },
    ]);
}
