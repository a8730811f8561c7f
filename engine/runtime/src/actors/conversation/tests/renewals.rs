//! The next month of SMS on a number: paid once, however often it is looked at, or SMS is suspended.

use didfarm_core::add_on::{SmsMonth, SmsPayment};
use didfarm_core::channel::Channel;
use didfarm_core::event::{Entry, Event};
use didfarm_core::money::Micros;
use didfarm_core::number::NumberEvent;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::EventFilter;

use super::farm::{Farm, run};
use crate::renewals;

/// What a month costs.
const MONTH: Micros = Micros::new(750_000);
/// Some more than a month, in microseconds.
const FORTY_DAYS_US: i64 = 40 * 24 * 3_600 * 1_000_000;

/// A number whose month is over for some days, at an engine that has just started.
async fn lapsed() -> (Farm, Timestamp) {
    let farm = Farm::start(|_| {}).await;
    let engine = farm.handle.shared();
    let at = engine.now();
    let month = SmsMonth {
        since: Timestamp(at.0 - FORTY_DAYS_US),
        month: 0,
    };
    let payment = SmsPayment {
        month,
        amount: MONTH,
    };
    let paid = Event::Number(farm.number, NumberEvent::SmsPaid(payment));
    engine.journal.append(Entry {
        at,
        events: vec![paid],
    });
    (farm.restart().await, month.since)
}

fn of_number(entries: &[Entry]) -> Vec<NumberEvent> {
    let events = entries.iter().flat_map(|entry| &entry.events);
    let of_number = events.filter_map(|event| match event {
        Event::Number(_, happened) => Some(happened.clone()),
        _ => None,
    });
    of_number.collect()
}

#[test]
fn a_month_that_is_over_is_paid_once_however_often_it_is_looked_at() {
    run(async {
        let (farm, since) = lapsed().await;
        let funds = farm.account.balance();
        assert_eq!(farm.funds.checked_sub(MONTH), Some(funds));
        for _ in 0..5 {
            renewals::look(farm.handle.shared());
        }
        let entries = farm
            .entries_once(|entries| of_number(entries).len() == 3)
            .await;
        let month = SmsMonth { since, month: 1 };
        let payment = SmsPayment {
            month,
            amount: MONTH,
        };
        assert_eq!(of_number(&entries)[2], NumberEvent::SmsPaid(payment));
        farm.send(Channel::Sms, "still there").await;
        renewals::look(farm.handle.shared());
        let farm = farm.restart().await;
        renewals::look(farm.handle.shared());
        farm.send(Channel::Sms, "and again").await;
        assert_eq!(of_number(&farm.entries()).len(), 3, "nothing is paid again");
        farm.stop_and_verify();
    });
}

#[test]
fn a_wallet_that_does_not_cover_the_month_suspends_sms_and_pays_nothing() {
    run(async {
        let (farm, _) = lapsed().await;
        farm.subscribe(EventFilter::default());
        let balance = farm.account.balance();
        let all_but = balance.checked_sub(Micros::new(749_999)).unwrap();
        let held = farm.account.reserve_add_on(all_but).unwrap();
        renewals::look(farm.handle.shared());
        let entries = farm
            .entries_once(|entries| of_number(entries).len() == 3)
            .await;
        assert_eq!(of_number(&entries)[2], NumberEvent::SmsSuspended);
        let last = entries.last().unwrap();
        assert!(
            matches!(last.events[..], [Event::Number(..), Event::Offered(_)]),
            "{last:?}"
        );
        drop(held);
        assert_eq!(farm.account.balance(), balance);
        renewals::look(farm.handle.shared());
        let number = farm.handle.number(farm.account.id(), farm.number).unwrap();
        assert!(!number.sms && number.whatsapp);
        farm.stop_and_verify();
    });
}
