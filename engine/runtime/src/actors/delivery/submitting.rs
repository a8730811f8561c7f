//! Handing messages over: the choice of a carrier, the lanes, the answers.
//!
//! A message goes to the next carrier of its rule when the one before is known not to have taken it. When
//! none is left that can take it now, it waits and then begins anew with the first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_carriers::SubmitAnswer;
use didfarm_config::Settings;
use didfarm_core::delivery::{Input, Outcome, Phase};
use didfarm_core::ids::{CarrierId, MessageId};
use didfarm_core::reason::Reason;
use didfarm_core::route::{self, Availability, Route, RouteReason, TARGETS_MAX};
use didfarm_core::time::Timestamp;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use super::circuit::CircuitRules;
use super::gates::{Passage, second};
use super::lane::{HandedOver, Lane};
use crate::carriers::Carriers;
use crate::clock::Clock;
use crate::meters::AnswerOutcome;
use crate::operate::{OperateError, Resolution};

/// Longest wait between two rounds of a message through its carriers, in milliseconds.
const RETRY_MS_MAX: u64 = 5_000;
/// The most resting messages that one tick wakes.
const WOKEN_PER_TICK_MAX: usize = 10_000;
/// How often the wait is doubled at most.
const RETRY_DOUBLINGS_MAX: u32 = 6;

/// What is known of a message that a carrier did not take.
#[derive(Default)]
struct Tries {
    /// The carriers that did not take it in this round.
    carriers: SmallVec<[CarrierId; 2]>,
    rounds: u32,
}

/// The lanes and what waits for one.
pub(super) struct Submitting {
    lanes: Vec<(CarrierId, Lane)>,
    tries: FxHashMap<MessageId, Tries>,
    /// Why a message in a lane is there.
    reasons: FxHashMap<MessageId, RouteReason>,
    /// Messages that no carrier can take now, by when they are tried again.
    resting: BinaryHeap<Reverse<(Timestamp, MessageId)>>,
    /// Messages of quarantined numbers.
    held: Vec<MessageId>,
}

impl Submitting {
    pub(super) fn new(
        carriers: &Carriers,
        settings: &Settings,
        (clock, now): (&Arc<dyn Clock>, Timestamp),
    ) -> Submitting {
        let rules = CircuitRules {
            failures_max: settings.circuit.failures_max,
            open_ms: settings.circuit.open_ms,
            open_ms_max: settings.circuit.open_ms_max,
            probes: settings.circuit.probes,
        };
        let lane = |entry: &crate::carriers::Entry| {
            let lane = Lane::new(entry, rules, (clock, now));
            (entry.carrier.id(), lane)
        };
        Submitting {
            lanes: carriers.iter().map(lane).collect(),
            tries: FxHashMap::default(),
            reasons: FxHashMap::default(),
            resting: BinaryHeap::new(),
            held: Vec::new(),
        }
    }

    pub(super) fn lane(&self, carrier: CarrierId) -> Option<&Lane> {
        self.lanes
            .iter()
            .find(|(id, _)| *id == carrier)
            .map(|(_, lane)| lane)
    }

