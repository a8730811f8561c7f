//! Messages against another implementation's SMSC.

use std::collections::HashMap;
use std::sync::Arc;

use didfarm_carriers::{Carrier as _, CarrierEvent, Query, SubmitAnswer};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;
use smpp34::SmppError;

use super::foreign::Smsc;
use super::recording::{ids, settings, start, submit_bound, text, texts};

#[test]
fn thousands_of_messages_each_get_the_id_that_the_smsc_gave_them() {
    const MESSAGES: u64 = 5_000;
    // The destination is in the id, so that a swapped answer shows.
    let smsc = Smsc::start(Arc::new(|_, submit| {
        Ok(format!("to-{}", submit.destination_addr))
    }));
    let mut settings = settings(&smsc.address);
    settings.window = 50;
    let (carrier, recorder) = start(settings);
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit(texts(2..MESSAGES + 1));
    let answers = recorder.answers(MESSAGES as usize);
    for (message, answer) in &answers {
        assert_eq!(ids(answer), [format!("to-{}", 31_610_000_000 + message)]);
    }
    assert_eq!(smsc.submits().len() as u64, MESSAGES);
    assert!(
        (2..=50).contains(&smsc.unanswered_max()),
        "{}",
        smsc.unanswered_max()
    );
    let submit = &smsc.submits()[0];
    assert_eq!((submit.source_addr_ton, submit.dest_addr_npi), (1, 1));
    assert_eq!(
        (&submit.source_addr[..], &submit.short_message[..]),
        ("15550001234", &b"hello"[..])
    );
    assert_eq!(
        (
            submit.registered_delivery,
            submit.data_coding,
            submit.esm_class
        ),
        (1, 0, 0)
    );
}

#[test]
fn throttling_slows_down_and_loses_no_id() {
    const MESSAGES: u64 = 400;
    let smsc = Smsc::start(Arc::new(|place, submit| match place % 5 {
        3 => Err(SmppError::ESME_RTHROTTLED),
        4 => Err(SmppError::ESME_RMSGQFUL),
        _ => Ok(format!("to-{}", submit.destination_addr)),
    }));
    let (carrier, recorder) = start(settings(&smsc.address));
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit(texts(2..MESSAGES + 1));
    let answers = recorder.answers(MESSAGES as usize);
    let throttled = SubmitAnswer::NotTaken(Reason::Throttled);
    let slowed = answers
        .values()
        .filter(|answer| **answer == throttled)
        .count();
    assert_eq!(slowed as u64, MESSAGES / 5 * 2);
    for (message, answer) in answers.iter().filter(|(_, answer)| **answer != throttled) {
        assert_eq!(ids(answer), [format!("to-{}", 31_610_000_000 + message)]);
    }
}

#[test]
fn each_refusal_says_what_the_table_says() {
    let smsc = Smsc::start(Arc::new(|_, submit| match &submit.short_message[..] {
        b"bad" => Err(SmppError::ESME_RINVDSTADR),
        b"down" => Err(SmppError::ESME_RSYSERR),
        b"odd" => Err(SmppError::ESME_RCANCELFAIL),
        _ => Ok("id".to_owned()),
    }));
    let (carrier, recorder) = start(settings(&smsc.address));
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit(vec![text(2, "bad"), text(3, "down"), text(4, "odd")]);
    let answers = recorder.answers(4);
    let refused = |reason| SubmitAnswer::Refused(reason);
    assert_eq!(answers[&2], refused(Reason::InvalidDestination));
    assert_eq!(answers[&3], SubmitAnswer::NotTaken(Reason::CarrierError));
    assert_eq!(answers[&4], refused(Reason::Unknown));
}

#[test]
fn several_binds_share_the_messages() {
    let smsc = Smsc::taking_all();
    let mut settings = settings(&smsc.address);
    settings.binds = 3;
    settings.window = 5;
    let (carrier, recorder) = start(settings);
    smsc.bound(3);
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit(texts(2..1_001));
    let answers = recorder.answers(1_000);
    let by_id: HashMap<_, _> = answers
        .iter()
        .map(|(message, answer)| (ids(answer), message))
        .collect();
    assert_eq!(by_id.len(), 1_000);
    assert!(smsc.unanswered_max() <= 15);
}

#[test]
fn a_question_is_answered_by_a_receipt() {
    let smsc = Smsc::taking_all();
    let (carrier, recorder) = start(settings(&smsc.address));
    submit_bound(&carrier, &recorder, text(1, "hello"));
    let ask = |id: &str| Query {
        message: MessageId(1),
        id: CarrierMessageId(id.into()),
        from: E164::from_digits(15_550_001_234).unwrap(),
    };
    carrier.query(vec![ask("lost-1"), ask("msg_00000000001/2"), ask("abc")]);
    let receipts = recorder.receipts(1);
    assert_eq!(
        (receipts[0].id.to_string(), receipts[0].claim),
        ("abc".to_owned(), Claim::Delivered)
    );
    recorder.wait(|record| {
        let is_event = |event: &CarrierEvent| matches!(event, CarrierEvent::Receipt(_));
        record.events.iter().any(is_event).then_some(())
    });
}

#[test]
fn nothing_waits_for_a_bind_that_is_not_there() {
    // A port that nobody listens on: it was taken and let go.
    let smsc = Smsc::taking_all();
    let address = smsc.address.clone();
    smsc.stop();
    let (carrier, recorder) = start(settings(&address));
    carrier.submit(texts(1..4));
    let answers = recorder.answers(3);
    let not_taken = SubmitAnswer::NotTaken(Reason::CarrierError);
    assert!(answers.values().all(|answer| *answer == not_taken));
}
