//! Where an account may send to, and the ranges that are stopped, at the door.

use std::sync::Arc;

use didfarm_core::abuse::country::Countries;
use didfarm_core::abuse::range::RangeKinds;
use didfarm_core::abuse::stop::{ReleasedBy, TrafficRange, TrafficStop};
use didfarm_core::account::{AccountCommand, ListedBy};
use didfarm_core::ids::AccountId;
use didfarm_core::refusal::Refusal;

use super::EngineHandle;
use crate::account::AccountHandle;
use crate::operate::{AccountView, OperateError};

impl EngineHandle {
    /// The countries that are open to an account; `None` for all.
    pub fn destinations_open(&self, account: &AccountHandle) -> Option<Arc<Countries>> {
        let own = account.destinations_open();
        own.or_else(|| self.shared.abuse.open())
    }

    /// Sets the countries that an account wants to send to; `None` for all that are open to it.
    ///
    /// # Errors
    /// [`Refusal::DestinationNotOpen`] for one that is not; see [`OperateError`].
    pub async fn set_destinations(
        &self,
        account: &AccountHandle,
        countries: Option<Countries>,
    ) -> Result<AccountView, OperateError> {
        if let Some(open) = self.destinations_open(account) {
            let mut wanted = countries.iter().flat_map(Countries::iter);
            if let Some(country) = wanted.find(|country| !open.holds(country.as_str())) {
                return Err(Refusal::DestinationNotOpen { country }.into());
            }
        }
        let command = AccountCommand::SetDestinations(ListedBy::Account, countries);
        self.on_account(account.id(), command).await
    }

    /// Sets the countries that are open to an account; `None` for those of the settings.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_destinations_open(
        &self,
        account: AccountId,
        countries: Option<Countries>,
    ) -> Result<AccountView, OperateError> {
        let command = AccountCommand::SetDestinations(ListedBy::Operator, countries);
        self.on_account(account, command).await
    }

    /// Sets the kinds of ranges that are open to an account.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn set_ranges_open(
        &self,
        account: AccountId,
        kinds: RangeKinds,
    ) -> Result<AccountView, OperateError> {
        self.on_account(account, AccountCommand::SetRangesOpen(kinds))
            .await
    }

    /// The ranges that are stopped for an account, the oldest stop first; `None` when there is no account.
    pub fn stops(&self, account: AccountId) -> Option<Vec<TrafficStop>> {
        let account = self.shared.directory.account(account)?;
        let stops = account.stops();
        Some(stops.at(self.shared.now()).copied().collect())
    }

    /// Lets messages to a stopped range go on: when this returns `Ok`, that is durable. For an operator also
    /// those to a range whose limit is used up without a stop, which is a matter of memory alone.
    ///
    /// # Errors
    /// [`Refusal::RangeNotStopped`] and [`Refusal::ReleaseNotAllowed`]; see [`OperateError`].
    pub async fn release_traffic(
        &self,
        account: AccountId,
        by: ReleasedBy,
        range: TrafficRange,
    ) -> Result<(), OperateError> {
        let command = AccountCommand::Release(by, range);
        match self.on_account(account, command).await {
            Ok(_) => Ok(()),
            Err(OperateError::Refused(Refusal::RangeNotStopped { .. }))
                if by == ReleasedBy::Operator && self.release_full(account, range) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn release_full(&self, account: AccountId, range: TrafficRange) -> bool {
        let account = self.shared.directory.account(account);
        let (abuse, now) = (&self.shared.abuse, self.shared.now());
        account.is_some_and(|account| {
            let limits = abuse.limits_of(&account, range);
            account.traffic().release_full(range, &limits, now)
        })
    }
}
