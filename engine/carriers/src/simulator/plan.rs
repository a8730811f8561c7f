//! What a submit leads to: its answer and its receipts, each with its delay. Pure: no clock, no state.

use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::MessageId;
use didfarm_core::reason::Reason;

use super::SimulatorSettings;
use super::dice::{Dice, Draw};
use super::fate::Fate;
use super::id::carrier_message_id;
use crate::{CarrierEvent, Receipt, Submit, SubmitAnswer};

/// How many submits of [`Fate::ThrottledTwice`] are throttled.
const THROTTLED_SUBMITS: u16 = 2;
/// How often the receipt of [`Fate::ReceiptThrice`] comes.
const REPEATED_RECEIPTS: u16 = 3;
/// How far the answer of [`Fate::ReceiptFirst`] comes behind its receipt: in another group, and soon
/// enough for a caller that does not wait long for answers.
const ANSWER_BEHIND_MS: u64 = 5;

/// Something to come, without its carrier message ids: those are made when it is due, so that what
/// waits is small and owns no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    message: MessageId,
    submit: u16,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// It takes the message, with so many ids.
    Accepted(u16),
    Refused(Reason),
    Throttled,
    NoAnswer,
    /// A receipt for one segment, counted from 1.
    Receipt(u16, Claim, Option<Reason>),
}

impl Due {
    /// The event as the sink takes it.
    pub(super) fn into_event(self) -> CarrierEvent {
        let id = |segment| carrier_message_id(self.message, self.submit, segment);
        let answer = match self.what {
            What::Accepted(ids) => SubmitAnswer::Accepted((1..=ids).map(id).collect()),
            What::Refused(reason) => SubmitAnswer::Refused(reason),
            What::Throttled => SubmitAnswer::NotTaken(Reason::Throttled),
            What::NoAnswer => SubmitAnswer::NoAnswer,
            What::Receipt(segment, claim, reason) => {
                return CarrierEvent::Receipt(Receipt {
                    message: Some(self.message),
                    id: id(segment),
                    claim,
                    reason,
                });
            }
        };
        CarrierEvent::Answer(self.message, answer)
    }
}

/// Decides what becomes of a submit and hands over each event with its delay in milliseconds; events
/// with the same delay come in the order in which they are handed over.
pub(super) fn plan(
    settings: &SimulatorSettings,
    submit: &Submit,
    within_rate: bool,
    schedule: &mut impl FnMut(u64, Due),
) {
    let mut plan = Plan {
        settings,
        submit,
        schedule,
    };
    if within_rate {
        plan.submit(Fate::of(&submit.to));
    } else {
        plan.answer(What::Throttled);
    }
}

struct Plan<'a, S> {
    settings: &'a SimulatorSettings,
    submit: &'a Submit,
    schedule: &'a mut S,
}

