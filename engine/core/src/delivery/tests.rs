//! The delivery's table, cell by cell, and the laws of the join.

use proptest::prelude::*;

use super::status::Status;
use super::*;

fn id(text: &str) -> CarrierMessageId {
    CarrierMessageId(text.into())
}

fn submitted(segments: usize) -> Delivery {
    let ids = (0..segments)
        .map(|place| id(&format!("c{place}")))
        .collect();
    let mut delivery = Delivery::new();
    for input in [Input::Start, Input::Accepted { ids }] {
        drive(&mut delivery, input);
    }
    delivery
}

fn drive(delivery: &mut Delivery, input: Input) -> Outcome {
    let outcome = delivery.decide(input);
    if let Outcome::Moved(event) | Outcome::Contradiction(event) = &outcome {
        delivery.evolve(event);
    }
    outcome
}

fn in_phase(phase: Phase) -> Delivery {
    let inputs: &[Input] = match phase {
        Phase::Queued => &[],
        Phase::Submitting => &[Input::Start],
        Phase::InDoubt => &[Input::Start, Input::NoAnswer],
        Phase::Submitted => return submitted(1),
        Phase::Refused => &[
            Input::Start,
            Input::Refused {
                reason: Reason::Rejected,
            },
        ],
    };
    let mut delivery = Delivery::new();
    for input in inputs {
        drive(&mut delivery, input.clone());
    }
    delivery
}

#[test]
fn the_table_in_the_documentation_is_the_one_in_the_code() {
    let inputs = [
        ("start", Input::Start),
        ("accepted", Input::Accepted { ids: vec![id("x")] }),
        (
            "refused",
            Input::Refused {
                reason: Reason::Rejected,
            },
        ),
        ("throttled", Input::Throttled),
        ("no_answer", Input::NoAnswer),
        (
            "receipt",
            Input::Receipt {
                id: id("c0"),
                claim: Claim::Delivered,
                reason: None,
            },
        ),
        ("no_receipt", Input::NoReceipt),
    ];
    let mut rows = vec![
        std::iter::once("phase")
            .chain(inputs.iter().map(|(name, _)| *name))
            .collect::<Vec<_>>(),
    ];
    for phase in Phase::ALL {
        let mut row = vec![phase.as_str()];
        for (_, input) in &inputs {
            let mut delivery = in_phase(phase);
            assert_eq!(delivery.phase, phase);
            row.push(match drive(&mut delivery, input.clone()) {
                Outcome::Moved(DeliveryEvent::Claimed(..)) => "join",
                Outcome::Moved(DeliveryEvent::Unconfirmed) => "unconfirmed",
                Outcome::Moved(_) => delivery.phase.as_str(),
                Outcome::OutOfPlace => "·",
                Outcome::Late => "late",
                outcome @ (Outcome::Contradiction(_) | Outcome::Duplicate) => panic!("{outcome:?}"),
            });
        }
        rows.push(row);
    }
    let source = include_str!("../delivery.rs");
    let documented: Vec<Vec<&str>> = source
        .lines()
        .skip_while(|line| !line.contains("```text"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start_matches("//!").split_whitespace().collect())
        .collect();
    assert_eq!(documented, rows);
}

#[test]
fn a_receipt_for_an_unknown_id_is_out_of_place() {
    let mut delivery = submitted(2);
    let stray = Input::Receipt {
        id: id("other"),
        claim: Claim::Delivered,
        reason: None,
    };
    assert_eq!(drive(&mut delivery, stray), Outcome::OutOfPlace);
}

#[test]
fn a_message_is_delivered_when_every_segment_is() {
    let mut delivery = submitted(2);
    let receipt = |place: &str| Input::Receipt {
        id: id(place),
        claim: Claim::Delivered,
        reason: None,
    };
    drive(&mut delivery, receipt("c0"));
    assert_eq!(
        (delivery.status(), delivery.is_closed()),
        (Status::Sent, false)
    );
    drive(&mut delivery, receipt("c1"));
    assert_eq!(
        (delivery.status(), delivery.is_closed()),
        (Status::Delivered, true)
    );
    assert_eq!(drive(&mut delivery, receipt("c1")), Outcome::Duplicate);
}

#[test]
fn a_receipt_against_a_final_one_is_a_contradiction_and_delivered_is_the_stronger() {
    let mut delivery = submitted(1);
    let failed = Input::Receipt {
        id: id("c0"),
        claim: Claim::Failed,
        reason: Some(Reason::Unreachable),
    };
    let delivered = Input::Receipt {
        id: id("c0"),
        claim: Claim::Delivered,
        reason: None,
    };
    assert!(matches!(
        drive(&mut delivery, failed.clone()),
        Outcome::Moved(_)
    ));
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Failed, Some(Reason::Unreachable))
    );
    assert!(matches!(
        drive(&mut delivery, delivered),
        Outcome::Contradiction(_)
    ));
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Delivered, None)
    );
    assert_eq!(drive(&mut delivery, failed), Outcome::Duplicate);
}

#[test]
fn read_implies_delivered() {
    let mut delivery = submitted(1);
    drive(
        &mut delivery,
        Input::Receipt {
            id: id("c0"),
            claim: Claim::Read,
            reason: None,
        },
    );
    assert_eq!(
        (delivery.status(), delivery.is_read()),
        (Status::Delivered, true)
    );
}

#[test]
fn a_missing_receipt_leaves_sent_and_a_late_one_still_corrects_it() {
    let mut delivery = submitted(1);
    drive(&mut delivery, Input::NoReceipt);
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Sent, Some(Reason::Unconfirmed))
    );
    assert_eq!(drive(&mut delivery, Input::NoReceipt), Outcome::Late);
    drive(
        &mut delivery,
        Input::Receipt {
            id: id("c0"),
            claim: Claim::Delivered,
            reason: None,
        },
    );
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Delivered, None)
    );
}

fn receipts(segments: usize) -> impl Strategy<Value = Vec<(usize, Claim, Option<Reason>)>> {
    let reason = proptest::option::of(proptest::sample::select(Reason::ALL.to_vec()));
    let receipt = (
        0..segments,
        proptest::sample::select(Claim::ALL.to_vec()),
        reason,
    );
    proptest::collection::vec(receipt, 0..12)
}

fn after(segments: usize, receipts: &[(usize, Claim, Option<Reason>)]) -> (Delivery, Vec<Status>) {
    let mut delivery = submitted(segments);
    let mut path = vec![delivery.status()];
    for (place, claim, reason) in receipts {
        let input = Input::Receipt {
            id: id(&format!("c{place}")),
            claim: *claim,
            reason: *reason,
        };
        drive(&mut delivery, input);
        path.push(delivery.status());
    }
    (delivery, path)
}

proptest! {
    #[test]
    fn receipts_in_any_order_and_number_end_in_the_same_state(
        (set, shuffled) in receipts(3).prop_flat_map(|set| {
            let doubled: Vec<_> = set.iter().chain(&set).copied().collect();
            (Just(set), Just(doubled).prop_shuffle())
        })
    ) {
        let (expected, _) = after(3, &set);
        let (delivery, path) = after(3, &shuffled);
        prop_assert_eq!(delivery, expected);
        prop_assert!(path.is_sorted(), "the status moved backwards: {:?}", path);
    }
}
