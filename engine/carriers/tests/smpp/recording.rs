//! A sink that keeps what it was given, and submits to give it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use didfarm_carriers::callback::Callback;
use didfarm_carriers::smpp::{SmppCarrier, SmppSettings};
use didfarm_carriers::{
    Carrier as _, CarrierEvent, CarrierSink, Receipt, Submit, SubmitAnswer, Taken,
};
use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, MessageId};
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

/// How long a condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The carrier of every test.
pub const CARRIER: CarrierId = CarrierId(7);

/// What is said to a callback.
#[derive(Debug, Clone, Copy)]
pub enum Say {
    /// This, at once.
    Now(Taken),
    /// Nothing until [`Recorder::release`].
    Hold,
    /// Nothing: the engine fails.
    Panic,
}

/// What came.
#[derive(Default)]
pub struct Record {
    pub events: Vec<CarrierEvent>,
    pub callbacks: Vec<Callback>,
    says: VecDeque<Say>,
    held: Vec<oneshot::Sender<Taken>>,
}

/// Keeps everything; says `Durable` to callbacks unless it is told otherwise.
#[derive(Default)]
pub struct Recorder {
    record: Mutex<Record>,
    changed: Condvar,
}

impl CarrierSink for Recorder {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        assert_eq!(carrier, CARRIER);
        assert!(!group.is_empty());
        self.lock().events.extend(group);
        self.changed.notify_all();
    }

    fn take(&self, carrier: CarrierId, callback: Callback) -> oneshot::Receiver<Taken> {
        assert_eq!(carrier, CARRIER);
        let (sender, receiver) = oneshot::channel();
        let mut record = self.lock();
        match record.says.pop_front().unwrap_or(Say::Now(Taken::Durable)) {
            Say::Now(taken) => sender.send(taken).unwrap(),
            Say::Hold => record.held.push(sender),
            Say::Panic => {
                drop(record);
                panic!("the sink fails, as the test wants");
            }
        }
        record.callbacks.push(callback);
        self.changed.notify_all();
        receiver
    }
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    /// What is to be said to the callbacks that come next.
    pub fn say(&self, says: &[Say]) {
        self.lock().says.extend(says);
    }

    /// Says to every callback that is held.
    pub fn release(&self, taken: Taken) {
        for sender in self.lock().held.drain(..) {
            sender.send(taken).unwrap();
        }
    }

    /// Waits until `done` and says what `done` says.
    pub fn wait<T>(&self, mut done: impl FnMut(&Record) -> Option<T>) -> T {
        let mut value = None;
        let record = self.lock();
        let (record, waited) = self
            .changed
            .wait_timeout_while(record, PATIENCE, |record| {
                value = done(record);
                value.is_none()
            })
            .unwrap();
        assert!(
            !waited.timed_out(),
            "only these came: {:?} {:?}",
            record.events,
            record.callbacks
        );
        value.unwrap()
    }

    /// Waits until so many messages have an answer, and gives the last of each.
    pub fn answers(&self, count: usize) -> HashMap<u64, SubmitAnswer> {
        self.wait(|record| {
            let answers = answers_of(&record.events);
            (answers.len() >= count).then_some(answers)
        })
    }

    /// Waits until so many receipts came, by event or by callback.
    pub fn receipts(&self, count: usize) -> Vec<Receipt> {
        self.wait(|record| {
            let by_event = record.events.iter().filter_map(|event| match event {
                CarrierEvent::Receipt(receipt) => Some(receipt.clone()),
                CarrierEvent::Answer(..) => None,
            });
            let by_callback = record
                .callbacks
                .iter()
                .flat_map(|callback| callback.receipts.clone());
            let receipts: Vec<Receipt> = by_event.chain(by_callback).collect();
            (receipts.len() >= count).then_some(receipts)
        })
    }
}

fn answers_of(events: &[CarrierEvent]) -> HashMap<u64, SubmitAnswer> {
    let answer = |event: &CarrierEvent| match event {
        CarrierEvent::Answer(message, answer) => Some((message.0, answer.clone())),
        CarrierEvent::Receipt(_) => None,
    };
    events.iter().filter_map(answer).collect()
}

/// A carrier and its sink.
pub fn start(settings: SmppSettings) -> (SmppCarrier, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let carrier = SmppCarrier::start(settings, Arc::clone(&recorder) as _).unwrap();
    (carrier, recorder)
}

/// Submits until the carrier is bound: messages that nothing is bound for are given back.
pub fn submit_bound(carrier: &SmppCarrier, recorder: &Recorder, first: Submit) {
    let (message, mut group) = (first.message.0, vec![first.clone()]);
    loop {
        let seen = recorder.wait(|record| Some(record.events.len()));
        carrier.submit(std::mem::replace(&mut group, vec![first.clone()]));
        let answer = recorder.wait(|record| answers_of(&record.events[seen..]).remove(&message));
        if answer != SubmitAnswer::NotTaken(Reason::CarrierError) {
            return;
        }
    }
}

/// Settings that reconnect fast.
pub fn settings(address: &str) -> SmppSettings {
    let mut settings = SmppSettings::new(CARRIER, "smsc", address);
    settings.system_id = "didfarm".to_owned();
    settings.password = "secret".to_owned();
    settings.reconnect_ms_min = 10;
    settings.reconnect_ms_max = 50;
    settings
}

/// A text to be submitted for the first time.
pub fn text(id: u64, body: &str) -> Submit {
    Submit {
        message: MessageId(id),
        from: E164::from_digits(15_550_001_234).unwrap(),
        to: E164::from_digits(31_610_000_000 + id).unwrap().into(),
        channel: Channel::Sms,
        body: body.into(),
        segments: 1,
        content: None,
        valid_until: Timestamp(i64::MAX),
        submit: 1,
    }
}

/// Short texts with these ids.
pub fn texts(ids: std::ops::Range<u64>) -> Vec<Submit> {
    ids.map(|id| text(id, "hello")).collect()
}

/// The ids of an accepted message.
pub fn ids(answer: &SubmitAnswer) -> Vec<String> {
    match answer {
        SubmitAnswer::Accepted(ids) => ids.iter().map(ToString::to_string).collect(),
        other => panic!("not accepted: {other:?}"),
    }
}
