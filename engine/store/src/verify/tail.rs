//! V11: the journal's tail, replayed as a restart would.

use didfarm_core::event::Entry;

use super::VerifyError;
use super::audit::Audit;
use crate::journal::{JournalReadError, JournalReader};
use crate::packed::PackedError;
use crate::records::{Records, RecordsError};
use crate::seq::Seq;
use crate::shelf::ShelfError;

/// Replays the tail into `records`, which must lie on an overlay.
///
/// Damage is a breach, and the audit goes on with what was replayed before it.
///
/// # Errors
/// The disk refuses a read.
pub(super) fn replay(
    audit: &mut Audit<'_>,
    records: &Records,
    tail: &mut JournalReader<Entry>,
) -> Result<(), VerifyError> {
    let Some(meta) = audit.meta() else {
        return Ok(());
    };
    let from = meta.seq;
    let mut to = from;
    let ended = loop {
        match records.apply_round(tail, Seq::MAX) {
            Ok(Some(seq)) => to = seq,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    audit.report.replayed = to.0 - from.0;
    if let Err(error) = ended {
        return stopped(audit, to, error);
    }
    if let Some(torn) = tail.torn_tail() {
        let note = format!(
            "{} ends in {} bytes at byte {} that were never acknowledged: opening the store cuts them",
            torn.segment, torn.bytes, torn.offset
        );
        audit.report.torn_tail = Some(note);
    }
    let last = tail
        .chain()
        .segment()
        .map_or(Seq::ZERO, |segment| segment.expected.previous());
    check_end(
        audit,
        last,
        to,
        tail.clean_stop().map_err(VerifyError::Journal)?,
    );
    Ok(())
}

/// The journal ends neither before what the records hold nor before its last clean stop.
fn check_end(audit: &mut Audit<'_>, last: Seq, to: Seq, closed: Option<Seq>) {
    if last < to {
        let sentence = format!(
            "it ends at seq {last}, but the records hold seq {to}: restore the journal that belongs to them"
        );
        audit.breach("V11", "the journal", sentence);
    } else if let Some(closed) = closed.filter(|closed| last < *closed) {
        let sentence = format!(
            "it ends at seq {last}, but was closed at seq {closed}: its tail is lost, restore it from a backup"
        );
        audit.breach("V11", "the journal", sentence);
    }
}

fn stopped(audit: &mut Audit<'_>, to: Seq, error: RecordsError) -> Result<(), VerifyError> {
    match error {
        RecordsError::Journal(error @ JournalReadError::Io { .. }) => {
            return Err(VerifyError::Journal(error));
        }
        RecordsError::Journal(error) => {
            audit.breach(
                "V11",
                format!("the journal after seq {to}"),
                error.to_string(),
            );
        }
        RecordsError::Inconsistent { .. } => {
            audit.breach(
                "V11",
                format!("the journal after seq {to}"),
                error.to_string(),
            );
        }
        RecordsError::Shelf(error @ (ShelfError::Full { .. } | ShelfError::Io { .. }))
        | RecordsError::Packed(PackedError::Shelf(
            error @ (ShelfError::Full { .. } | ShelfError::Io { .. }),
        )) => {
            return Err(VerifyError::Shelf(error));
        }
        RecordsError::Packed(
            PackedError::Damaged { .. } | PackedError::MissingLeaf { .. } | PackedError::Shelf(_),
        )
        | RecordsError::Shelf(_)
        | RecordsError::Record { .. } => {
            audit.breach("V10", "the records", error.to_string());
        }
        RecordsError::Packed(_) => return Err(VerifyError::Replay(error)),
    }
    Ok(())
}
