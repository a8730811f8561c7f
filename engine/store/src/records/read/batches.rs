//! Reading batches: one, an account's from the newest on, and rows by their index.

use std::ops::Bound;

use didfarm_core::batch::Batch;
use didfarm_core::ids::{AccountId, BatchId};

use super::Take;
use crate::records::keys::{self, MAPS};
use crate::records::round::BatchRow;
use crate::records::{Records, RecordsError};

impl Records {
    /// A batch of an account.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn batch(&self, account: AccountId, id: BatchId) -> Result<Option<Batch>, RecordsError> {
        self.get(MAPS.batches, "batch", &keys::batch(account, id))
    }

    /// Walks an account's batches, newest first, behind `after`.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_batch(
        &self,
        account: AccountId,
        after: Option<BatchId>,
        mut visit: impl FnMut(Batch) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        let from = match after {
            Some(after) => Bound::Excluded(keys::batch(account, after).to_vec()),
            None => Bound::Included(account.0.to_be_bytes().to_vec()),
        };
        self.each(MAPS.batches, "batch", from, |_, batch: Batch| {
            match batch.account == account {
                true => visit(batch),
                false => Ok(Take::Stop),
            }
        })
    }

    /// Walks the rows of a batch, by index, from `from` on.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_batch_row(
        &self,
        (account, batch): (AccountId, BatchId),
        from: u64,
        mut visit: impl FnMut(u64, BatchRow) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        let from = Bound::Included(keys::batch_row(account, batch, from).to_vec());
        self.each(
            MAPS.batch_rows,
            "batch row",
            from,
            |key, row| match keys::batch_row_of(key) {
                Some((of, id, index)) if (of, id) == (account, batch) => visit(index, row),
                Some(_) | None => Ok(Take::Stop),
            },
        )
    }
}
