//! Lets messages go: on a fixed schedule, or whenever a connection is free.
//!
//! The schedule is kept by a thread of its own, because the runtime's timers round up to a millisecond. Arrivals that
//! are due while every connection is busy wait as permits, so their number is bounded by the arrivals of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// The shortest pause of the pacing thread, in microseconds: arrivals closer than this go in small groups.
///
/// A longer pause costs less CPU and adds itself to every latency, so the reported latency is never too good.
const PACER_PAUSE_US_MIN: u64 = 100;
/// Time from the decision to start until the first arrival, in milliseconds, for threads to come up.
const START_LEAD_MS: u64 = 20;
/// The most arrivals that one run may schedule.
pub const ARRIVALS_MAX: u64 = 1 << 40;

/// How messages are spread over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Open loop: evenly spaced arrivals, whatever the server does.
    Open {
        /// Arrivals per second.
        rate_per_second: f64,
    },
    /// Closed loop: each connection sends as soon as it has its answer.
    Closed,
}

/// What a connection is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Send this message; its latency counts from `intended`.
    Send {
        /// The message's number in the run.
        sequence: u64,
        /// When it was to be sent.
        intended: Instant,
    },
    /// Count this arrival as never sent: the server has stalled for too long after the end of the schedule.
    Abandon,
    /// Nothing is left.
    End,
}

enum Schedule {
    Open {
        permits: Semaphore,
        rate_per_second: f64,
        arrivals: u64,
        abandon_at: Instant,
    },
    Closed {
        end: Instant,
    },
}

/// Hands out the turns of one run to all its connections.
pub struct Gate {
    start: Instant,
    next: AtomicU64,
    schedule: Schedule,
}

impl Gate {
    /// Sets up a run of `duration` that starts in a moment; due arrivals are abandoned `grace` after its end.
    pub fn new(pace: Pace, duration: Duration, grace: Duration) -> Self {
        let start = Instant::now() + Duration::from_millis(START_LEAD_MS);
        let end = start + duration;
        let schedule = match pace {
            Pace::Closed => Schedule::Closed { end },
            Pace::Open { rate_per_second } => {
                let arrivals = (rate_per_second * duration.as_secs_f64()).round() as u64;
                let permits = Semaphore::new(0);
                Schedule::Open {
                    permits,
                    rate_per_second,
                    arrivals: arrivals.min(ARRIVALS_MAX),
                    abandon_at: end + grace,
                }
            }
        };
        Self {
            start,
            next: AtomicU64::new(0),
            schedule,
        }
    }

    /// When the first message is to go.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Waits for the next turn.
    pub async fn turn(&self) -> Turn {
        match &self.schedule {
            Schedule::Closed { end } => {
                let now = Instant::now();
                if now < self.start {
                    tokio::time::sleep_until(self.start.into()).await;
                } else if now >= *end {
                    return Turn::End;
                }
                Turn::Send {
                    sequence: self.next.fetch_add(1, Ordering::Relaxed),
                    intended: Instant::now(),
                }
            }
            Schedule::Open {
                permits,
                rate_per_second,
                arrivals,
                abandon_at,
            } => {
                let permit = permits
                    .acquire()
                    .await
                    .expect("the gate's semaphore is never closed");
                permit.forget();
                let sequence = self.next.fetch_add(1, Ordering::Relaxed);
                if sequence >= *arrivals {
                    Turn::End
                } else if Instant::now() >= *abandon_at {
                    Turn::Abandon
                } else {
                    Turn::Send {
                        sequence,
                        intended: intended(self.start, *rate_per_second, sequence),
                    }
                }
            }
        }
    }

    /// Starts the thread that releases arrivals when they are due; it ends with the schedule.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start_pacer(self: &Arc<Self>, connections: usize) -> std::io::Result<()> {
        let gate = Arc::clone(self);
        if matches!(gate.schedule, Schedule::Open { .. }) {
            std::thread::Builder::new()
                .name("pacer".into())
                .spawn(move || gate.release_all(connections))?;
        }
        Ok(())
    }

    fn release_all(&self, connections: usize) {
        let Schedule::Open {
            permits,
            rate_per_second,
            arrivals,
            ..
        } = &self.schedule
        else {
            return;
        };
        let mut released = 0;
        loop {
            let now = Instant::now();
            let due =
                due_by(now.saturating_duration_since(self.start), *rate_per_second).min(*arrivals);
            if now >= self.start && due > released {
                permits.add_permits((due - released) as usize);
                released = due;
            }
            if released == *arrivals {
                break;
            }
            let pause =
                intended(self.start, *rate_per_second, released).saturating_duration_since(now);
            std::thread::sleep(pause.max(Duration::from_micros(PACER_PAUSE_US_MIN)));
        }
        // One turn more for each connection, by which it learns that this was all.
        permits.add_permits(connections);
    }
}

fn intended(start: Instant, rate_per_second: f64, sequence: u64) -> Instant {
    start + Duration::from_secs_f64(sequence as f64 / rate_per_second)
}

/// Arrivals due after `elapsed`, the one at zero included.
fn due_by(elapsed: Duration, rate_per_second: f64) -> u64 {
    (elapsed.as_secs_f64() * rate_per_second).floor() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_is_due_from_its_intended_start_on() {
        assert_eq!(due_by(Duration::ZERO, 100.0), 1);
        assert_eq!(due_by(Duration::from_millis(9), 100.0), 1);
        assert_eq!(due_by(Duration::from_millis(11), 100.0), 2);
        assert_eq!(due_by(Duration::from_secs(1), 100.0), 101);
    }

    #[tokio::test]
    async fn an_open_gate_hands_out_every_arrival_once_and_then_ends() {
        let gate = Arc::new(Gate::new(
            Pace::Open {
                rate_per_second: 1000.0,
            },
            Duration::from_millis(50),
            Duration::from_secs(5),
        ));
        gate.start_pacer(1).unwrap();
        for expected in 0..50 {
            let Turn::Send { sequence, intended } = gate.turn().await else {
                panic!("no turn")
            };
            assert_eq!(sequence, expected);
            assert_eq!(intended, gate.start() + Duration::from_millis(expected));
            assert!(Instant::now() >= intended);
        }
        assert_eq!(gate.turn().await, Turn::End);
    }

    #[tokio::test]
    async fn an_arrival_long_after_the_end_is_abandoned() {
        let gate = Arc::new(Gate::new(
            Pace::Open {
                rate_per_second: 1000.0,
            },
            Duration::from_millis(2),
            Duration::ZERO,
        ));
        gate.start_pacer(1).unwrap();
        let end = gate.start() + Duration::from_millis(2);
        tokio::time::sleep_until(end.into()).await;
        assert_eq!(gate.turn().await, Turn::Abandon);
        assert_eq!(gate.turn().await, Turn::Abandon);
        assert_eq!(gate.turn().await, Turn::End);
    }
}
