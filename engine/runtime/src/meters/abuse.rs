//! How often ranges were stopped and released.

use didfarm_core::abuse::stop::StopCause;
use metrics::{Counter, counter, describe_counter};

/// Counters of stops by cause, and of releases.
pub(crate) struct StopMeter {
    stops: [Counter; StopCause::ALL.len()],
    releases: Counter,
}

impl StopMeter {
    pub(super) fn new() -> StopMeter {
        describe_counter!(
            "didfarm_traffic_stops_total",
            "Ranges that were stopped for an account, by the limit that was used up."
        );
        describe_counter!(
            "didfarm_traffic_releases_total",
            "Stopped ranges that were released by hand."
        );
        StopMeter {
            stops: StopCause::ALL
                .map(|cause| counter!("didfarm_traffic_stops_total", "cause" => cause.as_str())),
            releases: counter!("didfarm_traffic_releases_total"),
        }
    }

    pub(crate) fn stopped(&self, cause: StopCause) {
        self.stops[cause as usize].increment(1);
    }

    pub(crate) fn released(&self) {
        self.releases.increment(1);
    }
}
