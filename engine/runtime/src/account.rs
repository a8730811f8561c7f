//! What every thread shares of an account: the wallet's balance, the limiter, and who is told of what.
//!
//! They are shared handles rather than questions to the account's actor, because a question across
//! threads costs more than the whole send. Their facts are journalled with the message that they are
//! about; the actor owns everything else.

mod line;
pub(crate) mod pools;
mod reach;
mod spending;
pub(crate) mod traffic;
mod used;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use didfarm_config::Settings;
use didfarm_core::abuse::country::Countries;
use didfarm_core::abuse::range::RangeKinds;
use didfarm_core::abuse::stop::{ReleasedBy, Stops, TrafficRange, TrafficStop};
use didfarm_core::account::{Account, ListedBy, RateLimit};
use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::quiet::QuietHours;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::{EventType, Target, Targets};

pub(crate) use self::line::Place;
use self::pools::Pools;
use self::reach::Reach;
use self::spending::DailySpending;
use self::traffic::Traffic;
pub(crate) use self::used::UsedBySecond;
use crate::clock::Clock;
use crate::limiter::Limiter;
use crate::offers::{Subscription, Subscriptions};
use crate::send::LimitState;

/// What accounts follow that have no setting of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountDefaults {
    pub(crate) limit: RateLimit,
    pub(crate) low_balance: Micros,
    pub(crate) spend_cap: Option<Micros>,
    /// The percentage of the limit that what is sent one by one has while others wait in line.
    pub(crate) reply_share_percent: u32,
}

impl AccountDefaults {
    pub(crate) fn of(settings: &Settings) -> AccountDefaults {
        let low_balance = i64::try_from(settings.price.low_balance_micros).unwrap_or(i64::MAX);
        AccountDefaults {
            limit: RateLimit {
                per_second: settings.limits.rate_per_second,
                burst: settings.limits.burst,
            },
            low_balance: Micros::new(low_balance),
            spend_cap: settings.price.spend_daily_max(),
            reply_share_percent: settings.limits.reply_share_percent,
        }
    }
}

/// The shared part of one account.
pub struct AccountHandle {
    id: AccountId,
    name: Box<str>,
    /// What may be spent: the durable balance less the reservations that are not durable yet.
    available: AtomicI64,
    /// What was spent on messages today, and what may be.
    spending: DailySpending,
    limiter: RwLock<Limiter>,
    reply_share_percent: u32,
    /// Messages that wait in line until the limit lets them go.
    in_line: AtomicU64,
    /// Messages that wait for their time.
    scheduled: AtomicU64,
    /// Whether anything in line may go now: what is sent one by one leaves it a share of the limit then.
    line_moves: AtomicBool,
    /// Messages that the limit let go.
    used: UsedBySecond,
    /// Below which the wallet counts as low.
    low_balance: AtomicI64,
    low_balance_default: Micros,
    /// Whether it was told that the wallet is low. Only a top-up past the threshold ends that: a wallet that
    /// charges and refunds move up and down around it is told of once.
    is_low: AtomicBool,
    /// When nothing is sent, in the recipient's time.
    quiet_hours: RwLock<Option<QuietHours>>,
    /// Whether there are any, so that a send without them pays for no lock.
    has_quiet_hours: AtomicBool,
    /// Where notices are mailed to.
    email: RwLock<Option<Arc<str>>>,
    /// Where it may send to.
    reach: Reach,
    /// How much it sends to which range, and where it is stopped.
    traffic: Traffic,
    /// Its pools of numbers.
    pools: Pools,
    subscriptions: Subscriptions,
}

impl AccountHandle {
    pub(crate) fn new(
        account: &Account,
        defaults: &AccountDefaults,
        clock: Arc<dyn Clock>,
    ) -> AccountHandle {
        let limit = account.rate_limit.unwrap_or(defaults.limit);
        let low_balance = account.low_balance.unwrap_or(defaults.low_balance);
        AccountHandle {
            id: account.id,
            name: account.name.clone(),
            available: AtomicI64::new(account.balance.as_micros()),
            spending: DailySpending::new(account, defaults.spend_cap),
            limiter: RwLock::new(Limiter::new(limit, defaults.reply_share_percent, clock)),
            reply_share_percent: defaults.reply_share_percent,
            in_line: AtomicU64::new(0),
            scheduled: AtomicU64::new(0),
            line_moves: AtomicBool::new(false),
            used: UsedBySecond::default(),
            low_balance: AtomicI64::new(low_balance.as_micros()),
            low_balance_default: defaults.low_balance,
            is_low: AtomicBool::new(account.balance < low_balance),
            quiet_hours: RwLock::new(account.quiet_hours),
            has_quiet_hours: AtomicBool::new(account.quiet_hours.is_some()),
            email: RwLock::new(account.email.as_deref().map(Arc::from)),
            reach: Reach::new(account),
            traffic: Traffic::new(account.stops.clone()),
            pools: Pools::default(),
            subscriptions: Subscriptions::none(),
        }
    }

