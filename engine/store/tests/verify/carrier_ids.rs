//! Breaches of V12 and V13: carriers' ids and the parts that wait; and what is read by them.

use didfarm_core::conversation::Conversation;
use didfarm_core::ids::{CarrierId, ConversationId, MessageId};
use didfarm_core::parts::Part;
use didfarm_core::time::Timestamp;
use didfarm_store::records::AGED_RECEIPTS_MAX;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::HeldPart;

use crate::farm::{Farm, carrier_id, part};
use crate::rich::{AGED, PARKED, PEER, Rich};
use crate::shelves::{alter, alter_meta, put, records_of, remove, rename};
use crate::{Case, check};

const CARRIER: CarrierId = CarrierId::SIMULATOR;
const BUSY: fn(&Rich) -> String = |rich| rich.busy.to_string();

/// Adds an id that leads to a message.
fn index(rich: &Rich, carrier: CarrierId, id: &str, message: MessageId) {
    let key = keys::owner(carrier, &carrier_id(id));
    put(
        &rich.records,
        MAPS.owners,
        &key,
        Some(keys::id(message.0).to_vec()),
    );
    alter_meta(&rich.records, |meta| meta.counts.owners += 1);
}

#[test]
fn v12_an_indexed_id_leads_to_the_message_that_has_it() {
    check(&[
        Case {
            name: "an id of a closed delivery that has another",
            invariants: &["V12"],
            subject: |rich| rich.read.to_string(),
            alter: |rich| index(rich, CARRIER, "of nobody", rich.read),
        },
        Case {
            name: "an id of a delivery in flight that has none",
            invariants: &["V12"],
            subject: |rich| rich.queued.to_string(),
            alter: |rich| index(rich, CARRIER, "of nobody", rich.queued),
        },
        Case {
            name: "the right id of another carrier",
            invariants: &["V12"],
            subject: |rich| rich.read.to_string(),
            alter: |rich| index(rich, CarrierId(9), &format!("{}-0", rich.read), rich.read),
        },
        Case {
            name: "an id of an inbound message",
            invariants: &["V12"],
            subject: |rich| rich.inbound.to_string(),
            alter: |rich| index(rich, CARRIER, "in-1", rich.inbound),
        },
        Case {
            name: "an id that leads nowhere",
            invariants: &["V12"],
            subject: |rich| MessageId(rich.queued.0 + 900).to_string(),
            alter: |rich| index(rich, CARRIER, "of nobody", MessageId(rich.queued.0 + 900)),
        },
    ]);
}

/// Lets an inbound id of the busy conversation lead to a message.
fn mislead(rich: &Rich, message: MessageId) {
    let key = keys::inbound(rich.busy, CARRIER, &carrier_id("busy-0"));
    put(
        &rich.records,
        MAPS.inbound,
        &key,
        Some(keys::id(message.0).to_vec()),
    );
}

fn inbound_row(rich: &Rich, conversation: ConversationId, message: MessageId) {
    let key = keys::inbound(conversation, CARRIER, &carrier_id("busy-0"));
    put(
        &rich.records,
        MAPS.inbound,
        &key,
        Some(keys::id(message.0).to_vec()),
    );
    alter_meta(&rich.records, |meta| meta.counts.inbound += 1);
}

