//! Verify: an audit of a stopped store against the invariants that everything else relies on.
//!
//! It sees what a restart would see: the records on disk with the journal's tail replayed over them
//! in memory. Nothing of the records or the journal is written.
//!
//! | Id | What holds |
//! |---|---|
//! | V1 | Every expected message is stored, with the expected body where one is given. |
//! | V2 | An account's balance is the sum of its ledger, which never falls below zero on the way. Every outbound message has one charge, of its price; a refused one, and no other, has one refund; the ledger has nothing else but top-ups and months of SMS on numbers. |
//! | V3 | Encoding and segments are what the body asks for; an outbound message's charge is one whole price for each segment, an inbound one's is nothing. |
//! | V4 | A message's history begins with its first status at its creation, only moves forward, and ends with what its delivery says; it is marked read when its delivery is. |
//! | V5 | Every message lies in an extent of exactly one conversation and agrees with it, its number and its account; the ordinals of an extent have no hole; what a conversation says of its messages is so. |
//! | V6 | An outbound message's delivery is in one place: in flight while it is open, with the message from when it closed, even if it opens again; both name the same route, the same time while it is scheduled, and whether there is a URL for the status. |
//! | V7 | Every conversation has its row in the pair index, and one for each alias of its peer that leads to no other conversation; the index has no other, but for aliases that their conversation may have forgotten. |
//! | V8 | Every message has its row in the timeline and every conversation in the inbox, and these have no other. |
//! | V9 | A parked receipt lies under its own key, and its carrier message id belongs to no delivery in flight; the ring of those that aged out has the last ones and no more. |
//! | V10 | Every leaf and every record is sound and under its own key, the stored counts are the counts, and no id in use is still to be given out. |
//! | V11 | The journal goes on where the records end, without a gap, and reaches as far as its last clean stop; no API key opens two accounts. |
//! | V12 | A carrier message id that is indexed leads to a message whose delivery has it; one of an older inbound message leads to such a message of its conversation and carrier, and a conversation has some of these exactly when it says so. |
//! | V13 | A part that waits lies under its own key and is one of its message's. |
//! | V14 | An event lies under its own account and id; it says once of each endpoint what came of it there, and of no other account's; an endpoint's account and number exist. |
//! | V15 | What waits for an endpoint are the events whose result there is pending, when it says; the endpoint exists and counts them, and a deleted one goes with the last. |
//! | V16 | The attempts are those that results name, each under its own key and with all of its body. |
//! | V17 | A mail lies under its own key and is of an account that exists; the ring of those that were given up has the last ones and no more. |
//! | V18 | The parts of auto-reply rules make whole rules, of numbers that exist. |
//! | V19 | An idempotency key is of an account that exists; the message that it leads to is that account's, outbound, and was accepted at the time of the key; a batch that it leads to was begun then or before. |
//! | V20 | Every ledger entry tells the balance after it, which is the sum of its account's entries up to it; a month of SMS on a number is paid once. |
//! | V21 | An opt-out lies under its own key and is of a conversation that exists, its account and number; it is kept as one that holds exactly when its conversation says so, with the same cause. |
//! | V22 | A batch lies under its own key; it counts its messages by their status, and its refused rows; every row that was accepted leads to a message of the batch, and there are no other messages of it. |
//! | V23 | A pool lies under its own key and is of an account that exists, which has had as many; its numbers are that account's, and in no other pool. |
//!
//! Rules that compare two maps are left out where one of them could not be read whole: the damage is
//! named (V10) and what it would seem to imply is not.
//!
//! # Limits
//!
//! Memory stays small whatever is stored: some bytes for each account, API key, number and endpoint,
//! tables of fixed size, and the replayed tail. Maps are walked once, in order; a second walk names the subjects
//! only where the first found that two maps differ. What rows of carrier message ids and of idempotency
//! keys lead to is looked up one by one: their digests lie in no order that the messages have.

