//! A run: what goes together in an account's line, which is a batch, or the scheduled messages whose time came.

use std::collections::{BTreeMap, VecDeque};

use didfarm_core::batch::Spread;
use didfarm_core::ids::{BatchId, MessageId};
use didfarm_core::time::Timestamp;

/// Messages of one line that are read ahead of their turn at most.
const READ_AHEAD_MAX: usize = 8_192;
/// The first ones of a run that are asked for: it may turn out that they cannot go yet.
const READ_FIRST_MAX: usize = 64;
/// More of a run are asked for once so few of it are left.
const READ_AHEAD_MIN: usize = READ_AHEAD_MAX / 2;
/// How much of what a batch that is spread has missed is made up for, in milliseconds.
const MADE_UP_MS_MAX: u64 = 1_000;
/// How long a message that cannot be read holds up those behind it, in milliseconds.
const STUCK_MS: u64 = 5_000;
/// The run.
pub(super) struct Run {
    pub(super) batch: Option<BatchId>,
    pub(super) paused: bool,
    pub(super) spread: Option<Spread>,
    /// When the next one of a batch that is spread may go, by the monotonic clock; `None` before the first.
    pub(super) next_at: Option<Timestamp>,
    pub(super) waiting: VecDeque<MessageId>,
    /// How many of the first are at hand or were asked for.
    pub(super) at_hand: usize,
    /// Since when the first one is waited for, which is not at hand.
    pub(super) stuck_since: Option<Timestamp>,
    /// Whether what is at hand of it could not go for another reason than the account's limit: those behind it
    /// go meanwhile, and are read as if it were not there.
    pub(super) is_blocked: bool,
    /// Messages of the batch that are scheduled, and will come to the line.
    pub(super) expected: u64,
    /// Messages for whose peers it is quiet, by when they are looked at again.
    pub(super) held: BTreeMap<Timestamp, Vec<MessageId>>,
}

impl Run {
    pub(super) fn new(batch: Option<BatchId>) -> Run {
        Run {
            batch,
            paused: false,
            spread: None,
            next_at: None,
            waiting: VecDeque::new(),
            at_hand: 0,
            stuck_since: None,
            is_blocked: false,
            expected: 0,
            held: BTreeMap::new(),
        }
    }

    pub(super) fn may_go(&self, now: Timestamp) -> bool {
        !self.paused && self.next_at.is_none_or(|next_at| next_at <= now)
    }

    /// Takes the first one off; the next of a batch that is spread comes a gap later.
    pub(super) fn pop(&mut self, now: Timestamp) {
        self.drop_first();
        if let Some(spread) = self.spread {
            // What a late turn missed is made up for, and not what a pause did.
            let due = self.next_at;
            let due = due.filter(|due| now.ms_since(*due) < MADE_UP_MS_MAX);
            self.next_at = Some(due.unwrap_or(now).plus_us(spread.gap_us));
        }
    }

    pub(super) fn drop_first(&mut self) -> Option<MessageId> {
        self.stuck_since = None;
        self.at_hand = self.at_hand.saturating_sub(1);
        self.waiting.pop_front()
    }

    /// The first one is not at hand: after a while the others go before it, and it is asked for once more.
    pub(super) fn wait_for_first(&mut self, now: Timestamp) {
        if self.at_hand == 0 {
            // Nobody was asked for it.
            return;
        }
        let since = *self.stuck_since.get_or_insert(now);
        if now.ms_since(since) >= STUCK_MS
            && let Some(message) = self.drop_first()
        {
            self.waiting.push_back(message);
        }
    }

    /// Holds the first one until then, as it is quiet for its peer: those behind it may go before it.
    pub(super) fn hold_first(&mut self, until: Timestamp) {
        if let Some(message) = self.drop_first() {
            self.held.entry(until).or_default().push(message);
        }
    }

    /// Has those wait again in front that were held until now.
    pub(super) fn wake(&mut self, now: Timestamp) {
        let mut woken = Vec::new();
        while let Some(first) = self.held.first_entry()
            && *first.key() <= now
        {
            woken.append(&mut first.remove());
        }
        if !woken.is_empty() {
            // Nothing of these is at hand.
            self.at_hand = 0;
            woken
                .into_iter()
                .rev()
                .for_each(|message| self.waiting.push_front(message));
        }
    }

    /// Every message that waits, also what is held.
    pub(super) fn messages(&self) -> impl Iterator<Item = MessageId> {
        self.waiting
            .iter()
            .chain(self.held.values().flatten())
            .copied()
    }

    /// A batch that is paused and of which nothing waits is known by the records.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty() && self.expected == 0
    }
}

