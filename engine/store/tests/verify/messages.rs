//! The clean store, and breaches of V1, V4 and V6: messages, history, deliveries.

use didfarm_core::delivery::receipt::SegmentClaims;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{Delivery, Phase};
use didfarm_core::ids::{ConversationId, Extent, MessageId};
use didfarm_core::message::Message;
use didfarm_core::money::Micros;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::verify::{Expected, audit};

use crate::rich::Rich;
use crate::shelves::{alter_meta, put_record, remove};
use crate::{Case, assert_breaches, check};

#[test]
fn a_store_of_everything_is_clean_and_counted() {
    let rich = Rich::new();
    let report = audit(&rich.records, None).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.outbound, [0, 3, 3, 4, 0, 7, 5]);
    assert_eq!(
        (report.messages, report.inbound, report.conversations),
        (69, 47, 10)
    );
    assert_eq!((report.accounts, report.numbers, report.ledger), (3, 3, 28));
    assert_eq!((report.in_flight, report.parked, report.aged), (8, 1, 2));
    assert_eq!((report.batches, report.batch_rows), (2, 3));
    assert_eq!((report.owners, report.inbound_ids, report.parts), (3, 2, 2));
    assert_eq!(rich.records.meta().unwrap().counts.pairs, 16);
    assert_eq!(report.seq.0, rich.farm.entries.len() as u64);
    assert!(report.to_string().ends_with("every invariant holds"));
}

fn expected(id: MessageId, body: Option<&str>) -> Expected {
    Expected {
        id,
        body: body.map(str::to_owned),
    }
}

#[test]
fn v1_expected_messages_are_found_with_their_bodies() {
    let rich = Rich::new();
    let list = [
        expected(rich.queued, None),
        expected(rich.queued, Some("queued")),
        expected(rich.read, Some("read")),
    ];
    let report = audit(&rich.records, Some(&mut list.into_iter())).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.expected, 3);
}

#[test]
fn v1_a_lost_message_another_body_and_two_bodies_for_one_id_are_caught() {
    let rich = Rich::new();
    let unknown = Extent::from(rich.conversation).message(999);
    for (name, list, subject) in [
        ("missing", vec![expected(unknown, None)], unknown),
        (
            "another body",
            vec![expected(rich.read, Some("reed"))],
            rich.read,
        ),
        (
            "two bodies",
            vec![
                expected(rich.read, Some("read")),
                expected(rich.read, Some("other")),
            ],
            rich.read,
        ),
    ] {
        let report = audit(&rich.records, Some(&mut list.into_iter())).unwrap();
        assert_breaches(name, &report, &["V1"], &subject.to_string());
        assert_eq!(report.breaches_total(), 1, "{name}");
    }
}

const QUEUED: fn(&Rich) -> String = |rich| rich.queued.to_string();
const SUBMITTED: fn(&Rich) -> String = |rich| rich.submitted.to_string();
const DELIVERED: fn(&Rich) -> String = |rich| rich.delivered.to_string();
const REFUSED: fn(&Rich) -> String = |rich| rich.refused.to_string();
const INBOUND: fn(&Rich) -> String = |rich| rich.inbound.to_string();

fn break_history(rich: &Rich, id: MessageId, change: fn(&mut Message)) {
    rich.alter_message(id, change);
}

