//! Reading mails that wait, and those that were given up.

use std::ops::Bound;

use didfarm_core::ids::MailId;
use didfarm_core::mail::WaitingMail;
use didfarm_core::time::Timestamp;

use super::Take;
use crate::records::keys::{self, MAPS};
use crate::records::round::GivenUpMail;
use crate::records::{MAILS_GIVEN_UP_MAX, Records, RecordsError};

impl Records {
    /// The mails that are due at `upto` or before, behind `after`, `limit` at most, by due time and
    /// then by id.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn mails_due(
        &self,
        after: Option<(Timestamp, MailId)>,
        upto: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, WaitingMail)>, RecordsError> {
        let mut mails = Vec::new();
        let from = after.map_or(Bound::Unbounded, |(due, id)| {
            Bound::Excluded(keys::mail(due, id).to_vec())
        });
        self.each(
            MAPS.mails,
            "mail",
            from,
            |key, waiting| match keys::mail_of(key) {
                Some((due, _)) if due <= upto && mails.len() < limit => {
                    mails.push((due, waiting));
                    Ok(Take::Next)
                }
                Some(_) | None => Ok(Take::Stop),
            },
        )?;
        Ok(mails)
    }

    /// Walks the mails that were given up last, newest first, [`MAILS_GIVEN_UP_MAX`] at most;
    /// `Meta::mails_given_up_total` says how many there ever were.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_given_up_mail(
        &self,
        mut visit: impl FnMut(GivenUpMail) -> Take,
    ) -> Result<(), RecordsError> {
        let total = self.meta()?.mails_given_up_total;
        for n in (total.saturating_sub(MAILS_GIVEN_UP_MAX)..total).rev() {
            let key = keys::mail_given_up(n);
            let mail = self.get(MAPS.mails_given_up, "given up mail", &key)?;
            if let Some(Take::Stop) = mail.map(&mut visit) {
                break;
            }
        }
        Ok(())
    }
}