#[test]
fn v12_an_inbound_id_leads_to_an_older_message_of_its_conversation() {
    check(&[
        Case {
            name: "a message of another conversation",
            invariants: &["V12"],
            subject: BUSY,
            alter: |rich| mislead(rich, rich.inbound),
        },
        Case {
            name: "a message that is not stored",
            invariants: &["V12"],
            subject: BUSY,
            alter: |rich| mislead(rich, MessageId(rich.inbound.0 + 900)),
        },
        Case {
            name: "a message that the conversation still knows itself",
            invariants: &["V12"],
            subject: BUSY,
            alter: |rich| {
                let busy = rich.records.conversation(rich.busy).unwrap().unwrap();
                mislead(rich, busy.inbound_known[0].2);
            },
        },
        Case {
            name: "a message of another carrier",
            invariants: &["V12"],
            subject: BUSY,
            alter: |rich| {
                let own = keys::inbound(rich.busy, CARRIER, &carrier_id("busy-0"));
                let other = keys::inbound(rich.busy, CarrierId(9), &carrier_id("busy-0"));
                rename(&rich.records, MAPS.inbound, &own, &other);
            },
        },
        Case {
            name: "an outbound message",
            invariants: &["V12"],
            subject: |rich| rich.conversation.to_string(),
            alter: |rich| {
                inbound_row(rich, rich.conversation, rich.queued);
                rich.alter_conversation(rich.conversation, |state| state.inbound_indexed = true);
            },
        },
        Case {
            name: "a row of a conversation that knows all its ids",
            invariants: &["V12"],
            subject: |rich| rich.other.to_string(),
            alter: |rich| inbound_row(rich, rich.other, rich.inbound),
        },
        Case {
            name: "a row of a conversation that is none",
            invariants: &["V12"],
            subject: |_| ConversationId(999).to_string(),
            alter: |rich| inbound_row(rich, ConversationId(999), rich.inbound),
        },
        Case {
            name: "a conversation that asks an index which has nothing of it",
            invariants: &["V12"],
            subject: |rich| rich.other.to_string(),
            alter: |rich| {
                rich.alter_conversation(rich.other, |state: &mut Conversation| {
                    state.inbound_indexed = true
                })
            },
        },
    ]);
}

#[test]
fn v13_a_part_lies_under_its_own_key_and_is_one_of_its_message() {
    fn first(rich: &Rich, change: fn(&mut Part)) {
        let key = rich.parts[0];
        alter(
            &rich.records,
            MAPS.parts,
            &key,
            |(_, part): &mut HeldPart| change(part),
        );
    }
    let subject: fn(&Rich) -> String = |rich| {
        let hex = |byte: &u8| format!("{byte:02x}");
        format!("part {}", rich.parts[0].iter().map(hex).collect::<String>())
    };
    check(&[
        Case {
            name: "a part of another message",
            invariants: &["V13"],
            subject,
            alter: |rich| first(rich, |part| part.key.reference += 1),
        },
        Case {
            name: "a part of another place",
            invariants: &["V13"],
            subject,
            alter: |rich| first(rich, |part| part.place = 2),
        },
        Case {
            name: "a part beyond the last",
            invariants: &["V13"],
            subject: |rich| subject_of_fourth(rich),
            alter: |rich| {
                first(rich, |part| part.place = 4);
                let mut fourth = rich.parts[0];
                fourth[16] = 4;
                rename(&rich.records, MAPS.parts, &rich.parts[0], &fourth);
            },
        },
        Case {
            name: "a part that is lost",
            invariants: &["V10"],
            subject: |_| "the parts".into(),
            alter: |rich| remove(&rich.records, MAPS.parts, &rich.parts[1]),
        },
    ]);
}

fn subject_of_fourth(rich: &Rich) -> String {
    let mut fourth = rich.parts[0];
    fourth[16] = 4;
    let hex = |byte: &u8| format!("{byte:02x}");
    format!("part {}", fourth.iter().map(hex).collect::<String>())
}

#[test]
fn an_accept_that_asks_for_the_index_is_found_by_its_id_open_or_closed() {
    let rich = Rich::new();
    let owner = |carrier, id: &str| rich.records.owner(carrier, &carrier_id(id)).unwrap();
    for message in [rich.submitted, rich.delivered, rich.reopened] {
        assert_eq!(owner(CARRIER, &format!("{message}-0")), Some(message));
        assert_eq!(owner(CarrierId(9), &format!("{message}-0")), None);
    }
    let unasked = format!("{}-0", rich.read);
    assert_eq!(owner(CARRIER, &unasked), None);
}