#[test]
fn v4_a_history_begins_goes_forward_and_ends_with_the_delivery() {
    check(&[
        Case {
            name: "no status at all",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| break_history(rich, rich.delivered, |message| message.history.clear()),
        },
        Case {
            name: "an outbound message that was never queued",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| {
                break_history(rich, rich.delivered, |message| {
                    _ = message.history.remove(0)
                })
            },
        },
        Case {
            name: "an inbound message that was queued",
            invariants: &["V4"],
            subject: INBOUND,
            alter: |rich| {
                break_history(rich, rich.inbound, |message| {
                    message.history[0].status = Status::Queued
                })
            },
        },
        Case {
            name: "an inbound message that failed later",
            invariants: &["V4"],
            subject: INBOUND,
            alter: |rich| {
                break_history(rich, rich.inbound, |message| {
                    let mut change = message.history[0];
                    change.reason = Some(Reason::Unknown);
                    message.history.push(change);
                });
            },
        },
        Case {
            name: "a beginning at another time than its creation",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| {
                break_history(rich, rich.delivered, |message| {
                    message.history[0].at = Timestamp(5)
                })
            },
        },
        Case {
            name: "a step back",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| break_history(rich, rich.delivered, |message| message.history.swap(1, 2)),
        },
        Case {
            name: "failed after delivered",
            invariants: &["V4"],
            subject: |rich| rich.corrected.to_string(),
            alter: |rich| {
                break_history(rich, rich.corrected, |message| {
                    let last = message.history.len() - 1;
                    message.history.swap(last - 1, last);
                });
            },
        },
        Case {
            name: "the same step twice",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| {
                break_history(rich, rich.delivered, |message| {
                    message.history.push(*message.history.last().unwrap())
                });
            },
        },
        Case {
            name: "an end that the closed delivery does not say",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| break_history(rich, rich.delivered, |message| _ = message.history.pop()),
        },
        Case {
            name: "an end that the delivery in flight does not say",
            invariants: &["V4"],
            subject: SUBMITTED,
            alter: |rich| break_history(rich, rich.submitted, |message| _ = message.history.pop()),
        },
        Case {
            name: "a reason that the delivery does not give",
            invariants: &["V4"],
            subject: REFUSED,
            alter: |rich| {
                break_history(rich, rich.refused, |message| {
                    message.history.last_mut().unwrap().reason = Some(Reason::Spam);
                });
            },
        },
        Case {
            name: "marked as read and never read",
            invariants: &["V4"],
            subject: DELIVERED,
            alter: |rich| {
                break_history(rich, rich.delivered, |message| {
                    message.read_at = Some(Timestamp(9))
                })
            },
        },
        Case {
            name: "read and not marked so",
            invariants: &["V4"],
            subject: |rich| rich.read.to_string(),
            alter: |rich| break_history(rich, rich.read, |message| message.read_at = None),
        },
    ]);
}

fn drop_in_flight(rich: &Rich, id: MessageId) {
    remove(&rich.records, MAPS.in_flight, &keys::id(id.get()));
    alter_meta(&rich.records, |meta| meta.counts.in_flight -= 1);
}

