//! An account: its keys, its limit, its wallet.
//!
//! The wallet is a balance in [`Micros`] that only events move: a top-up, the charge of an accepted
//! message, a refund. Each is one ledger entry, and the balance is their sum.

use serde::{Deserialize, Serialize};

use crate::abuse::country::Countries;
use crate::abuse::range::RangeKinds;
use crate::abuse::stop::{ReleasedBy, Stops, TrafficRange, TrafficStop};
use crate::ids::{AccountId, MessageId, NumberId, PoolId};
use crate::mail::ADDRESS_BYTES_MAX;
use crate::money::Micros;
use crate::pool::{self, Pool};
use crate::quiet::QuietHours;
use crate::refusal::Refusal;
use crate::spending::Spending;
use crate::time::Timestamp;

/// Keys that one account may have.
pub const KEYS_MAX: usize = 64;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Largest balance: a billion euro.
pub const BALANCE_MAX: Micros = Micros::new(1_000_000_000_000_000);

/// How many messages an account may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Messages that come back each second.
    pub per_second: u32,
    /// Messages that may go at once.
    pub burst: u32,
}

impl RateLimit {
    /// The product's default: 10 messages a second.
    pub const DEFAULT: RateLimit = RateLimit {
        per_second: 10,
        burst: 10,
    };
}

/// An API key as it is stored: never the secret, only its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The public part, by which the key is found.
    pub id: Box<str>,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}

/// Whose list of countries it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedBy {
    /// The account's own, within what operators opened to it.
    #[serde(rename = "a")]
    Account,
    /// The operators': what is open to the account.
    #[serde(rename = "o")]
    Operator,
}

/// The state of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: Box<str>,
    /// Its own limit; `None` follows the settings' default.
    pub rate_limit: Option<RateLimit>,
    /// Its keys.
    pub keys: Vec<ApiKey>,
    /// Where its notices are mailed to.
    pub email: Option<Box<str>>,
    /// Below which the wallet counts as low; `None` follows the settings' default.
    pub low_balance: Option<Micros>,
    /// When nothing is sent, in the recipient's time.
    pub quiet_hours: Option<QuietHours>,
    /// What it may spend on messages a day; `None` follows the settings' default.
    pub spend_cap: Option<Micros>,
    /// The countries that it wants to send to; `None` for all that are open to it.
    pub destinations: Option<Countries>,
    /// The countries that are open to it; `None` follows the settings' default.
    pub destinations_open: Option<Countries>,
    /// The kinds of ranges that are open to it.
    pub ranges_open: RangeKinds,
    /// The ranges that it sends no more to.
    pub stops: Stops,
    /// Its pools of numbers, by id. They have rows of their own.
    #[serde(skip)]
    pub pools: Vec<Pool>,
    /// The count of the last pool that it ever had.
    pub pool_last: u32,
    /// The sum of its ledger, never below zero.
    pub balance: Micros,
    /// What it spent on messages on the last day that it sent any.
    pub spending: Spending,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What an operator asks of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCommand {
    /// Lets a key in.
    AddKey(ApiKey),
    /// Adds money to the wallet.
    TopUp(Micros),
    /// Sets the account's own limit.
    SetRateLimit(RateLimit),
    /// Sets where its notices are mailed to; `None` for nowhere.
    SetEmail(Option<Box<str>>),
    /// Sets below which the wallet counts as low; `None` follows the settings' default.
    SetLowBalance(Option<Micros>),
    /// Sets when nothing is sent, in the recipient's time; `None` for never.
    SetQuietHours(Option<QuietHours>),
    /// Sets what it may spend on messages a day; `None` follows the settings' default.
    SetSpendCap(Option<Micros>),
    /// Sets the countries that may be sent to; `None` takes the list away.
    SetDestinations(ListedBy, Option<Countries>),
    /// Sets the kinds of ranges that are open to it.
    SetRangesOpen(RangeKinds),
    /// Lets messages to a stopped range go on.
    Release(ReleasedBy, TrafficRange),
    /// Makes a pool of numbers that are known to be the account's.
    CreatePool {
        /// What people call it.
        name: Box<str>,
        /// Its numbers.
        numbers: Vec<NumberId>,
    },
    /// Changes a pool; `None` leaves as it is.
    ChangePool {
        /// Which.
        id: PoolId,
        /// What people call it.
        name: Option<Box<str>>,
        /// Its numbers, known to be the account's.
        numbers: Option<Vec<NumberId>>,
    },
    /// Takes a pool away; its numbers stay the account's.
    DeletePool(PoolId),
}

