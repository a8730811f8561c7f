//! What the message center delivers: receipts in the text form of SMPP 3.4, appendix B, with TLVs, and messages.

use std::str::FromStr as _;
use std::sync::Arc;

use didfarm_core::segments::gsm7::{Code, ESCAPE};
use jiff::Timestamp;
use rusmpp::pdus::DeliverSm;
use rusmpp::tlvs::MessageDeliveryRequestTlvValue as TlvValue;
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{
    DataCoding, ErrorCodeNetworkType, EsmClass, MessagePayload, MessageState, NetworkErrorCode,
    Npi, Ton,
};

use super::ids::IdSpelling;
use crate::carriers::record::{Event, Record};

/// Longest address, in characters (SMPP 3.4, 4.6.1: 21 octets with the closing zero).
const ADDRESS_CHARS_MAX: usize = 20;
/// Longest `short_message`, in octets.
const SHORT_MESSAGE_BYTES_MAX: usize = 254;
/// Longest text of one message in `message_payload`, in octets.
const PAYLOAD_BYTES_MAX: usize = 32 * 1024;
/// Octets of the header of a part: length, element, its length, reference, total, place (3GPP TS 23.040, 9.2.3.24.1).
const PART_HEADER_BYTES: usize = 6;
/// Characters of the message that a receipt quotes.
const QUOTED_CHARS: usize = 20;
/// `esm_class` of a receipt (SMPP 3.4, 5.2.12).
const ESM_RECEIPT: u8 = 0x04;
/// `esm_class` of a message with a user data header.
const ESM_HEADER: u8 = 0x40;

/// An inbound message cannot be sent this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// An address is none.
    #[error("from and to must have 1 to {ADDRESS_CHARS_MAX} characters of ASCII")]
    Address,
    /// A part is too long.
    #[error("a part has more than {max} octets; give more parts or less text")]
    PartTooLong {
        /// Octets that fit.
        max: usize,
    },
}

enum What {
    Receipt(Arc<Record>, Event),
    Message(Box<DeliverSm>),
}

/// One `deliver_sm`.
pub struct Outbound {
    what: What,
    /// How often it was sent.
    pub attempts: u32,
}

impl Outbound {
    /// A receipt.
    pub fn receipt(record: Arc<Record>, event: Event) -> Self {
        Self {
            what: What::Receipt(record, event),
            attempts: 0,
        }
    }

    /// An inbound message in this many parts, with `reference` for the parts of one message.
    ///
    /// # Errors
    /// [`InboundError`] when an address or a part does not fit.
    pub fn message(
        from: &str,
        to: &str,
        body: &str,
        parts: u8,
        reference: u64,
    ) -> Result<Vec<Self>, InboundError> {
        let (coding, units) = encode(body);
        let each = units.len().div_ceil(usize::from(parts)).max(1);
        let mut pieces: Vec<Vec<u8>> = units.chunks(each).map(<[Vec<u8>]>::concat).collect();
        // Fewer characters than parts leave the last ones empty.
        pieces.resize(usize::from(parts), Vec::new());
        let place = |place: usize| u8::try_from(place + 1).expect("there are at most 255 parts");
        let header = |at: usize| match parts {
            1 => Vec::new(),
            total => vec![5, 0, 3, (reference % 256) as u8, total, place(at)],
        };
        let message = |(at, piece): (usize, Vec<u8>)| {
            let what = What::Message(Box::new(deliver(from, to, coding, header(at), piece)?));
            Ok(Self { what, attempts: 0 })
        };
        pieces.into_iter().enumerate().map(message).collect()
    }

    /// Whom it is for; `None` for whoever receives.
    pub fn system_id(&self) -> Option<&str> {
        match &self.what {
            What::Receipt(record, _) => Some(&record.submitted.account),
            What::Message(_) => None,
        }
    }

    /// The PDU.
    pub fn pdu(&self, ids: IdSpelling) -> DeliverSm {
        match &self.what {
            What::Receipt(record, event) => receipt(record, *event, ids),
            What::Message(message) => (**message).clone(),
        }
    }
}

/// The coding of a text and the octets of each of its characters: unpacked GSM-7 if that has them all, UCS-2 if not.
fn encode(body: &str) -> (DataCoding, Vec<Vec<u8>>) {
    let septets = |c| match Code::of(c)? {
        Code::Default(septet) => Some(vec![septet]),
        Code::Extension(septet) => Some(vec![ESCAPE, septet]),
    };
    if let Some(units) = body.chars().map(septets).collect() {
        return (DataCoding::McSpecific, units);
    }
    let octets = |c: char| {
        let mut units = [0; 2];
        let units = c.encode_utf16(&mut units).iter();
        units.flat_map(|unit| unit.to_be_bytes()).collect()
    };
    (DataCoding::Ucs2, body.chars().map(octets).collect())
}

fn deliver(
    from: &str,
    to: &str,
    coding: DataCoding,
    header: Vec<u8>,
    text: Vec<u8>,
) -> Result<DeliverSm, InboundError> {
    let alone = header.is_empty();
    let max = match (alone, coding) {
        (true, _) => PAYLOAD_BYTES_MAX,
        (false, DataCoding::Ucs2) => 140 - PART_HEADER_BYTES,
        (false, _) => 153,
    };
    if text.len() > max {
        return Err(InboundError::PartTooLong { max });
    }
    let (source, destination) = (Address::of(from)?, Address::of(to)?);
    let builder = DeliverSm::builder()
        .source_addr_ton(source.ton)
        .source_addr_npi(source.npi)
        .source_addr(source.text)
        .dest_addr_ton(destination.ton)
        .dest_addr_npi(destination.npi)
        .destination_addr(destination.text)
        .esm_class(EsmClass::from(if alone { 0 } else { ESM_HEADER }))
        .data_coding(coding);
    Ok(if text.len() > SHORT_MESSAGE_BYTES_MAX {
        let payload = MessagePayload::new(AnyOctetString::from_vec(text));
        builder.push_tlv(TlvValue::MessagePayload(payload)).build()
    } else {
        let octets = OctetString::from_vec([header, text].concat());
        builder
            .short_message(octets.expect("header and text fit in 254 octets"))
            .build()
    })
}

