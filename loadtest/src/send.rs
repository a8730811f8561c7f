//! One run of sends, open or closed loop.
//!
//! A latency counts from the message's intended start: time that an arrival spends waiting for a free connection is
//! the server's, not left out (no coordinated omission).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::connection::{Connection, ExchangeError};
use crate::gate::{Gate, Pace, Turn};
use crate::ledger::{Accepted, AckedFile};
use crate::peers::Peers;
use crate::report::{LatencyReport, SendReport};
use crate::request::{BodyText, SendRequest, Sender, accepted_id};
use crate::tally::{Tally, record};
use crate::target::Target;
use crate::workers::{Workers, WorkersError};

/// Time between two progress lines, in milliseconds.
pub const PROGRESS_INTERVAL_MS: u64 = 1_000;
/// Pause after a refused connection, in milliseconds, so that a server that is down is not flooded.
pub const RECONNECT_PAUSE_MS: u64 = 50;

/// What to send, where and how.
#[derive(Debug, Clone)]
pub struct SendPlan {
    /// The daemon.
    pub target: Target,
    /// The key and the number to send from.
    pub sender: Sender,
    /// Whom to send to, in turn.
    pub peers: Peers,
    /// What to send.
    pub body: BodyText,
    /// When to send.
    pub pace: Pace,
    /// How long arrivals go on.
    pub duration: Duration,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer, and for due arrivals after the end of the schedule.
    pub timeout: Duration,
    /// Whether accepted messages are kept for reading them back.
    pub keep_accepted: bool,
    /// The file that acknowledged messages are appended to.
    pub acked_out: Option<PathBuf>,
    /// Whether a line of progress goes to stderr each second.
    pub progress: bool,
}

/// Why a run cannot start or its record is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The rate or the duration is no positive number.
    #[error("the rate and the duration must be positive numbers; give others")]
    Pace,
    /// The body breaks the lines of the acked file.
    #[error(
        "the body holds a tab or a line break, which the acked file cannot hold; leave one of them out"
    )]
    BodyLines,
    /// The acked file cannot be opened or written.
    #[error("the acked file {path:?} cannot be written; check the path and the free space")]
    AckedFile {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The workers cannot start.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The pacing thread cannot start.
    #[error("the pacing thread could not be started; free some resources of the operating system")]
    Pacer(#[source] std::io::Error),
}

/// What came of a run.
#[derive(Debug)]
pub struct SendOutcome {
    /// The figures.
    pub report: SendReport,
    /// The accepted messages in the order of their numbers, if they were kept.
    pub accepted: Vec<Accepted>,
}

struct Run {
    plan: SendPlan,
    gate: Arc<Gate>,
    tallies: Vec<Mutex<Tally>>,
    acked: Option<AckedFile>,
    acked_error: Mutex<Option<std::io::Error>>,
}

/// Sends as planned and waits for the end.
///
/// # Errors
/// [`SendError`] when the run cannot start, or when the acked file misses a message.
///
/// # Panics
/// When a worker panics.
pub fn send(plan: &SendPlan) -> Result<SendOutcome, SendError> {
    let acked = check(plan)?;
    let gate = Arc::new(Gate::new(plan.pace, plan.duration, plan.timeout));
    let tallies = (0..plan.threads).map(|_| Mutex::default()).collect();
    let run = Arc::new(Run {
        plan: plan.clone(),
        gate,
        tallies,
        acked,
        acked_error: Mutex::default(),
    });
    let workers = {
        let run = Arc::clone(&run);
        Workers::start(plan.threads, plan.connections, move |thread| {
            drive(Arc::clone(&run), thread)
        })?
    };
    run.gate
        .start_pacer(plan.connections)
        .map_err(SendError::Pacer)?;
    let mut before = 0;
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || {
        if plan.progress {
            before = print_progress(&run, before);
        }
    });
    if let Some(source) = run
        .acked_error
        .lock()
        .expect("no holder of this lock panics")
        .take()
    {
        return Err(SendError::AckedFile {
            path: plan.acked_out.clone().unwrap_or_default(),
            source,
        });
    }
    let mut total = Tally::default();
    for thread in 0..plan.threads {
        total.absorb(&mut run.tally(thread));
    }
    total
        .ledger
        .sort_unstable_by_key(|accepted| accepted.sequence);
    let report = SendReport::of(&total, plan.pace, run.gate.start());
    Ok(SendOutcome {
        report,
        accepted: total.ledger,
    })
}

