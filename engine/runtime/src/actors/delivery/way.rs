//! The way from an account's line: a message stays in line while its number's gate or its carrier is full.
//!
//! What was let go cannot be held any more, no longer counts as waiting, and its validity period runs: so it
//! is let go shortly before its turn, whatever is the narrowest place on its way.

use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, CarrierId, MessageId, NumberId};
use didfarm_core::quiet;
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::DeliverySupervisor;
use crate::account::AccountHandle;

/// So many seconds' worth of a carrier's limit are let go ahead of their turn.
const AHEAD_S: usize = 2;
/// The same for a carrier without a limit, and for what no carrier can take now, in messages.
const AHEAD_MAX: usize = 10_000;

/// What is held because it is quiet for its peer is looked at again after so long at the latest: the quiet
/// hours may be others by then.
const HELD_MS_MAX: u64 = 10 * 60 * 1_000;

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
    /// Messages for whose peers it is quiet.
    pub(super) held: Vec<MessageId>,
    /// Until when it is quiet for an account in a country.
    quiet: FxHashMap<(AccountId, Option<&'static str>), Option<Timestamp>>,
    gates: FxHashMap<(NumberId, Channel), usize>,
    carriers: FxHashMap<Option<CarrierId>, usize>,
}

impl LetGo {
    /// How many messages it was about.
    pub(super) fn len(&self) -> usize {
        self.messages.len() + self.held.len()
    }

    pub(super) fn add(&mut self, message: MessageId, way: &Way) {
        self.messages.push(message);
        *self.gates.entry(way.gate).or_default() += 1;
        *self.carriers.entry(way.carrier).or_default() += 1;
    }
}

impl DeliverySupervisor {
    /// Until when a message is held that could go now, if it is quiet for its peer.
    pub(super) fn quiet_until(
        &self,
        message: MessageId,
        account: &AccountHandle,
        let_go: &mut LetGo,
    ) -> Option<Timestamp> {
        let hours = account.quiet_hours()?;
        let is_urgent = self.book.get(message).is_some_and(|open| open.is_urgent);
        let submit = self.book.waiting(message).filter(|_| !is_urgent)?;
        let country = quiet::country(submit.from, &submit.to);
        let now = self.batch.at;
        let held = || hours.held_until(quiet::zones(country), now);
        let of_country = let_go.quiet.entry((account.id(), country));
        let until = *of_country.or_insert_with(held);
        until.map(|until| until.min(now.plus_ms(HELD_MS_MAX)))
    }

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
