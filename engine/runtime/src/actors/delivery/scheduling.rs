//! Scheduled messages: read ahead of their time, let go when it has come, given another, or cancelled.
//!
//! The supervisor alone decides of starts and of cancels: whichever comes first leaves the other nothing to
//! do, and both are durable before anyone hears of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_carriers::Submit;
use didfarm_core::channel::Channel;
use didfarm_core::content::ContentKind;
use didfarm_core::delivery::{InFlight, Input, Outcome, Phase, Rescheduled};
use didfarm_core::ids::{AccountId, BatchId, ConversationId, MessageId, NumberId};
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use didfarm_store::records::{Records, RecordsError};
use didfarm_store::seq::Seq;
use rustc_hash::FxHashSet;
use tokio::sync::oneshot;

use super::batch::DeliveryEffect;
use super::batches::SweepReply;
use super::calendar::Slot;
use super::rebuild::submit;
use super::{DeliveryInput, DeliverySupervisor};
use crate::admission::Permit;
use crate::schedule::NotWaiting;

/// Messages that go to a loader thread as one job.
const READS_PER_JOB_MAX: usize = 1_024;
/// The most scheduled messages that one turn lets go.
const RELEASED_PER_TURN_MAX: usize = 10_000;
/// The most pages of the book that one turn looks through for a cancel by recipient.
const SWEPT_PER_TURN_MAX: usize = 20_000;

/// Answers whoever cancels a message or gives it another time.
pub(crate) type ScheduleReply = oneshot::Sender<Result<(), NotWaiting>>;

/// A message of an account that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) message: MessageId,
    pub(crate) account: AccountId,
}

/// Which messages are meant; empty fields mean all of the account.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    pub(crate) account: AccountId,
    pub(crate) number: Option<NumberId>,
    pub(crate) conversations: Option<FxHashSet<ConversationId>>,
    pub(crate) batch: Option<BatchId>,
}

impl Meant {
    /// Every message of an account.
    pub(crate) fn all_of(account: AccountId) -> Meant {
        Meant {
            account,
            number: None,
            conversations: None,
            batch: None,
        }
    }

    fn has(&self, open: &InFlight) -> bool {
        open.account == self.account
            && self.number.is_none_or(|number| open.number == number)
            && self.batch.is_none_or(|batch| open.batch == Some(batch))
            && self
                .conversations
                .as_ref()
                .is_none_or(|known| known.contains(&open.conversation))
    }
}

/// A cancel of many, which takes several turns.
pub(crate) struct Sweep {
    pub(crate) meant: Meant,
    pub(crate) reply: SweepReply,
    pub(crate) _permit: Permit,
}

/// How far a cancel of many is.
pub(super) struct Sweeping {
    sweep: Sweep,
    /// The pages of the book that are still to be looked through. What is opened later was accepted later.
    from: usize,
    until: usize,
    caught: u64,
}

/// Which scheduled messages a list is to show.
pub(crate) struct ListScheduled {
    pub(crate) meant: Meant,
    pub(crate) after: Option<(Timestamp, MessageId)>,
    pub(crate) rows_max: usize,
    pub(crate) scan_max: usize,
    pub(crate) reply: oneshot::Sender<ScheduledRows>,
}

/// Scheduled messages by time, and where the list goes on.
pub(crate) struct ScheduledRows {
    pub(crate) rows: Vec<(Timestamp, MessageId)>,
    pub(crate) next: Option<(Timestamp, MessageId)>,
}

/// What the records say of a message whose time or turn comes.
pub(crate) struct Read {
    message: MessageId,
    /// Whether it waits in line.
    for_line: bool,
    found: Result<Found, RecordsError>,
}

struct Found {
    submit: Option<Box<Submit>>,
    /// When WhatsApp's window closes that the message needs; `None` inside when it never opened.
    window: Option<Option<Timestamp>>,
}

