//! The engine's metrics: handles made once, labels from closed sets only.

pub(crate) mod abuse;
pub(crate) mod auto_reply;
pub(crate) mod consent;
pub(crate) mod idempotency;
pub(crate) mod mails;
pub(crate) mod pools;
pub(crate) mod schedule;
pub(crate) mod webhooks;

use didfarm_carriers::SubmitAnswer;
use didfarm_core::channel::Channel;
use didfarm_core::delivery::Phase;
use didfarm_core::delivery::status::Status;
use didfarm_core::reason::Reason;
use didfarm_core::refusal::Refusal;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use self::abuse::StopMeter;
use self::auto_reply::AutoReplyMeter;
use self::consent::ConsentMeter;
use self::pools::PoolMeter;
use self::schedule::ScheduleMeter;
use crate::send::{SendError, Unavailable};

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiptOutcome {
    Moved,
    Duplicate,
    Contradiction,
    Late,
    AfterRefund,
    Parked,
    AgedOut,
}

impl ReceiptOutcome {
    const ALL: [(ReceiptOutcome, &'static str); 7] = [
        (ReceiptOutcome::Moved, "moved"),
        (ReceiptOutcome::Duplicate, "duplicate"),
        (ReceiptOutcome::Contradiction, "contradiction"),
        (ReceiptOutcome::Late, "late"),
        (ReceiptOutcome::AfterRefund, "after_refund"),
        (ReceiptOutcome::Parked, "parked"),
        (ReceiptOutcome::AgedOut, "aged_out"),
    ];
}

/// What a carrier answered to a submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerOutcome {
    Accepted,
    Refused,
    Throttled,
    NotTaken,
    NoAnswer,
    OutOfPlace,
}

impl AnswerOutcome {
    /// The outcome of an answer that is in place.
    pub(crate) fn of(answer: &SubmitAnswer) -> AnswerOutcome {
        match answer {
            SubmitAnswer::Accepted(_) => AnswerOutcome::Accepted,
            SubmitAnswer::Refused(_) => AnswerOutcome::Refused,
            SubmitAnswer::NotTaken(Reason::Throttled) => AnswerOutcome::Throttled,
            SubmitAnswer::NotTaken(_) => AnswerOutcome::NotTaken,
            SubmitAnswer::NoAnswer => AnswerOutcome::NoAnswer,
        }
    }

    const ALL: [(AnswerOutcome, &'static str); 6] = [
        (AnswerOutcome::Accepted, "accepted"),
        (AnswerOutcome::Refused, "refused"),
        (AnswerOutcome::Throttled, "throttled"),
        (AnswerOutcome::NotTaken, "not_taken"),
        (AnswerOutcome::NoAnswer, "no_answer"),
        (AnswerOutcome::OutOfPlace, "out_of_place"),
    ];
}

/// A kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Account,
    Partition,
    Number,
    Conversation,
    Delivery,
    Webhooks,
    Mails,
}

impl Kind {
    const ALL: [(Kind, &'static str); 7] = [
        (Kind::Account, "account"),
        (Kind::Partition, "partition"),
        (Kind::Number, "number"),
        (Kind::Conversation, "conversation"),
        (Kind::Delivery, "delivery"),
        (Kind::Webhooks, "webhooks"),
        (Kind::Mails, "mails"),
    ];
}

/// Handles on every metric of the engine.
pub(crate) struct Meters {
    accepted: [Counter; 2],
    received: [Counter; 2],
    inbound_duplicates: Counter,
    pub(crate) submits: Counter,
    answers: [Counter; 6],
    receipts: [Counter; 7],
    statuses: [Counter; Status::ALL.len()],
    actors: [Gauge; 7],
    restarts: [Counter; 7],
    pub(crate) quarantined: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) parked: Gauge,
    pub(crate) parts: Gauge,
    pub(crate) in_line: Gauge,
    pub(crate) delayed: Counter,
    pub(crate) unroutable: Counter,
    pub(crate) auto_replies: AutoReplyMeter,
    pub(crate) schedule: ScheduleMeter,
    phases: [Gauge; Phase::ALL.len()],
    pub(crate) consent: ConsentMeter,
    pub(crate) stops: StopMeter,
    pub(crate) pools: PoolMeter,
    pub(crate) lane: QueueMeter,
    pub(crate) partition: QueueMeter,
    pub(crate) delivery: QueueMeter,
    pub(crate) admission: Gauge,
}

/// The depth and the age of the oldest of one queue.
pub(crate) struct QueueMeter {
    pub(crate) depth: Gauge,
    pub(crate) oldest_seconds: Gauge,
}

