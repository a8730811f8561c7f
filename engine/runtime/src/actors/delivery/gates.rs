//! Gates: the limits of numbers and of WhatsApp's pairs, behind an account's own. Nothing is refused here.
//!
//! A number's gate is there while something waits at it or went through it a moment ago. What is sent one
//! by one goes before what comes in batches, with its share of the number's limit and no more.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use didfarm_config::Settings;
use didfarm_core::channel::Channel;
use didfarm_core::delivery::{InFlight, Phase};
use didfarm_core::ids::{AccountId, ConversationId, MessageId, NumberId};
use didfarm_core::time::Timestamp;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use rustc_hash::FxHashMap;

use super::DeliverySupervisor;
use crate::clock::{Clock, LimiterClock};
use crate::limiter::tokens::Tokens;
use crate::limits::NumberLimit;

/// Gates that nothing went through for so long are taken down.
const IDLE_MS: u64 = 10_000;
/// What went through a gate and waits for its carrier for longer than this asks the gate again: after an
/// outage a number does not send at once all that its gate let go meanwhile.
const THROUGH_MS: u64 = 1_000;
/// A gate at which so many seconds' worth of batches waits takes no more from an account's line.
const AHEAD_S: usize = 2;
/// The parts of a limit that are shared between what is sent one by one and what comes in batches.
const WHOLE_PERCENT: u32 = 100;

/// A message and how many tokens it needs.
type Waiting = (MessageId, u32);

/// The gate of a number on a channel.
struct Gate {
    account: AccountId,
    tokens: Tokens,
    single: VecDeque<Waiting>,
    batched: VecDeque<Waiting>,
    /// What the former have saved of their share, in percent of a message.
    saved_percent: u32,
    used_at: Timestamp,
}

impl Gate {
    fn waiting(&self) -> usize {
        self.single.len() + self.batched.len()
    }

    /// Whose turn it is; where both wait, what is sent by itself has its share.
    fn next(&self, share_percent: u32) -> Option<(Waiting, bool)> {
        let (single, batched) = (self.single.front(), self.batched.front());
        let is_single = batched.is_none() || self.saved_percent + share_percent >= WHOLE_PERCENT;
        match (single, batched) {
            (Some(single), _) if is_single => Some((*single, true)),
            (_, batched) => batched.map(|batched| (*batched, false)),
        }
    }

    /// Takes off whose turn it was.
    fn pop(&mut self, share_percent: u32, is_single: bool) {
        if !self.single.is_empty() && !self.batched.is_empty() {
            let saved = self.saved_percent + share_percent;
            self.saved_percent = saved - u32::from(is_single) * WHOLE_PERCENT;
        }
        if is_single {
            self.single.pop_front();
        } else {
            self.batched.pop_front();
        }
    }
}

type Pairs = RateLimiter<
    ConversationId,
    HashMapStateStore<ConversationId>,
    LimiterClock,
    NoOpMiddleware<Nanos>,
>;

/// What a gate says of a message.
pub(super) enum Passage {
    /// It goes on.
    Open,
    /// It waits at the gate, which lets it go by itself.
    Waits,
    /// Its pair is written to too often: it is to be tried again after this time.
    Later(Duration),
}

/// Every gate.
pub(super) struct Gates {
    clock: Arc<dyn Clock>,
    /// Segments a second of a number over SMS, messages over WhatsApp; 0 for no limit.
    per_second: [u32; Channel::ALL.len()],
    /// The share of what is sent by itself, in percent.
    share_percent: u32,
    numbers: FxHashMap<(NumberId, Channel), Gate>,
    pairs: Option<Pairs>,
    /// Messages that went through their gates and wait for their carrier, by when they did.
    through: FxHashMap<MessageId, Timestamp>,
}

impl Gates {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Gates {
        let limits = &settings.limits;
        let burst = NonZeroU32::new(limits.pair_burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_millis(limits.pair_interval_ms));
        let pairs = quota.map(|quota| {
            let clock = LimiterClock(Arc::clone(&clock));
            RateLimiter::hashmap_with_clock(quota.allow_burst(burst), clock)
        });
        let of_channel = |channel| match channel {
            Channel::Sms => limits.number_segments_per_second,
            Channel::WhatsApp => limits.whatsapp_per_second,
        };
        Gates {
            clock,
            per_second: Channel::ALL.map(of_channel),
            share_percent: limits.reply_share_percent.clamp(1, WHOLE_PERCENT - 1),
            numbers: FxHashMap::default(),
            pairs,
            through: FxHashMap::default(),
        }
    }

