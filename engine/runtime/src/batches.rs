//! Batches: who writes to which, and how the rows of a group are answered together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use didfarm_core::batch::{BatchState, RowPrint};
use didfarm_core::ids::{AccountId, BatchId, MessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::admission::Permit;
pub use crate::handle::batches::{BatchDesk, BatchRow, Submitted};
use crate::read::ReadError;
use crate::send::{SendError, SendRequest, Unavailable};

/// A row of a batch to be sent.
pub struct RowRequest {
    /// The row, from 0.
    pub index: u64,
    /// What stands for its content.
    pub print: RowPrint,
    /// The message.
    pub request: SendRequest,
}

/// Why rows, or a command, are not taken. Nothing is kept then.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The account has no such batch.
    #[error("there is no batch {batch}")]
    Unknown {
        /// Its id.
        batch: BatchId,
    },
    /// Another request hands in rows of it.
    #[error("another request hands in rows of this batch; try again when it is over")]
    InProgress,
    /// It was cancelled.
    #[error("the batch is {}", state.as_str())]
    State {
        /// How it is.
        state: BatchState,
    },
    /// More messages would wait than may.
    #[error(
        "{waiting} messages wait until the account's limit lets them go, and {max} may; {}",
        if wait.is_some() { "try again later" } else { "hand it in in smaller parts" }
    )]
    BacklogFull {
        /// How many wait.
        waiting: u64,
        /// How many may.
        max: u64,
        /// When there is room, at the account's rate; `None` for what never fits whole.
        wait: Option<Duration>,
    },
    /// The engine cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The records cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A batch that rows are being handed in to.
struct Written {
    account: AccountId,
    /// Whether it was cancelled meanwhile.
    cancelled: Arc<AtomicBool>,
}

/// The batches that rows are being handed in to: one request at a time for each.
#[derive(Default)]
pub(crate) struct Writers {
    open: Mutex<FxHashMap<BatchId, Written>>,
}

impl Writers {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<BatchId, Written>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to write to a batch; `None` while another request does.
    pub(crate) fn begin(
        self: &Arc<Self>,
        account: AccountId,
        batch: BatchId,
    ) -> Option<Arc<BatchWriter>> {
        use std::collections::hash_map::Entry;
        match self.lock().entry(batch) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                let cancelled = Arc::<AtomicBool>::default();
                entry.insert(Written {
                    account,
                    cancelled: Arc::clone(&cancelled),
                });
                Some(Arc::new(BatchWriter {
                    writers: Arc::clone(self),
                    batch,
                    cancelled,
                }))
            }
        }
    }

    /// The batches that rows may still come of.
    pub(crate) fn list(&self) -> Vec<(AccountId, BatchId)> {
        let open = self.lock();
        open.iter()
            .map(|(id, written)| (written.account, *id))
            .collect()
    }

    /// Whether rows of a batch may still come in.
    pub(crate) fn writes(&self, batch: BatchId) -> bool {
        self.lock().contains_key(&batch)
    }

    /// Notes that a batch was cancelled, for whoever writes to it.
    pub(crate) fn cancel(&self, batch: BatchId) {
        if let Some(written) = self.lock().get(&batch) {
            written.cancelled.store(true, Ordering::Release);
        }
    }
}

/// The right to hand in rows of a batch. It stays until every row that was handed in has its answer, also
/// when whoever asked has gone: so none is decided twice.
pub(crate) struct BatchWriter {
    writers: Arc<Writers>,
    pub(crate) batch: BatchId,
    cancelled: Arc<AtomicBool>,
}

impl BatchWriter {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        self.writers.lock().remove(&self.batch);
    }
}

/// A row that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedRow {
    /// Its message.
    pub message: MessageId,
    /// When the message will be sent, if a time was asked for or quiet hours hold it.
    pub send_at: Option<Timestamp>,
}

/// What became of a row.
pub type RowAnswer = Result<AcceptedRow, SendError>;

/// Rows that are answered together, once the last has its answer.
struct Group {
    answers: Mutex<Vec<Option<RowAnswer>>>,
    done: Option<oneshot::Sender<Vec<RowAnswer>>>,
    _writer: Arc<BatchWriter>,
    _permit: Permit,
}

/// Begins a group of so many rows: a reply for each, and where all of them end up.
pub(crate) fn group(
    rows: usize,
    writer: &Arc<BatchWriter>,
    permit: Permit,
) -> (
    impl Iterator<Item = RowReply>,
    oneshot::Receiver<Vec<RowAnswer>>,
) {
    let (done, all) = oneshot::channel();
    let group = Arc::new(Group {
        answers: Mutex::new((0..rows).map(|_| None).collect()),
        done: Some(done),
        _writer: Arc::clone(writer),
        _permit: permit,
    });
    let replies = (0..rows).map(move |place| RowReply {
        group: Arc::clone(&group),
        place,
    });
    (replies, all)
}

/// Answers one row. Dropped without an answer, the row is one that failed before it was accepted.
pub(crate) struct RowReply {
    group: Arc<Group>,
    place: usize,
}

impl RowReply {
    pub(crate) fn answer(self, answer: RowAnswer) {
        let answers = self.group.answers.lock();
        answers.unwrap_or_else(PoisonError::into_inner)[self.place] = Some(answer);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let answers = self.answers.get_mut();
        let answers = std::mem::take(answers.unwrap_or_else(PoisonError::into_inner));
        let answers = answers.into_iter();
        let all = answers.map(|answer| answer.unwrap_or(Err(Unavailable::Faulted.into())));
        if let Some(done) = self.done.take() {
            // Whoever asked may have gone.
            let _ = done.send(all.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;

    const BATCH: BatchId = BatchId(7);

    #[test]
    fn one_request_writes_to_a_batch_until_its_last_row_is_answered() {
        let writers = Arc::new(Writers::default());
        let writer = writers.begin(AccountId(1), BATCH).unwrap();
        assert!(writers.begin(AccountId(1), BATCH).is_none());
        let permit = Admission::new(8).admit_weight(2).unwrap();
        let (replies, mut all) = group(2, &writer, permit);
        let mut replies: Vec<_> = replies.collect();
        drop(writer);
        let row = AcceptedRow {
            message: MessageId(1),
            send_at: None,
        };
        replies.pop().unwrap().answer(Ok(row));
        assert!(writers.writes(BATCH) && all.try_recv().is_err());
        drop(replies);
        let [first, last] = &all.try_recv().unwrap()[..] else {
            panic!("there are two rows")
        };
        assert!(matches!(
            first,
            Err(SendError::Unavailable(Unavailable::Faulted))
        ));
        assert_eq!(last.as_ref().ok(), Some(&row));
        assert!(writers.begin(AccountId(1), BATCH).is_some());
    }

    #[test]
    fn whoever_writes_sees_that_the_batch_was_cancelled() {
        let writers = Arc::new(Writers::default());
        writers.cancel(BATCH);
        let writer = writers.begin(AccountId(1), BATCH).unwrap();
        assert!(!writer.is_cancelled(), "nobody wrote to it then");
        assert_eq!(writers.list(), [(AccountId(1), BATCH)]);
        writers.cancel(BATCH);
        assert!(writer.is_cancelled());
    }
}
