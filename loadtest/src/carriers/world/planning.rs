//! The verdict on a submit, and the receipts that it leads to.

use std::sync::Arc;
use std::time::Duration;

use super::{Due, Verdict, World};
use crate::carriers::faults::Faults;
use crate::carriers::record::{Event, Protocol, Record, Submitted};
use crate::peers::Fate;

/// Peers that are remembered as throttled once; past that everybody is throttled once more.
const THROTTLED_ONCE_MAX: usize = 100_000;

impl World {
    /// Decides what becomes of a submit, and puts the receipts of one that is taken on the agenda.
    pub fn judge(&self, protocol: Protocol, submitted: Submitted) -> Verdict {
        let faults = self.faults().clone();
        let fate = match faults.fates {
            true => fate_of(&submitted.to),
            false => Fate::Delivered,
        };
        let throttled = self.dice.falls(faults.throttle)
            || (fate == Fate::ThrottledFirst && self.is_first_time(&submitted.to));
        self.counts.add(protocol, |counts| {
            counts.submits += 1;
            counts.throttled += u64::from(throttled);
        });
        if throttled {
            return Verdict::Throttle;
        }
        if fate == Fate::RefusedAtSubmit {
            self.counts.add(protocol, |counts| counts.refused += 1);
            return Verdict::Refuse;
        }
        if fate == Fate::NeverAnswered {
            self.counts.add(protocol, |counts| counts.unanswered += 1);
            return Verdict::Ignore;
        }
        let answered = !self.dice.falls(faults.unanswered);
        self.counts.add(protocol, |counts| {
            counts.ids += 1;
            counts.unanswered += u64::from(!answered);
        });
        let id = self.message_id(protocol);
        let record = Arc::new(Record::new(protocol, id, submitted));
        self.book().note(&record);
        let early = self.plan_receipts(&record, fate, &faults);
        Verdict::Take {
            record,
            early,
            answered,
        }
    }

    /// Puts receipts on the agenda and returns the one that must not wait.
    fn plan_receipts(&self, record: &Arc<Record>, fate: Fate, faults: &Faults) -> Option<Event> {
        // A receipt that nobody asked for never comes.
        if self.callback_of(record).is_empty() {
            return None;
        }
        let read = record.protocol == Protocol::WhatsApp && self.dice.falls(faults.read);
        let events = record.events(fate, read);
        let early = fate == Fate::ReceiptFirst || self.dice.falls(faults.early);
        let (last, others) = events.split_last()?;
        let planned = if early { others } else { events };
        if self.only_early {
            return early.then_some(*last);
        }
        let disorder = self.dice.falls(faults.disorder);
        let delay = faults.receipt_delay();
        let steps = planned.len() as u32;
        for (step, event) in planned.iter().enumerate() {
            let place = match disorder {
                true => steps - step as u32,
                false => step as u32 + 1,
            };
            let mut after = delay * place / steps.max(1);
            if disorder && steps == 1 {
                after = delay.mul_f64(2.0 * self.dice.unit());
            }
            self.plan_receipt(record, *event, after, fate, faults);
        }
        early.then_some(*last)
    }

    fn plan_receipt(
        &self,
        record: &Arc<Record>,
        event: Event,
        after: Duration,
        fate: Fate,
        faults: &Faults,
    ) {
        let copies = match fate {
            Fate::ReceiptsTwice => 3,
            _ => 1 + u32::from(self.dice.falls(faults.duplicates)),
        };
        for copy in 0..copies {
            if self.dice.falls(faults.loss) {
                self.counts.add(record.protocol, |counts| counts.lost += 1);
            } else if self.has_place(record.protocol) {
                // A repeat comes up to half a delay later.
                let later = after + faults.receipt_delay().mul_f64(0.5 * self.dice.unit()) * copy;
                self.agenda.add(later, Due::Tell(Arc::clone(record), event));
            }
        }
    }

    fn is_first_time(&self, to: &str) -> bool {
        let mut known = self
            .throttled_once
            .lock()
            .expect("no holder of the throttled panics");
        if known.len() == THROTTLED_ONCE_MAX {
            known.clear();
        }
        known.insert(to.into())
    }
}

/// The fate that the recipient's last digits give.
fn fate_of(to: &str) -> Fate {
    let digits = to.rsplit(['+', ':']).next().unwrap_or_default();
    digits.parse().map_or(Fate::Delivered, Fate::of)
}
