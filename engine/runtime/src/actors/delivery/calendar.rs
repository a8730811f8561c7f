//! The calendar: scheduled messages in the order of their times, for all and for each account.
//!
//! It holds a time and an id of each, and no text: what is to be handed over is read from the records
//! shortly before the time ([`super::scheduling`]). A message is in one of four places: far away, near
//! and asked of the records, on WhatsApp (where the window is to be read at the time itself), or late,
//! which is due and not read yet.

use std::collections::BTreeSet;
use std::ops::Bound;

use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

/// How long before its time a message is read.
const AHEAD_MS: u64 = 10_000;
/// Messages that are read ahead, or asked for, at most.
pub(super) const NEAR_MAX: usize = 10_000;

/// A message and its time.
type Row = (Timestamp, MessageId);

/// A message that is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) account: AccountId,
    pub(super) channel: Channel,
    pub(super) at: Timestamp,
    pub(super) message: MessageId,
}

impl Slot {
    fn row(self) -> Row {
        (self.at, self.message)
    }
}

/// The calendar.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    far: BTreeSet<Row>,
    near: BTreeSet<Row>,
    /// Messages on WhatsApp, however near.
    windowed: BTreeSet<Row>,
    late: FxHashSet<MessageId>,
    by_account: BTreeSet<(AccountId, Timestamp, MessageId)>,
    /// How many of each account there are.
    counts: FxHashMap<AccountId, u64>,
}

impl Calendar {
    /// The calendar of what the records hold.
    pub(super) fn of(slots: &[Slot]) -> Calendar {
        let on = |whatsapp: bool| {
            let slots = slots.iter();
            let on = slots.filter(move |slot| (slot.channel == Channel::WhatsApp) == whatsapp);
            on.map(|slot| slot.row()).collect()
        };
        let row = |slot: &Slot| (slot.account, slot.at, slot.message);
        let mut counts: FxHashMap<AccountId, u64> = FxHashMap::default();
        for slot in slots {
            *counts.entry(slot.account).or_default() += 1;
        }
        Calendar {
            counts,
            far: on(false),
            windowed: on(true),
            by_account: slots.iter().map(row).collect(),
            ..Calendar::default()
        }
    }

    /// Messages that wait for their time.
    pub(super) fn len(&self) -> usize {
        self.by_account.len()
    }

    /// Messages of an account that wait for their time.
    pub(super) fn len_of(&self, account: AccountId) -> u64 {
        self.counts.get(&account).copied().unwrap_or(0)
    }

    /// Notes a message; says whether what is to be handed over of it should stay at hand, where it is.
    pub(super) fn add(&mut self, slot: Slot, at_hand: bool, now: Timestamp) -> bool {
        if self
            .by_account
            .insert((slot.account, slot.at, slot.message))
        {
            *self.counts.entry(slot.account).or_default() += 1;
        }
        let is_near = at_hand && slot.at <= now.plus_ms(AHEAD_MS) && self.has_room();
        match slot.channel {
            Channel::WhatsApp => self.windowed.insert(slot.row()),
            Channel::Sms if is_near => self.near.insert(slot.row()),
            Channel::Sms => self.far.insert(slot.row()),
        };
        is_near && slot.channel == Channel::Sms
    }

    /// Takes a message out, wherever it is.
    pub(super) fn remove(&mut self, slot: Slot) {
        if self
            .by_account
            .remove(&(slot.account, slot.at, slot.message))
            && let Some(count) = self.counts.get_mut(&slot.account)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&slot.account);
            }
        }
        let row = slot.row();
        let found = self.near.remove(&row) || self.far.remove(&row) || self.windowed.remove(&row);
        if !found {
            self.late.remove(&slot.message);
        }
    }

    fn has_room(&self) -> bool {
        self.near.len() + self.late.len() < NEAR_MAX
    }

    /// The messages on WhatsApp that are due and are to be read now.
    pub(super) fn windowed_to_read(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut asked = Vec::new();
        while self.has_room()
            && let Some(row) = take_until(&mut self.windowed, now)
        {
            self.late.insert(row.1);
            asked.push(row.1);
        }
        asked
    }

    /// The messages that come near and are to be read now.
    pub(super) fn near_to_read(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut asked = Vec::new();
        let horizon = now.plus_ms(AHEAD_MS);
        while self.has_room()
            && let Some(row) = take_until(&mut self.far, horizon)
        {
            self.near.insert(row);
            asked.push(row.1);
        }
        asked
    }

    /// The next message that is due, of those that were read or asked for.
    pub(super) fn next_due(&mut self, now: Timestamp) -> Option<MessageId> {
        take_until(&mut self.near, now).map(|(_, message)| message)
    }

    /// Notes that a message is due and not read yet.
    pub(super) fn is_late(&mut self, message: MessageId) {
        self.late.insert(message);
    }

    /// Whether a message that was just read is due; it is late no more then.
    pub(super) fn read(&mut self, message: MessageId) -> bool {
        self.late.remove(&message)
    }

    /// An account's messages behind a position, the earliest first.
    pub(super) fn of_account(
        &self,
        account: AccountId,
        after: Option<Row>,
    ) -> impl Iterator<Item = Row> {
        let from = match after {
            Some((at, message)) => Bound::Excluded((account, at, message)),
            None => Bound::Included((account, Timestamp(i64::MIN), MessageId(0))),
        };
        self.by_account
            .range((from, Bound::Unbounded))
            .take_while(move |(of, _, _)| *of == account)
            .map(|(_, at, message)| (*at, *message))
    }
}

