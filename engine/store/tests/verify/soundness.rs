//! Breaches of V10 and V11: counts, ids, leaves, records, keys.

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::ids::{AccountId, Extent, NumberId};
use didfarm_core::time::Timestamp;
use didfarm_store::packed::PackedMap;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::TimelineRow;
use didfarm_store::shelf::ShelfBatch;
use didfarm_store::verify::audit;

use crate::rich::Rich;
use crate::shelves::{alter_meta, put, put_record, rename, rows};
use crate::{Case, assert_breaches, check};

const META: fn(&Rich) -> String = |_| "the meta row".into();

/// A map and a change to what the meta row counts of it.
type Miscount = (&'static str, fn(&Rich));

#[test]
fn v10_counts_and_next_ids_are_those_in_use() {
    let counts: [Miscount; 20] = [
        ("the accounts", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.accounts += 1)
        }),
        ("the numbers", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.numbers -= 1)
        }),
        ("the conversations", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.conversations += 1)
        }),
        ("the extents", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.extents += 1)
        }),
        ("the messages", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.messages -= 1)
        }),
        ("the deliveries in flight", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.in_flight += 1)
        }),
        ("the parked receipts", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.parked += 1)
        }),
        ("the ledger", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.ledger += 1)
        }),
        ("the pair index", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.pairs -= 1)
        }),
        ("the carrier message ids", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.owners += 1)
        }),
        ("the inbound ids", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.inbound += 1)
        }),
        ("the parts", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.parts -= 1)
        }),
        ("the aged receipts", |rich| {
            alter_meta(&rich.records, |meta| meta.aged_total += 1)
        }),
        ("the auto-reply rules", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.auto_replies += 1)
        }),
        ("the endpoints", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.endpoints += 1)
        }),
        ("the events", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.events -= 1)
        }),
        ("the pending events", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.pending += 1)
        }),
        ("the attempts", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.attempts -= 1)
        }),
        ("the mails", |rich| {
            alter_meta(&rich.records, |meta| meta.counts.mails += 1)
        }),
        ("the given up mails", |rich| {
            alter_meta(&rich.records, |meta| meta.mails_given_up_total += 1)
        }),
    ];
    for (map, change) in counts {
        let rich = Rich::new();
        change(&rich);
        assert_breaches(map, &audit(&rich.records, None).unwrap(), &["V10"], map);
    }
    check(&[
        Case {
            name: "an extent that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.extent_next -= 1),
        },
        Case {
            name: "an account id that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.account_next -= 1),
        },
        Case {
            name: "a number id that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.number_next -= 1),
        },
        Case {
            name: "an endpoint id that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.endpoint_next -= 1),
        },
        Case {
            name: "an event id that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.event_last.0 -= 1),
        },
        Case {
            name: "a mail id that would be given out again",
            invariants: &["V10"],
            subject: META,
            alter: |rich| alter_meta(&rich.records, |meta| meta.mail_next -= 1),
        },
    ]);
}

#[test]
fn v10_a_record_under_a_key_that_is_not_its_own_is_named() {
    for (kind, map, own, subject) in [
        ("account", MAPS.accounts, 3, AccountId(3).to_string()),
        ("number", MAPS.numbers, 2, NumberId(2).to_string()),
    ] {
        let rich = Rich::new();
        rename(&rich.records, map, &keys::id(own), &keys::id(77));
        let report = audit(&rich.records, None).unwrap();
        assert_breaches(kind, &report, &["V10"], &subject);
    }
    let rich = Rich::new();
    let own = rich.records.message(rich.queued).unwrap().unwrap();
    put_record(
        &rich.records,
        MAPS.messages,
        &keys::id(rich.submitting.get()),
        &own,
    );
    let report = audit(&rich.records, None).unwrap();
    let named = report
        .breaches
        .iter()
        .any(|breach| breach.invariant == "V10" && breach.subject == rich.queued.to_string());
    assert!(named, "{report}");
}

#[test]
fn v10_a_row_of_another_kind_is_named() {
    for map in [
        MAPS.pairs,
        MAPS.timeline,
        MAPS.inbox,
        MAPS.extents,
        MAPS.ledger,
        MAPS.owners,
        MAPS.inbound,
        MAPS.pending,
        MAPS.attempts,
    ] {
        let rich = Rich::new();
        let value = match map {
            map if RAW_MAPS.contains(&map) => vec![1],
            map => map
                .get(rich.records.shelf(), &rows(&rich.records, map)[0].0)
                .unwrap()
                .unwrap()
                .to_vec(),
        };
        put(&rich.records, map, b"short", Some(value));
        let report = audit(&rich.records, None).unwrap();
        assert_breaches("a short key", &report, &["V10"], "key 73686f7274");
    }
}

/// Maps whose values are no records.
const RAW_MAPS: [PackedMap; 5] = [
    MAPS.pairs,
    MAPS.extents,
    MAPS.owners,
    MAPS.inbound,
    MAPS.auto_replies,
];

