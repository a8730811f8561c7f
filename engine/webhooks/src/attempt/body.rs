//! The body of a response: read to a bound, kept to a smaller one, shown without control characters.

pub use didfarm_core::webhook::attempt::BODY_KEPT_BYTES_MAX;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of a response's body is read, in bytes; at more, the connection is dropped.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The first of Unicode's pictures of the control characters, in their order.
const PICTURE_FIRST: u32 = 0x2400;
/// The picture of delete.
const PICTURE_OF_DELETE: char = '\u{2421}';

/// Reads a body until it ends, breaks or is too long.
///
/// A body that was not read to its end takes its HTTP/1 connection with it when it is dropped, or its HTTP/2
/// stream.
pub(super) async fn read(body: &mut Incoming, kept: &mut Vec<u8>) {
    let mut bytes = 0;
    while bytes <= BODY_BYTES_MAX {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        if let Ok(data) = frame.into_data() {
            bytes += data.len();
            let room = BODY_KEPT_BYTES_MAX - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
}

/// Bytes as text: lossy UTF-8, control characters but line feed and tab as their pictures, carriage returns left
/// out, characters that change the direction of text replaced; at most [`BODY_KEPT_BYTES_MAX`] bytes.
pub(super) fn visible(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().filter(|&c| c != '\r').map(shown);
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for c in valid.chain(invalid) {
            if text.len() + c.len_utf8() > BODY_KEPT_BYTES_MAX {
                return text.into_boxed_str();
            }
            text.push(c);
        }
    }
    text.into_boxed_str()
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => {
            char::from_u32(PICTURE_FIRST + u32::from(c)).expect("there are 32 pictures")
        }
        '\u{7f}' => PICTURE_OF_DELETE,
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        // Unicode Standard Annex 9, 2: embeddings, overrides, isolates and marks.
        '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_become_visible_and_text_stays() {
        let rows: [(&[u8], &str); 6] = [
            (b"{\"ok\":true}\r\n\tyes", "{\"ok\":true}\n\tyes"),
            ("grüße, 日本 🙂".as_bytes(), "grüße, 日本 🙂"),
            (b"a\0b\x1b[31mc\x7f", "a␀b␛[31mc␡"),
            (b"a\xffb\xc3", "a\u{fffd}b\u{fffd}"),
            (
                "\u{85}\u{202e}x\u{2066}".as_bytes(),
                "\u{fffd}\u{fffd}x\u{fffd}",
            ),
            (b"", ""),
        ];
        for (bytes, text) in rows {
            assert_eq!(&*visible(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_visible(bytes in prop::collection::vec(any::<u8>(), 0..30_000)) {
            let text = visible(&bytes);
            prop_assert!(text.len() <= BODY_KEPT_BYTES_MAX);
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
        }
    }
}
