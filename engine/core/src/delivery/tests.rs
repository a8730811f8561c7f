//! The delivery's table, cell by cell, and the laws of the join.

use proptest::prelude::*;

use super::status::Status;
use super::*;
use crate::ids::CarrierId;
use crate::route::RouteReason;

fn id(text: &str) -> CarrierMessageId {
    CarrierMessageId(text.into())
}

const ROUTE: Route = Route {
    carrier: CarrierId(7),
    reason: RouteReason::Preferred,
};

fn start() -> Input {
    Input::Start { route: ROUTE }
}

fn accepted(ids: Vec<CarrierMessageId>) -> Input {
    Input::Accepted {
        ids,
        indexed: false,
    }
}

fn receipt(of: &str, claim: Claim, reason: Option<Reason>, named: bool) -> Input {
    Input::Receipt {
        id: id(of),
        claim,
        reason,
        named,
    }
}

fn submitted(segments: usize) -> Delivery {
    let ids = (0..segments)
        .map(|place| id(&format!("c{place}")))
        .collect();
    driven(&[start(), accepted(ids)])
}

fn driven(inputs: &[Input]) -> Delivery {
    let mut delivery = Delivery::new();
    for input in inputs {
        drive(&mut delivery, input.clone());
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

fn refused() -> Input {
    Input::Refused {
        reason: Reason::Rejected,
    }
}

fn not_taken() -> Input {
    Input::NotTaken {
        reason: Reason::Throttled,
    }
}

const LATER: Rescheduled = Rescheduled {
    send_at: Timestamp(5),
    valid_until: Timestamp(9),
    is_urgent: false,
};

const FORBID: Input = Input::Forbid {
    reason: Reason::WindowClosed,
};

#[test]
fn a_cancelled_message_is_given_back_and_nothing_moves_it_any_more() {
    for mut delivery in [Delivery::scheduled(), driven(&[start(), not_taken()])] {
        let Outcome::Moved(event) = drive(&mut delivery, Input::Cancel) else {
            panic!("it cannot be cancelled");
        };
        assert!(event.gives_back() && delivery.is_closed());
        assert_eq!(
            (delivery.status(), delivery.reason()),
            (Status::Cancelled, None)
        );
        assert_eq!(drive(&mut delivery, start()), Outcome::OutOfPlace);
        assert_eq!(drive(&mut delivery, Input::Due), Outcome::Late);
    }
    let mut started = driven(&[start()]);
    assert_eq!(drive(&mut started, Input::Cancel), Outcome::Late);
}

#[test]
fn the_table_in_the_documentation_is_the_one_in_the_code() {
    let inputs = [
        ("start", start()),
        ("accepted", accepted(vec![id("x")])),
        ("refused", refused()),
        ("not_taken", not_taken()),
        ("no_answer", Input::NoAnswer),
        ("receipt", receipt("c0", Claim::Delivered, None, false)),
        ("named", receipt("c0", Claim::Delivered, None, true)),
        ("no_receipt", Input::NoReceipt),
        ("delayed", Input::Delayed),
        ("expired", Input::Expired),
        ("give_up", Input::GiveUp),
        ("due", Input::Due),
        ("reschedule", Input::Reschedule(LATER)),
        ("forbid", FORBID),
        ("cancel", Input::Cancel),
    ];
    let states = [
        ("scheduled", Delivery::scheduled()),
        ("queued", driven(&[])),
        ("requeued", driven(&[start(), not_taken()])),
        ("submitting", driven(&[start()])),
        ("in_doubt", driven(&[start(), Input::NoAnswer])),
        ("submitted", submitted(1)),
        ("refused", driven(&[start(), refused()])),
        ("cancelled", driven(&[Input::Cancel])),
        (
            "given_up",
            driven(&[start(), Input::NoAnswer, Input::GiveUp]),
        ),
    ];
    for phase in Phase::ALL {
        assert!(states.iter().any(|(_, state)| state.phase == phase));
    }
    let header = std::iter::once("phase").chain(inputs.iter().map(|(name, _)| *name));
    let mut rows: Vec<Vec<&str>> = vec![header.collect()];
    for (name, state) in &states {
        let mut row = vec![*name];
        for (_, input) in &inputs {
            let mut delivery = state.clone();
            row.push(match drive(&mut delivery, input.clone()) {
                Outcome::Moved(DeliveryEvent::Claimed(..)) => "join",
                Outcome::Moved(DeliveryEvent::Unconfirmed) => "+unconfirmed",
                Outcome::Moved(DeliveryEvent::Delayed) => "+delayed",
                Outcome::Moved(DeliveryEvent::Rescheduled(_)) => "+rescheduled",
                Outcome::Moved(_) => delivery.phase.as_str(),
                Outcome::OutOfPlace => "·",
                Outcome::Late => "late",
                outcome @ (Outcome::Contradiction(_) | Outcome::Duplicate) => panic!("{outcome:?}"),
            });
        }
        rows.push(row);
    }
    let documented: Vec<Vec<&str>> = include_str!("../delivery.rs")
        .lines()
        .skip_while(|line| !line.contains("```text"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start_matches("//!").split_whitespace().collect())
        .collect();
    assert_eq!(documented, rows);
}

#[test]
fn a_receipt_that_names_a_message_in_doubt_settles_it() {
    let mut delivery = driven(&[start(), Input::NoAnswer]);
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Sending, Some(Reason::InDoubt))
    );
    drive(&mut delivery, receipt("c0", Claim::Delivered, None, true));
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Delivered, None)
    );
    // The answer that was lost comes after all.
    assert_eq!(
        drive(&mut delivery, accepted(vec![id("c0")])),
        Outcome::Late
    );
}