/// What happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// It was made.
    #[serde(rename = "c")]
    Created {
        /// What people call it.
        name: Box<str>,
        /// Its own limit, if any.
        rate_limit: Option<RateLimit>,
    },
    /// A key was let in.
    #[serde(rename = "k")]
    KeyAdded(ApiKey),
    /// Money was added.
    #[serde(rename = "t")]
    ToppedUp(Micros),
    /// The limit was set.
    #[serde(rename = "l")]
    RateLimitSet(RateLimit),
    /// Where notices are mailed to was set.
    #[serde(rename = "m")]
    EmailSet(Option<Box<str>>),
    /// Below which the wallet counts as low was set.
    #[serde(rename = "b")]
    LowBalanceSet(Option<Micros>),
    /// When nothing is sent was set.
    #[serde(rename = "q")]
    QuietHoursSet(Option<QuietHours>),
    /// What it may spend on messages a day was set.
    #[serde(rename = "s")]
    SpendCapSet(Option<Micros>),
    /// The countries that may be sent to were set.
    #[serde(rename = "o")]
    DestinationsSet(ListedBy, Option<Countries>),
    /// The kinds of ranges that are open to it were set.
    #[serde(rename = "g")]
    RangesOpenSet(RangeKinds),
    /// A range was stopped.
    #[serde(rename = "x")]
    TrafficStopped(TrafficStop),
    /// A stop ended before its time.
    #[serde(rename = "y")]
    TrafficReleased {
        /// The range.
        range: TrafficRange,
        /// Since when it was stopped.
        since: Timestamp,
        /// Who released it.
        #[serde(default)]
        by: ReleasedBy,
    },
    /// A pool was made or changed: as it is now.
    #[serde(rename = "p")]
    PoolSet(Box<Pool>),
    /// A pool was taken away.
    #[serde(rename = "e")]
    PoolRemoved(PoolId),
    /// An accepted message was charged.
    #[serde(rename = "d")]
    Charged {
        /// The message.
        message: MessageId,
        /// Its price.
        amount: Micros,
    },
    /// A message that no carrier took was given back.
    #[serde(rename = "r")]
    Refunded {
        /// The message.
        message: MessageId,
        /// Its price.
        amount: Micros,
    },
}

impl AccountEvent {
    /// What the event adds to the balance: its ledger amount, `None` when it moves no money.
    pub fn amount(&self) -> Option<Micros> {
        match self {
            AccountEvent::ToppedUp(amount) | AccountEvent::Refunded { amount, .. } => Some(*amount),
            AccountEvent::Charged { amount, .. } => Micros::ZERO.checked_sub(*amount),
            AccountEvent::Created { .. }
            | AccountEvent::KeyAdded(_)
            | AccountEvent::RateLimitSet(_)
            | AccountEvent::EmailSet(_)
            | AccountEvent::LowBalanceSet(_)
            | AccountEvent::QuietHoursSet(_)
            | AccountEvent::SpendCapSet(_)
            | AccountEvent::DestinationsSet(..)
            | AccountEvent::RangesOpenSet(_)
            | AccountEvent::TrafficStopped(_)
            | AccountEvent::TrafficReleased { .. }
            | AccountEvent::PoolSet(_)
            | AccountEvent::PoolRemoved(_) => None,
        }
    }
}

impl Account {
    /// Decides to make an account.
    ///
    /// # Errors
    /// A name that is empty or too long, a limit of nothing.
    pub fn decide_create(
        name: &str,
        rate_limit: Option<RateLimit>,
    ) -> Result<AccountEvent, Refusal> {
        check_name(name)?;
        if let Some(limit) = rate_limit {
            check_limit(limit)?;
        }
        Ok(AccountEvent::Created {
            name: name.into(),
            rate_limit,
        })
    }

    /// The account that a [`AccountEvent::Created`] makes.
    pub fn created(
        id: AccountId,
        name: &str,
        rate_limit: Option<RateLimit>,
        at: Timestamp,
    ) -> Account {
        Account {
            id,
            name: name.into(),
            rate_limit,
            keys: Vec::new(),
            email: None,
            low_balance: None,
            quiet_hours: None,
            spend_cap: None,
            destinations: None,
            destinations_open: None,
            ranges_open: RangeKinds::default(),
            stops: Stops::default(),
            pools: Vec::new(),
            pool_last: 0,
            balance: Micros::ZERO,
            spending: Spending::default(),
            created_at: at,
        }
    }

