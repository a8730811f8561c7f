//! Sends a stock, open or closed loop, and what was not taken once more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::FloodPlan;
use super::report::{FloodReport, FloodTally};
use super::stock::Stock;
use crate::connection::{Connection, ExchangeError};
use crate::gate::{Gate, Pace, Turn};
use crate::send::{PROGRESS_INTERVAL_MS, RECONNECT_PAUSE_MS};
use crate::tally::record;
use crate::workers::{Workers, WorkersError};

/// The longest pause before a request is sent again, in milliseconds, whatever the daemon asks for.
const RETRY_PAUSE_MS_MAX: u64 = 5_000;

/// Why a flood cannot start.
#[derive(Debug, thiserror::Error)]
pub enum FloodError {
    /// The rate or the duration is no positive number.
    #[error("the rate and the duration must be positive numbers; give others")]
    Pace,
    /// There is nothing to send.
    #[error("there is nothing to send; give more messages")]
    Empty,
    /// The workers cannot start.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The pacing thread cannot start.
    #[error("the pacing thread could not be started; free some resources of the operating system")]
    Pacer(#[source] std::io::Error),
}

/// What came of a flood.
#[derive(Debug)]
pub struct FloodOutcome {
    /// The figures.
    pub report: FloodReport,
    /// The stock that was sent.
    pub stock: Arc<Stock>,
}

struct Run {
    plan: FloodPlan,
    stock: Arc<Stock>,
    gate: Arc<Gate>,
    tallies: Vec<Mutex<FloodTally>>,
    /// Which requests of the stock were taken.
    taken: Vec<AtomicBool>,
}

impl Run {
    fn tally(&self, thread: usize) -> MutexGuard<'_, FloodTally> {
        self.tallies[thread]
            .lock()
            .expect("no holder of a tally panics")
    }

    /// Places of the genuine requests that were not taken, sent or not.
    fn untaken(&self) -> Vec<u32> {
        let places = self.stock.requests.iter().zip(&self.taken).zip(0..);
        places
            .filter(|((request, taken), _)| request.genuine && !taken.load(Ordering::Relaxed))
            .map(|(_, place)| place)
            .collect()
    }
}

/// Sends the stock as planned; what was not taken is sent again afterwards, for as long as the plan says.
///
/// # Errors
/// [`FloodError`] when it cannot start.
///
/// # Panics
/// When a worker panics.
pub fn flood(plan: &FloodPlan, stock: Stock) -> Result<FloodOutcome, FloodError> {
    let (pace, duration) = schedule(plan, &stock)?;
    let stock = Arc::new(stock);
    let run = Arc::new(Run {
        plan: plan.clone(),
        stock: Arc::clone(&stock),
        gate: Arc::new(Gate::new(pace, duration, plan.timeout)),
        tallies: (0..plan.threads).map(|_| Mutex::default()).collect(),
        taken: stock
            .requests
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect(),
    });
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
            print_progress(&run);
        }
    });
    let mut total = FloodTally::default();
    for thread in 0..plan.threads {
        total.absorb(&run.tally(thread));
    }
    let requested = match plan.pace {
        Pace::Open { rate_per_second } => Some(rate_per_second),
        Pace::Closed => None,
    };
    let mut report = FloodReport::of(&total, requested, run.gate.start(), stock.cut);
    let untaken = run.untaken();
    report.untaken = untaken.len() as u64;
    if !untaken.is_empty() && !plan.retry_for.is_zero() {
        report.retried = report.untaken;
        report.untaken = send_again(plan, &stock, untaken)?;
    }
    Ok(FloodOutcome { report, stock })
}

