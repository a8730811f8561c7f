//! The simulator's own limit: so many submits in each second.

/// The span that submits are counted in.
const WINDOW_MS: u64 = 1_000;

/// Counts submits in seconds since the start.
#[derive(Debug)]
pub(super) struct Quota {
    rate_max: u32,
    window: u64,
    taken: u32,
}

impl Quota {
    /// A quota of `rate_max` submits a second; 0 for no limit.
    pub(super) fn new(rate_max: u32) -> Quota {
        Quota {
            rate_max,
            window: 0,
            taken: 0,
        }
    }

    /// Takes one submit, or says that the second is full.
    pub(super) fn take(&mut self, now_ms: u64) -> bool {
        if self.rate_max == 0 {
            return true;
        }
        let window = now_ms / WINDOW_MS;
        if window != self.window {
            (self.window, self.taken) = (window, 0);
        }
        let free = self.taken < self.rate_max;
        self.taken += u32::from(free);
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_takes_its_number_and_no_more() {
        let mut quota = Quota::new(3);
        for start_ms in [0, 1_000, 7_000] {
            let taken = (0..10)
                .filter(|step| quota.take(start_ms + step * 99))
                .count();
            assert_eq!(taken, 3);
        }
    }

    #[test]
    fn a_limit_of_0_is_none() {
        let mut quota = Quota::new(0);
        assert!((0..10_000).all(|_| quota.take(0)));
    }
}
