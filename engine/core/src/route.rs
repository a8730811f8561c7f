//! Routes: which carriers may take a message, in which order, and why one was chosen.
//!
//! A rule names senders, a destination prefix and a channel, and the carriers for them in tiers. Of the
//! rules that fit a message the most specific one speaks: one that names the sender before one that does
//! not, then the longer prefix. Inside a tier carriers share by weight; a later tier is for when no
//! carrier of an earlier one can take the message.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::e164::E164;
use crate::ids::CarrierId;
use crate::peer::Peer;

/// The most rules of a table.
pub const RULES_MAX: usize = 1_000;
/// The most carriers of one rule.
pub const TARGETS_MAX: usize = 16;
/// The largest weight of a carrier in its tier.
pub const WEIGHT_MAX: u32 = 1_000;

/// Why a message went to its carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RouteReason {
    /// It is the first of its rule, or the only one.
    #[serde(rename = "1")]
    Preferred,
    /// It was drawn by weight among equals.
    #[serde(rename = "w")]
    Weighted,
    /// One before it is known not to have taken the message.
    #[serde(rename = "f")]
    Failover,
    /// The circuit of one before it is open.
    #[serde(rename = "o")]
    CircuitOpen,
    /// Its own circuit is half open: the message is the probe.
    #[serde(rename = "p")]
    Probe,
}

impl RouteReason {
    /// Every reason.
    pub const ALL: [RouteReason; 5] = [
        RouteReason::Preferred,
        RouteReason::Weighted,
        RouteReason::Failover,
        RouteReason::CircuitOpen,
        RouteReason::Probe,
    ];

    /// The word in public JSON and in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            RouteReason::Preferred => "preferred",
            RouteReason::Weighted => "weighted",
            RouteReason::Failover => "failover",
            RouteReason::CircuitOpen => "circuit_open",
            RouteReason::Probe => "probe",
        }
    }
}

impl fmt::Display for RouteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The carrier that a message goes to, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Which carrier.
    pub carrier: CarrierId,
    /// Why that one.
    pub reason: RouteReason,
}

/// One carrier of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Which carrier.
    pub carrier: CarrierId,
    /// Lower tiers come first.
    pub tier: u16,
    /// Its share among those of its tier, 1 to [`WEIGHT_MAX`].
    pub weight: u32,
}

/// Which carriers are for which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Our numbers that it is for; empty for all.
    pub numbers: Vec<E164>,
    /// The digits that the destination begins with, without `+`; empty for all.
    pub prefix: Box<str>,
    /// The channel; `None` for all.
    pub channel: Option<Channel>,
    /// Its carriers, sorted by tier.
    pub targets: Vec<Target>,
}

impl Rule {
    fn fits(&self, from: E164, to: &Peer, channel: Channel) -> bool {
        self.channel.is_none_or(|own| own == channel)
            && (self.numbers.is_empty() || self.numbers.contains(&from))
            && (self.prefix.is_empty() || to.number().is_some_and(|to| begins(to, &self.prefix)))
    }

    /// A rule that speaks for fewer messages sorts later.
    fn specificity(&self) -> (bool, usize, bool) {
        (
            !self.numbers.is_empty(),
            self.prefix.len(),
            self.channel.is_some(),
        )
    }
}

fn begins(number: E164, prefix: &str) -> bool {
    let digits = number.digits();
    let len = digits.checked_ilog10().map_or(1, |log| log as usize + 1);
    let Some(rest) = len.checked_sub(prefix.len()) else {
        return false;
    };
    let head = digits / 10u64.pow(u32::try_from(rest).unwrap_or(u32::MAX));
    prefix.parse() == Ok(head)
}

/// What a carrier can take at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It takes messages.
    Closed,
    /// Its circuit is half open and it has room for a probe.
    HalfOpen,
    /// Its circuit is open.
    Open,
    /// It is known not to have taken this message.
    Tried,
}

/// Every rule, the most specific first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteTable {
    rules: Vec<Rule>,
}

impl RouteTable {
    /// A table of rules in any order; of two equally specific ones the first given speaks.
    pub fn new(mut rules: Vec<Rule>) -> RouteTable {
        for rule in &mut rules {
            rule.targets.sort_by_key(|target| target.tier);
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.specificity()));
        RouteTable { rules }
    }

    /// A table that sends everything to one carrier.
    pub fn only(carrier: CarrierId) -> RouteTable {
        RouteTable::new(vec![Rule {
            numbers: Vec::new(),
            prefix: "".into(),
            channel: None,
            targets: vec![Target {
                carrier,
                tier: 0,
                weight: 1,
            }],
        }])
    }

    /// The carriers for a message; empty when no rule is for it.
    pub fn targets(&self, from: E164, to: &Peer, channel: Channel) -> &[Target] {
        self.rules
            .iter()
            .find(|rule| rule.fits(from, to, channel))
            .map_or(&[], |rule| &rule.targets)
    }
}

