//! Consent through the door: what the account or an operator records, and the lists.

use didfarm_core::ids::{AccountId, ConversationId};
use didfarm_core::message::Message;
use didfarm_store::records::read::Take;
use didfarm_store::records::round::OptOutRow;
use didfarm_store::records::{Records, RecordsError};
use tokio::sync::oneshot;

use super::EngineHandle;
use super::reads::{PageBuilder, damaged};
use crate::actors::conversation::{ConsentCommand, ConsentReply};
use crate::actors::partition::{PartitionInput, faulted};
use crate::consent::{ConsentError, ConsentRecord, ConsentView, OptOutFilter, OptOutView};
use crate::read::{PAGE_ROWS_MAX, Page, Position, ReadError};
use crate::send::Unavailable;

impl EngineHandle {
    /// Records that the peer of a conversation opted out or in: when this returns `Ok`, it is durable.
    /// What is so already stays as it was recorded first. An operator records for whatever account.
    ///
    /// # Errors
    /// See [`ConsentError`]; nothing is recorded then.
    pub async fn record_consent(
        &self,
        account: Option<AccountId>,
        id: ConversationId,
        record: ConsentRecord,
    ) -> Result<(), ConsentError> {
        let said = record.said().ok_or(ConsentError::NoteTooLong)?;
        self.shared.gate().map_err(ReadError::from)?;
        let read = move |records: &Records| records.conversation(id).map_err(damaged);
        let found = self.shared.read(read).await?;
        let is_own = |owner| account.is_none_or(|account| account == owner);
        let own = found.filter(|conversation| is_own(conversation.account));
        let conversation = own.ok_or(ConsentError::Unknown)?;
        let permit = self.shared.admission.admit();
        let permit = permit.ok_or(ReadError::from(Unavailable::Busy))?;
        let (reply, answer) = oneshot::channel();
        let command = ConsentCommand {
            number: conversation.number,
            peer: conversation.peer,
            said,
            reply: ConsentReply::Asker(reply),
            permit: Some(permit),
        };
        self.shared
            .partition_of(conversation.number)
            .push(PartitionInput::Consent(Box::new(command)));
        Ok(faulted(answer.await)?)
    }

    /// A conversation with the opt-out that holds of its peer; `None` when there is none or it is another
    /// account's.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn consent(
        &self,
        account: AccountId,
        id: ConversationId,
    ) -> Result<Option<ConsentView>, ReadError> {
        let read = move |records: &Records| {
            let found = records.conversation(id).map_err(damaged)?;
            let Some(conversation) = found.filter(|found| found.account == account) else {
                return Ok(None);
            };
            let kept = match conversation.opt_out() {
                Some(opt_out) => records.opt_out(account, opt_out.since, id),
                None => Ok(None),
            };
            let proved = kept.and_then(|row| row.map(|row| prove(records, row)).transpose());
            Ok(Some((conversation, proved.map_err(damaged)?)))
        };
        let found = self.shared.read(read).await?;
        Ok(found.map(|(conversation, proved)| ConsentView {
            conversation,
            opt_out: proved.and_then(|proved| self.opt_out_view(proved)),
        }))
    }

    /// The account's opt-outs, newest first, with those that ended.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn opt_outs(
        &self,
        account: AccountId,
        filter: OptOutFilter,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page<OptOutView, Position>, ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            opt_outs(records, account, filter, after, limit).map_err(damaged)
        };
        let page = self.shared.read(read).await?;
        let view = |proved| self.opt_out_view(proved);
        Ok(Page {
            rows: page.rows.into_iter().filter_map(view).collect(),
            next: page.next,
        })
    }

    fn opt_out_view(&self, (row, evidence): (OptOutRow, Option<Message>)) -> Option<OptOutView> {
        let number = self.shared.directory.number(row.number)?.e164;
        Some(OptOutView {
            row,
            number,
            evidence,
        })
    }
}

/// An opt-out with the message that proves it.
fn prove(records: &Records, row: OptOutRow) -> Result<(OptOutRow, Option<Message>), RecordsError> {
    let evidence = match row.said.evidence {
        Some(message) => records.message(message)?,
        None => None,
    };
    Ok((row, evidence))
}

fn opt_outs(
    records: &Records,
    account: AccountId,
    filter: OptOutFilter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<(OptOutRow, Option<Message>), Position>, RecordsError> {
    let mut page = PageBuilder::new(limit);
    let after = after.map(|position| (position.at, position.id));
    records.each_opt_out(account, after, |at, id, row| {
        if page.is_full(at, id.0) {
            return Ok(Take::Stop);
        }
        let fits = filter.number.is_none_or(|number| row.number == number)
            && filter
                .holds
                .is_none_or(|holds| row.ended.is_none() == holds);
        if fits {
            page.rows.push(prove(records, row)?);
        }
        Ok(Take::Next)
    })?;
    Ok(page.finish())
}
