//! Ends that are wanted: ours, and the SMSC's.

use std::sync::Arc;

use didfarm_carriers::smpp::{BindMode, SmppCarrier};
use didfarm_carriers::{Carrier as _, SubmitAnswer};
use didfarm_core::reason::Reason;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};

use super::foreign::Smsc;
use super::puppet::{Puppet, Stage};
use super::recording::{Recorder, ids, settings, start, submit_bound, text};

/// A carrier with a window of 1 whose second message is under way, unanswered.
fn with_one_under_way() -> (SmppCarrier, Arc<Recorder>, Puppet, Command) {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.window = 1;
    let (carrier, recorder) = start(settings);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, "under way")]);
    let (request, _) = puppet.submit();
    (carrier, recorder, puppet, request)
}

#[test]
fn dropping_the_carrier_waits_for_answers_and_unbinds() {
    let (carrier, recorder, mut puppet, request) = with_one_under_way();
    let gone = std::thread::spawn(move || drop(carrier));
    puppet.take(&request, "b");
    let unbind = puppet.expect(CommandId::Unbind);
    puppet.answer(&unbind, CommandStatus::EsmeRok, Pdu::UnbindResp);
    assert_eq!(puppet.read(), None);
    gone.join().unwrap();
    assert_eq!(ids(&recorder.answers(2)[&2]), ["b"]);
}

#[test]
fn dropping_the_carrier_gives_back_what_was_not_begun_and_doubts_what_was() {
    let (carrier, recorder, mut puppet, _) = with_one_under_way();
    carrier.submit(vec![text(3, "not begun")]);
    let gone = std::thread::spawn(move || drop(carrier));
    puppet.expect(CommandId::Unbind);
    drop(puppet);
    gone.join().unwrap();
    let answers = recorder.answers(3);
    assert_eq!(answers[&2], SubmitAnswer::NoAnswer);
    assert_eq!(answers[&3], SubmitAnswer::NotTaken(Reason::CarrierError));
}

#[test]
fn dropping_the_carrier_ends_within_its_bound_when_the_smsc_says_nothing() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.deliver(1, 0x04, b"id:a stat:DELIVRD");
    recorder.receipts(1);
    drop(carrier);
    assert_eq!(puppet.next().id(), CommandId::DeliverSmResp);
    puppet.expect(CommandId::Unbind);
    assert_eq!(puppet.read(), None);
}

#[test]
fn dropping_the_carrier_while_it_is_not_bound_ends_at_once() {
    let stage = Stage::new();
    let (carrier, _recorder) = start(settings(&stage.address()));
    let mut puppet = stage.accept();
    puppet.expect(CommandId::BindTransceiver);
    drop(carrier);
    assert_eq!(puppet.read(), None);
}

#[test]
fn a_foreign_smsc_sees_the_session_unbound() {
    let smsc = Smsc::taking_all();
    let (carrier, _recorder) = start(settings(&smsc.address));
    smsc.bound(1);
    drop(carrier);
    smsc.unbound();
}

#[test]
fn when_the_smsc_unbinds_it_gets_its_answer_after_ours_came() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| submit_bound(&carrier, &recorder, text(1, "hello")));
        let (request, _) = puppet.submit();
        puppet.send(&Command::new(CommandStatus::EsmeRok, 77, Pdu::Unbind));
        puppet.take(&request, "a");
        first.join().unwrap();
    });
    assert_eq!(puppet.expect(CommandId::UnbindResp).sequence_number(), 77);
    assert_eq!(puppet.read(), None);
    assert_eq!(ids(&recorder.answers(1)[&1]), ["a"]);
    stage.bind();
}

#[test]
fn a_pair_of_sessions_submits_on_one_and_receives_on_the_other() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.bind = BindMode::TransmitterReceiver;
    let (carrier, recorder) = start(settings);
    let (mut one, mut other) = (stage.accept(), stage.accept());
    let (bind_one, bind_other) = (one.next(), other.next());
    one.bound(&bind_one);
    other.bound(&bind_other);
    let is_transmitter = bind_one.id() == CommandId::BindTransmitter;
    let (mut transmitter, mut receiver) = if is_transmitter {
        (one, other)
    } else {
        (other, one)
    };
    transmitter.warm_up(&carrier, &recorder);
    receiver.deliver(1, 0x04, b"id:a stat:DELIVRD");
    assert_eq!(recorder.receipts(1)[0].id.to_string(), "a");
    assert_eq!(receiver.next().id(), CommandId::DeliverSmResp);
}
