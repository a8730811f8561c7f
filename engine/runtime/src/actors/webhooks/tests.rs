//! What is promised of webhooks, on a clock that the tests move and records in memory.

pub(super) mod world;

use std::collections::BTreeMap;

use didfarm_core::ids::{EndpointId, EventId};
use didfarm_core::mail::MailKind;
use didfarm_core::webhook::attempt::{AfterAttempt, AttemptClass};
use didfarm_core::webhook::endpoint::{DisableCause, EndpointState};
use didfarm_core::webhook::recovery::{RecoveryFilter, RecoveryScope, RecoveryState};
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_core::webhook::{EventType, Target};

use self::world::{World, dice};
use super::command::Command;
use crate::webhooks::{ResultState, WebhookError};

const OK: (AttemptClass, u64, Option<u64>) = (AttemptClass::Succeeded, 5, None);
const ERROR: (AttemptClass, u64, Option<u64>) = (AttemptClass::ServerError, 5, None);
const HOUR_MS: u64 = 3_600_000;

#[test]
fn the_product_s_schedule_is_kept_never_early_and_exhaustion_is_told_once() {
    let mut world = World::new(4_096);
    world.with_address();
    world.fate = Box::new(|_, _| ERROR);
    let endpoint = world.endpoint(|_| {});
    let event = world.offer(&[endpoint], None);
    let other = world.offer(&[endpoint], None);
    world.pass(2 * HOUR_MS);
    for event in [event, other] {
        let starts = world.starts_of(event);
        assert_eq!((starts.len(), starts[0]), (4, 0));
        for (pair, promised) in starts.windows(2).zip([30_000, 120_000, 600_000]) {
            let waited = pair[1] - pair[0];
            let late = promised + promised / 10 + 50;
            assert!(
                (promised..=late).contains(&waited),
                "{waited} for {promised}"
            );
        }
        let result = world.row(event).results[0].clone();
        assert_eq!((result.state, result.made), (ResultState::Exhausted, 4));
    }
    assert_eq!(world.pending(endpoint), 0);
    let [MailKind::Exhausted { event: first, .. }] = world.mails[..] else {
        panic!("one mail speaks for both: {:?}", world.mails);
    };
    assert!([event, other].contains(&first));
    world.audit();
}

#[test]
fn an_account_has_one_status_endpoint_which_no_failure_disables() {
    let mut world = World::new(4_096);
    let made = world.ask(Command::WantStatus).unwrap();
    assert_eq!(world.ask(Command::WantStatus), Ok(made));
    let first = world.ask(Command::RenewToken).unwrap();
    let second = world.ask(Command::RenewToken).unwrap();
    assert_eq!((first.endpoint, second.endpoint), (made, made));
    assert_ne!(first.token, second.token);
    assert!(first.overlap_until.is_some());
    world.fate = Box::new(|_, _| (AttemptClass::Gone, 5, None));
    let event = world.offer(&[made], None);
    world.pass(2 * HOUR_MS);
    let view = world.view(made);
    assert_eq!(
        (view.endpoint.state, view.pending),
        (EndpointState::Enabled, 0)
    );
    assert_eq!(world.row(event).results[0].state, ResultState::Exhausted);
    let mut settings = view.endpoint.settings.clone();
    settings.url = "https://a.example/".into();
    let change = Box::new((view.endpoint.settings.clone(), settings));
    let changed = world.ask(|reply| Command::Change(made, change, reply));
    assert!(matches!(changed, Err(WebhookError::Refused(_))));
    // Once it is deleted there is another, with another secret.
    world.ask(|reply| Command::Delete(made, reply)).unwrap();
    let next = world.ask(Command::RenewToken).unwrap();
    assert!(next.endpoint != made && next.token != second.token);
    assert_eq!(next.overlap_until, None);
    world.audit();
}

