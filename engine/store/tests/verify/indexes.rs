//! Breaches of V7 to V9: the pair index, the lists, the receipts that wait.

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{CarrierId, CarrierMessageId, ConversationId};
use didfarm_core::time::Timestamp;
use didfarm_store::records::AGED_RECEIPTS_MAX;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::{AgedReceipt, InboxRow, ParkedRow, TimelineRow};

use crate::farm::{carrier_id, peer};
use crate::rich::{ALIAS, FORGOTTEN, PARKED, RIVALLED, Rich, TAKEN};
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
                let key = keys::pair(rich.number, &peer("+441632960961"));
                put(&rich.records, MAPS.pairs, &key, Some(keys::id(99).to_vec()));
            },
        },
        Case {
            name: "a conversation with another peer than its pair",
            invariants: &["V7", "V5"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.peer = peer("+441632960961")
                })
            },
        },
    ]);
}

#[test]
fn v7_aliases_lead_to_the_conversations_that_know_them() {
    let named: fn(&Rich) -> String = |rich| rich.named.to_string();
    let forgetful: fn(&Rich) -> String = |rich| rich.forgetful.to_string();
    check(&[
        Case {
            name: "no row of an alias",
            invariants: &["V7", "V10"],
            subject: named,
            alter: |rich| {
                let key = rich.name_key(rich.named, ALIAS);
                remove(&rich.records, MAPS.pairs, &key);
            },
        },
        Case {
            name: "an alias that leads to a conversation that does not know it",
            invariants: &["V7"],
            subject: |rich| rich.rivalled.to_string(),
            alter: |rich| {
                let key = rich.name_key(rich.named, ALIAS);
                let value = keys::id(rich.rivalled.0).to_vec();
                put(&rich.records, MAPS.pairs, &key, Some(value));
            },
        },
        Case {
            name: "an alias that nobody told",
            invariants: &["V7", "V10"],
            subject: named,
            alter: |rich| {
                let key = rich.name_key(rich.named, "US.9999");
                let value = keys::id(rich.named.0).to_vec();
                put(&rich.records, MAPS.pairs, &key, Some(value));
            },
        },
        Case {
            name: "no row of the peer of a conversation that forgot an alias",
            invariants: &["V7", "V10"],
            subject: forgetful,
            alter: |rich| remove(&rich.records, MAPS.pairs, &rich.pair_key(rich.forgetful)),
        },
        Case {
            name: "no row of an alias that such a conversation still knows",
            invariants: &["V7", "V10"],
            subject: forgetful,
            alter: |rich| {
                let key = rich.name_key(rich.forgetful, "+31600000201");
                remove(&rich.records, MAPS.pairs, &key);
            },
        },
        Case {
            name: "a row of another number that leads to such a conversation",
            invariants: &["V7", "V10"],
            subject: forgetful,
            alter: |rich| {
                let key = keys::pair(rich.number, &peer(FORGOTTEN));
                let value = keys::id(rich.forgetful.0).to_vec();
                put(&rich.records, MAPS.pairs, &key, Some(value));
            },
        },
    ]);
}

#[test]
fn a_conversation_is_found_by_its_peer_before_any_alias() {
    let rich = Rich::new();
    let found = |name: &str, alias: Option<&str>| {
        let alias = alias.map(peer);
        let records = &rich.records;
        let found = records.conversation_of(rich.foreign, &peer(name), alias.as_ref());
        found.unwrap().map(|conversation| conversation.id)
    };
    assert_eq!(found(ALIAS, None), Some(rich.named));
    assert_eq!(found("US.9999", None), None);
    assert_eq!(found("US.9999", Some(ALIAS)), Some(rich.named));
    assert_eq!(found(RIVALLED, Some(ALIAS)), Some(rich.rivalled));
    // The alias had a conversation of its own, which it keeps.
    let own = found(TAKEN, Some(RIVALLED)).unwrap();
    assert_ne!(own, rich.rivalled);
    let second = rich.records.conversation(rich.forgetful).unwrap().unwrap();
    assert!(!second.aliases.contains(&peer(FORGOTTEN)));
    let records = &rich.records;
    let id = records.conversation_id_of(second.number, &peer(FORGOTTEN));
    assert_eq!(id.unwrap(), Some(rich.forgetful));
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

#[test]
fn v9_the_ring_of_aged_receipts_has_places_and_times() {
    let aged: fn(&Rich) -> String = |_| "aged receipt 0000000000000001".into();
    check(&[
        Case {
            name: "a receipt that is lost",
            invariants: &["V10"],
            subject: |_| "the aged receipts".into(),
            alter: |rich| remove(&rich.records, MAPS.aged, &keys::aged(1)),
        },
        Case {
            name: "a place beyond the ring",
            invariants: &["V9"],
            subject: |_| "aged receipt 00000000000186a0".into(),
            alter: |rich| {
                let beyond = keys::id(AGED_RECEIPTS_MAX);
                rename(&rich.records, MAPS.aged, &keys::aged(1), &beyond);
            },
        },
        Case {
            name: "aged out before it was parked",
            invariants: &["V9"],
            subject: aged,
            alter: |rich| {
                alter(
                    &rich.records,
                    MAPS.aged,
                    &keys::aged(1),
                    |aged: &mut AgedReceipt| aged.aged_at = Timestamp(1),
                );
            },
        },
    ]);
}
