//! Consent: whether a peer may be written to, who said so, and the words by which peers say it.
//!
//! A peer **opts out** of one of our numbers, on every channel that it has. Nothing is accepted to the
//! pair from then on but the answer to the wish itself, and what was accepted before and was not handed
//! to a carrier does not go ([`Consent::barred`]). An opt-out of WhatsApp's own settings is narrower: it
//! is from marketing there, and stops templates alone, whatever else the pair writes to each other.
//!
//! Every opt-out is kept with its evidence, and with what ended it.

mod texts;
mod words;

use serde::{Deserialize, Serialize};

pub use self::texts::Language;
pub use self::words::{Meaning, Word};
use crate::channel::Channel;
use crate::content::{Content, ContentKind};
use crate::conversation::Conversation;
use crate::ids::MessageId;
use crate::peer::Peer;
use crate::time::Timestamp;

/// The longest note of who records a change by hand, in Unicode scalar values.
pub const NOTE_CHARS_MAX: usize = 500;

/// Who said that a peer may or may not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConsentCause {
    /// The peer, by a word.
    #[serde(rename = "k")]
    Keyword,
    /// A carrier, which took no message because the peer opted out there.
    #[serde(rename = "c")]
    Carrier,
    /// WhatsApp, where the peer stopped marketing messages.
    #[serde(rename = "w")]
    WhatsApp,
    /// An operator.
    #[serde(rename = "o")]
    Operator,
    /// The account, by its API.
    #[serde(rename = "a")]
    Agent,
}

impl ConsentCause {
    /// Every cause.
    pub const ALL: [ConsentCause; 5] = [
        ConsentCause::Keyword,
        ConsentCause::Carrier,
        ConsentCause::WhatsApp,
        ConsentCause::Operator,
        ConsentCause::Agent,
    ];

    /// The word in public JSON and in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsentCause::Keyword => "keyword",
            ConsentCause::Carrier => "carrier",
            ConsentCause::WhatsApp => "whatsapp",
            ConsentCause::Operator => "operator",
            ConsentCause::Agent => "agent",
        }
    }

    /// Whether an opt-out with this cause is from everything, and not from templates over WhatsApp alone.
    pub fn is_from_everything(self) -> bool {
        match self {
            ConsentCause::WhatsApp => false,
            ConsentCause::Keyword
            | ConsentCause::Carrier
            | ConsentCause::Operator
            | ConsentCause::Agent => true,
        }
    }
}

/// One way of the change or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConsentChange {
    /// No more messages.
    #[serde(rename = "o")]
    OptedOut,
    /// Messages again.
    #[serde(rename = "i")]
    OptedIn,
}

impl ConsentChange {
    /// Both.
    pub const ALL: [ConsentChange; 2] = [ConsentChange::OptedOut, ConsentChange::OptedIn];

    /// The word in public JSON and in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsentChange::OptedOut => "opted_out",
            ConsentChange::OptedIn => "opted_in",
        }
    }
}

/// A change of the consent, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEvent {
    /// Which way.
    pub change: ConsentChange,
    /// Who said so.
    pub cause: ConsentCause,
    /// The message that says so: the peer's own, or ours that a carrier did not take.
    pub evidence: Option<MessageId>,
    /// The word that the peer used, as it stands in the list.
    pub word: Option<Box<str>>,
    /// What whoever recorded it by hand wrote beside it, or WhatsApp's words for it, [`NOTE_CHARS_MAX`]
    /// at most.
    pub note: Option<Box<str>>,
    /// When it was said, by the clock of the carrier that tells of it.
    #[serde(default)]
    pub stated_at: Option<Timestamp>,
}

/// An opt-out that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// Since when; with the conversation it names the row that is kept of it.
    pub since: Timestamp,
    /// Who said so.
    pub cause: ConsentCause,
}

impl OptOut {
    /// Whether a message does not go.
    pub fn refuses(&self, channel: Channel, is_template: bool) -> bool {
        self.cause.is_from_everything() || (channel == Channel::WhatsApp && is_template)
    }
}

/// What a conversation knows of its peer's consent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consent {
    /// The opt-out that holds, if one does.
    pub opt_out: Option<OptOut>,
    /// The last message that was there when the peer opted out of everything: neither it nor one before
    /// it is handed to a carrier any more, also when the peer has opted in again. 0 for none.
    pub barred: u64,
    /// When the last opt-out was recorded.
    last_at: Option<Timestamp>,
    /// When the last change was said that a carrier told of with its time.
    #[serde(default)]
    stated_at: Option<Timestamp>,
    /// As [`Consent::barred`], of templates over WhatsApp and the opt-out from those.
    #[serde(default)]
    pub templates_barred: u64,
    /// The last message that was there when the peer last opted in. What a carrier says of it or of one
    /// before is older than that wish. 0 for none.
    #[serde(default)]
    taken_back: u64,
}