/// Chooses among the carriers of a rule: by tier, then by weight, `dice` being any integer.
///
/// `None` when none can take the message now.
pub fn choose(
    targets: &[Target],
    dice: u64,
    availability: impl Fn(CarrierId) -> Availability,
) -> Option<Route> {
    let (mut tried, mut broken) = (false, false);
    for tier in targets.chunk_by(|one, next| one.tier == next.tier) {
        let state = |target: &&Target| availability(target.carrier);
        // A probe goes first: without it the circuit would stay half open while others take everything.
        if let Some(target) = tier
            .iter()
            .find(|target| state(target) == Availability::HalfOpen)
        {
            return Some(Route {
                carrier: target.carrier,
                reason: RouteReason::Probe,
            });
        }
        for target in tier {
            match availability(target.carrier) {
                Availability::Tried => tried = true,
                Availability::Open => broken = true,
                Availability::Closed | Availability::HalfOpen => {}
            }
        }
        let able = || {
            tier.iter()
                .filter(|target| state(target) == Availability::Closed)
        };
        let weights: u64 = able().map(|target| u64::from(target.weight)).sum();
        if weights == 0 {
            continue;
        }
        let mut point = dice % weights;
        for target in able() {
            let weight = u64::from(target.weight);
            if point < weight {
                let reason = match (tried, broken, tier.len()) {
                    (true, ..) => RouteReason::Failover,
                    (false, true, _) => RouteReason::CircuitOpen,
                    (false, false, 1) => RouteReason::Preferred,
                    (false, false, _) => RouteReason::Weighted,
                };
                return Some(Route {
                    carrier: target.carrier,
                    reason,
                });
            }
            point -= weight;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CarrierId = CarrierId(2);
    const B: CarrierId = CarrierId(3);
    const C: CarrierId = CarrierId(4);

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    fn rule(numbers: &[u64], prefix: &str, channel: Option<Channel>, carrier: CarrierId) -> Rule {
        Rule {
            numbers: numbers.iter().copied().map(number).collect(),
            prefix: prefix.into(),
            channel,
            targets: vec![target(carrier, 0, 1)],
        }
    }

    fn target(carrier: CarrierId, tier: u16, weight: u32) -> Target {
        Target {
            carrier,
            tier,
            weight,
        }
    }

    #[test]
    fn the_most_specific_rule_speaks() {
        let table = RouteTable::new(vec![
            rule(&[], "", None, A),
            rule(&[], "31", None, B),
            rule(&[31_201_234_567], "", None, C),
            rule(&[], "316", Some(Channel::WhatsApp), A),
        ]);
        let to =
            |from, to, channel| table.targets(number(from), &number(to).into(), channel)[0].carrier;
        assert_eq!(to(1, 4_412, Channel::Sms), A);
        assert_eq!(to(1, 31_612_345_678, Channel::Sms), B);
        assert_eq!(to(1, 31_612_345_678, Channel::WhatsApp), A);
        assert_eq!(to(31_201_234_567, 31_612_345_678, Channel::WhatsApp), C);
        let name = Peer::parse("US.1").unwrap();
        assert_eq!(
            table.targets(number(1), &name, Channel::WhatsApp)[0].carrier,
            A
        );
    }

    #[test]
    fn a_message_that_no_rule_is_for_has_no_carrier() {
        let table = RouteTable::new(vec![rule(&[], "49", None, A)]);
        for to in [4, 31_612_345_678] {
            assert_eq!(
                table.targets(number(1), &number(to).into(), Channel::Sms),
                []
            );
        }
    }

    #[test]
    fn equals_share_by_weight_and_a_later_tier_waits() {
        let targets = [target(A, 0, 3), target(B, 0, 1), target(C, 1, 1)];
        let chosen = |dice| choose(&targets, dice, |_| Availability::Closed).unwrap();
        let a = (0..400).filter(|dice| chosen(*dice).carrier == A).count();
        assert_eq!(a, 300);
        assert_eq!(chosen(3).carrier, B);
        assert_eq!(chosen(3).reason, RouteReason::Weighted);
    }

    #[test]
    fn the_reason_says_what_stood_in_the_way() {
        let targets = [target(A, 0, 1), target(B, 1, 1)];
        let with = |first| {
            choose(&targets, 7, move |carrier| {
                if carrier == A {
                    first
                } else {
                    Availability::Closed
                }
            })
        };
        let route = |carrier, reason| Some(Route { carrier, reason });
        assert_eq!(with(Availability::Closed), route(A, RouteReason::Preferred));
        assert_eq!(with(Availability::HalfOpen), route(A, RouteReason::Probe));
        assert_eq!(with(Availability::Open), route(B, RouteReason::CircuitOpen));
        assert_eq!(with(Availability::Tried), route(B, RouteReason::Failover));
        assert_eq!(choose(&targets, 7, |_| Availability::Open), None);
    }
}
