//! How numbers of pools were chosen, and how many of them are unhealthy.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Why a number of a pool was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChosenBy {
    Known,
    Fit,
    Probe,
}

impl ChosenBy {
    const ALL: [(ChosenBy, &'static str); 3] = [
        (ChosenBy::Known, "known"),
        (ChosenBy::Fit, "fit"),
        (ChosenBy::Probe, "probe"),
    ];
}

/// Counters of choices by their cause, and the gauge of unhealthy numbers.
pub(crate) struct PoolMeter {
    choices: [Counter; ChosenBy::ALL.len()],
    pub(crate) unhealthy: Gauge,
}

impl PoolMeter {
    pub(super) fn new() -> PoolMeter {
        describe_counter!(
            "didfarm_pool_choices_total",
            "Numbers chosen from pools, by what decided."
        );
        describe_gauge!(
            "didfarm_pool_numbers_unhealthy",
            "Numbers of pools that deliver too little and are skipped for new peers."
        );
        PoolMeter {
            choices: ChosenBy::ALL
                .map(|(_, label)| counter!("didfarm_pool_choices_total", "by" => label)),
            unhealthy: gauge!("didfarm_pool_numbers_unhealthy"),
        }
    }

    pub(crate) fn chosen(&self, by: ChosenBy) {
        self.choices[by as usize].increment(1);
    }
}
