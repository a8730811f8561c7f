//! The book of deliveries: the open ones, those finished a moment ago, and who owns which carrier id.
//!
//! Finished deliveries stay for a while so that a repeated or contradicting receipt meets its message
//! without a read; the oldest go first past the bound, and are read back when a receipt asks for them.
//! A million deliveries wait for receipts in here: pages lie in one slab, and both indexes hold slots.

use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault};

use didfarm_carriers::Submit;
use didfarm_core::delivery::{DeliveryEvent, InFlight, Phase};
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::time::Timestamp;
use didfarm_store::seq::Seq;
use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::slab::{Slab, Slot};
use crate::account::Place;

/// Stands for the entry that is being made.
const UNFLUSHED: Seq = Seq(u64::MAX);
type Hash = BuildHasherDefault<FxHasher>;

/// A slot in the index of carrier ids, with the hash of the one id that it stands here for: a message
/// of several segments stands there once for each.
#[derive(Clone, Copy)]
struct Owner {
    hash: u32,
    slot: Slot,
}

/// How a message stands to its account's line.
pub(super) enum Line {
    /// It was in none.
    Never,
    /// It waits in it: no deadline is its own until it leaves it.
    In { _place: Place },
    /// It left it then.
    Left(Timestamp),
}

impl Line {
    /// Since when a message waits for its turn; `None` while it waits in line, as it is meant to.
    pub(super) fn waits_since(&self, in_flight: &InFlight) -> Option<Timestamp> {
        match self {
            Line::Never => Some(in_flight.waits_since()),
            Line::In { .. } => None,
            Line::Left(at) => Some(*at),
        }
    }
}

struct Page {
    in_flight: InFlight,
    /// What to hand over; gone once the carrier took it or refused it.
    submit: Option<Box<Submit>>,
    /// The last entry about it, once it is finished.
    finished: Option<Seq>,
    line: Line,
}

/// The deliveries that the supervisor knows.
pub(crate) struct Book {
    pages: Slab<Page>,
    by_message: HashTable<Slot>,
    by_carrier_id: HashTable<Owner>,
    /// Finished deliveries, oldest first.
    finished: VecDeque<MessageId>,
    /// Finished deliveries that the entry which is being made tells of.
    unflushed: Vec<MessageId>,
    finished_max: usize,
    /// The last entry of any delivery that was forgotten.
    forgotten: Seq,
}

fn hash_message(message: MessageId) -> u64 {
    Hash::default().hash_one(message)
}

fn hash_carrier_id(carrier: CarrierId, id: &CarrierMessageId) -> u32 {
    (Hash::default().hash_one((carrier, id)) >> 32) as u32
}

/// Spreads 32 bits over the 64 that the table looks at.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn page_at(pages: &Slab<Page>, slot: Slot) -> &Page {
    pages[slot]
        .as_ref()
        .expect("an index holds slots of present pages only")
}

fn has_id(page: &Page, carrier: CarrierId, id: &CarrierMessageId) -> bool {
    let delivery = &page.in_flight.delivery;
    delivery.carrier() == Some(carrier) && delivery.segments.iter().any(|own| own.id == *id)
}

impl Book {
    /// An empty book; the records know everything up to `forgotten`.
    pub(super) fn new(finished_max: usize, forgotten: Seq) -> Book {
        Book {
            pages: Slab::new(),
            by_message: HashTable::new(),
            by_carrier_id: HashTable::new(),
            finished: VecDeque::new(),
            unflushed: Vec::new(),
            // One that was just recalled is still to be asked.
            finished_max: finished_max.max(1),
            forgotten,
        }
    }

    /// Takes a delivery in; `false` when it is known already.
    pub(super) fn open(&mut self, in_flight: InFlight, submit: Option<Box<Submit>>) -> bool {
        let message = in_flight.message;
        if self.slot(message).is_some() {
            return false;
        }
        let page = Page {
            in_flight,
            submit,
            finished: None,
            line: Line::Never,
        };
        let slot = self.pages.add(page);
        let pages = &self.pages;
        self.by_message
            .insert_unique(hash_message(message), slot, |slot| {
                hash_message(page_at(pages, *slot).in_flight.message)
            });
        self.own(slot);
        true
    }

