//! The stock of a flood: requests made and signed ahead, in the order in which they are sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::CarrierMessageId;

use super::order::{Told, order};
use super::{FloodPlan, InboundPlan, known};
use crate::capture::Kind;
use crate::carriers::post::Post;
use crate::carriers::record::{Event, Record};
use crate::carriers::{telnyx, twilio, whatsapp};
use crate::dice::Dice;
use crate::gate::Pace;
use crate::outcome::Outcome;
use crate::signature::Keys;

/// The most bytes that a stock may take.
pub const STOCK_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;
/// The longest flood of Telnyx callbacks: their signatures are dated, and hold for five minutes.
pub const TELNYX_DURATION_MAX: Duration = Duration::from_secs(240);
/// The Twilio account of inbound messages.
const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";

/// Why there is no stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// The signatures would be too old before the end.
    #[error(
        "a flood of telnyx callbacks lasts 240 s at most, as their signatures are dated; make it shorter"
    )]
    TelnyxDuration,
    /// The batch is out of bounds.
    #[error("a batch has 1 to 1000 statuses, and only whatsapp has batches; give another")]
    Batch,
}

/// One request and what has to come of it.
#[derive(Debug)]
pub struct Loaded {
    /// The request, byte for byte.
    pub bytes: Box<[u8]>,
    /// Statuses and messages in it.
    pub items: u32,
    /// Whether its signature is right.
    pub genuine: bool,
}

/// Requests in the order in which they are sent.
#[derive(Debug, Default)]
pub struct Stock {
    /// The requests.
    pub requests: Vec<Loaded>,
    /// The states that messages end in once all of it was taken.
    pub outcomes: Vec<Outcome>,
    /// The texts of the inbound messages, each of which has to be stored once.
    pub inbound: Vec<String>,
    /// Whether it ends before the planned time, for want of messages or of memory.
    pub cut: bool,
}

impl Stock {
    /// Adds one genuine request at the end.
    pub(super) fn push(&mut self, plan: &FloodPlan, post: &Post) {
        self.add(post, &plan.keys, true);
    }

    /// Adds a request and returns its length in bytes.
    fn add(&mut self, post: &Post, keys: &Keys, genuine: bool) -> usize {
        let bytes = post.request(keys).expect("the public address was checked");
        let length = bytes.len();
        self.requests.push(Loaded {
            bytes: bytes.into(),
            items: post.items as u32,
            genuine,
        });
        length
    }
}

/// Makes the stock of a flood about these messages.
///
/// # Errors
/// [`StockError`] when the plan cannot be carried out.
pub fn make(plan: &FloodPlan, records: &[Arc<Record>]) -> Result<Stock, StockError> {
    if plan.kind == Kind::Telnyx && plan.duration > TELNYX_DURATION_MAX {
        return Err(StockError::TelnyxDuration);
    }
    let batch_max = if plan.kind == Kind::WhatsApp {
        1_000
    } else {
        1
    };
    if !(1..=batch_max).contains(&plan.batch) {
        return Err(StockError::Batch);
    }
    let requests_max = match plan.pace {
        Pace::Open { rate_per_second } => {
            (rate_per_second * plan.duration.as_secs_f64()).round() as usize
        }
        Pace::Closed => usize::MAX,
    };
    let mut maker = Maker {
        plan,
        records,
        dice: Dice::new(plan.seed),
        wrong: wrong_keys(),
        batch: Vec::with_capacity(plan.batch),
        claims: HashMap::new(),
        inbound: Vec::new(),
        stock: Stock::default(),
        bytes: 0,
        requests_max,
    };
    let messages = u32::try_from(records.len()).unwrap_or(u32::MAX);
    for told in order(plan, messages, &maker.dice) {
        if maker.is_full() {
            break;
        }
        maker.tell(told);
    }
    maker.send_batch();
    Ok(maker.finish())
}

struct Maker<'a> {
    plan: &'a FloodPlan,
    records: &'a [Arc<Record>],
    dice: Dice,
    wrong: Keys,
    batch: Vec<(Arc<Record>, Event)>,
    claims: HashMap<u32, Vec<Claim>>,
    inbound: Vec<u32>,
    stock: Stock,
    bytes: usize,
    requests_max: usize,
}

