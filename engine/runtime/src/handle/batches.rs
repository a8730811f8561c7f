//! Batches at the door: begun or gone on with, their rows handed in by groups, commands, reads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use didfarm_core::batch::{
    Batch, BatchCommand, BatchEvent, BatchPlace, BatchState, RefusedRow, Spread,
};
use didfarm_core::ids::{AccountId, BatchId, NumberId};
use didfarm_core::number::Number;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_store::records::Records;
use didfarm_store::records::read::Take;
pub use didfarm_store::records::round::BatchRow;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::EngineHandle;
use super::reads::damaged;
use crate::account::{AccountHandle, Place};
use crate::actors::conversation::{SendCommand, SendReply};
use crate::actors::delivery::DeliveryInput;
use crate::actors::delivery::batches::{BatchInput, CommandBatch, NoteBatch, OpenBatch};
use crate::actors::partition::PartitionInput;
use crate::batches::{BatchError, BatchWriter, RowAnswer, RowReply, RowRequest, group};
use crate::idempotency::Guard;
use crate::pools::{self, Chosen, PoolClaim, Want};
use crate::read::{PAGE_ROWS_MAX, Page, ReadError};
use crate::send::{SendError, SendRequest, Sender, Unavailable};

/// How long an account is to wait when those of all accounts are too many, whose rates it does not know.
const EVERYONE_WAIT: Duration = Duration::from_secs(30);

/// Numbers whose look-up a group remembers.
type Own = FxHashMap<Sender, Result<Arc<Number>, Refusal>>;

/// The number that sends a row, with its claim if it was chosen from a pool.
type OwnNumber = (Arc<Number>, Option<Box<PoolClaim>>);

/// Rows of a batch that is known from the first or from an earlier request.
pub struct BatchDesk {
    handle: EngineHandle,
    account: Arc<AccountHandle>,
    batch: BatchId,
    /// Whether an earlier request may have handed in some of its rows.
    is_resumed: bool,
    /// The time that it is spread over, if it is.
    spread: Option<Spread>,
    /// Whether every row of it was known before.
    is_completed: bool,
    /// Places in line for rows that will come, and how many are before them.
    reserved: Mutex<Option<(Place, u64)>>,
    writer: Arc<BatchWriter>,
}

/// Rows that were handed in.
pub struct Submitted {
    answers: oneshot::Receiver<Vec<RowAnswer>>,
    /// When the first of them that goes at once is expected to go; the others follow at the account's rate.
    pub first_goes_at: Timestamp,
}

impl Submitted {
    /// What became of them, in their order, once those that were accepted are durable.
    ///
    /// # Errors
    /// [`BatchError::Unavailable`].
    pub async fn answer(self) -> Result<Vec<RowAnswer>, BatchError> {
        self.answers.await.map_err(|_| Unavailable::Faulted.into())
    }
}

