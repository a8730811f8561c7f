//! Batches of a round: their counts, and what became of each row.

use didfarm_core::batch::{Batch, BatchEvent, RowOutcome, RowPrint};
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::{AccountId, BatchId};
use didfarm_core::message::Accepted;
use serde::{Deserialize, Serialize};

use super::super::{RecordsError, codec};
use super::{At, Round};
use crate::records::keys;

/// What became of a row of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// What stands for the row's content.
    pub print: RowPrint,
    /// What became of it.
    pub outcome: RowOutcome,
}

impl Round<'_> {
    /// Moves a batch.
    pub(super) fn batch(
        &mut self,
        at: At,
        account: AccountId,
        id: BatchId,
        event: &BatchEvent,
    ) -> Result<(), RecordsError> {
        if let BatchEvent::Opened(spread) = event {
            let batch = Batch::opened(id, account, *spread, at.time);
            self.batches.put(keys::batch(account, id), batch);
            self.meta.batch_next = self.meta.batch_next.max(id.0 + 1);
            self.meta.counts.batches += 1;
            return Ok(());
        }
        self.known_batch(at, account, id)?.evolve(event, at.time);
        if let BatchEvent::Refused(rows) = event {
            for row in rows {
                let refused = BatchRow {
                    print: row.print,
                    outcome: RowOutcome::Refused(row.problem.clone()),
                };
                self.batch_row(account, id, row.index, &refused);
            }
        }
        Ok(())
    }

    /// Enters an accepted message into its batch, if it came in one.
    pub(super) fn join_batch(
        &mut self,
        at: At,
        fact: &Accepted,
        status: Status,
    ) -> Result<(), RecordsError> {
        let Some(place) = fact.batch else {
            return Ok(());
        };
        self.known_batch(at, fact.account, place.batch)?
            .joined(status, at.time);
        let accepted = BatchRow {
            print: place.print,
            outcome: RowOutcome::Accepted(fact.message, fact.send_at),
        };
        self.batch_row(fact.account, place.batch, place.index, &accepted);
        Ok(())
    }

    /// Counts a message of a batch by the status that it has now.
    pub(super) fn follow_in_batch(
        &mut self,
        at: At,
        (account, batch): (AccountId, Option<BatchId>),
        before: Status,
        after: Status,
    ) -> Result<(), RecordsError> {
        if let Some(id) = batch.filter(|_| before != after) {
            self.known_batch(at, account, id)?
                .moved(Some(before), after);
        }
        Ok(())
    }

    fn batch_row(&mut self, account: AccountId, batch: BatchId, index: u64, row: &BatchRow) {
        let key = keys::batch_row(account, batch, index).to_vec();
        self.batch_rows.push((key, Some(codec::encode(row))));
        self.meta.counts.batch_rows += 1;
    }

    fn known_batch(
        &mut self,
        at: At,
        account: AccountId,
        id: BatchId,
    ) -> Result<&mut Batch, RecordsError> {
        let record = self.batches.get(self.shelf, keys::batch(account, id))?;
        record
            .as_mut()
            .ok_or_else(|| at.missing(format!("batch {id}")))
    }
}
