//! A message as a carrier knows it, and what is still to be told of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;
use didfarm_core::segments;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::peers::Fate;

/// The most messages that can be asked for unless another number is given; older ones are forgotten, their receipts
/// come all the same.
pub const MESSAGES_KEPT_DEFAULT: usize = 200_000;
/// The most messages that can be kept at all.
pub const MESSAGES_KEPT_MAX: usize = 10_000_000;

/// A protocol that the carriers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Telnyx messaging API v2.
    Telnyx,
    /// Twilio Messages API 2010-04-01.
    Twilio,
    /// Meta's WhatsApp Cloud API.
    WhatsApp,
    /// SMPP 3.4.
    Smpp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 4] = [
        Protocol::Telnyx,
        Protocol::Twilio,
        Protocol::WhatsApp,
        Protocol::Smpp,
    ];
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Event {
    /// The carrier has it and nothing was told yet.
    Taken = 0,
    /// Handed to the network.
    Sent = 1,
    /// Will not arrive.
    Failed = 2,
    /// Has arrived.
    Delivered = 3,
    /// Was read.
    Read = 4,
}

/// What a submit asked for.
#[derive(Debug, Clone, Default)]
pub struct Submitted {
    /// Who submits: account SID, phone number id or system id.
    pub account: Box<str>,
    /// The sender as it was written.
    pub from: Box<str>,
    /// The recipient as it was written.
    pub to: Box<str>,
    /// The text.
    pub body: Box<str>,
    /// Where receipts go; empty for nowhere.
    pub callback: Box<str>,
    /// Where a receipt's repeat goes; empty for the same place.
    pub failover: Box<str>,
    /// What receipts have to say back: `biz_opaque_callback_data`, or the tags as JSON.
    pub echo: Box<str>,
}

/// A message that a carrier took.
#[derive(Debug)]
pub struct Record {
    /// How it came.
    pub protocol: Protocol,
    /// The id that the carrier gave it.
    pub id: Box<str>,
    /// What was asked for.
    pub submitted: Submitted,
    /// How many segments it takes.
    pub segments: u16,
    /// When it was taken.
    pub taken_at: Timestamp,
    told: AtomicU8,
}

impl Record {
    /// A message that was just taken.
    pub fn new(protocol: Protocol, id: String, submitted: Submitted) -> Self {
        Self {
            protocol,
            id: id.into(),
            segments: segments::count(&submitted.body).segments.max(1),
            submitted,
            taken_at: Timestamp::now(),
            told: AtomicU8::new(Event::Taken as u8),
        }
    }

    /// Notes that a receipt has left.
    pub fn tell(&self, event: Event) {
        self.told.fetch_max(event as u8, Ordering::Relaxed);
    }

    /// The furthest that was told.
    pub fn told(&self) -> Event {
        match self.told.load(Ordering::Relaxed) {
            1 => Event::Sent,
            2 => Event::Failed,
            3 => Event::Delivered,
            4 => Event::Read,
            _ => Event::Taken,
        }
    }

    /// The receipts of a message with this fate, in order.
    pub fn events(&self, fate: Fate, read: bool) -> &'static [Event] {
        let sms_center = self.protocol == Protocol::Smpp;
        match (fate, sms_center, read) {
            (Fate::NeverReceipted | Fate::RefusedAtSubmit | Fate::NeverAnswered, ..) => &[],
            (Fate::FailedByReceipt, true, _) => &[Event::Failed],
            (Fate::FailedByReceipt, false, _) => &[Event::Sent, Event::Failed],
            (_, true, _) => &[Event::Delivered],
            (_, false, true) => &[Event::Sent, Event::Delivered, Event::Read],
            (_, false, false) => &[Event::Sent, Event::Delivered],
        }
    }
}

/// The latest messages by their ids, for whoever asks.
#[derive(Debug)]
pub struct Book {
    kept_max: usize,
    by_id: HashMap<Box<str>, Arc<Record>>,
    order: VecDeque<Arc<Record>>,
}

impl Book {
    /// An empty book for at most this many messages.
    pub fn new(kept_max: usize) -> Self {
        Self {
            kept_max: kept_max.min(MESSAGES_KEPT_MAX),
            by_id: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Notes a message, forgetting the oldest if there are too many.
    pub fn note(&mut self, record: &Arc<Record>) {
        if self.order.len() >= self.kept_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest.id);
        }
        self.by_id.insert(record.id.clone(), Arc::clone(record));
        self.order.push_back(Arc::clone(record));
    }

    /// The message by its id.
    pub fn find(&self, id: &str) -> Option<Arc<Record>> {
        self.by_id.get(id).cloned()
    }

    /// The messages, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.order.iter().rev()
    }
}
