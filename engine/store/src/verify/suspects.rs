//! The second look: where a tally says that two maps differ, their subjects are found and named.

use std::collections::BTreeMap;

use didfarm_core::ids::MessageId;

use super::audit::Audit;
use super::carrier_ids::InboundGroups;
use super::conversations::Extents;
use super::fact::{Fact, Index};
use super::maps::{ATTEMPTS, CONVERSATIONS, EVENTS, INBOX, LEDGER, MESSAGES, PENDING, TIMELINE};
use super::messages::ExtentCounter;
use super::report::BREACHES_KEPT_MAX;
use super::sides;
use super::{pairs, tally};
use crate::records::keys::{self, MAPS};

/// Both sides of one subject.
#[derive(Default)]
struct Sides {
    expected: Vec<Fact>,
    found: Vec<Fact>,
}

/// The facts of the buckets that differ, in one index.
struct Suspects {
    index: Index,
    buckets: Vec<usize>,
    sides: BTreeMap<u64, Sides>,
}

impl Suspects {
    fn sides(&mut self, fact: &Fact) -> Option<&mut Sides> {
        let wanted =
            fact.index() == self.index && self.buckets.binary_search(&tally::bucket(fact)).is_ok();
        wanted.then(|| self.sides.entry(fact.subject()).or_default())
    }

    fn expect(&mut self, fact: Fact) {
        if let Some(sides) = self.sides(&fact) {
            sides.expected.push(fact);
        }
    }

    fn found(&mut self, fact: Fact) {
        if let Some(sides) = self.sides(&fact) {
            sides.found.push(fact);
        }
    }
}

/// Compares what calls for rows with the rows, and names whoever has one too few or too many.
pub(super) fn check(audit: &mut Audit<'_>, extents: &Extents) {
    for index in Index::ALL {
        if !index.maps().iter().all(|map| audit.is_whole(*map)) {
            continue;
        }
        let mut buckets = audit.tallies[index as usize].differing();
        // Each bucket that differs has a breach at least: more than are kept need not be named.
        let unnamed = buckets.len().saturating_sub(BREACHES_KEPT_MAX);
        buckets.truncate(BREACHES_KEPT_MAX);
        if buckets.is_empty() {
            continue;
        }
        let mut suspects = Suspects {
            index,
            buckets,
            sides: BTreeMap::new(),
        };
        collect(audit, &mut suspects, extents);
        name(audit, suspects);
        audit
            .report
            .count_breaches(index.invariant(), unnamed as u64);
    }
}

fn collect(audit: &mut Audit<'_>, suspects: &mut Suspects, extents: &Extents) {
    match suspects.index {
        Index::Ledger | Index::Timeline => {
            audit.walk(&MESSAGES, |_, _, message| {
                sides::of_message(&message, |fact| suspects.expect(fact))
            });
        }
        Index::Pairs => {
            audit.walk(&CONVERSATIONS, |audit, _, conversation| {
                pairs::of_conversation(audit, &conversation, |_, fact| suspects.expect(fact));
            });
        }
        Index::Pending | Index::Attempts => {
            audit.walk(&EVENTS, |_, _, row| {
                sides::of_event(&row, |fact| suspects.expect(fact));
            });
        }
        Index::Inbox | Index::Inbound | Index::Extents => {
            audit.walk(&CONVERSATIONS, |_, _, conversation| {
                sides::of_conversation(&conversation, extents, |fact| suspects.expect(fact));
            });
        }
    }
    let found = |suspects: &mut Suspects, fact: Option<Fact>| {
        if let Some(fact) = fact {
            suspects.found(fact);
        }
    };
    match suspects.index {
        Index::Ledger => {
            audit.walk(&LEDGER, |_, key, entry| {
                found(suspects, sides::of_ledger_entry(key, &entry))
            });
        }
        Index::Timeline => {
            audit.walk(&TIMELINE, |_, key, row| {
                found(suspects, sides::of_timeline_row(key, &row))
            });
        }
        Index::Inbox => {
            audit.walk(&INBOX, |_, key, row| {
                found(suspects, sides::of_inbox_row(key, &row))
            });
        }
        Index::Pairs => {
            audit.walk_bytes(MAPS.pairs, |audit, key, value| {
                let row = sides::of_pair_row(key, value);
                found(
                    suspects,
                    row.filter(|row| !pairs::may_be_forgotten(audit, row)),
                )
            });
        }
        Index::Inbound => {
            let mut groups = InboundGroups::default();
            audit.walk_bytes(MAPS.inbound, |_, key, _| {
                let row = keys::inbound_of(key);
                found(suspects, row.and_then(|(id, _)| groups.enter(id)));
            });
        }
        Index::Extents => {
            let mut counter = ExtentCounter::default();
            audit.walk_bytes(MAPS.messages, |_, key, _| {
                let extent = keys::id_of(key).map(|id| MessageId(id).extent());
                found(suspects, extent.and_then(|extent| counter.add(extent)));
            });
            found(suspects, counter.end());
        }
        Index::Pending => {
            audit.walk(&PENDING, |_, key, row| {
                found(suspects, sides::of_pending_row(key, &row))
            });
        }
        Index::Attempts => {
            audit.walk_bytes(MAPS.attempts, |audit, key, value| {
                let Some((endpoint, place, 0)) = keys::attempt_of(key) else {
                    return;
                };
                let row = audit.decode(&ATTEMPTS, key, value);
                let row = row.map(|row| sides::of_attempt_row(endpoint, place, &row));
                found(suspects, row)
            });
        }
    }
}

fn name(audit: &mut Audit<'_>, suspects: Suspects) {
    let index = suspects.index;
    for Sides {
        mut expected,
        mut found,
    } in suspects.sides.into_values()
    {
        // What stands on both sides equally often is in order.
        expected.retain(|fact| match found.iter().position(|other| other == fact) {
            Some(place) => {
                found.swap_remove(place);
                false
            }
            None => true,
        });
        for fact in expected {
            audit.breach(index.invariant(), fact.subject_name(), fact.missing());
        }
        for fact in found {
            audit.breach(index.invariant(), fact.subject_name(), fact.surplus());
        }
    }
}
