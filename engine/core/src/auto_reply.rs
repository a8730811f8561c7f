//! Auto-reply: what a number answers by itself, to whom never, and how often.
//!
//! Rules come in three kinds. A keyword rule answers a message that is one of its words and nothing else;
//! of several the first one speaks. Any other message is answered with the after-hours text while the
//! number is closed, and with the immediate text otherwise.
//!
//! Who asks for no more messages is answered by a keyword rule alone.
//!
//! Two programs that answer each other must come to rest, so every peer is answered at most once per
//! window (`once_per_s`) by the after-hours and immediate texts together, and at most once per window by
//! each keyword rule. A message that a keyword rule has answered within its window is not passed on to the
//! other texts. What was answered is kept by the conversation, see [`AutoReplied`].

mod draft;
mod keyword;
mod replied;
mod sender;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::draft::{AutoReplyDraft, AutoReplyError, TextField};
pub use self::keyword::{KEYWORD_CHARS_MAX, Keyword};
pub use self::replied::{AutoReplied, RuleId};
pub use self::sender::is_person;
use crate::channel::Channel;
use crate::consent::{Language, Meaning, Word};
use crate::folded::Folded;
use crate::hours::OpeningHours;
use crate::peer::Peer;
use crate::segments::BODY_CHARS_MAX;
use crate::time::Timestamp;

/// The most keyword rules of a number.
pub const KEYWORD_RULES_MAX: usize = 32;
/// The most words of a keyword rule.
pub const WORDS_MAX: usize = 16;
/// The longest text of a rule, in Unicode scalar values.
pub const TEXT_CHARS_MAX: usize = BODY_CHARS_MAX;
/// The shortest window, in seconds.
pub const ONCE_PER_S_MIN: u32 = 60;
/// The longest window, in seconds: 7 days.
pub const ONCE_PER_S_MAX: u32 = 7 * 24 * 60 * 60;
/// The window when none is given, in seconds: an hour.
pub const ONCE_PER_S_DEFAULT: u32 = 60 * 60;

/// A text to answer with, and what it looks like when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReplyText {
    text: Arc<str>,
    folded: Folded,
}

/// A text for some words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeywordRule {
    words: Vec<Keyword>,
    text: ReplyText,
}

/// What a number answers by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReplyRules {
    immediate: Option<ReplyText>,
    after_hours: Option<(OpeningHours, ReplyText)>,
    keywords: Vec<KeywordRule>,
    once_per_s: u32,
}

/// What the rules look at of an inbound message.
#[derive(Debug, Clone, Copy)]
pub struct InboundFacts<'a> {
    /// Its text; empty when it is a picture, a location or the like.
    pub text: &'a str,
    /// Who sent it.
    pub peer: &'a Peer,
    /// What carried it.
    pub channel: Channel,
    /// Whether the carrier says that a program wrote it.
    pub automatic: bool,
}

/// What becomes of an inbound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is answered.
    Reply {
        /// With this text.
        text: Arc<str>,
        /// Of this rule.
        rule: RuleId,
    },
    /// It is not answered.
    Silent(SilentCause),
}

/// Why an inbound message is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SilentCause {
    /// The carrier says, or its form tells, that a program wrote it.
    Automatic,
    /// Nobody reads what is sent to that peer.
    NobodyReads,
    /// It is one of our own texts.
    Echo,
    /// No rule is for it.
    NoRule,
    /// The peer was answered within the window.
    Answered,
    /// The peer asks for no more messages, and no keyword rule speaks.
    OptOut,
}

impl SilentCause {
    /// Every cause.
    pub const ALL: [SilentCause; 6] = [
        SilentCause::Automatic,
        SilentCause::NobodyReads,
        SilentCause::Echo,
        SilentCause::NoRule,
        SilentCause::Answered,
        SilentCause::OptOut,
    ];

