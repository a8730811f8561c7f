//! Pacing: messages that wait in line until the limit of their account lets them go.
//!
//! An account has one line. First in it are scheduled messages whose time came, then its batches in the
//! order in which they were begun; a batch that is paused, or spread and not due, is passed over. What is
//! to be handed over of the first messages is at hand, that of the others is read from the records shortly
//! before it is their turn. A message stays in line while it could not go on its way: while its number's
//! gate or its carrier's lane is full.

use std::sync::atomic::Ordering;

use didfarm_core::batch::{Batch, BatchState};
use didfarm_core::delivery::{InFlight, Input};
use didfarm_core::ids::{AccountId, BatchId, MessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::DeliverySupervisor;
use super::run::{Run, read_ahead};
use super::way::LetGo;
use crate::account::{AccountHandle, Place};

/// Messages of all lines that are asked of the records at once.
const ASKED_MAX: usize = 16_384;
/// Messages of one line, and of all, of which what is to be handed over stays at hand when they come.
const AT_HAND_MAX: usize = 65_536;
const AT_HAND_ALL_MAX: usize = 500_000;
/// The most messages that one turn lets go or holds.
const RELEASED_PER_TURN_MAX: usize = 10_000;
/// The least time between two looks at the lines, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 10;

/// The lines of all accounts.
pub(super) struct Pacing {
    lines: FxHashMap<AccountId, Vec<Run>>,
    looked_at: Timestamp,
    /// Messages that the records were asked for and have not told of.
    asked: usize,
    /// How many of each line are at hand or asked for, at most: as it was at the last look, and what came since.
    at_hand: FxHashMap<AccountId, usize>,
    at_hand_all: usize,
}

impl Pacing {
    /// Nobody waits.
    pub(super) fn new() -> Pacing {
        Pacing {
            lines: FxHashMap::default(),
            looked_at: Timestamp::ZERO,
            asked: 0,
            at_hand: FxHashMap::default(),
            at_hand_all: 0,
        }
    }

    /// The records told of a message that they were asked for.
    pub(super) fn told(&mut self) {
        self.asked = self.asked.saturating_sub(1);
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
            let live = run.messages().filter(|message| is_live(*message));
            live.count()
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
            && let Ok(at) = runs.binary_search_by_key(&batch, |run| run.batch)
        {
            runs[at].expected = runs[at].expected.saturating_sub(1);
        }
    }

    fn run(&self, account: AccountId, batch: BatchId) -> Option<&Run> {
        let runs = self.lines.get(&account)?;
        let at = runs.binary_search_by_key(&Some(batch), |run| run.batch);
        at.ok().map(|at| &runs[at])
    }

    /// Puts a message at the end of its run; says whether what is to be handed over stays at hand, if it is.
    fn push(
        &mut self,
        account: AccountId,
        batch: Option<BatchId>,
        message: MessageId,
        at_hand: bool,
    ) -> bool {
        let of_line = self.at_hand.get(&account).copied().unwrap_or(0);
        let has_room = of_line < AT_HAND_MAX && self.at_hand_all < AT_HAND_ALL_MAX;
        let run = self.run_mut(account, batch);
        // Only the first ones of a run are at hand, without a gap.
        let stays = at_hand && has_room && run.at_hand == run.waiting.len();
        run.at_hand += usize::from(stays);
        run.waiting.push_back(message);
        if stays {
            *self.at_hand.entry(account).or_default() += 1;
            self.at_hand_all += 1;
        }
        stays
    }

    /// Counts what is at hand, now that the lines were looked at.
    fn count_all(&mut self) {
        let of_line = |runs: &Vec<Run>| runs.iter().map(|run| run.at_hand).sum();
        let lines = self.lines.iter();
        self.at_hand = lines
            .map(|(account, runs)| (*account, of_line(runs)))
            .collect();
        self.at_hand_all = self.at_hand.values().sum();
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

    /// Lets go of what was cancelled in batches that are paused, of which an account has no more than `in_line`
    /// tells.
    fn shed(&mut self, in_line: impl Fn(AccountId) -> u64, is_live: impl Fn(MessageId) -> bool) {
        for (account, runs) in &mut self.lines {
            let most = usize::try_from(in_line(*account)).unwrap_or(usize::MAX);
            for run in runs
                .iter_mut()
                .filter(|run| run.paused && run.waiting.len() > most)
            {
                let at_hand = run.waiting.iter().take(run.at_hand);
                run.at_hand = at_hand.filter(|message| is_live(**message)).count();
                run.waiting.retain(|message| is_live(*message));
            }
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
        let stays = self.pacing.push(account, batch, message, at_hand);
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
        // The lines are looked at while the rest of the supervisor is asked.
        let mut pacing = std::mem::replace(&mut self.pacing, Pacing::new());
        pacing.looked_at = now;
        let (mut let_go, mut wanted) = (LetGo::default(), Vec::new());
        let mut in_line = 0;
        for (account, runs) in &mut pacing.lines {
            let Some(account) = self.engine.directory.account(*account) else {
                continue;
            };
            in_line += account.in_line();
            account.set_line_moves(self.release_runs(&account, runs, &mut let_go));
            let room = ASKED_MAX.saturating_sub(pacing.asked + wanted.len());
            read_ahead(runs, room, &mut wanted);
        }
        pacing.asked += wanted.len();
        pacing.count_all();
        self.pacing = pacing;
        self.engine.in_line.store(in_line, Ordering::Release);
        if !let_go.held.is_empty() {
            self.laid_by = self.engine.journal.durable();
        }
        for message in let_go.held {
            self.book.lay_by(message);
        }
        for message in let_go.messages {
            self.book.leave_line(message, self.batch.at);
            self.enqueue(message);
            self.flush_if_full();
        }
        self.read_for_line(wanted, self.laid_by);
    }

    /// Takes from an account's runs what its limit lets go; says whether more could go but for the limit.
    fn release_runs(&self, account: &AccountHandle, runs: &mut [Run], let_go: &mut LetGo) -> bool {
        let (now, mut moves) = (self.batch.mono, false);
        for run in runs {
            run.wake(self.batch.at);
            run.is_blocked = !run.may_go(now);
            while let Some(message) = run.waiting.front().copied()
                && let_go.len() < RELEASED_PER_TURN_MAX
                && run.may_go(now)
            {
                if !self.book.is_in_line(message) {
                    // It was cancelled, or its peer opted out.
                    run.drop_first();
                } else if self.book.waiting(message).is_none() {
                    moves = true;
                    run.wait_for_first(now);
                    break;
                } else if let Some(until) = self.quiet_until(message, account, let_go) {
                    run.hold_first(until);
                    let_go.held.push(message);
                } else if let Some(way) = self.way(message, let_go) {
                    if !account.take_for_line() {
                        return true;
                    }
                    moves = true;
                    run.pop(now);
                    let_go.add(message, &way);
                } else {
                    run.is_blocked = true;
                    break;
                }
            }
        }
        moves
    }

    /// Lets go of lines that are over.
    pub(super) fn prune_lines(&mut self) {
        let directory = &self.engine.directory;
        let in_line = |account| {
            directory
                .account(account)
                .map_or(0, |account| account.in_line())
        };
        self.pacing
            .shed(in_line, |message| self.book.is_in_line(message));
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
        pacing
            .run_mut(account, Some(BatchId(3)))
            .waiting
            .push_back(MessageId(1));
        pacing.prune(|batch| batch == BatchId(7));
        let batches: Vec<_> = pacing.lines[&account].iter().map(|run| run.batch).collect();
        assert_eq!(batches, [Some(BatchId(3)), Some(BatchId(7))]);
        pacing.drop_batch(account, BatchId(3));
        pacing.prune(|_| false);
        assert!(pacing.lines.is_empty());
    }

    #[test]
    fn so_much_stays_at_hand_of_a_line_and_no_gap_is_in_it() {
        let mut pacing = Pacing::new();
        let (one, other) = (AccountId(1), AccountId(2));
        for message in 0..AT_HAND_MAX as u64 {
            // Many batches, as of documents of a few rows each.
            let batch = Some(BatchId(message / 10));
            assert!(pacing.push(one, batch, MessageId(message), true));
        }
        let mut push = |account, at_hand| {
            pacing.push(
                account,
                Some(BatchId(100_000)),
                MessageId(1_000_000),
                at_hand,
            )
        };
        assert!(!push(one, true), "the line has enough at hand");
        assert!(push(other, true));
        assert!(!push(other, false));
        assert!(!push(other, true), "one before it is not at hand");
        pacing.drop_batch(one, BatchId(0));
        pacing.count_all();
        assert!(pacing.push(one, Some(BatchId(100_001)), MessageId(1_000_001), true));
    }

    #[test]
    fn a_paused_batch_keeps_nothing_of_what_was_cancelled() {
        let mut pacing = Pacing::new();
        let account = AccountId(1);
        let run = pacing.run_mut(account, Some(BatchId(3)));
        run.waiting = (0..10).map(MessageId).collect();
        run.at_hand = 4;
        run.paused = true;
        let is_live = |message: MessageId| message.get().is_multiple_of(2);
        pacing.shed(|_| 10, is_live);
        assert_eq!(pacing.run(account, BatchId(3)).unwrap().waiting.len(), 10);
        pacing.shed(|_| 5, is_live);
        let run = pacing.run(account, BatchId(3)).unwrap();
        assert_eq!((run.waiting.len(), run.at_hand), (5, 2));
    }
}
