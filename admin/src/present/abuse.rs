//! The shapes of what protects from fraud: stops, and sets of countries and kinds.

use didfarm_core::abuse::country::{Countries, Country};
use didfarm_core::abuse::range::RangeKinds;
use didfarm_core::abuse::stop::{TrafficRange, TrafficStop};
use serde::Serialize;

use super::{Seconds, Shown};

/// A range that is stopped.
#[derive(Serialize)]
pub(crate) struct Stop {
    prefix: Shown<TrafficRange>,
    cause: &'static str,
    messages: u32,
    since: Seconds,
    ends_at: Option<Seconds>,
}

impl Stop {
    pub(crate) fn of(stop: &TrafficStop) -> Stop {
        Stop {
            prefix: Shown(stop.range),
            cause: stop.cause.as_str(),
            messages: stop.messages,
            since: Seconds(stop.since),
            ends_at: stop.ends_at.map(Seconds),
        }
    }
}

/// That a range is not stopped any more.
#[derive(Serialize)]
pub(crate) struct Released {
    prefix: Shown<TrafficRange>,
    released: bool,
}

impl Released {
    pub(crate) fn of(range: TrafficRange) -> Released {
        Released {
            prefix: Shown(range),
            released: true,
        }
    }
}

/// A set of countries; `null` for no bound.
pub(crate) fn countries(set: Option<&Countries>) -> Option<Vec<Shown<Country>>> {
    set.map(|set| set.iter().map(Shown).collect())
}

/// A set of kinds of ranges.
pub(crate) fn kinds(set: RangeKinds) -> Vec<&'static str> {
    set.iter().map(|kind| kind.as_str()).collect()
}