pub const ALL_MAPS: [(&str, PackedMap); 26] = [
    ("the accounts", MAPS.accounts),
    ("the numbers", MAPS.numbers),
    ("the conversations", MAPS.conversations),
    ("the pair index", MAPS.pairs),
    ("the extents", MAPS.extents),
    ("the messages", MAPS.messages),
    ("the deliveries in flight", MAPS.in_flight),
    ("the parked receipts", MAPS.parked),
    ("the aged receipts", MAPS.aged),
    ("the carrier message ids", MAPS.owners),
    ("the inbound ids", MAPS.inbound),
    ("the parts", MAPS.parts),
    ("the timeline", MAPS.timeline),
    ("the inbox", MAPS.inbox),
    ("the ledger", MAPS.ledger),
    ("the auto-reply rules", MAPS.auto_replies),
    ("the endpoints", MAPS.endpoints),
    ("the events", MAPS.events),
    ("the pending events", MAPS.pending),
    ("the attempts", MAPS.attempts),
    ("the mails", MAPS.mails),
    ("the given up mails", MAPS.mails_given_up),
    ("the idempotency keys", MAPS.guarded),
    ("the opt-outs", MAPS.opt_outs),
    ("the batches", MAPS.batches),
    ("the batch rows", MAPS.batch_rows),
];

#[test]
fn v10_a_damaged_leaf_is_named_and_nothing_is_concluded_from_it() {
    for (name, map) in ALL_MAPS {
        let rich = Rich::new();
        if map == MAPS.extents {
            let row = keys::extent(rich.conversation, Extent(2));
            put(&rich.records, map, &row, Some(Vec::new()));
        }
        let shelf = rich.records.shelf();
        let first_leaf = [map.prefix()];
        let mut bytes = shelf
            .get(&first_leaf)
            .unwrap()
            .expect("the map has a leaf")
            .to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let mut batch = ShelfBatch::new();
        batch.put(first_leaf, bytes);
        shelf.apply(batch).unwrap();
        let report = audit(&rich.records, None).unwrap();
        assert_breaches(name, &report, &["V10"], name);
        assert_eq!(report.breaches_total(), 1, "{report}");
    }
}

#[test]
fn v10_a_missing_leaf_is_named_where_the_chain_breaks() {
    let rich = Rich::new();
    // Enough timeline rows for several leaves; the second one goes missing.
    for at in 0..1_000 {
        let row = TimelineRow {
            number: rich.number,
            direction: Direction::Outbound,
            channel: Channel::Sms,
        };
        put_record(
            &rich.records,
            MAPS.timeline,
            &keys::newest_first(rich.account, Timestamp(at), 7),
            &row,
        );
    }
    let prefix = [MAPS.timeline.prefix()];
    let (second, _) = rich
        .records
        .shelf()
        .successor(&prefix, &prefix)
        .unwrap()
        .expect("a second leaf");
    let mut batch = ShelfBatch::new();
    batch.remove(second.to_vec());
    rich.records.shelf().apply(batch).unwrap();
    let report = audit(&rich.records, None).unwrap();
    assert_breaches("a missing leaf", &report, &["V10"], "the timeline");
    assert!(
        report.breaches[0].sentence.contains("is missing"),
        "{report}"
    );
}

#[test]
fn v10_a_map_that_went_missing_as_a_whole_is_named_by_its_count() {
    let rich = Rich::new();
    let mut batch = ShelfBatch::new();
    batch.remove(vec![MAPS.parked.prefix()]);
    rich.records.shelf().apply(batch).unwrap();
    assert_breaches(
        "no leaf",
        &audit(&rich.records, None).unwrap(),
        &["V10"],
        "the parked receipts",
    );
}

#[test]
fn v10_a_record_that_does_not_decode_is_named_and_nothing_is_concluded_from_it() {
    for (name, map) in ALL_MAPS {
        if RAW_MAPS.contains(&map) {
            continue;
        }
        let rich = Rich::new();
        let (key, _) = rows(&rich.records, map).swap_remove(0);
        put(&rich.records, map, &key, Some(vec![9, 1]));
        let report = audit(&rich.records, None).unwrap();
        assert_eq!(
            report
                .breaches_by_invariant
                .keys()
                .copied()
                .collect::<Vec<_>>(),
            ["V10"],
            "{name}: {report}"
        );
        assert!(
            report.breaches[0].sentence.contains("unreadable"),
            "{report}"
        );
    }
}

#[test]
fn v10_an_unreadable_meta_row_is_named() {
    let rich = Rich::new();
    let mut batch = ShelfBatch::new();
    batch.put(b"M".to_vec(), vec![1, 2, 3]);
    rich.records.shelf().apply(batch).unwrap();
    assert_breaches(
        "meta",
        &audit(&rich.records, None).unwrap(),
        &["V10"],
        "the meta row",
    );
}

#[test]
fn v11_one_api_key_opens_one_account() {
    check(&[Case {
        name: "two accounts with one hash",
        invariants: &["V11"],
        subject: |rich| rich.rival.to_string(),
        alter: |rich| {
            rich.alter_account(rich.rival, |account| {
                account.keys[0].hash = [rich.account.0 as u8; 32]
            })
        },
    }]);
}
