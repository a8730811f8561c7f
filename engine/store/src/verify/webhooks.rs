//! V14 to V16: endpoints and their events, what waits for an endpoint, and how attempts ended.

use std::collections::BTreeSet;

use didfarm_core::ids::{AccountId, EndpointId};
use didfarm_core::webhook::endpoint::EndpointState;
use rustc_hash::FxHashMap;

use super::audit::Audit;
use super::maps::{ATTEMPTS, BODY_PARTS, ENDPOINTS, EVENTS, PENDING, hex, name};
use super::owners::Owners;
use super::sides;
use crate::packed::PackedMap;
use crate::records::keys::{self, AttemptPlace, MAPS};
use crate::records::round::{AttemptRow, EndpointRecord, EventRow, ResultState};

/// What is remembered of an endpoint.
struct Hook {
    account: AccountId,
    /// What its record says of how much waits for it.
    pending: u64,
    /// Rows that wait for it.
    found: u64,
}

type Hooks = FxHashMap<EndpointId, Hook>;

/// Looks at endpoints, events and what waits, and notes what events call for.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    let mut hooks = endpoints(audit, owners);
    events(audit, owners, &hooks);
    pending(audit, &mut hooks);
    attempts(audit);
}

fn endpoints(audit: &mut Audit<'_>, owners: &Owners) -> Hooks {
    let mut hooks = Hooks::default();
    audit.walk(&ENDPOINTS, |audit, key, record| {
        let EndpointRecord { endpoint, pending } = record;
        let (id, account) = (endpoint.id, endpoint.account);
        audit.report.endpoints += 1;
        audit.highest.endpoint = audit.highest.endpoint.max(id.get());
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("endpoint", key, id);
        }
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&account) {
            audit.breach("V14", id, format!("its account {account} does not exist"));
        }
        match endpoint
            .number
            .map(|number| (number, owners.numbers.get(&number)))
        {
            Some((number, Some(hosted))) if hosted.account != account => {
                let sentence = format!("its number {number} is not of its account {account}");
                audit.breach("V14", id, sentence);
            }
            Some((number, None)) if audit.is_whole(MAPS.numbers) => {
                audit.breach("V14", id, format!("its number {number} does not exist"));
            }
            Some(_) | None => {}
        }
        if endpoint.state == EndpointState::Deleted && pending == 0 {
            audit.breach(
                "V15",
                id,
                "it is deleted, nothing waits for it, and it is there",
            );
        }
        let hook = Hook {
            account,
            pending,
            found: 0,
        };
        hooks.insert(id, hook);
    });
    hooks
}

fn events(audit: &mut Audit<'_>, owners: &Owners, hooks: &Hooks) {
    audit.walk(&EVENTS, |audit, key, row| {
        let event = &row.event;
        audit.report.events += 1;
        audit.highest.event = audit.highest.event.max(event.id.get());
        if keys::event_of(key) != Some((event.account, event.id)) {
            audit.misplaced("event", key, event.id);
        }
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&event.account) {
            let sentence = format!("its account {} does not exist", event.account);
            audit.breach("V14", event.id, sentence);
        }
        results(audit, hooks, &row);
        sides::of_event(&row, |fact| {
            audit.tallies[fact.index() as usize].expect(&fact);
        });
    });
}

/// What an event says of its endpoints.
fn results(audit: &mut Audit<'_>, hooks: &Hooks, row: &EventRow) {
    let mut seen = BTreeSet::new();
    for result in &row.results {
        let endpoint = result.endpoint;
        audit.highest.endpoint = audit.highest.endpoint.max(endpoint.get());
        let hook = hooks.get(&endpoint);
        let rules = [
            (seen.insert(endpoint), "is named twice"),
            (
                hook.is_none_or(|hook| hook.account == row.event.account),
                "is of another account",
            ),
            (
                result.due.is_some() == (result.state == ResultState::Pending),
                "has a due time and is not pending, or is pending and has none",
            ),
            (
                result.attempts.len() <= usize::from(result.made),
                "has more attempts than were made",
            ),
        ];
        for (holds, clash) in rules {
            if !holds {
                let sentence = format!("its result at {endpoint} {clash}");
                audit.breach("V14", row.event.id, sentence);
            }
        }
    }
}

