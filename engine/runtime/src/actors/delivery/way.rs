//! The way from an account's line: a message stays in line while its number's gate or its carrier is full.
//!
//! What was let go cannot be held any more, no longer counts as waiting, and its validity period runs: so it
//! is let go shortly before its turn, whatever is the narrowest place on its way.

use didfarm_core::channel::Channel;
use didfarm_core::ids::{CarrierId, MessageId, NumberId};
use rustc_hash::FxHashMap;

use super::DeliverySupervisor;

/// So many seconds' worth of a carrier's limit are let go ahead of their turn.
const AHEAD_S: usize = 2;
/// The same for a carrier without a limit, and for what no carrier can take now, in messages.
const AHEAD_MAX: usize = 10_000;

/// Where a message goes from its line.
pub(super) struct Way {
    gate: (NumberId, Channel),
    /// `None` where no carrier can take it now.
    carrier: Option<CarrierId>,
}

/// What one look at the lines lets go.
#[derive(Default)]
pub(super) struct LetGo {
    pub(super) messages: Vec<MessageId>,
    gates: FxHashMap<(NumberId, Channel), usize>,
    carriers: FxHashMap<Option<CarrierId>, usize>,
}

impl LetGo {
    pub(super) fn add(&mut self, message: MessageId, way: &Way) {
        self.messages.push(message);
        *self.gates.entry(way.gate).or_default() += 1;
        *self.carriers.entry(way.carrier).or_default() += 1;
    }
}

impl DeliverySupervisor {
    /// The way of a message that waits in line, if it could go on it now, behind what was let go already.
    pub(super) fn way(&self, message: MessageId, let_go: &LetGo) -> Option<Way> {
        let open = self.book.get(message)?;
        let gate = (open.number, open.channel);
        let to_gate = let_go.gates.get(&gate).copied().unwrap_or(0);
        if self.gates.is_full(open, to_gate) {
            return None;
        }
        let carrier = self.choose(message).map(|route| route.carrier);
        let lane = carrier.and_then(|carrier| self.submitting.lane(carrier));
        let (waiting, most) = match lane {
            None => (self.submitting.resting(), AHEAD_MAX),
            Some(lane) => {
                let tokens = lane.tokens.as_ref();
                let most = tokens.map(|tokens| AHEAD_S * tokens.per_second() as usize);
                (lane.waiting.len(), most.unwrap_or(AHEAD_MAX))
            }
        };
        let to_carrier = let_go.carriers.get(&carrier).copied().unwrap_or(0);
        (waiting + to_carrier < most).then_some(Way { gate, carrier })
    }
}
