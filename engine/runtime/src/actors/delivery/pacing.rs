//! Pacing: messages that wait in line until the limit of their account lets them go.
//!
//! An account has one line. First in it are scheduled messages whose time came, then its batches in the
//! order in which they were begun; a batch that is paused, or spread and not due, is passed over. What is
//! to be handed over of the first messages is at hand, that of the others is read from the records shortly
//! before it is their turn.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use didfarm_core::batch::{Batch, BatchState, Spread};
use didfarm_core::delivery::{InFlight, Input};
use didfarm_core::ids::{AccountId, BatchId, MessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::DeliverySupervisor;
use crate::account::Place;

/// Messages of one batch that are at hand, or asked of the records, at most.
const AT_HAND_MAX: usize = 4_096;
/// More are asked for once so few are left.
const AT_HAND_MIN: usize = AT_HAND_MAX / 2;
/// The most messages that one turn lets go.
const RELEASED_PER_TURN_MAX: usize = 10_000;
/// How much of what a batch that is spread has missed is made up for, in milliseconds.
const MADE_UP_MS_MAX: u64 = 1_000;
/// How long a message that cannot be read holds up those behind it, in milliseconds.
const STUCK_MS: u64 = 5_000;
/// The least time between two looks at the lines, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 10;

/// What goes together: a batch, or the scheduled messages whose time came.
struct Run {
    batch: Option<BatchId>,
    paused: bool,
    spread: Option<Spread>,
    /// When the next one of a batch that is spread may go, by the monotonic clock; `None` before the first.
    next_at: Option<Timestamp>,
    waiting: VecDeque<MessageId>,
    /// How many of the first are at hand or were asked for.
    at_hand: usize,
    /// Since when the first one is waited for, which is not at hand.
    stuck_since: Option<Timestamp>,
    /// Messages of the batch that are scheduled, and will come to the line.
    expected: u64,
}

impl Run {
    fn new(batch: Option<BatchId>) -> Run {
        Run {
            batch,
            paused: false,
            spread: None,
            next_at: None,
            waiting: VecDeque::new(),
            at_hand: 0,
            stuck_since: None,
            expected: 0,
        }
    }

    fn may_go(&self, now: Timestamp) -> bool {
        !self.paused && self.next_at.is_none_or(|next_at| next_at <= now)
    }

    /// Takes the first one off; the next of a batch that is spread comes a gap later.
    fn pop(&mut self, now: Timestamp) {
        self.drop_first();
        if let Some(spread) = self.spread {
            // What a late turn missed is made up for, and not what a pause did.
            let due = self.next_at;
            let due = due.filter(|due| now.ms_since(*due) < MADE_UP_MS_MAX);
            self.next_at = Some(due.unwrap_or(now).plus_us(spread.gap_us));
        }
    }

    fn drop_first(&mut self) -> Option<MessageId> {
        self.stuck_since = None;
        self.at_hand = self.at_hand.saturating_sub(1);
        self.waiting.pop_front()
    }

    /// The first one is not at hand: after a while the others go before it, and it is asked for once more.
    fn wait_for_first(&mut self, now: Timestamp) {
        let since = *self.stuck_since.get_or_insert(now);
        if now.ms_since(since) >= STUCK_MS
            && let Some(message) = self.drop_first()
        {
            self.waiting.push_back(message);
        }
    }

    fn is_over(&self) -> bool {
        self.waiting.is_empty() && !self.paused && self.expected == 0
    }
}

/// The lines of all accounts.
pub(super) struct Pacing {
    lines: FxHashMap<AccountId, Vec<Run>>,
    looked_at: Timestamp,
}

impl Pacing {
    /// Nobody waits.
    pub(super) fn new() -> Pacing {
        Pacing {
            lines: FxHashMap::default(),
            looked_at: Timestamp::ZERO,
        }
    }

    /// Messages that wait in line.
    pub(super) fn waiting(&self) -> usize {
        let runs = self.lines.values().flatten();
        runs.map(|run| run.waiting.len()).sum()
    }

    /// How many messages of a batch wait in line, of those that are still meant to go.
    pub(super) fn waiting_of(
        &self,
        account: AccountId,
        batch: BatchId,
        is_live: impl Fn(MessageId) -> bool,
    ) -> usize {
        let run = self.run(account, batch);
        run.map_or(0, |run| {
            run.waiting
                .iter()
                .filter(|message| is_live(**message))
                .count()
        })
    }

    /// A message of a batch is scheduled: it comes to the line when its time comes.
    pub(super) fn expect(&mut self, account: AccountId, batch: Option<BatchId>) {
        if batch.is_some() {
            self.run_mut(account, batch).expected += 1;
        }
    }

    /// One that was expected came, or never will.
    pub(super) fn came(&mut self, account: AccountId, batch: Option<BatchId>) {
        if let Some(runs) = self.lines.get_mut(&account)
            && let Some(run) = runs.iter_mut().find(|run| run.batch == batch)
        {
            run.expected = run.expected.saturating_sub(1);
        }
    }

    fn run(&self, account: AccountId, batch: BatchId) -> Option<&Run> {
        let mut runs = self.lines.get(&account)?.iter();
        runs.find(|run| run.batch == Some(batch))
    }

    fn run_mut(&mut self, account: AccountId, batch: Option<BatchId>) -> &mut Run {
        let runs = self.lines.entry(account).or_default();
        // Scheduled messages first, then the batches from the oldest on.
        let at = match runs.binary_search_by_key(&batch, |run| run.batch) {
            Ok(at) => at,
            Err(at) => {
                runs.insert(at, Run::new(batch));
                at
            }
        };
        &mut runs[at]
    }

    /// Takes over what is known of a batch, unless it is in line already.
    pub(super) fn know(&mut self, batch: &Batch) {
        if self.run(batch.account, batch.id).is_none() {
            let run = self.run_mut(batch.account, Some(batch.id));
            run.paused = batch.state == BatchState::Paused;
            run.spread = batch.spread;
        }
    }

    /// Whether a batch that is in line goes on; `None` for one that is not.
    pub(super) fn state(&self, account: AccountId, batch: BatchId) -> Option<BatchState> {
        let run = self.run(account, batch)?;
        Some(match run.paused {
            true => BatchState::Paused,
            false => BatchState::Running,
        })
    }

    /// Holds a batch or lets it go on.
    pub(super) fn pause(&mut self, account: AccountId, batch: BatchId, paused: bool) {
        self.run_mut(account, Some(batch)).paused = paused;
    }

    /// Takes a batch out of its line.
    pub(super) fn drop_batch(&mut self, account: AccountId, batch: BatchId) {
        if let Some(runs) = self.lines.get_mut(&account) {
            runs.retain(|run| run.batch != Some(batch));
        }
    }

    /// Lets go of runs that are over; `is_wanted` tells of batches that may get more. Gives the accounts
    /// whose line is gone.
    fn prune(&mut self, is_wanted: impl Fn(BatchId) -> bool) -> Vec<AccountId> {
        let mut gone = Vec::new();
        self.lines.retain(|account, runs| {
            runs.retain(|run| !run.is_over() || run.batch.is_some_and(&is_wanted));
            if runs.is_empty() {
                gone.push(*account);
            }
            !runs.is_empty()
        });
        gone
    }
}

impl DeliverySupervisor {
    /// Whether a message waits in line before it waits for its turn: one of a batch, or one whose time
    /// came, that was never handed over.
    pub(super) fn is_paced(open: &InFlight) -> bool {
        let was_scheduled = open.phase_at > open.accepted_at;
        open.delivery.submits == 0 && (open.batch.is_some() || was_scheduled)
    }

    /// Lines a message up; its place is new unless it brings one.
    pub(super) fn line_up(&mut self, message: MessageId, place: Option<Place>) {
        let Some(open) = self.book.get(message) else {
            return;
        };
        let (account, batch) = (open.account, open.batch);
        if self.is_cancelled(batch) {
            self.drive(message, Input::Cancel);
            return;
        }
        let place = place.or_else(|| {
            let account = self.engine.directory.account(account);
            account.map(|account| account.place())
        });
        let Some(place) = place else {
            return self.enqueue(message);
        };
        let at_hand = self.book.waiting(message).is_some();
        let run = self.pacing.run_mut(account, batch);
        let stays = at_hand && run.at_hand == run.waiting.len() && run.at_hand < AT_HAND_MAX;
        run.at_hand += usize::from(stays);
        run.waiting.push_back(message);
        self.book.line_up(message, place);
        if at_hand && !stays {
            self.book.lay_by(message);
            self.laid_by = self.engine.journal.durable();
        }
    }

    /// Lets go what the limits let go.
    pub(super) fn release_lines(&mut self) {
        let now = self.batch.mono;
        let is_draining = self.engine.draining.load(Ordering::Acquire);
        if is_draining || now.ms_since(self.pacing.looked_at) < LOOK_INTERVAL_MS {
            return;
        }
        self.pacing.looked_at = now;
        let in_line = self.pacing.waiting() as u64;
        self.engine.in_line.store(in_line, Ordering::Release);
        let (mut released, mut wanted) = (Vec::new(), Vec::new());
        let book = &self.book;
        for (account, runs) in &mut self.pacing.lines {
            let Some(account) = self.engine.directory.account(*account) else {
                continue;
            };
            let moves = |run: &Run| run.may_go(now) && !run.waiting.is_empty();
            account.set_line_moves(runs.iter().any(moves));
            'line: for run in runs.iter_mut() {
                while let Some(message) = run.waiting.front().copied()
                    && released.len() < RELEASED_PER_TURN_MAX
                    && run.may_go(now)
                {
                    if !book.is_in_line(message) {
                        // It was cancelled, or its peer opted out.
                        run.drop_first();
                    } else if book.waiting(message).is_none() {
                        run.wait_for_first(now);
                        break;
                    } else if account.take_for_line() {
                        run.pop(now);
                        released.push(message);
                    } else {
                        break 'line;
                    }
                }
            }
            for run in runs.iter_mut() {
                if !run.paused && run.at_hand <= AT_HAND_MIN && run.at_hand < run.waiting.len() {
                    let until = run.waiting.len().min(AT_HAND_MAX);
                    let next = run.waiting.range(run.at_hand..until);
                    wanted.extend(next);
                    run.at_hand = until;
                }
            }
        }
        for message in released {
            self.book.leave_line(message, self.batch.at);
            self.enqueue(message);
            self.flush_if_full();
        }
        self.read_scheduled(wanted, self.laid_by);
    }

    /// Lets go of lines that are over.
    pub(super) fn prune_lines(&mut self) {
        let batches = &self.engine.batches;
        for account in self.pacing.prune(|batch| batches.writes(batch)) {
            if let Some(account) = self.engine.directory.account(account) {
                account.set_line_moves(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_was_scheduled_first_and_then_its_batches_in_their_order() {
        let mut pacing = Pacing::new();
        let account = AccountId(1);
        for batch in [Some(BatchId(7)), None, Some(BatchId(3)), Some(BatchId(7))] {
            pacing.run_mut(account, batch);
        }
        let batches: Vec<_> = pacing.lines[&account].iter().map(|run| run.batch).collect();
        assert_eq!(batches, [None, Some(BatchId(3)), Some(BatchId(7))]);
        pacing.pause(account, BatchId(3), true);
        pacing.prune(|batch| batch == BatchId(7));
        let batches: Vec<_> = pacing.lines[&account].iter().map(|run| run.batch).collect();
        assert_eq!(batches, [Some(BatchId(3)), Some(BatchId(7))]);
        pacing.drop_batch(account, BatchId(3));
        pacing.prune(|_| false);
        assert!(pacing.lines.is_empty());
    }

    #[test]
    fn a_batch_that_is_spread_goes_one_by_one() {
        let mut run = Run::new(Some(BatchId(1)));
        run.spread = Some(Spread::new(10, 5));
        let at = |ms: i64| Timestamp(1_000_000_000 + ms * 1_000);
        assert!(run.may_go(at(0)));
        run.pop(at(0));
        assert!(!run.may_go(at(499)) && run.may_go(at(500)));
        // A turn that came late, and a pause.
        run.pop(at(900));
        assert!(run.may_go(at(1_000)));
        run.pop(at(60_000));
        assert!(!run.may_go(at(60_499)) && run.may_go(at(60_500)));
    }
}
