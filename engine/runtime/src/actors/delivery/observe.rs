//! What the delivery supervisor shows: its gauges, and the state of each carrier for operators.

use std::sync::atomic::Ordering;

use didfarm_core::delivery::{InFlight, Phase};

use super::DeliverySupervisor;
use super::gates::second;
use crate::carriers::CarrierView;

impl DeliverySupervisor {
    pub(super) fn observe(&mut self) {
        let meters = &self.engine.meters;
        meters.in_flight.set(self.book.len() as f64);
        meters.parked.set(self.parked.len() as f64);
        let stepped_us = self.engine.clock.stepped_us();
        meters.schedule.show(self.calendar.len(), stepped_us);
        meters.parts.set(self.parts.len() as f64);
        let waiting = self.submitting.waiting() + self.gates.waiting();
        meters.lane.depth.set(waiting as f64);
        let in_line = self.engine.in_line.load(Ordering::Acquire);
        meters.in_line.set(in_line as f64);
        let views = self.submitting.lanes().map(|(id, lane)| CarrierView {
            id,
            circuit: lane.circuit.as_str(),
            waiting: lane.waiting.len(),
            outstanding: lane.outstanding,
            window: lane.window(),
            rate: lane
                .tokens
                .as_ref()
                .map(|tokens| (tokens.per_second(), tokens.used(second(self.batch.mono)))),
        });
        self.engine.carrier_views.show(views.collect());
    }

    /// The messages in doubt, the oldest first.
    pub(super) fn in_doubt(&self, limit: usize) -> Vec<InFlight> {
        let mut doubts: Vec<InFlight> = self
            .book
            .open_deliveries()
            .filter(|open| open.delivery.phase == Phase::InDoubt)
            .cloned()
            .collect();
        doubts.sort_by_key(|open| open.phase_at);
        doubts.truncate(limit);
        doubts
    }

    /// Counts the open deliveries by phase and finds the oldest that waits for its turn, which takes a
    /// walk over all of them.
    pub(super) fn observe_phases(&self) {
        let mut counts = [0u64; Phase::ALL.len()];
        let mut oldest_queued = self.batch.at;
        for (in_flight, line) in self.book.open_in_lines() {
            let phase = in_flight.delivery.phase;
            counts[phase as usize] += 1;
            if phase == Phase::Queued
                && let Some(since) = line.waits_since(in_flight)
            {
                oldest_queued = oldest_queued.min(since);
            }
        }
        let meters = &self.engine.meters;
        meters.phases(counts);
        let age_ms = self.batch.at.ms_since(oldest_queued);
        meters.lane.oldest_seconds.set(age_ms as f64 / 1_000.0);
    }
}