    fn lane_mut(&mut self, carrier: CarrierId) -> Option<&mut Lane> {
        self.lanes
            .iter_mut()
            .find(|(id, _)| *id == carrier)
            .map(|(_, lane)| lane)
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = (CarrierId, &Lane)> {
        self.lanes.iter().map(|(id, lane)| (*id, lane))
    }

    /// Messages that carriers outside of this process have and did not answer.
    pub(super) fn unanswered(&self) -> usize {
        self.lanes
            .iter()
            .filter(|(carrier, _)| *carrier != CarrierId::SIMULATOR)
            .map(|(_, lane)| lane.outstanding)
            .sum()
    }

    /// Messages that wait: in lanes, for a carrier, or for their number.
    pub(super) fn waiting(&self) -> usize {
        let in_lanes: usize = self.lanes.iter().map(|(_, lane)| lane.waiting.len()).sum();
        in_lanes + self.resting.len() + self.held.len()
    }

    /// Messages that no carrier can take now.
    pub(super) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// Notes that a carrier did not take a message.
    fn tried(&mut self, message: MessageId, carrier: CarrierId) {
        let tries = self.tries.entry(message).or_default();
        if !tries.carriers.contains(&carrier) && tries.carriers.len() < TARGETS_MAX {
            tries.carriers.push(carrier);
        }
    }

    /// A message is not under way after all, which says nothing of its carrier.
    pub(super) fn withheld(&mut self, carrier: CarrierId, message: MessageId) {
        if let Some(lane) = self.lane_mut(carrier) {
            lane.answered(message);
        }
    }

    pub(super) fn forget(&mut self, message: MessageId) {
        self.tries.remove(&message);
        self.reasons.remove(&message);
    }

    /// Lays a message to rest until its next round.
    fn rest(&mut self, message: MessageId, now: Timestamp, retry_ms: u64) {
        let tries = self.tries.entry(message).or_default();
        tries.carriers.clear();
        let doublings = tries.rounds.min(RETRY_DOUBLINGS_MAX);
        tries.rounds = tries.rounds.saturating_add(1);
        let wait_ms = (retry_ms << doublings).min(RETRY_MS_MAX.max(retry_ms));
        self.resting.push(Reverse((now.plus_ms(wait_ms), message)));
    }
}

impl DeliverySupervisor {
    /// Puts a queued message into the lane of the carrier that is to have it.
    pub(super) fn enqueue(&mut self, message: MessageId) {
        let open = self.book.get(message);
        let batch = open.and_then(|open| open.batch);
        let phase = open.map(|open| open.delivery.phase);
        if self.is_cancelled(batch) {
            self.drive(message, Input::Cancel);
            return;
        }
        if phase != Some(Phase::Queued) {
            // It expired while it rested, or a receipt told that a carrier has it after all.
            self.submitting.forget(message);
            return;
        }
        match self.choose(message) {
            Some(route) => {
                let lane = self.submitting.lane_mut(route.carrier);
                let lane = lane.expect("routes are made of carriers that have a lane");
                lane.waiting.push_back(message);
                match route.reason {
                    // It may have been there before for another reason.
                    RouteReason::Preferred => drop(self.submitting.reasons.remove(&message)),
                    reason => drop(self.submitting.reasons.insert(message, reason)),
                }
            }
            None => {
                let retry_ms = self.engine.settings.engine.retry_ms;
                self.submitting.rest(message, self.batch.mono, retry_ms);
            }
        }
    }

    /// The carrier that is to have a message, if one can take it now.
    pub(super) fn choose(&self, message: MessageId) -> Option<Route> {
        let submit = self.book.waiting(message)?;
        let table = &self.engine.routes;
        let targets = table.targets(submit.from, &submit.to, submit.channel);
        let tried = self.submitting.tries.get(&message);
        let dice = FxBuildHasher.hash_one(message) >> 16;
        route::choose(targets, dice, |carrier| {
            if tried.is_some_and(|tries| tries.carriers.contains(&carrier)) {
                return Availability::Tried;
            }
            self.submitting
                .lane(carrier)
                .map_or(Availability::Open, Lane::availability)
        })
    }

    /// Hands over as many as the windows take; `false` once nothing is handed over any more.
    pub(super) fn pump(&mut self) -> bool {
        if self.engine.draining.load(Ordering::Acquire) {
            // What is handed over now might not be answered before the end.
            return false;
        }
        for place in 0..self.submitting.lanes.len() {
            while let Some(message) = self.submitting.lanes[place].1.next() {
                let goes_on = self.hand_over(place, message);
                self.flush_if_full();
                if !goes_on {
                    break;
                }
            }
        }
        true
    }

