//! One round: journal entries applied to the records through core's `evolve`, written as one batch.

mod attempts;
mod batches;
mod consent;
mod conversation;
mod delivery;
mod directory;
mod guarded;
mod mails;
mod rows;
mod webhook_rows;
mod webhooks;

use std::collections::BTreeMap;

use didfarm_core::account::Account;
use didfarm_core::batch::Batch;
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::InFlight;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::ConversationId;
use didfarm_core::message::Message;
use didfarm_core::number::Number;
use didfarm_core::pool::Pool;
use didfarm_core::time::Timestamp;

pub use attempts::{ATTEMPTS_MAX, BODY_PART_BYTES_MAX, EVENT_ATTEMPTS_MAX, RESULTS_MAX};
pub use batches::BatchRow;
pub use consent::OptOutRow;
pub use guarded::GuardedRow;
pub use rows::{AgedReceipt, HeldPart, InboxRow, LedgerCause, LedgerEntry, ParkedRow, TimelineRow};
pub use webhook_rows::{
    AttemptMark, AttemptRow, BodyPart, EndpointRecord, EventResult, EventRow, GivenUpMail,
    PendingRow, ResultState,
};

use super::keys::{self, MAPS};
use super::working::Working;
use super::{META_KEY, Meta, RecordsError, codec};
use crate::packed::PackedMap;
use crate::seq::Seq;
use crate::shelf::{Shelf, ShelfBatch};
use conversation::{InboxMove, Pairs};
use mails::Mails;
use webhooks::Webhooks;

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Rows that a round adds to an index, each once. They come nearly in order, one way or the other, so
/// that sorting them at the end costs less than keeping them sorted.
type Added = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The working set of a round.
pub struct Round<'a> {
    shelf: &'a dyn Shelf,
    meta: Meta,
    accounts: Working<[u8; 8], Account>,
    numbers: Working<[u8; 8], Number>,
    auto_replies: Changes,
    conversations: Working<[u8; 8], Conversation>,
    messages: Working<[u8; 8], Message>,
    in_flight: Working<[u8; 8], InFlight>,
    parked: Working<[u8; 10], ParkedRow>,
    aged: Working<[u8; 8], AgedReceipt>,
    parts: Working<[u8; 17], HeldPart>,
    pairs: Pairs,
    owners: Added,
    inbound: Added,
    extents: Added,
    timeline: Added,
    inbox: BTreeMap<ConversationId, InboxMove>,
    ledger: Added,
    webhooks: Webhooks,
    mails: Mails,
    guarded: Working<[u8; 20], GuardedRow>,
    opt_outs: Working<[u8; 20], OptOutRow>,
    batches: Working<[u8; 12], Batch>,
    batch_rows: Added,
    pools: Working<[u8; 8], Pool>,
}

