//! V17: mails that wait, and those that were given up.

use super::audit::Audit;
use super::maps::{MAILS, MAILS_GIVEN_UP, hex};
use super::owners::Owners;
use crate::records::MAILS_GIVEN_UP_MAX;
use crate::records::keys::{self, MAPS};

/// Looks at every mail.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    audit.walk(&MAILS, |audit, key, waiting| {
        audit.report.mails += 1;
        let (id, account) = (waiting.mail.id, waiting.mail.account);
        audit.highest.mail = audit.highest.mail.max(id.get());
        match keys::mail_of(key) {
            Some((_, own)) if own != id => audit.misplaced("mail", key, id),
            Some((due, _)) if due < waiting.queued_at => {
                audit.breach("V17", id, "it is due before it was queued");
            }
            Some(_) => {}
            None => audit.misplaced("mail", key, id),
        }
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&account) {
            audit.breach("V17", id, format!("its account {account} does not exist"));
        }
    });
    audit.walk(&MAILS_GIVEN_UP, |audit, key, mail| {
        audit.report.mails_given_up += 1;
        let id = mail.waiting.mail.id;
        audit.highest.mail = audit.highest.mail.max(id.get());
        let subject = || format!("given up mail {}", hex(key));
        if keys::id_of(key).is_none_or(|place| place >= MAILS_GIVEN_UP_MAX) {
            audit.breach("V17", subject(), "its place is none of the ring");
        }
        if mail.at < mail.waiting.queued_at || mail.waiting.tries == 0 {
            audit.breach("V17", subject(), "it was given up before it was tried");
        }
    });
}
