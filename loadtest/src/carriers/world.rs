//! What all carriers share: their behaviour, their memory, what is due, and the verdict on every submit.

mod planning;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use super::agenda::Agenda;
use super::counts::Counts;
use super::faults::Faults;
use super::post::{Post, PostQueue, split_url};
use super::record::{Book, Event, Protocol, Record};
use super::smsc::esme::Esmes;
use super::smsc::outbound::Outbound;
use super::{Addresses, CarriersPlan, telnyx, twilio, whatsapp};
use crate::dice::Dice;
use crate::signature::Keys;
use crate::target::Target;

/// How long a submit waits for its own early receipt to be answered, in milliseconds.
const EARLY_WAIT_MS_MAX: u64 = 2_000;
/// Authorities whose addresses are remembered.
const TARGETS_KEPT_MAX: usize = 64;

/// Something that falls due.
pub enum Due {
    /// A receipt leaves.
    Tell(Arc<Record>, Event),
    /// A callback is sent, or sent again.
    Post(Box<Post>),
    /// A `deliver_sm` is sent, or sent again.
    Deliver(Outbound),
}

/// What becomes of a submit.
pub enum Verdict {
    /// It is not taken: too many.
    Throttle,
    /// It is not taken: the recipient is none.
    Refuse,
    /// It is never answered and nothing comes of it.
    Ignore,
    /// It is taken.
    Take {
        /// The message.
        record: Arc<Record>,
        /// The receipt that has to leave before the answer.
        early: Option<Event>,
        /// Whether there is an answer at all.
        answered: bool,
    },
}

/// What all carriers share.
pub struct World {
    /// The keys that callbacks are signed with.
    pub keys: Keys,
    /// What was counted.
    pub counts: Counts,
    /// What is due when.
    pub agenda: Agenda<Due>,
    /// Callbacks that wait for a worker.
    pub posts: PostQueue,
    /// Who is bound by SMPP.
    pub esmes: Esmes,
    /// Whether nothing is answered at present.
    pub blackout: watch::Sender<bool>,
    /// How often a callback is sent at most.
    pub attempts_max: u32,
    /// The dice of every share.
    pub dice: Dice,
    faults: Mutex<Faults>,
    addresses: Mutex<Addresses>,
    book: Mutex<Book>,
    throttled_once: Mutex<HashSet<Box<str>>>,
    targets: Mutex<BTreeMap<String, Option<Target>>>,
    deliver_to: Mutex<Option<Target>>,
    batch: usize,
    only_early: bool,
    next_id: AtomicU64,
}

impl World {
    /// The state at the start.
    pub fn new(plan: &CarriersPlan) -> Self {
        Self {
            keys: plan.keys.clone(),
            counts: Counts::default(),
            agenda: Agenda::default(),
            posts: PostQueue::default(),
            esmes: Esmes::new(plan.ids, plan.password.clone()),
            blackout: watch::Sender::new(plan.faults.blackout),
            attempts_max: plan.attempts_max,
            dice: Dice::new(plan.seed),
            faults: Mutex::new(plan.faults.clone()),
            addresses: Mutex::new(plan.addresses.clone()),
            book: Mutex::new(Book::new(plan.messages_kept)),
            only_early: plan.only_early,
            throttled_once: Mutex::default(),
            targets: Mutex::default(),
            deliver_to: Mutex::new(plan.deliver_to.clone()),
            batch: plan.batch,
            // Ids of one run must not meet those of another that the same daemon has seen.
            next_id: AtomicU64::new(Timestamp::now().as_microsecond().unsigned_abs()),
        }
    }

