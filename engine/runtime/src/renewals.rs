//! Looks which numbers are due for their next month of SMS.

use std::sync::Arc;
use std::time::Duration;

use didfarm_core::number::Number;

use crate::actors::number::RenewSms;
use crate::actors::partition::PartitionInput;
use crate::shared::Shared;

/// How often the numbers are looked at: a month begins this much late at most.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The most numbers that one look asks to renew; the others follow with the next.
const RENEWALS_PER_LOOK_MAX: usize = 10_000;

/// Asks every number whose month is over to pay for the next, as long as new work is let in.
pub(crate) fn look(engine: &Arc<Shared>) {
    if engine.gate().is_err() {
        return;
    }
    let now = engine.now();
    let is_due = |number: &Number| {
        let is_paid = number.add_on.is_some_and(|add_on| add_on.covers(now));
        number.sms && !is_paid
    };
    for number in engine.directory.some_numbers(RENEWALS_PER_LOOK_MAX, is_due) {
        let renew = RenewSms { number };
        engine
            .partition_of(number)
            .push(PartitionInput::Renew(renew));
    }
}