impl EngineHandle {
    /// Begins a batch, under an idempotency key if there is a guard: when this returns `Ok`, that is
    /// durable. `rows` is how many are known to come.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn open_batch(
        &self,
        account: &Arc<AccountHandle>,
        rows: Option<u64>,
        spread: Option<Spread>,
        guard: Option<Box<Guard>>,
    ) -> Result<BatchDesk, BatchError> {
        let shared = &self.shared;
        shared.gate()?;
        // The whole is refused early where it cannot fit.
        let reserved = rows.map(|rows| self.room(account, rows)).transpose()?;
        let _permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let open = OpenBatch {
            account: account.id(),
            spread,
            guard,
            reply,
        };
        shared
            .delivery
            .push(DeliveryInput::Batch(BatchInput::Open(open)));
        let writer = answer.await.map_err(|_| Unavailable::Faulted)?;
        Ok(BatchDesk {
            handle: self.clone(),
            account: Arc::clone(account),
            batch: writer.batch,
            is_resumed: false,
            spread,
            is_completed: false,
            reserved: Mutex::new(reserved),
            writer,
        })
    }

    /// Goes on with a batch that was begun before.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn resume_batch(
        &self,
        account: &Arc<AccountHandle>,
        id: BatchId,
    ) -> Result<BatchDesk, BatchError> {
        let shared = &self.shared;
        shared.gate()?;
        let writer = shared.batches.begin(account.id(), id);
        let writer = writer.ok_or(BatchError::InProgress)?;
        let batch = self.batch(account.id(), id).await?;
        if batch.state == BatchState::Cancelled {
            shared.batches.cancel(id);
        }
        let (spread, is_completed) = (batch.spread, batch.completed_at.is_some());
        let known = BatchInput::Known(Box::new(batch));
        shared.delivery.push(DeliveryInput::Batch(known));
        Ok(BatchDesk {
            handle: self.clone(),
            account: Arc::clone(account),
            batch: id,
            is_resumed: true,
            spread,
            is_completed,
            reserved: Mutex::default(),
            writer,
        })
    }

    /// A batch of the account.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn batch(&self, account: AccountId, id: BatchId) -> Result<Batch, BatchError> {
        let read = move |records: &Records| records.batch(account, id).map_err(damaged);
        let found = self.shared.read(read).await?;
        found.ok_or(BatchError::Unknown { batch: id })
    }

    /// The account's batches, the newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn batches(
        &self,
        account: AccountId,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Page<Batch, BatchId>, ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            let mut page = Page {
                rows: Vec::new(),
                next: None,
            };
            let walked = records.each_batch(account, after, |batch| {
                if page.rows.len() == limit {
                    page.next = page.rows.last().map(|last: &Batch| last.id);
                    return Ok(Take::Stop);
                }
                page.rows.push(batch);
                Ok(Take::Next)
            });
            walked.map_err(damaged)?;
            Ok(page)
        };
        self.shared.read(read).await
    }

    /// What became of the rows of a batch, by index, from `from` on.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn batch_rows(
        &self,
        account: AccountId,
        id: BatchId,
        from: u64,
        limit: usize,
    ) -> Result<Page<(u64, BatchRow), u64>, BatchError> {
        self.batch(account, id).await?;
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| rows(records, (account, id), from, limit);
        let mut rows = self.shared.read(read).await?;
        let next = (rows.len() > limit).then(|| rows.pop().map(|(index, _)| index));
        Ok(Page {
            rows,
            next: next.flatten(),
        })
    }

    /// Pauses, resumes or cancels a batch: when this returns `Ok`, that is durable. Says how many messages
    /// wait that it holds or lets go, or how many were cancelled.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn command_batch(
        &self,
        account: AccountId,
        id: BatchId,
        command: BatchCommand,
    ) -> Result<u64, BatchError> {
        let batch = self.batch(account, id).await?;
        self.shared.gate()?;
        let permit = self.shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let command = CommandBatch {
            batch: Box::new(batch),
            command,
            reply,
            permit,
        };
        let input = BatchInput::Command(command);
        self.shared.delivery.push(DeliveryInput::Batch(input));
        let answer = answer.await.map_err(|_| Unavailable::Faulted)?;
        answer.map_err(|state| BatchError::State { state })
    }

    /// How many messages of an account may wait in line.
    pub fn backlog_max(&self, account: &AccountHandle) -> u64 {
        u64::from(account.limit().per_second) * self.shared.settings.limits.backlog_s
    }

    /// Places in line for so many more messages; says how many are before them.
    fn room(&self, account: &Arc<AccountHandle>, count: u64) -> Result<(Place, u64), BatchError> {
        let limits = &self.shared.settings.limits;
        let per_second = u64::from(account.limit().per_second).max(1);
        let full = |waiting: u64, max: u64, wait: Duration| BatchError::BacklogFull {
            waiting,
            max,
            wait: (count <= max).then_some(wait),
        };
        let everyone = self.shared.in_line.load(Ordering::Acquire) + count;
        if everyone > limits.backlog_max {
            return Err(full(everyone - count, limits.backlog_max, EVERYONE_WAIT));
        }
        let max = self.backlog_max(account);
        account.line_up(count, max).map_err(|over| {
            let wait = Duration::from_secs(over.div_ceil(per_second).max(1));
            full(account.in_line(), max, wait)
        })
    }
}

fn rows(
    records: &Records,
    batch: (AccountId, BatchId),
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, BatchRow)>, ReadError> {
    let mut rows = Vec::new();
    let walked = records.each_batch_row(batch, from, |index, row| {
        rows.push((index, row));
        Ok(match rows.len() > limit {
            true => Take::Stop,
            false => Take::Next,
        })
    });
    walked.map_err(damaged)?;
    Ok(rows)
}

impl BatchDesk {
    /// The batch.
    pub fn id(&self) -> BatchId {
        self.batch
    }