/// The schedule, no longer than the stock lasts.
fn schedule(plan: &FloodPlan, stock: &Stock) -> Result<(Pace, Duration), FloodError> {
    if stock.requests.is_empty() {
        return Err(FloodError::Empty);
    }
    if plan.duration.is_zero() {
        return Err(FloodError::Pace);
    }
    match plan.pace {
        Pace::Closed => Ok((Pace::Closed, plan.duration)),
        Pace::Open { rate_per_second } if rate_per_second.is_finite() && rate_per_second > 0.0 => {
            let lasts = stock.requests.len() as f64 / rate_per_second;
            let lasts = Duration::try_from_secs_f64(lasts).map_err(|_| FloodError::Pace)?;
            Ok((plan.pace, plan.duration.min(lasts)))
        }
        Pace::Open { .. } => Err(FloodError::Pace),
    }
}

async fn drive(run: Arc<Run>, thread: usize) {
    let mut connection = Connection::new(run.plan.target.clone(), run.plan.timeout);
    loop {
        let (sequence, intended) = match run.gate.turn().await {
            Turn::End => return,
            Turn::Send { sequence, intended } => (sequence, intended),
            Turn::Abandon => {
                run.tally(thread).unsent += 1;
                continue;
            }
        };
        let Some(request) = run.stock.requests.get(sequence as usize) else {
            // The stock of a closed loop is used up.
            return;
        };
        let lag = intended.elapsed();
        let answer = connection.exchange(&request.bytes).await;
        let unconnected = matches!(answer, Err(ExchangeError::Connect(_)));
        {
            let mut tally = run.tally(thread);
            tally.sent += 1;
            record(&mut tally.start_lag, lag);
            let taken = match &answer {
                Ok(answer) => {
                    tally.count(answer, request.genuine, request.items, intended.elapsed())
                }
                Err(error) => {
                    tally.fail(error);
                    false
                }
            };
            run.taken[sequence as usize].store(taken, Ordering::Relaxed);
        }
        if unconnected {
            tokio::time::sleep(Duration::from_millis(RECONNECT_PAUSE_MS)).await;
        }
    }
}

/// Sends requests until each is taken or the time is over; returns how many were not.
fn send_again(plan: &FloodPlan, stock: &Arc<Stock>, places: Vec<u32>) -> Result<u64, WorkersError> {
    let deadline = Instant::now() + plan.retry_for;
    let connections = plan.connections.min(places.len());
    let again = Arc::new((places, AtomicUsize::new(0), AtomicUsize::new(0)));
    let workers = {
        let (again, stock, plan) = (Arc::clone(&again), Arc::clone(stock), plan.clone());
        Workers::start(plan.threads, connections, move |_| {
            let (again, stock, plan) = (Arc::clone(&again), Arc::clone(&stock), plan.clone());
            async move {
                let (places, next, taken) = &*again;
                let mut connection = Connection::new(plan.target.clone(), plan.timeout);
                while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bytes = &stock.requests[*place as usize].bytes;
                    if until_taken(&mut connection, bytes, deadline).await {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })?
    };
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || ());
    Ok((again.0.len() - again.2.load(Ordering::Relaxed)) as u64)
}

async fn until_taken(connection: &mut Connection, bytes: &[u8], deadline: Instant) -> bool {
    loop {
        let pause_ms = match connection.exchange(bytes).await {
            Ok(answer) if (200..300).contains(&answer.status) => return true,
            Ok(answer) => answer
                .retry_after_s
                .map_or(RECONNECT_PAUSE_MS, |s| s.saturating_mul(1000)),
            Err(_) => RECONNECT_PAUSE_MS,
        };
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms.min(RETRY_PAUSE_MS_MAX))).await;
    }
}

fn print_progress(run: &Run) {
    let (mut sent, mut taken, mut overloaded) = (0, 0, 0);
    for thread in 0..run.plan.threads {
        let tally = run.tally(thread);
        sent += tally.sent;
        taken += tally.taken;
        overloaded += tally.overloaded;
    }
    let seconds = run.gate.start().elapsed().as_secs_f64();
    eprintln!("{seconds:>6.1} s  sent {sent}  taken {taken}  503 {overloaded}");
}