    /// Decides an operator's command.
    ///
    /// # Errors
    /// The rule that the command breaks.
    pub fn decide(&self, command: AccountCommand) -> Result<AccountEvent, Refusal> {
        match command {
            AccountCommand::AddKey(_) if self.keys.len() >= KEYS_MAX => {
                Err(Refusal::TooManyKeys { max: KEYS_MAX })
            }
            AccountCommand::AddKey(key) => Ok(AccountEvent::KeyAdded(key)),
            AccountCommand::TopUp(amount) => {
                let after = self
                    .balance
                    .checked_add(amount)
                    .filter(|after| *after <= BALANCE_MAX);
                match after {
                    Some(_) if amount > Micros::ZERO => Ok(AccountEvent::ToppedUp(amount)),
                    Some(_) | None => Err(Refusal::AmountOutOfRange { max: BALANCE_MAX }),
                }
            }
            AccountCommand::SetRateLimit(limit) => {
                check_limit(limit)?;
                Ok(AccountEvent::RateLimitSet(limit))
            }
            AccountCommand::SetEmail(email) => {
                let fits = email
                    .as_ref()
                    .is_none_or(|email| email.len() <= ADDRESS_BYTES_MAX);
                fits.then_some(AccountEvent::EmailSet(email))
                    .ok_or(Refusal::AddressUnfit)
            }
            AccountCommand::SetLowBalance(threshold) => {
                let fits = threshold
                    .is_none_or(|threshold| (Micros::ZERO..=BALANCE_MAX).contains(&threshold));
                fits.then_some(AccountEvent::LowBalanceSet(threshold))
                    .ok_or(Refusal::AmountOutOfRange { max: BALANCE_MAX })
            }
            AccountCommand::SetQuietHours(hours) => Ok(AccountEvent::QuietHoursSet(hours)),
            AccountCommand::SetSpendCap(cap) => {
                let fits = cap.is_none_or(|cap| (Micros::ZERO..=BALANCE_MAX).contains(&cap));
                fits.then_some(AccountEvent::SpendCapSet(cap))
                    .ok_or(Refusal::AmountOutOfRange { max: BALANCE_MAX })
            }
            AccountCommand::SetDestinations(by, countries) => {
                Ok(AccountEvent::DestinationsSet(by, countries))
            }
            AccountCommand::SetRangesOpen(kinds) => Ok(AccountEvent::RangesOpenSet(kinds)),
            AccountCommand::Release(by, range) => match self.stops.of(range) {
                Some(stop) if !stop.is_released_by(by) => Err(Refusal::ReleaseNotAllowed { range }),
                Some(stop) => Ok(AccountEvent::TrafficReleased {
                    range,
                    since: stop.since,
                    by,
                }),
                None => Err(Refusal::RangeNotStopped { range }),
            },
            AccountCommand::CreatePool { name, numbers } => {
                check_name(&name)?;
                let id = pool::next_id(self.id, &self.pools, self.pool_last)?;
                pool::check_numbers(&self.pools, id, &numbers)?;
                let made = Pool { id, name, numbers };
                Ok(AccountEvent::PoolSet(Box::new(made)))
            }
            AccountCommand::ChangePool { id, name, numbers } => {
                let mut changed = self.pool(id)?.clone();
                if let Some(name) = name {
                    check_name(&name)?;
                    changed.name = name;
                }
                if let Some(numbers) = numbers {
                    pool::check_numbers(&self.pools, id, &numbers)?;
                    changed.numbers = numbers;
                }
                Ok(AccountEvent::PoolSet(Box::new(changed)))
            }
            AccountCommand::DeletePool(id) => {
                self.pool(id).map(|pool| AccountEvent::PoolRemoved(pool.id))
            }
        }
    }

    fn pool(&self, id: PoolId) -> Result<&Pool, Refusal> {
        let found = self.pools.iter().find(|pool| pool.id == id);
        found.ok_or(Refusal::PoolUnknown { pool: id })
    }

