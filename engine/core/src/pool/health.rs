//! Whether a number delivers: the share of its messages that arrived, in a sliding window, and the probes that
//! end a bad time.
//!
//! A message that nobody confirms counts for neither side. As a probe it counts as arrived once it has not
//! failed for a window since a carrier took it: over a carrier without receipts no probe ever says more.

use crate::delivery::status::Status;
use crate::ids::MessageId;
use crate::reason::Reason;
use crate::time::Timestamp;

/// Parts that the window slides by.
const STEPS: i64 = 10;
/// Probes of one number whose end is awaited; past that one that no carrier has counts no more, else the newest.
const PROBES_MAX: usize = 8;

/// When a number is unhealthy, and how it is tried then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRules {
    /// The least share that arrives, in percent; 0 finds every number healthy.
    pub share_min_percent: u32,
    /// The fewest messages in the window that say anything.
    pub messages_min: u32,
    /// The length of the window, in microseconds.
    pub window_us: i64,
    /// The time between two probes, in microseconds.
    pub probe_interval_us: i64,
}

/// What messages of a window came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that arrived.
    pub delivered: u32,
    /// Those, and all that failed by the number.
    pub messages: u32,
}

impl Counted {
    /// The share that arrived, in percent; `None` of nothing.
    pub fn share_percent(self) -> Option<u32> {
        let share = (u64::from(self.delivered) * 100).checked_div(u64::from(self.messages))?;
        u32::try_from(share).ok()
    }
}

/// What a message says of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A carrier took it.
    Sent,
    /// It arrived.
    Delivered,
    /// It failed, and may have failed because of the number.
    Failed,
    /// It is over, and the number has nothing to do with that.
    Over,
}

impl News {
    /// What a status says; `None` for one that says nothing so far.
    pub fn of(status: Status, reason: Option<Reason>) -> Option<News> {
        match status {
            Status::Scheduled | Status::Queued | Status::Sending => None,
            Status::Sent => Some(News::Sent),
            Status::Cancelled => Some(News::Over),
            Status::Delivered => Some(News::Delivered),
            Status::Failed => Some(reason.map_or(News::Failed, News::of_failure)),
        }
    }

    fn of_failure(reason: Reason) -> News {
        match reason {
            Reason::InDoubt
            | Reason::Expired
            | Reason::OptedOut
            | Reason::WindowClosed
            | Reason::InvalidDestination => News::Over,
            Reason::Unknown
            | Reason::Delayed
            | Reason::Unconfirmed
            | Reason::Throttled
            | Reason::CarrierError
            | Reason::Unreachable
            | Reason::Rejected
            | Reason::Spam
            | Reason::Blocked => News::Failed,
        }
    }
}

/// How a number's health changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthChange {
    /// Too little arrives.
    Fell,
    /// A probe arrived, as far as can be known.
    Recovered,
}

/// A message that tries whether a number delivers again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    message: MessageId,
    /// When a carrier took it.
    sent_at: Option<Timestamp>,
}

/// A bad time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Illness {
    probe_at: Timestamp,
    /// Probes under way, oldest first.
    probes: Vec<Probe>,
}

/// The health of one number. Times are of a clock that never goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Counts by the step of the window that they fell into, oldest first.
    steps: Vec<(i64, Counted)>,
    illness: Option<Illness>,
}

impl Health {
    /// Hears of a message of the number.
    pub fn hear(
        &mut self,
        rules: &HealthRules,
        message: MessageId,
        news: News,
        now: Timestamp,
    ) -> Option<HealthChange> {
        self.slide(rules, now);
        match news {
            News::Sent => {
                self.probe_sent(message, now);
                return None;
            }
            News::Delivered | News::Failed => self.count(rules, news == News::Delivered, now),
            News::Over => {}
        }
        let Some(illness) = &mut self.illness else {
            return self.judge(rules, now);
        };
        let mut probes = illness.probes.iter();
        let place = probes.position(|probe| probe.message == message)?;
        illness.probes.remove(place);
        (news == News::Delivered).then(|| self.recover())
    }

    /// Ends a bad time of which a probe did not fail for a window since a carrier took it.
    pub fn settle(&mut self, rules: &HealthRules, now: Timestamp) -> Option<HealthChange> {
        let probes = &self.illness.as_ref()?.probes;
        let mut sent = probes.iter().filter_map(|probe| probe.sent_at);
        let is_over = sent.any(|sent_at| now.0 - sent_at.0 >= rules.window_us);
        is_over.then(|| self.recover())
    }

    /// What the window holds.
    pub fn counted(&self, rules: &HealthRules, now: Timestamp) -> Counted {
        let first = step(rules, now) - STEPS;
        let recent = self.steps.iter().filter(|(step, _)| *step > first);
        recent.fold(Counted::default(), |sum, (_, counted)| Counted {
            delivered: sum.delivered.saturating_add(counted.delivered),
            messages: sum.messages.saturating_add(counted.messages),
        })
    }

