//! Bars: which messages do not go because their peer has opted out meanwhile.
//!
//! The conversation that decides an opt-out raises a bar and appends its entry as one step; whoever hands
//! messages to carriers looks just before. So each message goes or does not go by whether it was looked
//! at before the entry was appended, and what is decided of a barred one comes behind that entry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use didfarm_core::consent::Consent;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::{ConversationId, MessageId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The last messages of a conversation that do not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upto {
    /// Whatever it is.
    all: u64,
    /// If it is a template.
    templates: u64,
}

impl Upto {
    /// What a conversation says.
    pub(crate) fn of(consent: &Consent) -> Upto {
        Upto {
            all: consent.barred,
            templates: consent.templates_barred,
        }
    }

    /// Whether a message does not go.
    pub(crate) fn holds(self, message: MessageId, is_template: bool) -> bool {
        message.get() <= self.all || (is_template && message.get() <= self.templates)
    }

    fn max(self, other: Upto) -> Upto {
        Upto {
            all: self.all.max(other.all),
            templates: self.templates.max(other.templates),
        }
    }
}

/// A conversation's bar.
#[derive(Debug, Clone, Copy)]
struct Bar {
    upto: Upto,
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
        upto: Upto,
        append: impl FnOnce() -> T,
    ) -> T {
        let mut raised = self.lock();
        put(&mut raised, conversation, upto, false);
        // Before the entry: a look that still finds none counted came before it, too.
        self.count.store(raised.len(), Ordering::SeqCst);
        append()
    }

    /// Raises what the records say, before anything is handed over.
    pub(crate) fn restore(&self, barred: impl IntoIterator<Item = (ConversationId, Upto)>) {
        let mut raised = self.lock();
        for (conversation, upto) in barred {
            put(&mut raised, conversation, upto, true);
        }
        self.count.store(raised.len(), Ordering::SeqCst);
    }

    /// Whether a message does not go.
    pub(crate) fn holds(&self, open: &InFlight) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let raised = self.lock();
        let bar = raised.get(&open.conversation);
        bar.is_some_and(|bar| bar.upto.holds(open.message, open.is_template))
    }

    /// Notes that a bar's entry is durable.
    pub(crate) fn heard(&self, conversation: ConversationId) {
        if let Some(bar) = self.lock().get_mut(&conversation) {
            bar.heard = true;
        }
    }

    /// Every bar with the last messages that it holds; `None` when there is none.
    pub(crate) fn list(&self) -> Option<FxHashMap<ConversationId, Upto>> {
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
    upto: Upto,
    heard: bool,
) {
    let bar = raised.entry(conversation).or_insert(Bar { upto, heard });
    bar.upto = bar.upto.max(upto);
    bar.heard = heard;
}

#[cfg(test)]
mod tests {
    use didfarm_core::channel::Channel;
    use didfarm_core::delivery::Delivery;
    use didfarm_core::ids::{AccountId, NumberId};
    use didfarm_core::money::Micros;
    use didfarm_core::time::Timestamp;

    use super::*;

    const PAIR: ConversationId = ConversationId(7);
    const OTHER: ConversationId = ConversationId(8);

    fn upto(message: u64) -> Upto {
        Upto {
            all: message,
            templates: 0,
        }
    }

    /// A message that waits.
    fn open(conversation: ConversationId, message: u64, is_template: bool) -> InFlight {
        InFlight {
            message: MessageId(message),
            account: AccountId(1),
            number: NumberId(1),
            conversation,
            channel: Channel::WhatsApp,
            charge: Micros::ZERO,
            accepted_at: Timestamp(0),
            phase_at: Timestamp(0),
            valid_until: Timestamp(0),
            batch: None,
            has_status_url: false,
            delivery: Delivery::new(),
            is_urgent: false,
            is_template,
        }
    }

    fn holds(bars: &Bars, conversation: ConversationId, message: u64) -> bool {
        bars.holds(&open(conversation, message, false))
    }

    #[test]
    fn a_bar_of_templates_lets_everything_else_through() {
        let bars = Bars::default();
        let templates = Upto {
            all: 2,
            templates: 5,
        };
        bars.raise(PAIR, templates, || ());
        assert!(holds(&bars, PAIR, 2) && !holds(&bars, PAIR, 3));
        assert!(bars.holds(&open(PAIR, 5, true)) && !bars.holds(&open(PAIR, 6, true)));
        // A later one never takes back what an earlier one holds.
        bars.raise(PAIR, upto(3), || ());
        assert!(holds(&bars, PAIR, 3) && bars.holds(&open(PAIR, 5, true)));
    }

    #[test]
    fn a_bar_holds_what_came_before_it_and_nothing_else() {
        let bars = Bars::default();
        assert!(bars.list().is_none());
        bars.raise(PAIR, upto(5), || ());
        assert!(holds(&bars, PAIR, 1) && holds(&bars, PAIR, 5));
        assert!(!holds(&bars, PAIR, 6) && !holds(&bars, OTHER, 1));
        bars.raise(PAIR, upto(9), || ());
        assert!(holds(&bars, PAIR, 6));
    }

    #[test]
    fn a_bar_comes_down_once_it_was_heard_and_nothing_is_open_behind_it() {
        let bars = Bars::default();
        let nothing = FxHashSet::default();
        bars.raise(PAIR, upto(5), || ());
        bars.settle(&nothing);
        assert!(holds(&bars, PAIR, 5), "it was not heard");
        bars.heard(PAIR);
        bars.settle(&FxHashSet::from_iter([PAIR]));
        assert!(holds(&bars, PAIR, 5), "something is open");
        bars.settle(&nothing);
        assert!(!holds(&bars, PAIR, 5) && bars.list().is_none());
        bars.restore([(OTHER, upto(3))]);
        assert!(holds(&bars, OTHER, 3));
        bars.settle(&nothing);
        assert!(bars.list().is_none());
    }

    #[test]
    fn whoever_looks_while_an_entry_is_appended_sees_the_bar() {
        let bars = Bars::default();
        std::thread::scope(|scope| {
            let looks = bars.raise(PAIR, upto(5), || scope.spawn(|| holds(&bars, PAIR, 5)));
            assert!(looks.join().unwrap());
        });
    }
}
