//! The guard of one request: its key is its own from the claim until the guard goes.

use std::fmt;
use std::sync::Arc;

use didfarm_core::event::Event;
use didfarm_core::idempotency::{Fingerprint, Guarded, GuardedAnswer, KeyHash};
use didfarm_core::ids::AccountId;
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;

use super::table::KeyTable;

/// How far the request is.
enum Stage {
    /// Nothing of it is in an entry: dropping the guard frees the key.
    Before,
    /// Its entry is being made: dropped now, only the journal knows.
    InEntry(GuardedAnswer),
    /// Its entry was appended.
    Kept,
}

/// A claimed key. Dropping it frees the key, unless its entry was appended.
pub struct Guard {
    table: Arc<KeyTable>,
    account: AccountId,
    key: KeyHash,
    fingerprint: Fingerprint,
    stage: Stage,
}

impl Guard {
    pub(super) fn new(
        table: Arc<KeyTable>,
        account: AccountId,
        key: KeyHash,
        fingerprint: Fingerprint,
    ) -> Guard {
        Guard {
            table,
            account,
            key,
            fingerprint,
            stage: Stage::Before,
        }
    }

    /// What keeps the answer: it belongs in the entry of what is guarded.
    pub(crate) fn event(&mut self, answer: GuardedAnswer, now: Timestamp) -> Event {
        let slot = self.table.place(self.key, now);
        self.stage = Stage::InEntry(answer.clone());
        Event::Guarded(Box::new(Guarded {
            slot,
            account: self.account,
            key: self.key,
            fingerprint: self.fingerprint,
            answer,
        }))
    }

    /// The entry was appended: from when it is durable, the key is answered with what it says.
    pub(crate) fn appended(mut self, seq: Seq, at: Timestamp) {
        if let Stage::InEntry(answer) = std::mem::replace(&mut self.stage, Stage::Kept) {
            self.table.appended(self.key, answer, seq, at);
        }
    }

    /// As [`Guard::appended`], of an entry that is durable.
    pub(crate) fn made_durable(self, at: Timestamp) {
        let seq = self.table.durable();
        self.appended(seq, at);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        match self.stage {
            Stage::Before => self.table.free(self.key),
            Stage::InEntry(_) => self.table.doubt(self.key),
            Stage::Kept => {}
        }
    }
}
