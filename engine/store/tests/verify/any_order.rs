//! Whatever is journalled of webhooks, in whatever order and however absurd, the records stay sound.

use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, Redelivery};
use didfarm_core::webhook::endpoint::EndpointEvent;
use didfarm_core::webhook::{Target, WebhookEvent};
use didfarm_store::records::round::Round;
use proptest::prelude::*;

use crate::farm::Farm;
use crate::hooks::{attempt, endpoint};
use crate::rounds::{DISABLED, assert_sound, example};
use crate::shelves::records_of;

/// Something that is journalled about endpoint and event, wherever it comes from.
#[derive(Debug, Clone)]
enum Step {
    Create(u32),
    Offer(u64, Vec<(u32, bool)>),
    Attempt(u32, u64, i64, u16, AfterAttempt),
    Redeliver(u32, u64, i64),
    Drop(u32, Vec<(i64, u64)>),
    Forget(Vec<u64>),
    Change(u32, EndpointEvent),
    /// The round ends.
    Commit,
}

/// Few endpoints, events and times, so that steps meet.
fn step() -> impl Strategy<Value = Step> {
    let (endpoint, event, due) = (1..4_u32, 1..6_u64, 0..8_i64);
    let next = prop_oneof![
        Just(AfterAttempt::Delivered),
        Just(AfterAttempt::Exhausted),
        due.clone().prop_map(|due| AfterAttempt::Retry {
            due: Timestamp(due)
        }),
    ];
    let change = prop_oneof![
        Just(DISABLED),
        Just(EndpointEvent::Enabled),
        Just(EndpointEvent::Deleted),
    ];
    let to = prop::collection::btree_map(endpoint.clone(), any::<bool>(), 0..4);
    let place = (due.clone(), event.clone());
    prop_oneof![
        1 => endpoint.clone().prop_map(Step::Create),
        4 => (event.clone(), to).prop_map(|(event, to)| Step::Offer(event, to.into_iter().collect())),
        6 => (endpoint.clone(), event.clone(), due.clone(), 1..4_u16, next)
            .prop_map(|(endpoint, event, due, n, next)| Step::Attempt(endpoint, event, due, n, next)),
        2 => (endpoint.clone(), event.clone(), due)
            .prop_map(|(endpoint, event, due)| Step::Redeliver(endpoint, event, due)),
        2 => (endpoint.clone(), prop::collection::vec(place, 0..9))
            .prop_map(|(endpoint, rows)| Step::Drop(endpoint, rows)),
        1 => prop::collection::vec(event, 0..4).prop_map(Step::Forget),
        2 => (endpoint, change).prop_map(|(endpoint, change)| Step::Change(endpoint, change)),
        2 => Just(Step::Commit),
    ]
}

/// What a step journals at a time; ids are given out once.
fn event_of(step: Step, at: Timestamp, seen: &mut (Vec<u32>, Vec<u64>)) -> Option<Event> {
    let account = AccountId(1);
    Some(match step {
        Step::Create(id) => {
            if seen.0.contains(&id) {
                return None;
            }
            seen.0.push(id);
            let id = EndpointId(id);
            let made = Box::new(endpoint(id, account, at));
            Event::Endpoint(id, EndpointEvent::Created(made))
        }
        Step::Change(id, _) if !seen.0.contains(&id) => return None,
        Step::Change(id, change) => Event::Endpoint(EndpointId(id), change),
        Step::Offer(id, to) => {
            if seen.1.contains(&id) {
                return None;
            }
            seen.1.push(id);
            let target = |(endpoint, is_missed)| Target {
                endpoint: EndpointId(endpoint),
                is_missed,
            };
            let known = to.into_iter().filter(|(id, _)| seen.0.contains(id));
            Event::Offered(Box::new(WebhookEvent {
                id: EventId(id),
                account,
                number: None,
                channel: None,
                conversation: None,
                fact: example(),
                to: known.map(target).collect(),
            }))
        }
        Step::Attempt(endpoint, event, due, ordinal, next) => {
            let ids = (EndpointId(endpoint), EventId(event), ordinal);
            Event::Attempted(Box::new(attempt(ids, (Timestamp(due), at), next, "body")))
        }
        Step::Redeliver(endpoint, event, due) => Event::Redelivered(Redelivery {
            event: EventId(event),
            endpoint: EndpointId(endpoint),
            due: Timestamp(due),
        }),
        Step::Drop(endpoint, rows) => {
            let rows = rows
                .into_iter()
                .map(|(due, event)| (Timestamp(due), EventId(event)));
            Event::PendingDropped(EndpointId(endpoint), rows.collect())
        }
        Step::Forget(events) => {
            Event::EventsForgotten(account, events.into_iter().map(EventId).collect())
        }
        Step::Commit => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_journalled_of_webhooks_the_records_stay_sound(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut farm = Farm::default();
        farm.account("Acme", 0);
        let records = records_of(&farm.entries);
        let mut seen = (Vec::new(), Vec::new());
        let mut meta = records.meta().unwrap();
        let mut round = Round::begin(records.shelf(), meta);
        for (place, step) in (0..).zip(steps) {
            // Few times, so that dues that are named are dues that wait.
            let at = Timestamp(place % 8);
            if matches!(step, Step::Commit) {
                round.commit().unwrap();
                assert_sound(&records);
                meta = records.meta().unwrap();
                round = Round::begin(records.shelf(), meta);
            } else if let Some(event) = event_of(step, at, &mut seen) {
                meta.seq = meta.seq.next();
                let events = vec![event];
                round.apply(meta.seq, &Entry { at, events }).unwrap();
            }
        }
        round.commit().unwrap();
        assert_sound(&records);
    }
}
