//! What every thread shares of an account: the wallet's balance and the limiter.
//!
//! Both are shared handles rather than questions to the account's actor, because a question across
//! threads costs more than the whole send. Their facts are journalled with the message that they are
//! about; the actor owns everything else.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use didfarm_core::account::{Account, RateLimit};
use didfarm_core::ids::AccountId;
use didfarm_core::money::Micros;
use didfarm_core::refusal::Refusal;

use crate::clock::Clock;
use crate::limiter::Limiter;
use crate::send::LimitState;

/// The shared part of one account.
pub struct AccountHandle {
    id: AccountId,
    /// What may be spent: the durable balance less the reservations that are not durable yet.
    available: AtomicI64,
    limiter: RwLock<Limiter>,
}

impl AccountHandle {
    pub(crate) fn new(account: &Account, limit: RateLimit, clock: Arc<dyn Clock>) -> AccountHandle {
        AccountHandle {
            id: account.id,
            available: AtomicI64::new(account.balance.as_micros()),
            limiter: RwLock::new(Limiter::new(limit, clock)),
        }
    }

    /// Its id.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// What may be spent now.
    pub fn balance(&self) -> Micros {
        Micros::new(self.available.load(Ordering::Acquire))
    }

    /// The limit in force.
    pub fn limit(&self) -> RateLimit {
        self.limiter
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .limit()
    }

    pub(crate) fn take(&self) -> Result<LimitState, Duration> {
        self.limiter
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(crate) fn set_limit(&self, limit: RateLimit, clock: Arc<dyn Clock>) {
        *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = Limiter::new(limit, clock);
    }

    /// Adds money whose event is durable.
    pub(crate) fn credit(&self, amount: Micros) {
        self.available
            .fetch_add(amount.as_micros(), Ordering::AcqRel);
    }

    /// Sets a charge aside. Given back when dropped, unless it is kept.
    pub(crate) fn reserve(self: &Arc<Self>, charge: Micros) -> Result<Reservation, Refusal> {
        let mut available = self.available.load(Ordering::Acquire);
        loop {
            let left = Account::decide_charge(Micros::new(available), charge)?.as_micros();
            match self.available.compare_exchange_weak(
                available,
                left,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    return Ok(Reservation {
                        account: Arc::clone(self),
                        charge,
                    });
                }
                Err(now) => available = now,
            }
        }
    }
}

/// Money that is set aside for a message.
pub(crate) struct Reservation {
    account: Arc<AccountHandle>,
    charge: Micros,
}

impl Reservation {
    /// The message's event is in the journal: the money is spent.
    pub(crate) fn keep(mut self) {
        self.charge = Micros::ZERO;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.credit(self.charge);
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::time::Timestamp;

    use super::*;
    use crate::clock::SystemClock;

    fn handle(balance: i64) -> Arc<AccountHandle> {
        let mut account = Account::created(AccountId(1), "Acme", None, Timestamp::ZERO);
        account.balance = Micros::new(balance);
        Arc::new(AccountHandle::new(
            &account,
            RateLimit::DEFAULT,
            Arc::new(SystemClock::default()),
        ))
    }

    #[test]
    fn exactly_as_many_as_are_affordable_are_reserved_in_parallel() {
        let account = handle(1_000 * 8_000 + 7_999);
        let reserved = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let tries = (0..500).map(|_| account.reserve(Micros::new(8_000)));
                        tries.filter_map(Result::ok).map(Reservation::keep).count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(reserved, 1_000);
        assert_eq!(account.balance(), Micros::new(7_999));
    }

    #[test]
    fn a_reservation_that_is_not_kept_comes_back() {
        let account = handle(8_000);
        drop(account.reserve(Micros::new(8_000)).unwrap());
        assert_eq!(account.balance(), Micros::new(8_000));
    }
}
