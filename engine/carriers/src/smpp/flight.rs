//! One message on its way: its segments, what became of each, and the one answer that follows.
//!
//! The first segment goes alone; the others follow together once the SMSC has taken it. So a message that
//! is refused or not taken is known not to be out at all, and that is all that `Refused` and `NotTaken`
//! ever say. Once the first is taken the message is never submitted anew as a whole:
//!
//! | First | A later segment | Answer |
//! |---|---|---|
//! | refused, not taken | not sent | `Refused`, `NotTaken` |
//! | written, no answer | not sent | `NoAnswer` |
//! | never written | not sent | `NotTaken` |
//! | taken | all taken | `Accepted` |
//! | taken | may be tried again | it is tried again, up to [`TRIES_MAX`] times |
//! | taken | refused for good | `Accepted` with an id of our own for it, and a `Failed` receipt for that id |
//! | taken | no answer when the session ends | `Accepted` with an id of our own that no receipt will name |
//!
//! An id of our own is the message's id, a slash, and the segment's place; no receipt and no query names
//! it to the SMSC. An answer that is late gives `NoAnswer` first and the true one when it comes.

use std::sync::Arc;

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;
use tokio::time::Instant;

use super::segments::Body;
use crate::{CarrierEvent, Receipt, SubmitAnswer};

/// How often a later segment is tried.
pub(super) const TRIES_MAX: u8 = 6;

/// What became of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is not sent, or is to be sent again.
    Waiting,
    /// It was given to a session.
    Sent,
    /// The SMSC took it; `None` when it gave no id.
    Taken(Option<CarrierMessageId>),
    /// The SMSC did not take it, nor will it.
    NotTaken(SubmitAnswer),
    /// The session ended without an answer.
    Unknown,
}

/// What comes next after something became of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Other segments are still out.
    Wait,
    /// These segments are to be sent.
    Send(Vec<usize>),
    /// This segment is to be sent again, after a pause.
    Again(usize),
    /// It is over: this is to be told.
    Over(Vec<CarrierEvent>),
}

/// One message on its way.
#[derive(Debug)]
pub(super) struct Flight {
    /// Our id.
    pub message: MessageId,
    /// Its `source_addr`.
    pub from: u64,
    /// Its `destination_addr`.
    pub to: u64,
    /// How long it may take, as `validity_period` has it.
    pub validity: Arc<str>,
    /// Its segments.
    pub body: Body,
    /// When it was begun.
    pub begun: Instant,
    fates: Box<[Fate]>,
    tries: Box<[u8]>,
    in_doubt: bool,
}

impl Flight {
    /// A message of which nothing is sent.
    pub(super) fn new(
        message: MessageId,
        (from, to): (u64, u64),
        validity: Arc<str>,
        body: Body,
        begun: Instant,
    ) -> Flight {
        let segments = body.segments.len();
        Flight {
            message,
            from,
            to,
            validity,
            body,
            begun,
            fates: vec![Fate::Waiting; segments].into(),
            tries: vec![0; segments].into(),
            in_doubt: false,
        }
    }

    /// A segment is given to a session.
    pub(super) fn sent(&mut self, place: usize) {
        self.fates[place] = Fate::Sent;
        self.tries[place] = self.tries[place].saturating_add(1);
    }

    /// How often a segment was sent.
    pub(super) fn tries(&self, place: usize) -> u8 {
        self.tries[place]
    }

    /// The SMSC took a segment.
    pub(super) fn taken(&mut self, place: usize, id: Option<CarrierMessageId>) -> Next {
        self.fates[place] = Fate::Taken(id);
        match (place, self.fates.len()) {
            (0, 2..) => Next::Send((1..self.fates.len()).collect()),
            _ => self.next(),
        }
    }

    /// The SMSC did not take a segment; `answer` says whether it may be tried again.
    pub(super) fn not_taken(&mut self, place: usize, answer: SubmitAnswer) -> Next {
        let again = matches!(answer, SubmitAnswer::NotTaken(_));
        if place > 0 && again && self.tries[place] < TRIES_MAX {
            self.fates[place] = Fate::Waiting;
            return Next::Again(place);
        }
        self.fates[place] = Fate::NotTaken(answer);
        self.next()
    }

    /// The session ended before any byte of a segment was written.
    pub(super) fn unwritten(&mut self, place: usize) -> Next {
        if place > 0 {
            self.fates[place] = Fate::Waiting;
            return Next::Send(vec![place]);
        }
        self.fates[0] = Fate::NotTaken(SubmitAnswer::NotTaken(Reason::CarrierError));
        self.next()
    }

    /// The session ended, and what was written has no answer.
    pub(super) fn lost(&mut self, place: usize) -> Next {
        self.fates[place] = Fate::Unknown;
        self.next()
    }

    /// A later segment cannot be sent for too long.
    pub(super) fn given_up(&mut self, place: usize) -> Next {
        self.fates[place] = Fate::NotTaken(SubmitAnswer::NotTaken(Reason::CarrierError));
        self.next()
    }

    /// An answer is late: what is to be told, once.
    pub(super) fn late(&mut self) -> Option<CarrierEvent> {
        let told = std::mem::replace(&mut self.in_doubt, true);
        (!told).then_some(CarrierEvent::Answer(self.message, SubmitAnswer::NoAnswer))
    }

    fn next(&mut self) -> Next {
        let answer = |answer| Next::Over(vec![CarrierEvent::Answer(self.message, answer)]);
        match &self.fates[0] {
            Fate::Waiting | Fate::Sent => Next::Wait,
            Fate::NotTaken(said) => answer(said.clone()),
            Fate::Unknown => Next::Over(self.late().into_iter().collect()),
            Fate::Taken(_) => {
                let is_open = |fate: &Fate| matches!(fate, Fate::Waiting | Fate::Sent);
                match self.fates.iter().any(is_open) {
                    true => Next::Wait,
                    false => Next::Over(self.accepted()),
                }
            }
        }
    }

    /// The answer of a message whose first segment was taken, and a receipt for each that was not.
    fn accepted(&self) -> Vec<CarrierEvent> {
        let mut ids = Vec::with_capacity(self.fates.len());
        let mut receipts = Vec::new();
        for (place, fate) in self.fates.iter().enumerate() {
            let id = match fate {
                Fate::Taken(Some(id)) => id.clone(),
                _ => own_id(self.message, place),
            };
            if let Fate::NotTaken(SubmitAnswer::NotTaken(why) | SubmitAnswer::Refused(why)) = fate {
                receipts.push(CarrierEvent::Receipt(Receipt {
                    message: None,
                    id: id.clone(),
                    claim: Claim::Failed,
                    reason: Some(*why),
                }));
            }
            ids.push(id);
        }
        let answer = CarrierEvent::Answer(self.message, SubmitAnswer::Accepted(ids));
        std::iter::once(answer).chain(receipts).collect()
    }
}

/// The id of a segment that has none from the SMSC; `place` counts from 0.
fn own_id(message: MessageId, place: usize) -> CarrierMessageId {
    CarrierMessageId(format!("{message}/{}", place + 1).into())
}

/// Whether an id is one of our own, of which the SMSC knows nothing.
pub(super) fn is_own_id(id: &CarrierMessageId) -> bool {
    id.0.starts_with(MessageId::PREFIX) && id.0.contains('/')
}

#[cfg(test)]
mod tests;
