//! What the SMSC brings: `deliver_sm` and `data_sm` read into receipts, messages and parts of messages.

use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind};
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::parts::{Part, PartsKey};
use didfarm_core::peer::{Peer, PeerName};

use super::receipt::{MessageState, Said, read_text};
use super::settings::SmppSettings;
use super::text::{cut, decode, is_text};
use super::wire::{Reader, tag};
use crate::Receipt;
use crate::callback::{Callback, Inbound};

/// The message type in `esm_class` (SMPP 3.4, 5.2.12).
const TYPE_MASK: u8 = 0x3C;
/// Message type: a receipt.
const TYPE_RECEIPT: u8 = 0x04;
/// Message type: an intermediate notification, which is a receipt that is not final.
const TYPE_INTERMEDIATE: u8 = 0x20;
/// The text begins with a header (SMPP 3.4, 5.2.12).
const UDHI: u8 = 0x40;
/// Type of number: alphanumeric (SMPP 3.4, 5.2.5).
const TON_ALPHANUMERIC: u8 = 5;
/// Longest octets of a part (`didfarm_core::parts::Part`).
const PART_BYTES_MAX: usize = 255;

/// What one request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivered {
    /// A claim about a message of ours.
    Receipt(Receipt),
    /// A receipt whose state is none that we know.
    Ignored,
    /// A message from a peer; whether its text was cut.
    Inbound(Inbound, bool),
    /// A part of one.
    Part(Part),
}

impl Delivered {
    /// Puts it into a callback.
    pub(super) fn add_to(self, callback: &mut Callback) {
        match self {
            Delivered::Receipt(receipt) => callback.receipts.push(receipt),
            Delivered::Ignored => callback.ignored += 1,
            Delivered::Inbound(inbound, is_cut) => {
                callback.malformed += u32::from(is_cut);
                callback.inbound.push(inbound);
            }
            Delivered::Part(part) => callback.parts.push(part),
        }
    }
}

/// What stands in a `deliver_sm` (SMPP 3.4, 4.6.1) or a `data_sm` (4.7.1), as it came.
#[derive(Debug, Default)]
struct Fields<'a> {
    source_ton: u8,
    source: String,
    destination: String,
    esm_class: u8,
    coding: u8,
    octets: &'a [u8],
    receipted_id: Option<String>,
    state: Option<u8>,
    network_error: Option<&'a [u8]>,
    sar_reference: Option<u16>,
    sar_total: Option<u8>,
    sar_place: Option<u8>,
}

