//! Batches: begun, noted, paused, resumed and cancelled. The supervisor alone decides of their state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_core::batch::{self, Batch, BatchCommand, BatchEvent, BatchState, Spread};
use didfarm_core::event::Event;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::{AccountId, BatchId};
use rustc_hash::FxHashSet;
use tokio::sync::oneshot;

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use super::scheduling::{Meant, Sweep};
use crate::admission::Permit;
use crate::batches::BatchWriter;
use crate::idempotency::Guard;

/// Cancelled batches that are remembered: far more than have messages under way.
const CANCELLED_MAX: usize = 100_000;

/// What comes to the supervisor about batches.
pub(crate) enum BatchInput {
    /// A customer begins one.
    Open(OpenBatch),
    /// One goes on that was begun before.
    Known(Box<Batch>),
    /// Something happened to one that nobody decides of.
    Note(NoteBatch),
    /// A customer commands one.
    Command(CommandBatch),
}

/// A batch to be begun.
pub(crate) struct OpenBatch {
    pub(crate) account: AccountId,
    pub(crate) spread: Option<Spread>,
    /// Its idempotency key, if it has one.
    pub(crate) guard: Option<Box<Guard>>,
    pub(crate) reply: oneshot::Sender<Arc<BatchWriter>>,
}

/// What happened to a batch, from whoever hands in its rows: nobody else does before it is durable.
pub(crate) struct NoteBatch {
    pub(crate) account: AccountId,
    pub(crate) writer: Arc<BatchWriter>,
    pub(crate) event: BatchEvent,
    pub(crate) reply: oneshot::Sender<()>,
}

/// A command for a batch, with what the records say of it.
pub(crate) struct CommandBatch {
    pub(crate) batch: Box<Batch>,
    pub(crate) command: BatchCommand,
    pub(crate) reply: CommandReply,
    pub(crate) permit: Permit,
}

/// Answers a command: how many messages it caught, or the state that stands against it.
pub(crate) type CommandReply = oneshot::Sender<Result<u64, BatchState>>;

impl DeliverySupervisor {
    pub(super) fn batch_input(&mut self, input: BatchInput) {
        match input {
            BatchInput::Open(open) => self.open_batch(open),
            BatchInput::Known(batch) => self.know_batch(&batch),
            BatchInput::Note(note) => {
                let noted = Event::Batch(note.account, note.writer.batch, note.event);
                self.batch.events.push(noted);
                let effect = DeliveryEffect::Noted(note.reply, note.writer);
                self.batch.effects.push(effect);
            }
            BatchInput::Command(command) => self.command_batch(command),
        }
    }

    fn open_batch(&mut self, open: OpenBatch) {
        let OpenBatch {
            account,
            spread,
            guard,
            reply,
        } = open;
        let id = BatchId(self.engine.batch_next.fetch_add(1, Ordering::Relaxed));
        let writer = self.engine.batches.begin(account, id);
        let writer = writer.expect("nobody writes to a batch that is new");
        let at = self.batch.at;
        self.pacing.know(&Batch::opened(id, account, spread, at));
        let opened = BatchEvent::Opened(spread);
        self.batch.events.push(Event::Batch(account, id, opened));
        // From when the key says so, whoever comes with it finds the batch being written to.
        let mut guard = guard;
        if let Some(guard) = &mut guard {
            let guarded = guard.event(GuardedAnswer::Batch(id), at);
            self.batch.events.push(guarded);
        }
        self.batch
            .effects
            .push(DeliveryEffect::BatchOpened(reply, writer));
        if let Some(guard) = guard {
            let seq = self.flush_now();
            guard.appended(seq, at);
        }
    }

    /// What the records say of a batch counts where nothing newer is known.
    pub(super) fn know_batch(&mut self, batch: &Batch) {
        if batch.state == BatchState::Cancelled {
            self.note_cancelled(batch.id);
        } else if !self.is_cancelled(Some(batch.id)) {
            self.pacing.know(batch);
        }
    }

    /// Whether a message's batch was cancelled.
    pub(super) fn is_cancelled(&self, batch: Option<BatchId>) -> bool {
        batch.is_some_and(|batch| self.cancelled.holds(batch))
    }

    fn note_cancelled(&mut self, batch: BatchId) {
        self.cancelled.add(batch);
        // Whoever hands in its rows is told as well.
        self.engine.batches.cancel(batch);
    }

    fn command_batch(&mut self, command: CommandBatch) {
        let CommandBatch {
            batch,
            command,
            reply,
            permit,
        } = command;
        let (account, id) = (batch.account, batch.id);
        let state = match self.is_cancelled(Some(id)) {
            true => BatchState::Cancelled,
            false => self.pacing.state(account, id).unwrap_or(batch.state),
        };
        let decided = match batch::decide(state, command) {
            Ok(decided) => decided,
            Err(state) => {
                // A customer who has gone need not be told.
                let _ = reply.send(Err(state));
                return;
            }
        };
        if let Some(state) = decided {
            let set = BatchEvent::StateSet(state);
            self.batch.events.push(Event::Batch(account, id, set));
        }
        match command {
            BatchCommand::Pause | BatchCommand::Resume => {
                self.pacing.know(&batch);
                let paused = command == BatchCommand::Pause;
                self.pacing.pause(account, id, paused);
                let live = |message| self.book.is_in_line(message);
                let caught = self.pacing.waiting_of(account, id, live) as u64;
                let effect = DeliveryEffect::Caught(reply, caught);
                self.batch.effects.push(effect);
            }
            BatchCommand::Cancel => {
                self.note_cancelled(id);
                self.pacing.drop_batch(account, id);
                let meant = Meant {
                    batch: Some(id),
                    ..Meant::all_of(account)
                };
                let sweep = Sweep {
                    meant,
                    reply: SweepReply::Batch(reply),
                    _permit: permit,
                };
                self.begin_sweep(sweep);
            }
        }
    }
}

/// Batches that were cancelled: what still comes of one does not go. The last of them are kept.
#[derive(Default)]
pub(super) struct Cancelled {
    batches: FxHashSet<BatchId>,
    order: VecDeque<BatchId>,
}

impl Cancelled {
    fn add(&mut self, batch: BatchId) {
        if self.batches.insert(batch) {
            self.order.push_back(batch);
        }
        if self.order.len() > CANCELLED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.batches.remove(&oldest);
        }
    }

    fn holds(&self, batch: BatchId) -> bool {
        !self.batches.is_empty() && self.batches.contains(&batch)
    }
}

/// Answers a cancel of many.
pub(crate) enum SweepReply {
    Filter(oneshot::Sender<u64>),
    Batch(CommandReply),
}

impl SweepReply {
    pub(super) fn caught(self, count: u64) {
        // A customer who has gone need not be told.
        match self {
            SweepReply::Filter(reply) => drop(reply.send(count)),
            SweepReply::Batch(reply) => drop(reply.send(Ok(count))),
        }
    }
}