    /// Whether it is used for whoever knows no number yet.
    pub fn is_healthy(&self) -> bool {
        self.illness.is_none()
    }

    /// Whether it is time for a probe.
    pub fn wants_probe(&self, now: Timestamp) -> bool {
        let illness = self.illness.as_ref();
        illness.is_some_and(|illness| illness.probe_at <= now)
    }

    /// Begins a probe: the next is due an interval later.
    pub fn begin_probe(&mut self, rules: &HealthRules, now: Timestamp) {
        if let Some(illness) = &mut self.illness {
            illness.probe_at = next_probe(rules, now);
        }
    }

    /// Takes back a probe that began then and came to nothing: it is due again, unless another began since.
    pub fn give_probe_back(&mut self, rules: &HealthRules, begun: Timestamp) {
        if let Some(illness) = &mut self.illness
            && illness.probe_at == next_probe(rules, begun)
        {
            illness.probe_at = begun;
        }
    }

    /// Notes which message is a probe.
    pub fn probed(&mut self, message: MessageId) {
        let Some(illness) = &mut self.illness else {
            return;
        };
        if illness.probes.len() == PROBES_MAX {
            // The oldest that a carrier has is the first to end the bad time: it stays.
            let unsent = illness
                .probes
                .iter()
                .position(|probe| probe.sent_at.is_none());
            illness.probes.remove(unsent.unwrap_or(PROBES_MAX - 1));
        }
        illness.probes.push(Probe {
            message,
            sent_at: None,
        });
    }

    fn probe_sent(&mut self, message: MessageId, now: Timestamp) {
        let probes = self.illness.iter_mut().flat_map(|ill| &mut ill.probes);
        for probe in probes.filter(|probe| probe.message == message) {
            probe.sent_at.get_or_insert(now);
        }
    }

    /// What was counted before belongs to the time that is over.
    fn recover(&mut self) -> HealthChange {
        *self = Health::default();
        HealthChange::Recovered
    }

    fn count(&mut self, rules: &HealthRules, is_delivered: bool, now: Timestamp) {
        let step = step(rules, now);
        if self.steps.last().is_none_or(|(last, _)| *last != step) {
            self.steps.push((step, Counted::default()));
        }
        if let Some((_, counted)) = self.steps.last_mut() {
            counted.messages = counted.messages.saturating_add(1);
            counted.delivered = counted.delivered.saturating_add(u32::from(is_delivered));
        }
    }

    fn judge(&mut self, rules: &HealthRules, now: Timestamp) -> Option<HealthChange> {
        let counted = self.counted(rules, now);
        let says_something = counted.messages >= rules.messages_min.max(1);
        let is_short = u64::from(counted.delivered) * 100
            < u64::from(counted.messages) * u64::from(rules.share_min_percent);
        (says_something && is_short).then(|| {
            self.illness = Some(Illness {
                probe_at: next_probe(rules, now),
                probes: Vec::new(),
            });
            HealthChange::Fell
        })
    }

    fn slide(&mut self, rules: &HealthRules, now: Timestamp) {
        let first = step(rules, now) - STEPS;
        self.steps.retain(|(step, _)| *step > first);
    }
}

fn step(rules: &HealthRules, now: Timestamp) -> i64 {
    now.0 / (rules.window_us / STEPS).max(1)
}

