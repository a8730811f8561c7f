//! Floods of inbound messages, made and signed while they are sent, because each text says when its message was due.
//!
//! The webhook [`sink`](crate::sink) measures from that time to the arrival of the event. Every message is sent until
//! it is taken, always with the carrier's same id, so that whatever was taken has to become exactly one event.

mod drive;
pub mod letter;

use std::sync::Arc;
use std::time::Duration;

use crate::callbacks::flood::FloodError;
use crate::callbacks::report::FloodReport;
use crate::gate::Pace;
use crate::peers::Peers;
use crate::send::PROGRESS_INTERVAL_MS;
use crate::signature::Keys;
use crate::target::Target;
use crate::workers::Workers;
use drive::{Desk, Progress, Run, drive};

/// How messages come in.
#[derive(Debug, Clone)]
pub enum Entrance {
    /// By the simulator's own route.
    Simulator,
    /// As Telnyx's callbacks.
    Telnyx {
        /// The carrier's name in the daemon's settings.
        carrier: String,
        /// What they are signed with.
        keys: Arc<Keys>,
    },
}

/// What to send, where and how.
#[derive(Debug, Clone)]
pub struct InboundFloodPlan {
    /// The daemon.
    pub target: Target,
    /// How messages come in.
    pub entrance: Entrance,
    /// Our numbers, in E.164, written to in turn; at least one.
    pub numbers: Vec<String>,
    /// Who writes, in turn; each of them to every number before it is the next one's turn.
    pub peers: Peers,
    /// When to send.
    pub pace: Pace,
    /// How long arrivals go on.
    pub duration: Duration,
    /// The most messages.
    pub messages_max: u64,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// How long after the end of the schedule a message is sent again, until it is taken.
    pub retry_for: Duration,
    /// Which run it is: texts and carrier's ids of two runs are different.
    pub run: u32,
    /// Whether the texts say when their messages were due, for the sink.
    pub is_timed: bool,
    /// Whether what was taken is kept.
    pub keep_taken: bool,
    /// Whether a line of progress goes to stderr each second.
    pub progress: bool,
}

/// A message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its number in the run.
    pub sequence: u64,
    /// When it was due, in microseconds since 1970.
    pub due_us: u64,
    /// When the answer was here, in microseconds since 1970.
    pub answered_us: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct InboundFloodOutcome {
    /// The figures; latencies count from when a message was due to its 2xx.
    pub report: FloodReport,
    /// The messages that were taken, in their order, if they were kept.
    pub taken: Vec<Taken>,
}

/// Sends inbound messages as planned, each until it is taken or the time is over.
///
/// # Errors
/// [`FloodError`] when it cannot start.
///
/// # Panics
/// When a worker panics.
pub fn inbound_flood(plan: &InboundFloodPlan) -> Result<InboundFloodOutcome, FloodError> {
    let duration = length(plan)?;
    let run = Arc::new(Run::new(plan, duration));
    let workers = {
        let run = Arc::clone(&run);
        Workers::start(plan.threads, plan.connections, move |thread| {
            drive(Arc::clone(&run), thread)
        })?
    };
    run.gate
        .start_pacer(plan.connections)
        .map_err(FloodError::Pacer)?;
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || {
        if plan.progress {
            eprintln!("{}", Progress(&run));
        }
    });
    Ok(sum_up(&run))
}

/// How long the schedule lasts: no longer than there are messages.
fn length(plan: &InboundFloodPlan) -> Result<Duration, FloodError> {
    if plan.messages_max == 0 || plan.numbers.is_empty() {
        return Err(FloodError::Empty);
    }
    if plan.duration.is_zero() {
        return Err(FloodError::Pace);
    }
    match plan.pace {
        Pace::Closed => Ok(plan.duration),
        Pace::Open { rate_per_second } if rate_per_second.is_finite() && rate_per_second > 0.0 => {
            let all = Duration::try_from_secs_f64(plan.messages_max as f64 / rate_per_second);
            // What does not fit in a duration is longer than any plan.
            Ok(all.map_or(plan.duration, |all| all.min(plan.duration)))
        }
        Pace::Open { .. } => Err(FloodError::Pace),
    }
}

fn sum_up(run: &Run) -> InboundFloodOutcome {
    let mut sum = Desk::default();
    for thread in 0..run.plan.threads {
        let mut desk = run.desk(thread);
        sum.tally.absorb(&desk.tally);
        sum.taken.append(&mut desk.taken);
        sum.retried += desk.retried;
        sum.untaken += desk.untaken;
    }
    sum.taken.sort_unstable_by_key(|taken| taken.sequence);
    let requested = match run.plan.pace {
        Pace::Open { rate_per_second } => Some(rate_per_second),
        Pace::Closed => None,
    };
    let report = FloodReport {
        retried: sum.retried,
        untaken: sum.untaken + sum.tally.unsent,
        ..FloodReport::of(&sum.tally, requested, run.gate.start(), false)
    };
    InboundFloodOutcome {
        report,
        taken: sum.taken,
    }
}