fn pending(audit: &mut Audit<'_>, hooks: &mut Hooks) {
    audit.walk(&PENDING, |audit, key, row| {
        audit.report.pending += 1;
        let (Some(fact), Some((id, _, event))) =
            (sides::of_pending_row(key, &row), keys::pending_of(key))
        else {
            return none_of_its_kind(audit, MAPS.pending, key);
        };
        audit.tallies[fact.index() as usize].found(&fact);
        match hooks.get_mut(&id) {
            Some(hook) => hook.found += 1,
            None if audit.is_whole(MAPS.endpoints) => {
                audit.breach("V15", event, format!("it waits for {id}, which is none"));
            }
            None => {}
        }
    });
    if !audit.is_whole(MAPS.pending) {
        return;
    }
    let mut wrong: Vec<_> = hooks
        .iter()
        .filter(|(_, hook)| hook.pending != hook.found)
        .collect();
    wrong.sort_unstable_by_key(|(id, _)| **id);
    for (id, Hook { pending, found, .. }) in wrong {
        let sentence = format!("it says that {pending} events wait for it, and {found} do");
        audit.breach("V15", id, sentence);
    }
}

/// The attempt whose rows are being walked: its place, how many rows it takes, the next one.
type Open = (EndpointId, AttemptPlace, u8, u8);

fn attempts(audit: &mut Audit<'_>) {
    let mut open: Option<Open> = None;
    audit.walk_bytes(ATTEMPTS.map, |audit, key, value| {
        let Some((endpoint, place, part)) = keys::attempt_of(key) else {
            return none_of_its_kind(audit, MAPS.attempts, key);
        };
        if part == 0 {
            check_whole(audit, open.take());
            audit.report.attempts += 1;
            if let Some(row) = audit.decode(&ATTEMPTS, key, value) {
                attempt(audit, key, (endpoint, place), &row);
                open = Some((endpoint, place, row.parts, 1));
            }
            return;
        }
        audit.decode(&BODY_PARTS, key, value);
        match &mut open {
            Some((of, at, parts, next))
                if (*of, *at, *next) == (endpoint, place, part) && part < *parts =>
            {
                *next += 1;
            }
            // Of a part behind an attempt that could not be read nothing is known.
            Some(_) | None if audit.is_whole(MAPS.attempts) => {
                let sentence = "it is a part of no attempt's body";
                audit.breach("V16", format!("attempt {}", hex(key)), sentence);
            }
            Some(_) | None => {}
        }
    });
    check_whole(audit, open);
}

fn attempt(
    audit: &mut Audit<'_>,
    key: &[u8],
    (endpoint, place): (EndpointId, AttemptPlace),
    row: &AttemptRow,
) {
    let own = &row.attempt;
    if (own.endpoint, AttemptPlace::of(own)) != (endpoint, place) {
        let sentence = "it lies under a key that is not its own";
        audit.breach("V16", format!("attempt {}", hex(key)), sentence);
    }
    let fact = sides::of_attempt_row(endpoint, place, row);
    audit.tallies[fact.index() as usize].found(&fact);
}

fn check_whole(audit: &mut Audit<'_>, open: Option<Open>) {
    if let Some((endpoint, place, parts, next)) = open
        && next < parts
        && audit.is_whole(MAPS.attempts)
    {
        let sentence = format!(
            "of attempt {} at {endpoint}, {next} of {parts} rows are there",
            place.ordinal
        );
        audit.breach("V16", place.event, sentence);
    }
}

fn none_of_its_kind(audit: &mut Audit<'_>, map: PackedMap, key: &[u8]) {
    let subject = format!("key {}", hex(key));
    let sentence = format!("{} has a row that is none of its kind", name(map));
    audit.breach("V10", subject, sentence);
}
