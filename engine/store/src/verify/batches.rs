//! V22: batches, what became of their rows, and the messages that came of them.

use didfarm_core::batch::{Batch, RowOutcome};
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::{AccountId, BatchId, MessageId};

use super::audit::{Audit, Found};
use super::maps::{self, BATCH_ROWS, BATCHES, MESSAGES, hex};
use super::owners::Owners;
use crate::records::keys::{self, MAPS};

/// What the rows of one batch come to.
#[derive(Default)]
struct Sum {
    of: Option<(AccountId, BatchId)>,
    refused: u64,
    messages: [u64; Status::ALL.len()],
}

/// Looks at every row and at every batch.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    let (mut sum, mut accepted, mut with_rows) = (Sum::default(), 0, 0);
    let mut clashes = Vec::new();
    audit.walk(&BATCH_ROWS, |audit, key, row| {
        audit.report.batch_rows += 1;
        let Some((account, batch, index)) = keys::batch_row_of(key) else {
            let subject = format!("batch row {}", hex(key));
            return audit.breach("V10", subject, "its key is none of its kind");
        };
        if sum.of != Some((account, batch)) {
            with_rows += u64::from(sum.of.is_some());
            clashes.extend(clash(audit, &std::mem::take(&mut sum)));
            sum.of = Some((account, batch));
        }
        match row.outcome {
            RowOutcome::Refused(_) => sum.refused += 1,
            RowOutcome::Accepted(message, _) => {
                accepted += 1;
                let status = accepted_row(audit, (account, batch, index), message);
                if let Some(status) = status {
                    sum.messages[status as usize] += 1;
                }
            }
        }
    });
    with_rows += u64::from(sum.of.is_some());
    clashes.extend(clash(audit, &sum));
    if audit.is_whole(MAPS.batch_rows) {
        for (id, sentence) in clashes {
            audit.breach("V22", id, sentence);
        }
    }
    let are_whole = audit.is_whole(MAPS.batch_rows) && audit.is_whole(MAPS.messages);
    if are_whole && accepted != audit.batched {
        let of_batches = audit.batched;
        let sentence = format!("{accepted} rows were accepted, {of_batches} messages came of one");
        audit.breach("V22", maps::name(MAPS.batch_rows), sentence);
    }
    check_batches(audit, owners, with_rows);
}

/// The status of the message that came of a row.
fn accepted_row(
    audit: &mut Audit<'_>,
    (account, batch, index): (AccountId, BatchId, u64),
    id: MessageId,
) -> Option<Status> {
    let subject = || format!("row {index} of {batch}");
    match audit.get(&MESSAGES, &keys::id(id.get())) {
        Found::Record(message) => {
            if (message.account, message.batch) != (account, Some(batch)) {
                audit.breach(
                    "V22",
                    subject(),
                    format!("its message {id} is of another batch"),
                );
            }
            Some(message.status())
        }
        Found::Missing if audit.is_whole(MAPS.messages) => {
            audit.breach("V22", subject(), format!("its message {id} is not stored"));
            None
        }
        Found::Missing | Found::Unreadable => None,
    }
}

/// What a batch says otherwise than its rows, if the walk over them was whole.
fn clash(audit: &mut Audit<'_>, sum: &Sum) -> Option<(BatchId, &'static str)> {
    let (account, id) = sum.of?;
    let sentence = match audit.get(&BATCHES, &keys::batch(account, id)) {
        Found::Record(batch) => {
            if audit.is_whole(MAPS.messages) && batch.messages != sum.messages {
                "it counts other messages than it has"
            } else if batch.refused != sum.refused {
                "it counts other refused rows than it has"
            } else {
                return None;
            }
        }
        Found::Missing if audit.is_whole(MAPS.batches) => "it has rows and does not exist",
        Found::Missing | Found::Unreadable => return None,
    };
    Some((id, sentence))
}

fn check_batches(audit: &mut Audit<'_>, owners: &Owners, with_rows: u64) {
    let mut counting = 0;
    audit.walk(&BATCHES, |audit, key, batch: Batch| {
        audit.report.batches += 1;
        let id = batch.id;
        audit.highest.batch = audit.highest.batch.max(id.get());
        counting += u64::from(batch.accepted() + batch.refused > 0);
        if keys::batch_of(key) != Some((batch.account, id)) {
            audit.misplaced("batch", key, id);
        }
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&batch.account) {
            let sentence = format!("its account {} does not exist", batch.account);
            audit.breach("V22", id, sentence);
        }
    });
    let are_whole = audit.is_whole(MAPS.batch_rows) && audit.is_whole(MAPS.batches);
    if are_whole && counting != with_rows {
        let sentence = format!("{with_rows} have rows, {counting} say that they have some");
        audit.breach("V22", maps::name(MAPS.batches), sentence);
    }
}
