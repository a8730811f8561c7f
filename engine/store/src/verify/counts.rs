//! V10: the stored counts are the counts, and no id in use is still to be given out.

use super::audit::Audit;
use super::maps;
use crate::packed::PackedMap;
use crate::records::keys::MAPS;
use crate::records::{AGED_RECEIPTS_MAX, MAILS_GIVEN_UP_MAX, Meta};

/// Compares the meta row with what was found.
pub(super) fn check(audit: &mut Audit<'_>) {
    let Some(meta) = audit.meta() else { return };
    audit.report.seq = meta.seq;
    check_counts(audit, &meta);
    let next_ids = [
        (
            "account",
            u64::from(meta.account_next),
            audit.highest.account,
        ),
        ("number", u64::from(meta.number_next), audit.highest.number),
        ("extent", meta.extent_next, audit.highest.extent),
        (
            "endpoint",
            u64::from(meta.endpoint_next),
            audit.highest.endpoint,
        ),
        (
            "event",
            meta.event_last.get().saturating_add(1),
            audit.highest.event,
        ),
        ("mail", meta.mail_next, audit.highest.mail),
        ("batch", meta.batch_next, audit.highest.batch),
    ];
    for (kind, next, highest) in next_ids {
        if next <= highest {
            let sentence =
                format!("the next {kind} to be given out is {next}, but {highest} is in use");
            audit.breach("V10", "the meta row", sentence);
        }
    }
}

fn check_counts(audit: &mut Audit<'_>, meta: &Meta) {
    let counts = meta.counts;
    let stored: [(PackedMap, u64); 26] = [
        (MAPS.accounts, counts.accounts),
        (MAPS.numbers, counts.numbers),
        (MAPS.conversations, counts.conversations),
        (MAPS.pairs, counts.pairs),
        (MAPS.inbox, counts.conversations),
        (MAPS.extents, counts.extents),
        (MAPS.messages, counts.messages),
        (MAPS.timeline, counts.messages),
        (MAPS.in_flight, counts.in_flight),
        (MAPS.ledger, counts.ledger),
        (MAPS.owners, counts.owners),
        (MAPS.inbound, counts.inbound),
        (MAPS.parts, counts.parts),
        (MAPS.aged, meta.aged_total.min(AGED_RECEIPTS_MAX)),
        (MAPS.auto_replies, counts.auto_replies),
        (MAPS.endpoints, counts.endpoints),
        (MAPS.events, counts.events),
        (MAPS.pending, counts.pending),
        (MAPS.attempts, counts.attempts),
        (MAPS.mails, counts.mails),
        (MAPS.guarded, counts.guarded),
        (MAPS.opt_outs, counts.opt_outs),
        (MAPS.batches, counts.batches),
        (MAPS.batch_rows, counts.batch_rows),
        (MAPS.pools, counts.pools),
        (
            MAPS.mails_given_up,
            meta.mails_given_up_total.min(MAILS_GIVEN_UP_MAX),
        ),
    ];
    for (map, stored) in stored {
        let found = audit.rows.get(&map.prefix()).copied().unwrap_or(0);
        compare(audit, map, stored, found);
    }
    compare(audit, MAPS.parked, counts.parked, audit.report.parked);
}

fn compare(audit: &mut Audit<'_>, map: PackedMap, stored: u64, found: u64) {
    if audit.is_whole(map) && stored != found {
        let sentence = format!("the meta row counts {stored}, there are {found}");
        audit.breach("V10", maps::name(map), sentence);
    }
}