    /// Takes in a delivery that was finished long ago and that a receipt asks for.
    pub(super) fn recall(&mut self, in_flight: InFlight) {
        let message = in_flight.message;
        if self.open(in_flight, None) {
            self.retire(message);
        }
    }

    fn slot(&self, message: MessageId) -> Option<Slot> {
        self.by_message
            .find(hash_message(message), |slot| {
                page_at(&self.pages, *slot).in_flight.message == message
            })
            .copied()
    }

    fn page(&self, message: MessageId) -> Option<&Page> {
        self.slot(message).map(|slot| page_at(&self.pages, slot))
    }

    fn page_mut(&mut self, message: MessageId) -> Option<&mut Page> {
        let slot = self.slot(message)?;
        self.pages[slot].as_mut()
    }

    pub(super) fn get(&self, message: MessageId) -> Option<&InFlight> {
        self.page(message).map(|page| &page.in_flight)
    }

    pub(super) fn get_mut(&mut self, message: MessageId) -> Option<&mut InFlight> {
        self.page_mut(message).map(|page| &mut page.in_flight)
    }

    /// Whether a message waits for the answer to this one of its submits.
    pub(super) fn awaits_answer(&self, message: MessageId, submit: u16) -> bool {
        self.get(message).is_some_and(|in_flight| {
            let delivery = &in_flight.delivery;
            delivery.phase == Phase::Submitting && delivery.submits == submit
        })
    }

    /// Lets go of what is to be handed over of a message until its time comes.
    pub(super) fn lay_by(&mut self, message: MessageId) {
        if let Some(page) = self.page_mut(message) {
            page.submit = None;
        }
    }

    /// Has what is to be handed over of a message at hand again.
    pub(super) fn take_out(&mut self, message: MessageId, submit: Box<Submit>) {
        if let Some(page) = self.page_mut(message) {
            page.submit = Some(submit);
        }
    }

    /// Notes that a message waits in its account's line.
    pub(super) fn line_up(&mut self, message: MessageId, place: Place) {
        if let Some(page) = self.page_mut(message) {
            page.line = Line::In { _place: place };
        }
    }

    /// Whether a message waits in its account's line and is still meant to go.
    pub(super) fn is_in_line(&self, message: MessageId) -> bool {
        let page = self.page(message);
        page.is_some_and(|page| matches!(page.line, Line::In { .. }))
    }

    /// A message leaves its line: its validity period begins now.
    pub(super) fn leave_line(&mut self, message: MessageId, now: Timestamp) {
        if let Some(page) = self.page_mut(message) {
            page.line = Line::Left(now);
            let open = &mut page.in_flight;
            let validity_ms = open.valid_until.ms_since(open.waits_since());
            open.valid_until = now.plus_ms(validity_ms);
            if let Some(submit) = &mut page.submit {
                submit.valid_until = open.valid_until;
            }
        }
    }

    /// How many pages there are, used or free.
    pub(super) fn pages_len(&self) -> usize {
        self.pages.len()
    }

    /// Of some pages, the messages that wait for their time or their turn and that are meant.
    pub(super) fn waiting_among(
        &self,
        pages: std::ops::Range<usize>,
        is_meant: impl Fn(&InFlight) -> bool,
    ) -> Vec<MessageId> {
        let open = self.pages.range(pages).map(|page| &page.in_flight);
        open.filter(|open| matches!(open.delivery.phase, Phase::Scheduled | Phase::Queued))
            .filter(|open| is_meant(open))
            .map(|open| open.message)
            .collect()
    }

    /// What is to be handed over of a message.
    pub(super) fn waiting(&self, message: MessageId) -> Option<&Submit> {
        self.page(message)?.submit.as_deref()
    }

    /// What to hand over now, numbered with the present try.
    pub(super) fn submit(&self, message: MessageId) -> Option<Submit> {
        let page = self.page(message)?;
        let submit = page.submit.as_deref()?;
        Some(Submit {
            submit: page.in_flight.delivery.submits,
            ..submit.clone()
        })
    }

    /// The message that has a carrier's id.
    pub(super) fn owner(&self, carrier: CarrierId, id: &CarrierMessageId) -> Option<MessageId> {
        let hash = hash_carrier_id(carrier, id);
        let is_owner = |owner: &Owner| {
            owner.hash == hash && has_id(page_at(&self.pages, owner.slot), carrier, id)
        };
        self.by_carrier_id
            .find(spread(hash), is_owner)
            .map(|owner| page_at(&self.pages, owner.slot).in_flight.message)
    }

