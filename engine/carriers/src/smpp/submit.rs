//! From a message to `submit_sm` (SMPP 3.4, 4.4.1), and `query_sm` (4.8.1).

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use didfarm_core::channel::Channel;
use didfarm_core::content::ContentKind;
use didfarm_core::e164::DIGITS_MIN;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use tokio::time::Instant;

use super::flight::{Flight, is_own_id};
use super::segments;
use super::settings::{Numbering, SmppSettings};
use super::wire::{command, write_c_string, write_pdu};
use crate::id_rule::Spelling;
use crate::{Submit, SubmitAnswer};

/// `esm_class`: the text begins with a header (SMPP 3.4, 5.2.12).
const ESM_UDHI: u8 = 0x40;
/// Longest validity period that is asked for, in seconds: 30 days, as months differ in length.
const VALIDITY_S_MAX: i64 = 30 * 24 * 60 * 60;
/// Longest `message_id`, in bytes (SMPP 3.4, 5.2.23).
const MESSAGE_ID_BYTES_MAX: usize = 64;

/// Makes a message ready, or says why it never can be.
///
/// # Errors
/// The final answer to what SMS has no form for: another channel, attachments, a peer without a number,
/// more segments than a header counts.
pub(super) fn prepare(
    settings: &SmppSettings,
    submit: &Submit,
    reference: u16,
    now: Timestamp,
) -> Result<Flight, SubmitAnswer> {
    let refused = |reason| Err(SubmitAnswer::Refused(reason));
    let is_text = |content: &didfarm_core::content::Content| {
        content.kind == ContentKind::Text && content.media.is_empty()
    };
    if submit.channel != Channel::Sms || !submit.content.as_deref().is_none_or(is_text) {
        return refused(Reason::Rejected);
    }
    let Some(to) = submit.to.number() else {
        return refused(Reason::InvalidDestination);
    };
    let body = segments::cut(
        &submit.body,
        settings.default_coding,
        settings.concatenation,
        reference,
    );
    let Some(body) = body else {
        return refused(Reason::Rejected);
    };
    let addresses = (submit.from.digits(), to.digits());
    let validity = validity_period(submit.valid_until, now).into();
    Ok(Flight::new(
        submit.message,
        addresses,
        validity,
        body,
        Instant::now(),
    ))
}

/// The time until `until` in the relative format `YYMMDDhhmmss000R` (SMPP 3.4, 7.1.1.2), 1 second to
/// [`VALIDITY_S_MAX`].
fn validity_period(until: Timestamp, now: Timestamp) -> String {
    let seconds = (until.0.saturating_sub(now.0) / 1_000_000).clamp(1, VALIDITY_S_MAX);
    let (minutes, s) = (seconds / 60, seconds % 60);
    let (hours, m) = (minutes / 60, minutes % 60);
    format!("0000{:02}{:02}{m:02}{s:02}000R", hours / 24, hours % 24)
}

/// Writes one segment of a message.
pub(super) fn write_submit(
    out: &mut BytesMut,
    settings: &SmppSettings,
    sequence: u32,
    flight: &Flight,
    place: usize,
) {
    let octets = &flight.body.segments[place];
    let esm_class = if flight.body.has_headers() {
        ESM_UDHI
    } else {
        0
    };
    write_pdu(out, command::SUBMIT_SM, 0, sequence, |out| {
        write_c_string(out, &settings.service_type);
        write_source(out, settings, flight.from);
        write_address(out, settings.destination, flight.to);
        out.put_slice(&[esm_class, 0, 0]); // protocol_id, priority_flag
        write_c_string(out, ""); // schedule_delivery_time
        write_c_string(out, &flight.validity);
        out.put_slice(&[settings.registered_delivery, 0, flight.body.coding, 0]);
        out.put_u8(u8::try_from(octets.len()).expect("a segment has at most 160 octets"));
        out.put_slice(octets);
    });
}

/// Writes a question about a message; `false` for an id that the SMSC cannot know.
pub(super) fn write_query(
    out: &mut BytesMut,
    settings: &SmppSettings,
    sequence: u32,
    id: &CarrierMessageId,
    from: u64,
) -> bool {
    let id = match as_answered(settings, id) {
        Some(id) if id.len() <= MESSAGE_ID_BYTES_MAX && id.is_ascii() => id,
        _ => return false,
    };
    write_pdu(out, command::QUERY_SM, 0, sequence, |out| {
        write_c_string(out, &id);
        write_source(out, settings, from);
    });
    true
}

/// The id as the SMSC spelled it in its answer, as far as the rule can be undone: zeros and the case
/// that it took away are lost.
fn as_answered(settings: &SmppSettings, id: &CarrierMessageId) -> Option<String> {
    if is_own_id(id) {
        return None;
    }
    Some(match (settings.ids.answers, id.0.parse::<u128>()) {
        (Spelling::Hexadecimal, Ok(value)) => format!("{value:X}"),
        _ => id.0.to_string(),
    })
}

