//! Parked receipts: those whose message is not yet known, bounded by count and age.

use std::collections::VecDeque;

use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{CarrierId, CarrierMessageId};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

type Key = (CarrierId, CarrierMessageId);

/// The lot.
pub(super) struct ParkedReceipts {
    receipts: FxHashMap<Key, Vec<ParkedReceipt>>,
    /// When each key was first parked, oldest first; keys that were claimed since are skipped.
    order: VecDeque<(Timestamp, Key)>,
    len: usize,
    len_max: usize,
}

impl ParkedReceipts {
    pub(super) fn new(len_max: usize) -> ParkedReceipts {
        ParkedReceipts {
            receipts: FxHashMap::default(),
            order: VecDeque::new(),
            len: 0,
            len_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
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
        self.oldest(|_| true)
    }

    /// Takes out one id that waited for `age_max_ms`, with how many receipts it had.
    pub(super) fn aged_out(
        &mut self,
        now: Timestamp,
        age_max_ms: u64,
    ) -> Option<(CarrierId, CarrierMessageId, u64)> {
        self.oldest(|at| now.ms_since(at) >= age_max_ms)
    }

    fn oldest(
        &mut self,
        fits: impl Fn(Timestamp) -> bool,
    ) -> Option<(CarrierId, CarrierMessageId, u64)> {
        while let Some((at, _)) = self.order.front() {
            if !fits(*at) {
                return None;
            }
            let (_, key) = self.order.pop_front()?;
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
        let mut parked = ParkedReceipts::new(10);
        parked.put(Timestamp(1), receipt("a"));
        assert!(parked.holds(&receipt("a")));
        let id = CarrierMessageId("a".into());
        assert_eq!(parked.claim(CarrierId::SIMULATOR, &id), [receipt("a")]);
        assert_eq!(parked.claim(CarrierId::SIMULATOR, &id), []);
        assert_eq!(parked.len(), 0);
    }

    #[test]
    fn the_oldest_makes_room_and_the_aged_leave() {
        let mut parked = ParkedReceipts::new(2);
        parked.put(Timestamp(1_000), receipt("a"));
        parked.put(Timestamp(2_000), receipt("b"));
        assert_eq!(
            parked.make_room().map(|(_, id, count)| (id.0, count)),
            Some(("a".into(), 1))
        );
        assert_eq!(parked.make_room(), None);
        assert_eq!(parked.aged_out(Timestamp(3_000), 2), None);
        assert!(parked.aged_out(Timestamp(4_000), 2).is_some());
        assert_eq!(parked.len(), 0);
    }
}