fn read(records: &Records, id: MessageId) -> Result<Found, RecordsError> {
    let Some(message) = records.message(id)? else {
        return Ok(Found {
            submit: None,
            window: None,
        });
    };
    let content = message.content.as_ref();
    let is_template = content.is_some_and(|content| content.kind == ContentKind::Template);
    let window = if message.channel == Channel::WhatsApp && !is_template {
        let conversation = records.conversation(message.conversation)?;
        Some(conversation.and_then(|conversation| conversation.window_expires_at()))
    } else {
        None
    };
    Ok(Found {
        submit: submit(message).map(Box::new),
        window,
    })
}

fn slot(open: &InFlight, at: Timestamp) -> Slot {
    Slot {
        account: open.account,
        channel: open.channel,
        at,
        message: open.message,
    }
}

impl DeliverySupervisor {
    /// Brings the calendar in line with a delivery whose time was `before`.
    pub(super) fn note_time(&mut self, message: MessageId, before: Option<Timestamp>) {
        let Some(open) = self.book.get(message) else {
            return;
        };
        let after = open.scheduled_for();
        if before == after {
            return;
        }
        let account = open.account;
        let at_hand = self.book.waiting(message).is_some();
        let [before, after] = [before, after].map(|at| at.map(|at| slot(open, at)));
        if let Some(before) = before {
            self.calendar.remove(before);
        }
        if let Some(after) = after
            && !self.calendar.add(after, at_hand, self.batch.at)
        {
            self.book.lay_by(message);
            self.laid_by = self.engine.journal.durable();
        }
        if let Some(account) = self.engine.directory.account(account) {
            account.set_scheduled(self.calendar.len_of(account.id()));
        }
    }

    /// Lets go what is due, and has the records read what comes near.
    pub(super) fn release_due(&mut self) {
        if self.calendar.len() > 0 && !self.engine.draining.load(Ordering::Acquire) {
            for _ in 0..RELEASED_PER_TURN_MAX {
                let Some(message) = self.calendar.next_due(self.batch.at) else {
                    break;
                };
                if self.book.waiting(message).is_some() {
                    self.let_go(message);
                } else {
                    self.calendar.is_late(message);
                }
            }
            let windowed = self.calendar.windowed_to_read(self.batch.at);
            // The window is to be read as it is now.
            self.read_scheduled(windowed, self.engine.journal.durable());
            let near = self.calendar.near_to_read(self.batch.at);
            self.read_scheduled(near, self.laid_by);
        }
        let scheduled = self.calendar.len() as u64;
        self.engine.scheduled.store(scheduled, Ordering::Release);
    }

    /// Asks the records once more for what could not be read.
    pub(super) fn read_again(&mut self) {
        let again = std::mem::take(&mut self.unread);
        self.read_scheduled(again, self.engine.journal.durable());
    }

    /// Has scheduled messages read once the records hold everything up to `after`.
    pub(super) fn read_scheduled(&self, asked: Vec<MessageId>, after: Seq) {
        self.read_messages(asked, false, after);
    }

    /// Has messages that wait in line read.
    pub(super) fn read_for_line(&self, asked: Vec<MessageId>, after: Seq) {
        self.read_messages(asked, true, after);
    }

