//! The table of keys: those under way, and those that the records may not hold yet.
//!
//! # Limits
//!
//! A key under way belongs to a request that is being answered; a key that is done leaves once the records
//! hold it, at the latest with the second after. So there are never more than requests and entries that the
//! records are behind, both of which are bounded.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use didfarm_core::event::Entry;
use didfarm_core::idempotency::{Fingerprint, GuardedAnswer, KeyHash, Slot, is_expired};
use didfarm_core::ids::AccountId;
use didfarm_core::time::Timestamp;
use didfarm_store::journal::Journal;
use didfarm_store::seq::Seq;
use rustc_hash::FxHashMap;

use super::guard::Guard;
use super::slots::Slots;
use crate::meters::idempotency::{IdempotencyMeter, KeyOutcome};

/// Parts of the table, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// What the table says of a key.
#[derive(Debug)]
pub(crate) enum Look {
    /// Nobody has it: it is claimed now. The records may still know it.
    Claimed(Box<Guard>),
    /// The same request is under way.
    InProgress,
    /// It came with another body.
    Reused,
    /// It was carried out.
    Done(GuardedAnswer),
}

/// How far a request is.
enum Stage {
    UnderWay,
    /// Its entry was appended; it happened once that is durable.
    Appended {
        seq: Seq,
        at: Timestamp,
        answer: GuardedAnswer,
    },
    /// Nobody knows whether its entry was appended; the records do once they hold everything up to this.
    InDoubt(Seq),
}

struct Held {
    fingerprint: Fingerprint,
    stage: Stage,
}

#[derive(Default)]
struct Shard {
    held: FxHashMap<KeyHash, Held>,
    /// Keys that leave once the records hold their entries.
    leaving: VecDeque<(Seq, KeyHash)>,
}

/// The table.
pub(crate) struct KeyTable {
    age_s: u32,
    journal: Arc<Journal<Entry>>,
    shards: [Mutex<Shard>; SHARDS],
    pub(super) slots: Slots,
    pub(super) meter: IdempotencyMeter,
    /// When old keys are looked for next, in milliseconds of the monotonic clock.
    sweep_at_ms: AtomicI64,
}

impl KeyTable {
    /// A table over records that have keys in these slots.
    pub(crate) fn new(age_s: u32, journal: Arc<Journal<Entry>>, stored: &[Slot]) -> KeyTable {
        KeyTable {
            age_s,
            journal,
            shards: Default::default(),
            slots: Slots::new(stored),
            meter: IdempotencyMeter::new(),
            sweep_at_ms: AtomicI64::new(0),
        }
    }

    /// For how long keys are kept, in seconds.
    pub(super) fn age_s(&self) -> u32 {
        self.age_s
    }

    pub(super) fn durable(&self) -> Seq {
        self.journal.durable()
    }

    /// Whether what was kept at a time is too old by now.
    pub(crate) fn is_expired(&self, at: Timestamp, now: Timestamp) -> bool {
        is_expired(at, now, self.age_s)
    }