#[test]
fn a_retry_is_made_at_its_time_across_a_restart() {
    let mut world = World::new(4_096);
    world.fate = Box::new(|ticket, _| if ticket.ordinal < 3 { ERROR } else { OK });
    let endpoint = world.endpoint(|_| {});
    let event = world.offer(&[endpoint], None);
    world.pass(10_000);
    world.crash();
    world.pass(60_000);
    assert_eq!(world.starts_of(event).len(), 2);
    assert!(world.starts_of(event)[1] >= 30_000);
    world.crash();
    world.pass(120_000);
    let starts = world.starts_of(event);
    assert_eq!(starts.len(), 3);
    assert!(starts[2] >= starts[1] + 120_000);
    assert!(starts[2] <= starts[1] + 134_000, "{starts:?}");
    assert_eq!(world.row(event).results[0].state, ResultState::Delivered);
}

/// Attempts that were delivered are never started again, and none is missing.
fn assert_each_delivered_once(world: &World, endpoint: EndpointId, events: &[EventId]) {
    let mut delivered: BTreeMap<EventId, usize> = BTreeMap::new();
    for attempt in world.ended.iter().filter(|end| end.endpoint == endpoint) {
        if attempt.next == AfterAttempt::Delivered {
            *delivered.entry(attempt.event).or_default() += 1;
        }
    }
    for event in events {
        assert_eq!(delivered.get(event), Some(&1), "{event}");
    }
    assert_eq!(delivered.len(), events.len());
}

#[test]
fn ten_thousand_events_through_a_small_memory_with_failures_and_crashes_are_each_delivered_once() {
    let mut world = World::new(64);
    world.fate = Box::new(|_, _| match dice(10) {
        0..=2 => (AttemptClass::ServerError, dice(40), None),
        3 => (AttemptClass::Timeout, 10_000, None),
        _ => (AttemptClass::Succeeded, 1 + dice(40), None),
    });
    let long = RetrySchedule::Custom(vec![5; 16].into());
    let endpoint = world.endpoint(|settings| settings.schedule = long);
    let mut events = Vec::new();
    for round in 0..200 {
        for _ in 0..50 {
            events.push(world.offer(&[endpoint], None));
        }
        world.pass(dice(400));
        if round % 23 == 7 {
            world.crash();
        }
    }
    // An endpoint that often says "too much" is sent one at a time, and one in ten takes ten seconds.
    for _ in 0..4_000 {
        if world.pending(endpoint) == 0 {
            break;
        }
        world.pass(10_000);
    }
    assert_eq!(world.pending(endpoint), 0);
    assert_eq!(world.view(endpoint).pending, 0);
    assert_each_delivered_once(&world, endpoint, &events);
    world.audit();
}

#[test]
fn ordered_conversations_keep_their_order_through_a_small_memory_and_crashes() {
    let mut world = World::new(64);
    world.fate = Box::new(|_, _| match dice(4) {
        0 => (AttemptClass::ServerError, dice(30), None),
        _ => (AttemptClass::Succeeded, 1 + dice(30), None),
    });
    let endpoint = world.endpoint(|settings| {
        settings.is_ordered = true;
        settings.schedule = RetrySchedule::Custom(vec![1; 16].into());
    });
    let (mut events, mut of) = (Vec::new(), BTreeMap::new());
    for round in 0..150 {
        for _ in 0..20 {
            let conversation = 1 + dice(40);
            let event = world.offer(&[endpoint], Some(conversation));
            of.insert(event, conversation);
            events.push(event);
        }
        world.pass(dice(500));
        if round % 31 == 11 {
            world.crash();
        }
    }
    for _ in 0..120 {
        world.pass(10_000);
    }
    assert_eq!(world.pending(endpoint), 0);
    assert_each_delivered_once(&world, endpoint, &events);
    let mut last: BTreeMap<u64, EventId> = BTreeMap::new();
    for attempt in &world.ended {
        if attempt.next == AfterAttempt::Delivered {
            let before = last.insert(of[&attempt.event], attempt.event);
            assert!(
                before < Some(attempt.event),
                "{} was overtaken",
                attempt.event
            );
        }
    }
    world.audit();
}

