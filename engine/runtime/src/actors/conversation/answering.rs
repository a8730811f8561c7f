//! Answering by itself: a number's rules choose, and the answer is sent as any other message is.
//!
//! It is accepted in the same entry as the message that it answers: once, whatever fails. Where it may not
//! be sent, the message is taken all the same.

use std::sync::Arc;

use didfarm_core::auto_reply::{AutoReplied, Choice, InboundFacts, RuleId};
use didfarm_core::channel::Channel;
use didfarm_core::content::ContentKind;
use didfarm_core::conversation::{SendMessage, decide_send};
use didfarm_core::message::Received;
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;
use didfarm_core::segments;
use didfarm_core::time::Timestamp;

use super::sending::{acceptance, new_delivery};
use super::{ConversationActor, Turn};
use crate::actors::partition::Effect;
use crate::meters::auto_reply::AutoReplyOutcome;
use crate::send::{SendError, charge, validity_ms};

/// What a number answers to a message.
pub(super) struct Answer {
    pub(super) peer: Peer,
    pub(super) channel: Channel,
    pub(super) text: Arc<str>,
    pub(super) rule: RuleId,
}

/// Whether these are no words that the peer wrote to us: a carrier's about the peer, or a reaction to what
/// we wrote.
fn is_automatic(fact: &Received) -> bool {
    let kind = fact.content.as_ref().map(|content| content.kind);
    matches!(kind, Some(ContentKind::Unsupported | ContentKind::Reaction))
}

impl ConversationActor {
    /// Chooses what the number answers to a message that is about to be applied, if anything.
    pub(super) fn choose_answer(&self, fact: &Received, now: Timestamp) -> Option<Answer> {
        let rules = Arc::clone(self.number.number.borrow().auto_reply.as_ref()?);
        let meters = &self.number.engine().meters;
        if self.number.engine().quarantine.holds(fact.number) {
            meters.auto_replies.count(AutoReplyOutcome::Refused);
            return None;
        }
        let inbound = InboundFacts {
            text: &fact.body,
            peer: &fact.from,
            channel: fact.channel,
            automatic: is_automatic(fact),
        };
        let state = self.state.as_ref();
        let replied = state.and_then(|state| state.auto_replied.as_deref());
        match rules.choose(&inbound, replied.unwrap_or(&AutoReplied::default()), now) {
            Choice::Reply { text, rule } => Some(Answer {
                peer: fact.from.clone(),
                channel: fact.channel,
                text,
                rule,
            }),
            Choice::Silent(cause) => {
                meters.auto_replies.count(AutoReplyOutcome::Silent(cause));
                None
            }
        }
    }

    /// Adds an answer to the turn of the message that it answers, which is applied by now.
    pub(super) fn answer(&mut self, turn: &mut Turn, answer: Answer) {
        let outcome = match self.try_answer(turn, answer) {
            // It is counted once it is durable.
            Ok(()) => return,
            Err(SendError::RateLimited { .. }) => AutoReplyOutcome::RateLimited,
            Err(
                SendError::Refused(_) | SendError::PrefixBusy { .. } | SendError::Unavailable(_),
            ) => AutoReplyOutcome::Refused,
        };
        self.number.engine().meters.auto_replies.count(outcome);
    }

    fn try_answer(&mut self, turn: &mut Turn, answer: Answer) -> Result<(), SendError> {
        let engine = Arc::clone(self.number.engine());
        let account = Arc::clone(&self.number.account);
        let (now, peer) = (turn.at, answer.peer);
        engine.abuse.judge_answer(&account, &peer)?;
        let segmentation = segments::count(&answer.text);
        let (segments, available) = (segmentation.segments, account.balance());
        let charge = charge(&engine.prices, &peer, segments, available)?;
        let command = SendMessage {
            channel: answer.channel,
            body: answer.text,
            segmentation,
            charge,
            content: None,
            valid_until: now.plus_ms(validity_ms(&engine.settings, None)),
            send_at: None,
            auto_reply: Some(answer.rule),
            batch: None,
            status_url: None,
            is_urgent: false,
        };
        let (_, events) = {
            let number = self.number.number.borrow();
            let routes = &engine.routes;
            if routes
                .targets(number.e164, &peer, command.channel)
                .is_empty()
            {
                return Err(Refusal::NoRoute.into());
            }
            let pair = self.pair(&number, &peer);
            let mut fresh = || engine.fresh_extent();
            decide_send(self.state.as_ref(), pair, command, now, &mut fresh)?
        };
        account.take().map_err(|wait| SendError::RateLimited {
            limit: account.limit(),
            wait,
        })?;
        let reservation = account.reserve(charge, now)?;
        let fact = acceptance(&events);
        turn.effects.push(Effect::Answered {
            channel: fact.channel,
            delivery: new_delivery(fact, None, now),
        });
        self.apply(turn, events);
        if let Some(low) = reservation.low() {
            turn.tell(engine.tell_low(now, &account, low));
        }
        // The turn is appended whole: what is reserved for it is spent.
        reservation.keep();
        Ok(())
    }
}
