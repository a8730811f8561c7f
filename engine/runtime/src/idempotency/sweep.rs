//! Old keys are forgotten page by page, and at the start the filters learn the keys that there are.
//!
//! A batch that goes on keeps its key: it is carried over to the slot of the time, so that what is old lies
//! in front and slots empty themselves whatever goes on.
//!
//! Both read on the readers' threads, a page at a time, so that customers' reads come between two pages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_core::event::{Entry, Event};
use didfarm_core::idempotency::{Guarded, GuardedAnswer, KeyHash, Slot};
use didfarm_core::time::Timestamp;
use didfarm_store::records::RecordsError;
use didfarm_store::records::round::GuardedRow;
use didfarm_store::seq::Seq;

use super::table::KeyTable;
use crate::clock::Clock;
use crate::shared::Shared;

/// How often old keys are looked for at least, in milliseconds.
const INTERVAL_MS_MAX: i64 = 3_600_000;
/// Time between two pages, in milliseconds.
const PAGE_SPACING_MS: i64 = 50;
/// How long after nothing could be written it is tried again, in milliseconds.
const NOT_NOW_MS: i64 = 1_000;
/// Keys that one entry forgets.
const PAGE_KEYS_MAX: usize = 1_000;
/// Keys that are read at once for the filters.
const LOAD_KEYS_MAX: usize = 4_096;

/// What came of looking for old keys.
enum Swept {
    /// This entry forgets so many of them.
    Page(Seq, usize),
    /// There is none.
    Nothing,
    /// Nothing may be written now.
    NotNow,
}

/// Looks whether it is time to look for old keys. Called with every tick.
pub(crate) fn tick(shared: &Arc<Shared>) {
    if !shared.keys.begin_sweep(mono_ms(&*shared.clock)) {
        return;
    }
    let job = Arc::clone(shared);
    shared.readers.run(Box::new(move || {
        let (keys, clock) = (Arc::clone(&job.keys), Arc::clone(&job.clock));
        let go_on = move |wait_ms| keys.sweep_again(mono_ms(&*clock).saturating_add(wait_ms));
        match sweep(&job) {
            // The records begin with the next page once they hold this one.
            Ok(Swept::Page(seq, forgotten)) => {
                let keys = Arc::clone(&job.keys);
                let then = move || {
                    keys.meter.forgotten(forgotten);
                    go_on(PAGE_SPACING_MS);
                };
                job.keeper.catch_up(seq, Box::new(then));
            }
            Ok(Swept::Nothing) => go_on(interval_ms(&job.keys)),
            Ok(Swept::NotNow) => go_on(NOT_NOW_MS),
            Err(error) => {
                tracing::error!(%error, "old idempotency keys cannot be looked for");
                go_on(interval_ms(&job.keys));
            }
        }
    }));
}

/// Forgets a page of old keys.
fn sweep(shared: &Shared) -> Result<Swept, RecordsError> {
    if shared.gate().is_err() {
        return Ok(Swept::NotNow);
    }
    let (now, age_s) = (shared.now(), shared.keys.age_s());
    let upto = Timestamp(now.0.saturating_sub(i64::from(age_s) * 1_000_000));
    let old = shared.records.old_keys(upto, PAGE_KEYS_MAX)?;
    if old.is_empty() {
        let stored = shared.records.guarded_slots()?;
        shared.keys.slots.prune(&stored, now, age_s);
        return Ok(Swept::Nothing);
    }
    // All of it is read before any key is held: a record that cannot be read leaves none held.
    let judged = old
        .into_iter()
        .map(|(slot, key, row)| Ok((is_kept(shared, &row, now)?, slot, key, row)))
        .collect::<Result<Vec<_>, RecordsError>>()?;
    let (mut leaving, mut kept) = (Vec::with_capacity(judged.len()), Vec::new());
    for (keeps, slot, key, row) in judged {
        if keeps {
            // A request that comes with it just now keeps it where it is until the next look.
            if !shared.keys.carry(key, row.fingerprint) {
                continue;
            }
            kept.push((key, row));
        }
        leaving.push((slot, key));
    }
    if leaving.is_empty() {
        return Ok(Swept::NotNow);
    }
    let forgotten = leaving.len() - kept.len();
    let carry = |(key, row): &(KeyHash, GuardedRow)| {
        Event::Guarded(Box::new(Guarded {
            slot: shared.keys.place(*key, now),
            account: row.account,
            key: *key,
            fingerprint: row.fingerprint,
            answer: row.answer.clone(),
        }))
    };
    let mut events = vec![Event::KeysForgotten(leaving)];
    events.extend(kept.iter().map(carry));
    let seq = shared.journal.append(Entry { at: now, events });
    for (key, _) in &kept {
        shared.keys.carried(*key, seq);
    }
    Ok(Swept::Page(seq, forgotten))
}

/// Whether a key is still kept: for its age, but a batch's for as long as the batch may be gone on with.
///
/// # Errors
/// The record of the batch is damaged.
pub(crate) fn is_kept(
    shared: &Shared,
    row: &GuardedRow,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let batch = match row.answer {
        GuardedAnswer::Batch(id) if shared.batches.writes(id) => return Ok(true),
        GuardedAnswer::Batch(id) => shared.records.batch(row.account, id)?,
        GuardedAnswer::Message(..)
        | GuardedAnswer::Endpoint(_)
        | GuardedAnswer::Mail(_)
        | GuardedAnswer::Pool(_)
        | GuardedAnswer::TopUp(_) => None,
    };
    Ok(match batch {
        Some(batch) => !batch.is_key_expired(now, shared.keys.age_s()),
        None => !shared.keys.is_expired(row.at, now),
    })
}

/// Has the filters read what the records hold, page by page.
pub(crate) fn load(shared: &Arc<Shared>, after: Option<(Slot, KeyHash)>) {
    let job = Arc::clone(shared);
    shared.readers.run(Box::new(move || {
        if job.draining.load(Ordering::Acquire) {
            return;
        }
        match job.records.guarded_page(after, LOAD_KEYS_MAX) {
            Ok(page) => {
                job.keys.slots.load(&page);
                match page.last() {
                    Some(last) if page.len() == LOAD_KEYS_MAX => load(&job, Some(*last)),
                    Some(_) | None => job.keys.slots.loaded(),
                }
            }
            Err(error) => {
                tracing::error!(%error, "idempotency keys cannot be read: each new one is asked of the records");
            }
        }
    }));
}

fn interval_ms(keys: &KeyTable) -> i64 {
    let slot_ms = i64::from(Slot::length_s(keys.age_s())) * 1_000;
    slot_ms.min(INTERVAL_MS_MAX)
}

fn mono_ms(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX)
}
