//! The order in which statuses and inbound messages come: their turns, shifted and repeated.

use super::FloodPlan;
use crate::capture::Kind;
use crate::carriers::record::Event;
use crate::dice::Dice;
use crate::gate::Pace;

/// Statuses a second that a closed loop is taken to make, when shifts in time become shifts in turn.
const CLOSED_STATUSES_PER_SECOND: f64 = 20_000.0;

/// One thing that a callback tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// An event of a message, by the message's place.
    Status(u32, Event),
    /// An event of a message that nobody knows, by its number.
    Unknown(u32, Event),
    /// An inbound message, by its number.
    Inbound(u32),
}

/// Every status of `messages` messages, the unknown ones and the inbound messages among them, in the order in which
/// they are sent.
pub fn order(plan: &FloodPlan, messages: u32, dice: &Dice) -> Vec<Told> {
    let shares = plan.shares;
    let per_second = match plan.pace {
        Pace::Open { rate_per_second } => rate_per_second * plan.batch as f64,
        Pace::Closed => CLOSED_STATUSES_PER_SECOND,
    };
    let shift = plan.shuffle.as_secs_f64() * per_second;
    let mut turns: Vec<(f64, Told)> = Vec::new();
    let (mut unknown, mut inbound) = (0, 0);
    let mut add = |told| {
        let turn = turns.len() as f64;
        turns.push((turn + shift * dice.unit(), told));
        if dice.falls(shares.duplicates) {
            // Behind the first by a turn at least: whoever comes second is the duplicate.
            turns.push((turn + 1.0 + shift * dice.unit(), told));
        }
    };
    for message in 0..messages {
        let read = plan.kind == Kind::WhatsApp && dice.falls(shares.read);
        let events = [Event::Sent, Event::Delivered, Event::Read];
        for event in &events[..if read { 3 } else { 2 }] {
            add(Told::Status(message, *event));
            if dice.falls(share_beside(shares.unknown)) {
                add(Told::Unknown(unknown, *event));
                unknown += 1;
            }
            // Statuses share requests, inbound messages do not.
            let requests = 1.0 / plan.batch as f64;
            let beside = shares.inbound * requests / (1.0 - shares.inbound).max(f64::EPSILON);
            if dice.falls(beside.min(1.0)) {
                add(Told::Inbound(inbound));
                inbound += 1;
            }
        }
    }
    turns.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    turns.into_iter().map(|(_, told)| told).collect()
}

/// How many are added beside each one so that they make up this share of all; at most one.
fn share_beside(share: f64) -> f64 {
    (share / (1.0 - share).max(f64::EPSILON)).min(1.0)
}
