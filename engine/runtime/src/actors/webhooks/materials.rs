//! What attempts tell, as far as it is at hand; the rest is read from the records in groups.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::WebhookEvent;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::payload::Material;

/// What is kept at hand, in bytes; the oldest makes room.
const BYTES_MAX: usize = 32 << 20;
/// About what an event takes whose message is not at hand.
const BARE_BYTES: usize = 512;

/// An event whose message is not at hand.
pub(crate) type Bare = (Arc<WebhookEvent>, Timestamp);

/// What is asked of the records: the event, unless it is at hand, and its message.
///
/// What an event tells never changes, so records that lag behind may be asked first. Only that they do not
/// have it says nothing then: they are asked once more when they hold all that was decided.
pub(crate) struct MaterialAsked {
    pub(crate) account: AccountId,
    pub(crate) event: EventId,
    pub(crate) bare: Option<Bare>,
    /// Whether the records hold all that was decided when it was first asked.
    pub(crate) is_second: bool,
}

/// How the reading of an event has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// What it tells is at hand.
    AtHand,
    /// It is not known any more.
    Unknown,
    /// It cannot be read now.
    Unreadable,
}

enum Held {
    Ready(Arc<Material>),
    Bare(Bare),
}

impl Held {
    fn weight(&self) -> usize {
        match self {
            Held::Ready(material) => material.weight(),
            Held::Bare(_) => BARE_BYTES,
        }
    }
}

/// What is at hand and what is asked for.
#[derive(Default)]
pub(super) struct Materials {
    held: FxHashMap<EventId, Held>,
    order: VecDeque<EventId>,
    bytes: usize,
    /// Who waits for what is being read.
    awaited: FxHashMap<EventId, SmallVec<[EndpointId; 2]>>,
    asked: Vec<MaterialAsked>,
    asked_again: Vec<MaterialAsked>,
}

impl Materials {
    /// Keeps what an event tells.
    pub(super) fn keep(&mut self, event: EventId, material: Arc<Material>) {
        self.hold(event, Held::Ready(material));
    }

    /// Keeps an event whose message is still to be read.
    pub(super) fn keep_bare(&mut self, event: Arc<WebhookEvent>, at: Timestamp) {
        self.hold(event.id, Held::Bare((event, at)));
    }

    fn hold(&mut self, event: EventId, held: Held) {
        self.bytes += held.weight();
        match self.held.insert(event, held) {
            Some(before) => self.bytes -= before.weight(),
            None => self.order.push_back(event),
        }
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(gone) = self.held.remove(&oldest) {
                self.bytes -= gone.weight();
            }
        }
    }

    /// What an event tells; when it is not at hand it is read, and the endpoint waits for it.
    pub(super) fn want(
        &mut self,
        account: AccountId,
        event: EventId,
        endpoint: EndpointId,
    ) -> Option<Arc<Material>> {
        let bare = match self.held.get(&event) {
            Some(Held::Ready(material)) => return Some(Arc::clone(material)),
            Some(Held::Bare(bare)) => Some(bare.clone()),
            None => None,
        };
        self.ask(account, event, bare).push(endpoint);
        None
    }

    /// Has an event read that will be wanted soon, unless it is at hand.
    pub(super) fn foresee(&mut self, account: AccountId, event: EventId) {
        if !self.held.contains_key(&event) {
            self.ask(account, event, None);
        }
    }

    /// Asks for an event unless it is asked for. Returns who waits for it.
    fn ask(
        &mut self,
        account: AccountId,
        event: EventId,
        bare: Option<Bare>,
    ) -> &mut SmallVec<[EndpointId; 2]> {
        match self.awaited.entry(event) {
            Entry::Occupied(waiting) => waiting.into_mut(),
            Entry::Vacant(vacant) => {
                self.asked.push(MaterialAsked {
                    account,
                    event,
                    bare,
                    is_second: false,
                });
                vacant.insert(SmallVec::new())
            }
        }
    }

    /// The records did not have it; they may have lagged behind.
    pub(super) fn ask_again(&mut self, asked: MaterialAsked) {
        self.asked_again.push(MaterialAsked {
            is_second: true,
            ..asked
        });
    }

    /// What is to be read at once.
    pub(super) fn take_asked(&mut self) -> Vec<MaterialAsked> {
        std::mem::take(&mut self.asked)
    }

    /// What is to be read once the records hold everything.
    pub(super) fn take_asked_again(&mut self) -> Vec<MaterialAsked> {
        std::mem::take(&mut self.asked_again)
    }

    /// Who waited for an event that has been read.
    pub(super) fn came(&mut self, event: EventId) -> SmallVec<[EndpointId; 2]> {
        self.awaited.remove(&event).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::webhook::{EventType, Fact, Targets};

    use super::*;

    fn event(id: u64) -> Arc<WebhookEvent> {
        Arc::new(WebhookEvent {
            id: EventId(id),
            account: AccountId(1),
            number: None,
            channel: None,
            conversation: None,
            fact: Fact::Example(EventType::NumberAdded),
            to: Targets::new(),
        })
    }

    #[test]
    fn what_is_kept_is_bounded_and_an_event_is_read_once_for_everyone_who_waits() {
        let mut materials = Materials::default();
        for id in 1..=100_000 {
            materials.keep_bare(event(id), Timestamp::ZERO);
        }
        assert!(materials.bytes <= BYTES_MAX);
        assert_eq!(materials.held.len(), BYTES_MAX / BARE_BYTES);
        for endpoint in [7, 8] {
            let wanted = materials.want(AccountId(1), EventId(100_000), EndpointId(endpoint));
            assert!(wanted.is_none());
        }
        let asked = materials.take_asked();
        assert_eq!(asked.len(), 1);
        assert!(asked[0].bare.is_some(), "only its message is read");
        assert_eq!(
            materials.came(EventId(100_000)).as_slice(),
            [EndpointId(7), EndpointId(8)]
        );
        let material = Material::new(event(100_000), Timestamp::ZERO, None, None, None);
        materials.keep(EventId(100_000), Arc::new(material));
        assert!(
            materials
                .want(AccountId(1), EventId(100_000), EndpointId(7))
                .is_some()
        );
    }
}