impl Maker<'_> {
    fn is_full(&self) -> bool {
        self.stock.requests.len() >= self.requests_max || self.bytes >= STOCK_BYTES_MAX
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Status(place, event) => {
                let record = Arc::clone(&self.records[place as usize]);
                self.claims.entry(place).or_default().push(claim(event));
                self.batch.push((record, event));
            }
            Told::Unknown(nth, event) => {
                // Past those that a made-up flood is about.
                let nth = known::MESSAGES_MAX as u64 + u64::from(nth);
                self.batch.push((known::unknown(self.plan, nth), event));
            }
            Told::Inbound(nth) => {
                self.inbound.push(nth);
                let post = inbound(self.plan, nth);
                self.push(&post, true);
            }
        }
        if self.batch.len() == self.plan.batch {
            self.send_batch();
        }
    }

    fn send_batch(&mut self) {
        let told = std::mem::take(&mut self.batch);
        for post in posts(self.plan, &told) {
            self.push(&post, true);
        }
        if !told.is_empty() && self.dice.falls(self.beside(self.plan.shares.bad_signature)) {
            let place = self.dice.below(self.records.len() as u64) as usize;
            let lie = [(Arc::clone(&self.records[place]), Event::Failed)];
            for post in posts(self.plan, &lie) {
                self.push(&post, false);
            }
        }
    }

    fn beside(&self, share: f64) -> f64 {
        share / (1.0 - share).max(f64::EPSILON)
    }

    fn push(&mut self, post: &Post, genuine: bool) {
        let keys = if genuine {
            &self.plan.keys
        } else {
            &self.wrong
        };
        self.bytes += self.stock.add(post, keys, genuine);
    }

    fn finish(mut self) -> Stock {
        let wanted = match self.plan.pace {
            Pace::Open { .. } => self.requests_max,
            Pace::Closed => 0,
        };
        self.stock.cut = self.stock.requests.len() < wanted || self.bytes >= STOCK_BYTES_MAX;
        for (place, claims) in self.claims {
            let record = &self.records[place as usize];
            if let Some(message) = message_of(self.plan, record) {
                let id = CarrierMessageId(record.id.clone());
                let claims: Vec<_> = claims
                    .into_iter()
                    .map(|claim| (id.clone(), claim))
                    .collect();
                self.stock.outcomes.push(Outcome::of(message, &claims));
            }
        }
        self.inbound.sort_unstable();
        self.inbound.dedup();
        self.stock.inbound = self
            .inbound
            .iter()
            .map(|nth| text(self.plan, *nth))
            .collect();
        self.stock
    }
}

/// The daemon's id of a message, where its callbacks name it.
pub(super) fn message_of(plan: &FloodPlan, record: &Record) -> Option<String> {
    let named = match plan.kind {
        Kind::WhatsApp => &*record.submitted.echo,
        Kind::Telnyx | Kind::Twilio => record.submitted.callback.rsplit_once("/status/")?.1,
    };
    (!named.is_empty()).then(|| named.to_owned())
}

fn claim(event: Event) -> Claim {
    match event {
        Event::Taken | Event::Sent => Claim::EnRoute,
        Event::Failed => Claim::Failed,
        Event::Delivered => Claim::Delivered,
        Event::Read => Claim::Read,
    }
}

fn posts(plan: &FloodPlan, told: &[(Arc<Record>, Event)]) -> Vec<Post> {
    match plan.kind {
        Kind::Telnyx => told
            .iter()
            .map(|(record, event)| telnyx::receipt(record, *event, false))
            .collect(),
        Kind::Twilio => told
            .iter()
            .map(|(record, event)| twilio::receipt(record, *event))
            .collect(),
        Kind::WhatsApp => {
            let display = |_: &str| plan.inbound.to.trim_start_matches('+').to_owned();
            whatsapp::receipts(&plan.callback_url(), display, told, plan.batch)
        }
    }
}

/// The text of an inbound message: no two runs have the same.
fn text(plan: &FloodPlan, nth: u32) -> String {
    format!("Load test inbound {:x}-{nth}", plan.seed)
}

fn inbound(plan: &FloodPlan, nth: u32) -> Post {
    let peer = plan.inbound.peer_base + u64::from(nth) % plan.inbound.peers.max(1);
    inbound_from(plan, peer, nth, &text(plan, nth))
}

/// The callback that brings an inbound message from a peer; the same number makes the same carrier id.
pub(super) fn inbound_from(plan: &FloodPlan, peer: u64, nth: u32, text: &str) -> Post {
    let (url, from) = (plan.callback_url(), format!("+{peer}"));
    let InboundPlan {
        to,
        phone_number_id,
        ..
    } = &plan.inbound;
    match plan.kind {
        Kind::Telnyx => {
            let id = format!("{:08x}-beef-4000-8000-{nth:010x}00", plan.seed as u32);
            telnyx::inbound(&url, &id, &from, to, text, 1)
        }
        Kind::Twilio => {
            let sid = format!("SM{:015x}f{nth:016x}", plan.seed & 0x0fff_ffff_ffff_ffff);
            twilio::inbound(&url, TWILIO_ACCOUNT, &sid, &from, to, text, 1)
        }
        Kind::WhatsApp => {
            let id = format!("wamid.inbound-{:x}-{nth}", plan.seed);
            let display = to.trim_start_matches('+');
            whatsapp::inbound(&url, phone_number_id, display, &id, &from, text)
        }
    }
}

/// Keys that no daemon has.
fn wrong_keys() -> Keys {
    let mut keys = Keys::default();
    keys.twilio = "not the token".into();
    keys.whatsapp = "not the secret".into();
    keys.set_telnyx("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
        .expect("it is base64 of 32 bytes");
    keys
}
