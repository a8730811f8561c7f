//! What the SMSC brings, and when it is told that it may forget it.

use std::time::Duration;

use bytes::BytesMut;
use didfarm_carriers::Taken;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;
use rusmpp::{CommandId, CommandStatus};
use smpp34::TlvTag;

use super::foreign::Smsc;
use super::puppet::Stage;
use super::recording::{Say, settings, start};

#[test]
fn receipts_come_by_text_and_by_parameters() {
    let smsc = Smsc::taking_all();
    let (_carrier, recorder) = start(settings(&smsc.address));
    let esme = smsc.bound(1);
    let deliver = || {
        esme.deliver_sm()
            .source_addr("31612345678")
            .destination_addr("15550001234")
            .esm_class(0x04)
    };
    smsc.runtime.block_on(async {
        let text = b"id:one sub:001 dlvrd:001 submit date:2604031015 done date:2604031016 \
                     stat:DELIVRD err:000 text:hello";
        let by_text = deliver().short_message(text.to_vec());
        assert!(by_text.send().await.unwrap().is_success());
        let by_parameters = deliver()
            .tlv(TlvTag::ReceiptedMessageId, b"two\0".to_vec())
            .tlv(TlvTag::MessageStateTlv, [5])
            .tlv(TlvTag::NetworkErrorCode, [3, 0, 1]);
        assert!(by_parameters.send().await.unwrap().is_success());
    });
    let receipts = recorder.receipts(2);
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| (&receipt.id.0[..], receipt.claim, receipt.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("one", Claim::Delivered, None),
            ("two", Claim::Failed, Some(Reason::InvalidDestination))
        ]
    );
}

#[test]
fn a_message_from_a_peer_comes_with_its_sender_and_text() {
    let smsc = Smsc::taking_all();
    let (_carrier, recorder) = start(settings(&smsc.address));
    let esme = smsc.bound(1);
    smsc.runtime.block_on(async {
        let number = esme
            .deliver_sm()
            .source_addr_ton(1)
            .source_addr("31612345678");
        let number = number
            .destination_addr("15550001234")
            .short_message(b"caf\x05 \x1B\x28\x1B\x65\x1B\x29".to_vec());
        assert!(number.send().await.unwrap().is_success());
        let name = esme.deliver_sm().source_addr_ton(5).source_addr("MyBank");
        let name = name
            .destination_addr("15550001234")
            .tlv(TlvTag::MessagePayload, b"code 1234".to_vec());
        assert!(name.send().await.unwrap().is_success());
    });
    let inbound = recorder.wait(|record| {
        let inbound: Vec<_> = record
            .callbacks
            .iter()
            .flat_map(|callback| callback.inbound.clone())
            .collect();
        (inbound.len() == 2).then_some(inbound)
    });
    let told: Vec<_> = inbound
        .iter()
        .map(|inbound| {
            (
                inbound.from.to_string(),
                inbound.to.to_string(),
                &inbound.body[..],
            )
        })
        .collect();
    let ours = "+15550001234".to_owned();
    assert_eq!(
        told,
        [
            ("+31612345678".to_owned(), ours.clone(), "café {€}"),
            ("MyBank".to_owned(), ours, "code 1234")
        ]
    );
}

#[test]
fn a_delivery_is_answered_once_it_is_durable_while_reading_goes_on() {
    let stage = Stage::new();
    let (_carrier, recorder) = start(settings(&stage.address()));
    recorder.say(&[Say::Hold]);
    let mut puppet = stage.bind();
    puppet.deliver(11, 0x04, b"id:a stat:DELIVRD");
    recorder.receipts(1);
    puppet.deliver(12, 0x04, b"id:b stat:DELIVRD");
    recorder.receipts(2);
    // The link lives on, and no delivery is answered before the first is durable.
    puppet.send(&rusmpp::Command::new(
        CommandStatus::EsmeRok,
        13,
        rusmpp::Pdu::EnquireLink,
    ));
    assert_eq!(
        puppet.expect(CommandId::EnquireLinkResp).sequence_number(),
        13
    );
    recorder.release(Taken::Durable);
    for sequence in [11, 12] {
        let answer = puppet.expect(CommandId::DeliverSmResp);
        assert_eq!(
            (answer.sequence_number(), answer.status()),
            (sequence, CommandStatus::EsmeRok)
        );
    }
}

#[test]
fn what_cannot_be_taken_now_is_to_be_brought_again() {
    let stage = Stage::new();
    let (_carrier, recorder) = start(settings(&stage.address()));
    recorder.say(&[Say::Now(Taken::Later(Duration::from_secs(1)))]);
    let mut puppet = stage.bind();
    for (sequence, status) in [
        (21, CommandStatus::EsmeRxTAppn),
        (22, CommandStatus::EsmeRok),
    ] {
        puppet.deliver(sequence, 0x04, b"id:a stat:DELIVRD");
        let answer = puppet.expect(CommandId::DeliverSmResp);
        assert_eq!(
            (answer.sequence_number(), answer.status()),
            (sequence, status)
        );
    }
}

#[test]
fn what_can_never_be_used_is_rejected_and_counted() {
    let stage = Stage::new();
    let (_carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.deliver(31, 0x04, b"a receipt without an id");
    let answer = puppet.expect(CommandId::DeliverSmResp);
    assert_eq!(answer.status(), CommandStatus::EsmeRxRAppn);
    recorder.wait(|record| (record.callbacks.first()?.malformed == 1).then_some(()));
}

#[test]
fn a_receipt_that_bends_the_protocol_costs_neither_itself_nor_the_session() {
    let stage = Stage::new();
    let (_carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    // A sender that is not ASCII, an id without its closing zero, a state of two octets, and four octets
    // that are no parameter.
    let body = [
        &b"\0\x05\x00caf\xe9\0\x01\x0115550001234\0\x04\0\0\0\0\0\0\0\0\0"[..],
        &[
            0x00, 0x1E, 0, 3, b'a', b'b', b'c', 0x04, 0x27, 0, 2, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF,
        ],
    ]
    .concat();
    let mut frame = BytesMut::new();
    for word in [16 + body.len() as u32, 0x0000_0005, 0, 41] {
        frame.extend_from_slice(&word.to_be_bytes());
    }
    frame.extend_from_slice(&body);
    puppet.write(&frame);
    let answer = puppet.expect(CommandId::DeliverSmResp);
    assert_eq!(
        (answer.sequence_number(), answer.status()),
        (41, CommandStatus::EsmeRok)
    );
    let receipts = recorder.receipts(1);
    assert_eq!(
        (&receipts[0].id.0[..], receipts[0].claim),
        ("abc", Claim::Delivered)
    );
}

#[test]
fn receipts_that_come_together_are_handed_over_together() {
    const RECEIPTS: usize = 1_000;
    let stage = Stage::new();
    let (_carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    for sequence in 1..=RECEIPTS as u32 {
        puppet.deliver(
            sequence,
            0x04,
            format!("id:{sequence} stat:DELIVRD").as_bytes(),
        );
    }
    let receipts = recorder.receipts(RECEIPTS);
    assert_eq!(receipts.len(), RECEIPTS);
    assert!(
        receipts
            .iter()
            .zip(1..)
            .all(|(receipt, id)| receipt.id.0[..] == format!("{id}"))
    );
    for sequence in 1..=RECEIPTS as u32 {
        assert_eq!(
            puppet.expect(CommandId::DeliverSmResp).sequence_number(),
            sequence
        );
    }
}
