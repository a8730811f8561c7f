//! One round: journal entries applied to the records through core's `evolve`, written as one batch.

use std::collections::BTreeMap;

use didfarm_core::account::{Account, AccountEvent};
use didfarm_core::channel::{Channel, Direction};
use didfarm_core::conversation::{Conversation, Opened};
use didfarm_core::delivery::{DeliveryEvent, InFlight};
use didfarm_core::event::{Entry, Event, ParkedReceipt};
use didfarm_core::ids::{AccountId, ConversationId, MessageId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::money::Micros;
use didfarm_core::number::{Number, NumberEvent};
use didfarm_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, MAPS};
use super::working::Working;
use super::{META_KEY, Meta, RecordsError, codec};
use crate::packed::PackedMap;
use crate::seq::Seq;
use crate::shelf::{Shelf, ShelfBatch};

/// What a timeline row says of its message, so that lists filter without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// Our number's id.
    pub number: NumberId,
    /// Which way it went.
    pub direction: Direction,
    /// What carried it.
    pub channel: Channel,
}

/// What an inbox row says of its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// Our number's id.
    pub number: NumberId,
    /// The channels that it has seen, as in [`Conversation::channels`].
    pub channels: u8,
    /// Whether something is unread.
    pub unread: bool,
}

/// One movement of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// What it adds to the balance.
    pub amount: Micros,
    /// What it was for.
    pub cause: LedgerCause,
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerCause {
    /// A top-up.
    #[serde(rename = "t")]
    TopUp,
    /// A message was accepted.
    #[serde(rename = "d")]
    Charge(MessageId),
    /// A message was given back.
    #[serde(rename = "r")]
    Refund(MessageId),
}

/// Receipts parked under one key, with the time of each.
pub type ParkedRow = Vec<(Timestamp, ParkedReceipt)>;

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
    conversations: Working<[u8; 8], Conversation>,
    messages: Working<[u8; 8], Message>,
    in_flight: Working<[u8; 8], InFlight>,
    parked: Working<[u8; 10], ParkedRow>,
    pairs: Added,
    extents: Added,
    timeline: Added,
    inbox: BTreeMap<ConversationId, InboxMove>,
    ledger: Added,
}

/// The inbox row that a conversation had before the round.
struct InboxMove {
    account: AccountId,
    before: Option<Timestamp>,
}

impl<'a> Round<'a> {
    /// Begins a round on top of what `meta` says is applied.
    pub fn begin(shelf: &'a dyn Shelf, meta: Meta) -> Round<'a> {
        Round {
            shelf,
            meta,
            accounts: Working::new(MAPS.accounts, "account"),
            numbers: Working::new(MAPS.numbers, "number"),
            conversations: Working::new(MAPS.conversations, "conversation"),
            messages: Working::new(MAPS.messages, "message"),
            in_flight: Working::new(MAPS.in_flight, "delivery"),
            parked: Working::new(MAPS.parked, "parked receipt"),
            pairs: Added::new(),
            extents: Added::new(),
            timeline: Added::new(),
            inbox: BTreeMap::new(),
            ledger: Added::new(),
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
                self.message(Message::accepted(fact, at.time));
                let charged = AccountEvent::Charged {
                    message: fact.message,
                    amount: fact.charge,
                };
                self.account(at, fact.account, &charged)?;
                self.conversation(at, fact.conversation, event)
            }
            Event::Received(fact) => {
                self.message(Message::received(fact, at.time));
                self.conversation(at, fact.conversation, event)
            }
            Event::Delivery(message, happened) => self.delivery(at, *message, happened),
            Event::ReceiptParked(receipt) => {
                let row = self
                    .parked
                    .get(self.shelf, keys::parked(receipt.carrier, &receipt.id))?;
                row.get_or_insert_default().push((at.time, receipt.clone()));
                self.meta.counts.parked += 1;
                Ok(())
            }
            Event::ReceiptsUnparked(carrier, id) => {
                let row = self.parked.get(self.shelf, keys::parked(*carrier, id))?;
                if let Some(receipts) = row {
                    let before = receipts.len();
                    receipts.retain(|(_, receipt)| receipt.id != *id);
                    lower(
                        &mut self.meta.counts.parked,
                        (before - receipts.len()) as u64,
                    );
                    if receipts.is_empty() {
                        *row = None;
                    }
                }
                Ok(())
            }
        }
    }

    fn account(&mut self, at: At, id: AccountId, event: &AccountEvent) -> Result<(), RecordsError> {
        let record = self.accounts.get(self.shelf, keys::id(id.get()))?;
        if let AccountEvent::Created { name, rate_limit } = event {
            *record = Some(Account::created(id, name, *rate_limit, at.time));
            self.meta.counts.accounts += 1;
            self.meta.account_next = self.meta.account_next.max(id.0 + 1);
            return Ok(());
        }
        let Some(account) = record else {
            return Err(at.missing(format!("account {id}")));
        };
        account.evolve(event);
        let (amount, cause) = match event {
            AccountEvent::ToppedUp(amount) => (Some(*amount), LedgerCause::TopUp),
            AccountEvent::Charged { message, .. } => {
                (event.amount(), LedgerCause::Charge(*message))
            }
            AccountEvent::Refunded { message, .. } => {
                if let Some(message) = self.messages.get(self.shelf, keys::id(message.0))? {
                    message.refunded = true;
                }
                (event.amount(), LedgerCause::Refund(*message))
            }
            AccountEvent::Created { .. }
            | AccountEvent::KeyAdded(_)
            | AccountEvent::RateLimitSet(_) => return Ok(()),
        };
        let Some(amount) = amount else { return Ok(()) };
        let entry = LedgerEntry {
            at: at.time,
            amount,
            cause,
        };
        let key = keys::ledger(id, at.seq, at.place).to_vec();
        self.ledger.push((key, Some(codec::encode(&entry))));
        self.meta.counts.ledger += 1;
        Ok(())
    }

