//! The books of one connection: what is to be written, what was, and what waits for an answer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::waiting::SharedFlight;
use super::window::Window;
use super::wire::{SEQUENCE_MAX, write_pdu};
use crate::Query;

/// What waits for an answer.
pub(super) enum Asked {
    /// A segment of a message.
    Submit(SharedFlight, usize),
    /// A question.
    Query(Query),
    /// A check of the link.
    Enquiry,
    /// Our leave.
    Unbind,
}

/// A request of ours.
pub(super) struct Pending {
    /// What it asked.
    pub asked: Asked,
    /// Whether the answer is late: it takes no room in the window any more.
    pub is_late: bool,
    /// Where its first byte stands in the stream.
    at: u64,
    /// Which submit of the connection it is.
    place: u64,
}

/// The books. Positions count bytes from the connection's start.
pub(super) struct Link {
    /// What is to be written.
    pub out: BytesMut,
    /// The window of its submits.
    pub window: Window,
    /// How many answers are late.
    pub late: usize,
    pending: HashMap<u32, Pending>,
    due: VecDeque<(Instant, u32)>,
    sequence: u32,
    submits: u64,
    taken: u64,
    written: u64,
    timeout: Duration,
}

impl Link {
    /// The books of a connection whose bind was request number `sequence`.
    pub(super) fn new(window: u32, timeout: Duration, sequence: u32) -> Link {
        Link {
            out: BytesMut::new(),
            window: Window::new(window),
            late: 0,
            pending: HashMap::new(),
            due: VecDeque::new(),
            sequence,
            submits: 0,
            taken: 0,
            written: 0,
            timeout,
        }
    }

    /// Writes a request with `write`, which gets its sequence number and says whether it wrote one.
    pub(super) fn request(
        &mut self,
        asked: Asked,
        now: Instant,
        write: impl FnOnce(&mut BytesMut, u32) -> bool,
    ) {
        let sequence = match self.sequence {
            SEQUENCE_MAX => 1,
            last => last + 1,
        };
        let at = self.taken + self.out.len() as u64;
        if !write(&mut self.out, sequence) {
            return;
        }
        self.sequence = sequence;
        if let Asked::Submit(..) = asked {
            self.window.send();
            self.submits += 1;
        }
        self.due.push_back((now + self.timeout, sequence));
        let pending = Pending {
            asked,
            is_late: false,
            at,
            place: self.submits,
        };
        self.pending.insert(sequence, pending);
    }

    /// Writes a request without a body.
    pub(super) fn request_plain(&mut self, asked: Asked, command: u32, now: Instant) {
        self.request(asked, now, |out, sequence| {
            write_pdu(out, command, 0, sequence, |_| {});
            true
        });
    }

    /// Takes the request that an answer is for, if `fits` says that it can be, and its room.
    pub(super) fn answered(
        &mut self,
        sequence: u32,
        fits: impl FnOnce(&Asked) -> bool,
    ) -> Option<Pending> {
        if !fits(&self.pending.get(&sequence)?.asked) {
            return None;
        }
        let pending = self.pending.remove(&sequence)?;
        self.release(&pending);
        Some(pending)
    }

    /// Gives back the room of a request.
    fn release(&mut self, pending: &Pending) {
        match (&pending.asked, pending.is_late) {
            (_, true) => self.late -= 1,
            (Asked::Submit(..), false) => self.window.release(),
            (Asked::Query(_) | Asked::Enquiry | Asked::Unbind, false) => {}
        }
    }

    /// Narrows the window after the answer to a throttled submit.
    pub(super) fn throttle(&mut self, pending: &Pending) {
        self.window.halve(pending.place, self.submits);
    }

    /// The next request whose answer is late. It stays in the books, marked, as its answer may still
    /// come, but takes no room any more.
    pub(super) fn next_late(&mut self, now: Instant) -> Option<&Asked> {
        loop {
            let (due, sequence) = *self.due.front()?;
            if due > now && self.pending.contains_key(&sequence) {
                return None;
            }
            self.due.pop_front();
            if self.pending.contains_key(&sequence) {
                return Some(self.mark_late(sequence));
            }
        }
    }

    fn mark_late(&mut self, sequence: u32) -> &Asked {
        let pending = self
            .pending
            .get_mut(&sequence)
            .expect("the caller found it");
        if matches!(pending.asked, Asked::Submit(..)) {
            self.window.release();
        }
        pending.is_late = true;
        self.late += 1;
        &pending.asked
    }

    /// Takes what is to be written; [`Link::wrote`] says how much of it was.
    pub(super) fn take_out(&mut self) -> BytesMut {
        self.taken += self.out.len() as u64;
        self.out.split()
    }

    /// The connection took `bytes` more.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// Whether a submit that is not late waits for its answer.
    pub(super) fn is_busy(&self) -> bool {
        self.window.used() > 0
    }

    /// Takes every request that has no answer, each with whether any byte of it was written: what the
    /// connection did not take cannot have gone out.
    pub(super) fn take_unanswered(&mut self) -> Vec<(Asked, bool)> {
        let mut unanswered: Vec<(u32, Pending)> = self.pending.drain().collect();
        unanswered.sort_unstable_by_key(|(_, pending)| pending.at);
        for (_, pending) in &unanswered {
            self.release(pending);
        }
        let written = self.written;
        unanswered
            .into_iter()
            .map(|(_, pending)| (pending.asked, pending.at < written))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::command;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn link() -> Link {
        Link::new(10, SECOND, 1)
    }

    fn enquire(link: &mut Link, now: Instant) {
        link.request_plain(Asked::Enquiry, command::ENQUIRE_LINK, now);
    }

    #[test]
    fn what_the_connection_did_not_take_was_not_written() {
        let (mut link, now) = (link(), Instant::now());
        for _ in 0..3 {
            enquire(&mut link, now);
        }
        let out = link.take_out();
        enquire(&mut link, now);
        assert_eq!(out.len(), 3 * 16);
        // One whole, one begun.
        link.wrote(17);
        let written: Vec<bool> = link
            .take_unanswered()
            .into_iter()
            .map(|(_, it)| it)
            .collect();
        assert_eq!(written, [true, true, false, false]);
    }

    #[test]
    fn an_answer_takes_its_request_once_and_only_if_it_fits() {
        let mut link = link();
        enquire(&mut link, Instant::now());
        assert!(link.answered(3, |_| true).is_none());
        assert!(link.answered(2, |_| true).is_some());
        assert!(link.answered(2, |_| true).is_none());
    }

    #[test]
    fn an_answer_is_late_only_past_its_time() {
        let (mut link, now) = (link(), Instant::now());
        enquire(&mut link, now);
        enquire(&mut link, now);
        assert!(link.next_late(now).is_none());
        assert!(link.answered(2, |_| true).is_some());
        assert!(link.next_late(now + SECOND).is_some());
        assert!(link.next_late(now + SECOND).is_none());
        assert_eq!(link.late, 1);
        assert!(link.answered(3, |_| true).is_some());
        assert_eq!(link.late, 0);
    }

    #[test]
    fn sequence_numbers_begin_again_after_the_largest() {
        let mut link = Link::new(1, SECOND, SEQUENCE_MAX);
        enquire(&mut link, Instant::now());
        assert!(link.answered(1, |_| true).is_some());
    }
}