struct Address {
    ton: Ton,
    npi: Npi,
    text: COctetString<1, 21>,
}

impl Address {
    /// E.164 is 1/1, a name 5/0, a short code 3/0 (SMPP 3.4, 5.2.5 and 5.2.6).
    fn of(text: &str) -> Result<Self, InboundError> {
        let bare = text.strip_prefix('+').unwrap_or(text);
        if !(1..=ADDRESS_CHARS_MAX).contains(&bare.len()) {
            return Err(InboundError::Address);
        }
        let digits = bare.bytes().all(|byte| byte.is_ascii_digit());
        let (ton, npi) = match (digits, bare.len()) {
            (true, ..=6) => (Ton::NetworkSpecific, Npi::Unknown),
            (true, _) => (Ton::International, Npi::Isdn),
            (false, _) => (Ton::Alphanumeric, Npi::Unknown),
        };
        let text = COctetString::from_str(bare).map_err(|_| InboundError::Address)?;
        Ok(Self { ton, npi, text })
    }

    /// An address that a submit had, or none if it was longer than any there is.
    fn echoed(text: &str) -> Self {
        Self::of(text).unwrap_or_else(|_| Self {
            ton: Ton::Unknown,
            npi: Npi::Unknown,
            text: COctetString::empty(),
        })
    }
}

fn receipt(record: &Record, event: Event, ids: IdSpelling) -> DeliverSm {
    let (state, word, error) = match event {
        Event::Taken | Event::Sent => (MessageState::Enroute, "ENROUTE", 0),
        Event::Failed => (MessageState::Undeliverable, "UNDELIV", 1),
        Event::Delivered | Event::Read => (MessageState::Delivered, "DELIVRD", 0),
    };
    let id = ids.in_receipt(&record.id);
    let dated = |at: Timestamp| at.strftime("%y%m%d%H%M").to_string();
    let printable = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
    let quoted: String = record
        .submitted
        .body
        .chars()
        .take(QUOTED_CHARS)
        .map(printable)
        .collect();
    let text = format!(
        "id:{id} sub:001 dlvrd:{:03} submit date:{} done date:{} stat:{word} err:{error:03} text:{quoted}",
        u8::from(event >= Event::Delivered),
        dated(record.taken_at),
        dated(Timestamp::now()),
    );
    let (source, destination) = (
        Address::echoed(&record.submitted.to),
        Address::echoed(&record.submitted.from),
    );
    let id = COctetString::from_str(&id).expect("an id has 64 characters at most");
    let mut builder = DeliverSm::builder()
        .source_addr_ton(source.ton)
        .source_addr_npi(source.npi)
        .source_addr(source.text)
        .dest_addr_ton(destination.ton)
        .dest_addr_npi(destination.npi)
        .destination_addr(destination.text)
        .esm_class(EsmClass::from(ESM_RECEIPT))
        .short_message(
            OctetString::from_vec(text.into_bytes()).expect("a receipt has 254 octets at most"),
        )
        .push_tlv(TlvValue::ReceiptedMessageId(id))
        .push_tlv(TlvValue::MessageState(state));
    if error > 0 {
        let code = NetworkErrorCode::new(ErrorCodeNetworkType::Gsm, error);
        builder = builder.push_tlv(TlvValue::NetworkErrorCode(code));
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(outbound: &Outbound) -> Vec<u8> {
        outbound
            .pdu(IdSpelling::Decimal)
            .short_message()
            .clone()
            .into_vec()
    }

    #[test]
    fn a_long_text_goes_in_parts_that_share_a_reference() {
        let parts = Outbound::message("+31612345678", "+31201234567", "héllo€!", 3, 0x1ff).unwrap();
        let texts: Vec<_> = parts.iter().map(octets).collect();
        assert_eq!(texts[0], [5, 0, 3, 0xff, 3, 1, b'h', 5, b'l']);
        assert_eq!(texts[1], [5, 0, 3, 0xff, 3, 2, b'l', b'o', ESCAPE, 0x65]);
        assert_eq!(texts[2], [5, 0, 3, 0xff, 3, 3, b'!']);
        assert_eq!(
            u8::from(parts[0].pdu(IdSpelling::Decimal).esm_class),
            ESM_HEADER
        );
    }

    #[test]
    fn a_text_beyond_gsm7_is_ucs2() {
        let parts = Outbound::message("MyBank", "1234", "жé", 1, 0).unwrap();
        let pdu = parts[0].pdu(IdSpelling::Decimal);
        assert_eq!(octets(&parts[0]), [0x04, 0x36, 0x00, 0xe9]);
        assert_eq!(
            (pdu.data_coding, pdu.source_addr_ton),
            (DataCoding::Ucs2, Ton::Alphanumeric)
        );
        assert_eq!(pdu.dest_addr_ton, Ton::NetworkSpecific);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sent =
            |from, body: &str, parts| Outbound::message(from, "+31201234567", body, parts, 0).err();
        assert_eq!(sent("", "x", 1), Some(InboundError::Address));
        assert_eq!(
            sent("+31612345678", &"x".repeat(400), 2),
            Some(InboundError::PartTooLong { max: 153 })
        );
        assert_eq!(sent("+31612345678", &"x".repeat(400), 3), None);
        assert_eq!(sent("+31612345678", &"x".repeat(400), 1), None);
    }
}
