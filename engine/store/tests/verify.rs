//! Verify and repair: a sound store is clean, every kind of breach is named, a damaged store is rebuilt.

#[path = "verify/any_order.rs"]
mod any_order;
#[path = "verify/batches.rs"]
mod batches;
#[path = "verify/carrier_ids.rs"]
mod carrier_ids;
#[path = "verify/consent.rs"]
mod consent;
#[path = "verify/directory.rs"]
mod directory;
#[path = "verify/extents.rs"]
mod extents;
#[path = "verify/farm.rs"]
mod farm;
#[path = "verify/guards.rs"]
mod guards;
#[path = "verify/hooks.rs"]
mod hooks;
#[path = "verify/idempotency.rs"]
mod idempotency;
#[path = "verify/indexes.rs"]
mod indexes;
#[path = "verify/messages.rs"]
mod messages;
#[path = "verify/money.rs"]
mod money;
#[path = "verify/pages.rs"]
mod pages;
#[path = "verify/pools.rs"]
mod pools;
#[path = "verify/rich.rs"]
mod rich;
#[path = "verify/rounds.rs"]
mod rounds;
#[path = "verify/row_bounds.rs"]
mod row_bounds;
#[path = "verify/shelves.rs"]
mod shelves;
#[path = "verify/soundness.rs"]
mod soundness;
#[path = "verify/structure.rs"]
mod structure;
#[path = "verify/webhooks.rs"]
mod webhooks;

use std::collections::BTreeSet;

use didfarm_store::verify::{Report, audit};
use rich::Rich;

/// One way to break a store, and what has to be said of it.
struct Case {
    name: &'static str,
    /// Every invariant that is broken by it; a breach of the first names the subject.
    invariants: &'static [&'static str],
    subject: fn(&Rich) -> String,
    alter: fn(&Rich),
}

/// Breaks a fresh store in each way and compares what the audit says.
fn check(cases: &[Case]) {
    for Case {
        name,
        invariants,
        subject,
        alter,
    } in cases
    {
        let rich = Rich::new();
        alter(&rich);
        let report = audit(&rich.records, None).unwrap();
        assert_breaches(name, &report, invariants, &subject(&rich));
    }
}

fn assert_breaches(name: &str, report: &Report, invariants: &[&str], subject: &str) {
    let found: BTreeSet<_> = report.breaches_by_invariant.keys().copied().collect();
    assert_eq!(
        found,
        invariants.iter().copied().collect(),
        "{name}: {report}"
    );
    let named = report
        .breaches
        .iter()
        .any(|breach| breach.invariant == invariants[0] && breach.subject == subject);
    assert!(
        named,
        "{name}: no breach of {} names {subject}: {report}",
        invariants[0]
    );
}
