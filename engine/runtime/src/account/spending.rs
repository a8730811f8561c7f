//! What an account spends on messages today, counted by every thread that charges.

use std::sync::{Mutex, PoisonError};

use didfarm_core::account::Account;
use didfarm_core::money::Micros;
use didfarm_core::refusal::Refusal;
use didfarm_core::spending::Spending;
use didfarm_core::time::Timestamp;

/// The day's spending and its cap. A lock, for day and amount change together; it is held for a few
/// additions.
#[derive(Debug)]
pub(super) struct DailySpending {
    default: Option<Micros>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    spending: Spending,
    cap: Option<Micros>,
}

impl DailySpending {
    pub(super) fn new(account: &Account, default: Option<Micros>) -> DailySpending {
        let state = State {
            spending: account.spending,
            cap: account.spend_cap.or(default),
        };
        DailySpending {
            default,
            state: Mutex::new(state),
        }
    }

    pub(super) fn cap(&self) -> Option<Micros> {
        self.with(|state| state.cap)
    }

    pub(super) fn set_cap(&self, cap: Option<Micros>) {
        self.with(|state| state.cap = cap.or(self.default));
    }

    pub(super) fn at(&self, now: Timestamp) -> Spending {
        self.with(|state| state.spending.at(now))
    }

    /// Counts a charge, if the cap lets it pass.
    pub(super) fn spend(&self, charge: Micros, now: Timestamp) -> Result<(), Refusal> {
        self.with(|state| {
            state.spending = state.spending.decide(charge, state.cap, now)?;
            Ok(())
        })
    }

    /// Takes a charge back that came to nothing, as long as its day goes on.
    pub(super) fn unspend(&self, charge: Micros, at: Timestamp) {
        self.with(|state| state.spending = state.spending.without(charge, at));
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
