//! The book of deliveries: the open ones, those finished a moment ago, and who owns which carrier id.
//!
//! Finished deliveries stay for a while so that a repeated or contradicting receipt meets its message;
//! the oldest go first past the bound.

use std::collections::VecDeque;

use didfarm_carriers::Submit;
use didfarm_core::delivery::{DeliveryEvent, InFlight};
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::awaits_receipt;

struct Page {
    in_flight: InFlight,
    /// What to hand over; gone once the carrier took it or refused it.
    submit: Option<Box<Submit>>,
    finished: bool,
}

/// The deliveries that the supervisor knows.
pub(super) struct Book {
    pages: FxHashMap<MessageId, Page>,
    owners: FxHashMap<CarrierId, FxHashMap<CarrierMessageId, MessageId>>,
    finished: VecDeque<MessageId>,
    finished_max: usize,
}

impl Book {
    pub(super) fn new(finished_max: usize) -> Book {
        Book {
            pages: FxHashMap::default(),
            owners: FxHashMap::default(),
            finished: VecDeque::new(),
            finished_max,
        }
    }

    /// Takes a delivery in; `false` when it is known already.
    pub(super) fn open(&mut self, in_flight: InFlight, submit: Option<Submit>) -> bool {
        let message = in_flight.message;
        if self.pages.contains_key(&message) {
            return false;
        }
        let page = Page {
            in_flight,
            submit: submit.map(Box::new),
            finished: false,
        };
        self.pages.insert(message, page);
        self.own(message);
        true
    }

    pub(super) fn get(&self, message: MessageId) -> Option<&InFlight> {
        self.pages.get(&message).map(|page| &page.in_flight)
    }

    pub(super) fn get_mut(&mut self, message: MessageId) -> Option<&mut InFlight> {
        self.pages.get_mut(&message).map(|page| &mut page.in_flight)
    }

    /// What to hand over now, numbered with the present try.
    pub(super) fn submit(&self, message: MessageId) -> Option<Submit> {
        let page = self.pages.get(&message)?;
        let submit = page.submit.as_deref()?;
        Some(Submit {
            submit: page.in_flight.delivery.submits,
            ..submit.clone()
        })
    }

    pub(super) fn owner(&self, carrier: CarrierId, id: &CarrierMessageId) -> Option<MessageId> {
        self.owners.get(&carrier)?.get(id).copied()
    }

    pub(super) fn carrier_ids(&self, message: MessageId) -> Vec<CarrierMessageId> {
        let segments = self
            .pages
            .get(&message)
            .map(|page| &page.in_flight.delivery.segments);
        segments
            .into_iter()
            .flatten()
            .map(|segment| segment.id.clone())
            .collect()
    }

    /// The carrier took a message: its ids are known from now on.
    fn own(&mut self, message: MessageId) {
        let Some(page) = self.pages.get(&message) else {
            return;
        };
        let owners = self.owners.entry(page.in_flight.carrier).or_default();
        owners.extend(
            page.in_flight
                .delivery
                .segments
                .iter()
                .map(|segment| (segment.id.clone(), message)),
        );
    }

    /// Brings the book in line with what happened to a delivery.
    pub(super) fn settle(&mut self, message: MessageId, event: &DeliveryEvent) {
        let Some(page) = self.pages.get_mut(&message) else {
            return;
        };
        match event {
            DeliveryEvent::SubmitAccepted(_) => {
                page.submit = None;
                self.own(message);
            }
            DeliveryEvent::SubmitRefused(_) | DeliveryEvent::Claimed(..) => self.finish(message),
            DeliveryEvent::SubmitStarted
            | DeliveryEvent::SubmitThrottled
            | DeliveryEvent::InDoubt
            | DeliveryEvent::Unconfirmed => {}
        }
    }

    fn finish(&mut self, message: MessageId) {
        let Some(page) = self.pages.get_mut(&message) else {
            return;
        };
        if page.finished || !page.in_flight.delivery.is_closed() {
            return;
        }
        page.finished = true;
        page.submit = None;
        self.finished.push_back(message);
        while self.finished.len() > self.finished_max {
            let Some(oldest) = self.finished.pop_front() else {
                break;
            };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, message: MessageId) {
        let Some(page) = self.pages.remove(&message) else {
            return;
        };
        if let Some(owners) = self.owners.get_mut(&page.in_flight.carrier) {
            for segment in page.in_flight.delivery.segments {
                owners.remove(&segment.id);
            }
        }
    }

    /// Open deliveries.
    pub(super) fn len(&self) -> usize {
        self.pages.len() - self.finished.len()
    }

    /// Deliveries that the carrier took `deadline_ms` ago or longer and of which no final claim came.
    pub(super) fn awaiting_since(&self, now: Timestamp, deadline_ms: u64) -> Vec<MessageId> {
        let overdue = |page: &&Page| {
            awaits_receipt(&page.in_flight.delivery)
                && page.in_flight.delivery.why.is_none()
                && now.ms_since(page.in_flight.phase_at) >= deadline_ms
        };
        self.pages
            .values()
            .filter(overdue)
            .map(|page| page.in_flight.message)
            .collect()
    }
}
