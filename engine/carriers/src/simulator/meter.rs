//! What the simulator counts for operators.

use metrics::{Counter, Gauge, counter, gauge};

use didfarm_core::delivery::receipt::Claim;

use crate::{CarrierEvent, SubmitAnswer};

const ANSWERS: [&str; 4] = ["accepted", "refused", "throttled", "no_answer"];

/// The simulator's metrics, looked up once: they go to the recorder installed by then.
pub(super) struct Meter {
    pending: Gauge,
    answers: [Counter; 4],
    receipts: [Counter; 4],
}

impl Meter {
    /// Looks the metrics up.
    pub(super) fn new() -> Meter {
        Meter {
            pending: gauge!("didfarm_simulator_pending_events"),
            answers: ANSWERS
                .map(|answer| counter!("didfarm_simulator_answers_total", "answer" => answer)),
            receipts: Claim::ALL.map(
                |claim| counter!("didfarm_simulator_receipts_total", "claim" => claim.as_str()),
            ),
        }
    }

    /// Counts a group about to be delivered.
    pub(super) fn count(&self, group: &[CarrierEvent]) {
        let (mut answers, mut receipts) = ([0u64; 4], [0u64; 4]);
        for event in group {
            match event {
                CarrierEvent::Answer(_, SubmitAnswer::Accepted(_)) => answers[0] += 1,
                CarrierEvent::Answer(_, SubmitAnswer::Refused(_)) => answers[1] += 1,
                CarrierEvent::Answer(_, SubmitAnswer::NotTaken(_)) => answers[2] += 1,
                CarrierEvent::Answer(_, SubmitAnswer::NoAnswer) => answers[3] += 1,
                CarrierEvent::Receipt(receipt) => receipts[receipt.claim as usize] += 1,
            }
        }
        let counts = answers.into_iter().chain(receipts);
        for (counter, count) in self.answers.iter().chain(&self.receipts).zip(counts) {
            if count > 0 {
                counter.increment(count);
            }
        }
    }

    /// Shows how much is yet to come.
    pub(super) fn show_pending(&self, pending: usize) {
        self.pending.set(pending as f64);
    }
}