impl<S: FnMut(u64, Due)> Plan<'_, S> {
    fn submit(&mut self, fate: Fate) {
        match fate {
            Fate::Delivered if self.is_throttled() => self.answer(What::Throttled),
            Fate::Delivered => self.accept(Self::receipts_by_shares),
            Fate::Refused => self.answer(What::Refused(Reason::InvalidDestination)),
            Fate::Failed => self.accept(|plan, segment| {
                plan.sequence(segment, &[Claim::Failed]);
            }),
            Fate::NeverReceipted => self.accept(|_, _| {}),
            Fate::ReceiptFirst => self.receipt_first(),
            Fate::ReceiptThrice => self.accept(|plan, segment| {
                plan.delivered(segment, &[Claim::Delivered; REPEATED_RECEIPTS as usize]);
            }),
            Fate::ThrottledTwice if self.submit.submit <= THROTTLED_SUBMITS => {
                self.answer(What::Throttled);
            }
            Fate::ThrottledTwice => self.accept(|plan, segment| {
                plan.delivered(segment, &[Claim::Delivered]);
            }),
            Fate::NeverAnswered => {}
            Fate::Contradicted => self.accept(|plan, segment| {
                plan.delivered(segment, &[Claim::Failed, Claim::Delivered]);
            }),
            Fate::ConnectionCut => self.answer(What::NoAnswer),
        }
    }

    /// Each try draws anew: a message that is throttled once is not throttled for ever.
    fn is_throttled(&self) -> bool {
        let share = self.settings.throttling;
        share > 0.0
            && self
                .dice(0, self.submit.submit)
                .within(Draw::Throttled, share)
    }

    fn answer(&mut self, what: What) {
        self.at(self.settings.submit_delay_ms, what);
    }

    fn accept(&mut self, receipts: impl Fn(&mut Self, u16)) {
        self.answer(What::Accepted(self.ids()));
        for segment in 1..=self.ids() {
            receipts(self, segment);
        }
    }

    fn receipt_first(&mut self) {
        let receipt_ms = self.settings.submit_delay_ms;
        let answer_ms = receipt_ms.saturating_add(ANSWER_BEHIND_MS);
        for segment in 1..=self.ids() {
            self.receipt(receipt_ms, segment, Claim::Delivered);
        }
        self.at(answer_ms, What::Accepted(self.ids()));
        if self.submit.channel == Channel::WhatsApp {
            self.receipt(
                answer_ms.saturating_add(self.delay_ms(1, 0)),
                1,
                Claim::Read,
            );
        }
    }

    /// The usual receipts, as far as the shares leave them alone.
    fn receipts_by_shares(&mut self, segment: u16) {
        let held = self.draws(segment, 0, Draw::Held, self.settings.reordering);
        let [first, second] = match (self.submit.channel, held) {
            (Channel::Sms, false) => [Some(Claim::Delivered), None],
            (Channel::Sms, true) => [Some(Claim::Delivered), Some(Claim::EnRoute)],
            (Channel::WhatsApp, false) => [Some(Claim::Delivered), Some(Claim::Read)],
            (Channel::WhatsApp, true) => [Some(Claim::Read), Some(Claim::Delivered)],
        };
        let mut at_ms = self.settings.submit_delay_ms;
        if held {
            let held_ms_max = self.settings.receipt_delay_ms.saturating_mul(2);
            let dice = self.dice(segment, 0);
            at_ms = at_ms.saturating_add(dice.up_to(Draw::HeldFor, held_ms_max));
        }
        for (place, claim) in (0u16..).zip([first, second].into_iter().flatten()) {
            at_ms = at_ms.saturating_add(self.delay_ms(segment, 2 * place));
            if self.draws(segment, place, Draw::Lost, self.settings.loss) {
                continue;
            }
            self.receipt(at_ms, segment, claim);
            if self.draws(segment, place, Draw::Doubled, self.settings.duplication) {
                let again_ms = at_ms.saturating_add(self.delay_ms(segment, 2 * place + 1));
                self.receipt(again_ms, segment, claim);
            }
        }
    }

    /// The claims one delay after another, then `read` where a channel has it.
    fn delivered(&mut self, segment: u16, claims: &[Claim]) {
        let end_ms = self.sequence(segment, claims);
        if self.submit.channel == Channel::WhatsApp {
            let read_ms = end_ms.saturating_add(self.delay_ms(segment, claims.len() as u16));
            self.receipt(read_ms, segment, Claim::Read);
        }
    }

    fn sequence(&mut self, segment: u16, claims: &[Claim]) -> u64 {
        let mut at_ms = self.settings.submit_delay_ms;
        for (place, claim) in (0u16..).zip(claims) {
            at_ms = at_ms.saturating_add(self.delay_ms(segment, place));
            self.receipt(at_ms, segment, *claim);
        }
        at_ms
    }

    fn receipt(&mut self, at_ms: u64, segment: u16, claim: Claim) {
        let reason = (claim == Claim::Failed).then_some(Reason::Unreachable);
        self.at(at_ms, What::Receipt(segment, claim, reason));
    }

    fn at(&mut self, at_ms: u64, what: What) {
        let due = Due {
            message: self.submit.message,
            submit: self.submit.submit,
            what,
        };
        (self.schedule)(at_ms, due);
    }

    /// How many carrier message ids the message has: one per SMS segment.
    fn ids(&self) -> u16 {
        match self.submit.channel {
            Channel::Sms => self.submit.segments.max(1),
            Channel::WhatsApp => 1,
        }
    }

    fn delay_ms(&self, segment: u16, place: u16) -> u64 {
        let jitter_ms_max = self.settings.receipt_jitter_ms;
        if jitter_ms_max == 0 {
            return self.settings.receipt_delay_ms;
        }
        let jitter_ms = self
            .dice(segment, 0)
            .up_to(Draw::Jitter(place), jitter_ms_max);
        self.settings.receipt_delay_ms.saturating_add(jitter_ms)
    }

    /// A share's draw for a receipt by its place in the segment's sequence; free where the share is 0.
    fn draws(&self, segment: u16, place: u16, draw: Draw, share: f64) -> bool {
        share > 0.0 && self.dice(segment, place).within(draw, share)
    }

    /// Segment 0 is the submit itself.
    fn dice(&self, segment: u16, place: u16) -> Dice {
        let part = u32::from(segment) << 16 | u32::from(place);
        Dice::new(self.settings.seed, self.submit.message, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_event_is_24_bytes_with_its_time() {
        assert_eq!(size_of::<(u64, Due)>(), 24);
    }
}
