//! Bars: which messages do not go because their peer has opted out meanwhile.
//!
//! The conversation that decides an opt-out raises a bar and appends its entry as one step; whoever hands
//! messages to carriers looks just before. So each message goes or does not go by whether it was looked
//! at before the entry was appended, and what is decided of a barred one comes behind that entry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use didfarm_core::ids::{ConversationId, MessageId};
use rustc_hash::{FxHashMap, FxHashSet};

/// A conversation's bar.
#[derive(Debug, Clone, Copy)]
struct Bar {
    /// The last message that does not go.
    upto: MessageId,
    /// Whether its entry is durable, and the delivery supervisor knows every message before it.
    heard: bool,
}

/// The bars that are up. One stays until everything behind it is settled, which is seconds.
#[derive(Default)]
pub(crate) struct Bars {
    /// How many there are: most looks find none and take no lock.
    count: AtomicUsize,
    raised: Mutex<FxHashMap<ConversationId, Bar>>,
}

impl Bars {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<ConversationId, Bar>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises a bar and appends what it comes from, as one step.
    pub(crate) fn raise<T>(
        &self,
        conversation: ConversationId,
        upto: MessageId,
        append: impl FnOnce() -> T,
    ) -> T {
        let mut raised = self.lock();
        put(&mut raised, conversation, upto, false);
        // Before the entry: a look that still finds none counted came before it, too.
        self.count.store(raised.len(), Ordering::SeqCst);
        append()
    }

    /// Raises what the records say, before anything is handed over.
    pub(crate) fn restore(&self, barred: impl IntoIterator<Item = (ConversationId, MessageId)>) {
        let mut raised = self.lock();
        for (conversation, upto) in barred {
            put(&mut raised, conversation, upto, true);
        }
        self.count.store(raised.len(), Ordering::SeqCst);
    }

    /// Whether a message does not go.
    pub(crate) fn holds(&self, conversation: ConversationId, message: MessageId) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let raised = self.lock();
        raised
            .get(&conversation)
            .is_some_and(|bar| message <= bar.upto)
    }

    /// Notes that a bar's entry is durable.
    pub(crate) fn heard(&self, conversation: ConversationId) {
        if let Some(bar) = self.lock().get_mut(&conversation) {
            bar.heard = true;
        }
    }

    /// Every bar with the last message that it holds; `None` when there is none.
    pub(crate) fn list(&self) -> Option<FxHashMap<ConversationId, MessageId>> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let raised = self.lock();
        Some(raised.iter().map(|(id, bar)| (*id, bar.upto)).collect())
    }

    /// Takes down the bars that were heard and have nothing open behind them.
    pub(crate) fn settle(&self, unsettled: &FxHashSet<ConversationId>) {
        let mut raised = self.lock();
        raised.retain(|id, bar| !bar.heard || unsettled.contains(id));
        self.count.store(raised.len(), Ordering::SeqCst);
    }
}

fn put(
    raised: &mut FxHashMap<ConversationId, Bar>,
    conversation: ConversationId,
    upto: MessageId,
    heard: bool,
) {
    let bar = raised.entry(conversation).or_insert(Bar { upto, heard });
    bar.upto = bar.upto.max(upto);
    bar.heard = heard;
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: ConversationId = ConversationId(7);
    const OTHER: ConversationId = ConversationId(8);

    #[test]
    fn a_bar_holds_what_came_before_it_and_nothing_else() {
        let bars = Bars::default();
        assert!(bars.list().is_none());
        bars.raise(PAIR, MessageId(5), || ());
        assert!(bars.holds(PAIR, MessageId(1)) && bars.holds(PAIR, MessageId(5)));
        assert!(!bars.holds(PAIR, MessageId(6)) && !bars.holds(OTHER, MessageId(1)));
        bars.raise(PAIR, MessageId(9), || ());
        assert!(bars.holds(PAIR, MessageId(6)));
    }

    #[test]
    fn a_bar_comes_down_once_it_was_heard_and_nothing_is_open_behind_it() {
        let bars = Bars::default();
        let nothing = FxHashSet::default();
        bars.raise(PAIR, MessageId(5), || ());
        bars.settle(&nothing);
        assert!(bars.holds(PAIR, MessageId(5)), "it was not heard");
        bars.heard(PAIR);
        bars.settle(&FxHashSet::from_iter([PAIR]));
        assert!(bars.holds(PAIR, MessageId(5)), "something is open");
        bars.settle(&nothing);
        assert!(!bars.holds(PAIR, MessageId(5)) && bars.list().is_none());
        bars.restore([(OTHER, MessageId(3))]);
        assert!(bars.holds(OTHER, MessageId(3)));
        bars.settle(&nothing);
        assert!(bars.list().is_none());
    }

    #[test]
    fn whoever_looks_while_an_entry_is_appended_sees_the_bar() {
        let bars = Bars::default();
        std::thread::scope(|scope| {
            let looks = bars.raise(PAIR, MessageId(5), || {
                scope.spawn(|| bars.holds(PAIR, MessageId(5)))
            });
            assert!(looks.join().unwrap());
        });
    }
}
