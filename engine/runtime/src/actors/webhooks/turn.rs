//! What the supervisor lends to an endpoint's actor for one turn.

use didfarm_config::Settings;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, EndpointId, EventId, NumberId};
use didfarm_core::mail::MailKind;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::AttemptClass;
use didfarm_core::webhook::endpoint::DisableCause;
use didfarm_webhooks::{EndpointUrl, UrlError};

use super::batch::Batch;
use super::job::Job;
use super::materials::Materials;
use super::moment::Moment;
use super::question::Question;
use crate::offers::Offer;

const HOUR_MS: u64 = 3_600_000;
/// Items of one endpoint that are in memory at most.
const ENDPOINT_QUEUE_MAX: usize = 4_096;

/// The bounds of the settings, and those of memory.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) in_flight_max: usize,
    pub(super) endpoint_in_flight_max: usize,
    pub(super) queue_max: usize,
    pub(super) failing_ms_max: u64,
    pub(super) event_age_ms: u64,
    pub(super) overlap_ms: u64,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Limits {
        let webhooks = &settings.webhooks;
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Limits {
            in_flight_max: webhooks.in_flight_max,
            endpoint_in_flight_max: webhooks.endpoint_in_flight_max,
            queue_max: ENDPOINT_QUEUE_MAX,
            failing_ms_max: ms(webhooks.failing_max()),
            event_age_ms: ms(webhooks.event_age_max()).max(HOUR_MS),
            overlap_ms: ms(webhooks.rotation_overlap()),
        }
    }
}

/// Attempts at once beyond the share that each endpoint has of its own.
#[derive(Debug)]
pub(super) struct Pool {
    taken: usize,
    max: usize,
}

impl Pool {
    pub(super) fn new(max: usize) -> Pool {
        Pool { taken: 0, max }
    }

    /// Whether there is so little room that slow endpoints are held back.
    pub(super) fn is_crowded(&self) -> bool {
        self.taken * 4 > self.max
    }

    pub(super) fn has_room(&self) -> bool {
        self.taken < self.max
    }

    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    pub(super) fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}

/// Throws dice: a small generator, for jitter alone.
#[derive(Debug)]
pub(super) struct Die(u64);

impl Die {
    pub(super) fn seeded(seed: u64) -> Die {
        Die(seed | 1)
    }

    /// A random number (xorshift64*).
    pub(super) fn throw(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }
}

/// What the supervisor needs of the engine around it.
pub(super) trait Outside {
    /// An event id behind every one before.
    fn event_id(&self, now: Timestamp) -> EventId;
    /// How far event ids run ahead of their time, in milliseconds.
    fn ids_ahead_ms(&self, now: Timestamp) -> u64;
    /// A mail to an account, if it has an address.
    fn mail(&self, at: Timestamp, account: AccountId, kind: MailKind) -> Option<Offer>;
    /// One of our numbers.
    fn number(&self, id: NumberId) -> Option<E164>;
    /// A URL that an endpoint may have now.
    fn url(&self, text: &str) -> Result<EndpointUrl, UrlError>;
}

/// Something that others are to be told of, in the same entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice {
    /// An endpoint was disabled by itself.
    Disabled(EndpointId, DisableCause),
    /// The account is to be mailed that an event was exhausted.
    Exhausted {
        endpoint: EndpointId,
        event: EventId,
        class: AttemptClass,
        status: Option<u16>,
    },
}

/// What the supervisor lends.
pub(super) struct Turn<'a> {
    pub(super) now: Moment,
    pub(super) limits: &'a Limits,
    pub(super) outside: &'a dyn Outside,
    pub(super) batch: &'a mut Batch,
    pub(super) pool: &'a mut Pool,
    pub(super) materials: &'a mut Materials,
    pub(super) die: &'a mut Die,
    pub(super) jobs: &'a mut Vec<Job>,
    pub(super) questions: &'a mut Vec<Question>,
    pub(super) notices: &'a mut Vec<Notice>,
}