    /// Whether an earlier request began it.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// What became of `count` rows from `from` on, by index, as far as an earlier request handed them in.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn known(&self, from: u64, count: usize) -> Result<Vec<(u64, BatchRow)>, BatchError> {
        if !self.is_resumed {
            return Ok(Vec::new());
        }
        let batch = (self.account.id(), self.batch);
        let until = from.saturating_add(count as u64);
        let read = move |records: &Records| rows(records, batch, from, count);
        let mut rows = self.handle.shared.read(read).await?;
        rows.retain(|(index, _)| *index < until);
        Ok(rows)
    }

    /// Hands in rows; their answers come once those that were accepted are durable.
    ///
    /// # Errors
    /// See [`BatchError`]; none of them was taken then.
    pub async fn submit(&self, requests: &mut Vec<RowRequest>) -> Result<Submitted, BatchError> {
        let shared = &self.handle.shared;
        shared.gate()?;
        if self.writer.is_cancelled() {
            let state = BatchState::Cancelled;
            return Err(BatchError::State { state });
        }
        let count = requests.len();
        let permit = shared.rows.admit_weight(count);
        let permit = permit.ok_or(Unavailable::Busy)?;
        let (mut places, before) = self.places(count as u64)?;
        let mut chosen = self.choose(requests).await.into_iter();
        let (replies, answers) = group(count, &self.writer, permit);
        let mut own = Own::default();
        let mut by_partition: FxHashMap<NumberId, Vec<SendCommand>> = FxHashMap::default();
        for (row, reply) in std::mem::take(requests).into_iter().zip(replies) {
            let own = match row.request.from {
                Sender::Pool(_) => chosen.next().expect("each of them has its answer"),
                Sender::Number(_) | Sender::Id(_) => self.own(&row.request, &mut own),
            };
            match self.command(row, own, &mut places, reply) {
                Ok(command) => by_partition
                    .entry(command.number)
                    .or_insert_with(|| Vec::with_capacity(count))
                    .push(command),
                Err((reply, error)) => {
                    shared.meters.refused(&error);
                    reply.answer(Err(error));
                }
            }
        }
        for (number, commands) in by_partition {
            shared
                .partition_of(number)
                .push(PartitionInput::SendMany(commands));
        }
        Ok(Submitted {
            answers,
            first_goes_at: self.goes_at(before),
        })
    }

    /// Places for so many: of those that were reserved, or new ones.
    fn places(&self, count: u64) -> Result<(Place, u64), BatchError> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((places, before)) = &mut *reserved
            && let Some(taken) = places.take(count)
        {
            *before += count;
            return Ok((taken, *before - count));
        }
        self.handle.room(&self.account, count)
    }

    /// Whether every row of it was known before this request.
    pub fn is_completed(&self) -> bool {
        self.is_completed
    }

    /// When the message that has so many before it is expected to go.
    fn goes_at(&self, before: u64) -> Timestamp {
        self.handle.shared.now().plus_us(self.wait_us(before))
    }

    /// How long so many messages take at the account's rate, or at the batch's own pace, in microseconds.
    pub fn wait_us(&self, messages: u64) -> u64 {
        let per_second = u64::from(self.account.limit().per_second).max(1);
        let gap_us = self.spread.map_or(0, |spread| spread.gap_us);
        let of_rate = messages.saturating_mul(1_000_000) / per_second;
        of_rate.max(messages.saturating_mul(gap_us))
    }

    /// Chooses numbers for the rows that come from pools, in their order.
    async fn choose(&self, rows: &[RowRequest]) -> Vec<Result<OwnNumber, SendError>> {
        let want = |row: &RowRequest| match row.request.from {
            Sender::Pool(pool) => Some(Want {
                pool,
                peer: row.request.to.clone(),
                channel: row.request.channel,
            }),
            Sender::Number(_) | Sender::Id(_) => None,
        };
        let wants: Vec<_> = rows.iter().filter_map(want).collect();
        if wants.is_empty() {
            return Vec::new();
        }
        let chosen = pools::choose(&self.handle.shared, &self.account, wants).await;
        let own = |chosen: Chosen| (chosen.number, Some(chosen.claim));
        chosen.into_iter().map(|one| one.map(own)).collect()
    }

    fn own(&self, request: &SendRequest, own: &mut Own) -> Result<OwnNumber, SendError> {
        let number = own
            .entry(request.from)
            .or_insert_with(|| self.handle.own_number(&self.account, request.from));
        Ok((number.clone()?, None))
    }

    fn command(
        &self,
        row: RowRequest,
        own: Result<OwnNumber, SendError>,
        places: &mut Place,
        reply: RowReply,
    ) -> Result<SendCommand, (RowReply, SendError)> {
        let RowRequest {
            index,
            print,
            mut request,
        } = row;
        request.encode();
        let (number, claim) = match own {
            Ok(own) => own,
            Err(error) => return Err((reply, error)),
        };
        let peer = request.to.clone();
        let (mut message, counted) = match self.handle.prepare(&self.account, &number, request) {
            Ok(prepared) => prepared,
            Err(error) => return Err((reply, error)),
        };
        message.batch = Some(BatchPlace {
            batch: self.batch,
            index,
            print,
        });
        // One that is scheduled comes to the line when its time comes.
        let place = match message.send_at {
            None => places.split(),
            Some(_) => None,
        };
        Ok(SendCommand {
            number: number.id,
            peer,
            message,
            account: Arc::clone(&self.account),
            counted,
            guard: None,
            place,
            reply: SendReply::Row(reply),
            claim,
            permit: None,
        })
    }

    /// Notes rows that were refused: when this returns `Ok`, that is durable.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn refuse(&self, rows: &mut Vec<RefusedRow>) -> Result<(), BatchError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.handle.shared.gate()?;
        self.note(BatchEvent::Refused(std::mem::take(rows))).await
    }

    /// Notes that every row is known: when this returns `Ok`, that is durable.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn complete(&self) -> Result<(), BatchError> {
        self.note(BatchEvent::Completed).await
    }

    async fn note(&self, event: BatchEvent) -> Result<(), BatchError> {
        let (reply, noted) = oneshot::channel();
        let note = BatchInput::Note(NoteBatch {
            account: self.account.id(),
            writer: Arc::clone(&self.writer),
            event,
            reply,
        });
        let shared = &self.handle.shared;
        shared.delivery.push(DeliveryInput::Batch(note));
        noted.await.map_err(|_| Unavailable::Faulted.into())
    }
}
