//! Rules as a customer writes them, and why they are refused.

use std::fmt;

use thiserror::Error;

use super::{
    KEYWORD_CHARS_MAX, KEYWORD_RULES_MAX, ONCE_PER_S_MAX, ONCE_PER_S_MIN, TEXT_CHARS_MAX, WORDS_MAX,
};
use crate::hours::OpeningHours;

/// Rules as a customer writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoReplyDraft {
    /// The text for any message.
    pub immediate: Option<String>,
    /// The text for any message while closed, and when it is open.
    pub after_hours: Option<(OpeningHours, String)>,
    /// Words and the text for them; of two rules with the same word the first one speaks.
    pub keywords: Vec<(Vec<String>, String)>,
    /// The window in seconds; [`super::ONCE_PER_S_DEFAULT`] when there is none.
    pub once_per_s: Option<u32>,
}

/// A text of the rules, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// The immediate text.
    Immediate,
    /// The after-hours text.
    AfterHours,
    /// The text of a keyword rule, by its place.
    Keyword(usize),
}

impl fmt::Display for TextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextField::Immediate => f.write_str("immediate"),
            TextField::AfterHours => f.write_str("after_hours.text"),
            TextField::Keyword(rule) => write!(f, "keywords[{rule}].text"),
        }
    }
}

/// Why rules are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AutoReplyError {
    /// A text shows nothing.
    #[error("the text is blank")]
    TextBlank(TextField),
    /// A text is longer than [`TEXT_CHARS_MAX`].
    #[error("{chars} characters are too many: {TEXT_CHARS_MAX} are allowed")]
    TextTooLong {
        /// Which text.
        text: TextField,
        /// How long it is.
        chars: usize,
    },
    /// A text is a word of a rule: it would ask for an answer to itself.
    #[error("the text is one of the keywords")]
    TextIsKeyword(TextField),
    /// There are more than [`KEYWORD_RULES_MAX`] keyword rules.
    #[error("{rules} rules are too many: {KEYWORD_RULES_MAX} are allowed")]
    TooManyRules {
        /// How many were given.
        rules: usize,
    },
    /// A keyword rule has no word, or more than [`WORDS_MAX`].
    #[error("{words} words: a rule has 1 to {WORDS_MAX}")]
    WordCount {
        /// The rule's place.
        rule: usize,
        /// How many were given.
        words: usize,
    },
    /// A word shows nothing, or is longer than [`KEYWORD_CHARS_MAX`].
    #[error("the word is blank or longer than {KEYWORD_CHARS_MAX} characters")]
    WordInvalid {
        /// The rule's place.
        rule: usize,
        /// The word's place in it.
        word: usize,
    },
    /// The window is outside of [`ONCE_PER_S_MIN`] to [`ONCE_PER_S_MAX`].
    #[error("{seconds} seconds: {ONCE_PER_S_MIN} to {ONCE_PER_S_MAX} are allowed")]
    OncePerOutOfRange {
        /// What was given.
        seconds: u32,
    },
}

impl AutoReplyError {
    /// The field at fault: `immediate`, `after_hours.text`, `keywords[2].words[0]`, `once_per_s`.
    pub fn field(&self) -> String {
        match self {
            AutoReplyError::TextBlank(text)
            | AutoReplyError::TextTooLong { text, .. }
            | AutoReplyError::TextIsKeyword(text) => text.to_string(),
            AutoReplyError::TooManyRules { .. } => "keywords".to_owned(),
            AutoReplyError::WordCount { rule, .. } => format!("keywords[{rule}].words"),
            AutoReplyError::WordInvalid { rule, word } => format!("keywords[{rule}].words[{word}]"),
            AutoReplyError::OncePerOutOfRange { .. } => "once_per_s".to_owned(),
        }
    }
}
