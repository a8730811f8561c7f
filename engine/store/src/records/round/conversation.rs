//! Conversations of a round: their messages, their rows in the lists, and what leads to them.

use std::collections::BTreeMap;

use didfarm_core::conversation::{Conversation, Opened};
use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, ConversationId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;

use super::super::keys::{self, MAPS, PairKey};
use super::super::{RecordsError, codec};
use super::{Added, At, Changes, InboxRow, Round, TimelineRow};
use crate::shelf::Shelf;

/// The inbox row that a conversation had before the round.
pub(super) struct InboxMove {
    account: AccountId,
    before: Option<Timestamp>,
}

/// The rows that a round adds to the pair index.
#[derive(Default)]
pub(super) struct Pairs(BTreeMap<PairKey, ConversationId>);

impl Pairs {
    /// Lets a pair lead to its conversation.
    fn open(&mut self, key: PairKey, conversation: ConversationId) {
        self.0.insert(key, conversation);
    }

    /// Lets an alias lead to its conversation, unless it leads to another one: two conversations
    /// that turn out to be with one peer both stay.
    fn add_alias(
        &mut self,
        shelf: &dyn Shelf,
        key: PairKey,
        conversation: ConversationId,
    ) -> Result<(), RecordsError> {
        if !self.0.contains_key(&key) && MAPS.pairs.get(shelf, &key)?.is_none() {
            self.0.insert(key, conversation);
        }
        Ok(())
    }

    pub(super) fn into_added(self) -> Added {
        let row =
            |(key, id): (PairKey, ConversationId)| (key.to_vec(), Some(keys::id(id.0).to_vec()));
        self.0.into_iter().map(row).collect()
    }
}

impl Round<'_> {
    pub(super) fn open(&mut self, at: At, fact: &Opened) {
        let id = fact.conversation;
        self.pairs.open(keys::pair(fact.number, &fact.peer), id);
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

    /// Moves a conversation. What it learns of its peer's names, and what it is about to forget of
    /// the carriers' ids, goes into the indexes first.
    pub(super) fn conversation(
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
        if let Some(alias) = conversation.learns_alias(event) {
            let key = keys::pair(conversation.number, alias);
            self.pairs.add_alias(self.shelf, key, id)?;
        }
        if let Some((carrier, known, message)) = conversation.leaves_for_index(event) {
            let key = keys::inbound(id, *carrier, known).to_vec();
            self.inbound.push((key, Some(keys::id(message.0).to_vec())));
        }
        conversation.evolve(event, at.time);
        Ok(())
    }

    pub(super) fn message(&mut self, message: Message) {
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

    pub(super) fn inbox_changes(&mut self) -> Result<Changes, RecordsError> {
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
