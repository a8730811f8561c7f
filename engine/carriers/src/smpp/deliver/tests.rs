//! `deliver_sm` and `data_sm` in every form that SMSCs bring.

use bytes::{BufMut, BytesMut};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;
use proptest::prelude::*;

use super::super::wire::write_c_string;
use super::*;
use crate::id_rule::{IdRule, Spelling};

struct Sm<'a> {
    ton: u8,
    from: &'a str,
    to: &'a str,
    esm_class: u8,
    coding: u8,
    octets: &'a [u8],
    parameters: &'a [(u16, &'a [u8])],
}

const SM: Sm<'static> = Sm {
    ton: 1,
    from: "31612345678",
    to: "15550001234",
    esm_class: 0,
    coding: 0,
    octets: b"hello",
    parameters: &[],
};

fn settings() -> SmppSettings {
    SmppSettings::new(didfarm_core::ids::CarrierId(2), "smsc", "localhost:2775")
}

fn body(sm: &Sm<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    write_c_string(&mut out, "");
    out.put_slice(&[sm.ton, 1]);
    write_c_string(&mut out, sm.from);
    out.put_slice(&[1, 1]);
    write_c_string(&mut out, sm.to);
    out.put_slice(&[sm.esm_class, 0, 0, 0, 0, 0, 0, sm.coding, 0]);
    out.put_u8(sm.octets.len() as u8);
    out.put_slice(sm.octets);
    for (tag, value) in sm.parameters {
        out.put_u16(*tag);
        out.put_u16(value.len() as u16);
        out.put_slice(value);
    }
    out
}

fn read_sm(sm: &Sm<'_>) -> Option<Delivered> {
    read_deliver_sm(&settings(), &body(sm))
}

fn receipt_of(sm: &Sm<'_>) -> (String, Claim, Option<Reason>) {
    match read_sm(sm) {
        Some(Delivered::Receipt(receipt)) => {
            (receipt.id.to_string(), receipt.claim, receipt.reason)
        }
        other => panic!("no receipt: {other:?}"),
    }
}

fn inbound_of(sm: &Sm<'_>) -> Inbound {
    match read_sm(sm) {
        Some(Delivered::Inbound(inbound, false)) => inbound,
        other => panic!("no message: {other:?}"),
    }
}

fn part_of(sm: &Sm<'_>) -> Part {
    match read_sm(sm) {
        Some(Delivered::Part(part)) => part,
        other => panic!("no part: {other:?}"),
    }
}

#[test]
fn a_receipt_is_read_from_text_from_parameters_or_from_both() {
    let text = Sm {
        esm_class: 0x04,
        octets: b"id:7 stat:DELIVRD",
        ..SM
    };
    assert_eq!(receipt_of(&text), ("7".to_owned(), Claim::Delivered, None));
    let id: (u16, &[u8]) = (tag::RECEIPTED_MESSAGE_ID, b"ab\0");
    let state: (u16, &[u8]) = (tag::MESSAGE_STATE, &[5]);
    let failed = ("ab".to_owned(), Claim::Failed, Some(Reason::Unreachable));
    for sm in [
        Sm {
            esm_class: 0x04,
            octets: b"",
            parameters: &[id, state],
            ..SM
        },
        Sm {
            parameters: &[id, state],
            ..SM
        },
        Sm {
            octets: b"id:7 stat:DELIVRD",
            parameters: &[state, id],
            ..text
        },
        Sm {
            octets: b"id:7 stat:UNDELIV",
            parameters: &[id],
            ..text
        },
        Sm {
            octets: b"id:ab stat:DELIVRD",
            parameters: &[state],
            ..text
        },
        // Without its closing zero, as some send it.
        Sm {
            parameters: &[(tag::RECEIPTED_MESSAGE_ID, b"ab"), state],
            ..text
        },
        Sm {
            octets: b"",
            parameters: &[(tag::MESSAGE_PAYLOAD, b"id:ab stat:UNDELIV")],
            ..text
        },
    ] {
        assert_eq!(receipt_of(&sm), failed);
    }
}

#[test]
fn an_intermediate_notification_claims_nothing_final() {
    let sm = Sm {
        esm_class: 0x20,
        octets: b"id:7 stat:ENROUTE",
        ..SM
    };
    assert_eq!(receipt_of(&sm), ("7".to_owned(), Claim::EnRoute, None));
}

#[test]
fn a_receipt_without_a_known_state_is_ignored_and_one_without_an_id_is_of_no_use() {
    let sm = Sm {
        esm_class: 0x04,
        octets: b"id:7 stat:ODD",
        ..SM
    };
    assert_eq!(read_sm(&sm), Some(Delivered::Ignored));
    assert_eq!(
        read_sm(&Sm {
            octets: b"stat:DELIVRD",
            ..sm
        }),
        None
    );
}

#[test]
fn the_id_of_a_receipt_is_spelled_by_the_rule() {
    let mut settings = settings();
    settings.ids = IdRule {
        answers: Spelling::Hexadecimal,
        receipts: Spelling::Decimal,
        ..IdRule::default()
    };
    let body = body(&Sm {
        esm_class: 0x04,
        octets: b"id:0000006699 stat:DELIVRD",
        ..SM
    });
    let Some(Delivered::Receipt(receipt)) = read_deliver_sm(&settings, &body) else {
        panic!("no receipt");
    };
    assert_eq!(Some(receipt.id), settings.ids.of_answer("1A2B"));
}