    fn number(&mut self, at: At, id: NumberId, event: &NumberEvent) -> Result<(), RecordsError> {
        let record = self.numbers.get(self.shelf, keys::id(id.get()))?;
        if let NumberEvent::Added(number) = event {
            *record = Some(number.clone());
            self.meta.counts.numbers += 1;
            self.meta.number_next = self.meta.number_next.max(id.0 + 1);
            return Ok(());
        }
        let Some(number) = record else {
            return Err(at.missing(format!("number {id}")));
        };
        number.evolve(event);
        Ok(())
    }

    fn open(&mut self, at: At, fact: &Opened) {
        let id = fact.conversation;
        let value = id.0.to_be_bytes().to_vec();
        self.pairs
            .push((keys::pair(fact.number, fact.peer).to_vec(), Some(value)));
        self.conversations
            .put(keys::id(id.0), Conversation::opened(fact, at.time));
        self.inbox.insert(
            id,
            InboxMove {
                account: fact.account,
                before: None,
            },
        );
        self.meta.counts.conversations += 1;
        self.meta.extent_next = self.meta.extent_next.max(id.0 + 1);
    }

    fn conversation(
        &mut self,
        at: At,
        id: ConversationId,
        event: &Event,
    ) -> Result<(), RecordsError> {
        let record = self.conversations.get(self.shelf, keys::id(id.0))?;
        let Some(conversation) = record else {
            return Err(at.missing(format!("conversation {id}")));
        };
        self.inbox.entry(id).or_insert(InboxMove {
            account: conversation.account,
            before: Some(conversation.last_activity),
        });
        conversation.evolve(event, at.time);
        Ok(())
    }

    fn message(&mut self, message: Message) {
        let row = TimelineRow {
            number: message.number,
            direction: message.direction,
            channel: message.channel,
        };
        let key = keys::newest_first(message.account, message.created_at, message.id.0);
        self.timeline
            .push((key.to_vec(), Some(codec::encode(&row))));
        self.messages.put(keys::id(message.id.0), message);
        self.meta.counts.messages += 1;
    }

    fn delivery(
        &mut self,
        at: At,
        id: MessageId,
        event: &DeliveryEvent,
    ) -> Result<(), RecordsError> {
        let record = self.messages.get(self.shelf, keys::id(id.0))?;
        let Some(message) = record else {
            return Err(at.missing(format!("message {id}")));
        };
        let open = self.in_flight.get(self.shelf, keys::id(id.0))?;
        if let Some(in_flight) = open {
            in_flight.evolve(event, at.time);
            message.follow(&in_flight.delivery, at.time);
            if in_flight.delivery.is_closed() {
                message.closed = open.take().map(|in_flight| in_flight.delivery);
                lower(&mut self.meta.counts.in_flight, 1);
            }
            return Ok(());
        }
        let Some(mut delivery) = message.closed.take() else {
            return Err(at.missing(format!("the delivery of {id}")));
        };
        delivery.evolve(event);
        message.follow(&delivery, at.time);
        message.closed = Some(delivery);
        Ok(())
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
        MAPS.inbox.apply(shelf, &inbox, &mut batch)?;
        let indexes: [(PackedMap, Added); 4] = [
            (MAPS.pairs, self.pairs),
            (MAPS.extents, self.extents),
            (MAPS.timeline, self.timeline),
            (MAPS.ledger, self.ledger),
        ];
        for (map, added) in indexes {
            map.apply(shelf, &Changes::from_iter(added), &mut batch)?;
        }
        batch.put(META_KEY, codec::encode(&self.meta));
        shelf.apply(batch)?;
        Ok(self.meta.seq)
    }

    fn inbox_changes(&mut self) -> Result<Changes, RecordsError> {
        let mut changes = Changes::new();
        for (id, moved) in &self.inbox {
            let record = self.conversations.get(self.shelf, keys::id(id.0))?;
            let conversation = record
                .as_ref()
                .expect("a moved conversation is in the working set");
            if let Some(before) = moved.before {
                changes.insert(
                    keys::newest_first(moved.account, before, id.0).to_vec(),
                    None,
                );
            }
            let row = InboxRow {
                number: conversation.number,
                channels: conversation.channels,
                unread: conversation.unread > 0,
            };
            let key = keys::newest_first(moved.account, conversation.last_activity, id.0);
            changes.insert(key.to_vec(), Some(codec::encode(&row)));
        }
        Ok(changes)
    }
}

/// Takes from a count. One that was wrong before stops at nothing: it keeps no store from opening, and
/// an audit names it.
fn lower(count: &mut u64, by: u64) {
    *count = count.saturating_sub(by);
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
