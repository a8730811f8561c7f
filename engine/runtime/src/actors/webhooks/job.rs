//! One attempt on its way: what a client is given, and what it gives back.

use std::sync::Arc;

use didfarm_core::ids::{EndpointId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::AttemptClass;

use super::face::Face;
use super::payload::Material;

/// Which attempt it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) endpoint: EndpointId,
    pub(crate) event: EventId,
    /// When it was due: the key of its row.
    pub(crate) due: Timestamp,
    /// Which attempt of the event at the endpoint, from 1.
    pub(crate) ordinal: u16,
    /// Attempts that failed before it since the event was put in line.
    pub(crate) failed: u16,
    pub(crate) is_manual: bool,
    /// When it was started, on the monotonic clock.
    pub(crate) started_at: Timestamp,
}

/// An attempt to make.
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    /// `None` when nothing may be sent to the endpoint's address any more.
    pub(crate) face: Option<Arc<Face>>,
    pub(crate) material: Arc<Material>,
}

/// An attempt that was made.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) ticket: Ticket,
    /// When it began, by the wall clock.
    pub(crate) at: Timestamp,
    pub(crate) duration_ms: u32,
    pub(crate) status: Option<u16>,
    pub(crate) class: AttemptClass,
    pub(crate) body_start: Box<str>,
    pub(crate) retry_after_ms: Option<u64>,
}
