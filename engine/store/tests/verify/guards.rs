//! Makes what is kept of idempotency keys, as the running engine does.

use didfarm_core::event::Event;
use didfarm_core::idempotency::{Fingerprint, Guarded, GuardedAnswer, KeyHash, Slot};
use didfarm_core::ids::{AccountId, EndpointId};

use crate::farm::Farm;
use crate::hooks::endpoint;

/// For how long keys are kept, in seconds.
pub const AGE_S: u32 = 259_200;

impl Farm {
    /// The last entry was asked for with a key.
    pub fn guard(&mut self, account: AccountId, key: u128, answer: GuardedAnswer) -> Guarded {
        let last = self.entries.last_mut().unwrap();
        let guarded = Guarded {
            slot: Slot::at(last.at, AGE_S),
            account,
            key: KeyHash(key),
            fingerprint: Fingerprint(key + 1),
            answer,
        };
        let event = Event::Guarded(Box::new(guarded.clone()));
        last.events.push(event);
        guarded
    }

    /// The last entry, which made an endpoint, was asked for with a key.
    pub fn guard_endpoint(&mut self, account: AccountId, key: u128, id: EndpointId) -> Guarded {
        let at = self.entries.last().unwrap().at;
        let made = endpoint(id, account, at);
        self.guard(account, key, GuardedAnswer::Endpoint(Box::new(made)))
    }

    pub fn forget_keys(&mut self, guarded: &[&Guarded]) {
        let old = guarded.iter().map(|guarded| (guarded.slot, guarded.key));
        self.decided(vec![Event::KeysForgotten(old.collect())]);
    }
}
