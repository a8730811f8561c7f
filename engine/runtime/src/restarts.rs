//! How often something may be rebuilt before it is held back.

use std::collections::VecDeque;
use std::time::Duration;

/// Restarts within a sliding window.
pub(crate) struct RestartBudget {
    max: usize,
    window: Duration,
    times: VecDeque<Duration>,
}

impl RestartBudget {
    pub(crate) fn new(max: usize, window: Duration) -> RestartBudget {
        RestartBudget {
            max,
            window,
            times: VecDeque::new(),
        }
    }

    /// Spends one restart at monotonic time `now`; `false` when there is none left.
    pub(crate) fn spend(&mut self, now: Duration) -> bool {
        while self
            .times
            .front()
            .is_some_and(|first| now.saturating_sub(*first) >= self.window)
        {
            self.times.pop_front();
        }
        if self.times.len() >= self.max {
            return false;
        }
        self.times.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_bounded_within_the_window_and_come_back_after_it() {
        let seconds = Duration::from_secs;
        let mut budget = RestartBudget::new(2, seconds(60));
        assert!(budget.spend(seconds(0)));
        assert!(budget.spend(seconds(59)));
        assert!(!budget.spend(seconds(59)));
        assert!(budget.spend(seconds(60)));
        assert!(!budget.spend(seconds(61)));
    }
}
