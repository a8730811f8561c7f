//! The maps of the records with the type of their records, and what people call them.

use std::fmt::Write as _;
use std::marker::PhantomData;

use didfarm_core::account::Account;
use didfarm_core::batch::Batch;
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::InFlight;
use didfarm_core::mail::WaitingMail;
use didfarm_core::message::Message;
use didfarm_core::number::Number;
use didfarm_core::pool::Pool;

use crate::packed::PackedMap;
use crate::records::keys::MAPS;
use crate::records::round::{
    AgedReceipt, AttemptRow, BatchRow, BodyPart, EndpointRecord, EventRow, GivenUpMail, GuardedRow,
    HeldPart, InboxRow, LedgerEntry, OptOutRow, ParkedRow, PendingRow, TimelineRow,
};

/// A packed map whose values are records of one type.
pub(super) struct Map<T> {
    pub map: PackedMap,
    pub kind: &'static str,
    record: PhantomData<fn() -> T>,
}

impl<T> Map<T> {
    const fn new(map: PackedMap, kind: &'static str) -> Map<T> {
        Map {
            map,
            kind,
            record: PhantomData,
        }
    }
}

pub(super) const ACCOUNTS: Map<Account> = Map::new(MAPS.accounts, "account");
pub(super) const NUMBERS: Map<Number> = Map::new(MAPS.numbers, "number");
pub(super) const CONVERSATIONS: Map<Conversation> = Map::new(MAPS.conversations, "conversation");
pub(super) const MESSAGES: Map<Message> = Map::new(MAPS.messages, "message");
pub(super) const IN_FLIGHT: Map<InFlight> = Map::new(MAPS.in_flight, "delivery");
pub(super) const PARKED: Map<ParkedRow> = Map::new(MAPS.parked, "parked receipts");
pub(super) const AGED: Map<AgedReceipt> = Map::new(MAPS.aged, "aged receipt");
pub(super) const PARTS: Map<HeldPart> = Map::new(MAPS.parts, "part");
pub(super) const TIMELINE: Map<TimelineRow> = Map::new(MAPS.timeline, "timeline row");
pub(super) const INBOX: Map<InboxRow> = Map::new(MAPS.inbox, "inbox row");
pub(super) const LEDGER: Map<LedgerEntry> = Map::new(MAPS.ledger, "ledger entry");
pub(super) const ENDPOINTS: Map<EndpointRecord> = Map::new(MAPS.endpoints, "endpoint");
pub(super) const EVENTS: Map<EventRow> = Map::new(MAPS.events, "event");
pub(super) const PENDING: Map<PendingRow> = Map::new(MAPS.pending, "pending event");
pub(super) const ATTEMPTS: Map<AttemptRow> = Map::new(MAPS.attempts, "attempt");
/// The rows behind the first of each attempt.
pub(super) const BODY_PARTS: Map<BodyPart> = Map::new(MAPS.attempts, "part of an attempt");
pub(super) const MAILS: Map<WaitingMail> = Map::new(MAPS.mails, "mail");
pub(super) const MAILS_GIVEN_UP: Map<GivenUpMail> = Map::new(MAPS.mails_given_up, "given up mail");
pub(super) const GUARDED: Map<GuardedRow> = Map::new(MAPS.guarded, "idempotency key");
pub(super) const OPT_OUTS: Map<OptOutRow> = Map::new(MAPS.opt_outs, "opt-out");
pub(super) const BATCHES: Map<Batch> = Map::new(MAPS.batches, "batch");
pub(super) const BATCH_ROWS: Map<BatchRow> = Map::new(MAPS.batch_rows, "batch row");
pub(super) const POOLS: Map<Pool> = Map::new(MAPS.pools, "pool");

/// What a breach calls a map.
pub(super) fn name(map: PackedMap) -> &'static str {
    let known = [
        (MAPS.accounts, "the accounts"),
        (MAPS.numbers, "the numbers"),
        (MAPS.conversations, "the conversations"),
        (MAPS.pairs, "the pair index"),
        (MAPS.extents, "the extents"),
        (MAPS.messages, "the messages"),
        (MAPS.in_flight, "the deliveries in flight"),
        (MAPS.parked, "the parked receipts"),
        (MAPS.aged, "the aged receipts"),
        (MAPS.owners, "the carrier message ids"),
        (MAPS.inbound, "the inbound ids"),
        (MAPS.parts, "the parts"),
        (MAPS.timeline, "the timeline"),
        (MAPS.inbox, "the inbox"),
        (MAPS.ledger, "the ledger"),
        (MAPS.auto_replies, "the auto-reply rules"),
        (MAPS.endpoints, "the endpoints"),
        (MAPS.events, "the events"),
        (MAPS.pending, "the pending events"),
        (MAPS.attempts, "the attempts"),
        (MAPS.mails, "the mails"),
        (MAPS.mails_given_up, "the given up mails"),
        (MAPS.guarded, "the idempotency keys"),
        (MAPS.opt_outs, "the opt-outs"),
        (MAPS.batches, "the batches"),
        (MAPS.batch_rows, "the batch rows"),
        (MAPS.pools, "the pools"),
    ];
    known
        .into_iter()
        .find(|(other, _)| *other == map)
        .map_or("a map", |(_, name)| name)
}

/// A key in hexadecimal.
pub(super) fn hex(key: &[u8]) -> String {
    key.iter()
        .fold(String::with_capacity(2 * key.len()), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
}
