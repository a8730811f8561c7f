//! What `[webhooks]` may be.

use super::rule::{milliseconds, rule, text_or_nothing, whole};
use super::{MINUTE_MS, Rule, THREADS_MAX};
use crate::allowed::{Allowed, TEXT_CHARS_MAX};

/// The most networks, which every connection's addresses are held against one by one.
const NETWORKS_MAX: usize = 100;
/// The most attempts at once: each has a socket of its own.
const ATTEMPTS_MAX: i64 = 65_536;
/// The longest overlap of a rotation, in hours: 30 days.
const OVERLAP_HOURS_MAX: i64 = 720;
/// The longest time that an endpoint may fail, in hours: a year.
const FAILING_HOURS_MAX: i64 = 8_760;
/// The longest time that events are kept, in days: a year.
const EVENT_DAYS_MAX: i64 = 365;

/// `[webhooks]`.
pub(super) const WEBHOOKS: &[Rule] = &[
    rule(
        "allowed_networks",
        Allowed::Texts {
            each: &Allowed::Network,
            entries_max: NETWORKS_MAX,
        },
    ),
    milliseconds("timeout_ms", 10, MINUTE_MS),
    milliseconds("connect_timeout_ms", 10, MINUTE_MS),
    whole("in_flight_max", "attempts", 1, ATTEMPTS_MAX),
    whole("endpoint_in_flight_max", "attempts", 1, ATTEMPTS_MAX),
    whole("client_threads", "threads", 1, THREADS_MAX),
    whole("rotation_overlap_hours", "hours", 0, OVERLAP_HOURS_MAX),
    whole("failing_hours_max", "hours", 1, FAILING_HOURS_MAX),
    whole("event_days", "days", 1, EVENT_DAYS_MAX),
    rule("extra_root_certificates", text_or_nothing(TEXT_CHARS_MAX)),
];
