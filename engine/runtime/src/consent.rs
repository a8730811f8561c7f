//! Consent of peers: what is read of it, and how the account or an operator records it.

use didfarm_core::consent::{ConsentCause, ConsentChange, ConsentEvent, NOTE_CHARS_MAX};
use didfarm_core::conversation::Conversation;
use didfarm_core::e164::E164;
use didfarm_core::ids::NumberId;
use didfarm_core::message::Message;
pub use didfarm_store::records::round::OptOutRow;

use crate::read::ReadError;

/// A change that is recorded by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Which way.
    pub change: ConsentChange,
    /// Who records it.
    pub by: ConsentCause,
    /// What is written beside it, [`NOTE_CHARS_MAX`] characters at most.
    pub note: Option<Box<str>>,
}

impl ConsentRecord {
    /// What the conversation is told; `None` for a note that is too long.
    pub(crate) fn said(self) -> Option<ConsentEvent> {
        let chars = self.note.as_ref().map_or(0, |note| note.chars().count());
        (chars <= NOTE_CHARS_MAX).then_some(ConsentEvent {
            change: self.change,
            cause: self.by,
            evidence: None,
            word: None,
            note: self.note,
            stated_at: None,
        })
    }
}

/// A conversation and the opt-out that holds of its peer.
#[derive(Debug, Clone)]
pub struct ConsentView {
    /// Its state.
    pub conversation: Conversation,
    /// The opt-out, if one holds.
    pub opt_out: Option<OptOutView>,
}

/// An opt-out with what proves it.
#[derive(Debug, Clone)]
pub struct OptOutView {
    /// What is kept of it.
    pub row: OptOutRow,
    /// Our number.
    pub number: E164,
    /// The message that proves it, if one does and it is stored.
    pub evidence: Option<Message>,
}

/// Which opt-outs a list shows. Empty fields show all.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptOutFilter {
    /// Only from this number.
    pub number: Option<NumberId>,
    /// Only those that hold, or only those that ended.
    pub holds: Option<bool>,
}

/// Why a change was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// There is no such conversation, or it is another account's.
    #[error("there is no such conversation")]
    Unknown,
    /// The note is too long.
    #[error("a note has {NOTE_CHARS_MAX} characters at most")]
    NoteTooLong,
    /// The engine cannot take it now, or cannot read what it needs.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}
