//! Keys of what is kept of idempotency keys: slot by slot, so that the oldest lie first.

use didfarm_core::idempotency::{KeyHash, Slot};

use super::join;

/// The key of what was answered under an idempotency key.
pub fn guarded(slot: Slot, key: KeyHash) -> [u8; 20] {
    join(&slot.0.to_be_bytes(), &key.0.to_be_bytes())
}

/// Slot and idempotency key back from [`guarded`].
pub fn guarded_of(key: &[u8]) -> Option<(Slot, KeyHash)> {
    let (slot, rest) = key.split_first_chunk()?;
    let hash = rest.try_into().ok()?;
    Some((
        Slot(u32::from_be_bytes(*slot)),
        KeyHash(u128::from_be_bytes(hash)),
    ))
}