impl Consent {
    /// Applies a change; `last` is the conversation's last message.
    ///
    /// Opt-outs of one conversation never share their time: the clock may be put back, and each has a row
    /// of its own.
    pub fn evolve(&mut self, event: &ConsentEvent, last: MessageId, at: Timestamp) {
        self.stated_at = self.stated_at.max(event.stated_at);
        match event.change {
            ConsentChange::OptedOut => {
                let after = self.last_at.map(|last| Timestamp(last.0.saturating_add(1)));
                let since = after.map_or(at, |after| at.max(after));
                self.last_at = Some(since);
                self.opt_out = Some(OptOut {
                    since,
                    cause: event.cause,
                });
                match event.cause.is_from_everything() {
                    true => self.barred = last.get(),
                    false => self.templates_barred = last.get(),
                }
            }
            ConsentChange::OptedIn => {
                self.opt_out = None;
                self.taken_back = last.get();
            }
        }
    }

    /// Whether a message of the conversation is not to be handed to a carrier any more.
    pub fn bars(&self, message: MessageId, is_template: bool) -> bool {
        message.get() <= self.barred || (is_template && message.get() <= self.templates_barred)
    }

    /// Whether an opt-out is what a carrier says of a message from before the peer opted in.
    fn has_taken_back(&self, event: &ConsentEvent) -> bool {
        let is_lesson = match event.cause {
            ConsentCause::Carrier | ConsentCause::WhatsApp => {
                event.change == ConsentChange::OptedOut
            }
            ConsentCause::Keyword | ConsentCause::Operator | ConsentCause::Agent => false,
        };
        is_lesson
            && event
                .evidence
                .is_some_and(|message| message.get() <= self.taken_back)
    }
}

/// Decides a change: `None` where it says nothing new.
///
/// An opt-out from everything takes the place of one from WhatsApp's templates, and never the other way;
/// that somebody wants WhatsApp's templates again ends no opt-out from everything. What a carrier tells of
/// again, or late, is known by its time, or by the message that it says it of.
pub fn decide(state: Option<&Conversation>, event: ConsentEvent) -> Option<ConsentEvent> {
    let consent = state.and_then(|state| state.consent.as_deref());
    if consent.is_some_and(|consent| consent.has_taken_back(&event)) {
        return None;
    }
    let known = consent.and_then(|consent| consent.stated_at);
    if event
        .stated_at
        .is_some_and(|stated_at| known.is_some_and(|known| stated_at <= known))
    {
        return None;
    }
    let holds = state.and_then(Conversation::opt_out);
    let is_new = match (event.change, holds) {
        (ConsentChange::OptedOut, None) => true,
        (ConsentChange::OptedOut, Some(holds)) => {
            event.cause.is_from_everything() && !holds.cause.is_from_everything()
        }
        (ConsentChange::OptedIn, Some(holds)) => {
            event.cause.is_from_everything() || !holds.cause.is_from_everything()
        }
        (ConsentChange::OptedIn, None) => false,
    };
    is_new.then_some(event)
}

/// What an inbound word comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It changes the consent, and is answered.
    Change(ConsentEvent),
    /// It asks for what is so already: there is nothing to do and nothing to say.
    Known,
    /// It asks for help, which changes nothing.
    Help,
    /// It means nothing here, as START from one who gets messages: it is a message like any other.
    Nothing,
}

/// The word that a peer's message consists of, if it is one that the peer wrote or chose.
pub fn word_of(text: &str, content: Option<&Content>, peer: &Peer) -> Option<Word> {
    let language = || Language::of_peer(peer);
    match content.map(|content| content.kind) {
        // A carrier's words about the peer, or a reaction to what we wrote.
        Some(ContentKind::Unsupported | ContentKind::Reaction) => None,
        Some(ContentKind::Interactive) => Word::read_button(text, language()),
        Some(_) | None => Word::read(text, language()),
    }
}

/// Decides what a word comes to that a peer's message consists of.
pub fn hear(state: Option<&Conversation>, word: &Word, message: MessageId) -> Heard {
    let event = |change| ConsentEvent {
        change,
        cause: ConsentCause::Keyword,
        evidence: Some(message),
        word: Some(word.listed.into()),
        note: None,
        stated_at: None,
    };
    match word.meaning {
        Meaning::Stop => {
            decide(state, event(ConsentChange::OptedOut)).map_or(Heard::Known, Heard::Change)
        }
        Meaning::Start => {
            decide(state, event(ConsentChange::OptedIn)).map_or(Heard::Nothing, Heard::Change)
        }
        Meaning::Help => Heard::Help,
    }
}

#[cfg(test)]
mod tests;
