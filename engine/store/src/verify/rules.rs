//! V18: the auto-reply rules of numbers.

use didfarm_core::ids::NumberId;

use super::audit::Audit;
use super::maps::{hex, name};
use super::owners::Owners;
use crate::records::keys::{self, MAPS};
use crate::records::rules::Joining;

/// Looks at every part of every number's rules, which lie side by side.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    let mut open: Option<(NumberId, Joining)> = None;
    audit.walk_bytes(MAPS.auto_replies, |audit, key, value| {
        let Some((number, part)) = keys::auto_reply_of(key) else {
            let subject = format!("key {}", hex(key));
            let map = name(MAPS.auto_replies);
            return audit.breach(
                "V10",
                subject,
                format!("{map} has a row that is none of its kind"),
            );
        };
        if open.as_ref().is_none_or(|(of, _)| *of != number) {
            close(audit, owners, open.replace((number, Joining::default())));
        }
        let Some((_, rules)) = &mut open else { return };
        if !rules.add(part, value) {
            let sentence =
                format!("part {part} of its auto-reply rules does not follow the others");
            audit.breach("V18", number, sentence);
        }
    });
    // Behind what could not be read, the last parts may be missing.
    if audit.is_whole(MAPS.auto_replies) {
        close(audit, owners, open);
    }
}

fn close(audit: &mut Audit<'_>, owners: &Owners, open: Option<(NumberId, Joining)>) {
    let Some((number, rules)) = open else { return };
    if let Err(error) = rules.rules() {
        audit.breach("V18", number, format!("its auto-reply rules: {error}"));
    }
    if audit.is_whole(MAPS.numbers) && !owners.numbers.contains_key(&number) {
        audit.breach("V18", number, "it has auto-reply rules and does not exist");
    }
}