    /// Messages that wait at gates.
    pub(super) fn waiting(&self) -> usize {
        self.numbers.values().map(Gate::waiting).sum()
    }

    /// A message that went through has nothing more to do with gates.
    pub(super) fn forget(&mut self, message: MessageId) {
        self.through.remove(&message);
    }

    /// Lets a message that went through wait for its carrier.
    pub(super) fn stays_through(&mut self, message: MessageId, now: Timestamp) {
        self.through.insert(message, now);
    }

    /// Whether so much of batches waits at a message's gate, with what is on its way there, that its line is to
    /// wait as well.
    pub(super) fn is_full(&self, open: &InFlight, on_the_way: usize) -> bool {
        let per_second = self.per_second[open.channel as usize] as usize;
        let gate = self.numbers.get(&(open.number, open.channel));
        let waiting = gate.map_or(0, |gate| gate.batched.len());
        per_second > 0 && waiting + on_the_way >= AHEAD_S * per_second
    }

    /// Asks the gates of a message of so many segments.
    pub(super) fn pass(&mut self, open: &InFlight, segments: u16, now: Timestamp) -> Passage {
        let through = self.through.remove(&open.message);
        if through.is_some_and(|at| now.ms_since(at) < THROUGH_MS) {
            return Passage::Open;
        }
        let per_second = self.per_second[open.channel as usize];
        let needed = match open.channel {
            Channel::Sms => u32::from(segments).max(1),
            Channel::WhatsApp => 1,
        };
        if open.channel == Channel::WhatsApp
            && let Some(pairs) = &self.pairs
            && let Err(not_until) = pairs.check_key(&open.conversation)
        {
            let clock = LimiterClock(Arc::clone(&self.clock));
            return Passage::Later(not_until.wait_time_from(clock.now()));
        }
        if per_second == 0 {
            return Passage::Open;
        }
        let gate = self.numbers.entry((open.number, open.channel));
        let gate = gate.or_insert_with(|| Gate {
            account: open.account,
            tokens: Tokens::new(per_second, Arc::clone(&self.clock)),
            single: VecDeque::new(),
            batched: VecDeque::new(),
            saved_percent: 0,
            used_at: now,
        });
        gate.used_at = now;
        if gate.waiting() == 0 && gate.tokens.take(needed, second(now)) {
            return Passage::Open;
        }
        let queue = match open.batch {
            None => &mut gate.single,
            Some(_) => &mut gate.batched,
        };
        queue.push_back((open.message, needed));
        Passage::Waits
    }

    /// The limits of an account's numbers, as far as anything goes through them.
    pub(super) fn of_account(&self, account: AccountId, now: Timestamp) -> Vec<NumberLimit> {
        let gates = self.numbers.iter();
        let own = gates.filter(|(_, gate)| gate.account == account);
        let mut limits: Vec<_> = own
            .map(|((number, channel), gate)| NumberLimit {
                number: *number,
                channel: *channel,
                per_second: gate.tokens.per_second(),
                used: gate.tokens.used(second(now)),
                waiting: gate.waiting() as u64,
            })
            .collect();
        limits.sort_by_key(|limit| (limit.number, limit.channel as u8));
        limits
    }

    /// Takes down what is idle.
    fn prune(&mut self, now: Timestamp) {
        self.numbers
            .retain(|_, gate| gate.waiting() > 0 || now.ms_since(gate.used_at) < IDLE_MS);
        if let Some(pairs) = &self.pairs {
            pairs.retain_recent();
            pairs.shrink_to_fit();
        }
    }
}

/// The second that a time is in.
pub(super) fn second(now: Timestamp) -> u64 {
    u64::try_from(now.0 / 1_000_000).unwrap_or(0)
}

impl DeliverySupervisor {
    /// Lets go what waits at gates that are open now.
    pub(super) fn release_gates(&mut self) {
        let now = self.batch.mono;
        let (book, share_percent) = (&self.book, self.gates.share_percent);
        let mut released = Vec::new();
        for gate in self.gates.numbers.values_mut() {
            while let Some(((message, needed), is_single)) = gate.next(share_percent) {
                let phase = book.get(message).map(|open| open.delivery.phase);
                // One that was cancelled takes nothing.
                if phase == Some(Phase::Queued) {
                    if !gate.tokens.take(needed, second(now)) {
                        break;
                    }
                    released.push(message);
                }
                gate.used_at = now;
                gate.pop(share_percent, is_single);
            }
        }
        for message in released {
            self.gates.stays_through(message, now);
            self.enqueue(message);
        }
    }

    /// Takes down gates that nothing goes through.
    pub(super) fn prune_gates(&mut self) {
        self.gates.prune(self.batch.mono);
    }
}
