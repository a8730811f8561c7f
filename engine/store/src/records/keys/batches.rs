//! Keys of batches and of their rows.

use didfarm_core::ids::{AccountId, BatchId};

use super::join;

/// The key of a batch: an account's newest first.
pub fn batch(account: AccountId, batch: BatchId) -> [u8; 12] {
    join(&account.0.to_be_bytes(), &(!batch.0).to_be_bytes())
}

/// Account and batch back from [`batch`].
pub fn batch_of(key: &[u8]) -> Option<(AccountId, BatchId)> {
    let key: &[u8; 12] = key.try_into().ok()?;
    let (account, batch) = key.split_first_chunk()?;
    let batch = !u64::from_be_bytes(batch.try_into().ok()?);
    Some((AccountId(u32::from_be_bytes(*account)), BatchId(batch)))
}

/// The key of a row of a batch: by its index.
pub fn batch_row(account: AccountId, batch: BatchId, index: u64) -> [u8; 20] {
    let row: [u8; 16] = join(&batch.0.to_be_bytes(), &index.to_be_bytes());
    join(&account.0.to_be_bytes(), &row)
}

/// Account, batch and index back from [`batch_row`].
pub fn batch_row_of(key: &[u8]) -> Option<(AccountId, BatchId, u64)> {
    let key: &[u8; 20] = key.try_into().ok()?;
    let (account, rest) = key.split_first_chunk()?;
    let (batch, index) = rest.split_first_chunk()?;
    Some((
        AccountId(u32::from_be_bytes(*account)),
        BatchId(u64::from_be_bytes(*batch)),
        u64::from_be_bytes(index.try_into().ok()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_the_newest_batch_comes_first() {
        let (account, old, new) = (AccountId(7), BatchId(1), BatchId(2));
        assert!(batch(account, new) < batch(account, old));
        assert_eq!(batch_of(&batch(account, old)), Some((account, old)));
        let row = batch_row(account, old, 300);
        assert_eq!(batch_row_of(&row), Some((account, old, 300)));
        assert!(row < batch_row(account, old, 301) && row < batch_row(account, new, 0));
    }
}