impl<'a> Fields<'a> {
    fn of_deliver_sm(body: &'a [u8]) -> Option<Fields<'a>> {
        let mut reader = Reader(body);
        let mut fields = Fields::addresses(&mut reader)?;
        fields.esm_class = reader.u8()?;
        reader.take(2)?; // protocol_id, priority_flag
        reader.c_string(); // schedule_delivery_time
        reader.c_string(); // validity_period
        reader.take(2)?; // registered_delivery, replace_if_present_flag
        fields.coding = reader.u8()?;
        reader.u8()?; // sm_default_msg_id
        let len = reader.u8()?;
        fields.octets = reader.take(len.into())?;
        fields.parameters(reader);
        Some(fields)
    }

    fn of_data_sm(body: &'a [u8]) -> Option<Fields<'a>> {
        let mut reader = Reader(body);
        let mut fields = Fields::addresses(&mut reader)?;
        fields.esm_class = reader.u8()?;
        reader.u8()?; // registered_delivery
        fields.coding = reader.u8()?;
        fields.parameters(reader);
        Some(fields)
    }

    fn addresses(reader: &mut Reader<'a>) -> Option<Fields<'a>> {
        reader.c_string(); // service_type
        let source_ton = reader.u8()?;
        reader.u8()?; // source_addr_npi
        let source = reader.c_string();
        reader.take(2)?; // dest_addr_ton, dest_addr_npi
        let destination = reader.c_string();
        Some(Fields {
            source_ton,
            source,
            destination,
            ..Fields::default()
        })
    }

    fn parameters(&mut self, reader: Reader<'a>) {
        for (tag, value) in reader.parameters() {
            match (tag, value) {
                (tag::RECEIPTED_MESSAGE_ID, value) => {
                    self.receipted_id = Some(Reader(value).c_string());
                }
                (tag::MESSAGE_STATE, [state, ..]) => self.state = Some(*state),
                (tag::NETWORK_ERROR_CODE, value) => self.network_error = Some(value),
                (tag::MESSAGE_PAYLOAD, value) if !value.is_empty() => self.octets = value,
                (tag::SAR_MSG_REF_NUM, [high, low]) => {
                    self.sar_reference = Some(u16::from_be_bytes([*high, *low]));
                }
                (tag::SAR_TOTAL_SEGMENTS, [total]) => self.sar_total = Some(*total),
                (tag::SAR_SEGMENT_SEQNUM, [place]) => self.sar_place = Some(*place),
                _ => {}
            }
        }
    }

    fn is_receipt(&self) -> bool {
        matches!(self.esm_class & TYPE_MASK, TYPE_RECEIPT | TYPE_INTERMEDIATE)
            || (self.receipted_id.is_some() && self.state.is_some())
    }
}

/// Reads a `deliver_sm`. `None` for what can never be used: it is cut off, or a message from nobody or
/// to no number, or a receipt without an id.
pub(super) fn read_deliver_sm(settings: &SmppSettings, body: &[u8]) -> Option<Delivered> {
    read(settings, Fields::of_deliver_sm(body)?)
}

/// Reads a `data_sm`, as [`read_deliver_sm`].
pub(super) fn read_data_sm(settings: &SmppSettings, body: &[u8]) -> Option<Delivered> {
    read(settings, Fields::of_data_sm(body)?)
}

fn read(settings: &SmppSettings, fields: Fields<'_>) -> Option<Delivered> {
    match fields.is_receipt() {
        true => read_receipt(settings, &fields),
        false => read_message(settings, &fields),
    }
}

/// Parameters win over the text, each for what it says.
fn read_receipt(settings: &SmppSettings, fields: &Fields<'_>) -> Option<Delivered> {
    let Said { id, state } = read_text(fields.coding, fields.octets, settings.default_coding);
    let id = fields
        .receipted_id
        .as_deref()
        .and_then(|id| settings.ids.of_receipt(id))
        .or_else(|| settings.ids.of_receipt(&id?))?;
    let state = fields.state.and_then(MessageState::of_octet).or(state);
    let Some(state) = state else {
        return Some(Delivered::Ignored);
    };
    Some(Delivered::Receipt(receipt(id, state, fields.network_error)))
}

/// The claim about a message of ours: the SMSC does not echo our id.
pub(super) fn receipt(
    id: CarrierMessageId,
    state: MessageState,
    network_error: Option<&[u8]>,
) -> Receipt {
    let (claim, reason) = state.claim(network_error);
    Receipt {
        message: None,
        id,
        claim,
        reason,
    }
}

fn read_message(settings: &SmppSettings, fields: &Fields<'_>) -> Option<Delivered> {
    let from = peer(fields.source_ton, &fields.source)?;
    let to = number(&fields.destination)?;
    let (header, octets) = match fields.esm_class & UDHI {
        0 => (&[][..], fields.octets),
        _ => split_header(fields.octets),
    };
    let place = concatenation(header).or_else(|| {
        Some((
            fields.sar_reference?,
            true,
            fields.sar_total?,
            fields.sar_place?,
        ))
    });
    if let Some((reference, wide, total, place)) = place
        && total >= 2
        && (1..=total).contains(&place)
        && octets.len() <= PART_BYTES_MAX
    {
        let key = PartsKey {
            carrier: settings.id,
            from,
            to,
            reference,
            wide,
            total,
        };
        return Some(Delivered::Part(Part {
            key,
            place,
            octets: octets.into(),
            coding: fields.coding,
        }));
    }
    let mut body = decode(fields.coding, octets, settings.default_coding);
    let is_cut = cut(&mut body);
    let content = (!is_text(fields.coding)).then(|| Content::of(ContentKind::Unsupported).into());
    let inbound = Inbound {
        id: None, // SMPP gives what a peer sent no id
        from,
        alias: None,
        to,
        channel: Channel::Sms,
        body: body.into(),
        content,
    };
    Some(Delivered::Inbound(inbound, is_cut))
}

/// Parts the header from the text behind it (3GPP TS 23.040, 9.2.3.24); one that claims more octets than
/// there are is no header.
fn split_header(octets: &[u8]) -> (&[u8], &[u8]) {
    octets
        .split_first()
        .and_then(|(len, rest)| rest.split_at_checked((*len).into()))
        .unwrap_or((&[], octets))
}

/// Reference, whether it has 16 bits, total and place from a header (3GPP TS 23.040, 9.2.3.24.1 and
/// 9.2.3.24.8).
fn concatenation(header: &[u8]) -> Option<(u16, bool, u8, u8)> {
    let mut reader = Reader(header);
    loop {
        let element = reader.u8()?;
        let len = reader.u8()?;
        match (element, reader.take(len.into())?) {
            (0x00, [reference, total, place]) => {
                return Some(((*reference).into(), false, *total, *place));
            }
            (0x08, [high, low, total, place]) => {
                return Some((u16::from_be_bytes([*high, *low]), true, *total, *place));
            }
            _ => {}
        }
    }
}

fn peer(ton: u8, text: &str) -> Option<Peer> {
    let by_number = || number(text).map(Peer::Number);
    let by_name = || PeerName::parse(text.trim()).map(Peer::Name);
    match ton {
        TON_ALPHANUMERIC => by_name().or_else(by_number),
        _ => by_number().or_else(by_name),
    }
}

fn number(text: &str) -> Option<E164> {
    let digits = text.trim();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    // `parse` would take a sign.
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    E164::from_digits(is_number.then(|| digits.parse().ok())??).ok()
}

#[cfg(test)]
mod tests;
