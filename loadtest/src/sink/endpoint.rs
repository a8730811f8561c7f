//! What one path of the sink has received: counts, webhook-ids, the order of each conversation, latency.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::payload::Payload;
use super::report::{Counts, EndpointReport};
use super::verifier::Seal;
use crate::report::LatencyReport;
use crate::tally::microseconds;

/// One request, read and judged.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its `webhook-id`, if it has one.
    pub id: Option<&'a str>,
    /// What came of its signature; absent without a secret.
    pub seal: Option<Seal>,
    /// What its payload says; absent when that cannot be read.
    pub payload: Option<Payload<'a>>,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When it was there whole, in microseconds since 1970.
    pub at_us: u64,
}

/// How many more webhook-ids and conversations there is room for, over all paths.
#[derive(Debug)]
pub struct Room {
    /// Webhook-ids.
    pub ids: usize,
    /// Conversations.
    pub conversations: usize,
}

#[derive(Debug, Default)]
struct Seen {
    requests: u32,
    succeeded: bool,
}

/// One path.
#[derive(Debug, Default)]
pub struct Endpoint {
    counts: Counts,
    seen: HashMap<Box<str>, Seen>,
    /// The highest webhook-id that came of each conversation.
    newest: HashMap<Box<str>, String>,
    latency: Option<Histogram<u64>>,
}

impl Endpoint {
    /// Counts a request, and says the how manieth of its webhook-id it is; 1 when the id is not known again.
    pub fn arrive(&mut self, arrival: &Arrival<'_>, room: &mut Room) -> u32 {
        let counts = &mut self.counts;
        counts.requests += 1;
        counts.body_bytes += arrival.body_bytes as u64;
        counts.bad_signatures += u64::from(arrival.seal == Some(Seal::Wrong));
        counts.stale += u64::from(arrival.seal == Some(Seal::Stale));
        counts.unreadable += u64::from(arrival.payload.is_none());
        counts.first_us.get_or_insert(arrival.at_us);
        counts.last_us = Some(arrival.at_us);
        counts.in_flight += 1;
        counts.in_flight_max = counts.in_flight_max.max(counts.in_flight);
        let nth = self.recognise(arrival.id, room);
        if nth == 1
            && let Some(payload) = &arrival.payload
        {
            self.time(payload, arrival.at_us);
            self.order(payload, arrival.id, room);
        }
        nth
    }

    fn recognise(&mut self, id: Option<&str>, room: &mut Room) -> u32 {
        let counts = &mut self.counts;
        let Some(id) = id else {
            counts.without_id += 1;
            return 1;
        };
        if let Some(seen) = self.seen.get_mut(id) {
            seen.requests = seen.requests.saturating_add(1);
            counts.duplicates += 1;
            counts.doubled += u64::from(seen.succeeded);
            return seen.requests;
        }
        if room.ids == 0 {
            counts.unkept += 1;
            return 1;
        }
        room.ids -= 1;
        let seen = Seen {
            requests: 1,
            succeeded: false,
        };
        self.seen.insert(id.into(), seen);
        counts.unique_ids += 1;
        1
    }

    fn time(&mut self, payload: &Payload<'_>, at_us: u64) {
        if let Some(made_at_us) = payload.made_at_us {
            let latency = self.latency.get_or_insert_with(microseconds);
            latency.saturating_record(at_us.saturating_sub(made_at_us));
        }
    }

    /// Counts an inversion when a later event of the conversation was here first: ids are of one length, and sort as
    /// the events happened.
    fn order(&mut self, payload: &Payload<'_>, id: Option<&str>, room: &mut Room) {
        let Some((conversation, id)) = payload.conversation_id.as_deref().zip(id) else {
            return;
        };
        match self.newest.get_mut(conversation) {
            Some(newest) if id < newest.as_str() => self.counts.inversions += 1,
            Some(newest) => {
                newest.clear();
                newest.push_str(id);
            }
            None if room.conversations == 0 => self.counts.unordered += 1,
            None => {
                room.conversations -= 1;
                self.counts.conversations += 1;
                self.newest.insert(conversation.into(), id.to_owned());
            }
        }
    }

