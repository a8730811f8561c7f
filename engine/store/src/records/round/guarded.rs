//! Idempotency keys of a round: those that were used, and those that are forgotten.

use didfarm_core::idempotency::{Fingerprint, Guarded, GuardedAnswer, KeyHash, Slot};
use didfarm_core::ids::AccountId;
use didfarm_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{At, Round};
use crate::records::keys;

/// What was answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedRow {
    /// Whose key it is.
    pub account: AccountId,
    /// When it was carried out.
    pub at: Timestamp,
    /// The body that the key came with.
    pub fingerprint: Fingerprint,
    /// What was answered.
    pub answer: GuardedAnswer,
}

impl Round<'_> {
    pub(super) fn guard(&mut self, at: At, guarded: &Guarded) {
        let row = GuardedRow {
            account: guarded.account,
            at: at.time,
            fingerprint: guarded.fingerprint,
            answer: guarded.answer.clone(),
        };
        let key = keys::guarded(guarded.slot, guarded.key);
        self.guarded.put(key, row);
    }

    /// Forgets keys; one that is not there was forgotten before.
    pub(super) fn forget_keys(&mut self, old: &[(Slot, KeyHash)]) {
        for (slot, key) in old {
            self.guarded.remove(keys::guarded(*slot, *key));
        }
    }
}