#[test]
fn v6_a_delivery_has_one_owner() {
    check(&[
        Case {
            name: "a delivery that is nowhere",
            invariants: &["V6"],
            subject: |rich| rich.submitting.to_string(),
            alter: |rich| drop_in_flight(rich, rich.submitting),
        },
        Case {
            name: "a delivery in two places",
            invariants: &["V6"],
            subject: DELIVERED,
            alter: |rich| {
                let mut in_flight = rich.records.in_flight(rich.queued).unwrap().unwrap();
                let message = rich.records.message(rich.delivered).unwrap().unwrap();
                (in_flight.message, in_flight.accepted_at) = (rich.delivered, message.created_at);
                put_record(
                    &rich.records,
                    MAPS.in_flight,
                    &keys::id(rich.delivered.get()),
                    &in_flight,
                );
                alter_meta(&rich.records, |meta| meta.counts.in_flight += 1);
            },
        },
        Case {
            name: "a delivery with a URL for the status that its message has not",
            invariants: &["V6"],
            subject: |rich| rich.queued.to_string(),
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| in_flight.has_status_url = true);
            },
        },
        Case {
            name: "a delivery of no message",
            invariants: &["V6"],
            subject: |rich| MessageId(rich.queued.0 + 500).to_string(),
            alter: |rich| {
                let mut in_flight = rich.records.in_flight(rich.queued).unwrap().unwrap();
                in_flight.message = MessageId(rich.queued.0 + 500);
                put_record(
                    &rich.records,
                    MAPS.in_flight,
                    &keys::id(in_flight.message.get()),
                    &in_flight,
                );
                alter_meta(&rich.records, |meta| meta.counts.in_flight += 1);
            },
        },
        Case {
            name: "an inbound message in flight",
            invariants: &["V6"],
            subject: INBOUND,
            alter: |rich| {
                let mut in_flight = rich.records.in_flight(rich.queued).unwrap().unwrap();
                in_flight.message = rich.inbound;
                put_record(
                    &rich.records,
                    MAPS.in_flight,
                    &keys::id(rich.inbound.get()),
                    &in_flight,
                );
                alter_meta(&rich.records, |meta| meta.counts.in_flight += 1);
            },
        },
        Case {
            name: "an inbound message with a closed delivery",
            invariants: &["V6"],
            subject: INBOUND,
            alter: |rich| {
                let closed = rich
                    .records
                    .message(rich.delivered)
                    .unwrap()
                    .unwrap()
                    .closed;
                rich.alter_message(rich.inbound, |message| message.closed = closed);
            },
        },
        Case {
            name: "closed while it is open",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                drop_in_flight(rich, rich.queued);
                rich.alter_message(rich.queued, |message| {
                    message.closed = Some(Delivery::new())
                });
            },
        },
        Case {
            name: "in flight while it is closed",
            invariants: &["V6"],
            subject: DELIVERED,
            alter: |rich| {
                let mut in_flight = rich.records.in_flight(rich.queued).unwrap().unwrap();
                rich.alter_message(rich.delivered, |message| {
                    (in_flight.message, in_flight.accepted_at) = (message.id, message.created_at);
                    in_flight.delivery = message.closed.take().unwrap();
                });
                put_record(
                    &rich.records,
                    MAPS.in_flight,
                    &keys::id(rich.delivered.get()),
                    &in_flight,
                );
                alter_meta(&rich.records, |meta| meta.counts.in_flight += 1);
            },
        },
        Case {
            name: "another account",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| in_flight.account = rich.rival)
            },
        },
        Case {
            name: "another number",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| in_flight.number = rich.foreign)
            },
        },
        Case {
            name: "another charge",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| in_flight.charge = Micros::new(1))
            },
        },
        Case {
            name: "another validity period",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| {
                    in_flight.valid_until = Timestamp(1)
                })
            },
        },
        Case {
            name: "another route than the closed delivery's",
            invariants: &["V6"],
            subject: DELIVERED,
            alter: |rich| rich.alter_message(rich.delivered, |message| message.route = None),
        },
        Case {
            name: "another count of submits than the delivery in flight has",
            invariants: &["V6"],
            subject: SUBMITTED,
            alter: |rich| rich.alter_message(rich.submitted, |message| message.submits += 1),
        },
        Case {
            name: "an inbound message with a route",
            invariants: &["V6"],
            subject: INBOUND,
            alter: |rich| {
                let sent = rich.records.message(rich.delivered).unwrap().unwrap();
                rich.alter_message(rich.inbound, |message| message.route = sent.route);
            },
        },
        Case {
            name: "closed before a receipt came, and never given up",
            invariants: &["V6"],
            subject: SUBMITTED,
            alter: |rich| {
                let in_flight = rich.records.in_flight(rich.submitted).unwrap();
                let mut open = in_flight.unwrap().delivery;
                open.segments[0] = SegmentClaims::new(open.segments[0].id.clone());
                drop_in_flight(rich, rich.submitted);
                rich.alter_message(rich.submitted, |message| message.closed = Some(open));
            },
        },
        Case {
            name: "a time that it was never scheduled for",
            invariants: &["V4", "V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| {
                    in_flight.delivery.phase = Phase::Scheduled
                })
            },
        },
        Case {
            name: "another time of acceptance",
            invariants: &["V6"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_in_flight(rich.queued, |in_flight| {
                    in_flight.accepted_at = Timestamp(1)
                })
            },
        },
    ]);
}

#[test]
fn a_delivery_that_opened_again_stays_with_its_message() {
    let rich = Rich::new();
    let message = rich.records.message(rich.reopened).unwrap().unwrap();
    let delivery = message.closed.as_ref().unwrap();
    assert_eq!(
        (delivery.phase, delivery.is_closed()),
        (Phase::Submitted, false)
    );
    assert_eq!(rich.records.in_flight(rich.reopened).unwrap(), None);
    assert_eq!(
        (message.status(), message.refunded),
        (Status::Failed, false)
    );
    assert_eq!((message.route, message.submits), (delivery.route, 1));
    let refused = rich.records.message(rich.given_back).unwrap().unwrap();
    assert_eq!((refused.status(), refused.refunded), (Status::Failed, true));
}

#[test]
fn more_breaches_than_are_kept_are_counted() {
    let rich = Rich::new();
    let list: Vec<_> = (1..=250)
        .map(|id| expected(MessageId(ConversationId(900_000 + id).0 << 16 | 1), None))
        .collect();
    let report = audit(&rich.records, Some(&mut list.into_iter())).unwrap();
    assert_eq!(
        report.breaches.len(),
        didfarm_store::verify::BREACHES_KEPT_MAX
    );
    assert_eq!(report.breaches_total(), 250);
    assert!(
        report
            .to_string()
            .ends_with("250 breaches at least: V1 250")
    );
}
