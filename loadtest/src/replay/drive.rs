//! Sends the turns of a replay when they are due, and what was not taken once more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::ReplayPlan;
use super::schedule::Turn;
use crate::callbacks::FloodReport;
use crate::callbacks::report::FloodTally;
use crate::connection::{Answer, Connection, ExchangeError};
use crate::send::{PROGRESS_INTERVAL_MS, RECONNECT_PAUSE_MS};
use crate::tally::record;
use crate::workers::{Workers, WorkersError};

/// Time from the decision to start until the first request, in milliseconds, for threads to come up.
const START_LEAD_MS: u64 = 20;
/// The longest pause before a request is sent again, in milliseconds, whatever the daemon asks for.
const RETRY_PAUSE_MS_MAX: u64 = 5_000;

struct Run {
    plan: ReplayPlan,
    turns: Vec<Turn>,
    start: Instant,
    next: AtomicUsize,
    tallies: Vec<Mutex<FloodTally>>,
    untaken: Mutex<Vec<usize>>,
}

impl Run {
    fn tally(&self, thread: usize) -> MutexGuard<'_, FloodTally> {
        self.tallies[thread]
            .lock()
            .expect("no holder of a tally panics")
    }

    fn untaken(&self) -> MutexGuard<'_, Vec<usize>> {
        self.untaken.lock().expect("no holder of this lock panics")
    }

    async fn exchange<'a>(
        &self,
        connection: &'a mut Connection,
        place: usize,
    ) -> Result<Answer<'a>, ExchangeError> {
        let authority = &self.plan.target.authority;
        let request = self.turns[place]
            .request
            .request(&self.plan.keys, authority);
        connection.exchange(&request).await
    }
}

/// Sends every turn when it is due; what was not taken is sent again afterwards until it is or the time is over.
///
/// # Errors
/// [`WorkersError`] when no worker can start.
///
/// # Panics
/// When a worker panics.
pub fn drive(plan: &ReplayPlan, turns: Vec<Turn>) -> Result<FloodReport, WorkersError> {
    let run = Arc::new(Run {
        plan: plan.clone(),
        turns,
        start: Instant::now() + Duration::from_millis(START_LEAD_MS),
        next: AtomicUsize::new(0),
        tallies: (0..plan.threads).map(|_| Mutex::default()).collect(),
        untaken: Mutex::default(),
    });
    start(&run, plan.connections, send_when_due)?;
    let mut total = FloodTally::default();
    for thread in 0..plan.threads {
        total.absorb(&run.tally(thread));
    }
    let mut report = FloodReport::of(&total, None, run.start, false);
    let untaken = std::mem::take(&mut *run.untaken());
    if !untaken.is_empty() {
        report.retried = untaken.len() as u64;
        report.untaken = send_again(&run, untaken)?;
    }
    Ok(report)
}

fn start<F>(
    run: &Arc<Run>,
    connections: usize,
    task: impl Fn(Arc<Run>, usize) -> F + Clone + Send + 'static,
) -> Result<(), WorkersError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(run);
    let workers = Workers::start(run.plan.threads, connections, move |thread| {
        task(Arc::clone(&shared), thread)
    })?;
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || {
        if run.plan.progress {
            let sent = run.next.load(Ordering::Relaxed).min(run.turns.len());
            let seconds = run.start.elapsed().as_secs_f64();
            eprintln!("{seconds:>6.1} s  sent {sent} of {}", run.turns.len());
        }
    });
    Ok(())
}

async fn send_when_due(run: Arc<Run>, thread: usize) {
    let mut connection = Connection::new(run.plan.target.clone(), run.plan.timeout);
    loop {
        let place = run.next.fetch_add(1, Ordering::Relaxed);
        let Some(turn) = run.turns.get(place) else {
            return;
        };
        let intended = run.start + turn.after;
        tokio::time::sleep_until(intended.into()).await;
        let lag = intended.elapsed();
        let answer = run.exchange(&mut connection, place).await;
        let unconnected = matches!(answer, Err(ExchangeError::Connect(_)));
        let taken = {
            let mut tally = run.tally(thread);
            tally.sent += 1;
            record(&mut tally.start_lag, lag);
            match &answer {
                Ok(answer) => tally.count(answer, true, 1, intended.elapsed()),
                Err(error) => {
                    tally.fail(error);
                    false
                }
            }
        };
        if !taken {
            run.untaken().push(place);
        }
        if unconnected {
            tokio::time::sleep(Duration::from_millis(RECONNECT_PAUSE_MS)).await;
        }
    }
}

/// Sends these turns until each is taken or the time is over; returns how many were not.
fn send_again(run: &Arc<Run>, places: Vec<usize>) -> Result<u64, WorkersError> {
    let deadline = Instant::now() + run.plan.drain_timeout;
    let connections = run.plan.connections.min(places.len());
    let count = places.len();
    let again = Arc::new((places, AtomicUsize::new(0), AtomicUsize::new(0)));
    let shared = Arc::clone(&again);
    start(run, connections, move |run, _| {
        let again = Arc::clone(&shared);
        async move {
            let (places, next, taken) = &*again;
            let mut connection = Connection::new(run.plan.target.clone(), run.plan.timeout);
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                if until_taken(&run, &mut connection, *place, deadline).await {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    })?;
    Ok((count - again.2.load(Ordering::Relaxed)) as u64)
}

async fn until_taken(
    run: &Run,
    connection: &mut Connection,
    place: usize,
    deadline: Instant,
) -> bool {
    loop {
        let pause_ms = match run.exchange(connection, place).await {
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
