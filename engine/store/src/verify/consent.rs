//! V21: opt-outs, and what their conversations say of them.

use didfarm_core::conversation::Conversation;

use super::audit::{Audit, Found};
use super::maps::{self, CONVERSATIONS, OPT_OUTS};
use crate::records::keys::{self, MAPS};
use crate::records::round::OptOutRow;

/// Looks at every opt-out. `said` is how many conversations say that one holds.
pub(super) fn check(audit: &mut Audit<'_>, said: u64) {
    let mut held = 0;
    audit.walk(&OPT_OUTS, |audit, key, row| {
        audit.report.opt_outs += 1;
        held += u64::from(row.ended.is_none());
        let id = row.conversation;
        if keys::newest_first(row.account, row.since, id.0)[..] != *key {
            return audit.misplaced("opt-out", key, id);
        }
        match audit.get(&CONVERSATIONS, &keys::id(id.0)) {
            Found::Record(conversation) => check_row(audit, &row, &conversation),
            Found::Missing if audit.is_whole(MAPS.conversations) => {
                audit.breach("V21", id, "it has an opt-out and does not exist");
            }
            // The walk over the conversations names it.
            Found::Missing | Found::Unreadable => {}
        }
    });
    let are_whole = audit.is_whole(MAPS.opt_outs) && audit.is_whole(MAPS.conversations);
    if are_whole && held != said {
        let sentence = format!("{held} hold, and {said} conversations say that one does");
        audit.breach("V21", maps::name(MAPS.opt_outs), sentence);
    }
}

fn check_row(audit: &mut Audit<'_>, row: &OptOutRow, conversation: &Conversation) {
    let id = row.conversation;
    if (row.account, row.number) != (conversation.account, conversation.number) {
        audit.breach("V21", id, "its opt-out is of another account or number");
    }
    let own = conversation.opt_out();
    let own = own.filter(|opt_out| opt_out.since == row.since);
    let sentence = match (own, &row.ended) {
        (Some(own), None) if own.cause != row.said.cause => {
            "its opt-out is kept with another cause"
        }
        (Some(_), Some(_)) => "the opt-out that holds is kept as one that ended",
        (None, None) => "an opt-out that is kept as one that holds is not its own",
        (Some(_), None) | (None, Some(_)) => return,
    };
    audit.breach("V21", id, sentence);
}