/// Asks for what comes next of a line, as far as there is room; from the first runs on, as they go first.
pub(super) fn read_ahead(runs: &mut [Run], room: usize, wanted: &mut Vec<MessageId>) {
    let (mut left, most) = (READ_AHEAD_MAX, wanted.len() + room);
    for run in runs {
        if left == 0 || wanted.len() >= most {
            return;
        }
        let is_wanted = !run.is_blocked || run.at_hand == 0;
        if !run.paused
            && is_wanted
            && run.at_hand <= READ_AHEAD_MIN
            && run.at_hand < run.waiting.len()
        {
            let most_of_run = if run.at_hand == 0 {
                READ_FIRST_MAX
            } else {
                left
            };
            let until = run
                .waiting
                .len()
                .min(left)
                .min(most_of_run)
                .min(run.at_hand + (most - wanted.len()));
            let until = until.max(run.at_hand);
            wanted.extend(run.waiting.range(run.at_hand..until));
            run.at_hand = until;
        }
        if !run.is_blocked {
            left = left.saturating_sub(run.at_hand);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED_MAX: usize = 100_000;

    #[test]
    fn what_is_read_ahead_is_bounded_for_a_line_and_for_all() {
        let run = |messages: std::ops::Range<u64>| Run {
            waiting: messages.map(MessageId).collect(),
            ..Run::new(None)
        };
        let (mut runs, mut wanted) = ([run(0..3), run(3..10_000), run(10_000..10_003)], vec![]);
        read_ahead(&mut runs, ASKED_MAX, &mut wanted);
        assert_eq!(
            runs.each_ref().map(|run| run.at_hand),
            [3, READ_FIRST_MAX, 3]
        );
        read_ahead(&mut runs, ASKED_MAX, &mut wanted);
        assert_eq!(
            runs.each_ref().map(|run| run.at_hand),
            [3, READ_AHEAD_MAX - 3, 3]
        );
        assert_eq!(wanted.len(), READ_AHEAD_MAX + 3);
        // Nothing more is asked for while half of it is there.
        read_ahead(&mut runs, ASKED_MAX, &mut wanted);
        assert_eq!(wanted.len(), READ_AHEAD_MAX + 3);
        wanted.clear();
        let mut others = [run(0..100)];
        read_ahead(&mut others, 7, &mut wanted);
        assert_eq!((others[0].at_hand, wanted.len()), (7, 7));
        read_ahead(&mut others, 0, &mut wanted);
        assert_eq!(others[0].at_hand, 7);
    }

    #[test]
    fn a_run_that_cannot_go_holds_up_no_reading_of_those_behind_it() {
        let run = |messages: std::ops::Range<u64>| Run {
            waiting: messages.map(MessageId).collect(),
            ..Run::new(None)
        };
        let (mut runs, mut wanted) = ([run(0..100_000), run(100_000..100_100)], vec![]);
        // As much as may stay at hand when it comes.
        runs[0].at_hand = 65_536;
        read_ahead(&mut runs, ASKED_MAX, &mut wanted);
        assert!(wanted.is_empty(), "the first goes first");
        runs[0].is_blocked = true;
        read_ahead(&mut runs, ASKED_MAX, &mut wanted);
        assert_eq!(wanted.first(), Some(&MessageId(100_000)));
        assert_eq!(runs[0].at_hand, 65_536);
    }

    #[test]
    fn what_was_not_asked_for_keeps_its_turn() {
        let mut run = Run::new(None);
        run.waiting = (1..=2).map(MessageId).collect();
        let at = |ms: i64| Timestamp(1_000_000_000 + ms * 1_000);
        run.wait_for_first(at(0));
        run.wait_for_first(at(60_000));
        assert_eq!(run.waiting, [1, 2].map(MessageId));
        run.at_hand = 1;
        run.wait_for_first(at(60_000));
        run.wait_for_first(at(65_000));
        assert_eq!(run.waiting, [2, 1].map(MessageId));
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

    #[test]
    fn what_is_held_lets_others_go_and_comes_back_in_its_order() {
        let mut run = Run::new(None);
        run.waiting = (1..=5).map(MessageId).collect();
        run.at_hand = 5;
        for until in [20, 10, 20] {
            run.hold_first(Timestamp(until));
        }
        assert_eq!(run.waiting, [MessageId(4), MessageId(5)]);
        assert_eq!((run.at_hand, run.messages().count()), (2, 5));
        run.wake(Timestamp(9));
        assert_eq!(run.waiting.len(), 2);
        run.waiting.clear();
        assert!(!run.is_over());
        run.wake(Timestamp(20));
        assert_eq!(run.waiting, [2, 1, 3].map(MessageId));
        assert_eq!(run.at_hand, 0);
    }
}