#[test]
fn an_id_that_a_carrier_gives_again_leads_to_the_later_message() {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 100_000);
    let number = farm.number(account, "+31201234567");
    let [first, second] = ["one", "two"]
        .map(|body| farm.send(number, PEER, didfarm_core::channel::Channel::Sms, body));
    for message in [first, second] {
        farm.start(message);
        farm.accepted_as(message, "again");
    }
    let records = records_of(&farm.entries);
    let owner = records.owner(CARRIER, &carrier_id("again")).unwrap();
    assert_eq!(owner, Some(second));
    assert_eq!(records.meta().unwrap().counts.owners, 1);
    let report = didfarm_store::verify::audit(&records, None).unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn an_inbound_id_is_in_the_index_from_when_its_conversation_forgets_it() {
    let rich = Rich::new();
    let busy = rich.records.conversation(rich.busy).unwrap().unwrap();
    let inbound = |id: &str| {
        let records = &rich.records;
        records
            .inbound_message(rich.busy, CARRIER, &carrier_id(id))
            .unwrap()
    };
    let first = ConversationId(rich.busy.0);
    let message = |ordinal| didfarm_core::ids::Extent::from(first).message(ordinal);
    assert_eq!(inbound("busy-0"), Some(message(1)));
    assert_eq!(inbound("busy-1"), Some(message(2)));
    assert_eq!(inbound("busy-2"), None);
    assert!(busy.wants_index(CARRIER, &carrier_id("busy-1")));
    assert!(!busy.wants_index(CARRIER, &carrier_id("busy-2")));
}

#[test]
fn parts_wait_until_they_are_joined_and_each_is_held_once() {
    let rich = Rich::new();
    let mut held = Vec::new();
    rich.records
        .each_part(|at, part| held.push((at, part)))
        .unwrap();
    let places = held
        .iter()
        .map(|(_, part)| (part.key.reference, part.place));
    assert_eq!(places.collect::<Vec<_>>(), [(1, 1), (1, 3)]);
    assert!(
        held[0].0 > held[1].0,
        "the first came again, after the last"
    );
    assert_eq!(held[0].1, part(PEER, "+31201234567", 1, 1));
}

#[test]
fn receipts_that_aged_out_are_read_newest_first_with_their_times() {
    let rich = Rich::new();
    let aged = rich.records.aged_receipts(10).unwrap();
    assert_eq!(rich.records.meta().unwrap().aged_total, 2);
    let [last, first] = &aged[..] else {
        panic!("{aged:?}")
    };
    assert!(last.parked_at > first.parked_at && last.aged_at == first.aged_at);
    assert!(last.aged_at > last.parked_at);
    assert!(aged.iter().all(|aged| aged.receipt.id == carrier_id(AGED)));
    assert_eq!(rich.records.aged_receipts(1).unwrap(), aged[..1]);
    let mut parked = Vec::new();
    rich.records.each_parked(|row| parked.extend(row)).unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].1.id, carrier_id(PARKED));
}

#[test]
fn the_ring_of_aged_receipts_keeps_the_last_ones() {
    let mut farm = Farm::default();
    for n in 0..AGED_RECEIPTS_MAX + 2 {
        farm.park(&format!("stray-{n}"));
        farm.age_out(&format!("stray-{n}"));
    }
    let records = records_of(&farm.entries);
    let meta = records.meta().unwrap();
    assert_eq!(
        (meta.aged_total, meta.counts.parked),
        (AGED_RECEIPTS_MAX + 2, 0)
    );
    let aged = records.aged_receipts(usize::MAX).unwrap();
    assert_eq!(aged.len() as u64, AGED_RECEIPTS_MAX);
    let id = |n: u64| carrier_id(&format!("stray-{n}"));
    assert_eq!(aged[0].receipt.id, id(AGED_RECEIPTS_MAX + 1));
    assert_eq!(aged[1].receipt.id, id(AGED_RECEIPTS_MAX));
    assert_eq!(aged.last().unwrap().receipt.id, id(2));
    assert!(aged[0].parked_at > Timestamp::ZERO);
    let report = didfarm_store::verify::audit(&records, None).unwrap();
    assert!(report.is_clean(), "{report}");
}
