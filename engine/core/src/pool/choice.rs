//! Which number of a pool a peer sees that knows none of them.
//!
//! Each peer ranks the numbers by a weight of both (rendezvous hashing): the same numbers give the same choice,
//! in any process, and a number that comes or goes moves only the peers that choose it.

use crate::abuse::country_of;
use crate::e164::E164;
use crate::ids::NumberId;
use crate::peer::Peer;

/// The country code of the numbering plan that North America shares.
const NANP: u16 = 1;
/// Digits of its numbers behind those of the area: a prefix and a line.
const NANP_LOCAL: u64 = 10_000_000;

/// Where a number is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The country; `None` for numbers of no country, and for names.
    country: Option<&'static str>,
    /// The area code, within North America's plan.
    area: Option<u64>,
}

/// How near a number is to a peer, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Of the same area code.
    Area,
    /// Of the same country.
    Country,
    /// Of another.
    Abroad,
}

/// A number that can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub number: NumberId,
    /// How near it is to the peer.
    pub fit: Fit,
    /// Whether it is healthy.
    pub is_healthy: bool,
    /// Whether it waits for a probe, if it is not.
    pub wants_probe: bool,
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The number.
    pub number: NumberId,
    /// Whether the message tries a number that is not healthy.
    pub is_probe: bool,
}

impl Place {
    /// Where a number is at home.
    ///
    /// # Limits
    /// Well below a microsecond once the country code was asked for; some microseconds in plans that countries
    /// share.
    pub fn of(number: E164) -> Place {
        let is_shared = number.country_code() == Some(NANP);
        Place {
            country: country_of(number),
            area: is_shared.then(|| number.digits() / NANP_LOCAL),
        }
    }

    /// Where a peer is at home, as far as a number tells.
    pub fn of_peer(peer: &Peer) -> Place {
        peer.number().map(Place::of).unwrap_or_default()
    }

    /// How near two are to each other.
    pub fn fit(self, other: Place) -> Fit {
        if self.area.is_some() && self.area == other.area {
            Fit::Area
        } else if self.country.is_some() && self.country == other.country {
            Fit::Country
        } else {
            Fit::Abroad
        }
    }
}

/// Chooses for a peer that knows none of the numbers: of those that are healthy the nearest, of these the one
/// that weighs most with the peer. One that wants a probe and is as near goes first. Where none is healthy,
/// all count as healthy.
pub fn choose(peer: &Peer, candidates: &[Candidate]) -> Option<Choice> {
    let none_healthy = !candidates.iter().any(|number| number.is_healthy);
    let seed = seed(peer);
    let heaviest = |candidates: &mut dyn Iterator<Item = &Candidate>| {
        candidates
            .min_by_key(|one| (one.fit, u64::MAX - weight(seed, one.number), one.number))
            .copied()
    };
    let usual = heaviest(
        &mut candidates
            .iter()
            .filter(|one| one.is_healthy || none_healthy),
    )?;
    let probed = heaviest(
        &mut candidates
            .iter()
            .filter(|one| !one.is_healthy && one.wants_probe && one.fit <= usual.fit),
    );
    Some(Choice {
        number: probed.unwrap_or(usual).number,
        is_probe: probed.is_some(),
    })
}

fn seed(peer: &Peer) -> u64 {
    match peer {
        Peer::Number(number) => mix(number.digits()),
        Peer::Name(name) => name
            .as_str()
            .bytes()
            .fold(0, |seed, byte| mix(seed ^ u64::from(byte))),
    }
}

fn weight(seed: u64, number: NumberId) -> u64 {
    mix(seed ^ mix(number.get()))
}

/// The step and finalizer of SplitMix64 (Steele, Lea and Flood, 2014): the same everywhere and forever.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;
    use crate::peer::PeerName;

    fn number(text: &str) -> E164 {
        E164::parse(text, Validation::Syntax).unwrap()
    }

    fn healthy(id: u32, fit: Fit) -> Candidate {
        Candidate {
            number: NumberId(id),
            fit,
            is_healthy: true,
            wants_probe: false,
        }
    }

    fn peers() -> impl Iterator<Item = Peer> {
        (0..1_000).map(|n| Peer::Number(E164::from_digits(31_612_340_000 + n).unwrap()))
    }

    fn chosen(peer: &Peer, candidates: &[Candidate]) -> NumberId {
        choose(peer, candidates).unwrap().number
    }

    #[test]
    fn peers_spread_over_the_numbers_whatever_their_order() {
        let mut numbers = [1, 2, 3, 4].map(|id| healthy(id, Fit::Country));
        let before: Vec<_> = peers().map(|peer| chosen(&peer, &numbers)).collect();
        numbers.reverse();
        let after: Vec<_> = peers().map(|peer| chosen(&peer, &numbers)).collect();
        assert_eq!(before, after);
        for number in numbers {
            let share = before.iter().filter(|id| **id == number.number).count();
            assert!((200..300).contains(&share), "{share}");
        }
        let named = Peer::Name(PeerName::parse("US.13491208655302741918").unwrap());
        assert!(choose(&named, &numbers).is_some());
        assert_eq!(choose(&named, &[]), None);
    }

    #[test]
    fn a_number_that_goes_moves_its_own_peers_only() {
        let numbers = [1, 2, 3, 4].map(|id| healthy(id, Fit::Abroad));
        for peer in peers() {
            let before = chosen(&peer, &numbers);
            let after = chosen(&peer, &numbers[..3]);
            assert!(before == after || before == NumberId(4));
        }
    }

    #[test]
    fn the_nearest_goes_first() {
        for (ours, peer, fit) in [
            ("+12125550123", "+12125550199", Fit::Area),
            ("+12125550123", "+14155550199", Fit::Country),
            ("+12125550123", "+14165550123", Fit::Abroad),
            ("+31612345678", "+31201234567", Fit::Country),
            ("+31612345678", "+32470123456", Fit::Abroad),
            ("+881612345678", "+881612345679", Fit::Abroad),
        ] {
            let found = Place::of(number(ours)).fit(Place::of(number(peer)));
            assert_eq!(found, fit, "{ours} {peer}");
        }
        let numbers = [
            healthy(1, Fit::Abroad),
            healthy(2, Fit::Area),
            healthy(3, Fit::Country),
        ];
        assert!(peers().all(|peer| chosen(&peer, &numbers) == NumberId(2)));
    }

    #[test]
    fn health_comes_before_nearness_and_a_probe_before_both() {
        let mut numbers = [healthy(1, Fit::Country), healthy(2, Fit::Abroad)];
        numbers[0].is_healthy = false;
        assert!(peers().all(|peer| chosen(&peer, &numbers) == NumberId(2)));
        numbers[0].wants_probe = true;
        let probe = Choice {
            number: NumberId(1),
            is_probe: true,
        };
        assert!(peers().all(|peer| choose(&peer, &numbers) == Some(probe)));
        // One that would not be chosen were it healthy is not tried.
        (numbers[0].fit, numbers[1].fit) = (Fit::Abroad, Fit::Country);
        assert!(peers().all(|peer| chosen(&peer, &numbers) == NumberId(2)));
    }

    #[test]
    fn where_none_is_healthy_all_are_used() {
        let mut numbers = [healthy(1, Fit::Country), healthy(2, Fit::Country)];
        let before: Vec<_> = peers().map(|peer| chosen(&peer, &numbers)).collect();
        numbers.iter_mut().for_each(|one| one.is_healthy = false);
        let after: Vec<_> = peers().map(|peer| chosen(&peer, &numbers)).collect();
        assert_eq!(before, after);
    }
}