    /// Its id.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
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

    /// What may be spent on messages a day: the cap in force, if any.
    pub fn spend_cap(&self) -> Option<Micros> {
        self.spending.cap()
    }

    /// What was spent on messages today.
    pub fn spent_today(&self, now: Timestamp) -> Micros {
        self.spending.at(now).spent
    }

    /// Below which the wallet counts as low.
    pub fn low_balance(&self) -> Micros {
        Micros::new(self.low_balance.load(Ordering::Acquire))
    }

    /// Where its notices are mailed to.
    pub fn email(&self) -> Option<Arc<str>> {
        self.email
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When nothing is sent, in the recipient's time.
    pub fn quiet_hours(&self) -> Option<QuietHours> {
        if !self.has_quiet_hours.load(Ordering::Acquire) {
            return None;
        }
        let hours = self.quiet_hours.read();
        *hours.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_quiet_hours(&self, hours: Option<QuietHours>) {
        let set = self.quiet_hours.write();
        *set.unwrap_or_else(PoisonError::into_inner) = hours;
        self.has_quiet_hours
            .store(hours.is_some(), Ordering::Release);
    }

    /// The countries that it wants to send to; `None` for all that are open to it.
    pub fn destinations(&self) -> Option<Arc<Countries>> {
        self.reach.lists().wanted
    }

    /// The countries that operators opened to it; `None` for those of the settings.
    pub fn destinations_open(&self) -> Option<Arc<Countries>> {
        self.reach.lists().open
    }

    /// The kinds of ranges that are open to it.
    pub fn ranges_open(&self) -> RangeKinds {
        self.reach.ranges_open()
    }

    /// The ranges that are stopped.
    pub fn stops(&self) -> Stops {
        self.traffic.stops()
    }

    pub(crate) fn set_destinations(&self, by: ListedBy, countries: Option<&Countries>) {
        self.reach.set(by, countries);
    }

    pub(crate) fn set_ranges_open(&self, kinds: RangeKinds) {
        self.reach.set_ranges_open(kinds);
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Stops a range, once that is durable.
    pub(crate) fn stop_traffic(&self, stop: TrafficStop) {
        self.traffic.stop(stop);
    }

    /// Ends a stop whose release is durable. Whether it held until now.
    pub(crate) fn release_traffic(
        &self,
        range: TrafficRange,
        since: Timestamp,
        by: ReleasedBy,
    ) -> bool {
        self.traffic.release(range, since, by)
    }

    pub(crate) fn take(&self) -> Result<LimitState, Duration> {
        self.limiter
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .take(self.line_moves.load(Ordering::Acquire), &self.used)
    }

    /// Takes one message's worth of the limit for the line, if there is one.
    pub(crate) fn take_for_line(&self) -> bool {
        self.limiter
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .take_for_line(&self.used)
    }

    /// How many messages the limit let go in the last whole second.
    pub(crate) fn used(&self) -> u32 {
        let limiter = self.limiter.read();
        let second = limiter.unwrap_or_else(PoisonError::into_inner).second();
        self.used.last(second)
    }

    /// Says whether anything in line may go now.
    pub(crate) fn set_line_moves(&self, moves: bool) {
        self.line_moves.store(moves, Ordering::Release);
    }

    /// Messages that wait in line.
    pub fn in_line(&self) -> u64 {
        self.in_line.load(Ordering::Acquire)
    }

    /// Messages that wait for their time.
    pub(crate) fn scheduled(&self) -> u64 {
        self.scheduled.load(Ordering::Acquire)
    }

    /// Says how many messages wait for their time.
    pub(crate) fn set_scheduled(&self, count: u64) {
        self.scheduled.store(count, Ordering::Release);
    }

    pub(crate) fn set_limit(&self, limit: RateLimit, clock: Arc<dyn Clock>) {
        *self.limiter.write().unwrap_or_else(PoisonError::into_inner) =
            Limiter::new(limit, self.reply_share_percent, clock);
    }

    pub(crate) fn set_email(&self, email: Option<&str>) {
        let email = email.map(Arc::from);
        *self.email.write().unwrap_or_else(PoisonError::into_inner) = email;
    }

    /// Sets below which the wallet counts as low; `None` for the default.
    pub(crate) fn set_low_balance(&self, threshold: Option<Micros>) {
        let threshold = threshold.unwrap_or(self.low_balance_default);
        self.low_balance
            .store(threshold.as_micros(), Ordering::Release);
        self.rise();
    }

    /// Sets what may be spent on messages a day; `None` for the default.
    pub(crate) fn set_spend_cap(&self, cap: Option<Micros>) {
        self.spending.set_cap(cap);
    }

    /// Sets the account's endpoints.
    pub(crate) fn set_subscriptions(&self, subscriptions: Arc<[Subscription]>) {
        self.subscriptions.set(subscriptions);
    }

    /// Which endpoints are told of an event of this kind; none costs one load.
    pub(crate) fn targets(
        &self,
        kind: EventType,
        number: Option<NumberId>,
        channel: Option<Channel>,
    ) -> Targets {
        self.subscriptions.targets(kind, number, channel)
    }

    /// The status endpoint, if the account has one.
    pub(crate) fn status_target(&self) -> Option<Target> {
        self.subscriptions.status_target()
    }

    /// Whether an auth token is the account's.
    pub(crate) fn opens(&self, token: &str, now: Timestamp) -> bool {
        self.subscriptions.opens(token, now)
    }

    /// Gives money back whose event is durable, or that was never spent.
    pub(crate) fn credit(&self, amount: Micros) {
        self.available
            .fetch_add(amount.as_micros(), Ordering::AcqRel);
    }

    /// Adds money whose event is durable.
    pub(crate) fn top_up(&self, amount: Micros) {
        self.credit(amount);
        self.rise();
    }

    /// The wallet may fall low anew, if it is not low now.
    fn rise(&self) {
        if self.balance() >= self.low_balance() {
            self.is_low.store(false, Ordering::Release);
        }
    }

    /// Sets the charge of a message aside, within the day's cap. Given back when dropped, unless it is kept.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        charge: Micros,
        now: Timestamp,
    ) -> Result<Reservation, Refusal> {
        self.spending.spend(charge, now)?;
        let reserved = self.set_aside(charge, Some(now));
        if reserved.is_err() {
            self.spending.unspend(charge, now);
        }
        reserved
    }

    /// Sets a charge aside that is no message's: no cap holds it back.
    pub(crate) fn reserve_add_on(self: &Arc<Self>, charge: Micros) -> Result<Reservation, Refusal> {
        self.set_aside(charge, None)
    }

    fn set_aside(
        self: &Arc<Self>,
        charge: Micros,
        spent_at: Option<Timestamp>,
    ) -> Result<Reservation, Refusal> {
        let mut available = self.available.load(Ordering::Acquire);
        loop {
            let left = Account::decide_charge(Micros::new(available), charge)?;
            match self.available.compare_exchange_weak(
                available,
                left.as_micros(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    return Ok(Reservation {
                        account: Arc::clone(self),
                        charge,
                        spent_at,
                        low: self.fall(left),
                    });
                }
                Err(now) => available = now,
            }
        }
    }

    /// Notes that a charge left this much; says so to the one charge that is to tell that it is low.
    fn fall(&self, left: Micros) -> Option<LowBalance> {
        let threshold = self.low_balance();
        if left >= threshold || self.is_low.load(Ordering::Acquire) {
            return None;
        }
        let was_low = self.is_low.swap(true, Ordering::AcqRel);
        // A top-up that came in between found nothing to end.
        self.rise();
        (!was_low).then_some(LowBalance {
            balance: left,
            threshold,
        })
    }
}

/// That a wallet fell below its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LowBalance {
    /// What it holds.
    pub(crate) balance: Micros,
    /// Below which it counts as low.
    pub(crate) threshold: Micros,
}

/// Money that is set aside for a message.
pub(crate) struct Reservation {
    account: Arc<AccountHandle>,
    charge: Micros,
    /// When it was counted as spent, if it was.
    spent_at: Option<Timestamp>,
    low: Option<LowBalance>,
}

impl Reservation {
    /// That this charge makes the wallet low: its entry is to tell of it.
    pub(crate) fn low(&self) -> Option<LowBalance> {
        self.low
    }

