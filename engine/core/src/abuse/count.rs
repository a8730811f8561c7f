//! Counts of messages to one range: in a sliding window and on a day (UTC).
//!
//! The window moves in steps of an eighth. It counts the step that goes on and the eight before, so that no
//! stretch of the window's length ever holds more than the limit.

use super::stop::StopCause;
use crate::time::Timestamp;

/// The steps that a window is divided into.
const STEPS: i64 = 8;
/// The steps that are counted: those of a window, and the one that goes on.
const SLOTS: usize = STEPS as usize + 1;
/// The microseconds of a day.
const DAY_US: i64 = 24 * 3_600 * 1_000_000;

/// How many messages a range may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In any window; `None` for as many as there are.
    pub window: Option<u32>,
    /// On a day; `None` for as many as there are.
    pub day: Option<u32>,
    /// The length of the window, in microseconds.
    pub window_us: i64,
}

/// What was counted of one range. A clock that goes back counts on where it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    slots: [u32; SLOTS],
    /// The step that goes on.
    step: i64,
    today: u32,
    /// The day that goes on, from 1970-01-01.
    day: i64,
    /// Counted, and neither kept nor given back so far.
    open: u32,
}

/// Where a message was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    step: i64,
    day: i64,
}

impl Count {
    /// Counts a message, if the limits let it pass.
    ///
    /// # Errors
    /// The limit that is used up, also by messages that may yet be given back.
    pub fn take(&mut self, limits: &Limits, now: Timestamp) -> Result<Taken, StopCause> {
        self.move_to(limits, now);
        if let Some(cause) = self.full(limits) {
            return Err(cause);
        }
        self.slots[slot(self.step)] += 1;
        self.today += 1;
        self.open += 1;
        Ok(Taken {
            step: self.step,
            day: self.day,
        })
    }

    /// Takes a message back that came to nothing.
    pub fn give_back(&mut self, taken: Taken) {
        self.open = self.open.saturating_sub(1);
        if self.step - taken.step < SLOTS as i64 {
            let counted = &mut self.slots[slot(taken.step)];
            *counted = counted.saturating_sub(1);
        }
        if taken.day == self.day {
            self.today = self.today.saturating_sub(1);
        }
    }

    /// Notes that a message is accepted. Of the messages that use a limit up the last says which.
    pub fn keep(&mut self, limits: &Limits) -> Option<StopCause> {
        self.open = self.open.saturating_sub(1);
        if self.open > 0 {
            return None;
        }
        self.full(limits)
    }

    /// Counts the window anew; the day goes on.
    pub fn empty_window(&mut self) {
        self.slots = [0; SLOTS];
    }

    /// When there is room for another message, where a limit is used up by what was accepted alone. `None`
    /// where there is room, or where messages may yet be given back.
    pub fn room_at(&mut self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        self.move_to(limits, now);
        if self.open > 0 {
            return None;
        }
        let is_full = |counted, limit: Option<u32>| limit.is_some_and(|limit| counted >= limit);
        let day = is_full(self.today, limits.day).then(|| day_end(self.day));
        let window = is_full(self.counted(StopCause::Window), limits.window);
        let window = window.then(|| self.window_room_at(limits));
        day.max(window)
    }

    /// When enough of the window has passed; at its end for a limit of nothing.
    fn window_room_at(&self, limits: &Limits) -> Timestamp {
        let limit = limits.window.unwrap_or(u32::MAX);
        let mut left = self.counted(StopCause::Window);
        let passes = |first: &i64| {
            left = left.saturating_sub(self.slots[slot(*first)]);
            left < limit
        };
        let first = (self.step - STEPS..=self.step).find(passes);
        // A step leaves the window with the start of the one that takes its slot.
        let at = first.unwrap_or(self.step) + SLOTS as i64;
        Timestamp(at * step_us(limits))
    }

    /// How many messages count by the limit of this cause.
    pub fn counted(&self, cause: StopCause) -> u32 {
        match cause {
            StopCause::Window => self.slots.iter().sum(),
            StopCause::Day => self.today,
        }
    }

