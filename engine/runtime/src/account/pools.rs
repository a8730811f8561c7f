//! An account's pools, and which of its numbers peers came to know a moment ago.
//!
//! A peer that has a conversation with a number knows it, and the records say so, once they have it. What they
//! may not have yet is held here: conversations that were active and numbers that were chosen. So whoever reads
//! the records first and looks here then misses nothing.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use didfarm_core::ids::{NumberId, PoolId};
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_core::pool::{Place, Pool};
use didfarm_store::seq::Seq;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// What peers did last, which is held though the records have it. A read of the records that goes on while as
/// much happens is made again.
const KEPT_MIN: usize = 16_384;

/// A number of a pool.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) number: NumberId,
    /// Where it is at home, once that was asked for.
    place: OnceLock<Place>,
}

impl Member {
    /// Where the number is at home.
    pub(crate) fn place(&self, number: &Number) -> Place {
        *self.place.get_or_init(|| Place::of(number.e164))
    }
}

/// A pool as senders see it.
#[derive(Debug)]
pub(crate) struct HeldPool {
    pub(crate) pool: Pool,
    pub(crate) members: Vec<Member>,
}

/// All pools, and what the records must hold before they say whom a peer knows.
#[derive(Debug, Clone, Default)]
struct Held {
    pools: Vec<Arc<HeldPool>>,
    /// The numbers of all of them.
    numbers: FxHashSet<NumberId>,
    read_after: Seq,
}

/// The pools of an account.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// Whether there are any, so that an account without them pays for no lock.
    has_pools: AtomicBool,
    held: RwLock<Held>,
    recent: Mutex<Recent>,
}

/// A number that a peer came to know.
#[derive(Debug)]
struct Known {
    number: NumberId,
    /// Sends from it that are under way.
    open: u32,
    /// The last entry that has a message between the two.
    seq: Seq,
}

#[derive(Debug, Default)]
struct Recent {
    peers: FxHashMap<Peer, SmallVec<[Known; 1]>>,
    /// The entries behind what is known, about in their order. What is known without one of these, and with
    /// nothing under way, was let go.
    entries: VecDeque<(Seq, Peer, NumberId)>,
    /// Up to which entry things were let go.
    let_go: Seq,
    /// What the records had when it was last looked at what is over.
    swept: Seq,
}

