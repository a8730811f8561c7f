//! The desk where parts of long inbound messages wait for the others.
//!
//! It knows which parts are there, never what they say: the carrier's module puts the text together.

use std::collections::VecDeque;

use didfarm_core::parts::{Part, PartsKey};
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

/// How long parts that were put together are recognised.
const RECENT_MS: u64 = 10 * 60 * 1_000;
/// The most messages whose parts are recognised so.
const RECENT_MAX: usize = 256;
/// Bytes of the digest in the id that a joined message goes by.
const ID_BYTES: usize = 16;

struct Held {
    since: Timestamp,
    /// In the order of their places, each once.
    parts: Vec<Part>,
    /// When it was handed on, until that is known to be durable.
    handed_on: Option<Timestamp>,
}

/// A message whose parts are to be put together.
pub(super) struct Joined {
    pub(super) key: PartsKey,
    /// The same on every try, so that a repeat after a crash is known.
    pub(super) id: String,
    pub(super) parts: Vec<Part>,
}

/// The desk.
#[derive(Default)]
pub(crate) struct PartsDesk {
    held: FxHashMap<PartsKey, Held>,
    len: usize,
    /// Messages put together a moment ago, oldest first: a carrier that did not hear of it repeats parts.
    recent: VecDeque<(Timestamp, Vec<Part>)>,
}

impl PartsDesk {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether exactly this part is held, or was put together a moment ago.
    pub(super) fn holds(&self, part: &Part) -> bool {
        let is_held = self
            .held
            .get(&part.key)
            .is_some_and(|held| held.parts.contains(part));
        is_held || self.recent.iter().any(|(_, parts)| parts.contains(part))
    }

    /// Takes a part; one that says something else in the same place replaces what was there.
    pub(super) fn put(&mut self, at: Timestamp, part: Part) {
        let held = self.held.entry(part.key.clone()).or_insert_with(|| Held {
            since: at,
            parts: Vec::new(),
            handed_on: None,
        });
        held.since = held.since.min(at);
        match held
            .parts
            .binary_search_by_key(&part.place, |held| held.place)
        {
            Ok(place) => held.parts[place] = part,
            Err(place) => {
                held.parts.insert(place, part);
                self.len += 1;
            }
        }
    }

    /// A message whose last part is here, to be handed on now.
    pub(super) fn complete(&mut self, key: &PartsKey, now: Timestamp) -> Option<Joined> {
        let held = self.held.get_mut(key)?;
        if held.handed_on.is_some() || held.parts.len() < usize::from(key.total) {
            return None;
        }
        held.handed_on = Some(now);
        Some(joined(key, held))
    }

    /// Messages to be handed on late: those that waited for `wait_ms`, and those that were handed on
    /// `retry_ms` ago and are not known to be stored.
    pub(super) fn overdue(&mut self, now: Timestamp, wait_ms: u64, retry_ms: u64) -> Vec<Joined> {
        let mut overdue = Vec::new();
        for (key, held) in &mut self.held {
            let is_complete = held.parts.len() >= usize::from(key.total);
            let is_due = match held.handed_on {
                Some(at) => now.ms_since(at) >= retry_ms,
                None => is_complete || now.ms_since(held.since) >= wait_ms,
            };
            if is_due {
                held.handed_on = Some(now);
                overdue.push(joined(key, held));
            }
        }
        overdue
    }

    /// The message of these parts is stored; `false` when nothing of it is held.
    pub(super) fn clear(&mut self, key: &PartsKey, now: Timestamp) -> bool {
        let Some(held) = self.held.remove(key) else {
            return false;
        };
        self.len -= held.parts.len();
        self.recent.push_back((now, held.parts));
        let is_old = |at: &Timestamp| now.ms_since(*at) >= RECENT_MS;
        while self.recent.len() > RECENT_MAX
            || self.recent.front().is_some_and(|(at, _)| is_old(at))
        {
            self.recent.pop_front();
        }
        true
    }
}

fn joined(key: &PartsKey, held: &Held) -> Joined {
    let mut digest = Sha256::new();
    digest.update(key.carrier.0.to_be_bytes());
    digest.update(key.from.to_string());
    digest.update([0]);
    digest.update(key.to.digits().to_be_bytes());
    digest.update(key.reference.to_be_bytes());
    digest.update([u8::from(key.wide), key.total]);
    digest.update(held.since.0.to_be_bytes());
    let id: String = digest.finalize()[..ID_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Joined {
        key: key.clone(),
        id: format!("parts-{id}"),
        parts: held.parts.clone(),
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::e164::E164;
    use didfarm_core::ids::CarrierId;

    use super::*;

    fn part(place: u8) -> Part {
        let number = |digits| E164::from_digits(digits).unwrap();
        Part {
            key: PartsKey {
                carrier: CarrierId(2),
                from: number(31_612_345_678).into(),
                to: number(31_201_234_567),
                reference: 7,
                wide: false,
                total: 3,
            },
            place,
            octets: vec![place].into(),
            coding: 0,
        }
    }

    #[test]
    fn a_message_is_complete_once_whatever_the_order_and_repeats() {
        let mut desk = PartsDesk::default();
        let key = part(1).key;
        for place in [3, 1, 3] {
            desk.put(Timestamp(5), part(place));
            assert!(desk.complete(&key, Timestamp(6)).is_none());
        }
        assert!(desk.holds(&part(3)) && !desk.holds(&part(2)));
        desk.put(Timestamp(7), part(2));
        let joined = desk.complete(&key, Timestamp(8)).unwrap();
        let places: Vec<u8> = joined.parts.iter().map(|part| part.place).collect();
        assert_eq!((places, desk.len()), (vec![1, 2, 3], 3));
        assert!(desk.complete(&key, Timestamp(9)).is_none());
        assert!(desk.clear(&key, Timestamp(9)) && !desk.clear(&key, Timestamp(9)));
        assert_eq!(desk.len(), 0);
        assert!(
            desk.holds(&part(3)),
            "a repeat of its last part waits for nobody"
        );
    }

    #[test]
    fn what_waits_too_long_and_what_is_not_stored_is_handed_on_again_under_one_id() {
        let mut desk = PartsDesk::default();
        desk.put(Timestamp(0), part(1));
        assert!(desk.overdue(Timestamp(99_000), 100, 10).is_empty());
        let first = desk.overdue(Timestamp(100_000), 100, 10);
        assert!(desk.overdue(Timestamp(109_000), 100, 10).is_empty());
        let again = desk.overdue(Timestamp(110_000), 100, 10);
        assert_eq!(first[0].id, again[0].id);
    }
}
