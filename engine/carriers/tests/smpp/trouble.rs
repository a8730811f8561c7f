//! Silence, dropped connections, odd PDUs: what is in doubt and what is not.

use std::collections::HashSet;

use didfarm_carriers::{Carrier as _, CarrierEvent, SubmitAnswer};
use didfarm_core::reason::Reason;
use rusmpp::types::AnyOctetString;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};

use super::foreign::Smsc;
use super::puppet::Stage;
use super::recording::{Say, ids, settings, start, submit_bound, text, texts};

#[test]
fn when_the_connection_falls_only_what_was_written_is_in_doubt() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.window = 10;
    let (carrier, recorder) = start(settings);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(texts(2..32));
    let mut seen = HashSet::new();
    let mut requests: Vec<Command> = (0..10).map(|_| puppet.submit().0).collect();
    for (request, id) in requests.drain(..3).zip(["a", "b", "c"]) {
        puppet.take(&request, id);
        seen.insert(puppet.submit().1.destination_addr.to_string());
    }
    drop(puppet);
    let answers = recorder.answers(31);
    let count =
        |wanted: &dyn Fn(&SubmitAnswer) -> bool| answers.values().filter(|it| wanted(it)).count();
    // The first message and three of the thirty.
    assert_eq!(count(&|it| matches!(it, SubmitAnswer::Accepted(_))), 4);
    assert_eq!(count(&|it| *it == SubmitAnswer::NoAnswer), 10);
    assert_eq!(
        count(&|it| *it == SubmitAnswer::NotTaken(Reason::CarrierError)),
        17
    );
    assert_eq!(seen.len(), 3);
    // It comes back by itself.
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(40, "again")]);
    let (request, _) = puppet.submit();
    puppet.take(&request, "d");
    assert_eq!(ids(&recorder.answers(32)[&40]), ["d"]);
}

#[test]
fn a_foreign_smsc_that_dies_is_bound_again_and_every_message_has_an_answer() {
    let smsc = Smsc::taking_all();
    let (carrier, recorder) = start(settings(&smsc.address));
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit(texts(2..2_002));
    recorder.answers(200);
    smsc.stop();
    let answers = recorder.answers(2_001);
    let taken: HashSet<Vec<String>> = answers
        .values()
        .filter(|answer| matches!(answer, SubmitAnswer::Accepted(_)))
        .map(ids)
        .collect();
    let in_doubt = answers
        .values()
        .filter(|it| **it == SubmitAnswer::NoAnswer)
        .count();
    let not_taken = SubmitAnswer::NotTaken(Reason::CarrierError);
    let given_back = answers.values().filter(|it| **it == not_taken).count();
    assert_eq!(taken.len() + in_doubt + given_back, 2_001);
    assert!(
        in_doubt <= 100,
        "more than a window is in doubt: {in_doubt}"
    );
}

#[test]
fn an_answer_that_is_late_follows_the_doubt() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.answer_timeout_ms = 100;
    settings.window = 1;
    let (carrier, recorder) = start(settings);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(texts(2..4));
    let (late, _) = puppet.submit();
    // The window is free again, or the next would not come.
    let (next, _) = puppet.submit();
    assert_eq!(recorder.answers(2)[&2], SubmitAnswer::NoAnswer);
    puppet.take(&next, "next");
    puppet.take(&late, "late");
    let answer = recorder.wait(|record| {
        record.events.iter().find_map(|event| match event {
            CarrierEvent::Answer(message, answer @ SubmitAnswer::Accepted(_)) if message.0 == 2 => {
                Some(answer.clone())
            }
            _ => None,
        })
    });
    assert_eq!(ids(&answer), ["late"]);
}

#[test]
fn throttling_narrows_the_window() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.window = 8;
    let (carrier, recorder) = start(settings);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(texts(2..40));
    let requests: Vec<Command> = (0..8).map(|_| puppet.submit().0).collect();
    for request in &requests {
        puppet.refuse(request, CommandStatus::EsmeRthrottled);
    }
    // Four may be out now: each answer lets one more come, and no more are there before it.
    let mut out: Vec<Command> = (0..4).map(|_| puppet.submit().0).collect();
    puppet.send(&Command::new(CommandStatus::EsmeRok, 99, Pdu::EnquireLink));
    assert_eq!(puppet.next().id(), CommandId::EnquireLinkResp);
    puppet.take(&out.remove(0), "a");
    puppet.submit();
    let answers = recorder.answers(10);
    let throttled = SubmitAnswer::NotTaken(Reason::Throttled);
    assert_eq!(
        answers
            .values()
            .filter(|answer| **answer == throttled)
            .count(),
        8
    );
}