impl QueueMeter {
    fn new(queue: &'static str) -> QueueMeter {
        QueueMeter {
            depth: gauge!("didfarm_queue_depth", "queue" => queue),
            oldest_seconds: gauge!("didfarm_queue_oldest_seconds", "queue" => queue),
        }
    }
}

impl Meters {
    pub(crate) fn new() -> Meters {
        describe();
        let channels = |name: &'static str| {
            Channel::ALL.map(|channel| counter!(name, "channel" => channel.as_str()))
        };
        Meters {
            accepted: channels("didfarm_messages_accepted_total"),
            received: channels("didfarm_messages_received_total"),
            inbound_duplicates: counter!("didfarm_inbound_duplicates_total"),
            submits: counter!("didfarm_submits_total"),
            answers: AnswerOutcome::ALL
                .map(|(_, label)| counter!("didfarm_submit_answers_total", "outcome" => label)),
            receipts: ReceiptOutcome::ALL
                .map(|(_, label)| counter!("didfarm_receipts_total", "outcome" => label)),
            statuses: Status::ALL.map(
                |status| counter!("didfarm_status_changes_total", "status" => status.as_str()),
            ),
            actors: Kind::ALL.map(|(_, label)| gauge!("didfarm_actors", "kind" => label)),
            restarts: Kind::ALL
                .map(|(_, label)| counter!("didfarm_actor_restarts_total", "kind" => label)),
            quarantined: gauge!("didfarm_numbers_quarantined"),
            in_flight: gauge!("didfarm_messages_in_flight"),
            parked: gauge!("didfarm_receipts_parked"),
            parts: gauge!("didfarm_inbound_parts_held"),
            in_line: gauge!("didfarm_messages_in_line"),
            delayed: counter!("didfarm_messages_delayed_total"),
            unroutable: counter!("didfarm_inbound_unroutable_total"),
            auto_replies: AutoReplyMeter::new(),
            schedule: ScheduleMeter::new(),
            consent: ConsentMeter::new(),
            stops: StopMeter::new(),
            pools: PoolMeter::new(),
            phases: Phase::ALL
                .map(|phase| gauge!("didfarm_deliveries_open", "phase" => phase.as_str())),
            lane: QueueMeter::new("lane"),
            partition: QueueMeter::new("partition"),
            delivery: QueueMeter::new("delivery"),
            admission: gauge!("didfarm_commands_under_way"),
        }
    }

    pub(crate) fn accepted(&self, channel: Channel, status: Status) {
        self.accepted[channel as usize].increment(1);
        self.status(status);
    }

    pub(crate) fn received(&self, channel: Channel, duplicate: bool) {
        if duplicate {
            self.inbound_duplicates.increment(1);
        } else {
            self.received[channel as usize].increment(1);
        }
    }

    /// Open deliveries by phase, in the order of [`Phase::ALL`].
    pub(crate) fn phases(&self, counts: [u64; Phase::ALL.len()]) {
        for (gauge, count) in self.phases.iter().zip(counts) {
            gauge.set(count as f64);
        }
    }

    /// Carriers come from the settings: their names are a closed set.
    pub(crate) fn circuit_opened(&self, carrier: &str) {
        counter!("didfarm_circuits_opened_total", "carrier" => carrier.to_owned()).increment(1);
    }

    pub(crate) fn answer(&self, outcome: AnswerOutcome) {
        self.answers[outcome as usize].increment(1);
    }

    pub(crate) fn receipt(&self, outcome: ReceiptOutcome, count: u64) {
        self.receipts[outcome as usize].increment(count);
    }

    pub(crate) fn status(&self, status: Status) {
        self.statuses[status as usize].increment(1);
    }

    pub(crate) fn born(&self, kind: Kind) {
        self.actors[kind as usize].increment(1.0);
    }

    pub(crate) fn gone(&self, kind: Kind) {
        self.actors[kind as usize].decrement(1.0);
    }

    pub(crate) fn restarted(&self, kind: Kind) {
        self.restarts[kind as usize].increment(1);
    }

    pub(crate) fn refused(&self, error: &SendError) {
        counter!("didfarm_messages_refused_total", "reason" => reason(error)).increment(1);
    }
}

