//! The bytes of SMPP 3.4: frames, what we write, and a reader that forgives.
//!
//! Own code instead of a codec crate: the one there is ends the stream at the first PDU that it cannot
//! read (it goes on in the middle of that PDU), and reads optional parameters by their type instead of
//! their length. A `receipted_message_id` without its closing zero, which real SMSCs send, would cost
//! the whole session. The tests hold both ways against that crate and against another SMSC.

use bytes::{BufMut, BytesMut};

/// Octets of a PDU's header (SMPP 3.4, 3.2).
pub(super) const HEADER_BYTES: usize = 16;
/// The longest PDU that is read, in bytes: the largest `message_payload` and room for the rest.
pub(super) const PDU_BYTES_MAX: usize = 68 * 1024;
/// The largest sequence number (SMPP 3.4, 5.1.4).
pub(super) const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;
/// `interface_version` of SMPP 3.4 (5.2.4).
pub(super) const INTERFACE_VERSION: u8 = 0x34;

/// Command ids (SMPP 3.4, 5.1.2.1).
pub(super) mod command {
    /// What answers a request of the same id without it.
    pub const RESPONSE: u32 = 0x8000_0000;
    pub const GENERIC_NACK: u32 = 0x8000_0000;
    pub const BIND_RECEIVER: u32 = 0x0000_0001;
    pub const BIND_TRANSMITTER: u32 = 0x0000_0002;
    pub const QUERY_SM: u32 = 0x0000_0003;
    pub const SUBMIT_SM: u32 = 0x0000_0004;
    pub const DELIVER_SM: u32 = 0x0000_0005;
    pub const UNBIND: u32 = 0x0000_0006;
    pub const BIND_TRANSCEIVER: u32 = 0x0000_0009;
    pub const ENQUIRE_LINK: u32 = 0x0000_0015;
    pub const ALERT_NOTIFICATION: u32 = 0x0000_0102;
    pub const DATA_SM: u32 = 0x0000_0103;
}

/// Tags of optional parameters (SMPP 3.4, 5.3.2).
pub(super) mod tag {
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    pub const NETWORK_ERROR_CODE: u16 = 0x0423;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MESSAGE_STATE: u16 = 0x0427;
}

/// One PDU as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pdu<'a> {
    /// What it is.
    pub command: u32,
    /// How a request fared; 0 in requests.
    pub status: u32,
    /// Which request it is or answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// A length that no PDU has: the stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PDU of {bytes} bytes")]
pub(super) struct BadLength {
    pub bytes: usize,
}

/// Reads the PDU at the start of `buffer` and says how many bytes it takes; `None` while it is not
/// whole.
///
/// # Errors
/// [`BadLength`] below 16 bytes and above [`PDU_BYTES_MAX`].
pub(super) fn read_pdu(buffer: &[u8]) -> Result<Option<(Pdu<'_>, usize)>, BadLength> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let (words, _) = header.as_chunks::<4>();
    let [bytes, command, status, sequence] = [0, 1, 2, 3].map(|at| u32::from_be_bytes(words[at]));
    let bytes = bytes as usize;
    if !(HEADER_BYTES..=PDU_BYTES_MAX).contains(&bytes) {
        return Err(BadLength { bytes });
    }
    let pdu = buffer.get(HEADER_BYTES..bytes).map(|body| Pdu {
        command,
        status,
        sequence,
        body,
    });
    Ok(pdu.map(|pdu| (pdu, bytes)))
}

/// Writes one PDU whose body `body` writes.
pub(super) fn write_pdu(
    out: &mut BytesMut,
    command: u32,
    status: u32,
    sequence: u32,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    out.put_u32(0);
    out.put_u32(command);
    out.put_u32(status);
    out.put_u32(sequence);
    body(out);
    let bytes = u32::try_from(out.len() - start).expect("a PDU that we write is small");
    out[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
}

/// Writes a text and its closing zero.
pub(super) fn write_c_string(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

/// Reads a body from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next octet.
    pub fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next `len` octets.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// Text up to its closing zero, or to the end where that is missing; however long. Octets above
    /// 0x7F are read as ISO 8859-1.
    pub fn c_string(&mut self) -> String {
        let len = self.0.iter().position(|octet| *octet == 0);
        let (text, rest) = match len {
            Some(len) => (&self.0[..len], &self.0[len + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        text.iter().map(|octet| char::from(*octet)).collect()
    }

    /// The optional parameters that remain, by tag and value. One that is longer than what is left
    /// ends them.
    pub fn parameters(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let tag = rest.take(2)?;
            let len = rest.take(2)?;
            let value = rest.take(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
            Some((u16::from_be_bytes([tag[0], tag[1]]), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pdu_is_read_once_it_is_whole() {
        let mut out = BytesMut::new();
        write_pdu(&mut out, command::SUBMIT_SM, 0, 7, |out| {
            write_c_string(out, "abc")
        });
        write_pdu(&mut out, command::ENQUIRE_LINK, 0, 8, |_| {});
        for short in 0..20 {
            assert_eq!(read_pdu(&out[..short]), Ok(None));
        }
        let (pdu, bytes) = read_pdu(&out).unwrap().unwrap();
        assert_eq!(
            (pdu.command, pdu.sequence, pdu.body, bytes),
            (4, 7, &b"abc\0"[..], 20)
        );
        let (pdu, bytes) = read_pdu(&out[20..]).unwrap().unwrap();
        assert_eq!(
            (pdu.command, pdu.sequence, bytes),
            (command::ENQUIRE_LINK, 8, 16)
        );
    }

    #[test]
    fn a_length_that_no_pdu_has_is_an_error() {
        for bytes in [0u32, 15, PDU_BYTES_MAX as u32 + 1, u32::MAX] {
            let mut frame = bytes.to_be_bytes().to_vec();
            frame.resize(HEADER_BYTES, 0);
            assert!(read_pdu(&frame).is_err(), "{bytes}");
        }
    }

    #[test]
    fn parameters_end_where_one_is_cut_off() {
        let octets = [0, 0x1E, 0, 2, b'a', b'b', 4, 0x27, 0, 1, 2, 0, 5, 0, 9, 1];
        let parameters: Vec<_> = Reader(&octets).parameters().collect();
        assert_eq!(
            parameters,
            [
                (tag::RECEIPTED_MESSAGE_ID, &b"ab"[..]),
                (tag::MESSAGE_STATE, &[2][..])
            ]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_read(octets: Vec<u8>) {
            let _ = read_pdu(&octets);
            let mut reader = Reader(&octets);
            reader.u8();
            reader.c_string();
            prop_assert!(reader.parameters().count() <= octets.len() / 4);
        }
    }
}
