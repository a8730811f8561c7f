//! How often peers opted out and in, and who said so.

use didfarm_core::consent::{ConsentCause, ConsentChange};
use metrics::{Counter, counter, describe_counter};

/// Counters by change and cause.
pub(crate) struct ConsentMeter([[Counter; ConsentCause::ALL.len()]; ConsentChange::ALL.len()]);

impl ConsentMeter {
    pub(super) fn new() -> ConsentMeter {
        describe_counter!(
            "didfarm_consent_total",
            "Peers that opted out and in, by who said so."
        );
        let of = |change: ConsentChange, cause: ConsentCause| counter!("didfarm_consent_total", "change" => change.as_str(), "cause" => cause.as_str());
        ConsentMeter(
            ConsentChange::ALL.map(|change| ConsentCause::ALL.map(|cause| of(change, cause))),
        )
    }

    pub(crate) fn count(&self, change: ConsentChange, cause: ConsentCause) {
        self.0[change as usize][cause as usize].increment(1);
    }
}
