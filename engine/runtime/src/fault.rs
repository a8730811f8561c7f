//! Fault points: places where a test makes the engine fail on purpose. All off unless set.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use didfarm_core::time::Timestamp;

use crate::clock::{Clock, SystemClock};

/// How often it is looked how far the clock was moved.
const MOVED_POLL: Duration = Duration::from_millis(10);

/// Which faults are on.
#[derive(Debug, Clone, Default)]
pub struct FaultPoints {
    /// A conversation panics on a message with exactly this body, before it decides.
    pub panic_on_body: Option<Box<str>>,
    /// The delivery supervisor panics when it takes over a message with exactly this body.
    pub panic_in_delivery_on_body: Option<Box<str>>,
    /// The wall clock is ahead by as many seconds as this file says, and may be moved at any time.
    pub clock_ahead_file: Option<PathBuf>,
}

/// The machine's clock, which a test moves.
pub(crate) struct MovedClock {
    machine: SystemClock,
    file: Option<PathBuf>,
    /// When the file was read last, and what it said in microseconds.
    moved: Mutex<(Option<Duration>, i64)>,
}

impl MovedClock {
    fn moved_us(&self) -> i64 {
        let Some(file) = &self.file else {
            return 0;
        };
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.machine.elapsed();
        if moved.0.is_none_or(|read| now - read >= MOVED_POLL) {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let seconds: i64 = text.trim().parse().unwrap_or(moved.1 / 1_000_000);
            *moved = (Some(now), seconds * 1_000_000);
        }
        moved.1
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let moved_us = self.moved_us();
        Timestamp(self.machine.now().0 + moved_us)
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }
}

impl FaultPoints {
    /// The machine's clock, moved as a test wants it.
    pub(crate) fn clock(&self) -> MovedClock {
        MovedClock {
            machine: SystemClock::default(),
            file: self.clock_ahead_file.clone(),
            moved: Mutex::new((None, 0)),
        }
    }

    pub(crate) fn on_conversation(&self, body: &str) {
        if self.panic_on_body.as_deref() == Some(body) {
            panic!("fault point: a conversation fails on this body");
        }
    }

    pub(crate) fn on_delivery(&self, body: &str) {
        if self.panic_in_delivery_on_body.as_deref() == Some(body) {
            panic!("fault point: the delivery supervisor fails on this body");
        }
    }
}