impl<'a> Round<'a> {
    /// Begins a round on top of what `meta` says is applied.
    pub fn begin(shelf: &'a dyn Shelf, meta: Meta) -> Round<'a> {
        Round {
            shelf,
            meta,
            accounts: Working::new(MAPS.accounts, "account"),
            numbers: Working::new(MAPS.numbers, "number"),
            auto_replies: Changes::new(),
            conversations: Working::new(MAPS.conversations, "conversation"),
            messages: Working::new(MAPS.messages, "message"),
            in_flight: Working::new(MAPS.in_flight, "delivery"),
            parked: Working::new(MAPS.parked, "parked receipt"),
            aged: Working::new(MAPS.aged, "aged receipt"),
            parts: Working::new(MAPS.parts, "part"),
            pairs: Pairs::default(),
            owners: Added::new(),
            inbound: Added::new(),
            extents: Added::new(),
            timeline: Added::new(),
            inbox: BTreeMap::new(),
            ledger: Added::new(),
            webhooks: Webhooks::new(),
            mails: Mails::new(),
            guarded: Working::new(MAPS.guarded, "idempotency key"),
            opt_outs: Working::new(MAPS.opt_outs, "opt-out"),
            batches: Working::new(MAPS.batches, "batch"),
            batch_rows: Added::new(),
            pools: Working::new(MAPS.pools, "pool"),
        }
    }

    /// Applies one entry; entries come in order, without a gap.
    ///
    /// # Errors
    /// A record that it needs is unreadable or missing.
    pub fn apply(&mut self, seq: Seq, entry: &Entry) -> Result<(), RecordsError> {
        debug_assert_eq!(seq, self.meta.seq.next(), "entries are applied in order");
        for (place, event) in entry.events.iter().enumerate() {
            let place = u16::try_from(place).unwrap_or(u16::MAX);
            self.apply_event(
                At {
                    seq,
                    place,
                    time: entry.at,
                },
                event,
            )?;
        }
        self.meta.seq = seq;
        Ok(())
    }

    fn apply_event(&mut self, at: At, event: &Event) -> Result<(), RecordsError> {
        match event {
            Event::Account(account, happened) => self.account(at, *account, happened),
            Event::Number(number, happened) => self.number(at, *number, happened),
            Event::ConversationOpened(fact) => {
                self.open(at, fact);
                Ok(())
            }
            Event::ExtentAdded(conversation, extent) => {
                let key = keys::extent(*conversation, *extent).to_vec();
                self.extents.push((key, Some(Vec::new())));
                self.meta.counts.extents += 1;
                self.meta.extent_next = self.meta.extent_next.max(extent.0 + 1);
                self.conversation(at, *conversation, event)
            }
            Event::Accepted(fact) => {
                self.in_flight
                    .put(keys::id(fact.message.0), InFlight::new(fact, at.time));
                self.meta.counts.in_flight += 1;
                let message = Message::accepted(fact, at.time);
                self.join_batch(at, fact, message.status())?;
                self.message(message);
                self.charge(at, fact)?;
                self.conversation(at, fact.conversation, event)
            }
            Event::Received(fact) => {
                self.message(Message::received(fact, at.time));
                self.conversation(at, fact.conversation, event)
            }
            Event::Consent(conversation, said) => self.consent(at, *conversation, said),
            Event::Delivery(message, happened) => self.delivery(at, *message, happened),
            Event::ReceiptParked(receipt) => self.park(at, receipt),
            Event::ReceiptsUnparked(carrier, id) => self.unpark(*carrier, id).map(drop),
            Event::ReceiptsAgedOut(carrier, id) => self.age_out(at, *carrier, id),
            Event::PartHeld(part) => {
                self.parts
                    .put(keys::part(&part.key, part.place), (at.time, part.clone()));
                Ok(())
            }
            Event::PartsJoined(key) => {
                keys::parts(key).for_each(|part| self.parts.remove(part));
                Ok(())
            }
            Event::Offered(event) => self.offered(at, event),
            Event::Endpoint(id, happened) => self.endpoint(at, *id, happened),
            Event::Attempted(attempt) => self.attempted(attempt),
            Event::Redelivered(redelivery) => self.redelivered(*redelivery),
            Event::PendingDropped(endpoint, rows) => self.pending_dropped(*endpoint, rows),
            Event::EventsForgotten(account, events) => self.forgotten(*account, events),
            Event::MailQueued(mail) => self.mail_queued(at, mail),
            Event::MailTried(tried) => self.mail_tried(at, tried),
            Event::Batch(account, id, happened) => self.batch(at, *account, *id, happened),
            Event::Guarded(guarded) => {
                self.guard(at, guarded);
                Ok(())
            }
            Event::KeysForgotten(old) => {
                self.forget_keys(old);
                Ok(())
            }
        }
    }

    /// Writes the round; returns how far the records are then.
    ///
    /// # Errors
    /// The shelf cannot be read or written; nothing of the round is there then.
    pub fn commit(mut self) -> Result<Seq, RecordsError> {
        let shelf = self.shelf;
        let inbox = self.inbox_changes()?;
        let mut batch = ShelfBatch::default();
        self.accounts.commit(shelf, &mut batch)?;
        self.numbers.commit(shelf, &mut batch)?;
        self.conversations.commit(shelf, &mut batch)?;
        self.messages.commit(shelf, &mut batch)?;
        self.in_flight.commit(shelf, &mut batch)?;
        self.parked.commit(shelf, &mut batch)?;
        self.aged.commit(shelf, &mut batch)?;
        let counts = &mut self.meta.counts;
        grow(&mut counts.parts, self.parts.commit(shelf, &mut batch)?);
        let rules = MAPS
            .auto_replies
            .apply(shelf, &self.auto_replies, &mut batch)?;
        grow(&mut counts.auto_replies, rules);
        self.webhooks.commit(shelf, counts, &mut batch)?;
        self.mails.commit(shelf, counts, &mut batch)?;
        grow(&mut counts.guarded, self.guarded.commit(shelf, &mut batch)?);
        grow(
            &mut counts.opt_outs,
            self.opt_outs.commit(shelf, &mut batch)?,
        );
        self.batches.commit(shelf, &mut batch)?;
        grow(&mut counts.pools, self.pools.commit(shelf, &mut batch)?);
        MAPS.inbox.apply(shelf, &inbox, &mut batch)?;
        let indexes: [(PackedMap, Added); 4] = [
            (MAPS.extents, self.extents),
            (MAPS.timeline, self.timeline),
            (MAPS.ledger, self.ledger),
            (MAPS.batch_rows, self.batch_rows),
        ];
        for (map, added) in indexes {
            map.apply(shelf, &Changes::from_iter(added), &mut batch)?;
        }
        // Rows of these may be there already: only the maps know how many are new.
        let counted: [(PackedMap, Added, &mut u64); 3] = [
            (MAPS.pairs, self.pairs.into_added(), &mut counts.pairs),
            (MAPS.owners, self.owners, &mut counts.owners),
            (MAPS.inbound, self.inbound, &mut counts.inbound),
        ];
        for (map, added, count) in counted {
            grow(
                count,
                map.apply(shelf, &Changes::from_iter(added), &mut batch)?,
            );
        }
        batch.put(META_KEY, codec::encode(&self.meta));
        shelf.apply(batch)?;
        Ok(self.meta.seq)
    }
}

/// Takes from a count. One that was wrong before stops at nothing: it keeps no store from opening, and
/// an audit names it.
fn lower(count: &mut u64, by: u64) {
    *count = count.saturating_sub(by);
}

/// Adds to a count, or takes from it as [`lower`] does.
fn grow(count: &mut u64, by: i64) {
    *count = count.saturating_add_signed(by);
}

/// Where and when an event stands.
#[derive(Clone, Copy)]
struct At {
    seq: Seq,
    place: u16,
    time: Timestamp,
}

impl At {
    fn missing(self, what: String) -> RecordsError {
        RecordsError::Inconsistent {
            seq: self.seq,
            what,
        }
    }
}