#[test]
fn a_message_keeps_its_sender_text_and_kind() {
    let plain = inbound_of(&SM);
    assert_eq!(
        (plain.from.to_string(), &plain.body[..]),
        ("+31612345678".to_owned(), "hello")
    );
    assert_eq!(
        (plain.to.to_string(), plain.id, plain.content),
        ("+15550001234".to_owned(), None, None)
    );
    let named = inbound_of(&Sm {
        ton: 5,
        from: "MyBank",
        ..SM
    });
    assert_eq!(named.from.to_string(), "MyBank");
    let plus = inbound_of(&Sm {
        ton: 0,
        from: "+31612345678",
        ..SM
    });
    assert_eq!(plus.from, plain.from);
    let binary = inbound_of(&Sm {
        coding: 4,
        octets: &[0xCA, 0xFE],
        ..SM
    });
    assert_eq!(
        (&binary.body[..], binary.content.unwrap().kind),
        ("cafe", ContentKind::Unsupported)
    );
    let payload = Sm {
        octets: b"",
        parameters: &[(tag::MESSAGE_PAYLOAD, b"long")],
        ..SM
    };
    assert_eq!(&inbound_of(&payload).body[..], "long");
}

#[test]
fn a_message_from_nobody_or_to_no_number_is_of_no_use() {
    for sm in [
        Sm { from: "", ..SM },
        Sm { to: "", ..SM },
        Sm {
            to: "service",
            ..SM
        },
    ] {
        assert_eq!(read_sm(&sm), None);
    }
    let whole = body(&SM);
    assert_eq!(
        read_deliver_sm(&settings(), &whole[..whole.len() - 1]),
        None
    );
}

#[test]
fn a_part_is_known_by_header_or_parameters() {
    let narrow = part_of(&Sm {
        esm_class: 0x40,
        octets: b"\x05\x00\x03\x07\x03\x02abc",
        ..SM
    });
    assert_eq!(
        (narrow.key.reference, narrow.key.wide, narrow.key.total),
        (7, false, 3)
    );
    assert_eq!((narrow.place, &narrow.octets[..]), (2, &b"abc"[..]));
    let header = b"\x0c\x05\x04\x0b\x84\x23\xf0\x08\x04\x12\x34\x02\x01abc";
    let wide = part_of(&Sm {
        esm_class: 0x40,
        octets: header,
        coding: 8,
        ..SM
    });
    assert_eq!(
        (wide.key.reference, wide.key.wide, wide.coding),
        (0x1234, true, 8)
    );
    assert_eq!(
        (wide.key.total, wide.place, &wide.octets[..]),
        (2, 1, &b"abc"[..])
    );
    let sar: &[(u16, &[u8])] = &[
        (tag::SAR_MSG_REF_NUM, &[0, 9]),
        (tag::SAR_TOTAL_SEGMENTS, &[2]),
        (tag::SAR_SEGMENT_SEQNUM, &[2]),
    ];
    let sar = part_of(&Sm {
        parameters: sar,
        ..SM
    });
    assert_eq!(
        (sar.key.reference, sar.key.total, sar.place, &sar.octets[..]),
        (9, 2, 2, &b"hello"[..])
    );
}

#[test]
fn a_place_that_cannot_be_makes_a_message_of_its_own() {
    for header in [
        b"\x05\x00\x03\x07\x01\x01",
        b"\x05\x00\x03\x07\x02\x03",
        b"\x05\x00\x03\x07\x02\x00",
    ] {
        let octets = [&header[..], b"abc"].concat();
        let inbound = inbound_of(&Sm {
            esm_class: 0x40,
            octets: &octets,
            ..SM
        });
        assert_eq!(&inbound.body[..], "abc");
    }
    let port = Sm {
        esm_class: 0x40,
        octets: b"\x06\x05\x04\x0b\x84\x23\xf0abc",
        ..SM
    };
    assert_eq!(&inbound_of(&port).body[..], "abc");
    let broken = Sm {
        esm_class: 0x40,
        octets: b"zabc",
        ..SM
    };
    assert_eq!(&inbound_of(&broken).body[..], "zabc");
}

#[test]
fn data_sm_brings_the_same() {
    let mut out = BytesMut::new();
    write_c_string(&mut out, "");
    out.put_slice(&[1, 1]);
    write_c_string(&mut out, "31612345678");
    out.put_slice(&[1, 1]);
    write_c_string(&mut out, "15550001234");
    out.put_slice(&[0x04, 0, 0]);
    out.put_slice(&[0x00, 0x1E, 0, 2, b'a', 0, 0x04, 0x27, 0, 1, 2]);
    let Some(Delivered::Receipt(receipt)) = read_data_sm(&settings(), &out) else {
        panic!("no receipt");
    };
    assert_eq!(
        (receipt.id.to_string(), receipt.claim),
        ("a".to_owned(), Claim::Delivered)
    );
}

proptest! {
    #[test]
    fn no_body_is_too_odd_to_read(octets: Vec<u8>, esm_class: u8, coding: u8, text in prop::collection::vec(any::<u8>(), 0..255)) {
        read_deliver_sm(&settings(), &octets);
        read_data_sm(&settings(), &octets);
        read_sm(&Sm { esm_class, coding, octets: &text, ..SM });
    }
}
