//! Messages on their way: every way in which segments fare, and the one answer.

use super::*;

const MESSAGE: MessageId = MessageId(65_537);

fn flight(segments: usize) -> Flight {
    let body = Body {
        coding: 0,
        segments: vec![Box::default(); segments],
    };
    let mut flight = Flight::new(MESSAGE, (1, 2), "".into(), body, Instant::now());
    flight.sent(0);
    flight
}

fn id(text: &str) -> CarrierMessageId {
    CarrierMessageId(text.into())
}

fn over(answer: SubmitAnswer) -> Next {
    Next::Over(vec![CarrierEvent::Answer(MESSAGE, answer)])
}

/// Three segments, the first taken and the others sent.
fn partly() -> Flight {
    let mut flight = flight(3);
    assert_eq!(flight.taken(0, Some(id("a"))), Next::Send(vec![1, 2]));
    flight.sent(1);
    flight.sent(2);
    flight
}

#[test]
fn one_segment_has_one_answer() {
    let accepted = SubmitAnswer::Accepted(vec![id("a")]);
    assert_eq!(flight(1).taken(0, Some(id("a"))), over(accepted));
    assert_eq!(flight(1).lost(0), over(SubmitAnswer::NoAnswer));
    let not_taken = SubmitAnswer::NotTaken(Reason::CarrierError);
    assert_eq!(flight(1).unwritten(0), over(not_taken));
    let throttled = SubmitAnswer::NotTaken(Reason::Throttled);
    assert_eq!(flight(3).not_taken(0, throttled.clone()), over(throttled));
}

#[test]
fn ids_come_in_the_order_of_the_segments() {
    let mut flight = partly();
    assert_eq!(flight.taken(2, Some(id("c"))), Next::Wait);
    let ids = vec![id("a"), id("b"), id("c")];
    assert_eq!(
        flight.taken(1, Some(id("b"))),
        over(SubmitAnswer::Accepted(ids))
    );
}

#[test]
fn a_taken_segment_without_an_id_gets_one_of_ours() {
    let own = own_id(MESSAGE, 0);
    assert!(is_own_id(&own) && !is_own_id(&id("a/1")));
    assert_eq!(
        flight(1).taken(0, None),
        over(SubmitAnswer::Accepted(vec![own]))
    );
}

#[test]
fn a_later_segment_that_is_refused_fails_the_message_without_a_second_submit() {
    let mut flight = partly();
    assert_eq!(flight.taken(1, Some(id("b"))), Next::Wait);
    let own = own_id(MESSAGE, 2);
    let failed = CarrierEvent::Receipt(Receipt {
        message: None,
        id: own.clone(),
        claim: Claim::Failed,
        reason: Some(Reason::Spam),
    });
    let accepted = SubmitAnswer::Accepted(vec![id("a"), id("b"), own]);
    assert_eq!(
        flight.not_taken(2, SubmitAnswer::Refused(Reason::Spam)),
        Next::Over(vec![CarrierEvent::Answer(MESSAGE, accepted), failed])
    );
}

#[test]
fn a_later_segment_is_tried_again_a_bounded_number_of_times() {
    let mut flight = partly();
    flight.taken(2, Some(id("c")));
    for _ in 1..TRIES_MAX {
        let throttled = SubmitAnswer::NotTaken(Reason::Throttled);
        assert_eq!(flight.not_taken(1, throttled), Next::Again(1));
        flight.sent(1);
    }
    let end = flight.not_taken(1, SubmitAnswer::NotTaken(Reason::Throttled));
    assert!(matches!(end, Next::Over(events) if events.len() == 2));
}

#[test]
fn a_later_segment_without_an_answer_leaves_the_message_taken_and_unconfirmed() {
    let mut flight = partly();
    flight.taken(1, Some(id("b")));
    let ids = vec![id("a"), id("b"), own_id(MESSAGE, 2)];
    assert_eq!(flight.lost(2), over(SubmitAnswer::Accepted(ids)));
    assert_eq!(partly().unwritten(2), Next::Send(vec![2]));
}

#[test]
fn a_late_answer_is_told_after_the_doubt_and_the_doubt_only_once() {
    let mut flight = flight(1);
    let doubt = CarrierEvent::Answer(MESSAGE, SubmitAnswer::NoAnswer);
    assert_eq!(flight.late(), Some(doubt));
    assert_eq!(flight.late(), None);
    let accepted = SubmitAnswer::Accepted(vec![id("a")]);
    assert_eq!(flight.taken(0, Some(id("a"))), over(accepted));
    let mut lost = super::tests::flight(1);
    lost.late();
    assert_eq!(lost.lost(0), Next::Over(Vec::new()));
}