fn next_probe(rules: &HealthRules, begun: Timestamp) -> Timestamp {
    Timestamp(begun.0 + rules.probe_interval_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: HealthRules = HealthRules {
        share_min_percent: 50,
        messages_min: 4,
        window_us: 1_000,
        probe_interval_us: 100,
    };

    fn end(is_delivered: bool) -> News {
        match is_delivered {
            true => News::Delivered,
            false => News::Failed,
        }
    }

    fn ill() -> Health {
        let mut health = Health::default();
        for n in 0..4 {
            health.hear(&RULES, MessageId(n), News::Failed, Timestamp(0));
        }
        assert!(!health.is_healthy());
        health
    }

    #[test]
    fn a_number_falls_at_the_message_that_leaves_too_few_delivered() {
        let mut health = Health::default();
        let mut rest =
            |delivered, at| health.hear(&RULES, MessageId(1), end(delivered), Timestamp(at));
        for delivered in [false, false, true, true] {
            assert_eq!(rest(delivered, 0), None, "half of four is enough");
        }
        assert_eq!(rest(false, 10), Some(HealthChange::Fell));
        assert_eq!(rest(false, 11), None, "it is told once");
        let counted = health.counted(&RULES, Timestamp(11));
        assert_eq!((counted.delivered, counted.messages), (2, 6));
        assert_eq!(counted.share_percent(), Some(33));
    }

    #[test]
    fn what_lies_before_the_window_counts_no_more() {
        let mut health = Health::default();
        for n in 0..3 {
            health.hear(&RULES, MessageId(n), News::Failed, Timestamp(0));
        }
        let late = Timestamp(1_000);
        assert_eq!(health.hear(&RULES, MessageId(4), News::Failed, late), None);
        assert_eq!(health.counted(&RULES, late).messages, 1);
        assert_eq!(
            health.counted(&RULES, Timestamp(9_000)).share_percent(),
            None
        );
    }

    #[test]
    fn no_share_asked_for_finds_every_number_healthy() {
        let rules = HealthRules {
            share_min_percent: 0,
            ..RULES
        };
        let mut health = Health::default();
        for n in 0..100 {
            let heard = health.hear(&rules, MessageId(n), News::Failed, Timestamp(0));
            assert_eq!(heard, None);
        }
    }

    #[test]
    fn only_a_probe_that_arrives_ends_a_bad_time() {
        let mut health = ill();
        assert!(!health.wants_probe(Timestamp(99)));
        assert!(health.wants_probe(Timestamp(100)));
        health.begin_probe(&RULES, Timestamp(100));
        health.probed(MessageId(50));
        assert!(!health.wants_probe(Timestamp(199)));
        let mut rest =
            |n, delivered| health.hear(&RULES, MessageId(n), end(delivered), Timestamp(150));
        assert_eq!(rest(9, true), None, "somebody who knows the number");
        assert_eq!(rest(50, false), None, "the probe failed");
        assert_eq!(rest(50, true), None, "it came to rest before");
        health.probed(MessageId(51));
        let arrived = health.hear(&RULES, MessageId(51), News::Delivered, Timestamp(250));
        assert_eq!(arrived, Some(HealthChange::Recovered));
        assert!(health.is_healthy());
        assert_eq!(health.counted(&RULES, Timestamp(250)).messages, 0);
    }

    #[test]
    fn probes_without_an_end_are_bounded() {
        let mut health = ill();
        for n in 0..20 {
            health.probed(MessageId(100 + n));
        }
        let mut rest = |n| health.hear(&RULES, MessageId(n), News::Delivered, Timestamp(2));
        assert_eq!(rest(100), None);
        assert_eq!(rest(119), Some(HealthChange::Recovered));
    }

    #[test]
    fn what_has_nothing_to_do_with_the_number_does_not_count() {
        for reason in [
            Reason::OptedOut,
            Reason::Expired,
            Reason::InDoubt,
            Reason::InvalidDestination,
            Reason::WindowClosed,
        ] {
            assert_eq!(News::of(Status::Failed, Some(reason)), Some(News::Over));
        }
        assert_eq!(News::of(Status::Cancelled, None), Some(News::Over));
        let spam = News::of(Status::Failed, Some(Reason::Spam));
        assert_eq!(spam, Some(News::Failed));
        let mut health = Health::default();
        for n in 0..100 {
            let news = [News::Sent, News::Over][n % 2];
            let heard = health.hear(&RULES, MessageId(n as u64), news, Timestamp(0));
            assert_eq!(heard, None);
        }
        assert_eq!(health.counted(&RULES, Timestamp(0)), Counted::default());
    }

    #[test]
    fn a_probe_that_was_sent_and_does_not_fail_for_a_window_ends_a_bad_time() {
        let mut health = ill();
        let mut now = 100;
        let mut probe = |health: &mut Health, n| {
            health.begin_probe(&RULES, Timestamp(now));
            health.probed(MessageId(n));
            let heard = health.hear(&RULES, MessageId(n), News::Sent, Timestamp(now));
            assert_eq!(heard, None);
            now += 100;
        };
        probe(&mut health, 50);
        health.hear(&RULES, MessageId(50), News::Failed, Timestamp(150));
        // More than are awaited at once go out before the window of the first is over.
        for n in 0..PROBES_MAX as u64 + 1 {
            probe(&mut health, 51 + n);
        }
        assert_eq!(health.settle(&RULES, Timestamp(1_199)), None);
        let settled = health.settle(&RULES, Timestamp(1_200));
        assert_eq!(settled, Some(HealthChange::Recovered));
        assert!(health.is_healthy());
        assert_eq!(health.settle(&RULES, Timestamp(1_200)), None);
    }

    #[test]
    fn a_probe_that_no_carrier_has_ends_nothing() {
        let mut health = ill();
        health.probed(MessageId(50));
        assert_eq!(health.settle(&RULES, Timestamp(9_000)), None);
    }

    #[test]
    fn a_probe_that_comes_to_nothing_is_due_again() {
        let mut health = ill();
        health.begin_probe(&RULES, Timestamp(100));
        health.give_probe_back(&RULES, Timestamp(100));
        assert!(health.wants_probe(Timestamp(101)));
        health.begin_probe(&RULES, Timestamp(101));
        health.give_probe_back(&RULES, Timestamp(100));
        assert!(!health.wants_probe(Timestamp(102)), "another began since");
    }
}
