//! The simulator's carrier message ids: `sim-<message, hex>-<submit>-<segment>`.
//!
//! They are made of what is unique already, so they stay unique across restarts without a counter.

use didfarm_core::ids::{CarrierMessageId, MessageId};

const PREFIX: &[u8] = b"sim-";
/// The prefix, 16 hexadecimal digits, and twice a dash and five digits.
const BYTES_MAX: usize = PREFIX.len() + 16 + 2 * 6;

/// The id of one segment, counted from 1, of a message's submit.
pub(super) fn carrier_message_id(
    message: MessageId,
    submit: u16,
    segment: u16,
) -> CarrierMessageId {
    let mut text = [0u8; BYTES_MAX];
    // Written from the end, because that is how digits come.
    let mut start = push_digits(&mut text, BYTES_MAX, u64::from(segment), 10);
    start = push(&mut text, start, b'-');
    start = push_digits(&mut text, start, u64::from(submit), 10);
    start = push(&mut text, start, b'-');
    start = push_digits(&mut text, start, message.get(), 16);
    start -= PREFIX.len();
    text[start..start + PREFIX.len()].copy_from_slice(PREFIX);
    let text = std::str::from_utf8(&text[start..]).expect("digits and dashes are ASCII");
    CarrierMessageId(text.into())
}

fn push(text: &mut [u8; BYTES_MAX], end: usize, byte: u8) -> usize {
    text[end - 1] = byte;
    end - 1
}

fn push_digits(text: &mut [u8; BYTES_MAX], mut end: usize, mut value: u64, base: u64) -> usize {
    loop {
        end = push(text, end, b"0123456789abcdef"[(value % base) as usize]);
        value /= base;
        if value == 0 {
            return end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_spells_message_submit_and_segment() {
        for (message, submit, segment) in [
            (1, 1, 1),
            (0xab_cdef, 3, 12),
            (u64::MAX, u16::MAX, u16::MAX),
        ] {
            let id = carrier_message_id(MessageId(message), submit, segment);
            assert_eq!(
                id.to_string(),
                format!("sim-{message:x}-{submit}-{segment}")
            );
            assert!(id.0.len() <= CarrierMessageId::BYTES_MAX);
        }
    }
}
