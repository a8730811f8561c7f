//! What an account spends on messages in one day (UTC), and where a cap stops it.

use serde::{Deserialize, Serialize};

use crate::money::Micros;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// The microseconds of a day.
const DAY_US: i64 = 24 * 3_600 * 1_000_000;

/// What was spent on the last day that anything was spent on. What comes back does not count: a day's cap
/// bounds what may be tried in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// The day, counted from 1970-01-01.
    pub day: i64,
    /// What was spent on it.
    pub spent: Micros,
}

impl Spending {
    /// What it is at this time: nothing on a new day. A clock that went back goes on with the later day.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Spending {
        let day = now.0.div_euclid(DAY_US);
        if day > self.day {
            return Spending {
                day,
                spent: Micros::ZERO,
            };
        }
        self
    }

    /// What it is after a charge, whatever a cap says.
    #[must_use]
    pub fn with(self, charge: Micros, now: Timestamp) -> Spending {
        let today = self.at(now);
        let spent = today.spent.checked_add(charge);
        Spending {
            spent: spent.unwrap_or(today.spent),
            ..today
        }
    }

    /// What it is without a charge that came to nothing: the same, once its day is over.
    #[must_use]
    pub fn without(self, charge: Micros, at: Timestamp) -> Spending {
        let is_its_day = Spending::default().at(at).day >= self.day;
        let less = self.spent.checked_sub(charge);
        match less {
            Some(spent) if is_its_day && spent >= Micros::ZERO => Spending { spent, ..self },
            Some(_) | None => self,
        }
    }

    /// When the day ends.
    pub fn ends_at(self) -> Timestamp {
        Timestamp(self.day.saturating_add(1).saturating_mul(DAY_US))
    }

    /// Decides whether a charge stays within a day's cap: what was spent then.
    ///
    /// # Errors
    /// [`Refusal::SpendCapReached`].
    pub fn decide(
        self,
        charge: Micros,
        cap: Option<Micros>,
        now: Timestamp,
    ) -> Result<Spending, Refusal> {
        let after = self.with(charge, now);
        match cap {
            Some(cap) if after.spent > cap => Err(Refusal::SpendCapReached {
                cap,
                spent: self.at(now).spent,
                ends_at: after.ends_at(),
            }),
            Some(_) | None => Ok(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_cap_is_reached_to_the_last_millionth_and_ends_at_midnight() {
        let (cap, price) = (Some(Micros::new(16_000)), Micros::new(8_000));
        let noon = at("2026-11-21T12:00:00Z");
        let mut spending = Spending::default();
        for _ in 0..2 {
            spending = spending.decide(price, cap, noon).unwrap();
        }
        let midnight = at("2026-11-22T00:00:00Z");
        let reached = Refusal::SpendCapReached {
            cap: Micros::new(16_000),
            spent: Micros::new(16_000),
            ends_at: midnight,
        };
        assert_eq!(spending.decide(price, cap, noon), Err(reached));
        assert!(spending.decide(price, None, noon).is_ok());
        let fresh = spending.decide(price, cap, midnight).unwrap();
        assert_eq!(fresh.spent, price);
        // A clock that goes back a day opens nothing again.
        let fresh = fresh.decide(price, cap, noon).unwrap();
        assert!(fresh.decide(price, cap, noon).is_err());
    }
}
