//! Parked receipts: those whose message is not yet known, bounded by count and age.

use std::collections::VecDeque;

use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{CarrierId, CarrierMessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

type Key = (CarrierId, CarrierMessageId);

/// The lot.
pub(crate) struct ParkedReceipts {
    receipts: FxHashMap<Key, Vec<ParkedReceipt>>,
    /// When each key was first parked, oldest first; keys that were claimed since are skipped.
    order: VecDeque<(Timestamp, Key)>,
    len: usize,
    len_max: usize,
    /// The shortest time that any carrier's receipts are kept.
    age_min_ms: u64,
}

impl ParkedReceipts {
    pub(super) fn new(len_max: usize, age_min_ms: u64) -> ParkedReceipts {
        ParkedReceipts {
            receipts: FxHashMap::default(),
            order: VecDeque::new(),
            len: 0,
            len_max,
            age_min_ms,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Those that wait longest.
    pub(super) fn list(&self, limit: usize) -> Vec<(Timestamp, ParkedReceipt)> {
        self.order
            .iter()
            .filter_map(|(at, key)| Some((*at, self.receipts.get(key)?)))
            .flat_map(|(at, receipts)| receipts.iter().map(move |receipt| (at, receipt.clone())))
            .take(limit)
            .collect()
    }

    /// Whether exactly this receipt is parked.
    pub(super) fn holds(&self, receipt: &ParkedReceipt) -> bool {
        let key = (receipt.carrier, receipt.id.clone());
        self.receipts
            .get(&key)
            .is_some_and(|parked| parked.contains(receipt))
    }

    pub(super) fn put(&mut self, at: Timestamp, receipt: ParkedReceipt) {
        let key = (receipt.carrier, receipt.id.clone());
        let parked = self.receipts.entry(key.clone()).or_default();
        if parked.is_empty() {
            self.order.push_back((at, key));
        }
        parked.push(receipt);
        self.len += 1;
    }

    /// Takes out the receipts of one id.
    pub(super) fn claim(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Vec<ParkedReceipt> {
        let claimed = self
            .receipts
            .remove(&(carrier, id.clone()))
            .unwrap_or_default();
        self.len -= claimed.len();
        if self.order.len() > 2 * self.receipts.len() + 64 {
            self.order
                .retain(|(_, key)| self.receipts.contains_key(key));
        }
        claimed
    }

    /// Takes out the oldest id when the lot is full, with how many receipts it had.
    pub(super) fn make_room(&mut self) -> Option<(CarrierId, CarrierMessageId, u64)> {
        if self.len < self.len_max {
            return None;
        }
        self.oldest()
    }

    /// Takes out the ids that waited for as long as their carrier's may, with how many receipts each
    /// had.
    pub(super) fn aged_out(
        &mut self,
        now: Timestamp,
        age_max_ms: impl Fn(CarrierId) -> u64,
    ) -> Vec<(CarrierId, CarrierMessageId, u64)> {
        let mut aged = Vec::new();
        let mut kept = VecDeque::new();
        // Ages differ by carrier, so that a young one may stand before an aged one; the youngest age of
        // any carrier ends the search.
        while let Some((at, key)) = self.order.pop_front() {
            let age_ms = now.ms_since(at);
            if age_ms < self.age_min_ms {
                self.order.push_front((at, key));
                break;
            }
            if !self.receipts.contains_key(&key) {
                continue;
            }
            if age_ms < age_max_ms(key.0) {
                kept.push_back((at, key));
                continue;
            }
            if let Some(receipts) = self.receipts.remove(&key) {
                self.len -= receipts.len();
                aged.push((key.0, key.1, receipts.len() as u64));
            }
        }
        while let Some(entry) = kept.pop_back() {
            self.order.push_front(entry);
        }
        aged
    }

    fn oldest(&mut self) -> Option<(CarrierId, CarrierMessageId, u64)> {
        while let Some((_, key)) = self.order.pop_front() {
            if let Some(receipts) = self.receipts.remove(&key) {
                self.len -= receipts.len();
                return Some((key.0, key.1, receipts.len() as u64));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::delivery::receipt::Claim;

    use super::*;

    fn receipt(id: &str) -> ParkedReceipt {
        ParkedReceipt {
            carrier: CarrierId::SIMULATOR,
            id: CarrierMessageId(id.into()),
            claim: Claim::Delivered,
            reason: None,
        }
    }

    #[test]
    fn a_parked_receipt_is_claimed_once() {
        let mut parked = ParkedReceipts::new(10, 0);
        parked.put(Timestamp(1), receipt("a"));
        assert!(parked.holds(&receipt("a")));
        let id = CarrierMessageId("a".into());
        assert_eq!(parked.claim(CarrierId::SIMULATOR, &id), [receipt("a")]);
        assert_eq!(parked.claim(CarrierId::SIMULATOR, &id), []);
        assert_eq!(parked.len(), 0);
    }

    #[test]
    fn the_oldest_makes_room_and_the_aged_leave() {
        let mut parked = ParkedReceipts::new(2, 0);
        parked.put(Timestamp(1_000), receipt("a"));
        parked.put(Timestamp(2_000), receipt("b"));
        assert_eq!(
            parked.make_room().map(|(_, id, count)| (id.0, count)),
            Some(("a".into(), 1))
        );
        assert_eq!(parked.make_room(), None);
        assert_eq!(parked.aged_out(Timestamp(3_000), |_| 2), []);
        assert_eq!(parked.aged_out(Timestamp(4_000), |_| 2).len(), 1);
        assert_eq!(parked.len(), 0);
    }

    #[test]
    fn each_carrier_has_its_own_age() {
        let mut parked = ParkedReceipts::new(10, 1);
        let of = |carrier, id| ParkedReceipt {
            carrier: CarrierId(carrier),
            ..receipt(id)
        };
        for (at, carrier, id) in [(0, 2, "a"), (0, 3, "b"), (9_000, 3, "c")] {
            parked.put(Timestamp(at), of(carrier, id));
        }
        let age = |carrier| if carrier == CarrierId(2) { 100 } else { 5 };
        let aged = parked.aged_out(Timestamp(9_500), age);
        assert_eq!(aged, [(CarrierId(3), CarrierMessageId("b".into()), 1)]);
        assert_eq!(parked.aged_out(Timestamp(100_000), age).len(), 2);
    }
}
