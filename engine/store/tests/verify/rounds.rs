//! Rounds of webhooks: ends that come late or twice, endpoints that go, events that are forgotten.

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, BODY_KEPT_BYTES_MAX};
use didfarm_core::webhook::endpoint::{DisableCause, EndpointEvent, EndpointState};
use didfarm_core::webhook::{EventType, Fact};
use didfarm_store::records::Records;
use didfarm_store::records::keys::MAPS;
use didfarm_store::records::round::ResultState;
use didfarm_store::verify::audit;

use crate::farm::Farm;
use crate::hooks::attempt;
use crate::shelves::{records_of, rows};

pub const DISABLED: EndpointEvent = EndpointEvent::Disabled(DisableCause::Customer);

pub fn example() -> Fact {
    Fact::Example(EventType::MessageReceived)
}

pub fn assert_sound(records: &Records) {
    let report = audit(records, None).unwrap();
    assert!(report.is_clean(), "{report}");
}

/// An account with an endpoint and an event that waits for it.
pub fn waiting() -> (Farm, AccountId, EndpointId, EventId) {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 0);
    let endpoint = farm.endpoint(account);
    let event = farm.offer(account, example(), &[endpoint]);
    (farm, account, endpoint, event)
}

pub fn state(records: &Records, (account, event): (AccountId, EventId)) -> ResultState {
    let row = records.event(account, event).unwrap().unwrap();
    row.results[0].state
}

#[test]
fn an_end_that_comes_after_its_event_was_taken_out_of_line_can_only_deliver_it() {
    for (next, expected) in [
        (AfterAttempt::Delivered, ResultState::Delivered),
        (AfterAttempt::Exhausted, ResultState::Missed),
        (
            AfterAttempt::Retry { due: Timestamp(9) },
            ResultState::Missed,
        ),
    ] {
        let (mut farm, account, endpoint, event) = waiting();
        let due = farm.due(endpoint, event);
        farm.change(endpoint, DISABLED);
        farm.drop_pending(endpoint);
        let late = attempt((endpoint, event, 1), (due, farm.now()), next, "");
        farm.decided(vec![Event::Attempted(Box::new(late))]);
        let records = records_of(&farm.entries);
        assert_eq!(state(&records, (account, event)), expected);
        assert_eq!(records.meta().unwrap().counts.pending, 0);
        assert_sound(&records);
    }
}

#[test]
fn an_end_that_is_journalled_twice_counts_once() {
    let (mut farm, account, endpoint, event) = waiting();
    farm.failed(endpoint, event);
    let again = farm.entries.last().unwrap().clone();
    farm.entries.push(again);
    let records = records_of(&farm.entries);
    let row = records.event(account, event).unwrap().unwrap();
    assert_eq!((row.results[0].made, row.results[0].attempts.len()), (1, 1));
    let health = records.endpoint(endpoint).unwrap().unwrap().endpoint.health;
    assert_eq!(health.failures, 1);
    assert_sound(&records);
}

#[test]
fn what_waits_already_is_put_in_line_once() {
    let (mut farm, account, endpoint, event) = waiting();
    let due = farm.due(endpoint, event);
    farm.redeliver(endpoint, event);
    let records = records_of(&farm.entries);
    let page = records.pending_page(endpoint, None, 10).unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!((page[0].0, page[0].2.is_manual), (due, false));
    assert_eq!(state(&records, (account, event)), ResultState::Pending);
    assert_sound(&records);
}

#[test]
fn a_retry_and_a_redelivery_tell_where_they_are_in_the_schedule_and_in_all() {
    let (mut farm, _, endpoint, event) = waiting();
    farm.failed(endpoint, event);
    farm.failed(endpoint, event);
    let row = |farm: &Farm| {
        let records = records_of(&farm.entries);
        records.pending_page(endpoint, None, 1).unwrap()[0].2
    };
    let retry = row(&farm);
    assert_eq!((retry.attempts, retry.made, retry.is_manual), (2, 2, false));
    farm.attempted(endpoint, event, AfterAttempt::Exhausted, "");
    farm.redeliver(endpoint, event);
    let again = row(&farm);
    assert_eq!((again.attempts, again.made, again.is_manual), (0, 3, true));
}

#[test]
fn a_deleted_endpoint_goes_with_the_last_that_waits_for_it() {
    let (mut farm, account, endpoint, event) = waiting();
    farm.change(endpoint, EndpointEvent::Deleted);
    let records = records_of(&farm.entries);
    let found = records.endpoint(endpoint).unwrap().unwrap();
    assert_eq!(found.endpoint.state, EndpointState::Deleted);
    let too_late = farm.offer(account, example(), &[endpoint]);
    farm.change(endpoint, DISABLED);
    farm.drop_pending(endpoint);
    farm.change(endpoint, EndpointEvent::Enabled);
    let records = records_of(&farm.entries);
    assert_eq!(records.endpoint(endpoint).unwrap(), None);
    for event in [event, too_late] {
        assert_eq!(state(&records, (account, event)), ResultState::Dropped);
    }
    assert_sound(&records);
}

#[test]
fn a_retry_of_a_deleted_endpoint_is_none() {
    let (mut farm, account, endpoint, event) = waiting();
    farm.change(endpoint, EndpointEvent::Deleted);
    farm.failed(endpoint, event);
    let records = records_of(&farm.entries);
    assert_eq!(state(&records, (account, event)), ResultState::Dropped);
    assert_eq!(records.endpoint(endpoint).unwrap(), None);
    assert_sound(&records);
}

#[test]
fn forgotten_events_leave_nothing_and_what_waits_is_not_forgotten() {
    let (mut farm, account, endpoint, event) = waiting();
    let waits = farm.offer(account, example(), &[endpoint]);
    farm.failed(endpoint, event);
    let body = "x".repeat(BODY_KEPT_BYTES_MAX);
    farm.attempted(endpoint, event, AfterAttempt::Delivered, &body);
    farm.forget(account, &[event, waits]);
    let records = records_of(&farm.entries);
    assert_eq!(records.event(account, event).unwrap(), None);
    assert!(records.event(account, waits).unwrap().is_some());
    assert_eq!(rows(&records, MAPS.attempts), []);
    assert_sound(&records);
}

#[test]
fn a_message_event_gets_the_conversation_of_its_message() {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 0);
    let number = farm.number(account, "+31201234567");
    let endpoint = farm.endpoint(account);
    let channel = didfarm_core::channel::Channel::Sms;
    let message = farm.receive(number, "+31612345678", channel, "hi", None);
    let event = farm.offer_at_once(account, Fact::MessageReceived(message), &[endpoint]);
    let records = records_of(&farm.entries);
    let conversation = records.message(message).unwrap().unwrap().conversation;
    let row = records.event(account, event).unwrap().unwrap();
    assert_eq!(row.event.conversation, Some(conversation));
    let page = records.pending_page(endpoint, None, 1).unwrap();
    assert_eq!(page[0].2.conversation, Some(conversation));
}
