//! The simulator's thread: takes what was submitted, waits for what is due, delivers it in groups.

use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_core::ids::CarrierId;

use super::meter::Meter;
use super::plan::{Due, plan};
use super::queue::Queue;
use super::quota::Quota;
use super::wheel::Wheel;
use super::{SINK_GROUP_MAX, SimulatorSettings};
use crate::{CarrierEvent, CarrierSink, Submit};

/// What the thread owns.
pub(super) struct Worker {
    settings: SimulatorSettings,
    queue: Arc<Queue>,
    quota: Quota,
    wheel: Wheel<Due>,
    out: Out,
    started: Instant,
}

impl Worker {
    /// A worker whose time starts now.
    pub(super) fn new(
        settings: SimulatorSettings,
        sink: Arc<dyn CarrierSink>,
        queue: Arc<Queue>,
    ) -> Worker {
        Worker {
            quota: Quota::new(settings.rate_max),
            settings,
            wheel: Wheel::new(),
            out: Out {
                sink,
                queue: Arc::clone(&queue),
                meter: Meter::new(),
                group: Vec::new(),
            },
            queue,
            started: Instant::now(),
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        let mut groups = Vec::new();
        while !self.queue.is_closed() {
            self.queue.swap(&mut groups, self.sleep_max());
            let now_ms = self.started.elapsed().as_millis() as u64;
            self.wheel.advance(now_ms, |due| self.out.push(due));
            for group in groups.drain(..) {
                self.take(group, now_ms);
                self.wheel.advance(now_ms, |due| self.out.push(due));
            }
            self.out.flush();
            self.out.meter.show_pending(self.queue.pending());
        }
    }

    fn take(&mut self, group: Vec<Submit>, now_ms: u64) {
        let Worker {
            settings,
            queue,
            quota,
            wheel,
            ..
        } = self;
        let mut planned = 0;
        for submit in &group {
            let within_rate = quota.take(now_ms);
            plan(settings, submit, within_rate, &mut |delay_ms, due| {
                planned += 1;
                wheel.insert(due_ms(now_ms, delay_ms), due);
            });
        }
        queue.add_pending(planned);
        queue.sub_pending(group.len());
    }

    /// How long nothing is due; `None` if nothing is pending.
    fn sleep_max(&self) -> Option<Duration> {
        let due = Duration::from_millis(self.wheel.next_due_ms()?);
        Some(due.saturating_sub(self.started.elapsed()))
    }
}

/// The millisecond in which a delay from within `now_ms` is over: the one begun counts for nothing, so
/// that no delay comes out short.
fn due_ms(now_ms: u64, delay_ms: u64) -> u64 {
    match delay_ms {
        0 => now_ms,
        _ => now_ms.saturating_add(delay_ms).saturating_add(1),
    }
}

/// The way out, in groups.
struct Out {
    sink: Arc<dyn CarrierSink>,
    queue: Arc<Queue>,
    meter: Meter,
    group: Vec<CarrierEvent>,
}

impl Out {
    fn push(&mut self, due: Due) {
        self.group.push(due.into_event());
        if self.group.len() == SINK_GROUP_MAX {
            self.flush();
            // A full group is likely to be followed by another.
            self.group.reserve_exact(SINK_GROUP_MAX);
        }
    }

    /// Delivers what is there, unless the simulator is being dropped.
    fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let group = std::mem::take(&mut self.group);
        if self.queue.is_closed() {
            return;
        }
        let count = group.len();
        self.meter.count(&group);
        self.sink.deliver(CarrierId::SIMULATOR, group);
        self.queue.sub_pending(count);
    }
}