    /// The word in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            SilentCause::Automatic => "automatic",
            SilentCause::NobodyReads => "nobody_reads",
            SilentCause::Echo => "echo",
            SilentCause::NoRule => "no_rule",
            SilentCause::Answered => "answered",
            SilentCause::OptOut => "opt_out",
        }
    }
}

impl AutoReplyRules {
    /// The rules that a customer wrote; without any text they answer nothing.
    ///
    /// # Errors
    /// [`AutoReplyError`], which names the field at fault.
    pub fn new(draft: AutoReplyDraft) -> Result<AutoReplyRules, AutoReplyError> {
        let rules = draft.keywords.len();
        if rules > KEYWORD_RULES_MAX {
            return Err(AutoReplyError::TooManyRules { rules });
        }
        let once_per_s = draft.once_per_s.unwrap_or(ONCE_PER_S_DEFAULT);
        if !(ONCE_PER_S_MIN..=ONCE_PER_S_MAX).contains(&once_per_s) {
            let seconds = once_per_s;
            return Err(AutoReplyError::OncePerOutOfRange { seconds });
        }
        let immediate = draft
            .immediate
            .map(|text| ReplyText::new(&text, TextField::Immediate))
            .transpose()?;
        let after_hours = draft
            .after_hours
            .map(|(hours, text)| Ok((hours, ReplyText::new(&text, TextField::AfterHours)?)))
            .transpose()?;
        let keywords = draft.keywords.into_iter().enumerate();
        let keywords = keywords
            .map(|(place, (words, text))| KeywordRule::new(place, &words, &text))
            .collect::<Result<_, _>>()?;
        let rules = AutoReplyRules {
            immediate,
            after_hours,
            keywords,
            once_per_s,
        };
        let itself = rules.texts().find(|(_, text)| rules.speaks(&text.folded));
        if let Some((field, _)) = itself {
            return Err(AutoReplyError::TextIsKeyword(field));
        }
        Ok(rules)
    }

    /// The rules as they were written.
    pub fn draft(&self) -> AutoReplyDraft {
        let keyword = |rule: &KeywordRule| {
            let words = rule.words.iter().map(|word| word.as_str().to_owned());
            (words.collect(), rule.text.text.to_string())
        };
        AutoReplyDraft {
            immediate: self.immediate.as_ref().map(|text| text.text.to_string()),
            after_hours: self
                .after_hours
                .as_ref()
                .map(|(hours, text)| (hours.clone(), text.text.to_string())),
            keywords: self.keywords.iter().map(keyword).collect(),
            once_per_s: Some(self.once_per_s),
        }
    }

    /// Chooses what becomes of an inbound message, given what the peer was answered before it.
    ///
    /// A mark that lies in the future, because the clock was put back, counts as within the window;
    /// [`AutoReplied::saw_inbound`] sees to it that it does not stay there.
    pub fn choose(
        &self,
        inbound: &InboundFacts<'_>,
        replied: &AutoReplied,
        now: Timestamp,
    ) -> Choice {
        let folded = Folded::new(inbound.text);
        if let Some(cause) = self.cause_to_ignore(inbound, &folded) {
            return Choice::Silent(cause);
        }
        let Some((rule, text)) = self.rule_for(&folded, now) else {
            return Choice::Silent(SilentCause::NoRule);
        };
        let asks_for_silence = || {
            Word::read(inbound.text, Language::of_peer(inbound.peer))
                .is_some_and(|word| word.meaning == Meaning::Stop)
        };
        if !matches!(rule, RuleId::Keyword(_)) && asks_for_silence() {
            return Choice::Silent(SilentCause::OptOut);
        }
        if replied.within(rule, now, self.window_ms()) {
            return Choice::Silent(SilentCause::Answered);
        }
        let text = Arc::clone(&text.text);
        Choice::Reply { text, rule }
    }