    /// The message's event is in the journal: the money is spent.
    pub(crate) fn keep(mut self) {
        self.charge = Micros::ZERO;
        self.spent_at = None;
        self.low = None;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.credit(self.charge);
        if let Some(at) = self.spent_at {
            self.account.spending.unspend(self.charge, at);
        }
        if self.low.is_some() {
            // Nobody was told.
            self.account.is_low.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const PRICE: Micros = Micros::new(8_000);
    const NOW: Timestamp = Timestamp(1);
    const LOW: i64 = 100_000;

    fn handle(balance: i64) -> Arc<AccountHandle> {
        let mut account = Account::created(AccountId(1), "Acme", None, Timestamp::ZERO);
        account.balance = Micros::new(balance);
        let defaults = AccountDefaults {
            limit: RateLimit::DEFAULT,
            low_balance: Micros::new(LOW),
            spend_cap: None,
            reply_share_percent: 90,
        };
        let clock = Arc::new(SystemClock::default());
        Arc::new(AccountHandle::new(&account, &defaults, clock))
    }

    /// Charges once; says whether the wallet is told to be low.
    fn charge(account: &Arc<AccountHandle>) -> bool {
        let reservation = account.reserve(PRICE, NOW).unwrap();
        let low = reservation.low();
        reservation.keep();
        low.is_some()
    }

    #[test]
    fn exactly_as_many_as_are_affordable_are_reserved_in_parallel_and_one_tells_that_it_is_low() {
        let account = handle(1_000 * 8_000 + 7_999);
        let reserved = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let tries = (0..500).map(|_| account.reserve(PRICE, NOW));
                        let reserved: Vec<_> = tries.filter_map(Result::ok).collect();
                        let told = reserved.iter().filter(|one| one.low().is_some()).count();
                        (reserved.into_iter().map(Reservation::keep).count(), told)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        assert_eq!(reserved, (1_000, 1));
        assert_eq!(account.balance(), Micros::new(7_999));
    }

    #[test]
    fn a_reservation_that_is_not_kept_comes_back_and_tells_nothing() {
        let account = handle(LOW);
        let dropped = account.reserve(PRICE, NOW).unwrap();
        let low = LowBalance {
            balance: Micros::new(LOW - 8_000),
            threshold: Micros::new(LOW),
        };
        assert_eq!(dropped.low(), Some(low));
        drop(dropped);
        assert_eq!(account.balance(), Micros::new(LOW));
        assert!(charge(&account), "the next one tells");
    }

    #[test]
    fn a_daily_cap_stops_parallel_charges_at_the_last_one_that_fits() {
        let account = handle(1_000_000_000);
        account.set_spend_cap(Some(Micros::new(100 * 8_000 + 1)));
        let kept = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let tries = (0..100).map(|_| account.reserve(PRICE, NOW));
                        tries.filter_map(Result::ok).map(Reservation::keep).count()
                    })
                })
                .collect();
            let counts = threads.into_iter().map(|thread| thread.join().unwrap());
            counts.sum::<usize>()
        });
        assert_eq!(kept, 100);
        assert_eq!(account.spent_today(NOW), Micros::new(800_000));
        let refused = account.reserve(PRICE, NOW).err();
        assert!(matches!(refused, Some(Refusal::SpendCapReached { .. })));
        assert!(
            account.reserve_add_on(PRICE).is_ok(),
            "a month of SMS is no message"
        );
        account.set_spend_cap(None);
        drop(account.reserve(PRICE, NOW).unwrap());
        assert_eq!(account.spent_today(NOW), Micros::new(800_000));
    }

    #[test]
    fn what_the_wallet_refuses_is_not_spent() {
        let account = handle(7_999);
        assert!(account.reserve(PRICE, NOW).is_err());
        assert_eq!(account.spent_today(NOW), Micros::ZERO);
    }

    #[test]
    fn a_wallet_is_low_once_until_it_is_topped_up_past_its_threshold() {
        let account = handle(LOW + 8_000);
        assert!(!charge(&account), "what is at its threshold is not low");
        assert!(charge(&account));
        for _ in 0..10 {
            account.credit(PRICE);
            assert!(!charge(&account), "refunds move it up and down");
        }
        account.top_up(PRICE);
        assert!(charge(&account));
        account.top_up(Micros::new(LOW));
        account.set_low_balance(Some(Micros::ZERO));
        assert!(!charge(&account));
        account.set_low_balance(Some(Micros::new(10 * LOW)));
        assert!(charge(&account));
    }
}
