//! Reading records: by id, and in pages. Every call blocks on sled: it belongs on a reader thread.

mod batches;
mod carriers;
mod consent;
mod guarded;
mod ledger;
mod mails;
mod pools;
mod rules;
mod webhooks;

use std::ops::Bound;
use std::sync::Arc;

pub use self::ledger::LedgerPlace;
use didfarm_core::account::Account;
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::{AccountId, ConversationId, Extent, MessageId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_core::pool::Pool;
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;

use super::keys::{self, MAPS};
use super::round::{InboxRow, LedgerEntry, TimelineRow};
use super::{Records, RecordsError, working};
use crate::packed::{Direction, PackedMap};

/// What a walk over an index does with a row.
pub enum Take {
    /// Goes on.
    Next,
    /// Ends the walk.
    Stop,
}

impl Records {
    /// One account.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, RecordsError> {
        let account: Option<Account> = self.get(MAPS.accounts, "account", &keys::id(id.get()))?;
        let Some(mut account) = account else {
            return Ok(None);
        };
        account.pools = self.pools(id)?;
        Ok(Some(account))
    }

    /// One number.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn number(&self, id: NumberId) -> Result<Option<Number>, RecordsError> {
        let number: Option<Number> = self.get(MAPS.numbers, "number", &keys::id(id.get()))?;
        let Some(mut number) = number else {
            return Ok(None);
        };
        number.auto_reply = self.rules(id)?.map(Arc::new);
        Ok(Some(number))
    }

    /// One conversation.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, RecordsError> {
        self.get(MAPS.conversations, "conversation", &keys::id(id.get()))
    }

    /// The conversation of a pair, if they ever wrote: by the peer, else by what the peer is also
    /// known as.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn conversation_of(
        &self,
        number: NumberId,
        peer: &Peer,
        alias: Option<&Peer>,
    ) -> Result<Option<Conversation>, RecordsError> {
        for name in [Some(peer), alias].into_iter().flatten() {
            if let Some(id) = self.conversation_id_of(number, name)? {
                return self.conversation(id);
            }
        }
        Ok(None)
    }

    /// The conversation that a pair's row leads to.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn conversation_id_of(
        &self,
        number: NumberId,
        peer: &Peer,
    ) -> Result<Option<ConversationId>, RecordsError> {
        let id = self.id_at(MAPS.pairs, &keys::pair(number, peer))?;
        Ok(id.map(ConversationId))
    }

    /// One message.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, RecordsError> {
        self.get(MAPS.messages, "message", &keys::id(id.get()))
    }

    /// The open delivery of a message.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn in_flight(&self, id: MessageId) -> Result<Option<InFlight>, RecordsError> {
        self.get(MAPS.in_flight, "delivery", &keys::id(id.get()))
    }

    /// Walks every account.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_account(&self, mut visit: impl FnMut(Account)) -> Result<(), RecordsError> {
        let mut known: FxHashMap<u64, Vec<Pool>> = FxHashMap::default();
        self.each_pool(None, |pool| {
            known.entry(pool.id.account()).or_default().push(pool);
            Take::Next
        })?;
        self.each(
            MAPS.accounts,
            "account",
            Bound::Unbounded,
            |_, mut account: Account| {
                account.pools = known.remove(&account.id.get()).unwrap_or_default();
                visit(account);
                Ok(Take::Next)
            },
        )
    }

    /// Walks every number.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_number(&self, mut visit: impl FnMut(Number)) -> Result<(), RecordsError> {
        let mut known = FxHashMap::default();
        self.each_rules(None, |number, rules| {
            known.insert(number, rules);
        })?;
        self.each(
            MAPS.numbers,
            "number",
            Bound::Unbounded,
            |_, mut number: Number| {
                number.auto_reply = known.remove(&number.id).map(Arc::new);
                visit(number);
                Ok(Take::Next)
            },
        )
    }

    /// Walks every open delivery.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_in_flight(&self, mut visit: impl FnMut(InFlight)) -> Result<(), RecordsError> {
        self.each(MAPS.in_flight, "delivery", Bound::Unbounded, |_, record| {
            visit(record);
            Ok(Take::Next)
        })
    }

    /// Walks an account's ledger, oldest first.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn each_ledger_entry(
        &self,
        account: AccountId,
        mut visit: impl FnMut(LedgerEntry),
    ) -> Result<(), RecordsError> {
        let prefix = account.0.to_be_bytes();
        let from = Bound::Included(prefix.to_vec());
        self.each(MAPS.ledger, "ledger entry", from, |key, record| {
            if !key.starts_with(&prefix) {
                return Ok(Take::Stop);
            }
            visit(record);
            Ok(Take::Next)
        })
    }

    /// Walks an account's messages, newest first, behind `after`.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_timeline_row(
        &self,
        account: AccountId,
        after: Option<(Timestamp, u64)>,
        mut visit: impl FnMut(Timestamp, MessageId, TimelineRow) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        self.each_newest(
            MAPS.timeline,
            "timeline row",
            account,
            after,
            |at, id, row| visit(at, MessageId(id), row),
        )
    }

    /// Walks an account's conversations, most recently active first, behind `after`.
    ///
    /// # Errors
    /// A record is damaged, or the visitor's error.
    pub fn each_inbox_row(
        &self,
        account: AccountId,
        after: Option<(Timestamp, u64)>,
        mut visit: impl FnMut(Timestamp, ConversationId, InboxRow) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        self.each_newest(MAPS.inbox, "inbox row", account, after, |at, id, row| {
            visit(at, ConversationId(id), row)
        })
    }

    /// The newest messages of a conversation before `before`, newest first, `limit` at most.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn conversation_messages(
        &self,
        id: ConversationId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, RecordsError> {
        let mut messages = Vec::with_capacity(limit);
        for extent in self.extents(id)?.into_iter().rev() {
            let (first, end) = keys::extent_bounds(extent);
            let from = match before {
                Some(before) if before.extent() < extent => continue,
                Some(before) if before.extent() == extent => {
                    Bound::Excluded(keys::id(before.0).to_vec())
                }
                Some(_) | None => Bound::Included(keys::id(end.0).to_vec()),
            };
            for row in MAPS.messages.scan(self.shelf(), from, Direction::Backward) {
                let (key, value) = row?;
                if messages.len() == limit {
                    return Ok(messages);
                }
                if keys::id_of(&key).is_none_or(|id| id < first.0) {
                    break;
                }
                messages.push(working::read("message", &key, &value)?);
            }
        }
        Ok(messages)
    }

    /// Every extent of a conversation, in order.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn extents(&self, id: ConversationId) -> Result<Vec<Extent>, RecordsError> {
        let mut extents = vec![Extent::from(id)];
        let from = Bound::Included(keys::extent(id, Extent(0)).to_vec());
        for row in MAPS.extents.scan(self.shelf(), from, Direction::Forward) {
            let (key, _) = row?;
            if key.get(..8) != Some(&keys::id(id.0)[..]) {
                break;
            }
            extents.extend(key.get(8..).and_then(keys::id_of).map(Extent));
        }
        Ok(extents)
    }

    fn get<T: DeserializeOwned>(
        &self,
        map: PackedMap,
        kind: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, RecordsError> {
        let value = map.get(self.shelf(), key)?;
        value
            .map(|value| working::read(kind, key, &value))
            .transpose()
    }

    /// The id that a row of an index holds.
    fn id_at(&self, map: PackedMap, key: &[u8]) -> Result<Option<u64>, RecordsError> {
        let value = map.get(self.shelf(), key)?;
        Ok(value.and_then(|value| keys::id_of(&value)))
    }

    fn each<T: DeserializeOwned>(
        &self,
        map: PackedMap,
        kind: &'static str,
        from: Bound<Vec<u8>>,
        mut visit: impl FnMut(&[u8], T) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        self.each_raw(map, from, |key, value| {
            visit(key, working::read(kind, key, value)?)
        })
    }

    /// As [`Records::each`], for a map whose values are not all of one kind.
    fn each_raw(
        &self,
        map: PackedMap,
        from: Bound<Vec<u8>>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        for row in map.scan(self.shelf(), from, Direction::Forward) {
            let (key, value) = row?;
            if let Take::Stop = visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn each_newest<T: DeserializeOwned>(
        &self,
        map: PackedMap,
        kind: &'static str,
        account: AccountId,
        after: Option<(Timestamp, u64)>,
        mut visit: impl FnMut(Timestamp, u64, T) -> Result<Take, RecordsError>,
    ) -> Result<(), RecordsError> {
        let prefix = account.0.to_be_bytes();
        let from = match after {
            Some((at, id)) => Bound::Excluded(keys::newest_first(account, at, id).to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        self.each(map, kind, from, |key, row| {
            match keys::newest_first_of(key) {
                Some((at, id)) if key.starts_with(&prefix) => visit(at, id, row),
                Some(_) | None => Ok(Take::Stop),
            }
        })
    }
}