#[test]
fn a_conversation_that_fails_does_not_hold_up_the_others() {
    let mut world = World::new(64);
    let endpoint = world.endpoint(|settings| settings.is_ordered = true);
    let first = world.offer(&[endpoint], Some(1));
    world.fate = Box::new(move |ticket, _| if ticket.event == first { ERROR } else { OK });
    let blocked: Vec<_> = (0..500)
        .map(|_| world.offer(&[endpoint], Some(1)))
        .collect();
    let others: Vec<_> = (2..100)
        .map(|of| world.offer(&[endpoint], Some(of)))
        .collect();
    world.pass(2_000);
    for event in &others {
        assert_eq!(world.starts_of(*event).len(), 1, "{event} was held up");
    }
    for event in &blocked {
        assert!(
            world.starts_of(*event).is_empty(),
            "{event} overtook the first"
        );
    }
    world.pass(HOUR_MS);
    assert_eq!(world.row(first).results[0].state, ResultState::Exhausted);
    assert_eq!(world.pending(endpoint), 0, "the others followed");
}

#[test]
fn a_rate_is_kept() {
    let mut world = World::new(64);
    let endpoint = world.endpoint(|settings| settings.rate_per_second = Some(10));
    for _ in 0..100 {
        world.offer(&[endpoint], None);
    }
    world.pass(20_000);
    let starts: Vec<u64> = world.started.iter().map(|started| started.at_ms).collect();
    assert_eq!(starts.len(), 100);
    for (index, first) in starts.iter().enumerate() {
        let within = starts[index..]
            .iter()
            .filter(|at| **at < first + 1_000)
            .count();
        assert!(within <= 10, "{within} within a second");
    }
    assert!(*starts.last().unwrap() < 10_500, "the rate is used");
}

#[test]
fn what_comes_next_is_sent_while_a_whole_memory_waits_for_retries_far_off() {
    let mut world = World::new(64);
    world.fate = Box::new(|ticket, at_ms| match (ticket.failed, at_ms < 60_000) {
        (0, true) => (AttemptClass::ClientError, 5, None),
        _ => OK,
    });
    let endpoint = world.endpoint(|settings| {
        settings.schedule = RetrySchedule::Custom([86_400].as_slice().into());
    });
    let failed: Vec<_> = (0..500).map(|_| world.offer(&[endpoint], None)).collect();
    world.pass(60_000);
    for event in &failed {
        assert_eq!(world.starts_of(*event).len(), 1, "{event}");
    }
    let next = world.offer(&[endpoint], None);
    world.pass(1_000);
    assert_eq!(world.starts_of(next).len(), 1, "it waits for no retry");
    world.pass(25 * HOUR_MS + 3 * HOUR_MS);
    assert_eq!(world.pending(endpoint), 0);
    for event in &failed {
        assert_eq!(world.starts_of(*event).len(), 2, "{event}");
    }
    world.audit();
}

#[test]
fn what_the_url_before_answered_is_not_held_against_the_next() {
    let mut world = World::new(64);
    let endpoint = world.endpoint(|_| {});
    let first = world.offer(&[endpoint], None);
    let second = world.offer(&[endpoint], None);
    world.fate = Box::new(move |ticket, _| match ticket.event {
        event if event == first => (AttemptClass::Throttled, 5, Some(3_600_000)),
        event if event == second => (AttemptClass::Gone, 5_000, None),
        _ => OK,
    });
    world.pass(50);
    let before = world.view(endpoint).endpoint.settings;
    let mut settings = before.clone();
    settings.url = "https://b.example/hook".into();
    let change = Box::new((before, settings));
    world
        .ask(|reply| Command::Change(endpoint, change, reply))
        .unwrap();
    let third = world.offer(&[endpoint], None);
    world.pass(10_000);
    assert_eq!(world.starts_of(third).len(), 1, "no pause of the old one");
    let view = world.view(endpoint);
    assert_eq!(view.endpoint.state, EndpointState::Enabled);
    assert_eq!(world.starts_of(second).len(), 1);
}