fn reason(error: &SendError) -> &'static str {
    match error {
        SendError::RateLimited { .. } => "rate_limited",
        SendError::PrefixBusy { .. } => "prefix_busy",
        SendError::Unavailable(why) => unavailable(why),
        SendError::Refused(refusal) => match refusal {
            Refusal::NumberUnknown { .. } => "number_unknown",
            Refusal::NumberNotActive => "number_not_active",
            Refusal::ChannelDisabled { .. } => "channel_disabled",
            Refusal::WindowClosed { .. } => "window_closed",
            Refusal::OptedOut { .. } => "opted_out",
            Refusal::InsufficientBalance { .. } => "insufficient_balance",
            Refusal::SpendCapReached { .. } => "spend_cap_reached",
            Refusal::DestinationNotAllowed { .. } => "destination_not_allowed",
            Refusal::RangeBlocked { .. } => "range_blocked",
            Refusal::PrefixStopped { .. } => "prefix_stopped",
            Refusal::NoRoute => "no_route",
            Refusal::Unfit { .. } => "unfit",
            Refusal::SendAtPast { .. } | Refusal::SendAtTooFar { .. } => "send_at_unfit",
            Refusal::TooManyScheduled { .. } => "too_many_scheduled",
            Refusal::PoolUnknown { .. } => "pool_unknown",
            Refusal::PoolWithoutSender { .. } => "pool_without_sender",
            Refusal::SmsNotAvailable
            | Refusal::NumberTaken
            | Refusal::AmountOutOfRange { .. }
            | Refusal::TooManyKeys { .. }
            | Refusal::NameOutOfRange { .. }
            | Refusal::LimitOutOfRange
            | Refusal::EndpointUnfit { .. }
            | Refusal::TooManyEndpoints { .. }
            | Refusal::AddressUnfit
            | Refusal::RangeNotStopped { .. }
            | Refusal::ReleaseNotAllowed { .. }
            | Refusal::DestinationNotOpen { .. }
            | Refusal::PoolNumbersUnfit { .. }
            | Refusal::NumberPooled { .. }
            | Refusal::TooManyPools { .. } => "other",
        },
    }
}

fn unavailable(why: &Unavailable) -> &'static str {
    match why {
        Unavailable::Busy => "overloaded",
        Unavailable::DiskShort => "disk_short",
        Unavailable::Draining => "draining",
        Unavailable::Quarantined => "number_quarantined",
        Unavailable::Faulted => "faulted",
        Unavailable::RecordsBehind => "records_behind",
    }
}

fn describe() {
    describe_counter!(
        "didfarm_messages_accepted_total",
        "Outbound messages that are durable, by channel."
    );
    describe_counter!(
        "didfarm_messages_received_total",
        "Inbound messages that are durable, by channel."
    );
    describe_counter!(
        "didfarm_inbound_duplicates_total",
        "Inbound messages that a carrier brought again."
    );
    describe_counter!(
        "didfarm_messages_refused_total",
        "Sends that were not accepted, by reason."
    );
    describe_counter!("didfarm_submits_total", "Messages handed to a carrier.");
    describe_counter!(
        "didfarm_submit_answers_total",
        "Carriers' answers to submits, by outcome."
    );
    describe_counter!(
        "didfarm_receipts_total",
        "Receipts, by what became of them."
    );
    describe_counter!(
        "didfarm_status_changes_total",
        "Public status changes, by the new status."
    );
    describe_gauge!("didfarm_actors", "Actors alive, by kind.");
    describe_counter!(
        "didfarm_actor_restarts_total",
        "Actors rebuilt after a fault, by kind."
    );
    describe_gauge!(
        "didfarm_numbers_quarantined",
        "Numbers held after repeated faults."
    );
    describe_gauge!(
        "didfarm_messages_in_flight",
        "Messages whose delivery is not closed."
    );
    describe_gauge!(
        "didfarm_receipts_parked",
        "Receipts whose message is not yet known."
    );
    describe_gauge!(
        "didfarm_inbound_parts_held",
        "Parts of long inbound messages that wait for the others."
    );
    describe_counter!(
        "didfarm_messages_delayed_total",
        "Messages that waited longer for their turn than promised."
    );
    describe_counter!(
        "didfarm_inbound_unroutable_total",
        "Inbound messages for numbers or channels that are not served here."
    );
    describe_gauge!(
        "didfarm_deliveries_open",
        "Messages whose delivery is not closed, by submit phase."
    );
    describe_counter!(
        "didfarm_circuits_opened_total",
        "Times that a carrier's circuit opened, by carrier."
    );
    describe_gauge!(
        "didfarm_messages_in_line",
        "Messages that wait until their account's rate lets them go."
    );
    describe_gauge!("didfarm_queue_depth", "Items waiting, by queue.");
    describe_gauge!(
        "didfarm_queue_oldest_seconds",
        "Age of the oldest item waiting, by queue."
    );
    describe_gauge!(
        "didfarm_commands_under_way",
        "Commands that hold an admission permit."
    );
}
