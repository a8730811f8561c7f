//! The keeper: the one thread that writes records. It follows the journal in rounds, makes them durable
//! at each checkpoint, and lets the journal before a checkpoint go.
//!
//! A round runs when the checkpoint interval has passed, when enough has come together to fill one, or
//! when a reader waits for it. The later it runs, the more changes of one record it writes at once.
//! Unless a round's worth waits already, each is followed by a rest as long as it took, so that readers
//! do not keep a core busy; and the thread gives way to those that somebody waits for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use didfarm_core::event::Entry;

use super::{LARGE_ROUND_EVENTS_MAX, ROUND_EVENTS_MAX, Records, RecordsError};
use crate::journal::{Journal, Room};
use crate::seq::Seq;

/// How often the backlog is looked at.
const BACKLOG_POLL: Duration = Duration::from_millis(100);
/// Entries that are a round's worth.
const BACKLOG_ENTRIES: u64 = 65_536;
/// The shortest rest, also for those who wait for what is not durable yet.
const REST_MIN: Duration = Duration::from_micros(200);
/// Entries from which a restart would take long: rounds are large then, whatever they hold up.
const FAR_BEHIND_ENTRIES: u64 = 196_608;
/// How far the thread gives way to others, as nice(1) counts it.
const NICENESS: i32 = 15;

/// What runs once the records have caught up.
pub type Waiter = Box<dyn FnOnce() + Send>;

/// How the keeper works.
#[derive(Clone)]
pub struct KeeperSettings {
    /// The longest that records stay behind, and the time between two durable checkpoints.
    pub checkpoint_interval: Duration,
    /// Told once when the keeper cannot go on; the process is to end and recover.
    pub on_fatal: Arc<dyn Fn(RecordsError) + Send + Sync>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    applied: AtomicU64,
}

struct State {
    waiters: Vec<(Seq, Waiter)>,
    stop: bool,
}

/// The handle on the keeper's thread; dropping it makes a last checkpoint and joins.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread on records that are at `applied`.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub fn start(
        records: Records,
        journal: Arc<Journal<Entry>>,
        applied: Seq,
        settings: KeeperSettings,
    ) -> std::io::Result<Keeper> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiters: Vec::new(),
                stop: false,
            }),
            wake: Condvar::new(),
            applied: AtomicU64::new(applied.0),
        });
        let work = Work {
            records,
            journal,
            settings,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("records".into())
            .spawn(move || work.run())?;
        Ok(Keeper {
            shared,
            thread: Some(thread),
        })
    }

    /// How far the records are.
    pub fn applied(&self) -> Seq {
        Seq(self.shared.applied.load(Ordering::Acquire))
    }

    /// Runs `then` on the keeper's thread, or here and now, once everything up to `seq` is in the records.
    pub fn catch_up(&self, seq: Seq, then: Waiter) {
        if self.applied() >= seq {
            return then();
        }
        let mut state = self.shared.lock();
        state.waiters.push((seq, then));
        drop(state);
        self.shared.wake.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already told through `on_fatal`'s process exit or the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Work {
    records: Records,
    journal: Arc<Journal<Entry>>,
    settings: KeeperSettings,
    shared: Arc<Shared>,
}

impl Work {
    fn run(self) {
        // Where the system will not have it, the thread takes its full share.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
        let rounds = metrics::histogram!("didfarm_records_round_seconds");
        let lag = metrics::gauge!("didfarm_records_lag_entries");
        let applied = self.applied();
        let mut reader = self.journal.reader(applied.next());
        let mut checkpoint_due = Instant::now() + self.settings.checkpoint_interval;
        let mut synced = applied;
        loop {
            let stop = self.wait(checkpoint_due);
            let began = Instant::now();
            let upto = self.journal.durable();
            let applied = match self.follow(&mut reader, upto) {
                Ok(applied) => applied,
                Err(error) => return (self.settings.on_fatal)(error),
            };
            lag.set((self.journal.appended().0 - applied.0) as f64);
            if stop || Instant::now() >= checkpoint_due {
                if applied > synced {
                    if let Err(error) = self.checkpoint(applied) {
                        return (self.settings.on_fatal)(error);
                    }
                    synced = applied;
                }
                checkpoint_due = Instant::now() + self.settings.checkpoint_interval;
            }
            if stop {
                return;
            }
            let took = began.elapsed();
            rounds.record(took.as_secs_f64());
            // With a round's worth waiting already there is no time to rest: a restart would have to replay it.
            let rest = if self.backlog() < BACKLOG_ENTRIES {
                took
            } else {
                REST_MIN
            };
            self.rest(rest.min(self.settings.checkpoint_interval).max(REST_MIN));
        }
    }

    /// Waits until a round is due; says whether it is the last one.
    fn wait(&self, due: Instant) -> bool {
        let mut state = self.shared.lock();
        while !state.stop && state.waiters.is_empty() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() || self.backlog() >= BACKLOG_ENTRIES {
                break;
            }
            let nap = left.min(BACKLOG_POLL);
            (state, _) = self
                .shared
                .wake
                .wait_timeout(state, nap)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.stop
    }

    /// Durable entries that the records do not hold.
    fn backlog(&self) -> u64 {
        self.journal.durable().0.saturating_sub(self.applied().0)
    }

    fn applied(&self) -> Seq {
        Seq(self.shared.applied.load(Ordering::Acquire))
    }

    fn rest(&self, span: Duration) {
        let until = Instant::now() + span;
        let mut state = self.shared.lock();
        while !state.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (state, _) = self
                .shared
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn follow(
        &self,
        reader: &mut crate::journal::JournalReader<Entry>,
        upto: Seq,
    ) -> Result<Seq, RecordsError> {
        loop {
            let behind = self.backlog() >= FAR_BEHIND_ENTRIES;
            let events_max = if behind {
                LARGE_ROUND_EVENTS_MAX
            } else {
                ROUND_EVENTS_MAX
            };
            let Some(applied) = self.records.apply_round_of(reader, upto, events_max)? else {
                break;
            };
            self.shared.applied.store(applied.0, Ordering::Release);
            self.release(applied);
        }
        let applied = self.applied();
        self.release(applied);
        Ok(applied)
    }

    fn release(&self, applied: Seq) {
        let mut state = self.shared.lock();
        let (ready, waiting) = state
            .waiters
            .drain(..)
            .partition(|(seq, _)| *seq <= applied);
        state.waiters = waiting;
        drop(state);
        let ready: Vec<(Seq, Waiter)> = ready;
        for (_, then) in ready {
            then();
        }
    }

    fn checkpoint(&self, applied: Seq) -> Result<(), RecordsError> {
        if self.journal.room() == Room::Short {
            // sled must not meet a full disk: the journal keeps what is not yet checkpointed.
            return Ok(());
        }
        self.records.shelf().sync()?;
        if let Err(error) = self.journal.trim(applied) {
            // Nothing is lost by keeping it; the next checkpoint tries again.
            tracing::warn!(%error, "journal that the records hold could not be removed");
        }
        Ok(())
    }
}