#[test]
fn an_endpoint_whose_actor_fails_stays_known_and_is_sent_what_it_was_to_have() {
    let mut world = World::new(64);
    let (fails, other) = (world.endpoint(|_| {}), world.endpoint(|_| {}));
    let event = world.offer(&[fails], None);
    world.let_fail(true);
    world.pass(10);
    world.let_fail(false);
    let viewed = world.ask(|reply| Command::View(fails, reply));
    assert!(matches!(viewed, Err(WebhookError::Unavailable(_))));
    let listed = world.ask(Command::List);
    assert!(listed.is_err(), "a list without it would be wrong");

    // Another one changes meanwhile: everyone still knows of both.
    world.ask(|reply| Command::Disable(other, reply)).unwrap();
    assert_eq!(world.known, [fails, other]);
    let next = world.offer(&[fails], None);
    world.pass(60_000);
    assert_eq!(world.known, [fails, other]);
    for event in [event, next] {
        assert_eq!(world.row(event).results[0].state, ResultState::Delivered);
    }
    assert_eq!(world.ask(Command::List).unwrap().len(), 2);
    world.audit();
}

#[test]
fn retry_after_is_honoured_by_the_endpoint_that_asks_alone() {
    let mut world = World::new(64);
    world.fate = Box::new(|ticket, at_ms| match (ticket.endpoint, at_ms) {
        (EndpointId(1), 0) => (AttemptClass::Throttled, 5, Some(90_000)),
        _ => OK,
    });
    let (asks, other) = (world.endpoint(|_| {}), world.endpoint(|_| {}));
    let first = world.offer(&[asks], None);
    world.pass(1_000);
    let second = world.offer(&[asks, other], None);
    world.pass(80_000);
    assert_eq!(world.starts_of(second).len(), 1, "the other has it");
    world.pass(20_000);
    assert_eq!(world.starts_of(second).len(), 2);
    assert!(world.starts_of(first)[1] >= 90_000);
    assert!(world.starts_of(second)[1] >= 90_000);
}

