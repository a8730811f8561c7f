//! Places in an account's line: how many messages wait until its limit lets them go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::AccountHandle;

/// A message's place in line, or those of several; given up when dropped.
pub(crate) struct Place {
    account: Arc<AccountHandle>,
    count: u64,
}

impl Place {
    /// Takes one off; `None` when none is left.
    pub(crate) fn split(&mut self) -> Option<Place> {
        self.take(1)
    }

    /// Takes so many off; `None` when there are fewer.
    pub(crate) fn take(&mut self, count: u64) -> Option<Place> {
        self.count = self.count.checked_sub(count)?;
        Some(Place {
            account: Arc::clone(&self.account),
            count,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.account.in_line.fetch_sub(self.count, Ordering::AcqRel);
    }
}

impl AccountHandle {
    /// Lines so many up behind all that wait, `max` at most in all; says how many are before them.
    ///
    /// # Errors
    /// How many too many there would be.
    pub(crate) fn line_up(self: &Arc<Self>, count: u64, max: u64) -> Result<(Place, u64), u64> {
        let before = self.in_line.fetch_add(count, Ordering::AcqRel);
        // Dropping the place takes the attempt back.
        let place = Place {
            account: Arc::clone(self),
            count,
        };
        match (before + count).checked_sub(max) {
            None | Some(0) => Ok((place, before)),
            Some(over) => Err(over),
        }
    }

    /// A place for what waits already.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        self.in_line.fetch_add(1, Ordering::AcqRel);
        Place {
            account: Arc::clone(self),
            count: 1,
        }
    }
}
