//! Deadlines: answers, turns, validity, doubt, receipts, parked receipts and parts.
//!
//! Answers are looked at on every tick; the others, which are minutes to days, by a scan over the book
//! every [`SCAN_INTERVAL_MS`].

use didfarm_carriers::Query;
use didfarm_core::delivery::{InFlight, Input, Outcome, Phase};
use didfarm_core::event::Event;
use didfarm_core::ids::MessageId;
use didfarm_core::parts;
use didfarm_core::time::Timestamp;

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use super::receiving::PARTS_RETRY_MS;
use crate::meters::ReceiptOutcome;

/// How often the book is scanned.
const SCAN_INTERVAL_MS: u64 = 2_000;

impl DeliverySupervisor {
    /// Time has passed.
    pub(super) fn tick(&mut self) {
        self.watch_lanes();
        if self.batch.mono.ms_since(self.scanned_at) < SCAN_INTERVAL_MS {
            return;
        }
        self.scanned_at = self.batch.mono;
        self.read_again();
        self.settle_barred();
        self.prune_lines();
        self.prune_gates();
        let due: Vec<(MessageId, Input)> = self
            .book
            .open_in_lines()
            .filter_map(|(in_flight, line)| {
                let waits_since = line.waits_since(in_flight)?;
                Some((in_flight.message, self.due(in_flight, waits_since)?))
            })
            .collect();
        for (message, input) in due {
            self.pass_deadline(message, input);
            self.flush_if_full();
        }
        self.observe_phases();
        self.age_parked();
        let overdue = self
            .parts
            .overdue(self.batch.at, parts::WAIT_MS, PARTS_RETRY_MS);
        for joined in overdue {
            self.hand_on(joined);
        }
    }

    /// The deadline that an open delivery has passed, if any.
    fn due(&self, in_flight: &InFlight, waits_since: Timestamp) -> Option<Input> {
        let (now, delivery) = (self.batch.at, &in_flight.delivery);
        let settings = &self.engine.settings.delivery;
        match delivery.phase {
            Phase::Queued if in_flight.is_expired(now) => Some(Input::Expired),
            Phase::Queued => (delivery.submits == 0
                && delivery.why.is_none()
                && now.ms_since(waits_since) >= settings.queued_alarm_ms)
                .then_some(Input::Delayed),
            Phase::InDoubt => (now.ms_since(in_flight.phase_at) >= settings.in_doubt_deadline_ms)
                .then_some(Input::GiveUp),
            Phase::Submitted => {
                let lane = delivery
                    .carrier()
                    .and_then(|carrier| self.submitting.lane(carrier));
                let deadline_ms = lane.map_or(settings.receipt_deadline_ms, |lane| {
                    lane.receipt_deadline_ms
                });
                (delivery.why.is_none() && now.ms_since(in_flight.phase_at) >= deadline_ms)
                    .then_some(Input::NoReceipt)
            }
            Phase::Scheduled
            | Phase::Submitting
            | Phase::Refused
            | Phase::Cancelled
            | Phase::GivenUp => None,
        }
    }

    fn pass_deadline(&mut self, message: MessageId, input: Input) {
        let is_delay = input == Input::Delayed;
        let asks = input == Input::NoReceipt;
        if !matches!(self.drive(message, input), Outcome::Moved(_)) {
            return;
        }
        if is_delay {
            self.engine.meters.delayed.increment(1);
        } else if asks {
            self.ask_carrier(message);
        }
    }

    /// Asks the carrier about a message of which no receipt came, where it can be asked.
    fn ask_carrier(&mut self, message: MessageId) {
        let Some(in_flight) = self.book.get(message) else {
            return;
        };
        let Some(carrier) = in_flight.delivery.carrier() else {
            return;
        };
        let Some(number) = self.engine.directory.number(in_flight.number) else {
            return;
        };
        if !self.carriers.abilities(carrier).queries {
            return;
        }
        for id in self.book.carrier_ids(message) {
            let query = Query {
                message,
                id,
                from: number.e164,
            };
            self.batch
                .effects
                .push(DeliveryEffect::Query(carrier, query));
        }
    }

    fn age_parked(&mut self) {
        let otherwise_ms = self.engine.settings.delivery.parked_receipt_age_max_ms;
        let carriers = std::sync::Arc::clone(&self.carriers);
        let age_max_ms = |carrier| carriers.parked_age_max_ms(carrier).unwrap_or(otherwise_ms);
        for (carrier, id, receipts) in self.parked.aged_out(self.batch.at, age_max_ms) {
            tracing::warn!(
                receipts,
                "parked receipts aged out: no message ever had their carrier message id"
            );
            self.batch.events.push(Event::ReceiptsAgedOut(carrier, id));
            self.batch.count(ReceiptOutcome::AgedOut, receipts);
            self.flush_if_full();
        }
    }
}
