//! Sending: what a customer asks, what it costs, what comes back, and why not.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use didfarm_config::Settings;
use didfarm_core::abuse::stop::TrafficRange;
use didfarm_core::account::RateLimit;
use didfarm_core::channel::Channel;
use didfarm_core::content::Content;
use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{ConversationId, MessageId, NumberId, PoolId};
use didfarm_core::money::Micros;
use didfarm_core::peer::Peer;
use didfarm_core::price::PriceList;
use didfarm_core::refusal::Refusal;
use didfarm_core::segments::{Encoding, smart_encoded};
use didfarm_core::time::Timestamp;

/// Which of the account's numbers sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// By the number itself.
    Number(E164),
    /// By its id.
    Id(NumberId),
    /// One of a pool's.
    Pool(PoolId),
}

/// What a message is for, as far as it matters to when it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// It keeps the account's quiet hours.
    #[default]
    Normal,
    /// Somebody waits for it, as for a one-time password: quiet hours do not hold it.
    Otp,
}

impl Priority {
    /// Every priority.
    pub const ALL: [Priority; 2] = [Priority::Normal, Priority::Otp];

    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Normal => "normal",
            Priority::Otp => "otp",
        }
    }

    /// Reads the word of public JSON.
    pub fn parse(text: &str) -> Option<Priority> {
        Priority::ALL
            .into_iter()
            .find(|priority| priority.as_str() == text)
    }
}

/// One message to send. The body is within the product's bound.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// Our number.
    pub from: Sender,
    /// The peer.
    pub to: Peer,
    /// What is to carry it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// How long it may wait to be taken by a carrier; `None` for the settings' default.
    pub validity: Option<Duration>,
    /// When it is to be sent; `None` for at once.
    pub send_at: Option<Timestamp>,
    /// Whether quiet hours hold it.
    pub priority: Priority,
    /// Whether look-alikes from GSM-7 take the place of what forces UCS-2, where that is worth it.
    pub smart_encoding: bool,
    /// Where its status is told of it alone, as [`EngineHandle::status_url`](crate::EngineHandle::status_url)
    /// gave it.
    pub status_url: Option<Box<str>>,
}

impl SendRequest {
    /// Swaps look-alikes in, if that is asked for; says whether the text is another then.
    pub fn encode(&mut self) -> Option<bool> {
        if !self.smart_encoding {
            return None;
        }
        match smart_encoded(&self.body) {
            Cow::Borrowed(_) => Some(false),
            Cow::Owned(text) => {
                self.body = text.into();
                Some(true)
            }
        }
    }
}

/// An accepted message: durable before this value exists outside of the engine.
#[derive(Debug, Clone)]
pub struct SentMessage {
    /// Its id.
    pub id: MessageId,
    /// The conversation it joined.
    pub conversation: ConversationId,
    /// Our number's id.
    pub number: NumberId,
    /// Our number.
    pub from: E164,
    /// The peer.
    pub to: Peer,
    /// What carries it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// How the text is encoded.
    pub encoding: Encoding,
    /// How many segments it takes.
    pub segments: u16,
    /// What was charged.
    pub charge: Micros,
    /// Whether its text is another than was given, with look-alikes from GSM-7; `None` where nobody asked
    /// for that.
    pub smart_encoded: Option<bool>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it will be sent, if not at once.
    pub send_at: Option<Timestamp>,
    /// The account's limit after this message; `None` when its answer is told again.
    pub limit: Option<LimitState>,
}

impl SentMessage {
    /// The public status that it was accepted with.
    pub fn status(&self) -> Status {
        match self.send_at {
            Some(_) => Status::Scheduled,
            None => Status::Queued,
        }
    }
}

/// What a message of so many segments to this peer costs.
///
/// # Errors
/// [`Refusal::InsufficientBalance`] for what no wallet holds; `available` is what this one does.
pub(crate) fn charge(
    prices: &PriceList,
    to: &Peer,
    segments: u16,
    available: Micros,
) -> Result<Micros, Refusal> {
    let needed = prices.message(to, segments);
    needed.ok_or_else(|| Refusal::InsufficientBalance {
        needed: prices.segment(to),
        available,
    })
}

/// How long a message may wait to be taken by a carrier, in milliseconds; `asked` is bounded by the settings.
pub(crate) fn validity_ms(settings: &Settings, asked: Option<Duration>) -> u64 {
    let delivery = &settings.delivery;
    let asked_ms = asked.map(|asked| u64::try_from(asked.as_millis()).unwrap_or(u64::MAX));
    asked_ms
        .unwrap_or(delivery.validity_ms)
        .min(delivery.validity_max_ms)
}

/// What is left of an account's rate limit, for the `RateLimit` fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// The limit.
    pub limit: RateLimit,
    /// Messages that may go now.
    pub remaining: u32,
}

/// Why a message was not accepted. Nothing of it is kept but a counter.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A rule of the product forbids it; asking again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The account is over its rate limit; try again after the wait.
    #[error("the account's limit of {} messages per second is used up", limit.per_second)]
    RateLimited {
        /// The limit.
        limit: RateLimit,
        /// When the next message may go.
        wait: Duration,
    },
    /// The messages under way, or those of late, use up what may be sent to the range; try again.
    #[error("as many messages as may be sent to {range} are under way or were sent there of late")]
    PrefixBusy {
        /// The range.
        range: TrafficRange,
        /// When there is room, where no message is under way; `None` for shortly.
        wait: Option<Duration>,
    },
    /// The engine cannot take it now; try again after the wait.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the engine takes nothing at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// As many commands are under way as may be.
    #[error("as many requests are under way as the engine takes; try again shortly")]
    Busy,
    /// The disk has no room for new work; what is stored can be read.
    #[error("the disk is short of space: nothing new is accepted until there is room again")]
    DiskShort,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Draining,
    /// The number's actor failed too often and waits for an operator.
    #[error("the number is in quarantine after repeated faults; nothing is sent from it")]
    Quarantined,
    /// The actor that had the command failed before it was accepted.
    #[error("the request met a fault and was not accepted; it may be tried again")]
    Faulted,
    /// The records thread is too far behind the journal.
    #[error("the records are too far behind the journal; try again shortly")]
    RecordsBehind,
}
