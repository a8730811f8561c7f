//! The table of keys against a journal of its own: who claims, who waits, who is told, and what a fault leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_core::event::Entry;
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use didfarm_store::store::{Store, StoreSettings};
use tempfile::TempDir;

use super::table::{KeyTable, Look};
use super::*;

const AGE_S: u32 = 60;
const AT: Timestamp = Timestamp(1_700_000_000_000_000);
const ACCOUNT: AccountId = AccountId(1);
const ANSWER: GuardedAnswer = GuardedAnswer::Message(MessageId(7), None);
/// How long the journal may take.
const DURABLE_MAX: Duration = Duration::from_secs(20);

struct Desk {
    table: Arc<KeyTable>,
    store: Store,
    _dir: TempDir,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            segment_bytes: 1024 * 1024,
            group_bytes_max: 64 * 1024,
            keep_bytes: 0,
            free_bytes_min: 1024 * 1024,
            checkpoint_interval: Duration::from_secs(3_600),
            sled_cache_bytes: 1024 * 1024,
            on_fatal: Arc::new(|fatal| panic!("the store failed: {fatal}")),
        };
        let store = Store::open(dir.path(), &settings).unwrap();
        let table = Arc::new(KeyTable::new(AGE_S, Arc::clone(&store.journal), &[]));
        Desk {
            table,
            store,
            _dir: dir,
        }
    }

    fn look_at(&self, body: &str, now: Timestamp) -> Look {
        let key = IdempotencyKey::parse(b"k").unwrap();
        let hash = hash_of(ACCOUNT, GuardedRoute::Message, &key);
        let pair = (hash, fingerprint_of(body.as_bytes()));
        let applied = self.store.keeper.applied();
        self.table.look(ACCOUNT, pair, now, applied)
    }

    fn look(&self, body: &str) -> Look {
        self.look_at(body, AT)
    }

    fn claim(&self) -> Box<Guard> {
        match self.look("body") {
            Look::Claimed(guard) => guard,
            other => panic!("it is free: {other:?}"),
        }
    }

    /// Appends an entry that has nothing but the guard's event, without waiting for it.
    fn append(&self, guard: &mut Guard) -> Seq {
        let events = vec![guard.event(ANSWER, AT)];
        self.store.journal.append(Entry { at: AT, events })
    }

    fn await_durable(&self, seq: Seq) {
        self.store.journal.wait_durable(seq).unwrap();
    }

    /// Has the records catch up with everything.
    fn catch_up(&self) {
        let seq = self.store.journal.appended();
        self.store.keeper.catch_up(seq, Box::new(|| {}));
        let until = Instant::now() + DURABLE_MAX;
        while self.store.keeper.applied() < seq {
            assert!(Instant::now() < until, "the records do not catch up");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn keys_of_other_accounts_and_routes_are_others() {
    let key = |text: &str| IdempotencyKey::parse(text.as_bytes()).unwrap();
    let mut hashes = Vec::new();
    for account in [1, 2] {
        for route in GuardedRoute::ALL {
            for text in ["k", "l"] {
                hashes.push(hash_of(AccountId(account), route, &key(text)));
            }
        }
    }
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all);
}

#[test]
fn one_claims_others_wait_and_another_body_is_refused() {
    let desk = Desk::new();
    let guard = desk.claim();
    assert!(matches!(desk.look("body"), Look::InProgress));
    assert!(matches!(desk.look("other"), Look::Reused));
    drop(guard);
    assert!(matches!(desk.look("other"), Look::Claimed(_)), "freed");
}

#[test]
fn what_is_appended_is_told_once_it_is_durable_until_the_records_hold_it() {
    let desk = Desk::new();
    let mut guard = desk.claim();
    let seq = desk.append(&mut guard);
    guard.appended(seq, AT);
    desk.await_durable(seq);
    let Look::Done(answer) = desk.look("body") else {
        panic!("it is done")
    };
    assert_eq!(answer, ANSWER);
    assert!(matches!(desk.look("other"), Look::Reused));
    desk.table.tidy(Seq::ZERO);
    assert!(
        matches!(desk.look("body"), Look::Done(_)),
        "not in the records"
    );
    desk.catch_up();
    desk.table.tidy(desk.store.keeper.applied());
    let Look::Claimed(guard) = desk.look("body") else {
        panic!("the records are to be asked")
    };
    let hash = hash_of(
        ACCOUNT,
        GuardedRoute::Message,
        &IdempotencyKey::parse(b"k").unwrap(),
    );
    let slots = desk.table.slots_of(hash);
    assert_eq!(slots.len(), 1, "the filter knows the key");
    let row = desk.store.records.guarded(slots[0], hash).unwrap().unwrap();
    assert_eq!((row.answer, row.at), (ANSWER, AT));
    drop(guard);
}

#[test]
fn a_guard_that_is_lost_with_its_entry_on_the_way_leaves_its_key_in_doubt_until_the_records_tell() {
    let desk = Desk::new();
    let mut guard = desk.claim();
    desk.append(&mut guard);
    drop(guard);
    assert!(matches!(desk.look("body"), Look::InProgress));
    assert!(
        matches!(desk.look("other"), Look::InProgress),
        "whose body was the first is not known"
    );
    desk.catch_up();
    assert!(
        matches!(desk.look("body"), Look::Claimed(_)),
        "the records are to be asked"
    );
}

#[test]
fn a_key_that_is_too_old_is_free_and_a_late_tidy_leaves_its_new_owner() {
    let desk = Desk::new();
    let mut guard = desk.claim();
    let seq = desk.append(&mut guard);
    guard.appended(seq, AT);
    desk.await_durable(seq);
    let age_ms = u64::from(AGE_S) * 1_000;
    assert!(matches!(
        desk.look_at("body", AT.plus_ms(age_ms - 1)),
        Look::Done(_)
    ));
    let Look::Claimed(again) = desk.look_at("body", AT.plus_ms(age_ms)) else {
        panic!("it is too old")
    };
    desk.catch_up();
    desk.table.tidy(desk.store.keeper.applied());
    assert!(matches!(desk.look("body"), Look::InProgress));
    drop(again);
}

#[test]
fn a_thousand_at_once_are_one_claim() {
    let desk = Desk::new();
    let claimed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let looks: Vec<_> = (0..125).map(|_| desk.look("body")).collect();
                    let is_claim = |look: &&Look| matches!(look, Look::Claimed(_));
                    (looks.iter().filter(is_claim).count(), looks)
                })
            })
            .collect();
        // None lets go before all have asked.
        let asked: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        asked.iter().map(|(claimed, _)| claimed).sum()
    });
    assert_eq!(claimed, 1);
}
