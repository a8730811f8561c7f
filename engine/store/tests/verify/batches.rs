//! Breaches of V22: batches, their rows and their messages.

use didfarm_core::batch::{Batch, RowOutcome};
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::BatchId;
use didfarm_core::message::Message;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::BatchRow;

use crate::rich::Rich;
use crate::shelves::{alter, remove};
use crate::{Case, check};

const THE_BATCH: fn(&Rich) -> String = |rich| rich.batch.to_string();
const FIRST_ROW: fn(&Rich) -> String = |rich| format!("row 0 of {}", rich.batch);
const THE_ROWS: fn(&Rich) -> String = |_| "the batch rows".to_owned();
const THE_BATCHES: fn(&Rich) -> String = |_| "the batches".to_owned();

fn alter_batch(rich: &Rich, change: fn(&mut Batch)) {
    let key = keys::batch(rich.account, rich.batch);
    alter(&rich.records, MAPS.batches, &key, change);
}

fn row(rich: &Rich, index: u64) -> [u8; 20] {
    keys::batch_row(rich.account, rich.batch, index)
}

#[test]
fn v22_batches_are_what_their_rows_and_messages_say() {
    check(&[
        Case {
            name: "a batch that counts another status",
            invariants: &["V22"],
            subject: THE_BATCH,
            alter: |rich| {
                alter_batch(rich, |batch| {
                    batch.moved(Some(Status::Queued), Status::Delivered);
                });
            },
        },
        Case {
            name: "a batch that forgot a refused row",
            invariants: &["V22"],
            subject: THE_BATCH,
            alter: |rich| alter_batch(rich, |batch| batch.refused = 0),
        },
        Case {
            name: "a refused row that is not kept",
            invariants: &["V22", "V10"],
            subject: THE_BATCH,
            alter: |rich| remove(&rich.records, MAPS.batch_rows, &row(rich, 2)),
        },
        Case {
            name: "an accepted row that is not kept",
            invariants: &["V22", "V10"],
            subject: THE_ROWS,
            alter: |rich| remove(&rich.records, MAPS.batch_rows, &row(rich, 0)),
        },
        Case {
            name: "a row that leads to a message of no batch",
            invariants: &["V22"],
            subject: FIRST_ROW,
            alter: |rich| {
                let other = RowOutcome::Accepted(rich.queued, None);
                let change = |row: &mut BatchRow| row.outcome = other;
                alter(&rich.records, MAPS.batch_rows, &row(rich, 0), change);
            },
        },
        Case {
            name: "a message of another batch",
            invariants: &["V22"],
            subject: FIRST_ROW,
            alter: |rich| {
                let change = |message: &mut Message| message.batch = Some(BatchId(2));
                alter(
                    &rich.records,
                    MAPS.messages,
                    &keys::id(rich.row.get()),
                    change,
                );
            },
        },
        Case {
            name: "a message that forgot its batch",
            invariants: &["V22"],
            subject: THE_ROWS,
            alter: |rich| {
                let change = |message: &mut Message| message.batch = None;
                alter(
                    &rich.records,
                    MAPS.messages,
                    &keys::id(rich.row.get()),
                    change,
                );
            },
        },
        Case {
            name: "a batch that is not kept",
            invariants: &["V22", "V10"],
            subject: THE_BATCH,
            alter: |rich| {
                let key = keys::batch(rich.account, rich.batch);
                remove(&rich.records, MAPS.batches, &key);
            },
        },
        Case {
            name: "an empty batch that counts a refused row",
            invariants: &["V22"],
            subject: THE_BATCHES,
            alter: |rich| {
                let key = keys::batch(rich.account, BatchId(2));
                alter(&rich.records, MAPS.batches, &key, |batch: &mut Batch| {
                    batch.refused = 1;
                });
            },
        },
    ]);
}
