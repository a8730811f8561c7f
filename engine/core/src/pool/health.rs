//! Whether a number delivers: the share of its messages that arrived, in a sliding window, and the probes that
//! end a bad time.

use crate::ids::MessageId;
use crate::time::Timestamp;

/// Parts that the window slides by.
const STEPS: i64 = 10;
/// Probes of one number whose end is awaited; past that the oldest counts no more.
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
    /// All that came to rest.
    pub messages: u32,
}

impl Counted {
    /// The share that arrived, in percent; `None` of nothing.
    pub fn share_percent(self) -> Option<u32> {
        let share = (u64::from(self.delivered) * 100).checked_div(u64::from(self.messages))?;
        u32::try_from(share).ok()
    }
}

/// How a number's health changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthChange {
    /// Too little arrives.
    Fell,
    /// A probe arrived.
    Recovered,
}

/// A bad time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Illness {
    probe_at: Timestamp,
    /// Probes under way, oldest first.
    probes: Vec<MessageId>,
}

/// The health of one number. Times are of a clock that never goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Counts by the step of the window that they fell into, oldest first.
    steps: Vec<(i64, Counted)>,
    illness: Option<Illness>,
}

impl Health {
    /// Counts a message that came to rest.
    pub fn rest(
        &mut self,
        rules: &HealthRules,
        message: MessageId,
        is_delivered: bool,
        now: Timestamp,
    ) -> Option<HealthChange> {
        self.slide(rules, now);
        let step = step(rules, now);
        match self.steps.last_mut() {
            Some((last, counted)) if *last == step => add(counted, is_delivered),
            Some(_) | None => {
                let mut counted = Counted::default();
                add(&mut counted, is_delivered);
                self.steps.push((step, counted));
            }
        }
        let Some(illness) = &mut self.illness else {
            return self.judge(rules, now);
        };
        let place = illness.probes.iter().position(|probe| *probe == message)?;
        illness.probes.remove(place);
        is_delivered.then(|| {
            // What was counted before belongs to the time that is over.
            *self = Health::default();
            HealthChange::Recovered
        })
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
            illness.probe_at = Timestamp(now.0 + rules.probe_interval_us);
        }
    }

    /// Notes which message is a probe.
    pub fn probed(&mut self, message: MessageId) {
        let Some(illness) = &mut self.illness else {
            return;
        };
        if illness.probes.len() == PROBES_MAX {
            illness.probes.remove(0);
        }
        illness.probes.push(message);
    }

    fn judge(&mut self, rules: &HealthRules, now: Timestamp) -> Option<HealthChange> {
        let counted = self.counted(rules, now);
        let says_something = counted.messages >= rules.messages_min.max(1);
        let is_short = u64::from(counted.delivered) * 100
            < u64::from(counted.messages) * u64::from(rules.share_min_percent);
        (says_something && is_short).then(|| {
            self.illness = Some(Illness {
                probe_at: Timestamp(now.0 + rules.probe_interval_us),
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

fn add(counted: &mut Counted, is_delivered: bool) {
    counted.messages = counted.messages.saturating_add(1);
    counted.delivered = counted.delivered.saturating_add(u32::from(is_delivered));
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

    fn ill() -> Health {
        let mut health = Health::default();
        for n in 0..4 {
            health.rest(&RULES, MessageId(n), false, Timestamp(0));
        }
        assert!(!health.is_healthy());
        health
    }

    #[test]
    fn a_number_falls_at_the_message_that_leaves_too_few_delivered() {
        let mut health = Health::default();
        let mut rest = |delivered, at| health.rest(&RULES, MessageId(1), delivered, Timestamp(at));
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
            health.rest(&RULES, MessageId(n), false, Timestamp(0));
        }
        let late = Timestamp(1_000);
        assert_eq!(health.rest(&RULES, MessageId(4), false, late), None);
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
            assert_eq!(health.rest(&rules, MessageId(n), false, Timestamp(0)), None);
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
        let mut rest = |n, delivered| health.rest(&RULES, MessageId(n), delivered, Timestamp(150));
        assert_eq!(rest(9, true), None, "somebody who knows the number");
        assert_eq!(rest(50, false), None, "the probe failed");
        assert_eq!(rest(50, true), None, "it came to rest before");
        health.probed(MessageId(51));
        let arrived = health.rest(&RULES, MessageId(51), true, Timestamp(250));
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
        let mut rest = |n| health.rest(&RULES, MessageId(n), true, Timestamp(2));
        assert_eq!(rest(100), None);
        assert_eq!(rest(119), Some(HealthChange::Recovered));
    }
}