    /// Whether a message is known for a program's where the carrier tells nothing: it comes from whom
    /// nobody reads ([`is_person`]), it is one of our own texts, or it has the form of a receipt.
    pub fn is_automatic(&self, text: &str, peer: &Peer, channel: Channel) -> bool {
        let inbound = InboundFacts {
            text,
            peer,
            channel,
            automatic: false,
        };
        self.cause_to_ignore(&inbound, &Folded::new(text)).is_some()
    }

    fn cause_to_ignore(&self, inbound: &InboundFacts<'_>, folded: &Folded) -> Option<SilentCause> {
        if inbound.automatic || sender::is_receipt(folded) {
            Some(SilentCause::Automatic)
        } else if !is_person(inbound.peer, inbound.channel) {
            Some(SilentCause::NobodyReads)
        } else if self.texts().any(|(_, text)| text.folded == *folded) {
            Some(SilentCause::Echo)
        } else {
            None
        }
    }

    fn rule_for(&self, folded: &Folded, now: Timestamp) -> Option<(RuleId, &ReplyText)> {
        let rules = (0..).zip(&self.keywords);
        if let Some((place, rule)) = rules.into_iter().find(|(_, rule)| rule.speaks(folded)) {
            return Some((RuleId::Keyword(place), &rule.text));
        }
        if let Some((hours, text)) = &self.after_hours
            && !hours.is_open(now)
        {
            return Some((RuleId::AfterHours, text));
        }
        self.immediate
            .as_ref()
            .map(|text| (RuleId::Immediate, text))
    }

    /// The text of the keyword rule that a message speaks to, however often it was sent.
    pub fn keyword_text(&self, text: &str) -> Option<Arc<str>> {
        let folded = Folded::new(text);
        let rule = self.keywords.iter().find(|rule| rule.speaks(&folded))?;
        Some(Arc::clone(&rule.text.text))
    }

    /// How long the window of the rules is, in milliseconds.
    pub fn window_ms(&self) -> u64 {
        u64::from(self.once_per_s) * 1000
    }

    fn speaks(&self, folded: &Folded) -> bool {
        self.keywords.iter().any(|rule| rule.speaks(folded))
    }

    fn texts(&self) -> impl Iterator<Item = (TextField, &ReplyText)> {
        let immediate = self
            .immediate
            .iter()
            .map(|text| (TextField::Immediate, text));
        let after = self.after_hours.iter();
        let keywords = self.keywords.iter().enumerate();
        immediate
            .chain(after.map(|(_, text)| (TextField::AfterHours, text)))
            .chain(keywords.map(|(place, rule)| (TextField::Keyword(place), &rule.text)))
    }
}

impl KeywordRule {
    fn new(place: usize, words: &[String], text: &str) -> Result<KeywordRule, AutoReplyError> {
        if !(1..=WORDS_MAX).contains(&words.len()) {
            let words = words.len();
            return Err(AutoReplyError::WordCount { rule: place, words });
        }
        let word = |(word, text): (usize, &String)| {
            Keyword::parse(text).ok_or(AutoReplyError::WordInvalid { rule: place, word })
        };
        Ok(KeywordRule {
            words: words
                .iter()
                .enumerate()
                .map(word)
                .collect::<Result<_, _>>()?,
            text: ReplyText::new(text, TextField::Keyword(place))?,
        })
    }

    fn speaks(&self, folded: &Folded) -> bool {
        self.words.iter().any(|word| word.folded() == folded)
    }
}

impl ReplyText {
    fn new(text: &str, field: TextField) -> Result<ReplyText, AutoReplyError> {
        let folded = Folded::new(text);
        if folded.is_blank() {
            return Err(AutoReplyError::TextBlank(field));
        }
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(AutoReplyError::TextTooLong { text: field, chars });
        }
        let text = text.into();
        Ok(ReplyText { text, folded })
    }
}

impl Serialize for ReplyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ReplyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Arc::<str>::deserialize(deserializer)?;
        let folded = Folded::new(&text);
        Ok(ReplyText { text, folded })
    }
}

#[cfg(test)]
mod tests;
