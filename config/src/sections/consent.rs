//! `[consent]`: how the words STOP, START and HELP are answered.

use serde::{Deserialize, Serialize};

/// `[consent]`: how the words are answered by which peers opt out, opt in and ask for help.
///
/// What the words do is no setting: a peer who opts out gets no more messages, answered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentSettings {
    /// Whether they are answered where the number has no keyword rule of its own for the word.
    pub confirm: bool,
    /// The answer to STOP; empty for ours, in the language of the word or of the peer's country.
    pub opted_out_text: String,
    /// The answer to START; empty as above.
    pub opted_in_text: String,
    /// The answer to HELP; empty as above.
    pub help_text: String,
}

impl Default for ConsentSettings {
    fn default() -> Self {
        Self {
            confirm: true,
            opted_out_text: String::new(),
            opted_in_text: String::new(),
            help_text: String::new(),
        }
    }
}