    fn shard(&self, key: KeyHash) -> MutexGuard<'_, Shard> {
        // The lowest bits are the filter's.
        let place = (key.0 >> 120) as usize % SHARDS;
        lock(&self.shards[place])
    }

    /// Claims a key for a request with this body, unless somebody has it. `applied` is how far the records
    /// are.
    pub(crate) fn look(
        self: &Arc<Self>,
        account: AccountId,
        (key, fingerprint): (KeyHash, Fingerprint),
        now: Timestamp,
        applied: Seq,
    ) -> Look {
        let mut shard = self.shard(key);
        let look = match shard.held.get(&key) {
            None => None,
            Some(held) => match &held.stage {
                // Whether it happened is not known, and so neither which body is the first one's.
                Stage::InDoubt(upto) => (*upto > applied).then_some(Look::InProgress),
                // How long a batch's key is kept, its record tells: until the records hold it, it is kept.
                Stage::Appended { at, answer, .. }
                    if !matches!(answer, GuardedAnswer::Batch(_)) && self.is_expired(*at, now) =>
                {
                    None
                }
                Stage::UnderWay | Stage::Appended { .. } if held.fingerprint != fingerprint => {
                    Some(Look::Reused)
                }
                Stage::Appended { seq, answer, .. } if *seq <= self.journal.durable() => {
                    Some(Look::Done(answer.clone()))
                }
                Stage::UnderWay | Stage::Appended { .. } => Some(Look::InProgress),
            },
        };
        look.unwrap_or_else(|| {
            let stage = Stage::UnderWay;
            let held = Held { fingerprint, stage };
            shard.held.insert(key, held);
            let guard = Guard::new(Arc::clone(self), account, key, fingerprint);
            Look::Claimed(Box::new(guard))
        })
    }

    /// The slots whose rows may hold a key, newest first; most often none.
    pub(crate) fn slots_of(&self, key: KeyHash) -> Vec<Slot> {
        self.slots.of(key)
    }

    /// Counts how a request with a key went on.
    pub(crate) fn count(&self, outcome: KeyOutcome) {
        self.meter.count(outcome);
    }

    /// Finds the slot of a key whose entry is being made.
    pub(super) fn place(&self, key: KeyHash, now: Timestamp) -> Slot {
        let slot = Slot::at(now, self.age_s);
        self.slots.add(slot, key);
        slot
    }

    pub(super) fn appended(&self, key: KeyHash, answer: GuardedAnswer, seq: Seq, at: Timestamp) {
        let mut shard = self.shard(key);
        if let Some(held) = shard.held.get_mut(&key) {
            held.stage = Stage::Appended { seq, at, answer };
            shard.leaving.push_back((seq, key));
        }
    }

    pub(super) fn free(&self, key: KeyHash) {
        self.shard(key).held.remove(&key);
    }

    /// Holds a key that is being carried over to another slot, so that nobody looks for it meanwhile; says
    /// whether nobody had it. It is held until [`KeyTable::carried`] and the records say where it is.
    pub(super) fn carry(&self, key: KeyHash, fingerprint: Fingerprint) -> bool {
        use std::collections::hash_map::Entry;
        match self.shard(key).held.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                let stage = Stage::InDoubt(Seq::MAX);
                place.insert(Held { fingerprint, stage });
                true
            }
        }
    }

    /// The entry that carries a key over was appended.
    pub(super) fn carried(&self, key: KeyHash, seq: Seq) {
        let mut shard = self.shard(key);
        if let Some(held) = shard.held.get_mut(&key) {
            held.stage = Stage::InDoubt(seq);
            shard.leaving.push_back((seq, key));
        }
    }

    pub(super) fn doubt(&self, key: KeyHash) {
        let upto = self.journal.appended();
        let mut shard = self.shard(key);
        if let Some(held) = shard.held.get_mut(&key) {
            held.stage = Stage::InDoubt(upto);
            shard.leaving.push_back((upto, key));
        }
    }

    /// Lets go of what the records hold.
    pub(crate) fn tidy(&self, applied: Seq) {
        let mut held = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            while let Some((seq, key)) = shard.leaving.pop_front_if(|(seq, _)| *seq <= applied) {
                shard.leave(seq, key);
            }
            held += shard.held.len();
        }
        self.meter.held(held);
    }

    /// Takes the sweep's turn, if it is due by this time of the monotonic clock.
    pub(super) fn begin_sweep(&self, mono_ms: i64) -> bool {
        let at_ms = self.sweep_at_ms.load(Ordering::Acquire);
        at_ms <= mono_ms
            && self
                .sweep_at_ms
                .compare_exchange(at_ms, i64::MAX, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    /// Ends the sweep's turn; the next is due at this time.
    pub(super) fn sweep_again(&self, at_ms: i64) {
        self.sweep_at_ms.store(at_ms, Ordering::Release);
    }
}

impl Shard {
    /// Removes a key that left with this entry; one that was claimed again since then stays.
    fn leave(&mut self, left: Seq, key: KeyHash) {
        let is_same = self.held.get(&key).is_some_and(|held| match &held.stage {
            Stage::UnderWay => false,
            Stage::Appended { seq, .. } | Stage::InDoubt(seq) => *seq == left,
        });
        if is_same {
            self.held.remove(&key);
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
