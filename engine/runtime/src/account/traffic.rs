//! How much an account sends to which range, counted by every thread that sends, and the ranges that are
//! stopped.
//!
//! Counts are in memory alone and begin anew with the process; stops are facts of the journal. A count and
//! what it decides are one step under the lock of its shard, so that parallel sends never pass a limit.

use std::array;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use didfarm_core::abuse::count::{Count, Limits, Taken};
use didfarm_core::abuse::stop::{ReleasedBy, StopCause, Stops, TrafficRange, TrafficStop};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

/// Locks that the counts of one account are spread over.
const SHARDS: usize = 16;
/// The most ranges of one account that are counted at once, in all shards. Past that those with the fewest
/// messages are forgotten: what is pumped has the most.
pub(crate) const RANGES_MAX: usize = 65_536;
/// The part of a full shard that is forgotten to make room, at least.
const FORGOTTEN_SHARE: usize = 8;

type Shard = FxHashMap<TrafficRange, Count>;

/// Why a message is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The range is stopped.
    Stopped(TrafficStop),
    /// The limit is used up, by messages under way or without a stop; when there is room again if that is known.
    Full(Option<Timestamp>),
}

/// What an account sends where. Its counts are made with the first message.
#[derive(Debug)]
pub(crate) struct Traffic {
    counts: OnceLock<Box<[Mutex<Shard>; SHARDS]>>,
    stops: RwLock<Stops>,
    /// Whether there are any, so that a send without them pays for no lock.
    has_stops: AtomicBool,
}

impl Traffic {
    pub(crate) fn new(stops: Stops) -> Traffic {
        Traffic {
            counts: OnceLock::new(),
            has_stops: AtomicBool::new(!stops.is_empty()),
            stops: RwLock::new(stops),
        }
    }

    pub(crate) fn stops(&self) -> Stops {
        if !self.has_stops.load(Ordering::Acquire) {
            return Stops::default();
        }
        let stops = self.stops.read();
        stops.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a message to a range, unless it is stopped or its limit used up.
    pub(crate) fn take(
        &self,
        range: TrafficRange,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Taken, NotTaken> {
        if let Some(stop) = self.stop_of(range) {
            if stop.holds(now) {
                return Err(NotTaken::Stopped(stop));
            }
            // The day is over, or was not what stopped it.
            self.release(range, stop.since, ReleasedBy::Account);
        }
        let mut shard = self.shard(range);
        if shard.len() >= RANGES_MAX / SHARDS && !shard.contains_key(&range) {
            make_room(&mut shard, limits, now);
        }
        let count = shard.entry(range).or_default();
        let taken = count.take(limits, now);
        taken.map_err(|_| NotTaken::Full(count.room_at(limits, now)))
    }

    pub(crate) fn give_back(&self, range: TrafficRange, taken: Taken) {
        if let Some(count) = self.shard(range).get_mut(&range) {
            count.give_back(taken);
        }
    }

    /// Notes that a message is accepted; the limit that it is the last to use up, and how many messages did.
    pub(crate) fn keep(&self, range: TrafficRange, limits: &Limits) -> Option<(StopCause, u32)> {
        let mut shard = self.shard(range);
        let count = shard.get_mut(&range)?;
        let cause = count.keep(limits)?;
        Some((cause, count.counted(cause)))
    }

    /// Stops a range, once that is durable. Until then its count is full.
    pub(crate) fn stop(&self, stop: TrafficStop) {
        let mut stops = self.stops.write().unwrap_or_else(PoisonError::into_inner);
        stops.add(stop);
        self.has_stops.store(true, Ordering::Release);
    }

    /// Ends a stop: the range is counted anew, but for its day unless an operator says so. Whether there was one.
    pub(crate) fn release(&self, range: TrafficRange, since: Timestamp, by: ReleasedBy) -> bool {
        let mut stops = self.stops.write().unwrap_or_else(PoisonError::into_inner);
        let was_stopped = stops.of(range).is_some_and(|stop| stop.since == since);
        if was_stopped {
            // First the count: whoever sees no stop finds room.
            let mut shard = self.shard(range);
            match (by, shard.get_mut(&range)) {
                (ReleasedBy::Operator, _) => drop(shard.remove(&range)),
                (ReleasedBy::Account, Some(count)) => count.empty_window(),
                (ReleasedBy::Account, None) => {}
            }
            drop(shard);
            stops.release(range, since);
            self.has_stops.store(!stops.is_empty(), Ordering::Release);
        }
        was_stopped
    }

    /// Counts a range anew whose limit is used up without a stop. Whether it is.
    pub(crate) fn release_full(
        &self,
        range: TrafficRange,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        let mut shard = self.shard(range);
        let count = shard.get_mut(&range);
        let is_full = count.is_some_and(|count| count.room_at(limits, now).is_some());
        if is_full {
            shard.remove(&range);
        }
        is_full
    }

    /// Lets go of the counts that are over, and of the room that they took.
    pub(crate) fn sweep(&self, limits: &Limits, now: Timestamp) {
        let shards = self.counts.get().into_iter().flat_map(|shards| &**shards);
        for shard in shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, count| !count.is_over(limits, now));
            let room = 2 * shard.len();
            shard.shrink_to(room);
        }
    }

