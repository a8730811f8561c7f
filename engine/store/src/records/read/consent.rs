//! Reading opt-outs: one, and an account's from the newest on.

use std::ops::Bound;

use didfarm_core::ids::{AccountId, ConversationId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashSet;

use super::Take;
use crate::records::keys::{self, MAPS};
use crate::records::round::OptOutRow;
use crate::records::{Records, RecordsError};

impl Records {
    /// The opt-out of a conversation that began at this time.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn opt_out(
        &self,
        account: AccountId,
        since: Timestamp,
        conversation: ConversationId,
    ) -> Result<Option<OptOutRow>, RecordsError> {
        let key = keys::newest_first(account, since, conversation.0);
        self.get(MAPS.opt_outs, "opt-out", &key)
    }

    /// The conversations of which any peer ever opted out.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn opted_out(&self) -> Result<FxHashSet<ConversationId>, RecordsError> {
        let mut conversations = FxHashSet::default();
        self.each(
            MAPS.opt_outs,
            "opt-out",
            Bound::Unbounded,
            |_, row: OptOutRow| {
                conversations.insert(row.conversation);
                Ok(Take::Next)
            },
        )?;
        Ok(conversations)
    }

    /// Walks an account's opt-outs, newest first, behind `after`; those that ended are among them.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_opt_out(
        &self,
        account: AccountId,
        after: Option<(Timestamp, u64)>,
        mut visit: impl FnMut(Timestamp, ConversationId, OptOutRow) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        self.each_newest(MAPS.opt_outs, "opt-out", account, after, |at, id, row| {
            visit(at, ConversationId(id), row)
        })
    }
}
