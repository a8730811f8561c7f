//! Deliveries between their coming and their answer: handed over in groups, answered when durable.
//!
//! An SMSC forgets a delivery once it is answered, so the answer waits until the engine says that it is
//! durable; reading goes on meanwhile. What the engine cannot take now is answered so that the SMSC brings
//! it again.

use std::cell::{Cell, RefCell};

use bytes::{BufMut, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::deliver::Delivered;
use super::shared::Shared;
use super::status::{OK, RECEIVER_REJECTS, RECEIVER_TEMPORARY};
use super::wire::write_pdu;
use crate::Taken;
use crate::callback::Callback;

/// The most deliveries of one session that wait to become durable; more are to be brought again.
const UNDURABLE_MAX: usize = 16_384;

/// The answer to a delivery, but for how it fared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    command: u32,
    sequence: u32,
}

impl Answer {
    /// Writes it (SMPP 3.4, 4.6.2 and 4.7.2): `message_id` is empty.
    pub(super) fn write(self, out: &mut BytesMut, status: u32) {
        write_pdu(out, self.command, status, self.sequence, |out| {
            out.put_u8(0)
        });
    }
}

struct Group {
    answers: Vec<Answer>,
    taken: oneshot::Receiver<Taken>,
}

/// What came and is not durable.
pub(super) struct Brought {
    callback: RefCell<Callback>,
    answers: RefCell<Vec<Answer>>,
    undurable: Cell<usize>,
    groups: mpsc::UnboundedSender<Group>,
}

/// Says in their order which deliveries became durable.
pub(super) struct Durable(mpsc::UnboundedReceiver<Group>);

impl Brought {
    /// Nothing came yet.
    pub(super) fn new() -> (Brought, Durable) {
        let (groups, durable) = mpsc::unbounded_channel();
        let brought = Brought {
            callback: RefCell::default(),
            answers: RefCell::default(),
            undurable: Cell::new(0),
            groups,
        };
        (brought, Durable(durable))
    }

    /// Gathers a delivery. What can never be used, and what is too much now, is answered at once with the
    /// status that comes back.
    pub(super) fn add(
        &self,
        command: u32,
        sequence: u32,
        delivered: Option<Delivered>,
    ) -> Option<(Answer, u32)> {
        let answer = Answer { command, sequence };
        let mut callback = self.callback.borrow_mut();
        let Some(delivered) = delivered else {
            callback.malformed += 1;
            return Some((answer, RECEIVER_REJECTS));
        };
        if self.undurable.get() >= UNDURABLE_MAX {
            return Some((answer, RECEIVER_TEMPORARY));
        }
        delivered.add_to(&mut callback);
        self.answers.borrow_mut().push(answer);
        self.undurable.set(self.undurable.get() + 1);
        None
    }

    /// Hands over what was gathered, if anything was.
    pub(super) fn hand_over(&self, shared: &Shared) {
        let (callback, answers) = (self.callback.take(), self.answers.take());
        if callback == Callback::default() {
            return;
        }
        let taken = shared.sink.take(shared.settings.id, callback);
        // Without a receiver the session has ended, and the SMSC brings them again.
        let _ = self.groups.send(Group { answers, taken });
    }

    /// So many were answered.
    pub(super) fn answered(&self, count: usize) {
        self.undurable.set(self.undurable.get() - count);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.undurable.get()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Durable {
    /// The next group that is decided, and the status to answer it with. Never ends by itself.
    pub(super) async fn next(&mut self) -> (Vec<Answer>, u32) {
        let Some(Group { answers, taken }) = self.0.recv().await else {
            return std::future::pending().await;
        };
        let status = match taken.await {
            Ok(Taken::Durable) => OK,
            Ok(Taken::Later(_)) | Err(_) => RECEIVER_TEMPORARY,
        };
        (answers, status)
    }
}