    fn stop_of(&self, range: TrafficRange) -> Option<TrafficStop> {
        if !self.has_stops.load(Ordering::Acquire) {
            return None;
        }
        let stops = self.stops.read().unwrap_or_else(PoisonError::into_inner);
        stops.of(range).copied()
    }

    fn shard(&self, range: TrafficRange) -> MutexGuard<'_, Shard> {
        let counts = self
            .counts
            .get_or_init(|| Box::new(array::from_fn(|_| Mutex::default())));
        let place = match range {
            TrafficRange::Prefix(digits) => digits as usize % SHARDS,
            TrafficRange::Country(country) => country.as_str().as_bytes()[1] as usize % SHARDS,
        };
        counts[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the counts that are over; while that is too few, those with the fewest messages. Messages that are
/// neither kept nor given back hold theirs.
fn make_room(shard: &mut Shard, limits: &Limits, now: Timestamp) {
    shard.retain(|_, count| !count.is_over(limits, now));
    let left_max = RANGES_MAX / SHARDS - RANGES_MAX / SHARDS / FORGOTTEN_SHARE;
    if shard.len() <= left_max {
        return;
    }
    let messages = |count: &Count| {
        let counted = StopCause::ALL.map(|cause| count.counted(cause));
        counted.into_iter().max().unwrap_or_default()
    };
    let mut all: Vec<u32> = shard.values().map(messages).collect();
    let (_, fewest, _) = all.select_nth_unstable(shard.len() - left_max);
    let fewest = *fewest;
    let mut excess = shard.len() - left_max;
    shard.retain(|_, count| {
        let goes = excess > 0 && !count.is_open() && messages(count) <= fewest;
        excess -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn limits(window: u32) -> Limits {
        Limits {
            window: Some(window),
            day: None,
            window_us: 3_600_000_000,
        }
    }

    fn stop(range: TrafficRange, ends_at: Option<Timestamp>) -> TrafficStop {
        TrafficStop {
            range,
            cause: StopCause::Window,
            messages: 1,
            since: NOW,
            ends_at,
        }
    }

    #[test]
    fn parallel_sends_end_exactly_at_the_limit_and_one_of_them_says_so() {
        let (traffic, range) = (
            Traffic::new(Stops::default()),
            TrafficRange::Prefix(3_161_234),
        );
        let limits = limits(1_000);
        let (kept, told) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut kept, mut told) = (0, 0);
                        for n in 0..1_000 {
                            let Ok(taken) = traffic.take(range, &limits, NOW) else {
                                continue;
                            };
                            if n % 3 == 0 {
                                traffic.give_back(range, taken);
                            } else {
                                kept += 1;
                                told += usize::from(traffic.keep(range, &limits).is_some());
                            }
                        }
                        (kept, told)
                    })
                })
                .collect();
            let ends = threads.into_iter().map(|thread| thread.join().unwrap());
            ends.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        assert_eq!((kept, told), (1_000, 1));
        let full = traffic.take(range, &limits, NOW);
        assert!(matches!(full, Err(NotTaken::Full(Some(_)))), "{full:?}");
    }

    #[test]
    fn a_stop_holds_until_it_is_released_or_ends_and_then_counts_anew() {
        let (traffic, range) = (
            Traffic::new(Stops::default()),
            TrafficRange::Prefix(3_161_234),
        );
        let limits = limits(1);
        traffic.take(range, &limits, NOW).unwrap();
        assert_eq!(traffic.keep(range, &limits), Some((StopCause::Window, 1)));
        let forever = stop(range, None);
        traffic.stop(forever);
        let later = NOW.plus_ms(7_200_000);
        assert_eq!(
            traffic.take(range, &limits, later),
            Err(NotTaken::Stopped(forever))
        );
        assert!(
            traffic
                .take(TrafficRange::Prefix(3_161_235), &limits, NOW)
                .is_ok()
        );
        let by = ReleasedBy::Account;
        assert!(!traffic.release(range, later, by), "that is another stop");
        assert!(traffic.release(range, NOW, by));
        traffic.take(range, &limits, NOW).unwrap();
        traffic.keep(range, &limits);
        let ending = stop(range, Some(later));
        traffic.stop(ending);
        assert_eq!(
            traffic.take(range, &limits, NOW),
            Err(NotTaken::Stopped(ending))
        );
        assert!(traffic.take(range, &limits, later).is_ok());
        assert!(traffic.stops().is_empty());
    }

    #[test]
    fn only_an_operator_counts_the_day_anew() {
        let traffic = Traffic::new(Stops::default());
        let range = TrafficRange::Prefix(3_161_234);
        let limits = Limits {
            day: Some(3),
            ..limits(2)
        };
        let sent = || {
            traffic.take(range, &limits, NOW)?;
            Ok::<_, NotTaken>(traffic.keep(range, &limits))
        };
        let stopped_and_released = |by| {
            traffic.stop(stop(range, None));
            assert!(traffic.release(range, NOW, by));
        };
        sent().unwrap();
        assert_eq!(sent(), Ok(Some((StopCause::Window, 2))));
        stopped_and_released(ReleasedBy::Account);
        assert_eq!(sent(), Ok(Some((StopCause::Day, 3))));
        // A stop that ends by itself opens no more than an account does.
        traffic.stop(stop(range, Some(NOW)));
        let midnight = Timestamp(1_036_800_000_000);
        assert_eq!(sent(), Err(NotTaken::Full(Some(midnight))));
        stopped_and_released(ReleasedBy::Operator);
        assert_eq!(sent(), Ok(None));
    }

    #[test]
    fn a_limit_that_was_lowered_is_released_without_a_stop() {
        let traffic = Traffic::new(Stops::default());
        let range = TrafficRange::Prefix(3_161_234);
        for _ in 0..5 {
            traffic.take(range, &limits(9), NOW).unwrap();
            traffic.keep(range, &limits(9));
        }
        let lowered = limits(3);
        let Err(NotTaken::Full(Some(room_at))) = traffic.take(range, &lowered, NOW) else {
            panic!("it is full");
        };
        assert!(room_at > NOW);
        assert!(!traffic.release_full(range, &limits(9), NOW), "not by this");
        assert!(traffic.release_full(range, &lowered, NOW));
        assert!(traffic.take(range, &lowered, NOW).is_ok());
        assert!(!traffic.release_full(range, &lowered, NOW));
    }

    #[test]
    fn counts_that_are_over_are_let_go_with_their_room() {
        let traffic = Traffic::new(Stops::default());
        let limits = limits(3);
        let last = TrafficRange::Prefix(7);
        for n in 0..10_000 {
            let range = TrafficRange::Prefix(1_000_000 + n);
            traffic.take(range, &limits, NOW).unwrap();
            traffic.keep(range, &limits);
        }
        let held = |read: fn(&Shard) -> usize| -> usize {
            let shards = traffic.counts.get().unwrap().iter();
            shards.map(|shard| read(&shard.lock().unwrap())).sum()
        };
        let tomorrow = NOW.plus_ms(24 * 3_600_000);
        traffic.take(last, &limits, tomorrow).unwrap();
        traffic.sweep(&limits, NOW);
        assert_eq!(held(Shard::len), 10_001, "none is over");
        traffic.sweep(&limits, tomorrow);
        assert_eq!(held(Shard::len), 1);
        assert!(held(Shard::capacity) < 64);
    }

    #[test]
    fn ranges_past_the_bound_push_out_those_with_the_fewest_messages() {
        let traffic = Traffic::new(Stops::default());
        let limits = limits(3);
        let pumped = TrafficRange::Prefix(16);
        for _ in 0..2 {
            traffic.take(pumped, &limits, NOW).unwrap();
            traffic.keep(pumped, &limits);
        }
        for n in 0..3 * RANGES_MAX as u64 {
            let range = TrafficRange::Prefix(1_000_000 + n);
            traffic.take(range, &limits, NOW).unwrap();
            traffic.keep(range, &limits);
        }
        let counts = traffic.counts.get().unwrap();
        let ranges = counts.iter().map(|shard| shard.lock().unwrap().len());
        assert!(ranges.sum::<usize>() <= RANGES_MAX);
        traffic.take(pumped, &limits, NOW).unwrap();
        assert_eq!(traffic.keep(pumped, &limits), Some((StopCause::Window, 3)));
    }
}