    /// Whether it says nothing any more.
    pub fn is_over(&self, limits: &Limits, now: Timestamp) -> bool {
        let mut then = self.clone();
        then.move_to(limits, now);
        then.open == 0 && then.today == 0 && then.counted(StopCause::Window) == 0
    }

    /// Whether messages are counted that are neither kept nor given back.
    pub fn is_open(&self) -> bool {
        self.open > 0
    }

    fn full(&self, limits: &Limits) -> Option<StopCause> {
        // Where both are used up, it is the day that holds longer.
        [
            (StopCause::Day, limits.day),
            (StopCause::Window, limits.window),
        ]
        .into_iter()
        .find_map(|(cause, limit)| (self.counted(cause) >= limit?).then_some(cause))
    }

    fn move_to(&mut self, limits: &Limits, now: Timestamp) {
        let step = now.0.div_euclid(step_us(limits));
        if step - self.step >= SLOTS as i64 {
            self.slots = [0; SLOTS];
        } else {
            for passed in self.step + 1..=step {
                self.slots[slot(passed)] = 0;
            }
        }
        self.step = self.step.max(step);
        let day = now.0.div_euclid(DAY_US);
        if day > self.day {
            self.today = 0;
            self.day = day;
        }
    }
}

/// When a day that is counted from 1970-01-01 is over.
fn day_end(day: i64) -> Timestamp {
    Timestamp((day + 1) * DAY_US)
}

/// When the day (UTC) of a time is over.
pub fn end_of_day(now: Timestamp) -> Timestamp {
    day_end(now.0.div_euclid(DAY_US))
}

fn step_us(limits: &Limits) -> i64 {
    (limits.window_us / STEPS).max(1)
}

