//! The content of a message as it comes: dots are unstuffed, the end is found, bounds are kept.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{MESSAGE_BYTES_MAX, OVERSIZE_BYTES_MAX};

/// What one permit of the room for messages stands for, in bytes.
pub(super) const ROOM_BYTES: usize = 64 * 1024;

/// Finds the end of a message and takes the stuffed dots away (RFC 5321, 4.5.2).
///
/// Only CRLF ends a line: a bare LF before a dot is content, so that nobody can hide a second message in
/// one that another server took for a whole (2.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unstuffing {
    LineStart,
    InLine,
    Cr,
    Dot,
    DotCr,
    Done,
}

impl Unstuffing {
    /// Takes bytes up to the end of the message at most, writes content to `out`, and tells how many
    /// bytes were taken.
    fn take(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if *self == Unstuffing::InLine {
                let rest = &bytes[at..];
                let run = rest.iter().position(|byte| *byte == b'\r');
                let run = run.unwrap_or(rest.len());
                out(&rest[..run]);
                at += run;
                if at == bytes.len() {
                    break;
                }
            }
            let (next, content): (Unstuffing, &[u8]) = match (*self, bytes[at]) {
                (Unstuffing::Done, _) => return at,
                (Unstuffing::LineStart, b'.') => (Unstuffing::Dot, b""),
                (Unstuffing::Dot, b'\r') => (Unstuffing::DotCr, b""),
                (Unstuffing::DotCr, b'\n') => (Unstuffing::Done, b""),
                // A dot, CR and no LF: the dot was stuffed, and the CR is content.
                (Unstuffing::DotCr, b'\r') => {
                    out(b"\r");
                    (Unstuffing::Cr, b"\r")
                }
                (Unstuffing::DotCr, _) => {
                    out(b"\r");
                    (Unstuffing::InLine, &bytes[at..=at])
                }
                (Unstuffing::Cr, b'\n') => (Unstuffing::LineStart, b"\n"),
                (_, b'\r') => (Unstuffing::Cr, b"\r"),
                (_, _) => (Unstuffing::InLine, &bytes[at..=at]),
            };
            *self = next;
            out(content);
            at += 1;
        }
        bytes.len()
    }
}

/// What became of a message's content.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it; the permits give its room back.
    Whole(Vec<u8>, Vec<OwnedSemaphorePermit>),
    /// More than [`MESSAGE_BYTES_MAX`].
    TooLarge,
    /// All sessions together hold as much as they may.
    NoRoom,
}

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Receiving {
    state: Unstuffing,
    room: Arc<Semaphore>,
    content: Content,
    dropped: usize,
}

impl Receiving {
    pub(super) fn new(room: Arc<Semaphore>) -> Receiving {
        Receiving {
            state: Unstuffing::LineStart,
            room,
            content: Content::Whole(Vec::new(), Vec::new()),
            dropped: 0,
        }
    }

    /// Takes what was read; tells how many bytes belonged to the message.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let (content, room, dropped) = (&mut self.content, &self.room, &mut self.dropped);
        self.state
            .take(bytes, |piece| keep(content, room, dropped, piece))
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == Unstuffing::Done
    }

    /// Whether the client goes on and on with what is not kept.
    pub(super) fn is_endless(&self) -> bool {
        self.dropped > OVERSIZE_BYTES_MAX
    }

    pub(super) fn content(self) -> Content {
        self.content
    }
}

fn keep(content: &mut Content, room: &Arc<Semaphore>, dropped: &mut usize, piece: &[u8]) {
    let Content::Whole(bytes, permits) = content else {
        *dropped += piece.len();
        return;
    };
    if bytes.len() + piece.len() > MESSAGE_BYTES_MAX {
        *content = Content::TooLarge;
        return;
    }
    while bytes.len() + piece.len() > permits.len() * ROOM_BYTES {
        let Ok(permit) = Arc::clone(room).try_acquire_owned() else {
            *content = Content::NoRoom;
            return;
        };
        permits.push(permit);
        bytes.reserve_exact(ROOM_BYTES);
    }
    bytes.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a client sends for a message (RFC 5321, 4.5.2).
    fn stuffed(message: &str) -> Vec<u8> {
        let dotted = match message.strip_prefix('.') {
            Some(rest) => format!("..{rest}"),
            None => message.to_owned(),
        };
        (dotted.replace("\r\n.", "\r\n..") + ".\r\n").into_bytes()
    }

    fn received(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
        let mut receiving = Receiving::new(Arc::new(Semaphore::new(4)));
        let taken = pieces.iter().map(|piece| receiving.take(piece)).sum();
        let done = receiving.is_done();
        match receiving.content() {
            Content::Whole(bytes, _) => (bytes, taken, done),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn what_was_stuffed_is_the_same_however_it_is_cut(
            message in "([.\r\na]|\r\n){0,40}",
            cuts in prop::collection::vec(0usize..60, 2),
        ) {
            let message = message + "\r\n";
            let whole = [stuffed(&message), b"QUIT\r\n".to_vec()].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.sort_unstable();
            let pieces = [&whole[..cuts[0]], &whole[cuts[0]..cuts[1]], &whole[cuts[1]..]];
            let (bytes, taken, done) = received(&pieces);
            prop_assert!(done);
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), message);
            prop_assert_eq!(taken, whole.len() - b"QUIT\r\n".len());
        }
    }

    #[test]
    fn a_bare_line_feed_ends_no_message() {
        for text in ["a\n.\n", "a\n.\r\n", "a\r.\r\n", "a\r\n.\n", "a\r\n.\r\r\n"] {
            let (_, _, done) = received(&[text.as_bytes()]);
            assert!(!done, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_large_or_has_no_room_is_dropped_and_the_end_is_still_found() {
        let line = vec![b'a'; ROOM_BYTES];
        for (permits, lines) in [
            (usize::MAX >> 3, MESSAGE_BYTES_MAX / ROOM_BYTES + 1),
            (2, 3),
        ] {
            let room = Arc::new(Semaphore::new(permits));
            let mut receiving = Receiving::new(Arc::clone(&room));
            for _ in 0..lines {
                receiving.take(&line);
            }
            receiving.take(b"\r\n.\r\n");
            assert!(receiving.is_done());
            match (permits, receiving.content()) {
                (2, Content::NoRoom) | (_, Content::TooLarge) => {}
                (_, other) => panic!("{other:?}"),
            }
            assert_eq!(room.available_permits(), permits);
        }
    }
}
