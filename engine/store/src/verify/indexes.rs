//! V7 and V8: the rows of the pair index, the timeline and the inbox, as one side of their tallies.

use super::audit::Audit;
use super::fact::Fact;
use super::maps::{self, INBOX, TIMELINE};
use super::{pairs, sides};
use crate::packed::PackedMap;
use crate::records::keys::MAPS;

/// Notes every row as found.
pub(super) fn check(audit: &mut Audit<'_>) {
    audit.walk_bytes(MAPS.pairs, |audit, key, value| {
        note(audit, MAPS.pairs, key, sides::of_pair_row(key, value));
    });
    audit.walk(&TIMELINE, |audit, key, row| {
        note(audit, MAPS.timeline, key, sides::of_timeline_row(key, &row));
    });
    audit.walk(&INBOX, |audit, key, row| {
        note(audit, MAPS.inbox, key, sides::of_inbox_row(key, &row));
    });
}

fn note(audit: &mut Audit<'_>, map: PackedMap, key: &[u8], row: Option<Fact>) {
    match row {
        Some(fact) if pairs::may_be_forgotten(audit, &fact) => {}
        Some(fact) => audit.tallies[fact.index() as usize].found(&fact),
        None => {
            let subject = format!("key {}", maps::hex(key));
            audit.breach(
                "V10",
                subject,
                format!("{} has a row that is none of its kind", maps::name(map)),
            );
        }
    }
}