    /// Hands a message over, or has it wait where it is to wait; `false` when its carrier takes no more now.
    fn hand_over(&mut self, place: usize, message: MessageId) -> bool {
        let carrier = self.submitting.lanes[place].0;
        let open = self.book.get(message);
        let Some(in_flight) = open.filter(|open| open.delivery.phase == Phase::Queued) else {
            // It was cancelled while it waited here: it takes nothing.
            self.submitting.forget(message);
            self.gates.forget(message);
            return true;
        };
        if in_flight.is_expired(self.batch.at) {
            self.drive(message, Input::Expired);
            return true;
        }
        if self.engine.bars.holds(in_flight) {
            let reason = Reason::OptedOut;
            self.drive(message, Input::Forbid { reason });
            return true;
        }
        if self.engine.quarantine.holds(in_flight.number) {
            self.submitting.held.push(message);
            return true;
        }
        let segments = self
            .book
            .waiting(message)
            .map_or(1, |submit| submit.segments);
        match self.gates.pass(in_flight, segments, self.batch.mono) {
            Passage::Open => {}
            Passage::Waits => return true,
            Passage::Later(wait) => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let due = self.batch.mono.plus_ms(wait_ms.saturating_add(1));
                self.submitting.resting.push(Reverse((due, message)));
                return true;
            }
        }
        let lane = &mut self.submitting.lanes[place].1;
        if let Some(tokens) = &mut lane.tokens
            && !tokens.take(u32::from(segments), second(self.batch.mono))
        {
            lane.waiting.push_front(message);
            self.gates.stays_through(message, self.batch.mono);
            return false;
        }
        let reason = self.submitting.reasons.remove(&message);
        let route = Route {
            carrier,
            reason: reason.unwrap_or(RouteReason::Preferred),
        };
        if !matches!(
            self.drive(message, Input::Start { route }),
            Outcome::Moved(_)
        ) {
            return true;
        }
        let Some(submit) = self.book.submit(message) else {
            tracing::error!(%message, "a queued message has nothing to submit; it stays in doubt");
            self.drive(message, Input::NoAnswer);
            return true;
        };
        let lane = &mut self.submitting.lanes[place].1;
        lane.handed_over(message, submit.submit, self.batch.mono);
        self.batch
            .effects
            .push(DeliveryEffect::Submit(carrier, submit));
        true
    }

    /// A carrier answers a submit.
    pub(super) fn answer(&mut self, carrier: CarrierId, message: MessageId, answer: SubmitAnswer) {
        let delivery = self.book.get(message).map(|in_flight| &in_flight.delivery);
        let is_its_own = delivery.is_some_and(|delivery| delivery.carrier() == Some(carrier));
        let was_waiting =
            is_its_own && delivery.is_some_and(|delivery| delivery.phase == Phase::Submitting);
        let kind = AnswerOutcome::of(&answer);
        let input = self.input_of(carrier, answer);
        if !is_its_own || !matches!(self.drive(message, input.clone()), Outcome::Moved(_)) {
            self.engine.meters.answer(AnswerOutcome::OutOfPlace);
            self.note_late_answer(carrier, message, is_its_own, &input);
            return;
        }
        self.engine.meters.answer(kind);
        self.learn_from(message, &input);
        self.note_answer(carrier, message, &input, was_waiting);
        match input {
            Input::Accepted { .. } => self.claim_parked(carrier, message),
            Input::NotTaken { .. } => {
                self.submitting.tried(message, carrier);
                self.go_on(message);
            }
            _ => {}
        }
    }

    /// An answer that changes nothing still shows that the carrier is at work; one that comes after the
    /// charge was given back is the operator's to know.
    fn note_late_answer(
        &mut self,
        carrier: CarrierId,
        message: MessageId,
        is_its_own: bool,
        input: &Input,
    ) {
        if !is_its_own || !matches!(input, Input::Accepted { .. } | Input::Refused { .. }) {
            return;
        }
        let now = self.batch.mono;
        if let Some(lane) = self.submitting.lane_mut(carrier) {
            lane.heard(now);
        }
        let phase = self.book.get(message).map(|open| open.delivery.phase);
        if phase == Some(Phase::Refused) && matches!(input, Input::Accepted { .. }) {
            tracing::error!(%message, "a carrier took a message whose charge was given back");
        }
    }

    fn input_of(&self, carrier: CarrierId, answer: SubmitAnswer) -> Input {
        match answer {
            SubmitAnswer::Accepted(ids) => Input::Accepted {
                ids,
                indexed: !self.carriers.abilities(carrier).names_messages,
            },
            SubmitAnswer::Refused(reason) => Input::Refused { reason },
            SubmitAnswer::NotTaken(reason) => Input::NotTaken { reason },
            SubmitAnswer::NoAnswer => Input::NoAnswer,
        }
    }

    /// What an answer says of the carrier.
    fn note_answer(
        &mut self,
        carrier: CarrierId,
        message: MessageId,
        input: &Input,
        was_waiting: bool,
    ) {
        let now = self.batch.mono;
        let Some(lane) = self.submitting.lane_mut(carrier) else {
            return;
        };
        if was_waiting {
            lane.answered(message);
        }
        let opened = match input {
            Input::NotTaken {
                reason: Reason::Throttled,
            } => {
                lane.throttled(now);
                false
            }
            Input::NotTaken { .. } | Input::NoAnswer => {
                lane.judges(message) && lane.circuit.failed(now)
            }
            _ => {
                lane.heard(now);
                false
            }
        };
        if opened {
            self.circuit_opened(carrier);
        }
    }