/// The records that were read are too old to say whom a peer knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl Pools {
    /// Takes the pools that there are at the start.
    pub(crate) fn fill(&self, pools: impl Iterator<Item = Pool>, appended: Seq) {
        for pool in pools {
            self.set(pool, || appended);
        }
    }

    /// Makes or changes a pool, once that is durable. `appended` says what the journal holds.
    pub(crate) fn set(&self, pool: Pool, appended: impl FnOnce() -> Seq) {
        // First the mark: whatever is opened from now on is noted, and all before is in the journal.
        self.has_pools.store(true, Ordering::SeqCst);
        let appended = appended();
        self.change(|held| {
            let members = pool.numbers.iter().map(|number| Member {
                number: *number,
                place: OnceLock::new(),
            });
            let set = Arc::new(HeldPool {
                members: members.collect(),
                pool,
            });
            held.read_after = held.read_after.max(appended);
            let pools = &mut held.pools;
            match pools.binary_search_by_key(&set.pool.id, |known| known.pool.id) {
                Ok(place) => pools[place] = set,
                Err(place) => pools.insert(place, set),
            }
        });
    }

    /// Takes a pool away, once that is durable.
    pub(crate) fn remove(&self, id: PoolId) {
        self.change(|held| held.pools.retain(|pool| pool.pool.id != id));
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let held = &mut *self.held.write().unwrap_or_else(PoisonError::into_inner);
        change(held);
        let numbers = held.pools.iter().flat_map(|pool| &pool.pool.numbers);
        held.numbers = numbers.copied().collect();
    }

    fn held<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every pool, by id.
    pub(crate) fn all(&self) -> Vec<Arc<HeldPool>> {
        self.held(|held| held.pools.clone())
    }

    /// A pool, and what the records must hold before they are read for it.
    pub(crate) fn get(&self, id: PoolId) -> Option<(Arc<HeldPool>, Seq)> {
        self.held(|held| {
            let place = held.pools.binary_search_by_key(&id, |pool| pool.pool.id);
            Some((Arc::clone(&held.pools[place.ok()?]), held.read_after))
        })
    }

    /// The numbers of a pool; none of one that there is not.
    pub(crate) fn numbers_of(&self, id: PoolId) -> Vec<NumberId> {
        let pool = self.get(id);
        pool.map_or_else(Vec::new, |(held, _)| held.pool.numbers.clone())
    }

    /// Whether a number is in a pool.
    pub(crate) fn holds(&self, number: NumberId) -> bool {
        self.has_pools.load(Ordering::Acquire) && self.held(|held| held.numbers.contains(&number))
    }

    /// Notes that this entry has a message of a conversation, whose peer has these names.
    pub(crate) fn active<'p>(
        &self,
        names: impl Iterator<Item = &'p Peer>,
        number: NumberId,
        seq: Seq,
        applied: impl FnOnce() -> Seq,
    ) {
        if self.has_pools.load(Ordering::SeqCst) {
            let mut recent = self.recent();
            for name in names {
                recent.note(name, number, seq);
            }
            recent.tidy(applied());
        }
    }

    /// Claims a number for a peer, of those that `can_send`: the one that it wrote with last behind what was
    /// `read` of the records; else the one that is `known` by these; else one that is claimed for it; else what
    /// `choose` says. The claim ends with [`Pools::close`].
    pub(crate) fn claim(
        &self,
        peer: &Peer,
        (read, applied): (Seq, Seq),
        known: Option<NumberId>,
        can_send: impl Fn(NumberId) -> bool,
        choose: impl FnOnce() -> NumberId,
    ) -> Result<NumberId, Stale> {
        let mut recent = self.recent();
        recent.tidy(applied);
        if recent.let_go > read {
            return Err(Stale);
        }
        let last_of = |wanted: &dyn Fn(&Known) -> bool| {
            let held = recent.peers.get(peer).into_iter().flatten();
            held.filter(|held| wanted(held) && can_send(held.number))
                .max_by_key(|held| held.seq)
                .map(|held| held.number)
        };
        let number = last_of(&|held| held.seq > read)
            .or(known)
            .or_else(|| last_of(&|held| held.open > 0))
            .unwrap_or_else(choose);
        recent.known(peer, number).open += 1;
        Ok(number)
    }

    /// Ends a claim, with the entry that its message was accepted in if it was. One that was refused leaves
    /// what the peer knows as it is.
    pub(crate) fn close(&self, peer: &Peer, number: NumberId, accepted: Option<Seq>) {
        let mut recent = self.recent();
        if let Some(seq) = accepted {
            recent.note(peer, number, seq);
        }
        let known = recent.known(peer, number);
        known.open = known.open.saturating_sub(1);
        recent.forget(peer, number);
    }

    /// Lets go of what the records have had since the last sweep. Reads of the records take far less.
    pub(crate) fn sweep(&self, applied: Seq) {
        if self.has_pools.load(Ordering::Acquire) {
            self.recent().sweep(applied);
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn known(&mut self, peer: &Peer, number: NumberId) -> &mut Known {
        let numbers = match self.peers.entry(peer.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(SmallVec::new()),
        };
        let place = numbers.iter().position(|known| known.number == number);
        let place = place.unwrap_or_else(|| {
            numbers.push(Known {
                number,
                open: 0,
                seq: Seq::ZERO,
            });
            numbers.len() - 1
        });
        &mut numbers[place]
    }

    fn note(&mut self, peer: &Peer, number: NumberId, seq: Seq) {
        let known = self.known(peer, number);
        if known.seq < seq {
            known.seq = seq;
            self.entries.push_back((seq, peer.clone(), number));
        }
    }

    /// Lets go of what the records have, but for the last.
    fn tidy(&mut self, applied: Seq) {
        while self.entries.len() > KEPT_MIN && self.let_go_of_first(applied) {}
    }

    fn sweep(&mut self, applied: Seq) {
        let swept = std::mem::replace(&mut self.swept, applied);
        while self.let_go_of_first(swept) {}
        self.entries.shrink_to(2 * self.entries.len());
        self.peers.shrink_to(2 * self.peers.len());
    }

    /// Whether the first entry was one up to this.
    fn let_go_of_first(&mut self, upto: Seq) -> bool {
        let first = self.entries.pop_front_if(|(seq, _, _)| *seq <= upto);
        let Some((seq, peer, number)) = first else {
            return false;
        };
        self.let_go = self.let_go.max(seq);
        self.forget(&peer, number);
        true
    }

    /// Forgets that a peer knows a number, if nothing is under way and its entry was let go.
    fn forget(&mut self, peer: &Peer, number: NumberId) {
        let let_go = self.let_go;
        let Some(numbers) = self.peers.get_mut(peer) else {
            return;
        };
        let is_over =
            |known: &Known| known.number == number && known.open == 0 && known.seq <= let_go;
        numbers.retain(|known| !is_over(known));
        if numbers.is_empty() {
            self.peers.remove(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::e164::E164;

    use super::*;

    const OURS: [NumberId; 2] = [NumberId(1), NumberId(2)];

    fn peer(n: u64) -> Peer {
        Peer::Number(E164::from_digits(31_612_300_000 + n).unwrap())
    }

    fn pools() -> Pools {
        let pools = Pools::default();
        let pool = Pool {
            id: PoolId(1),
            name: "codes".into(),
            numbers: OURS.to_vec(),
        };
        pools.fill([pool].into_iter(), Seq(10));
        pools
    }

    fn claim(pools: &Pools, read: u64, chosen: NumberId) -> Result<NumberId, Stale> {
        let known = None;
        pools.claim(&peer(1), (Seq(read), Seq(read)), known, |_| true, || chosen)
    }

    #[test]
    fn what_is_chosen_at_once_is_the_same_number() {
        let pools = pools();
        assert_eq!(claim(&pools, 10, OURS[0]), Ok(OURS[0]));
        // Health changed in between.
        assert_eq!(claim(&pools, 10, OURS[1]), Ok(OURS[0]));
        pools.close(&peer(1), OURS[0], Some(Seq(12)));
        pools.close(&peer(1), OURS[0], Some(Seq(13)));
        assert_eq!(
            claim(&pools, 12, OURS[1]),
            Ok(OURS[0]),
            "not in the records"
        );
        pools.close(&peer(1), OURS[0], Some(Seq(13)));
        // The records have it from here on, and would have said so.
        assert_eq!(claim(&pools, 13, OURS[1]), Ok(OURS[1]));
    }

    fn active(pools: &Pools, n: u64, number: NumberId, seq: u64, applied: u64) {
        pools.active([peer(n)].iter(), number, Seq(seq), || Seq(applied));
    }

    #[test]
    fn the_conversation_that_was_active_last_makes_its_number_known() {
        let pools = pools();
        active(&pools, 1, OURS[0], 9, 8);
        active(&pools, 1, OURS[1], 11, 10);
        assert_eq!(claim(&pools, 10, OURS[0]), Ok(OURS[1]));
        let only = |number| number == OURS[0];
        let chosen = pools.claim(&peer(1), (Seq(10), Seq(10)), None, only, || OURS[0]);
        assert_eq!(chosen, Ok(OURS[0]), "the known number cannot send");
        // Whatever order they are noted in.
        active(&pools, 1, OURS[0], 13, 10);
        active(&pools, 1, OURS[1], 12, 10);
        assert_eq!(claim(&pools, 10, OURS[1]), Ok(OURS[0]));
    }

    #[test]
    fn what_the_records_say_goes_before_what_is_under_way() {
        let pools = pools();
        assert_eq!(claim(&pools, 10, OURS[0]), Ok(OURS[0]));
        // By then the peer wrote to the other number, and the records have that.
        active(&pools, 1, OURS[1], 12, 12);
        let known = Some(OURS[1]);
        let read = (Seq(12), Seq(12));
        let claimed = pools.claim(&peer(1), read, known, |_| true, || OURS[0]);
        assert_eq!(claimed, Ok(OURS[1]));
    }

    #[test]
    fn a_message_that_was_refused_makes_no_number_known() {
        let pools = pools();
        active(&pools, 1, OURS[0], 11, 10);
        let only = |number| number == OURS[1];
        let other = pools.claim(&peer(1), (Seq(10), Seq(10)), None, only, || OURS[1]);
        assert_eq!(other, Ok(OURS[1]), "the known number cannot send now");
        active(&pools, 2, OURS[0], 12, 10);
        pools.close(&peer(1), OURS[1], None);
        assert_eq!(claim(&pools, 10, OURS[1]), Ok(OURS[0]));
        pools.close(&peer(1), OURS[0], None);
        assert_eq!(pools.recent().peers[&peer(1)].len(), 1);
    }

    #[test]
    fn what_the_records_have_is_let_go_a_sweep_later() {
        let pools = pools();
        for n in 0..KEPT_MIN as u64 {
            active(&pools, n, OURS[0], 11 + n, 10);
        }
        let claimed = claim(&pools, 10, OURS[1]);
        assert_eq!(claimed, Ok(OURS[0]));
        let all = Seq(11 + KEPT_MIN as u64);
        pools.sweep(all);
        assert_eq!(pools.recent().entries.len(), KEPT_MIN, "a read may go on");
        pools.sweep(all);
        assert_eq!(pools.recent().peers.len(), 1, "what is under way stays");
        let (room, peers) = {
            let recent = pools.recent();
            (recent.entries.capacity(), recent.peers.capacity())
        };
        assert!(room + peers < 64, "{room} and {peers}");
        pools.close(&peer(1), OURS[0], None);
        assert!(pools.recent().peers.is_empty());
        assert_eq!(claim(&pools, 10, OURS[1]), Err(Stale));
    }

    #[test]
    fn what_is_held_is_bounded_once_the_records_have_it() {
        let pools = pools();
        for n in 0..2 * KEPT_MIN as u64 {
            active(&pools, n, OURS[0], 11 + n, 11 + n);
        }
        assert!(pools.recent().peers.len() <= KEPT_MIN);
        let applied = 11 + 2 * KEPT_MIN as u64;
        let old = pools.claim(
            &peer(1),
            (Seq(10), Seq(applied)),
            None,
            |_| true,
            || OURS[1],
        );
        assert_eq!(old, Err(Stale));
        assert_eq!(claim(&pools, applied, OURS[1]), Ok(OURS[1]));
        // Nothing goes that the records do not have.
        for n in 0..KEPT_MIN as u64 {
            active(&pools, n, OURS[0], applied + 1 + n, 11);
        }
        assert!(pools.recent().entries.len() > KEPT_MIN);
    }
}
