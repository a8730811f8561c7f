//! Mails of a round: those that wait, and those that were given up.

use didfarm_core::mail::{AfterTry, Mail, MailKind, MailTry, WaitingMail};

use super::{At, GivenUpMail, Round, grow};
use crate::records::keys::{self, MAPS};
use crate::records::working::Working;
use crate::records::{Counts, RecordsError};
use crate::shelf::{Shelf, ShelfBatch};

/// Bytes that are kept of what a server said of a mail.
const WHY_BYTES_MAX: usize = 1_024;

/// The touched mails.
pub(super) struct Mails {
    waiting: Working<[u8; 16], WaitingMail>,
    given_up: Working<[u8; 8], GivenUpMail>,
}

impl Mails {
    pub(super) fn new() -> Mails {
        Mails {
            waiting: Working::new(MAPS.mails, "mail"),
            given_up: Working::new(MAPS.mails_given_up, "given up mail"),
        }
    }

    pub(super) fn commit(
        self,
        shelf: &dyn Shelf,
        counts: &mut Counts,
        out: &mut ShelfBatch,
    ) -> Result<(), RecordsError> {
        grow(&mut counts.mails, self.waiting.commit(shelf, out)?);
        self.given_up.commit(shelf, out)?;
        Ok(())
    }
}

impl Round<'_> {
    /// Puts a mail in line, due at once. One about exhausted events is noted with its endpoint.
    pub(super) fn mail_queued(&mut self, at: At, mail: &Mail) -> Result<(), RecordsError> {
        if let MailKind::Exhausted { endpoint, .. } = &mail.kind {
            let key = keys::id(endpoint.get());
            let record = self.webhooks.endpoints.get(self.shelf, key)?;
            if let Some(found) = record {
                found.endpoint.mailed_at = Some(at.time);
            }
        }
        let waiting = WaitingMail {
            mail: mail.clone(),
            queued_at: at.time,
            tries: 0,
            why: None,
        };
        self.mails
            .waiting
            .put(keys::mail(at.time, mail.id), waiting);
        self.meta.mail_next = self.meta.mail_next.max(mail.id.0 + 1);
        Ok(())
    }

    /// Moves a mail that was tried. One that does not wait there was moved before: by a try that a
    /// restarted supervisor made again.
    pub(super) fn mail_tried(&mut self, at: At, tried: &MailTry) -> Result<(), RecordsError> {
        let key = keys::mail(tried.due, tried.mail);
        let Some(mut waiting) = self.mails.waiting.get(self.shelf, key)?.take() else {
            return Ok(());
        };
        waiting.tries = waiting.tries.saturating_add(1);
        match &tried.next {
            AfterTry::Sent => {}
            AfterTry::Later { due, why } => {
                waiting.why = Some(kept_of(why));
                self.mails
                    .waiting
                    .put(keys::mail(*due, tried.mail), waiting);
            }
            AfterTry::GivenUp { why } => {
                waiting.why = Some(kept_of(why));
                let given_up = GivenUpMail {
                    waiting,
                    at: at.time,
                };
                let key = keys::mail_given_up(self.meta.mails_given_up_total);
                self.mails.given_up.put(key, given_up);
                self.meta.mails_given_up_total += 1;
            }
        }
        Ok(())
    }
}

fn kept_of(why: &str) -> Box<str> {
    why[..why.floor_char_boundary(WHY_BYTES_MAX)].into()
}