    /// How the carriers behave now.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no holder of the faults panics")
    }

    /// Where callbacks go that no submit names a place for.
    pub fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .expect("no holder of the addresses panics")
    }

    /// The server that all callbacks go to, whatever their URL says.
    pub fn deliver_to(&self) -> MutexGuard<'_, Option<Target>> {
        self.deliver_to
            .lock()
            .expect("no holder of the target panics")
    }

    /// The messages that can be asked for.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder of the book panics")
    }

    /// A number that no other message has.
    pub fn number(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// A new id as the protocol has them.
    pub fn message_id(&self, protocol: Protocol) -> String {
        let number = self.number();
        match protocol {
            // The last two digits are left to the events of a message.
            Protocol::Telnyx => format!(
                "{:08x}-{:04x}-4{:03x}-8000-{:010x}00",
                number >> 32,
                number >> 16 & 0xffff,
                number >> 4 & 0xfff,
                number & 0xffff_ffff
            ),
            Protocol::Twilio => format!("SM{number:032x}"),
            Protocol::WhatsApp => whatsapp::message_id(number),
            Protocol::Smpp => number.to_string(),
        }
    }

    /// Takes a place on the agenda, or counts what has none as dropped.
    pub fn has_place(&self, protocol: Protocol) -> bool {
        let has = self.agenda.take_place();
        if !has {
            self.counts.add(protocol, |counts| counts.dropped += 1);
        }
        has
    }

    /// Sends the receipt of an HTTP carrier at once and waits, within bounds, until the daemon has answered it.
    pub async fn tell_early(&self, record: &Arc<Record>, event: Event) {
        if !self.has_place(record.protocol) {
            return;
        }
        let (heard, answer) = oneshot::channel();
        let mut posts = self.callbacks(vec![(Arc::clone(record), event)]);
        if let Some(mut post) = posts.pop() {
            post.heard = Some(heard);
            self.posts.push(post);
            let wait = Duration::from_millis(EARLY_WAIT_MS_MAX);
            // A daemon that does not answer early receipts delays its own answer, not more.
            let _ = tokio::time::timeout(wait, answer).await;
        }
    }

    /// Makes the callbacks that tell of events of HTTP carriers, and counts them.
    pub fn callbacks(&self, told: Vec<(Arc<Record>, Event)>) -> Vec<Post> {
        let mut posts = Vec::new();
        let mut whatsapps = Vec::new();
        for (record, event) in told {
            self.counts
                .add(record.protocol, |counts| counts.receipts += 1);
            let repeat = record.told() >= event && event > Event::Sent;
            record.tell(event);
            match record.protocol {
                Protocol::Telnyx => posts.push(telnyx::receipt(&record, event, repeat)),
                Protocol::Twilio => posts.push(twilio::receipt(&record, event)),
                Protocol::WhatsApp => whatsapps.push((record, event)),
                Protocol::Smpp => unreachable!("receipts by SMPP are no callbacks"),
            }
        }
        if !whatsapps.is_empty() {
            let addresses = self.addresses();
            let url = addresses.callback.clone().unwrap_or_default();
            posts.extend(whatsapp::receipts(
                &url,
                |account| addresses.display_number(account),
                &whatsapps,
                self.batch,
            ));
        }
        posts
    }

    fn callback_of(&self, record: &Record) -> String {
        match record.protocol {
            Protocol::WhatsApp => self.addresses().callback.clone().unwrap_or_default(),
            _ => record.submitted.callback.to_string(),
        }
    }

    /// The server that a callback URL leads to; `None` when there is none. Answers are remembered.
    pub fn destination(&self, url: &str) -> Option<Target> {
        if let Some(target) = self.deliver_to().as_ref() {
            return Some(target.clone());
        }
        let (scheme, authority, _) = split_url(url)?;
        let mut targets = self
            .targets
            .lock()
            .expect("no holder of the targets panics");
        if let Some(known) = targets.get(authority) {
            return known.clone();
        }
        let origin = format!("{scheme}://{authority}");
        let target = Target::parse(&origin)
            .inspect_err(|error| eprintln!("callbacks to {origin} are dropped: {error}"))
            .ok();
        if targets.len() == TARGETS_KEPT_MAX {
            targets.pop_first();
        }
        targets.insert(authority.to_owned(), target.clone());
        target
    }

    /// Performs what falls due, for as long as the carriers run.
    pub async fn run_agenda(self: Arc<Self>) {
        loop {
            let mut told = Vec::new();
            for due in self.agenda.due().await {
                match due {
                    Due::Tell(record, event) if record.protocol == Protocol::Smpp => {
                        self.counts
                            .add(Protocol::Smpp, |counts| counts.receipts += 1);
                        record.tell(event);
                        self.esmes.send(Outbound::receipt(record, event));
                    }
                    Due::Tell(record, event) => told.push((record, event)),
                    Due::Post(post) => self.posts.push(*post),
                    Due::Deliver(outbound) => self.esmes.send(outbound),
                }
            }
            for post in self.callbacks(told) {
                self.posts.push(post);
            }
            // Everything due was handed on: the tasks that send it run before the next look.
            tokio::task::yield_now().await;
        }
    }
}
