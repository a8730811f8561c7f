//! A pool: numbers of one account that send for each other, so that every peer always sees the same one.
//!
//! Who has a conversation with a number of the pool keeps that number. For everybody else [`choose`] picks one
//! by the peer alone, so that sends at the same time pick the same.

pub mod choice;
pub mod health;

use serde::{Deserialize, Serialize};

pub use self::choice::{Candidate, Choice, Fit, Place, choose};
use crate::ids::{AccountId, NumberId, PoolId};
use crate::refusal::Refusal;

/// Pools that one account may have at once.
pub const POOLS_MAX: usize = 64;
/// Numbers that one pool may have. The first message to a peer is looked for on each of them.
pub const NUMBERS_MAX: usize = 100;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id, which is its account's alone.
    pub id: PoolId,
    /// What people call it.
    pub name: Box<str>,
    /// Its numbers, in the order that they were given.
    pub numbers: Vec<NumberId>,
}

/// The id of an account's next pool; ids do not come again.
///
/// # Errors
/// [`Refusal::TooManyPools`].
pub(crate) fn next_id(account: AccountId, pools: &[Pool], last: u32) -> Result<PoolId, Refusal> {
    match pools.len() < POOLS_MAX && last < PoolId::ORDINAL_MAX {
        true => Ok(PoolId::of(account, last + 1)),
        false => Err(Refusal::TooManyPools { max: POOLS_MAX }),
    }
}

/// Checks the numbers that a pool is to have.
///
/// # Errors
/// [`Refusal::PoolNumbersUnfit`] and [`Refusal::NumberPooled`].
pub(crate) fn check_numbers(
    pools: &[Pool],
    id: PoolId,
    numbers: &[NumberId],
) -> Result<(), Refusal> {
    let is_twice = |(place, number): (usize, &NumberId)| numbers[..place].contains(number);
    if !(1..=NUMBERS_MAX).contains(&numbers.len()) || numbers.iter().enumerate().any(is_twice) {
        return Err(Refusal::PoolNumbersUnfit { max: NUMBERS_MAX });
    }
    for other in pools.iter().filter(|other| other.id != id) {
        if let Some(number) = numbers.iter().find(|number| other.numbers.contains(number)) {
            return Err(Refusal::NumberPooled {
                number: *number,
                pool: other.id,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, AccountCommand};
    use crate::time::Timestamp;

    fn numbers(ids: impl IntoIterator<Item = u32>) -> Vec<NumberId> {
        ids.into_iter().map(NumberId).collect()
    }

    fn carry_out(account: &mut Account, command: AccountCommand) -> Result<(), Refusal> {
        let event = account.decide(command)?;
        account.evolve(&event);
        Ok(())
    }

    fn create(account: &mut Account, ids: impl IntoIterator<Item = u32>) -> Result<(), Refusal> {
        let command = AccountCommand::CreatePool {
            name: "codes".into(),
            numbers: numbers(ids),
        };
        carry_out(account, command)
    }

    #[test]
    fn a_number_is_in_one_pool_and_an_id_comes_once() {
        let mut account = Account::created(AccountId(7), "Acme", None, Timestamp::ZERO);
        create(&mut account, [1, 2]).unwrap();
        let first = account.pools[0].id;
        assert_eq!((first.account(), first.ordinal()), (7, 1));
        let pooled = Refusal::NumberPooled {
            number: NumberId(2),
            pool: first,
        };
        assert_eq!(create(&mut account, [3, 2]), Err(pooled));
        create(&mut account, [3]).unwrap();
        let change = AccountCommand::ChangePool {
            id: first,
            name: None,
            numbers: Some(numbers([2, 4])),
        };
        carry_out(&mut account, change).unwrap();
        assert_eq!(account.pools[0].numbers, numbers([2, 4]));
        assert_eq!(&*account.pools[0].name, "codes");
        let second = account.pools[1].id;
        carry_out(&mut account, AccountCommand::DeletePool(second)).unwrap();
        assert_eq!(
            carry_out(&mut account, AccountCommand::DeletePool(second)),
            Err(Refusal::PoolUnknown { pool: second })
        );
        create(&mut account, [1, 3]).unwrap();
        assert_eq!(account.pools[1].id.ordinal(), 3);
    }

    #[test]
    fn pools_and_their_numbers_are_bounded() {
        let mut account = Account::created(AccountId(1), "Acme", None, Timestamp::ZERO);
        let unfit = Err(Refusal::PoolNumbersUnfit { max: NUMBERS_MAX });
        assert_eq!(create(&mut account, []), unfit);
        assert_eq!(create(&mut account, [1, 1]), unfit);
        assert_eq!(create(&mut account, 1..=NUMBERS_MAX as u32 + 1), unfit);
        for n in 1..=POOLS_MAX as u32 {
            create(&mut account, [n]).unwrap();
        }
        let many = Err(Refusal::TooManyPools { max: POOLS_MAX });
        assert_eq!(create(&mut account, [1_000]), many);
    }
}
