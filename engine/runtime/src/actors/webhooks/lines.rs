//! The lines of an ordered endpoint: of each conversation one event is under way, the others wait for it.
//!
//! An event may be under way that is not in memory: its next attempt is far off. A line is *cut* when
//! later events of it were left in the records; nothing joins it then, so that none of them is overtaken,
//! until it has run out and the records are swept anew.

use std::collections::VecDeque;

use didfarm_core::ids::{ConversationId, EventId};
use rustc_hash::FxHashMap;

/// Conversations that an ordered endpoint keeps in mind; past that no further one is begun.
pub(super) const LINES_MAX: usize = 500_000;
/// Events that wait in one line while more is in the records.
const LINE_MAX_BEHIND: usize = 16;

/// What became of an event that came to its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// It is its turn.
    First,
    /// It waits.
    Waits,
    /// It stays in the records.
    Refused,
    /// It stays in the records, and so must everything behind it.
    Full,
}

#[derive(Debug)]
struct Line {
    /// The event under way; `None` in a line that has run out and is cut.
    active: Option<EventId>,
    /// Whether the event under way is tried now, rather than much later.
    is_moving: bool,
    is_cut: bool,
    waiting: Option<VecDeque<EventId>>,
}

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: FxHashMap<ConversationId, Line>,
    /// Lines that have run out and are cut.
    spent: Vec<ConversationId>,
}

impl Lines {
    /// Lets an event join its line.
    pub(super) fn join(
        &mut self,
        conversation: ConversationId,
        event: EventId,
        is_behind: bool,
    ) -> Joined {
        let count = self.lines.len();
        let Some(line) = self.lines.get_mut(&conversation) else {
            if count >= LINES_MAX {
                return Joined::Full;
            }
            self.begin(conversation, event, false);
            return Joined::First;
        };
        if line.active == Some(event) {
            line.is_moving = true;
            return Joined::First;
        }
        let waiting = line.waiting.as_ref().map_or(0, |waiting| waiting.len());
        if line.is_cut || is_behind && (!line.is_moving || waiting >= LINE_MAX_BEHIND) {
            line.is_cut = true;
            return Joined::Refused;
        }
        let waiting = line.waiting.get_or_insert_default();
        let place = waiting.partition_point(|before| *before < event);
        waiting.insert(place, event);
        Joined::Waits
    }

    fn begin(&mut self, conversation: ConversationId, event: EventId, is_cut: bool) {
        let line = Line {
            active: Some(event),
            is_moving: !is_cut,
            is_cut,
            waiting: None,
        };
        self.lines.insert(conversation, line);
    }

    /// Learns of an event that is under way and not in memory.
    pub(super) fn learn(&mut self, conversation: ConversationId, event: EventId) {
        match self.lines.get_mut(&conversation) {
            Some(line) => line.active = line.active.map(|active| active.min(event)),
            None => self.begin(conversation, event, true),
        }
    }

    /// Learns that an event of a conversation was left in the records.
    pub(super) fn cut(&mut self, conversation: ConversationId) {
        if let Some(line) = self.lines.get_mut(&conversation) {
            line.is_cut = true;
        }
    }

    /// The event under way is tried again much later. Returns those that waited for it if memory is short:
    /// they are left in the records.
    pub(super) fn rest(
        &mut self,
        conversation: ConversationId,
        is_behind: bool,
    ) -> VecDeque<EventId> {
        let Some(line) = self.lines.get_mut(&conversation) else {
            return VecDeque::new();
        };
        line.is_moving = false;
        if !is_behind {
            return VecDeque::new();
        }
        line.is_cut = true;
        line.waiting.take().unwrap_or_default()
    }

    /// Leaves in the records what memory has no room for once it does not hold everything any more.
    pub(super) fn shorten(&mut self) -> Vec<EventId> {
        let mut left = Vec::new();
        for line in self.lines.values_mut() {
            let kept = match line.is_moving {
                true => LINE_MAX_BEHIND,
                false => 0,
            };
            let Some(waiting) = &mut line.waiting else {
                continue;
            };
            if waiting.len() > kept {
                line.is_cut = true;
                left.extend(waiting.drain(kept..));
            }
        }
        left
    }

    /// The event under way is done. Returns the next one, and whether the records may have more.
    pub(super) fn done(
        &mut self,
        conversation: ConversationId,
        event: EventId,
    ) -> (Option<EventId>, bool) {
        let Some(line) = self.lines.get_mut(&conversation) else {
            return (None, false);
        };
        if line.active != Some(event) {
            if let Some(waiting) = &mut line.waiting {
                waiting.retain(|waits| *waits != event);
            }
            return (None, false);
        }
        let next = line
            .waiting
            .as_mut()
            .and_then(|waiting| waiting.pop_front());
        match (next, line.is_cut) {
            (Some(next), _) => {
                line.active = Some(next);
                line.is_moving = true;
                (Some(next), false)
            }
            (None, true) => {
                line.active = None;
                self.spent.push(conversation);
                (None, true)
            }
            (None, false) => {
                self.lines.remove(&conversation);
                (None, false)
            }
        }
    }

    /// The records are swept from their start: what was left is met in its order.
    pub(super) fn sweep_begins(&mut self) {
        for conversation in self.spent.drain(..) {
            self.lines.remove(&conversation);
        }
    }

    /// Everything is in memory: nothing is left that could be overtaken.
    pub(super) fn mend(&mut self) {
        self.sweep_begins();
        for line in self.lines.values_mut() {
            line.is_cut = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: ConversationId = ConversationId(5);

    fn ids(range: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = EventId> {
        range.map(EventId)
    }

    #[test]
    fn nobody_overtakes_those_that_were_left_in_the_records() {
        let mut lines = Lines::default();
        assert_eq!(lines.join(LINE, EventId(1), true), Joined::First);
        for event in ids(2..=17) {
            assert_eq!(lines.join(LINE, event, true), Joined::Waits);
        }
        assert_eq!(lines.join(LINE, EventId(18), true), Joined::Refused);
        assert_eq!(lines.done(LINE, EventId(1)), (Some(EventId(2)), false));
        assert_eq!(
            lines.join(LINE, EventId(19), true),
            Joined::Refused,
            "18 comes first"
        );
        for event in ids(2..=16) {
            assert_eq!(lines.done(LINE, event).0, Some(EventId(event.0 + 1)));
        }
        assert_eq!(lines.done(LINE, EventId(17)), (None, true));
        assert_eq!(
            lines.join(LINE, EventId(19), true),
            Joined::Refused,
            "18 comes first"
        );
        lines.sweep_begins();
        assert_eq!(lines.join(LINE, EventId(18), true), Joined::First);
        assert_eq!(lines.join(LINE, EventId(19), true), Joined::Waits);
    }

    #[test]
    fn a_line_whose_first_waits_long_takes_no_memory_from_others() {
        let mut lines = Lines::default();
        lines.join(LINE, EventId(1), false);
        for event in ids(2..=40) {
            assert_eq!(lines.join(LINE, event, false), Joined::Waits);
        }
        assert_eq!(lines.shorten().len(), 39 - LINE_MAX_BEHIND);
        assert_eq!(lines.rest(LINE, true).len(), LINE_MAX_BEHIND);
        assert_eq!(lines.join(LINE, EventId(2), true), Joined::Refused);
        assert_eq!(lines.join(LINE, EventId(1), true), Joined::First);
    }
}
