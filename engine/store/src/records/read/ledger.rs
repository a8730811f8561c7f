//! Reading an account's ledger, either way.

use std::ops::Bound;

use didfarm_core::ids::AccountId;

use super::Take;
use crate::packed::Direction;
use crate::records::keys::{self, MAPS};
use crate::records::round::LedgerEntry;
use crate::records::{Records, RecordsError, working};
use crate::seq::Seq;

/// Where an entry stands in its account's ledger: the journal's entry and the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerPlace {
    /// The journal's entry.
    pub seq: Seq,
    /// The place of the event in it.
    pub place: u16,
}

impl LedgerPlace {
    /// The place of an event in an entry of the journal.
    pub const fn new(seq: u64, place: u16) -> LedgerPlace {
        LedgerPlace {
            seq: Seq(seq),
            place,
        }
    }

    const FIRST: LedgerPlace = LedgerPlace {
        seq: Seq(0),
        place: 0,
    };
    const LAST: LedgerPlace = LedgerPlace {
        seq: Seq(u64::MAX),
        place: u16::MAX,
    };
}

impl Records {
    /// Walks an account's movements of money, oldest first, behind `after`.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_movement(
        &self,
        account: AccountId,
        after: Option<LedgerPlace>,
        visit: impl FnMut(LedgerPlace, LedgerEntry) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        let from = from(account, after, LedgerPlace::FIRST);
        self.walk_ledger(account, from, Direction::Forward, visit)
    }

    /// Walks an account's movements of money, newest first, behind `after`.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_newest_movement(
        &self,
        account: AccountId,
        after: Option<LedgerPlace>,
        visit: impl FnMut(LedgerPlace, LedgerEntry) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        let from = from(account, after, LedgerPlace::LAST);
        self.walk_ledger(account, from, Direction::Backward, visit)
    }

    fn walk_ledger(
        &self,
        account: AccountId,
        from: Bound<Vec<u8>>,
        direction: Direction,
        mut visit: impl FnMut(LedgerPlace, LedgerEntry) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        for row in MAPS.ledger.scan(self.shelf(), from, direction) {
            let (key, value) = row?;
            let Some((_, place)) = keys::ledger_of(&key).filter(|(of, _)| *of == account) else {
                break;
            };
            let entry = working::read("ledger entry", &key, &value)?;
            if let Take::Stop = visit(place, entry)? {
                break;
            }
        }
        Ok(())
    }
}

fn from(account: AccountId, after: Option<LedgerPlace>, start: LedgerPlace) -> Bound<Vec<u8>> {
    let key = |at: LedgerPlace| keys::ledger(account, at.seq, at.place).to_vec();
    match after {
        Some(after) => Bound::Excluded(key(after)),
        None => Bound::Included(key(start)),
    }
}