#[test]
fn a_silent_link_is_checked_and_left_when_it_stays_silent() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.enquire_link_ms = 50;
    settings.answer_timeout_ms = 200;
    let (_carrier, _recorder) = start(settings);
    let mut puppet = stage.bind();
    let check = puppet.expect(CommandId::EnquireLink);
    puppet.answer(&check, CommandStatus::EsmeRok, Pdu::EnquireLinkResp);
    let check = puppet.expect(CommandId::EnquireLink);
    // One that does not know the command is alive as well.
    puppet.answer(&check, CommandStatus::EsmeRinvcmdid, Pdu::GenericNack);
    puppet.expect(CommandId::EnquireLink);
    assert_eq!(puppet.read(), None);
    stage.bind();
}

#[test]
fn a_foreign_smsc_checks_the_link_and_is_answered() {
    let stage = Stage::new();
    let (_carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    for sequence in [5, 6] {
        puppet.send(&Command::new(
            CommandStatus::EsmeRok,
            sequence,
            Pdu::EnquireLink,
        ));
        assert_eq!(
            puppet.expect(CommandId::EnquireLinkResp).sequence_number(),
            sequence
        );
    }
}

#[test]
fn an_unknown_request_is_answered_and_an_unknown_answer_is_not() {
    let stage = Stage::new();
    let (_carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    let unknown = |id| Pdu::Other {
        command_id: CommandId::Other(id),
        body: AnyOctetString::from_static_slice(b"what"),
    };
    puppet.send(&Command::new(
        CommandStatus::EsmeRok,
        7,
        unknown(0x8001_0200),
    ));
    puppet.send(&Command::new(
        CommandStatus::EsmeRok,
        8,
        unknown(0x0001_0200),
    ));
    let answer = puppet.expect(CommandId::GenericNack);
    assert_eq!(
        (answer.sequence_number(), answer.status()),
        (8, CommandStatus::EsmeRinvcmdid)
    );
}

#[test]
fn an_smsc_that_asks_and_never_reads_is_left() {
    /// Checks of the link in one write, 16 bytes each.
    const CHECKS: usize = 4_096;
    /// More than the buffers of both ends can hold.
    const WRITES_MAX: usize = 2_000;
    let stage = Stage::new();
    let (_carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    let check = [16u32, 0x15, 0, 1].map(u32::to_be_bytes).concat();
    let checks = check.repeat(CHECKS);
    assert!((0..WRITES_MAX).any(|_| puppet.try_write(&checks).is_err()));
    stage.bind();
}

#[test]
fn a_length_that_no_pdu_has_ends_the_session() {
    let stage = Stage::new();
    let (_carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.write(&[0xFF; 16]);
    assert_eq!(puppet.read(), None);
    stage.bind();
}

#[test]
fn a_session_that_the_smsc_calls_unbound_is_bound_anew() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, "hello")]);
    let (request, _) = puppet.submit();
    puppet.refuse(&request, CommandStatus::EsmeRinvbndsts);
    assert_eq!(
        recorder.answers(2)[&2],
        SubmitAnswer::NotTaken(Reason::CarrierError)
    );
    assert_eq!(puppet.read(), None);
    stage.bind();
}

#[test]
fn a_refused_bind_is_tried_again() {
    let stage = Stage::new();
    let (_carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.accept();
    let bind = puppet.next();
    let nack = Pdu::GenericNack;
    puppet.answer(&bind, CommandStatus::EsmeRsyserr, nack);
    assert_eq!(puppet.read(), None);
    stage.bind();
}

#[test]
fn a_session_that_panics_accounts_for_its_messages_and_comes_back() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, "hello")]);
    puppet.submit();
    recorder.say(&[Say::Panic]);
    puppet.deliver(1, 0x04, b"id:a stat:DELIVRD");
    assert_eq!(recorder.answers(2)[&2], SubmitAnswer::NoAnswer);
    stage.bind();
}
