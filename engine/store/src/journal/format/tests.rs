//! Tests of the journal's physical format.

use super::*;

fn head_of(frame: &[u8]) -> FrameHead {
    match FrameHead::parse(frame) {
        HeadFound::Head(head) => head,
        other => panic!("no head: {other:?}"),
    }
}

#[test]
fn a_segment_name_has_twenty_digits_and_is_parsed_back() {
    assert_eq!(segment_name(Seq(42)), "00000000000000000042.journal");
    for seq in [Seq(1), Seq(42), Seq::MAX] {
        assert_eq!(parse_segment_name(&segment_name(seq)), Some(seq));
    }
    for other in [
        "CLEAN",
        "42.journal",
        "+0000000000000000042.journal",
        "99999999999999999999.journal",
        "00000000000000000042.journal.old",
    ] {
        assert_eq!(parse_segment_name(other), None, "{other}");
    }
}

#[test]
fn a_segment_header_is_these_bytes() {
    let header = SegmentHeader {
        first: Seq(0x0102),
        salt: 0x0A0B,
    };
    let bytes = header.encode();
    assert_eq!(
        bytes[..28],
        [
            0xF5, 0x44, 0x46, 0x4A, 3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0x0B, 0x0A, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0
        ]
    );
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
}

#[test]
fn any_changed_bit_of_a_segment_header_is_noticed() {
    let header = SegmentHeader {
        first: Seq(9),
        salt: 3,
    };
    for bit in 0..SEGMENT_HEADER_BYTES as usize * 8 {
        let mut bytes = header.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fault = SegmentHeader::decode(&bytes).unwrap_err();
        let in_version = (4..8).contains(&(bit / 8));
        assert_eq!(matches!(fault, HeaderFault::Version(_)), in_version);
    }
}

#[test]
fn a_frame_is_aligned_and_gives_its_entries_back() {
    let mut group = GroupBuffer::new();
    assert!(group.push(&"ab", 1000).unwrap());
    assert!(group.push(&7_u8, 1000).unwrap());
    let frame = group.seal(Seq(5), 99).to_vec();
    assert_eq!(frame.len() % 8, 0);
    let head = head_of(&frame);
    assert_eq!((head.first, head.last()), (Seq(5), Seq(6)));
    let exact = &frame[..head.frame_bytes() as usize];
    assert_eq!(
        exact[24..],
        [4, 0, 0, 0, 3, 0xA2, b'a', b'b', 2, 0, 0, 0, 3, 7]
    );
    assert!(head.holds(exact, 99));
    assert!(!head.holds(exact, 98), "another segment's salt");
    let entries: Vec<_> = split_entries(&exact[24..]).map(Option::unwrap).collect();
    assert_eq!(entries, [&[3, 0xA2, b'a', b'b'][..], &[3, 7][..]]);
}

#[test]
fn any_changed_bit_of_a_frame_is_noticed() {
    let mut group = GroupBuffer::new();
    group.push(&"some text", 1000).unwrap();
    let sealed = group.seal(Seq(5), 1).to_vec();
    let len = head_of(&sealed).frame_bytes() as usize;
    for bit in 0..len * 8 {
        let mut frame = sealed[..len].to_vec();
        frame[bit / 8] ^= 1 << (bit % 8);
        let held = match FrameHead::parse(&frame) {
            HeadFound::Head(head) => head.frame_bytes() == len as u64 && head.holds(&frame, 1),
            HeadFound::Zeros | HeadFound::Damaged => false,
        };
        assert!(!held, "bit {bit}");
    }
}

#[test]
fn a_group_ends_before_the_entry_that_would_pass_its_bound() {
    let mut group = GroupBuffer::new();
    let text = "x".repeat(100);
    assert!(group.push(&text, 64).unwrap(), "a first entry always fits");
    assert!(!group.push(&text, 64).unwrap());
    let sealed = group.sealed_bytes();
    assert_eq!(group.seal(Seq(1), 0).len() as u64, sealed);
    group.clear(64);
    assert_eq!(group.count(), 0);
    assert!(group.push(&text, 64).unwrap());
    assert_eq!(head_of(group.seal(Seq(2), 0)).count, 1);
}

#[test]
fn zeros_and_rubbish_are_no_head() {
    assert_eq!(FrameHead::parse(&[0; 24]), HeadFound::Zeros);
    assert_eq!(FrameHead::parse(&[7; 24]), HeadFound::Damaged);
}

#[test]
fn a_length_that_leaves_the_payload_ends_the_splitting() {
    let mut entries = split_entries(&[1, 0, 0, 0, 9, 200, 0, 0, 0, 1]);
    assert_eq!(entries.next(), Some(Some(&[9][..])));
    assert_eq!(entries.next(), Some(None));
    assert_eq!(entries.next(), None);
    assert_eq!(split_entries(&[1, 0]).collect::<Vec<_>>(), [None]);
}