    /// A message moved on without its carrier's answer: a receipt told.
    pub(super) fn answered_by_receipt(&mut self, carrier: CarrierId, message: MessageId) {
        let now = self.batch.mono;
        if let Some(lane) = self.submitting.lane_mut(carrier) {
            lane.answered(message);
            lane.heard(now);
        }
    }

    /// The carrier is out: what waits for it looks for another.
    pub(super) fn circuit_opened(&mut self, carrier: CarrierId) {
        let name = self.carriers.name(carrier);
        tracing::warn!(
            carrier = name,
            "the carrier does not answer: its circuit is open"
        );
        self.engine.meters.circuit_opened(name);
        let Some(lane) = self.submitting.lane_mut(carrier) else {
            return;
        };
        for message in std::mem::take(&mut lane.waiting) {
            self.submitting.reasons.remove(&message);
            self.enqueue(message);
        }
    }

    /// Looks at the carriers: whose answers are overdue, who is silent, who may be probed.
    pub(super) fn watch_lanes(&mut self) {
        let now = self.batch.mono;
        let silence_ms = self.engine.settings.circuit.silence_ms;
        for place in 0..self.submitting.lanes.len() {
            let (carrier, lane) = &mut self.submitting.lanes[place];
            let carrier = *carrier;
            lane.tick(now);
            self.overdue_answers(place);
            let book = &self.book;
            let waits = |handed: &HandedOver| book.awaits_answer(handed.message, handed.submit);
            let lane = &mut self.submitting.lanes[place].1;
            if lane.is_silent(now, silence_ms, waits) && lane.circuit.silent(now) {
                self.circuit_opened(carrier);
            }
        }
        for _ in 0..WOKEN_PER_TICK_MAX {
            let Some(Reverse((due, message))) = self.submitting.resting.peek().copied() else {
                return;
            };
            if due > now {
                return;
            }
            self.submitting.resting.pop();
            self.enqueue(message);
            self.flush_if_full();
        }
    }

    fn overdue_answers(&mut self, place: usize) {
        let now = self.batch.mono;
        loop {
            let (carrier, lane) = &mut self.submitting.lanes[place];
            let Some(handed) = lane.unanswered.front().copied() else {
                return;
            };
            let message = handed.message;
            let waits = self.book.awaits_answer(message, handed.submit);
            if waits && now.ms_since(handed.at) < lane.answer_deadline_ms {
                return;
            }
            lane.unanswered.pop_front();
            if waits {
                let judged = handed.at >= lane.judged_from();
                lane.answered(message);
                let opened = judged && lane.circuit.failed(now);
                let carrier = *carrier;
                self.drive(message, Input::NoAnswer);
                self.engine.meters.answer(AnswerOutcome::NoAnswer);
                if opened {
                    self.circuit_opened(carrier);
                }
                self.flush_if_full();
            }
        }
    }

    /// Lets a message that a carrier did not take go on, unless its time is over.
    fn go_on(&mut self, message: MessageId) {
        let now = self.batch.at;
        if self
            .book
            .get(message)
            .is_some_and(|open| open.is_expired(now))
        {
            self.drive(message, Input::Expired);
        } else {
            self.enqueue(message);
        }
    }

    /// Numbers were let out of quarantine.
    pub(super) fn release(&mut self) {
        for message in std::mem::take(&mut self.submitting.held) {
            self.enqueue(message);
        }
    }

    /// An operator settles a message in doubt.
    pub(super) fn resolve(
        &mut self,
        message: MessageId,
        resolution: Resolution,
        reply: oneshot::Sender<Result<(), OperateError>>,
    ) {
        let phase = self.book.get(message).map(|open| open.delivery.phase);
        if phase != Some(Phase::InDoubt) {
            // An operator who has gone need not be told.
            let _ = reply.send(Err(OperateError::NotInDoubt { message }));
            return;
        }
        let input = match resolution {
            Resolution::Taken => Input::Accepted {
                ids: Vec::new(),
                indexed: false,
            },
            Resolution::NotTaken => Input::Refused {
                reason: Reason::CarrierError,
            },
        };
        self.drive(message, input);
        self.batch.effects.push(DeliveryEffect::Resolved(reply));
    }
}
