//! The window of one session: how many `submit_sm` may be unanswered, halved when the SMSC throttles and
//! won back one by one.

/// The window. Halving and winning back follow TCP's congestion avoidance (RFC 5681, 3.1): one more for
/// each window's worth of answers, and no second halving for what was sent before the first.
#[derive(Debug)]
pub(super) struct Window {
    max: u32,
    limit: u32,
    used: u32,
    /// Answers since the limit last grew.
    answered: u32,
    /// What was sent up to this one knows nothing of the last halving.
    halved_at: u64,
}

impl Window {
    /// An empty window of at most `max` unanswered, at least 1.
    pub(super) fn new(max: u32) -> Window {
        Window {
            max,
            limit: max,
            used: 0,
            answered: 0,
            halved_at: 0,
        }
    }

    /// How many more may be sent.
    pub(super) fn room(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    /// How many are unanswered.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// How many may be unanswered now.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// One was sent.
    pub(super) fn send(&mut self) {
        self.used += 1;
    }

    /// One is no longer waited for, by whatever end.
    pub(super) fn release(&mut self) {
        self.used -= 1;
    }

    /// One was answered without throttling.
    pub(super) fn widen(&mut self) {
        self.answered += 1;
        if self.answered >= self.limit && self.limit < self.max {
            self.limit += 1;
            self.answered = 0;
        }
    }

    /// One that was sent as the `place`th, from 1, was throttled, while `sent` are sent in all.
    pub(super) fn halve(&mut self, place: u64, sent: u64) {
        if place <= self.halved_at {
            return;
        }
        self.limit = (self.limit / 2).max(1);
        self.answered = 0;
        self.halved_at = sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_has_no_room_until_one_is_released() {
        let mut window = Window::new(2);
        window.send();
        window.send();
        assert_eq!((window.room(), window.used()), (0, 2));
        window.release();
        assert_eq!(window.room(), 1);
    }

    #[test]
    fn one_burst_of_throttling_halves_once() {
        let mut window = Window::new(100);
        (1..=40).for_each(|place| window.halve(place, 40));
        assert_eq!(window.limit(), 50);
        window.halve(41, 60);
        assert_eq!(window.limit(), 25);
    }

    #[test]
    fn it_never_closes_and_comes_back_to_its_size() {
        let mut window = Window::new(4);
        (1..10).for_each(|round| window.halve(round, round));
        assert_eq!((window.limit(), window.room()), (1, 1));
        (0..1 + 2 + 3).for_each(|_| window.widen());
        assert_eq!(window.limit(), 4);
        (0..100).for_each(|_| window.widen());
        assert_eq!(window.limit(), 4);
    }
}