fn slot(step: i64) -> usize {
    step.rem_euclid(SLOTS as i64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_US: i64 = 3_600 * 1_000_000;

    fn limits(window: Option<u32>, day: Option<u32>) -> Limits {
        Limits {
            window,
            day,
            window_us: HOUR_US,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn the_message_that_uses_a_limit_up_says_so_once_all_of_them_are_kept() {
        let limits = limits(Some(3), None);
        let now = at("2026-11-21T12:00:00Z");
        let mut count = Count::default();
        let taken: Vec<_> = (0..3).map(|_| count.take(&limits, now).unwrap()).collect();
        assert_eq!(count.take(&limits, now), Err(StopCause::Window));
        assert_eq!(count.keep(&limits), None, "two are open");
        count.give_back(taken[1]);
        assert_eq!(count.keep(&limits), None, "two are kept, none is open");
        count.take(&limits, now).unwrap();
        assert_eq!(count.keep(&limits), Some(StopCause::Window));
        assert_eq!(count.counted(StopCause::Window), 3);
    }

    #[test]
    fn a_window_lets_go_of_what_is_older_and_a_day_ends_at_midnight() {
        let (hourly, daily) = (limits(Some(1), None), limits(None, Some(1)));
        let mut count = Count::default();
        count.take(&hourly, at("2026-11-21T12:00:00Z")).unwrap();
        count.keep(&hourly);
        assert!(count.take(&hourly, at("2026-11-21T13:00:00Z")).is_err());
        assert!(count.take(&hourly, at("2026-11-21T13:07:30Z")).is_ok());
        let mut count = Count::default();
        count.take(&daily, at("2026-11-21T12:00:00Z")).unwrap();
        assert_eq!(count.keep(&daily), Some(StopCause::Day));
        assert!(count.take(&daily, at("2026-11-21T23:59:59Z")).is_err());
        assert!(count.take(&daily, at("2026-11-22T00:00:00Z")).is_ok());
        assert!(
            count.take(&daily, at("2026-11-21T12:00:00Z")).is_err(),
            "a clock that goes back opens nothing"
        );
    }

    #[test]
    fn a_window_that_is_emptied_leaves_the_day_as_it_was() {
        let limits = limits(Some(2), Some(3));
        let now = at("2026-11-21T12:00:00Z");
        let mut count = Count::default();
        let sent = |count: &mut Count| {
            count.take(&limits, now)?;
            Ok::<_, StopCause>(count.keep(&limits))
        };
        assert_eq!(sent(&mut count), Ok(None));
        assert_eq!(sent(&mut count), Ok(Some(StopCause::Window)));
        count.empty_window();
        assert_eq!(sent(&mut count), Ok(Some(StopCause::Day)));
        count.empty_window();
        assert_eq!(sent(&mut count), Err(StopCause::Day));
    }

    #[test]
    fn where_nothing_is_open_it_is_known_when_there_is_room() {
        let (wide, narrow) = (limits(Some(9), Some(9)), limits(Some(2), Some(9)));
        let mut count = Count::default();
        let times = ["12:00:00", "12:00:01", "12:20:00", "12:40:00"];
        for time in times.map(|time| at(&format!("2026-11-21T{time}Z"))) {
            count.take(&wide, time).unwrap();
            assert_eq!(count.room_at(&narrow, time), None, "it is open");
            count.keep(&wide);
        }
        let now = at("2026-11-21T12:50:00Z");
        assert_eq!(count.room_at(&wide, now), None, "there is room");
        // Two of them have to leave the window, then a third.
        let room = count.room_at(&narrow, now).unwrap();
        assert_eq!(room, at("2026-11-21T13:22:30Z"));
        assert!(count.clone().take(&narrow, Timestamp(room.0 - 1)).is_err());
        assert!(count.clone().take(&narrow, room).is_ok());
        let room = count.room_at(&limits(Some(2), Some(4)), now);
        assert_eq!(room, Some(at("2026-11-22T00:00:00Z")));
    }

    #[test]
    fn it_is_over_when_window_and_day_are() {
        let limits = limits(Some(5), Some(5));
        let mut count = Count::default();
        count.take(&limits, at("2026-11-21T23:50:00Z")).unwrap();
        let next = at("2026-11-22T02:00:00Z");
        assert!(!count.is_over(&limits, next), "its message is open");
        count.keep(&limits);
        assert!(!count.is_over(&limits, at("2026-11-22T00:10:00Z")));
        assert!(count.is_over(&limits, next));
    }

    proptest! {
        /// Whatever comes when, no stretch of a window's length holds more than the limit.
        #[test]
        fn no_window_holds_more_than_its_limit(
            gaps_us in prop::collection::vec(0..HOUR_US / 3, 1..200),
            limit in 1..10u32,
        ) {
            let limits = limits(Some(limit), None);
            let (mut count, mut now) = (Count::default(), at("2026-11-21T12:00:00Z"));
            let mut passed = Vec::new();
            for gap in gaps_us {
                now = Timestamp(now.0 + gap);
                if count.take(&limits, now).is_ok() {
                    count.keep(&limits);
                    passed.push(now.0);
                }
            }
            for (place, first) in passed.iter().enumerate() {
                let within = passed[place..].iter().filter(|one| **one - first < HOUR_US);
                prop_assert!(within.count() <= limit as usize);
            }
        }

        /// What is taken and given back leaves nothing behind.
        #[test]
        fn what_is_given_back_was_never_counted(
            steps in prop::collection::vec((0..HOUR_US, any::<bool>()), 1..100),
        ) {
            let limits = limits(None, None);
            let (mut count, mut now) = (Count::default(), at("2026-11-21T20:00:00Z"));
            let mut open = Vec::new();
            for (gap, takes) in steps {
                now = Timestamp(now.0 + gap);
                if takes {
                    open.push(count.take(&limits, now).unwrap());
                } else if let Some(taken) = open.pop() {
                    count.give_back(taken);
                }
            }
            for taken in open {
                count.give_back(taken);
            }
            prop_assert_eq!(count.counted(StopCause::Window), 0);
            prop_assert_eq!(count.counted(StopCause::Day), 0);
            prop_assert!(!count.is_open());
        }
    }
}
