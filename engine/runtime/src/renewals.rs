//! Looks which numbers are due for their next month of SMS.

use std::sync::Arc;
use std::time::Duration;

use didfarm_core::money::Micros;
use didfarm_core::number::Number;
use didfarm_core::price::PriceList;
use didfarm_core::time::Timestamp;

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
    let is_due = |number: &Number| is_due(number, &engine.prices, now);
    for number in engine.directory.some_numbers(RENEWALS_PER_LOOK_MAX, is_due) {
        let renew = RenewSms { number };
        engine
            .partition_of(number)
            .push(PartitionInput::Renew(renew));
    }
}

/// Whether a number owes the month of this time. A free one never pays, and would be due at every look, in
/// front of those that do.
fn is_due(number: &Number, prices: &PriceList, now: Timestamp) -> bool {
    let is_paid = number.add_on.is_some_and(|add_on| add_on.covers(now));
    number.sms && !is_paid && prices.sms_monthly(number.e164) > Micros::ZERO
}

#[cfg(test)]
mod tests {
    use didfarm_core::add_on::AddOn;
    use didfarm_core::e164::E164;
    use didfarm_core::ids::{AccountId, NumberId};
    use didfarm_core::number::NumberState;

    use super::*;

    #[test]
    fn a_number_is_due_whose_month_is_over_and_costs_something() {
        let list = |monthly| PriceList::new(Micros::new(8_000), monthly, Arc::default());
        let (free, dear) = (list(Micros::ZERO), list(Micros::new(750_000)));
        let start = Timestamp(0);
        let paid_until = AddOn::first(start).paid_until;
        let mut number = Number {
            id: NumberId(1),
            account: AccountId(1),
            e164: E164::from_digits(31_201_234_567).unwrap(),
            state: NumberState::Active,
            sms: true,
            whatsapp: false,
            forward_to: None,
            auto_reply: None,
            add_on: None,
        };
        assert!(is_due(&number, &dear, start) && !is_due(&number, &free, start));
        number.add_on = Some(AddOn::first(start));
        assert!(!is_due(&number, &dear, start));
        assert!(is_due(&number, &dear, paid_until) && !is_due(&number, &free, paid_until));
        number.sms = false;
        assert!(!is_due(&number, &dear, paid_until));
    }
}
