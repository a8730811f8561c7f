//! What a peer was answered by itself, as its conversation keeps it.

use serde::{Deserialize, Serialize};

use super::{KEYWORD_RULES_MAX, ONCE_PER_S_MAX};
use crate::time::Timestamp;

/// Which rule answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleId {
    /// The keyword rule at that place.
    #[serde(rename = "k")]
    Keyword(u8),
    /// The after-hours text.
    #[serde(rename = "a")]
    AfterHours,
    /// The immediate text.
    #[serde(rename = "i")]
    Immediate,
    /// That the peer gets no more messages, once asked for.
    #[serde(rename = "o")]
    OptOut,
    /// That the peer gets messages again, once asked for.
    #[serde(rename = "s")]
    OptIn,
    /// The help that the peer asked for.
    #[serde(rename = "h")]
    Help,
}

impl RuleId {
    /// The kind, in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleId::Keyword(_) => "keyword",
            RuleId::AfterHours => "after_hours",
            RuleId::Immediate => "immediate",
            RuleId::OptOut => "opt_out",
            RuleId::OptIn => "opt_in",
            RuleId::Help => "help",
        }
    }

    /// Whether it goes to a peer who opted out: what answers the wish itself does.
    pub fn passes_opt_out(self) -> bool {
        match self {
            RuleId::OptOut | RuleId::OptIn | RuleId::Help => true,
            RuleId::Keyword(_) | RuleId::AfterHours | RuleId::Immediate => false,
        }
    }
}

/// When each window of a peer began: one for the after-hours and immediate texts together, one for each
/// keyword rule, one for help.
///
/// The clock may be put back. A mark in the future would silence its rule for as long as the clock was
/// put back, so the next inbound message brings it back to the present ([`AutoReplied::saw_inbound`]) and
/// a window begins then: the peer waits a window at most, and gets nothing twice. A keyword rule is known
/// by its place; when a customer moves rules, marks of the last window stay with the places.
///
/// # Limits
/// Two marks, and one for each of [`KEYWORD_RULES_MAX`] rules; those older than the longest window are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AutoReplied {
    /// When the after-hours or the immediate text was sent last.
    general: Option<Timestamp>,
    /// When keyword rules answered last, by their place.
    keywords: Vec<(u8, Timestamp)>,
    /// When help was sent last.
    help: Option<Timestamp>,
}

impl AutoReplied {
    /// Applies that a rule answered.
    pub fn evolve(&mut self, rule: RuleId, at: Timestamp) {
        self.keywords
            .retain(|(_, mark)| at.ms_since(*mark) < u64::from(ONCE_PER_S_MAX) * 1000);
        match rule {
            RuleId::AfterHours | RuleId::Immediate => self.general = Some(at),
            RuleId::Help => self.help = Some(at),
            // Each goes with a change of the consent, and that is its bound.
            RuleId::OptOut | RuleId::OptIn => {}
            RuleId::Keyword(place) => {
                self.keywords.retain(|(other, _)| *other != place);
                if self.keywords.len() == KEYWORD_RULES_MAX {
                    self.keywords.remove(0);
                }
                self.keywords.push((place, at));
            }
        }
    }

    /// Applies that the peer wrote: marks of a later time are brought back to this one.
    pub fn saw_inbound(&mut self, at: Timestamp) {
        let keywords = self.keywords.iter_mut().map(|(_, mark)| mark);
        let others = self.general.iter_mut().chain(&mut self.help);
        for mark in others.chain(keywords) {
            *mark = at.min(*mark);
        }
    }

    /// Whether the rule's window, of `window_ms`, is not over.
    pub fn within(&self, rule: RuleId, now: Timestamp, window_ms: u64) -> bool {
        let mark = match rule {
            RuleId::AfterHours | RuleId::Immediate => self.general,
            RuleId::Help => self.help,
            RuleId::OptOut | RuleId::OptIn => None,
            RuleId::Keyword(place) => {
                let own = |(other, mark): &(u8, Timestamp)| (*other == place).then_some(*mark);
                self.keywords.iter().find_map(own)
            }
        };
        mark.is_some_and(|mark| now.ms_since(mark) < window_ms)
    }
}