fn write_source(out: &mut BytesMut, settings: &SmppSettings, digits: u64) {
    let is_short = digits < 10u64.pow(DIGITS_MIN as u32 - 1);
    let numbering = if is_short {
        Numbering::SHORT_CODE
    } else {
        settings.source
    };
    write_address(out, numbering, digits);
}

fn write_address(out: &mut BytesMut, numbering: Numbering, digits: u64) {
    out.put_slice(&[numbering.ton, numbering.npi]);
    write!(out, "{digits}").expect("a buffer grows");
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use didfarm_core::content::{Content, Media};
    use didfarm_core::e164::E164;
    use didfarm_core::ids::{CarrierId, MessageId};
    use didfarm_core::peer::Peer;
    use rusmpp::tokio_codec::CommandCodec;
    use rusmpp::{Command, Pdu};
    use tokio_util::codec::Decoder as _;

    use super::*;
    use crate::id_rule::IdRule;

    fn settings() -> SmppSettings {
        SmppSettings::new(CarrierId(2), "smsc", "localhost:2775")
    }

    fn submit(body: &str) -> Submit {
        Submit {
            message: MessageId(65_537),
            from: E164::from_digits(15_550_001_234).unwrap(),
            to: Peer::parse("+31612345678").unwrap(),
            channel: Channel::Sms,
            body: body.into(),
            segments: 1,
            content: None,
            valid_until: Timestamp(0).plus_ms(93_784_000),
            submit: 1,
        }
    }

    fn read_back(out: &mut BytesMut) -> Command {
        CommandCodec::new().decode(out).unwrap().unwrap()
    }

    #[test]
    fn another_codec_reads_what_we_submit() {
        let settings = settings();
        let flight = prepare(&settings, &submit(&"€".repeat(100)), 7, Timestamp(0)).unwrap();
        let mut out = BytesMut::new();
        write_submit(&mut out, &settings, 9, &flight, 1);
        let command = read_back(&mut out);
        let Some(Pdu::SubmitSm(sm)) = command.pdu() else {
            panic!("no submit_sm: {command:?}");
        };
        assert_eq!(command.sequence_number(), 9);
        assert_eq!(
            (sm.source_addr.as_str(), sm.destination_addr.as_str()),
            ("15550001234", "31612345678")
        );
        assert_eq!(
            (u8::from(sm.source_addr_ton), u8::from(sm.dest_addr_npi)),
            (1, 1)
        );
        assert_eq!(sm.validity_period.as_str(), "000001020304000R");
        assert_eq!(u8::from(sm.registered_delivery), 1);
        assert_eq!(u8::from(sm.esm_class) & 0xC0, 0x40);
        assert_eq!(
            &sm.short_message().as_ref()[..8],
            &[5, 0, 3, 7, 2, 2, 0x1B, 0x65]
        );
        assert!(out.is_empty());
    }

    #[test]
    fn another_codec_reads_what_we_ask() {
        let mut settings = settings();
        settings.ids = IdRule {
            answers: Spelling::Hexadecimal,
            ..IdRule::default()
        };
        let mut out = BytesMut::new();
        let id = |text: &str| CarrierMessageId(text.into());
        assert!(write_query(&mut out, &settings, 3, &id("6699"), 12_345));
        let command = read_back(&mut out);
        let Some(Pdu::QuerySm(query)) = command.pdu() else {
            panic!("no query_sm: {command:?}");
        };
        assert_eq!(
            (query.message_id.as_str(), query.source_addr.as_str()),
            ("1A2B", "12345")
        );
        assert_eq!(u8::from(query.source_addr_ton), Numbering::SHORT_CODE.ton);
        assert!(!write_query(
            &mut out,
            &settings,
            3,
            &id("msg_00000000001/2"),
            1
        ));
        assert!(!write_query(
            &mut out,
            &settings,
            3,
            &id(&"x".repeat(65)),
            1
        ));
    }

    #[test]
    fn what_sms_has_no_form_for_is_refused_for_good() {
        let why = |submit: &Submit| prepare(&settings(), submit, 1, Timestamp(0)).unwrap_err();
        let mut whatsapp = submit("a");
        whatsapp.channel = Channel::WhatsApp;
        let mut picture = submit("a");
        picture.content = Some(Box::new(Content {
            media: vec![Media::default()],
            ..Content::of(ContentKind::Text)
        }));
        for submit in [whatsapp, picture] {
            assert_eq!(why(&submit), SubmitAnswer::Refused(Reason::Rejected));
        }
        let mut named = submit("a");
        named.to = Peer::parse("MyBank").unwrap();
        assert_eq!(
            why(&named),
            SubmitAnswer::Refused(Reason::InvalidDestination)
        );
    }

    #[test]
    fn a_validity_period_stays_within_what_the_format_holds() {
        let at = |ms| validity_period(Timestamp(0).plus_ms(ms), Timestamp(0));
        assert_eq!(at(0), "000000000001000R");
        assert_eq!(at(48 * 3_600_000), "000002000000000R");
        assert_eq!(at(u64::MAX), "000030000000000R");
        assert_eq!(validity_period(Timestamp(0), Timestamp(9_000_000)), at(0));
    }
}
