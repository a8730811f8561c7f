//! The connections of a flood: each message is sent until it is taken, refused for good, or the time is over.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use super::letter::Letters;
use super::{InboundFloodPlan, Taken};
use crate::callbacks::report::FloodTally;
use crate::connection::{Answer, Connection, ExchangeError};
use crate::gate::{Gate, Turn};
use crate::send::RECONNECT_PAUSE_MS;
use crate::tally::record;

/// The longest pause before a message is sent again, in milliseconds, whatever the daemon asks for.
const RETRY_PAUSE_MS_MAX: u64 = 5_000;

/// The wall clock's time of a moment, so that all times of a run are of one clock.
#[derive(Debug, Clone, Copy)]
struct WallClock {
    moment: Instant,
    us: u64,
}

impl WallClock {
    fn now() -> Self {
        Self {
            moment: Instant::now(),
            us: unix_us(),
        }
    }

    fn at(&self, moment: Instant) -> u64 {
        let later = moment.saturating_duration_since(self.moment);
        let earlier = self.moment.saturating_duration_since(moment);
        self.us + later.as_micros() as u64 - earlier.as_micros() as u64
    }
}

fn unix_us() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("the clock is behind 1970").as_micros() as u64
}

/// What one thread has counted and kept.
#[derive(Default)]
pub(super) struct Desk {
    /// Requests and their answers.
    pub(super) tally: FloodTally,
    /// Messages that were taken, if they are kept.
    pub(super) taken: Vec<Taken>,
    /// Messages that were sent again.
    pub(super) retried: u64,
    /// Messages that were given up.
    pub(super) untaken: u64,
}

/// One flood at work.
pub(super) struct Run {
    /// What it does.
    pub(super) plan: InboundFloodPlan,
    /// Whose turn it is.
    pub(super) gate: Arc<Gate>,
    clock: WallClock,
    give_up_at: Instant,
    desks: Vec<Mutex<Desk>>,
}

impl Run {
    /// Sets up a flood that starts in a moment and has this long a schedule.
    pub(super) fn new(plan: &InboundFloodPlan, duration: Duration) -> Self {
        let gate = Gate::new(plan.pace, duration, plan.timeout);
        Self {
            plan: plan.clone(),
            give_up_at: gate.start() + duration + plan.retry_for,
            gate: Arc::new(gate),
            clock: WallClock::now(),
            desks: (0..plan.threads).map(|_| Mutex::default()).collect(),
        }
    }

    /// What a thread has counted.
    pub(super) fn desk(&self, thread: usize) -> MutexGuard<'_, Desk> {
        self.desks[thread]
            .lock()
            .expect("no holder of a desk panics")
    }
}

/// Sends what is this connection's turn, until nothing is left.
pub(super) async fn drive(run: Arc<Run>, thread: usize) {
    let mut connection = Connection::new(run.plan.target.clone(), run.plan.timeout);
    let mut letters = Letters::new(&run.plan);
    loop {
        match run.gate.turn().await {
            Turn::Send { sequence, intended } if sequence < run.plan.messages_max => {
                let mut letter = Letter {
                    sequence,
                    intended,
                    due_us: run.clock.at(intended),
                };
                record(
                    &mut run.desk(thread).tally.start_lag,
                    letter.intended.elapsed(),
                );
                letter
                    .send(&run, thread, &mut connection, &mut letters)
                    .await;
            }
            Turn::Abandon => run.desk(thread).tally.unsent += 1,
            // All messages of a closed loop are sent, or the time is over.
            Turn::Send { .. } | Turn::End => return,
        }
    }
}

/// One message on its way.
struct Letter {
    sequence: u64,
    intended: Instant,
    due_us: u64,
}

impl Letter {
    /// Sends it until it is taken, refused for good, or the time is over.
    async fn send(
        &mut self,
        run: &Run,
        thread: usize,
        connection: &mut Connection,
        letters: &mut Letters,
    ) {
        let mut requests = 0_u64;
        loop {
            let answer = connection
                .exchange(letters.request(self.sequence, self.due_us))
                .await;
            requests += 1;
            let pause_ms = {
                let mut desk = run.desk(thread);
                desk.tally.sent += 1;
                desk.retried += u64::from(requests == 2);
                match self.judge(&mut desk, &answer, run.plan.keep_taken) {
                    Some(pause_ms) if Instant::now() < run.give_up_at => pause_ms,
                    Some(_) => {
                        desk.untaken += 1;
                        return;
                    }
                    None => return,
                }
            };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// Counts an answer; gives the pause until the message is sent again, unless its fate is known.
    fn judge(
        &self,
        desk: &mut Desk,
        answer: &Result<Answer<'_>, ExchangeError>,
        keep: bool,
    ) -> Option<u64> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // In doubt it may be there already: it comes with the same id, and is known again.
                desk.tally.fail(error);
                return Some(RECONNECT_PAUSE_MS);
            }
        };
        if desk.tally.count(answer, true, 1, self.intended.elapsed()) {
            if keep {
                desk.taken.push(Taken {
                    sequence: self.sequence,
                    due_us: self.due_us,
                    answered_us: unix_us(),
                });
            }
            return None;
        }
        if answer.status == 503 {
            let asked_ms = answer.retry_after_s.map(|s| s.saturating_mul(1_000));
            return Some(
                asked_ms
                    .unwrap_or(RECONNECT_PAUSE_MS)
                    .min(RETRY_PAUSE_MS_MAX),
            );
        }
        desk.untaken += 1;
        None
    }
}

/// One line of how far a run is.
pub(super) struct Progress<'a>(pub(super) &'a Run);

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut taken, mut overloaded) = (0, 0);
        for thread in 0..self.0.plan.threads {
            let desk = self.0.desk(thread);
            taken += desk.tally.taken;
            overloaded += desk.tally.overloaded;
        }
        let seconds = self.0.gate.start().elapsed().as_secs_f64();
        write!(f, "{seconds:>6.1} s  taken {taken}  503 {overloaded}")
    }
}