#[test]
fn a_message_that_was_given_up_rises_only_when_it_arrived() {
    let mut delivery = driven(&[start(), Input::NoAnswer, Input::GiveUp]);
    assert!(delivery.is_closed());
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Failed, Some(Reason::InDoubt))
    );
    drive(&mut delivery, receipt("c0", Claim::EnRoute, None, true));
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Failed, Some(Reason::InDoubt))
    );
    drive(&mut delivery, receipt("c0", Claim::Delivered, None, true));
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Delivered, None)
    );
}

#[test]
fn what_no_carrier_took_expires_and_is_given_back() {
    for inputs in [&[][..], &[start(), not_taken()]] {
        let mut delivery = driven(inputs);
        let Outcome::Moved(event) = drive(&mut delivery, Input::Expired) else {
            panic!("it does not expire");
        };
        assert!(event.gives_back());
        assert_eq!(
            (delivery.status(), delivery.reason()),
            (Status::Failed, Some(Reason::Expired))
        );
    }
}

#[test]
fn a_message_that_waits_too_long_says_so_until_it_goes() {
    let mut delivery = driven(&[Input::Delayed]);
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Queued, Some(Reason::Delayed))
    );
    assert_eq!(drive(&mut delivery, Input::Delayed), Outcome::Late);
    drive(&mut delivery, start());
    assert_eq!(
        (delivery.status(), delivery.reason()),
        (Status::Sending, None)
    );
}

#[test]
fn a_receipt_for_an_unknown_id_is_out_of_place() {
    let mut delivery = submitted(2);
    let stray = Input::Receipt {
        id: id("other"),
        claim: Claim::Delivered,
        reason: None,
        named: false,
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
        named: false,
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
        named: false,
    };
    let delivered = Input::Receipt {
        id: id("c0"),
        claim: Claim::Delivered,
        reason: None,
        named: false,
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
            named: false,
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
            named: false,
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
            named: false,
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

    /// The submit answer is one more thing that may come at any time, where receipts name the message.
    #[test]
    fn receipts_that_name_the_message_and_its_answer_in_any_order_end_in_the_same_state(
        (set, shuffled) in receipts(1).prop_flat_map(|set| {
            let doubled: Vec<_> = set.iter().chain(&set).copied().map(Some).chain([None]).collect();
            (Just(set), Just(doubled).prop_shuffle())
        })
    ) {
        let input = |one: &Option<(usize, Claim, Option<Reason>)>| match one {
            Some((_, claim, reason)) => receipt("c0", *claim, *reason, true),
            None => accepted(vec![id("c0")]),
        };
        let (expected, _) = after(1, &set);
        let mut delivery = driven(&[start()]);
        let mut path = vec![delivery.status()];
        for one in &shuffled {
            if let Outcome::Moved(event) | Outcome::Contradiction(event) = drive(&mut delivery, input(one)) {
                prop_assert!(!event.gives_back(), "receipts move no money");
            }
            path.push(delivery.status());
        }
        prop_assert_eq!(delivery, expected);
        prop_assert!(path.is_sorted(), "the status moved backwards: {:?}", path);
    }
}
