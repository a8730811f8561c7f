//! What the next journal entry of the webhook supervisor holds, and what is done once it is durable.

use std::sync::Arc;

use didfarm_core::event::Event;
use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::AttemptClass;
use didfarm_core::webhook::endpoint::DisableCause;

use crate::offers::{Subscription, Tell};

/// Events that one entry gathers before it goes to the journal, but for those of one last input.
pub(super) const ENTRY_EVENTS_MAX: usize = 1_024;
/// How long ends of attempts gather, in milliseconds.
pub(super) const LINGER_MS: u64 = 5;

/// What is done once its cause is durable.
pub(crate) enum HubEffect {
    /// Somebody is answered.
    Reply(Box<dyn FnOnce()>),
    /// An account's endpoints are known to everyone.
    Publish(AccountId, Arc<[Subscription]>),
    /// Somebody hears of an event or a mail.
    Tell(Tell),
    /// Attempts ended: how, and in how many milliseconds.
    Attempts(Vec<(AttemptClass, u32)>),
    /// An event was exhausted.
    Exhausted,
    /// An endpoint was disabled.
    Disabled(DisableCause),
    /// An event that was put in line by hand may start.
    Release(EndpointId, EventId),
    /// Events were put in line again.
    Recovered(u64),
}

/// The next entry.
#[derive(Default)]
pub(super) struct Batch {
    events: Vec<Event>,
    effects: Vec<HubEffect>,
    ends: Vec<(AttemptClass, u32)>,
    /// Since when it gathers, on the monotonic clock.
    since: Option<Timestamp>,
    /// Whether somebody waits for it.
    is_urgent: bool,
}

impl Batch {
    pub(super) fn push(&mut self, event: Event, mono: Timestamp) {
        self.since.get_or_insert(mono);
        self.events.push(event);
    }

    /// Counts an attempt once it is durable.
    pub(super) fn ended(&mut self, class: AttemptClass, duration_ms: u32) {
        self.ends.push((class, duration_ms));
    }

    pub(super) fn then(&mut self, effect: HubEffect) {
        self.effects.push(effect);
    }

    /// Answers somebody once everything until now is durable.
    pub(super) fn reply(&mut self, answer: impl FnOnce() + 'static) {
        self.is_urgent = true;
        self.effects.push(HubEffect::Reply(Box::new(answer)));
    }

    pub(super) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// When it is to go to the journal; `None` while it is empty.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        if self.is_urgent || self.events.len() >= ENTRY_EVENTS_MAX {
            return Some(Timestamp::ZERO);
        }
        self.since.map(|since| since.plus_ms(LINGER_MS))
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= ENTRY_EVENTS_MAX
    }

    /// Takes what gathered, for an entry of this time. Effects without events wait for everything before
    /// them.
    pub(super) fn take(&mut self, at: Timestamp) -> Option<(Vec<Event>, Vec<HubEffect>)> {
        if self.events.is_empty() && self.effects.is_empty() {
            return None;
        }
        let taken = std::mem::take(self);
        let mut effects = taken.effects;
        for effect in &mut effects {
            if let HubEffect::Tell(tell) = effect {
                tell.date(at);
            }
        }
        if !taken.ends.is_empty() {
            effects.push(HubEffect::Attempts(taken.ends));
        }
        Some((taken.events, effects))
    }
}