#[test]
fn a_disabled_endpoint_misses_events_and_recovers_them_by_hand_at_the_asked_pace() {
    let mut world = World::new(64);
    let endpoint = world.endpoint(|settings| settings.rate_per_second = Some(1));
    let backlog: Vec<_> = (0..300).map(|_| world.offer(&[endpoint], None)).collect();
    world.pass(900);
    world
        .ask(|reply| Command::Disable(endpoint, reply))
        .unwrap();
    world.pass(5_000);
    assert_eq!(world.pending(endpoint), 0, "what waited is missed");
    let target = Target {
        endpoint,
        is_missed: true,
    };
    let missed = world.offer_to(vec![target], None);
    world.pass(1_000);
    let sent = world.started.len();
    assert!(sent <= 2);
    let health = world.view(endpoint).endpoint.health;

    let before = world.view(endpoint).endpoint.settings;
    let mut settings = before.clone();
    settings.rate_per_second = None;
    let change = Box::new((before, settings));
    world
        .ask(|reply| Command::Change(endpoint, change, reply))
        .unwrap();
    let filter = RecoveryFilter {
        since: world.row(backlog[0]).at,
        until: world.now().wall,
        types: Vec::new(),
        scope: RecoveryScope::Undelivered,
    };
    let began = world.ms();
    world
        .ask(|reply| Command::Recover(endpoint, filter.clone(), 50, reply))
        .unwrap();
    let again = world.ask(|reply| Command::Recover(endpoint, filter, 50, reply));
    assert_eq!(again.unwrap_err(), WebhookError::RecoveryRunning);
    world.pass(3_000);
    let early = world.started.len() - sent;
    assert!(
        (100..=175).contains(&early),
        "{early} in 3 s at 50 a second"
    );
    world.crash();
    world.pass(20_000);
    let view = world.view(endpoint);
    let recovery = view.endpoint.recovery.unwrap();
    assert_eq!(recovery.state, RecoveryState::Done, "it survives a restart");
    assert_eq!(recovery.queued as usize, 301 - sent);
    assert_eq!(view.endpoint.health, health, "its health is left alone");
    assert!(matches!(
        view.endpoint.state,
        EndpointState::Disabled { .. }
    ));
    for event in backlog.iter().chain([&missed]) {
        assert_eq!(world.row(*event).results[0].state, ResultState::Delivered);
    }
    let last = world.started.last().unwrap().at_ms - began;
    assert!(
        last >= 5_000,
        "299 events at 50 a second were sent in {last} ms"
    );
    world.audit();
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_and_the_others_and_the_mailbox_are_told() {
    let mut world = World::new(64);
    world.with_address();
    world.fate = Box::new(|ticket, _| match ticket.endpoint {
        EndpointId(1) => (AttemptClass::Gone, 5, None),
        _ => OK,
    });
    let (gone, other) = (world.endpoint(|_| {}), world.endpoint(|_| {}));
    let event = world.offer(&[gone], None);
    world.pass(1_000);
    let view = world.view(gone);
    let EndpointState::Disabled { cause, .. } = view.endpoint.state else {
        panic!("{:?}", view.endpoint.state);
    };
    assert_eq!(cause, DisableCause::Gone);
    assert_eq!(world.row(event).results[0].state, ResultState::Missed);
    let told = world.started.last().unwrap().ticket;
    assert_eq!(told.endpoint, other);
    let fact = world.row(told.event).event.fact;
    assert_eq!(fact.event_type(), EventType::EndpointDisabled);
    let [MailKind::EndpointDisabled { endpoint, .. }] = world.mails[..] else {
        panic!("{:?}", world.mails);
    };
    assert_eq!(endpoint, gone);
    world.audit();
}

#[test]
fn an_endpoint_that_fails_for_days_is_disabled_and_goes_on_once_it_is_enabled() {
    let mut world = World::new(64);
    world.fate = Box::new(|_, _| ERROR);
    let endpoint = world.endpoint(|_| {});
    for _ in 0..122 {
        world.offer(&[endpoint], None);
        world.pass(HOUR_MS);
    }
    let state = world.view(endpoint).endpoint.state;
    assert!(
        matches!(
            state,
            EndpointState::Disabled {
                cause: DisableCause::Failing,
                ..
            }
        ),
        "{state:?}"
    );
    world.fate = Box::new(|_, _| OK);
    let enabled = world.ask(|reply| Command::Enable(endpoint, reply)).unwrap();
    assert!(enabled.1.is_some());
    let event = world.offer(&[endpoint], None);
    world.pass(1_000);
    assert_eq!(world.row(event).results[0].state, ResultState::Delivered);
    world.audit();
}

#[test]
fn a_deleted_endpoint_leaves_nothing_behind_but_its_attempts() {
    let mut world = World::new(64);
    world.fate = Box::new(|_, _| (AttemptClass::Timeout, 10_000, None));
    let endpoint = world.endpoint(|_| {});
    let events: Vec<_> = (0..500).map(|_| world.offer(&[endpoint], None)).collect();
    world.pass(5_000);
    world.ask(|reply| Command::Delete(endpoint, reply)).unwrap();
    let late = world.offer(&[endpoint], None);
    world.pass(30_000);
    let gone = world.ask(|reply| Command::View(endpoint, reply));
    assert_eq!(gone.unwrap_err(), WebhookError::NO_ENDPOINT);
    assert_eq!(world.pending(endpoint), 0);
    let started = world.started.len();
    world.pass(2 * HOUR_MS);
    assert_eq!(world.started.len(), started, "nothing is sent any more");
    for event in &events {
        assert_eq!(world.row(*event).results[0].state, ResultState::Dropped);
    }
    assert!(!world.row(late).is_pending());
    world.audit();
}

#[test]
fn an_event_is_sent_again_once_for_every_wish_and_examples_reach_a_disabled_endpoint() {
    let mut world = World::new(64);
    let endpoint = world.endpoint(|_| {});
    let event = world.offer(&[endpoint], None);
    world.pass(100);
    let unknown = world.ask(|reply| Command::Resend(endpoint, EventId(7), reply));
    assert_eq!(unknown.unwrap_err(), WebhookError::NO_EVENT);
    world.fate = Box::new(|_, _| ERROR);
    let due = world
        .ask(|reply| Command::Resend(endpoint, event, reply))
        .unwrap();
    assert_eq!(due, world.now().wall);
    let again = world
        .ask(|reply| Command::Resend(endpoint, event, reply))
        .unwrap();
    assert_eq!(again, due, "it waits already");
    world.pass(1_000);
    assert_eq!(world.starts_of(event).len(), 2);
    assert_eq!(world.started.last().unwrap().ticket.ordinal, 2);
    assert_eq!(world.view(endpoint).endpoint.health.failures, 0);

    world.fate = Box::new(|_, _| OK);
    world
        .ask(|reply| Command::Disable(endpoint, reply))
        .unwrap();
    let types = EventType::ALL.to_vec();
    let sent = world
        .ask(|reply| Command::Test(endpoint, types, reply))
        .unwrap();
    world.pass(1_000);
    assert_eq!(sent.len(), EventType::ALL.len());
    for (event, kind) in sent {
        let row = world.row(event);
        assert_eq!(row.event.fact.event_type(), kind);
        assert_eq!(row.results[0].state, ResultState::Delivered);
    }
    world.audit();
}

#[test]
fn dead_and_slow_endpoints_do_not_hold_up_the_healthy_ones() {
    let mut limits = World::limits(4_096);
    limits.in_flight_max = 100;
    let mut world = World::within(limits);
    let endpoints: Vec<_> = (0..40).map(|_| world.endpoint(|_| {})).collect();
    world.fate = Box::new(|ticket, _| match ticket.endpoint.0 {
        1..=4 => (AttemptClass::Timeout, 10_000, None),
        5..=8 => (AttemptClass::Succeeded, 9_000, None),
        _ => OK,
    });
    let mut offered = BTreeMap::new();
    for _ in 0..200 {
        for _ in 0..5 {
            let event = world.offer(&endpoints, None);
            offered.insert(event, world.ms());
        }
        world.pass(250);
    }
    world.pass(1_000);
    let mut waits: Vec<u64> = world
        .started
        .iter()
        .filter(|started| started.ticket.endpoint.0 > 8)
        .map(|started| started.at_ms - offered[&started.ticket.event])
        .collect();
    assert_eq!(waits.len(), 1_000 * 32);
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    assert!(p99 <= 5, "the healthy ones wait {p99} ms");
}

#[test]
fn old_events_are_forgotten_but_never_one_that_waits() {
    let mut limits = World::limits(64);
    limits.failing_ms_max = u64::MAX;
    let mut world = World::within(limits);
    let endpoint = world.endpoint(|settings| {
        settings.schedule = RetrySchedule::Custom(vec![7 * 24 * 3_600; 16].into());
    });
    let delivered = world.offer(&[endpoint], None);
    world.pass(1_000);
    world.fate = Box::new(|_, _| ERROR);
    let waits = world.offer(&[endpoint], None);
    for _ in 0..31 {
        world.pass(24 * HOUR_MS);
    }
    assert!(world.stored(delivered).is_none());
    assert!(world.stored(waits).is_some());
    world.audit();
}
