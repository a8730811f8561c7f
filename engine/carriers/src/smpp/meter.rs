//! What an SMPP carrier counts for operators. The label `carrier` is its name in the settings; every other
//! label is from a closed list.

use metrics::{Counter, Gauge, counter, gauge};

use super::wire::command;

/// PDUs by kind; the last stands for every other.
const KINDS: [(u32, &str); 10] = [
    (command::SUBMIT_SM, "submit_sm"),
    (command::SUBMIT_SM | command::RESPONSE, "submit_sm_resp"),
    (command::DELIVER_SM, "deliver_sm"),
    (command::DELIVER_SM | command::RESPONSE, "deliver_sm_resp"),
    (command::DATA_SM, "data_sm"),
    (command::QUERY_SM | command::RESPONSE, "query_sm_resp"),
    (command::ENQUIRE_LINK, "enquire_link"),
    (
        command::ENQUIRE_LINK | command::RESPONSE,
        "enquire_link_resp",
    ),
    (command::GENERIC_NACK, "generic_nack"),
    (u32::MAX, "other"),
];

/// The metrics of one carrier, looked up once: they go to the recorder installed by then.
pub(super) struct Meter {
    /// Sessions that are bound.
    pub bound: Gauge,
    /// `submit_sm` without an answer, over all sessions.
    pub unanswered: Gauge,
    /// How many `submit_sm` may be without an answer, over all sessions.
    pub window: Gauge,
    /// Messages that wait for room in a window.
    pub queued: Gauge,
    /// How long the first of them waits, in seconds.
    pub queued_age: Gauge,
    /// Deliveries that are not durable yet.
    pub undurable: Gauge,
    /// Sessions that ended otherwise than by our leave.
    pub reconnects: Counter,
    /// Binds that the SMSC refused.
    pub bind_refusals: Counter,
    /// Answers that took longer than they may.
    pub late: Counter,
    /// Submits that the SMSC throttled.
    pub throttled: Counter,
    received: [Counter; KINDS.len()],
}

impl Meter {
    /// Looks the metrics up.
    pub(super) fn new(carrier: &str) -> Meter {
        let gauge = |name: &'static str| gauge!(name, "carrier" => carrier.to_owned());
        let counter = |name: &'static str| counter!(name, "carrier" => carrier.to_owned());
        Meter {
            bound: gauge("didfarm_smpp_bound_sessions"),
            unanswered: gauge("didfarm_smpp_unanswered_submits"),
            window: gauge("didfarm_smpp_window_submits"),
            queued: gauge("didfarm_smpp_queue_messages"),
            queued_age: gauge("didfarm_smpp_queue_oldest_seconds"),
            undurable: gauge("didfarm_smpp_undurable_deliveries"),
            reconnects: counter("didfarm_smpp_reconnects_total"),
            bind_refusals: counter("didfarm_smpp_bind_refusals_total"),
            late: counter("didfarm_smpp_late_answers_total"),
            throttled: counter("didfarm_smpp_throttled_submits_total"),
            received: KINDS.map(|(_, kind)| {
                counter!("didfarm_smpp_received_pdus_total", "carrier" => carrier.to_owned(), "kind" => kind)
            }),
        }
    }

    /// Counts a PDU that came.
    pub(super) fn received(&self, command: u32) {
        let place = KINDS.iter().position(|(known, _)| *known == command);
        self.received[place.unwrap_or(KINDS.len() - 1)].increment(1);
    }
}
