//! Consent: the words of peers, what carriers teach and what is recorded by hand.
//!
//! A word changes the consent in the entry of the message that consists of it, with the answer to it. That
//! answer goes to a peer who opted out, once, and may be refused as any send may.

use std::sync::Arc;

use actix::Message;
use didfarm_core::auto_reply::{ONCE_PER_S_DEFAULT, RuleId, SilentCause, is_person};
use didfarm_core::consent::{self, ConsentChange, ConsentEvent, Heard, Language, Meaning, Word};
use didfarm_core::event::Event;
use didfarm_core::ids::{ConversationId, NumberId};
use didfarm_core::message::Received;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use tokio::sync::oneshot;

use super::answering::Answer;
use super::{ConversationActor, Turn};
use crate::actors::partition::Effect;
use crate::admission::Permit;
use crate::bars::Upto;
use crate::callback::Share;
use crate::meters::auto_reply::AutoReplyOutcome;
use crate::read::ReadError;

/// Who hears that a change is durable, or that it said nothing new.
pub(crate) enum ConsentReply {
    /// Who asked for it.
    Asker(oneshot::Sender<Result<(), ReadError>>),
    /// The carrier whose callback told of it.
    Callback(Share),
    /// Nobody waits: a carrier's answer taught it.
    Nobody,
}

impl ConsentReply {
    /// It is durable.
    pub(crate) fn durable(self) {
        match self {
            ConsentReply::Asker(reply) => {
                // Who asked may have gone.
                let _ = reply.send(Ok(()));
            }
            ConsentReply::Callback(share) => share.done(),
            ConsentReply::Nobody => {}
        }
    }

    /// There is no such conversation. Who asked sees the channel close; for a carrier it is no reason to
    /// come again.
    fn unknown(self) {
        if let ConsentReply::Callback(share) = self {
            share.done();
        }
    }
}

/// A change of a peer's consent that no inbound message says, on its way to its conversation.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ConsentCommand {
    pub(crate) number: NumberId,
    pub(crate) peer: Peer,
    pub(crate) said: ConsentEvent,
    pub(crate) reply: ConsentReply,
    pub(crate) permit: Option<Permit>,
}

/// What an inbound message leads to besides being stored.
#[derive(Default)]
pub(super) struct Reaction {
    pub(super) consent: Option<ConsentEvent>,
    pub(super) answer: Option<Answer>,
}

impl ConversationActor {
    /// Chooses what a message that is about to be applied leads to.
    pub(super) fn react(&self, fact: &Received, now: Timestamp) -> Reaction {
        let word = consent::word_of(&fact.body, fact.content.as_deref(), &fact.from);
        let heard = word.map(|word| {
            let heard = consent::hear(self.state.as_ref(), &word, fact.message);
            (word, heard)
        });
        match heard {
            None | Some((_, Heard::Nothing)) => Reaction {
                consent: None,
                answer: self.choose_answer(fact, now),
            },
            Some((_, Heard::Known)) => {
                self.is_silent(SilentCause::OptOut);
                Reaction::default()
            }
            Some((word, Heard::Help)) => Reaction {
                consent: None,
                answer: self.answer_to(&word, fact, RuleId::Help, now),
            },
            Some((word, Heard::Change(event))) => {
                let rule = match event.change {
                    ConsentChange::OptedOut => RuleId::OptOut,
                    ConsentChange::OptedIn => RuleId::OptIn,
                };
                Reaction {
                    answer: self.answer_to(&word, fact, rule, now),
                    consent: Some(event),
                }
            }
        }
    }

    /// The answer to a word: the text of the number's own rule for it, else that of the settings, else ours.
    fn answer_to(
        &self,
        word: &Word,
        fact: &Received,
        rule: RuleId,
        now: Timestamp,
    ) -> Option<Answer> {
        let engine = self.number.engine();
        if engine.quarantine.holds(fact.number) {
            engine.meters.auto_replies.count(AutoReplyOutcome::Refused);
            return None;
        }
        if !is_person(&fact.from, fact.channel) {
            self.is_silent(SilentCause::NobodyReads);
            return None;
        }
        let rules = self.number.number.borrow().auto_reply.clone();
        let state = self.state.as_ref();
        let replied = state.and_then(|state| state.auto_replied.as_deref());
        let otherwise_ms = u64::from(ONCE_PER_S_DEFAULT) * 1_000;
        let window_ms = rules
            .as_ref()
            .map_or(otherwise_ms, |rules| rules.window_ms());
        if replied.is_some_and(|replied| replied.within(rule, now, window_ms)) {
            self.is_silent(SilentCause::Answered);
            return None;
        }
        let own = rules.and_then(|rules| rules.keyword_text(&fact.body));
        let text = own.or_else(|| {
            let settings = &engine.settings.consent;
            let set = match word.meaning {
                Meaning::Stop => &settings.opted_out_text,
                Meaning::Start => &settings.opted_in_text,
                Meaning::Help => &settings.help_text,
            };
            let ours = || {
                let language = word.language;
                let language = language.unwrap_or_else(|| Language::of_peer(&fact.from));
                language.text(word.meaning)
            };
            let text = if set.is_empty() { ours() } else { set };
            settings.confirm.then(|| Arc::from(text))
        });
        if text.is_none() {
            self.is_silent(SilentCause::NoRule);
        }
        Some(Answer {
            peer: fact.from.clone(),
            channel: fact.channel,
            text: text?,
            rule,
        })
    }

    fn is_silent(&self, cause: SilentCause) {
        let meters = &self.number.engine().meters;
        meters.auto_replies.count(AutoReplyOutcome::Silent(cause));
    }

    /// Takes a change that no inbound message says.
    pub(super) fn consent(&mut self, command: ConsentCommand) {
        let ConsentCommand {
            said,
            reply,
            permit,
            ..
        } = command;
        let Some(state) = &self.state else {
            return reply.unknown();
        };
        let id = state.id;
        let decided = consent::decide(Some(state), said);
        // One that says nothing new may repeat what is not durable yet: an entry of nothing waits for it.
        let effect = Effect::ConsentSet {
            reply,
            _permit: permit,
        };
        let mut turn = Turn::new(self.number.engine().now(), effect);
        if let Some(event) = decided {
            self.change_consent(&mut turn, id, event);
        }
        self.append(turn);
    }

    /// Adds a change to a turn. What was accepted before it and is not handed over does not go.
    pub(super) fn change_consent(
        &mut self,
        turn: &mut Turn,
        conversation: ConversationId,
        event: ConsentEvent,
    ) {
        let (change, cause) = (event.change, event.cause);
        let bars = change == ConsentChange::OptedOut;
        turn.effects.push(Effect::Consent {
            change,
            cause,
            barred: bars.then_some(conversation),
        });
        self.apply(turn, vec![Event::Consent(conversation, event)]);
        let consent = self
            .state
            .as_ref()
            .and_then(|state| state.consent.as_deref());
        if bars && let Some(consent) = consent {
            turn.bar = Some((conversation, Upto::of(consent)));
        }
    }
}