    pub(super) fn carrier_ids(&self, message: MessageId) -> Vec<CarrierMessageId> {
        let segments = self
            .page(message)
            .map(|page| &page.in_flight.delivery.segments);
        segments
            .into_iter()
            .flatten()
            .map(|segment| segment.id.clone())
            .collect()
    }

    /// The carrier took a message: its ids are known from now on.
    fn own(&mut self, slot: Slot) {
        let delivery = &page_at(&self.pages, slot).in_flight.delivery;
        let Some(carrier) = delivery.carrier() else {
            return;
        };
        for segment in &delivery.segments {
            let hash = hash_carrier_id(carrier, &segment.id);
            // A carrier that counts its ids anew gives one twice: the newest message has it.
            let is_other = |owner: &Owner| {
                owner.hash == hash
                    && owner.slot != slot
                    && has_id(page_at(&self.pages, owner.slot), carrier, &segment.id)
            };
            if let Ok(entry) = self.by_carrier_id.find_entry(spread(hash), is_other) {
                entry.remove();
            }
            let rehash = |owner: &Owner| spread(owner.hash);
            self.by_carrier_id
                .insert_unique(spread(hash), Owner { hash, slot }, rehash);
        }
    }

    fn forget(&mut self, message: MessageId) {
        let Some(slot) = self.slot(message) else {
            return;
        };
        let Some(page) = self.pages.take(slot) else {
            return;
        };
        self.forgotten = self.forgotten.max(page.finished.unwrap_or(UNFLUSHED));
        let delivery = &page.in_flight.delivery;
        if let Some(carrier) = delivery.carrier() {
            for segment in &delivery.segments {
                let hash = hash_carrier_id(carrier, &segment.id);
                let is_own = |owner: &Owner| owner.hash == hash && owner.slot == slot;
                if let Ok(entry) = self.by_carrier_id.find_entry(spread(hash), is_own) {
                    entry.remove();
                }
            }
        }
        let hash = hash_message(message);
        if let Ok(entry) = self.by_message.find_entry(hash, |own| *own == slot) {
            entry.remove();
        }
    }

    /// Open deliveries.
    pub(super) fn len(&self) -> usize {
        self.by_message.len() - self.finished.len()
    }

    /// Every open delivery, in no order.
    pub(super) fn open_deliveries(&self) -> impl Iterator<Item = &InFlight> {
        self.pages
            .iter()
            .filter(|page| page.finished.is_none())
            .map(|page| &page.in_flight)
    }

    /// The same, each with how it stands to its account's line.
    pub(super) fn open_in_lines(&self) -> impl Iterator<Item = (&InFlight, &Line)> {
        let open = self.pages.iter();
        open.filter(|page| page.finished.is_none())
            .map(|page| (&page.in_flight, &page.line))
    }

    /// Brings the book in line with what happened to a delivery.
    pub(super) fn settle(&mut self, message: MessageId, event: &DeliveryEvent) {
        let Some(slot) = self.slot(message) else {
            return;
        };
        if let Some(Page {
            finished: Some(last),
            ..
        }) = &mut self.pages[slot]
        {
            // The records are to know of this, too, when it is forgotten.
            *last = UNFLUSHED;
            self.unflushed.push(message);
        }
        match event {
            DeliveryEvent::SubmitAccepted(..) | DeliveryEvent::ReceiptAccepted(..) => {
                if let Some(page) = &mut self.pages[slot] {
                    page.submit = None;
                }
                self.own(slot);
                self.finish(message);
            }
            DeliveryEvent::SubmitRefused(_)
            | DeliveryEvent::Claimed(..)
            | DeliveryEvent::Expired
            | DeliveryEvent::Cancelled
            | DeliveryEvent::GivenUp
            | DeliveryEvent::Unconfirmed => self.finish(message),
            DeliveryEvent::SubmitStarted(_)
            | DeliveryEvent::NotTaken(_)
            | DeliveryEvent::InDoubt
            | DeliveryEvent::Due
            | DeliveryEvent::Rescheduled(_)
            | DeliveryEvent::Delayed => {}
        }
    }

    fn finish(&mut self, message: MessageId) {
        let Some(page) = self.page_mut(message) else {
            return;
        };
        if page.finished.is_none() && page.in_flight.delivery.is_closed() {
            self.retire(message);
        }
    }

