//! What the sink reports, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::LatencyReport;

/// Counts of one path, or of all paths of one behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that came whole.
    pub requests: u64,
    /// Requests answered with 2xx, as far as their sender waited for it.
    pub succeeded: u64,
    /// Different webhook-ids.
    pub unique_ids: u64,
    /// Requests whose webhook-id had come before: retries, too.
    pub duplicates: u64,
    /// Those among the duplicates whose webhook-id had been answered with 2xx.
    pub doubled: u64,
    /// Requests without a webhook-id.
    pub without_id: u64,
    /// Requests whose webhook-id found no room: whether they are duplicates is not known.
    pub unkept: u64,
    /// Requests without a right signature; 0 without a secret.
    pub bad_signatures: u64,
    /// Requests rightly signed more than five minutes from the sink's time; 0 without a secret.
    pub stale: u64,
    /// Requests whose payload is no JSON object of a known form.
    pub unreadable: u64,
    /// Conversations.
    pub conversations: u64,
    /// Events that came behind a later one of their conversation.
    pub inversions: u64,
    /// Events whose conversation found no room: whether they are inversions is not known.
    pub unordered: u64,
    /// Bytes of all bodies.
    pub body_bytes: u64,
    /// Requests without an answer at present.
    pub in_flight: u64,
    /// The most requests without an answer at one time.
    pub in_flight_max: u64,
    /// When the first request came, in microseconds since 1970.
    pub first_us: Option<u64>,
    /// When the last request came, in microseconds since 1970.
    pub last_us: Option<u64>,
}

impl Counts {
    /// Adds those of another path; of `in_flight_max` the larger one stays.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.succeeded += other.succeeded;
        self.unique_ids += other.unique_ids;
        self.duplicates += other.duplicates;
        self.doubled += other.doubled;
        self.without_id += other.without_id;
        self.unkept += other.unkept;
        self.bad_signatures += other.bad_signatures;
        self.stale += other.stale;
        self.unreadable += other.unreadable;
        self.conversations += other.conversations;
        self.inversions += other.inversions;
        self.unordered += other.unordered;
        self.body_bytes += other.body_bytes;
        self.in_flight += other.in_flight;
        self.in_flight_max = self.in_flight_max.max(other.in_flight_max);
        self.first_us = self.first_us.into_iter().chain(other.first_us).min();
        // `None` is less than any time.
        self.last_us = self.last_us.max(other.last_us);
    }
}

/// The figures of one path, or of all paths of one behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EndpointReport {
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// First arrivals whose text says when it was made.
    pub timed: u64,
    /// From then to the arrival; absent when there are none.
    pub latency: Option<LatencyReport>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SinkReport {
    /// Connections that were opened.
    pub connections: u64,
    /// Requests that no endpoint took: unknown paths, other methods than POST, too many paths.
    pub unplayable: u64,
    /// Per path, without its query.
    pub paths: BTreeMap<String, EndpointReport>,
    /// Per first step of the path: `ok`, `slow`, ….
    pub kinds: BTreeMap<String, EndpointReport>,
}

/// One of the latest requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Where it came, without the query.
    pub path: String,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// `webhook-id`, empty if absent.
    pub webhook_id: String,
    /// `webhook-timestamp`, empty if absent.
    pub webhook_timestamp: String,
    /// `webhook-signature`, empty if absent.
    pub webhook_signature: String,
    /// `x-twilio-signature`, empty if absent.
    pub twilio_signature: String,
    /// The whole body's length, in bytes.
    pub body_bytes: usize,
    /// The beginning of the body.
    pub body: String,
}
