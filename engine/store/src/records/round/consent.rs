//! Opt-outs of a round: each is a row from its first moment, and keeps what ended it.

use didfarm_core::consent::{ConsentChange, ConsentEvent};
use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, ConversationId, NumberId};
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::RecordsError;
use super::super::keys;
use super::{At, Round};

/// One opt-out, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOutRow {
    /// Whose number it is from.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// The pair's conversation.
    pub conversation: ConversationId,
    /// Who opted out.
    pub peer: Peer,
    /// Since when.
    pub since: Timestamp,
    /// Who said so, and how.
    pub said: ConsentEvent,
    /// When it ended and by what: the opt-in, or a wider opt-out that took its place.
    pub ended: Option<(Timestamp, ConsentEvent)>,
}

impl Round<'_> {
    /// Moves a conversation's consent, and the rows that are kept of it.
    pub(super) fn consent(
        &mut self,
        at: At,
        id: ConversationId,
        said: &ConsentEvent,
    ) -> Result<(), RecordsError> {
        let before = self.opt_out_since(id)?;
        self.conversation(at, id, &Event::Consent(id, said.clone()))?;
        let record = self.conversations.get(self.shelf, keys::id(id.0))?;
        let Some(conversation) = record else {
            return Err(at.missing(format!("conversation {id}")));
        };
        let account = conversation.account;
        let opened = conversation.opt_out().map(|opt_out| OptOutRow {
            account,
            number: conversation.number,
            conversation: id,
            peer: conversation.peer.clone(),
            since: opt_out.since,
            said: said.clone(),
            ended: None,
        });
        if let Some(since) = before {
            let key = keys::newest_first(account, since, id.0);
            let Some(row) = self.opt_outs.get(self.shelf, key)? else {
                return Err(at.missing(format!("the opt-out of conversation {id}")));
            };
            row.ended = Some((at.time, said.clone()));
        }
        if let (ConsentChange::OptedOut, Some(row)) = (said.change, opened) {
            let key = keys::newest_first(account, row.since, id.0);
            self.opt_outs.put(key, row);
        }
        Ok(())
    }

    fn opt_out_since(&mut self, id: ConversationId) -> Result<Option<Timestamp>, RecordsError> {
        let record = self.conversations.get(self.shelf, keys::id(id.0))?;
        let opt_out = record.as_ref().and_then(|state| state.opt_out());
        Ok(opt_out.map(|opt_out| opt_out.since))
    }
}