fn check(plan: &SendPlan) -> Result<Option<AckedFile>, SendError> {
    if let Pace::Open { rate_per_second } = plan.pace
        && !(rate_per_second.is_finite() && rate_per_second > 0.0)
    {
        return Err(SendError::Pace);
    }
    if plan.duration.is_zero() {
        return Err(SendError::Pace);
    }
    let Some(path) = &plan.acked_out else {
        return Ok(None);
    };
    if !plan.body.is_one_line() {
        return Err(SendError::BodyLines);
    }
    match AckedFile::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(source) => Err(SendError::AckedFile {
            path: path.clone(),
            source,
        }),
    }
}

async fn drive(run: Arc<Run>, thread: usize) {
    let plan = &run.plan;
    let mut connection = Connection::new(plan.target.clone(), plan.timeout);
    let mut request = SendRequest::new(&plan.target, &plan.sender, plan.peers, &plan.body);
    loop {
        match run.gate.turn().await {
            Turn::End => return,
            Turn::Abandon => run.tally(thread).unsent += 1,
            Turn::Send { sequence, intended } => {
                let lag = intended.elapsed();
                let answer = connection.exchange(request.for_message(sequence)).await;
                let unconnected = matches!(answer, Err(ExchangeError::Connect(_)));
                let accepted = {
                    let mut tally = run.tally(thread);
                    tally.sent += 1;
                    record(&mut tally.start_lag, lag);
                    count(&mut tally, answer, intended)
                };
                if let Some(id) = accepted {
                    run.remember(thread, id, sequence);
                }
                if unconnected {
                    tokio::time::sleep(Duration::from_millis(RECONNECT_PAUSE_MS)).await;
                }
            }
        }
    }
}

/// Counts one outcome and gives the id of an accepted message.
fn count<'a>(
    tally: &mut Tally,
    answer: Result<crate::connection::Answer<'a>, ExchangeError>,
    intended: Instant,
) -> Option<&'a str> {
    let now = Instant::now();
    match answer {
        Ok(answer) => {
            let id = if answer.status == 201 {
                accepted_id(answer.body)
            } else {
                None
            };
            match id {
                Some(_) => tally.accept(now.saturating_duration_since(intended), now),
                None => tally.refuse(answer.status, now),
            }
            id
        }
        Err(error) => {
            tally.fail(&error);
            None
        }
    }
}

impl Run {
    fn tally(&self, thread: usize) -> MutexGuard<'_, Tally> {
        self.tallies[thread]
            .lock()
            .expect("no holder of a tally panics")
    }

    fn remember(&self, thread: usize, id: &str, sequence: u64) {
        if let Some(file) = &self.acked
            && let Err(error) = file.append(id, &self.plan.body.text(sequence))
        {
            *self
                .acked_error
                .lock()
                .expect("no holder of this lock panics") = Some(error);
        }
        if self.plan.keep_accepted {
            self.tally(thread).keep(Accepted {
                id: id.into(),
                sequence,
            });
        }
    }
}

/// Prints one line and returns the accepted messages so far.
fn print_progress(run: &Run, accepted_before: u64) -> u64 {
    let mut sum = Tally::default();
    for thread in 0..run.plan.threads {
        sum.add_counts(&run.tally(thread));
    }
    let latency = LatencyReport::of(&sum.latency);
    eprintln!(
        "{:>6.1} s  sent {}  accepted {}  {}/s  p50 {:.2} ms  p99 {:.2} ms",
        run.gate.start().elapsed().as_secs_f64(),
        sum.sent,
        sum.accepted,
        (sum.accepted - accepted_before) * 1000 / PROGRESS_INTERVAL_MS,
        latency.p50_ms,
        latency.p99_ms,
    );
    sum.accepted
}
