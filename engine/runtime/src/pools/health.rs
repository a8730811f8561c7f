//! How the numbers of pools deliver, and what their accounts are shown of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use didfarm_config::PoolSettings;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::{MessageId, NumberId, PoolId};
use didfarm_core::number::Number;
use didfarm_core::pool::Pool;
use didfarm_core::pool::health::{Counted, Health, HealthChange, HealthRules, News};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use crate::account::AccountHandle;
use crate::account::pools::HeldPool;
use crate::shared::Shared;

/// A pool as its account sees it.
#[derive(Debug, Clone)]
pub struct PoolView {
    /// Its id.
    pub id: PoolId,
    /// What people call it.
    pub name: Box<str>,
    /// Its numbers.
    pub numbers: Vec<PoolNumber>,
}

/// A number of a pool.
#[derive(Debug, Clone)]
pub struct PoolNumber {
    /// The number.
    pub number: Arc<Number>,
    /// Whether it is used for new peers.
    pub is_healthy: bool,
    /// What became of its messages in the window.
    pub counted: Counted,
}

/// How the numbers of pools deliver. It is in memory alone: at a start every number is healthy.
pub(crate) struct PoolHealth {
    rules: HealthRules,
    numbers: Mutex<FxHashMap<NumberId, Health>>,
    unhealthy: AtomicUsize,
}

impl PoolHealth {
    pub(crate) fn new(settings: &PoolSettings) -> PoolHealth {
        let us = |seconds: u32| i64::from(seconds) * 1_000_000;
        PoolHealth {
            rules: HealthRules {
                share_min_percent: settings.delivered_share_min,
                messages_min: settings.messages_min,
                window_us: us(settings.window_s),
                probe_interval_us: us(settings.probe_interval_s),
            },
            numbers: Mutex::default(),
            unhealthy: AtomicUsize::new(0),
        }
    }

    fn numbers(&self) -> MutexGuard<'_, FxHashMap<NumberId, Health>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_probe(&self, number: NumberId, now: Timestamp) {
        if let Some(health) = self.numbers().get_mut(&number) {
            health.begin_probe(&self.rules, now);
        }
    }

    pub(super) fn give_probe_back(&self, number: NumberId, begun: Timestamp) {
        if let Some(health) = self.numbers().get_mut(&number) {
            health.give_probe_back(&self.rules, begun);
        }
    }

    pub(super) fn probed(&self, number: NumberId, message: MessageId) {
        if let Some(health) = self.numbers().get_mut(&number) {
            health.probed(message);
        }
    }
}

impl Shared {
    /// Lets the health of a message's number hear of the status that it has now.
    pub(crate) fn heard(&self, in_flight: &InFlight) {
        let (number, delivery) = (in_flight.number, &in_flight.delivery);
        let Some(news) = News::of(delivery.status(), delivery.reason()) else {
            return;
        };
        let account = self.directory.account(in_flight.account);
        if !account.is_some_and(|account| account.pools().holds(number)) {
            return;
        }
        let (pools, now) = (&self.pools, self.mono());
        let changes = {
            let mut numbers = pools.numbers();
            let health = numbers.entry(number).or_default();
            let settled = health.settle(&pools.rules, now);
            let heard = health.hear(&pools.rules, in_flight.message, news, now);
            [settled, heard]
        };
        for change in changes.into_iter().flatten() {
            self.health_changed(number, change);
        }
    }

    /// Whether a number is healthy, and whether it is time for a probe.
    pub(super) fn stands(&self, number: NumberId) -> (bool, bool) {
        let now = self.mono();
        let (is_healthy, wants_probe, changed) = {
            let mut numbers = self.pools.numbers();
            let Some(health) = numbers.get_mut(&number) else {
                return (true, false);
            };
            let changed = health.settle(&self.pools.rules, now);
            (health.is_healthy(), health.wants_probe(now), changed)
        };
        if let Some(change) = changed {
            self.health_changed(number, change);
        }
        (is_healthy, wants_probe)
    }

    /// Finds the numbers that got well with time alone.
    pub(crate) fn settle_health(&self) {
        let ill = {
            let numbers = self.pools.numbers();
            let ill = numbers.iter().filter(|(_, health)| !health.is_healthy());
            ill.map(|(number, _)| *number).collect::<Vec<_>>()
        };
        for number in ill {
            self.stands(number);
        }
    }

    fn health_changed(&self, number: NumberId, change: HealthChange) {
        let unhealthy = &self.pools.unhealthy;
        let unhealthy = match change {
            HealthChange::Fell => {
                tracing::warn!(%number, "a number of a pool delivers too little: new peers get others");
                unhealthy.fetch_add(1, Ordering::AcqRel) + 1
            }
            HealthChange::Recovered => {
                tracing::info!(%number, "a probe of a number did not fail: it is healthy again");
                unhealthy.fetch_sub(1, Ordering::AcqRel) - 1
            }
        };
        self.meters.pools.unhealthy.set(unhealthy as f64);
    }

    /// Forgets the health of those of the numbers that are in no pool any more.
    pub(crate) fn forget_health(&self, account: &AccountHandle, numbers: &[NumberId]) {
        let gone = numbers
            .iter()
            .filter(|number| !account.pools().holds(**number));
        for number in gone {
            let forgotten = self.pools.numbers().remove(number);
            if forgotten.is_some_and(|health| !health.is_healthy()) {
                let unhealthy = self.pools.unhealthy.fetch_sub(1, Ordering::AcqRel) - 1;
                self.meters.pools.unhealthy.set(unhealthy as f64);
            }
        }
    }

    /// A pool with the health of its numbers.
    pub(crate) fn pool_view(&self, held: &HeldPool) -> PoolView {
        self.view_of(&held.pool)
    }

    /// The same of a pool as it was.
    pub(crate) fn view_of(&self, pool: &Pool) -> PoolView {
        let now = self.mono();
        let number = |id: &NumberId| {
            let number = self.directory.number(*id)?;
            let (is_healthy, _) = self.stands(*id);
            let numbers = self.pools.numbers();
            let health = numbers.get(id);
            Some(PoolNumber {
                number,
                is_healthy,
                counted: health
                    .map(|health| health.counted(&self.pools.rules, now))
                    .unwrap_or_default(),
            })
        };
        PoolView {
            id: pool.id,
            name: pool.name.clone(),
            numbers: pool.numbers.iter().filter_map(number).collect(),
        }
    }
}
