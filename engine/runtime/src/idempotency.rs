//! Idempotency keys at work: a request with one is carried out by one claim, and whoever asks again is told
//! what that came to.
//!
//! A claim is a [`Guard`], which travels with its command. What guards and what is guarded go into one journal
//! entry; a guard that is dropped before frees its key. The [`table`] holds what is under way and what the
//! records may not hold yet, so that what it does not hold can be asked of the records as they are; the
//! [`slots`] say of most new keys that the records need not be asked; [`sweep`] has old keys forgotten.

pub(crate) mod guard;
pub(crate) mod slots;
pub(crate) mod sweep;
pub(crate) mod table;

use didfarm_core::idempotency::{Fingerprint, KeyHash};
pub use didfarm_core::idempotency::{GuardedAnswer, GuardedRoute, IdempotencyKey, KeyError};
use didfarm_core::ids::AccountId;
use sha2::{Digest, Sha256};

pub use self::guard::Guard;
use crate::read::ReadError;

/// What a request with a key is to do.
#[derive(Debug)]
pub enum Claimed {
    /// To be carried out, with this guard.
    Fresh(Box<Guard>),
    /// To be answered as it was the first time.
    Done(GuardedAnswer),
}

/// Why a request with a key is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The key came with another body before.
    #[error("the key was used for a request with another body; a new request needs a new key")]
    Reused,
    /// The request is being carried out; ask again after the wait.
    #[error("the request with this key is being carried out; ask again")]
    InProgress,
    /// What the key was used for cannot be read.
    #[error(transparent)]
    Unread(#[from] ReadError),
}

/// What stands for an account's key on a route.
pub(crate) fn hash_of(account: AccountId, route: GuardedRoute, key: &IdempotencyKey) -> KeyHash {
    let digest = Sha256::new()
        .chain_update(account.0.to_be_bytes())
        .chain_update([route.number()])
        .chain_update(key.as_str());
    KeyHash(half(&digest.finalize()))
}

/// What stands for a body.
pub(crate) fn fingerprint_of(body: &[u8]) -> Fingerprint {
    Fingerprint(half(&Sha256::digest(body)))
}

fn half(digest: &[u8]) -> u128 {
    let half = digest.first_chunk().expect("the digest has 32 bytes");
    u128::from_be_bytes(*half)
}

#[cfg(test)]
mod tests;
