//! Batches: begun, noted, paused, resumed and cancelled. The supervisor alone decides of their state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_core::batch::{self, Batch, BatchCommand, BatchEvent, BatchState, Spread};
use didfarm_core::event::Event;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::{AccountId, BatchId};
use tokio::sync::oneshot;

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use super::scheduling::{Meant, Sweep};
use crate::admission::Permit;
use crate::batches::BatchWriter;
use crate::idempotency::Guard;

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
        let writer = self.engine.batches.begin(id);
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
        self.pacing.know(batch);
        if batch.state == BatchState::Cancelled {
            self.engine.batches.cancel(batch.id);
        }
    }

    fn command_batch(&mut self, command: CommandBatch) {
        let CommandBatch {
            batch,
            command,
            reply,
            permit,
        } = command;
        let (account, id) = (batch.account, batch.id);
        let state = self.pacing.state(account, id).unwrap_or(batch.state);
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
                let caught = self.pacing.waiting_of(account, id) as u64;
                let effect = DeliveryEffect::Caught(reply, caught);
                self.batch.effects.push(effect);
            }
            BatchCommand::Cancel => {
                self.engine.batches.cancel(id);
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
