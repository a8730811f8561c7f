//! Long messages both ways.

use std::sync::Arc;

use didfarm_carriers::smpp::Concatenation;
use didfarm_carriers::{Carrier as _, SubmitAnswer};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::parts::Part;
use didfarm_core::reason::Reason;
use rusmpp::CommandStatus;
use smpp34::{TlvTag, submit_sm};

use super::foreign::Smsc;
use super::puppet::Stage;
use super::recording::{ids, settings, start, submit_bound, text};

/// The place of a segment by its header, whose last octet it is.
fn place_of(submit: &submit_sm) -> u8 {
    submit.short_message[usize::from(submit.short_message[0])]
}

#[test]
fn a_long_message_goes_in_segments_and_their_ids_come_in_order() {
    for concatenation in [Concatenation::Udh8, Concatenation::Udh16] {
        // It works on segments side by side: the place in the header says which is which.
        let smsc = Smsc::start(Arc::new(|_, submit| Ok(format!("id-{}", place_of(submit)))));
        let mut settings = settings(&smsc.address);
        settings.concatenation = concatenation;
        let (carrier, recorder) = start(settings);
        let body = "Zażółć gęślą jaźń 😀 ".repeat(10);
        submit_bound(&carrier, &recorder, text(1, &body));
        let answer = recorder.answers(1).remove(&1).unwrap();
        let mut submits = smsc.submits();
        submits.sort_by_key(place_of);
        assert_eq!(submits.len(), 4);
        let mut units = Vec::new();
        for (submit, place) in submits.iter().zip(1u8..) {
            assert_eq!((submit.esm_class, submit.data_coding), (0x40, 8));
            let (header, text) = submit
                .short_message
                .split_at(1 + usize::from(submit.short_message[0]));
            assert_eq!(header[header.len() - 2..], [4, place]);
            assert_eq!(
                header[1],
                if concatenation == Concatenation::Udh8 {
                    0x00
                } else {
                    0x08
                }
            );
            units.extend(
                text.chunks(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]])),
            );
        }
        assert_eq!(String::from_utf16(&units).unwrap(), body);
        assert_eq!(ids(&answer), ["id-1", "id-2", "id-3", "id-4"]);
    }
}

#[test]
fn the_others_wait_until_the_first_segment_is_taken() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, &"a".repeat(400))]);
    let (first, sm) = puppet.submit();
    assert_eq!(&sm.short_message().as_ref()[4..6], [3, 1]);
    puppet.refuse(&first, CommandStatus::EsmeRinvdstadr);
    let answers = recorder.answers(2);
    assert_eq!(
        answers[&2],
        SubmitAnswer::Refused(Reason::InvalidDestination)
    );
    // Nothing of it follows: the next submit is of the next message.
    carrier.submit(vec![text(3, "next")]);
    assert_eq!(puppet.submit().1.short_message().as_ref(), b"next");
}

#[test]
fn a_message_that_is_half_out_is_tried_again_by_the_segment_and_never_as_a_whole() {
    let stage = Stage::new();
    let (carrier, recorder) = start(settings(&stage.address()));
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, &"a".repeat(400))]);
    let (first, _) = puppet.submit();
    puppet.take(&first, "one");
    let (second, _) = puppet.submit();
    let (third, sm) = puppet.submit();
    puppet.refuse(&third, CommandStatus::EsmeRthrottled);
    puppet.refuse(&second, CommandStatus::EsmeRinvdstadr);
    let (again, repeated) = puppet.submit();
    assert_eq!(repeated.short_message(), sm.short_message());
    puppet.take(&again, "three");
    let answers = recorder.answers(2);
    let taken = ids(&answers[&2]);
    assert_eq!((&taken[0][..], &taken[2][..]), ("one", "three"));
    let receipts = recorder.receipts(1);
    assert_eq!(
        (receipts[0].id.to_string(), receipts[0].claim),
        (taken[1].clone(), Claim::Failed)
    );
    assert_eq!(receipts[0].reason, Some(Reason::InvalidDestination));
}

#[test]
fn later_segments_that_were_not_written_go_over_the_next_session() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.window = 1;
    let (carrier, recorder) = start(settings);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(2, &"a".repeat(400))]);
    let (first, _) = puppet.submit();
    puppet.take(&first, "one");
    let (second, _) = puppet.submit();
    puppet.take(&second, "two");
    let (_third, lost) = puppet.submit();
    drop(puppet);
    // What was written may be out: it is not sent again, and the message counts as taken.
    let answers = recorder.answers(2);
    let taken = ids(&answers[&2]);
    assert_eq!(
        (&taken[0][..], &taken[1][..], taken.len()),
        ("one", "two", 3)
    );
    assert_eq!(&lost.short_message().as_ref()[4..6], [3, 3]);
    let mut puppet = stage.bind();
    puppet.warm_up(&carrier, &recorder);
    carrier.submit(vec![text(4, &"b".repeat(400))]);
    let (first, _) = puppet.submit();
    puppet.take(&first, "b1");
    let (second, _) = puppet.submit();
    puppet.refuse(&second, CommandStatus::EsmeRthrottled);
    let (third, _) = puppet.submit();
    puppet.take(&third, "b3");
    drop(puppet);
    // The second segment was refused: it is known not to be out, and goes over the next session.
    let mut puppet = stage.bind();
    let (again, sm) = puppet.submit();
    assert_eq!(&sm.short_message().as_ref()[4..6], [3, 2]);
    puppet.take(&again, "b2");
    assert_eq!(ids(&recorder.answers(3)[&4]), ["b1", "b2", "b3"]);
}

#[test]
fn parts_of_a_peers_message_come_as_parts_and_join_to_its_text() {
    let smsc = Smsc::taking_all();
    let (carrier, recorder) = start(settings(&smsc.address));
    let esme = smsc.bound(1);
    let octets: Vec<u8> = "zwei Hälften 😀!"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    // Cut inside the surrogate pair.
    let (one, two) = octets.split_at(28);
    smsc.runtime.block_on(async {
        for (place, part) in [(2u8, two), (1, one)] {
            let header = [6, 8, 4, 0x12, 0x34, 2, place];
            let deliver = esme
                .deliver_sm()
                .source_addr_ton(1)
                .source_addr("31612345678")
                .destination_addr("15550001234")
                .esm_class(0x40)
                .data_coding(8)
                .short_message([&header[..], part].concat());
            assert!(deliver.send().await.unwrap().is_success());
        }
        for place in [1u8, 2] {
            let deliver = esme
                .deliver_sm()
                .source_addr("31612345678")
                .destination_addr("15550001234")
                .short_message(vec![b'0' + place])
                .tlv(TlvTag::SarMsgRefNum, 9u16.to_be_bytes())
                .tlv(TlvTag::SarTotalSegments, [2])
                .tlv(TlvTag::SarSegmentSeqnum, [place]);
            assert!(deliver.send().await.unwrap().is_success());
        }
    });
    let parts: Vec<Part> = recorder.wait(|record| {
        let parts: Vec<Part> = record
            .callbacks
            .iter()
            .flat_map(|callback| callback.parts.clone())
            .collect();
        (parts.len() == 4).then_some(parts)
    });
    let (by_header, by_parameters): (Vec<&Part>, Vec<&Part>) =
        parts.iter().partition(|part| part.key.reference == 0x1234);
    assert_eq!(carrier.join_parts(&by_header), "zwei Hälften 😀!");
    assert_eq!(carrier.join_parts(&by_parameters), "12");
}
