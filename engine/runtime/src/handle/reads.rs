//! Reads of the door: each sees every write that was acknowledged before it was asked.

use didfarm_core::channel::Channel;
use didfarm_core::conversation::Conversation;
use didfarm_core::ids::{AccountId, ConversationId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_store::records::read::Take;
use didfarm_store::records::{Records, RecordsError};

use super::EngineHandle;
use crate::read::{
    AgedReceipt, ConversationFilter, ConversationPage, ConversationView, MessageFilter,
    PAGE_ROWS_MAX, Page, Position, ReadError, SCAN_ROWS_MAX,
};

pub(super) fn damaged(error: RecordsError) -> ReadError {
    ReadError::Damaged {
        sentence: error.to_string(),
    }
}

impl EngineHandle {
    /// One message; `None` when there is none or it is another account's.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn message(
        &self,
        account: AccountId,
        id: MessageId,
    ) -> Result<Option<Message>, ReadError> {
        let read = move |records: &Records| records.message(id).map_err(damaged);
        let message = self.shared.read(read).await?;
        Ok(message.filter(|message| message.account == account))
    }

    /// The receipts that aged out without a message, newest first, and how many there ever were.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn aged_receipts(&self, limit: usize) -> Result<(Vec<AgedReceipt>, u64), ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            let total = records.meta().map_err(damaged)?.aged_total;
            Ok((records.aged_receipts(limit).map_err(damaged)?, total))
        };
        self.shared.read(read).await
    }

    /// The newest messages of a conversation before a cursor, oldest first within the page; `None` when
    /// there is no such conversation or it is another account's.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn conversation_messages(
        &self,
        account: AccountId,
        id: ConversationId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Option<ConversationPage>, ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            let conversation = records.conversation(id).map_err(damaged)?;
            if conversation.is_none_or(|conversation| conversation.account != account) {
                return Ok(None);
            }
            let mut rows = records
                .conversation_messages(id, before, limit + 1)
                .map_err(damaged)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            rows.reverse();
            let next = rows.first().map(|oldest| oldest.id).filter(|_| more);
            Ok(Some(ConversationPage {
                conversation: id,
                page: Page { rows, next },
            }))
        };
        self.shared.read(read).await
    }

    /// The account's conversations, most recently active first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn conversations(
        &self,
        account: AccountId,
        filter: ConversationFilter,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page<ConversationView, Position>, ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            conversations(records, account, &filter, after, limit).map_err(damaged)
        };
        let page = self.shared.read(read).await?;
        let view = |(conversation, last_message): (Conversation, Option<Message>)| {
            let number = self.shared.directory.number(conversation.number)?.e164;
            Some(ConversationView {
                conversation,
                number,
                last_message,
            })
        };
        Ok(Page {
            rows: page.rows.into_iter().filter_map(view).collect(),
            next: page.next,
        })
    }

    /// The account's messages, newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn messages(
        &self,
        account: AccountId,
        filter: MessageFilter,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page<Message, Position>, ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            messages(records, account, &filter, after, limit).map_err(damaged)
        };
        self.shared.read(read).await
    }
}

/// Counts rows looked at, and knows when a page is done.
pub(super) struct PageBuilder<T> {
    pub(super) rows: Vec<T>,
    limit: usize,
    looked_at: usize,
    last: Option<Position>,
    next: Option<Position>,
}

impl<T> PageBuilder<T> {
    pub(super) fn new(limit: usize) -> PageBuilder<T> {
        PageBuilder {
            rows: Vec::with_capacity(limit),
            limit,
            looked_at: 0,
            last: None,
            next: None,
        }
    }

    /// Whether the row at this position belongs to the next page.
    pub(super) fn is_full(&mut self, at: Timestamp, id: u64) -> bool {
        if self.rows.len() == self.limit || self.looked_at == SCAN_ROWS_MAX {
            self.next = self.last;
            return true;
        }
        self.looked_at += 1;
        self.last = Some(Position { at, id });
        false
    }

    pub(super) fn finish(self) -> Page<T, Position> {
        Page {
            rows: self.rows,
            next: self.next,
        }
    }
}

fn messages(
    records: &Records,
    account: AccountId,
    filter: &MessageFilter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Message, Position>, RecordsError> {
    let mut page = PageBuilder::new(limit);
    let after = after.map(|position| (position.at, position.id));
    records.each_timeline_row(account, after, |at, id, row| {
        if filter.since.is_some_and(|since| at < since) || page.is_full(at, id.0) {
            return Ok(Take::Stop);
        }
        let fits = filter.number.is_none_or(|number| row.number == number)
            && filter
                .direction
                .is_none_or(|direction| row.direction == direction)
            && filter.channel.is_none_or(|channel| row.channel == channel);
        if fits && let Some(message) = records.message(id)? {
            let fits = filter
                .status
                .is_none_or(|status| message.status() == status)
                && filter.from.is_none_or(|from| message.from == from)
                && filter.to.is_none_or(|to| message.to == to);
            page.rows.extend(fits.then_some(message));
        }
        Ok(Take::Next)
    })?;
    Ok(page.finish())
}

fn conversations(
    records: &Records,
    account: AccountId,
    filter: &ConversationFilter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<(Conversation, Option<Message>), Position>, RecordsError> {
    let mut page = PageBuilder::new(limit);
    let after = after.map(|position| (position.at, position.id));
    let bit = |channel: Channel| 1 << (channel as u8);
    records.each_inbox_row(account, after, |at, id, row| {
        if page.is_full(at, id.0) {
            return Ok(Take::Stop);
        }
        let fits = filter.number.is_none_or(|number| row.number == number)
            && filter
                .channel
                .is_none_or(|channel| row.channels & bit(channel) != 0)
            && filter.unread.is_none_or(|unread| row.unread == unread);
        if fits && let Some(conversation) = records.conversation(id)? {
            let last = records.message(conversation.last_message())?;
            page.rows.push((conversation, last));
        }
        Ok(Take::Next)
    })?;
    Ok(page.finish())
}