mod audit;
mod batches;
mod carrier_ids;
mod consent;
mod conversations;
mod counts;
mod deliveries;
mod expect;
mod fact;
mod guarded;
mod indexes;
mod ledger;
mod mails;
mod maps;
mod message_rules;
mod messages;
mod owners;
mod pairs;
mod pools;
mod report;
mod rules;
mod sides;
mod suspects;
mod tail;
mod tally;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use expect::{ExpectError, Expected, parse_expect_line};
pub use report::{BREACHES_KEPT_MAX, Breach, Report};

use crate::journal::JournalReadError;
use crate::records::{Records, RecordsError};
use crate::shelf::{OverlayShelf, Shelf, ShelfError};
use crate::store::{ClosedStore, JOURNAL_DIR, RECORDS_DIR, StoreOpenError};
use audit::Audit;

/// Why a store could not be verified: nothing is said about its invariants then.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// There is a journal without records.
    #[error("there are no records in {}: run `didfarm repair` to rebuild them from the journal", dir.display())]
    NoRecords {
        /// The data directory.
        dir: PathBuf,
    },
    /// The disk refused a read of the journal.
    #[error(transparent)]
    Journal(JournalReadError),
    /// The disk refused a read of the records.
    #[error(transparent)]
    Shelf(ShelfError),
    /// The journal's tail cannot be replayed for a reason that is no damage.
    #[error(transparent)]
    Replay(RecordsError),
}

/// Verifies the stopped store in `dir`, and that it holds what is expected, if anything is.
///
/// A torn tail of the journal is noted, not a breach: nobody was told of it, and opening cuts it.
///
/// # Errors
/// The store does not open or cannot be read; damage that can be read around is a breach instead.
pub fn verify(
    dir: &Path,
    sled_cache_bytes: u64,
    expect: Option<&mut dyn Iterator<Item = Expected>>,
) -> Result<Report, VerifyError> {
    // Opening would make an empty folder of records: a look must not leave one behind.
    if dir.join(JOURNAL_DIR).is_dir() && !dir.join(RECORDS_DIR).is_dir() {
        return Err(VerifyError::NoRecords { dir: dir.into() });
    }
    let mut store = ClosedStore::open(dir, sled_cache_bytes)?;
    let overlay: Arc<dyn Shelf> = Arc::new(OverlayShelf::new(Arc::clone(&store.records)));
    let records = Records::new(overlay);
    let mut audit = Audit::new(&records);
    tail::replay(&mut audit, &records, &mut store.tail)?;
    check(audit, expect)
}

/// Verifies records as they are, without a journal.
///
/// # Errors
/// They cannot be read; damage that can be read around is a breach instead.
pub fn audit(
    records: &Records,
    expect: Option<&mut dyn Iterator<Item = Expected>>,
) -> Result<Report, VerifyError> {
    check(Audit::new(records), expect)
}

fn check(
    mut audit: Audit<'_>,
    expect: Option<&mut dyn Iterator<Item = Expected>>,
) -> Result<Report, VerifyError> {
    if let Some(expected) = expect {
        expect::check(&mut audit, expected);
    }
    let mut owners = owners::check(&mut audit);
    let extents = conversations::extents(&mut audit);
    let opted_out = conversations::check(&mut audit, &owners, &extents);
    messages::check(&mut audit, &owners, &extents);
    deliveries::check_in_flight(&mut audit);
    deliveries::check_parked(&mut audit);
    deliveries::check_aged(&mut audit);
    carrier_ids::check_owners(&mut audit);
    carrier_ids::check_inbound(&mut audit);
    deliveries::check_parts(&mut audit);
    indexes::check(&mut audit);
    ledger::check(&mut audit, &mut owners);
    webhooks::check(&mut audit, &owners);
    mails::check(&mut audit, &owners);
    rules::check(&mut audit, &owners);
    guarded::check(&mut audit, &owners);
    consent::check(&mut audit, opted_out);
    batches::check(&mut audit, &owners);
    pools::check(&mut audit, &owners);
    suspects::check(&mut audit, &extents);
    counts::check(&mut audit);
    audit.finish()
}
