//! A callback on its way through the engine: who answers it, once all that it brought is durable.
//!
//! A callback falls into receipts, inbound messages and parts, which go to different actors. Each carries
//! a [`Share`]; the last one to be let go answers. A share that is dropped without being done, because its
//! actor failed or refused it, makes the answer "later": the carrier brings all of it again, and what was
//! stored is known then.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use didfarm_carriers::Taken;
use tokio::sync::oneshot;

use crate::admission::Permit;

/// Shortest time that an overloaded engine asks a carrier to wait.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// Longest such time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

struct Whole {
    shares: AtomicUsize,
    is_late: AtomicBool,
    later: Duration,
    reply: Mutex<Option<oneshot::Sender<Taken>>>,
    _permit: Permit,
}

/// One actor's share of a callback.
pub(crate) struct Share {
    whole: Arc<Whole>,
    is_done: bool,
}

impl Share {
    /// The first share; `later` is what the carrier hears unless every share is done.
    pub(crate) fn new(reply: oneshot::Sender<Taken>, later: Duration, permit: Permit) -> Share {
        let whole = Whole {
            shares: AtomicUsize::new(1),
            is_late: AtomicBool::new(false),
            later,
            reply: Mutex::new(Some(reply)),
            _permit: permit,
        };
        Share {
            whole: Arc::new(whole),
            is_done: false,
        }
    }

    /// One more share of the same callback.
    pub(crate) fn split(&self) -> Share {
        self.whole.shares.fetch_add(1, Ordering::AcqRel);
        Share {
            whole: Arc::clone(&self.whole),
            is_done: false,
        }
    }

    /// What it stands for is durable, or needs nothing.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.is_done {
            self.whole.is_late.store(true, Ordering::Release);
        }
        if self.whole.shares.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let mut reply = self
            .whole
            .reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(reply) = reply.take() {
            let is_late = self.whole.is_late.load(Ordering::Acquire);
            // A carrier that has gone brings it again.
            let _ = reply.send(match is_late {
                true => Taken::Later(self.whole.later),
                false => Taken::Durable,
            });
        }
    }
}

/// How fast callbacks become durable, for the wait that an overloaded engine asks for.
#[derive(Default)]
pub(crate) struct Pace {
    done: AtomicU64,
    per_second: AtomicU64,
}

impl Pace {
    /// So many elements became durable.
    pub(crate) fn count(&self, elements: u64) {
        self.done.fetch_add(elements, Ordering::Relaxed);
    }

    /// Takes the measure of the last second; half of what was known stays.
    pub(crate) fn measure(&self) {
        let last = self.done.swap(0, Ordering::Relaxed);
        let known = self.per_second.load(Ordering::Relaxed);
        self.per_second.store((known + last) / 2, Ordering::Relaxed);
    }

    /// How long a backlog takes at this pace, within the bounds.
    pub(crate) fn wait(&self, backlog: usize) -> Duration {
        let per_second = self.per_second.load(Ordering::Relaxed).max(1);
        let seconds = (backlog as u64).div_ceil(per_second);
        Duration::from_secs(seconds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;

    fn whole() -> (Share, oneshot::Receiver<Taken>) {
        let (reply, answer) = oneshot::channel();
        let permit = Admission::new(1).admit().unwrap();
        (Share::new(reply, RETRY_AFTER_MIN, permit), answer)
    }

    #[test]
    fn the_last_share_answers_and_only_when_all_are_done() {
        let (share, mut answer) = whole();
        let other = share.split();
        share.done();
        assert!(answer.try_recv().is_err());
        other.done();
        assert_eq!(answer.try_recv(), Ok(Taken::Durable));
    }

    #[test]
    fn a_share_that_is_lost_makes_the_whole_late() {
        let (share, mut answer) = whole();
        drop(share.split());
        share.done();
        assert_eq!(answer.try_recv(), Ok(Taken::Later(RETRY_AFTER_MIN)));
    }

    #[test]
    fn the_wait_follows_the_backlog_and_the_pace() {
        let pace = Pace::default();
        assert_eq!(pace.wait(1_000_000), RETRY_AFTER_MAX);
        for _ in 0..64 {
            pace.count(10_000);
            pace.measure();
        }
        assert_eq!(pace.wait(0), RETRY_AFTER_MIN);
        assert!((Duration::from_secs(4)..=Duration::from_secs(6)).contains(&pace.wait(50_000)));
    }
}
