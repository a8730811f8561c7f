//! Reading what was answered under idempotency keys.

use std::ops::Bound;

use didfarm_core::idempotency::{KeyHash, Slot};
use didfarm_core::time::Timestamp;

use super::Take;
use crate::packed::Direction;
use crate::records::keys::{self, MAPS};
use crate::records::round::GuardedRow;
use crate::records::{Records, RecordsError};

impl Records {
    /// What was answered under a key of a slot.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn guarded(&self, slot: Slot, key: KeyHash) -> Result<Option<GuardedRow>, RecordsError> {
        self.get(MAPS.guarded, "idempotency key", &keys::guarded(slot, key))
    }

    /// The slots that have keys, oldest first. What it costs grows with them, not with their keys.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn guarded_slots(&self) -> Result<Vec<Slot>, RecordsError> {
        let mut slots = Vec::new();
        let mut from = Bound::Unbounded;
        loop {
            let mut rows = MAPS.guarded.scan(self.shelf(), from, Direction::Forward);
            let Some(row) = rows.next() else { break };
            let Some((slot, _)) = keys::guarded_of(&row?.0) else {
                break;
            };
            slots.push(slot);
            from = Bound::Excluded(keys::guarded(slot, KeyHash(u128::MAX)).to_vec());
        }
        Ok(slots)
    }

    /// Keys in order, behind `after`, `limit` at most.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn guarded_page(
        &self,
        after: Option<(Slot, KeyHash)>,
        limit: usize,
    ) -> Result<Vec<(Slot, KeyHash)>, RecordsError> {
        let mut page = Vec::new();
        let from = after.map_or(Bound::Unbounded, |(slot, key)| {
            Bound::Excluded(keys::guarded(slot, key).to_vec())
        });
        self.each_raw(MAPS.guarded, from, |key, _| {
            page.extend(keys::guarded_of(key));
            Ok(match page.len() < limit {
                true => Take::Next,
                false => Take::Stop,
            })
        })?;
        Ok(page)
    }

    /// The first keys as far as they were kept at `upto` or before, `limit` at most, with what is kept.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn old_keys(
        &self,
        upto: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Slot, KeyHash, GuardedRow)>, RecordsError> {
        let mut old = Vec::new();
        let from = Bound::Unbounded;
        self.each(
            MAPS.guarded,
            "idempotency key",
            from,
            |key, row: GuardedRow| match keys::guarded_of(key) {
                Some((slot, key)) if row.at <= upto && old.len() < limit => {
                    old.push((slot, key, row));
                    Ok(Take::Next)
                }
                Some(_) | None => Ok(Take::Stop),
            },
        )?;
        Ok(old)
    }
}