    /// One of the requests that arrived is over: its sender has its status, or is gone.
    pub fn leave(&mut self, id: Option<&str>, succeeded: bool) {
        self.counts.in_flight -= 1;
        self.counts.succeeded += u64::from(succeeded);
        let seen = id.and_then(|id| self.seen.get_mut(id));
        if let Some(seen) = seen.filter(|_| succeeded) {
            seen.succeeded = true;
        }
    }

    /// The webhook-ids that came, each once, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.seen.keys().map(|id| &**id)
    }

    /// Adds what another path has counted; neither its webhook-ids nor its conversations come along.
    pub fn add_figures(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        if let Some(latency) = &other.latency {
            let sum = self.latency.get_or_insert_with(microseconds);
            sum.add(latency)
                .expect("all histograms have the same bounds");
        }
    }

    /// The figures.
    pub fn report(&self) -> EndpointReport {
        EndpointReport {
            counts: self.counts,
            timed: self.latency.as_ref().map_or(0, Histogram::len),
            latency: self.latency.as_ref().map(LatencyReport::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(endpoint: &mut Endpoint, room: &mut Room, id: &str, body: &str, at_us: u64) -> u32 {
        let arrival = Arrival {
            id: Some(id),
            seal: None,
            payload: Payload::read(body.as_bytes()),
            body_bytes: body.len(),
            at_us,
        };
        endpoint.arrive(&arrival, room)
    }

    const WIDE: Room = Room {
        ids: 100,
        conversations: 100,
    };

    #[test]
    fn order_is_judged_per_conversation_and_by_first_arrivals_only() {
        let (mut endpoint, mut room) = (Endpoint::default(), WIDE);
        let (a, b) = (r#"{"conversation_id":"a"}"#, r#"{"conversation_id":"b"}"#);
        for (id, conversation) in [
            ("evt_2", a),
            ("evt_1", b),
            ("evt_4", a),
            ("evt_2", a), // comes again: no inversion
            ("evt_3", a), // comes late
            ("evt_5", b),
        ] {
            arrive(&mut endpoint, &mut room, id, conversation, 0);
        }
        let counts = endpoint.report().counts;
        assert_eq!((counts.conversations, counts.inversions), (2, 1));
        assert_eq!((counts.unique_ids, counts.duplicates), (5, 1));
    }

    #[test]
    fn a_repeat_is_doubled_only_behind_a_success() {
        let (mut endpoint, mut room) = (Endpoint::default(), WIDE);
        for (nth, succeeded) in [(1, false), (2, true), (3, true)] {
            assert_eq!(arrive(&mut endpoint, &mut room, "evt_1", "{}", 0), nth);
            endpoint.leave(Some("evt_1"), succeeded);
        }
        let counts = endpoint.report().counts;
        assert_eq!((counts.requests, counts.succeeded), (3, 2));
        assert_eq!((counts.duplicates, counts.doubled), (2, 1));
        assert_eq!((counts.in_flight, counts.in_flight_max), (0, 1));
    }

    #[test]
    fn latency_is_from_the_marker_to_the_first_arrival() {
        let (mut endpoint, mut room) = (Endpoint::default(), WIDE);
        let body = r#"{"body":"hello t=1000000"}"#;
        arrive(&mut endpoint, &mut room, "evt_1", body, 1_003_000);
        arrive(&mut endpoint, &mut room, "evt_1", body, 9_000_000);
        arrive(&mut endpoint, &mut room, "evt_2", "{}", 9_000_000);
        let report = endpoint.report();
        assert_eq!(
            (report.timed, report.latency.unwrap().p50_ms.round()),
            (1, 3.0)
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_not_kept() {
        let mut endpoint = Endpoint::default();
        let mut room = Room {
            ids: 2,
            conversations: 1,
        };
        for nth in 0..5 {
            let (id, body) = (
                format!("evt_{nth}"),
                format!(r#"{{"conversation_id":"{nth}"}}"#),
            );
            arrive(&mut endpoint, &mut room, &id, &body, 0);
        }
        let counts = endpoint.report().counts;
        assert_eq!((counts.unique_ids, counts.unkept), (2, 3));
        assert_eq!((counts.conversations, counts.unordered), (1, 4));
        assert_eq!((endpoint.ids().count(), endpoint.newest.len()), (2, 1));
    }
}