    fn read_messages(&self, mut asked: Vec<MessageId>, for_line: bool, after: Seq) {
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(READS_PER_JOB_MAX));
            let job = std::mem::replace(&mut asked, rest);
            let engine = Arc::clone(&self.engine);
            self.engine.read_after(
                &self.engine.loaders,
                after,
                move |records| {
                    let look = |message| Read {
                        message,
                        for_line,
                        found: read(records, message),
                    };
                    job.into_iter().map(look).collect()
                },
                move |found| engine.delivery.push(DeliveryInput::ScheduledRead(found)),
            );
        }
    }

    /// A message was read; it goes at once when its time has come meanwhile.
    pub(super) fn scheduled_read(&mut self, read: Read) {
        let Read {
            message,
            for_line,
            found,
        } = read;
        if for_line {
            self.pacing.told();
        }
        match found {
            Ok(Found { submit, window }) => {
                let phase = self.book.get(message).map(|open| open.delivery.phase);
                if !matches!(phase, Some(Phase::Scheduled | Phase::Queued)) {
                    return;
                }
                // One that was asked for twice may have left its line, with a validity of its own.
                if let Some(submit) = submit
                    && self.book.waiting(message).is_none()
                {
                    self.book.take_out(message, submit);
                }
                if !self.calendar.read(message) {
                    return;
                }
                let is_open =
                    |closes: Option<Timestamp>| closes.is_some_and(|at| self.batch.at < at);
                if window.is_none_or(is_open) {
                    self.let_go(message);
                } else {
                    let reason = Reason::WindowClosed;
                    self.drive(message, Input::Forbid { reason });
                }
            }
            Err(error) => {
                tracing::error!(%message, %error, "a scheduled message cannot be read; it waits");
                self.unread.push(message);
            }
        }
    }

    fn let_go(&mut self, message: MessageId) {
        let due = self.book.get(message).and_then(InFlight::scheduled_for);
        if matches!(self.drive(message, Input::Due), Outcome::Moved(_)) {
            let late_ms = due.map_or(0, |due| self.batch.at.ms_since(due));
            self.engine.meters.schedule.released(late_ms);
            self.line_up(message, None);
            self.flush_if_full();
        }
    }

    /// A customer cancels a message.
    pub(super) fn cancel(&mut self, waiting: Waiting, reply: ScheduleReply) {
        self.change(waiting, Input::Cancel, reply);
    }

    /// A customer gives a message another time.
    pub(super) fn reschedule(&mut self, waiting: Waiting, to: Rescheduled, reply: ScheduleReply) {
        self.change(waiting, Input::Reschedule(to), reply);
    }

    fn change(&mut self, waiting: Waiting, input: Input, reply: ScheduleReply) {
        let open = self.book.get(waiting.message);
        let is_own = open.is_some_and(|open| open.account == waiting.account);
        if is_own && matches!(self.drive(waiting.message, input), Outcome::Moved(_)) {
            let changed = DeliveryEffect::Changed(reply, Ok(()));
            self.batch.effects.push(changed);
        } else {
            // What it was changed to before may not be durable yet: the answer waits for that.
            let not_waiting = DeliveryEffect::Changed(reply, Err(NotWaiting));
            self.batch.effects.push(not_waiting);
        }
    }

    /// A customer cancels everything that waits for a recipient or on a number.
    pub(super) fn begin_sweep(&mut self, sweep: Sweep) {
        self.sweeps.push_back(Sweeping {
            sweep,
            from: 0,
            until: self.book.pages_len(),
            caught: 0,
        });
    }

    /// Goes on with the cancels of many.
    pub(super) fn sweep_on(&mut self) {
        let mut left = SWEPT_PER_TURN_MAX;
        while left > 0
            && let Some(mut sweeping) = self.sweeps.pop_front()
        {
            let until = sweeping.until.min(sweeping.from.saturating_add(left));
            left -= until - sweeping.from;
            let meant = &sweeping.sweep.meant;
            for message in self
                .book
                .waiting_among(sweeping.from..until, |open| meant.has(open))
            {
                if matches!(self.drive(message, Input::Cancel), Outcome::Moved(_)) {
                    sweeping.caught += 1;
                }
                self.flush_if_full();
            }
            sweeping.from = until;
            if sweeping.from < sweeping.until {
                self.sweeps.push_front(sweeping);
            } else {
                let Sweeping { sweep, caught, .. } = sweeping;
                self.batch
                    .effects
                    .push(DeliveryEffect::Swept(sweep, caught));
            }
        }
        if !self.sweeps.is_empty() {
            self.engine.delivery.push(DeliveryInput::SweepOn);
        }
    }

    /// An account's scheduled messages, the earliest first.
    pub(super) fn list_scheduled(&self, list: ListScheduled) {
        let (mut rows, mut last, mut next) = (Vec::new(), None, None);
        let all = self.calendar.of_account(list.meant.account, list.after);
        for (looked_at, row) in all.enumerate() {
            if rows.len() == list.rows_max || looked_at == list.scan_max {
                next = last;
                break;
            }
            last = Some(row);
            if self
                .book
                .get(row.1)
                .is_some_and(|open| list.meant.has(open))
            {
                rows.push(row);
            }
        }
        // A customer who has gone need not be told.
        let _ = list.reply.send(ScheduledRows { rows, next });
    }
}
