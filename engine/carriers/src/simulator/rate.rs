//! The simulator's own rate: what it does alone, so that a measured engine can be told from its carrier.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::time::Timestamp;

use super::{Simulator, SimulatorSettings};
use crate::{Carrier, CarrierEvent, CarrierSink, Submit, SubmitAnswer};

/// Messages per submitted group.
const GROUP: u64 = 1_000;
/// The most messages without a receipt; beyond it submitting waits.
const IN_FLIGHT_MAX: u64 = 64 * GROUP;
/// How long nothing may come back before the run is given up.
const STALL_MS_MAX: u64 = 10_000;
/// A peer whose ending has no fate of its own.
const PEER: u64 = 31_610_001_234;

const ANSWERED: u8 = 1;
const RECEIPTED: u8 = 2;

/// Runs `messages` of one segment through a simulator without delays and returns how many a second were
/// answered and receipted, from the first submit to the last event.
///
/// The caller's thread submits, the simulator's own answers and counts: two threads in all.
///
/// # Panics
///
/// When a message is not answered with one id and receipted as delivered exactly once each, or nothing
/// comes for ten seconds.
pub fn own_rate(messages: u64) -> f64 {
    let sink = Arc::new(CountingSink::new(messages));
    let simulator = Simulator::start(SimulatorSettings::default(), Arc::clone(&sink) as _);
    let started = Instant::now();
    for first in (1..=messages).step_by(GROUP as usize) {
        sink.wait_receipted((first - 1).saturating_sub(IN_FLIGHT_MAX));
        let last = messages.min(first + GROUP - 1);
        simulator.submit((first..=last).map(submit).collect());
    }
    sink.wait_receipted(messages);
    let seconds = started.elapsed().as_secs_f64();
    drop(simulator);
    sink.assert_complete();
    messages as f64 / seconds
}

fn submit(id: u64) -> Submit {
    let number = |digits| E164::from_digits(digits).expect("eleven digits are a number");
    Submit {
        message: MessageId(id),
        from: number(PEER + 1),
        to: number(PEER).into(),
        channel: Channel::Sms,
        body: Arc::default(),
        segments: 1,
        content: None,
        valid_until: Timestamp(i64::MAX),
        submit: 1,
    }
}

/// Notes for each message whether it was answered and receipted.
struct CountingSink {
    seen: Mutex<Seen>,
    changed: Condvar,
}

struct Seen {
    /// By message, from 1: [`ANSWERED`] and [`RECEIPTED`].
    marks: Vec<u8>,
    receipted: u64,
    /// Events that are out of place or came twice.
    wrong: u64,
}

impl CountingSink {
    fn new(messages: u64) -> CountingSink {
        let messages = usize::try_from(messages).expect("as many messages as memory can mark");
        let seen = Seen {
            marks: vec![0; messages],
            receipted: 0,
            wrong: 0,
        };
        CountingSink {
            seen: Mutex::new(seen),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_receipted(&self, count: u64) {
        let mut seen = self.lock();
        while seen.receipted < count {
            let before = seen.receipted;
            let stall_max = Duration::from_millis(STALL_MS_MAX);
            seen = self
                .changed
                .wait_timeout_while(seen, stall_max, |seen| seen.receipted == before)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            assert_ne!(seen.receipted, before, "the simulator stalled");
        }
    }

    fn assert_complete(&self) {
        let seen = self.lock();
        assert_eq!(seen.wrong, 0, "events that were out of place");
        let incomplete = seen
            .marks
            .iter()
            .filter(|mark| **mark != ANSWERED | RECEIPTED)
            .count();
        assert_eq!(incomplete, 0, "messages without an answer or a receipt");
    }
}

impl CarrierSink for CountingSink {
    fn deliver(&self, _: CarrierId, group: Vec<CarrierEvent>) {
        let mut seen = self.lock();
        for event in &group {
            seen.mark(event);
        }
        drop(seen);
        self.changed.notify_one();
    }
}

impl Seen {
    fn mark(&mut self, event: &CarrierEvent) {
        let (message, mark) = match event {
            CarrierEvent::Answer(message, SubmitAnswer::Accepted(ids)) if ids.len() == 1 => {
                (Some(message.get()), ANSWERED)
            }
            CarrierEvent::Receipt(receipt) if receipt.claim == Claim::Delivered => {
                (message_of(&receipt.id), RECEIPTED)
            }
            CarrierEvent::Answer(..) | CarrierEvent::Receipt(_) => (None, 0),
        };
        let place = message.and_then(|id| usize::try_from(id.checked_sub(1)?).ok());
        match place.and_then(|place| self.marks.get_mut(place)) {
            Some(marks) if *marks & mark == 0 => {
                *marks |= mark;
                self.receipted += u64::from(mark == RECEIPTED);
            }
            Some(_) | None => self.wrong += 1,
        }
    }
}

fn message_of(id: &CarrierMessageId) -> Option<u64> {
    let message = id.0.strip_prefix("sim-")?.strip_suffix("-1-1")?;
    u64::from_str_radix(message, 16).ok()
}