fn take_until(rows: &mut BTreeSet<Row>, until: Timestamp) -> Option<Row> {
    let first = *rows.first().filter(|(at, _)| *at <= until)?;
    rows.remove(&first);
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(message: u64, at_ms: i64) -> Slot {
        Slot {
            account: AccountId(1 + (message % 2) as u32),
            channel: Channel::Sms,
            at: Timestamp(at_ms * 1_000),
            message: MessageId(message),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000)
    }

    #[test]
    fn messages_are_read_ahead_and_due_in_the_order_of_their_times() {
        let mut calendar = Calendar::of(&[slot(1, 30_000), slot(2, 12_000), slot(3, 12_000)]);
        assert_eq!(calendar.near_to_read(at(1_999)), []);
        assert_eq!(
            calendar.near_to_read(at(2_000)),
            [MessageId(2), MessageId(3)]
        );
        assert_eq!(calendar.next_due(at(11_999)), None);
        assert_eq!(calendar.next_due(at(12_000)), Some(MessageId(2)));
        assert_eq!(calendar.next_due(at(12_000)), Some(MessageId(3)));
        assert_eq!(calendar.next_due(at(29_999)), None);
    }

    #[test]
    fn what_is_at_hand_and_near_is_not_read_again_and_what_is_far_is_let_go() {
        let mut calendar = Calendar::default();
        assert!(calendar.add(slot(1, 10_000), true, at(0)));
        assert!(!calendar.add(slot(2, 10_001), true, at(0)));
        assert!(!calendar.add(slot(3, 5), false, at(0)));
        assert_eq!(calendar.near_to_read(at(0)), [MessageId(3)]);
        assert_eq!(calendar.len(), 3);
    }

    #[test]
    fn a_message_on_whatsapp_is_read_at_its_time_and_not_before() {
        let whatsapp = Slot {
            channel: Channel::WhatsApp,
            ..slot(1, 1_000)
        };
        let mut calendar = Calendar::default();
        assert!(!calendar.add(whatsapp, true, at(999)));
        assert_eq!(calendar.windowed_to_read(at(999)), []);
        assert_eq!(calendar.near_to_read(at(1_000)), []);
        assert_eq!(calendar.windowed_to_read(at(1_000)), [MessageId(1)]);
        assert_eq!(calendar.next_due(at(2_000)), None);
        assert!(calendar.read(MessageId(1)) && !calendar.read(MessageId(1)));
    }

    #[test]
    fn what_is_taken_out_is_due_nowhere() {
        let mut calendar = Calendar::of(&[slot(1, 1), slot(2, 2), slot(3, 3)]);
        assert_eq!(calendar.near_to_read(at(0)).len(), 3);
        calendar.remove(slot(1, 1));
        assert_eq!(calendar.next_due(at(2)), Some(MessageId(2)));
        calendar.is_late(MessageId(2));
        calendar.remove(slot(2, 2));
        assert!(!calendar.read(MessageId(2)));
        calendar.remove(slot(3, 3));
        assert_eq!((calendar.next_due(at(9)), calendar.len()), (None, 0));
        assert_eq!([1, 2].map(|id| calendar.len_of(AccountId(id))), [0, 0]);
    }

    #[test]
    fn an_account_sees_its_own_by_time_and_goes_on_where_it_was() {
        let calendar = Calendar::of(&[slot(2, 9), slot(4, 3), slot(3, 1), slot(6, 9)]);
        let rows = |after| -> Vec<Row> { calendar.of_account(AccountId(1), after).collect() };
        let all = [
            (at(3), MessageId(4)),
            (at(9), MessageId(2)),
            (at(9), MessageId(6)),
        ];
        assert_eq!(rows(None), all);
        assert_eq!([1, 2].map(|id| calendar.len_of(AccountId(id))), [3, 1]);
        assert_eq!(rows(Some(all[1])), all[2..]);
    }

    #[test]
    fn no_more_than_the_bound_is_read_ahead() {
        let slots: Vec<Slot> = (1..=NEAR_MAX as u64 + 5).map(|id| slot(id, 1)).collect();
        let mut calendar = Calendar::of(&slots);
        assert_eq!(calendar.near_to_read(at(0)).len(), NEAR_MAX);
        assert_eq!(calendar.near_to_read(at(0)).len(), 0);
        let due = calendar.next_due(at(1)).unwrap();
        calendar.is_late(due);
        assert_eq!(calendar.near_to_read(at(1)).len(), 0);
        assert!(calendar.read(due));
        assert_eq!(calendar.near_to_read(at(1)).len(), 1);
    }
}
