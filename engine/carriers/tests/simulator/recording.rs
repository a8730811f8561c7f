//! A sink that keeps what it was given, and submits to give it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use didfarm_carriers::simulator::{SINK_GROUP_MAX, Simulator, SimulatorSettings};
use didfarm_carriers::{Carrier, CarrierEvent, CarrierSink, Submit, SubmitAnswer};
use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, MessageId};
use didfarm_core::time::Timestamp;

/// How long a condition may take to come true.
const PATIENCE_MS: u64 = 30_000;

/// Keeps every event with the time and the call in which it came.
#[derive(Default)]
pub struct Recorder {
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
}

/// An event as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub call: usize,
    pub event: CarrierEvent,
}

impl CarrierSink for Recorder {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        assert_eq!(carrier, CarrierId::SIMULATOR);
        assert!((1..=SINK_GROUP_MAX).contains(&group.len()));
        let mut seen = self.seen.lock().unwrap();
        let call = seen.last().map_or(0, |last| last.call + 1);
        let at = Instant::now();
        seen.extend(group.into_iter().map(|event| Seen { at, call, event }));
        self.changed.notify_all();
    }
}

impl Recorder {
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many events came.
    pub fn wait_for(&self, count: usize) -> Vec<Seen> {
        let patience = Duration::from_millis(PATIENCE_MS);
        let seen = self.seen.lock().unwrap();
        let (seen, waited) = self
            .changed
            .wait_timeout_while(seen, patience, |seen| seen.len() < count)
            .unwrap();
        assert!(!waited.timed_out(), "{} of {count} events came", seen.len());
        seen.clone()
    }
}

/// Waits until nothing more will ever come.
pub fn settle(simulator: &Simulator) {
    settle_to(simulator, 0);
}

/// Waits until so much is pending and no more.
pub fn settle_to(simulator: &Simulator, pending: usize) {
    let started = Instant::now();
    while simulator.pending() != pending {
        assert!(
            started.elapsed() < Duration::from_millis(PATIENCE_MS),
            "events stay pending"
        );
        thread::yield_now();
    }
}

/// Runs submits through a simulator to the end.
pub fn run(settings: SimulatorSettings, group: Vec<Submit>) -> Vec<Seen> {
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    simulator.submit(group);
    settle(&simulator);
    recorder.seen()
}

/// An SMS of one segment to a peer with this ending, submitted for the first time.
pub fn sms(id: u64, ending: u64) -> Submit {
    Submit {
        message: MessageId(id),
        from: E164::from_digits(31_970_000_000).unwrap(),
        to: E164::from_digits(31_610_000_000 + ending).unwrap().into(),
        channel: Channel::Sms,
        body: "hello".into(),
        segments: 1,
        content: None,
        valid_until: Timestamp(i64::MAX),
        submit: 1,
    }
}

/// The same as WhatsApp message.
pub fn whatsapp(id: u64, ending: u64) -> Submit {
    Submit {
        channel: Channel::WhatsApp,
        ..sms(id, ending)
    }
}

/// The answers by message.
pub fn answers(seen: &[Seen]) -> HashMap<MessageId, SubmitAnswer> {
    let mut answers = HashMap::new();
    for seen in seen {
        if let CarrierEvent::Answer(message, answer) = &seen.event {
            let before = answers.insert(*message, answer.clone());
            assert_eq!(before, None, "{message} was answered twice");
        }
    }
    answers
}

/// The claims in the order in which they came, by carrier message id.
pub fn claims(seen: &[Seen]) -> HashMap<String, Vec<Claim>> {
    let mut claims: HashMap<String, Vec<Claim>> = HashMap::new();
    for seen in seen {
        if let CarrierEvent::Receipt(receipt) = &seen.event {
            claims
                .entry(receipt.id.to_string())
                .or_default()
                .push(receipt.claim);
        }
    }
    claims
}

/// The events in words, in the order in which they came.
pub fn story(seen: &[Seen]) -> Vec<String> {
    let word = |seen: &Seen| match &seen.event {
        CarrierEvent::Answer(_, SubmitAnswer::Accepted(ids)) => {
            let ids: Vec<&str> = ids.iter().map(|id| &*id.0).collect();
            format!("accepted {}", ids.join(" "))
        }
        CarrierEvent::Answer(_, SubmitAnswer::Refused(reason)) => format!("refused {reason}"),
        CarrierEvent::Answer(_, SubmitAnswer::NotTaken(reason)) => reason.to_string(),
        CarrierEvent::Answer(_, SubmitAnswer::NoAnswer) => "no answer".to_owned(),
        CarrierEvent::Receipt(receipt) => {
            let why = receipt
                .reason
                .map(|reason| format!(" {reason}"))
                .unwrap_or_default();
            format!("{} {}{why}", receipt.id, receipt.claim.as_str())
        }
    };
    seen.iter().map(word).collect()
}
