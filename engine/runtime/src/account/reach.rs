//! Where an account may send to: its lists of countries, and the kinds of ranges that are open to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use didfarm_core::abuse::country::Countries;
use didfarm_core::abuse::range::RangeKinds;
use didfarm_core::account::{Account, ListedBy};

/// The lists of one account.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    /// Its own.
    pub(super) wanted: Option<Arc<Countries>>,
    /// The operators'.
    pub(super) open: Option<Arc<Countries>>,
}

/// Where an account may send to. It is asked for on every message: without lists one load says so.
#[derive(Debug)]
pub(super) struct Reach {
    has_lists: AtomicBool,
    lists: RwLock<Lists>,
    ranges_open: RwLock<RangeKinds>,
}

impl Reach {
    pub(super) fn new(account: &Account) -> Reach {
        let reach = Reach {
            has_lists: AtomicBool::new(false),
            lists: RwLock::default(),
            ranges_open: RwLock::new(account.ranges_open),
        };
        reach.set(ListedBy::Account, account.destinations.as_ref());
        reach.set(ListedBy::Operator, account.destinations_open.as_ref());
        reach
    }

    pub(super) fn lists(&self) -> Lists {
        if !self.has_lists.load(Ordering::Acquire) {
            return Lists::default();
        }
        let lists = self.lists.read();
        lists.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, by: ListedBy, countries: Option<&Countries>) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        let list = match by {
            ListedBy::Account => &mut lists.wanted,
            ListedBy::Operator => &mut lists.open,
        };
        *list = countries.cloned().map(Arc::new);
        let has_lists = lists.wanted.is_some() || lists.open.is_some();
        self.has_lists.store(has_lists, Ordering::Release);
    }

    pub(super) fn ranges_open(&self) -> RangeKinds {
        let open = self.ranges_open.read();
        *open.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_ranges_open(&self, kinds: RangeKinds) {
        let open = self.ranges_open.write();
        *open.unwrap_or_else(PoisonError::into_inner) = kinds;
    }
}