    /// Puts a page among the finished; the oldest of them leaves past the bound.
    fn retire(&mut self, message: MessageId) {
        let Some(page) = self.page_mut(message) else {
            return;
        };
        page.finished = Some(UNFLUSHED);
        page.submit = None;
        page.line = Line::Never;
        self.unflushed.push(message);
        self.finished.push_back(message);
        while self.finished.len() > self.finished_max {
            let Some(oldest) = self.finished.pop_front() else {
                break;
            };
            self.forget(oldest);
        }
    }

    /// What was finished until now is in the journal up to this entry.
    pub(super) fn flushed(&mut self, seq: Seq) {
        for message in std::mem::take(&mut self.unflushed) {
            if let Some(Page {
                finished: Some(last),
                ..
            }) = self.page_mut(message)
            {
                *last = seq;
            }
        }
        if self.forgotten == UNFLUSHED {
            self.forgotten = seq;
        }
    }

    /// What the records must hold so that they know every delivery that was forgotten.
    pub(super) fn forgotten(&self) -> Seq {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::channel::Channel;
    use didfarm_core::delivery::Delivery;
    use didfarm_core::delivery::receipt::SegmentClaims;
    use didfarm_core::ids::{AccountId, ConversationId, NumberId};
    use didfarm_core::money::Micros;
    use didfarm_core::route::{Route, RouteReason};

    use super::*;

    const CARRIER: CarrierId = CarrierId(2);

    fn id(message: u64, segment: u64) -> CarrierMessageId {
        CarrierMessageId(format!("{message}-{segment}").into())
    }

    fn submitted(message: u64, segments: u64) -> InFlight {
        let route = Route {
            carrier: CARRIER,
            reason: RouteReason::Preferred,
        };
        let mut delivery = Delivery::new();
        delivery.evolve(&DeliveryEvent::SubmitStarted(route));
        delivery.segments = (0..segments)
            .map(|segment| SegmentClaims::new(id(message, segment)))
            .collect();
        InFlight {
            message: MessageId(message),
            account: AccountId(1),
            number: NumberId(1),
            conversation: ConversationId(1),
            channel: Channel::Sms,
            charge: Micros::ZERO,
            accepted_at: Timestamp(0),
            phase_at: Timestamp(0),
            valid_until: Timestamp(0),
            batch: None,
            has_status_url: false,
            delivery,
            is_urgent: false,
            is_template: false,
        }
    }

    #[test]
    fn every_id_of_a_message_leads_to_it_however_the_book_grows() {
        let mut book = Book::new(10, Seq::ZERO);
        for message in 0..5_000 {
            assert!(book.open(submitted(message, 3), None));
            assert!(!book.open(submitted(message, 3), None));
        }
        for message in 0..5_000 {
            for segment in 0..3 {
                let owner = book.owner(CARRIER, &id(message, segment));
                assert_eq!(owner, Some(MessageId(message)));
            }
        }
        assert_eq!(book.owner(CarrierId(3), &id(1, 1)), None);
        assert_eq!(book.len(), 5_000);
    }

    #[test]
    fn the_oldest_finished_is_forgotten_whole_and_its_place_is_used_again() {
        let mut book = Book::new(1, Seq::ZERO);
        for message in 0..3 {
            book.open(submitted(message, 2), None);
            let refused = DeliveryEvent::SubmitRefused(didfarm_core::reason::Reason::Rejected);
            let in_flight = book.get_mut(MessageId(message)).unwrap();
            in_flight.evolve(&refused, Timestamp(1));
            book.settle(MessageId(message), &refused);
        }
        assert_eq!(book.forgotten(), UNFLUSHED);
        book.flushed(Seq(7));
        assert_eq!(book.forgotten(), Seq(7));
        assert!(book.get(MessageId(1)).is_none());
        assert_eq!(book.owner(CARRIER, &id(1, 0)), None);
        assert_eq!(book.owner(CARRIER, &id(2, 1)), Some(MessageId(2)));
        assert_eq!((book.len(), book.pages.len()), (0, 2));
    }

    #[test]
    fn a_page_stays_small() {
        assert!(
            size_of::<Option<Page>>() <= 176,
            "{}",
            size_of::<Option<Page>>()
        );
    }
}