    /// Decides whether a balance pays for a charge: what is left, never below zero.
    ///
    /// # Errors
    /// [`Refusal::InsufficientBalance`].
    pub fn decide_charge(available: Micros, needed: Micros) -> Result<Micros, Refusal> {
        match available.checked_sub(needed) {
            Some(left) if left >= Micros::ZERO => Ok(left),
            Some(_) | None => Err(Refusal::InsufficientBalance { needed, available }),
        }
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Created { name, rate_limit } => {
                self.name = name.clone();
                self.rate_limit = *rate_limit;
            }
            AccountEvent::KeyAdded(key) => self.keys.push(key.clone()),
            AccountEvent::RateLimitSet(limit) => self.rate_limit = Some(*limit),
            AccountEvent::EmailSet(email) => self.email = email.clone(),
            AccountEvent::LowBalanceSet(threshold) => self.low_balance = *threshold,
            AccountEvent::QuietHoursSet(hours) => self.quiet_hours = *hours,
            AccountEvent::SpendCapSet(cap) => self.spend_cap = *cap,
            AccountEvent::DestinationsSet(ListedBy::Account, countries) => {
                self.destinations = countries.clone();
            }
            AccountEvent::DestinationsSet(ListedBy::Operator, countries) => {
                self.destinations_open = countries.clone();
            }
            AccountEvent::RangesOpenSet(kinds) => self.ranges_open = *kinds,
            AccountEvent::TrafficStopped(stop) => self.stops.add(*stop),
            AccountEvent::TrafficReleased { range, since, .. } => {
                self.stops.release(*range, *since);
            }
            AccountEvent::PoolSet(set) => {
                self.pool_last = self.pool_last.max(set.id.ordinal());
                match self.pools.binary_search_by_key(&set.id, |pool| pool.id) {
                    Ok(place) => self.pools[place] = (**set).clone(),
                    Err(place) => self.pools.insert(place, (**set).clone()),
                }
            }
            AccountEvent::PoolRemoved(id) => self.pools.retain(|pool| pool.id != *id),
            AccountEvent::ToppedUp(_)
            | AccountEvent::Charged { .. }
            | AccountEvent::Refunded { .. } => {}
        }
        if let Some(amount) = event.amount() {
            self.add(amount);
        }
    }

    /// Adds to the balance, or takes from it, what was decided to be in range.
    pub fn add(&mut self, amount: Micros) {
        self.balance = self
            .balance
            .checked_add(amount)
            .expect("decide keeps the balance in range");
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let unfit = name.trim().is_empty() || name.chars().any(char::is_control);
    if unfit || name.chars().count() > NAME_CHARS_MAX {
        return Err(Refusal::NameOutOfRange {
            chars_max: NAME_CHARS_MAX,
        });
    }
    Ok(())
}

fn check_limit(limit: RateLimit) -> Result<(), Refusal> {
    if limit.per_second == 0 || limit.burst == 0 {
        return Err(Refusal::LimitOutOfRange);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(balance: i64) -> Account {
        let mut account = Account::created(AccountId(1), "Acme", None, Timestamp::ZERO);
        account.balance = Micros::new(balance);
        account
    }

    #[test]
    fn the_balance_is_the_sum_of_what_moved_it() {
        let mut account = account(0);
        let message = MessageId(65_537);
        let price = Micros::new(8_000);
        for event in [
            AccountEvent::ToppedUp(Micros::new(10_000)),
            AccountEvent::Charged {
                message,
                amount: price,
            },
            AccountEvent::Refunded {
                message,
                amount: price,
            },
            AccountEvent::Charged {
                message,
                amount: price,
            },
        ] {
            account.evolve(&event);
        }
        assert_eq!(account.balance, Micros::new(2_000));
    }

    #[test]
    fn a_charge_is_decided_to_the_last_millionth() {
        let price = Micros::new(8_000);
        assert_eq!(Account::decide_charge(price, price), Ok(Micros::ZERO));
        let short = Micros::new(7_999);
        assert_eq!(
            Account::decide_charge(short, price),
            Err(Refusal::InsufficientBalance {
                needed: price,
                available: short
            })
        );
    }

    #[test]
    fn a_top_up_is_positive_and_bounded() {
        let account = account(1);
        for amount in [0, -1, BALANCE_MAX.as_micros(), i64::MAX] {
            let refused = account.decide(AccountCommand::TopUp(Micros::new(amount)));
            assert_eq!(
                refused,
                Err(Refusal::AmountOutOfRange { max: BALANCE_MAX }),
                "{amount}"
            );
        }
        assert!(
            account
                .decide(AccountCommand::TopUp(Micros::new(1)))
                .is_ok()
        );
    }

    #[test]
    fn an_account_has_a_bounded_number_of_keys() {
        let mut account = account(0);
        let key = ApiKey {
            id: "k".into(),
            hash: [0; 32],
        };
        for _ in 0..KEYS_MAX {
            let event = account.decide(AccountCommand::AddKey(key.clone())).unwrap();
            account.evolve(&event);
        }
        assert_eq!(
            account.decide(AccountCommand::AddKey(key)),
            Err(Refusal::TooManyKeys { max: KEYS_MAX })
        );
    }

    #[test]
    fn a_limit_of_nothing_and_a_blank_name_are_refused() {
        let none = RateLimit {
            per_second: 0,
            burst: 1,
        };
        assert_eq!(
            Account::decide_create("Acme", Some(none)),
            Err(Refusal::LimitOutOfRange)
        );
        assert!(Account::decide_create("  ", None).is_err());
        assert!(
            account(0)
                .decide(AccountCommand::SetRateLimit(RateLimit {
                    per_second: 1,
                    burst: 0
                }))
                .is_err()
        );
    }
}
