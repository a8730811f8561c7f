//! Telling: what endpoints and mailboxes are told of what happens in a conversation.

use didfarm_core::consent::{ConsentChange, ConsentEvent};
use didfarm_core::conversation::Conversation;
use didfarm_core::event::Event;
use didfarm_core::mail::MailKind;
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::{EventType, Fact};

use super::{ConversationActor, Turn};
use crate::offers::{About, Offer};

impl ConversationActor {
    /// Applies what was decided to the state, and adds it to the turn with what is told of it.
    pub(super) fn apply(&mut self, turn: &mut Turn, events: Vec<Event>) {
        let mut offers = Vec::new();
        for event in &events {
            if let Event::ConversationOpened(fact) = event {
                self.state = Some(Conversation::opened(fact, turn.at));
            }
            turn.has_message |= matches!(event, Event::Accepted(_) | Event::Received(_));
            if let Some(state) = &self.state {
                turn.leaves |= state.leaves_for_index(event).is_some();
                self.tell_of(state, event, turn.at, &mut offers);
            }
            if let Some(state) = &mut self.state {
                state.evolve(event, turn.at);
            }
        }
        turn.extend(events);
        turn.tell(offers);
    }

    /// What is told of a peer that opted out or in.
    fn tell_of_consent(
        &self,
        state: &Conversation,
        said: &ConsentEvent,
        at: Timestamp,
    ) -> Option<Offer> {
        let about = About {
            number: Some(state.number),
            channel: None,
            conversation: Some(state.id),
        };
        let kind = match said.change {
            ConsentChange::OptedOut => EventType::ConversationOptedOut,
            ConsentChange::OptedIn => EventType::ConversationOptedIn,
        };
        let fact = || Fact::Consent {
            peer: state.peer.clone(),
            said: Box::new(said.clone()),
        };
        let account = &*self.number.account;
        self.number.engine().offer(at, account, about, kind, fact)
    }

    /// What is told of an event that is about to be applied.
    fn tell_of(&self, state: &Conversation, event: &Event, at: Timestamp, to: &mut Vec<Offer>) {
        let channel = match event {
            Event::Consent(_, said) => {
                to.extend(self.tell_of_consent(state, said, at));
                return;
            }
            Event::Accepted(fact) => fact.channel,
            Event::Received(fact) => fact.channel,
            _ => return,
        };
        let (engine, account) = (self.number.engine(), &*self.number.account);
        let about = About {
            number: Some(state.number),
            channel: Some(channel),
            conversation: Some(state.id),
        };
        let peer = || state.peer.clone();
        if state.messages == 0 {
            let kind = EventType::ConversationCreated;
            let fact = || Fact::ConversationCreated { peer: peer() };
            to.extend(engine.offer(at, account, about, kind, fact));
        }
        for change in state.changes(event) {
            let kind = EventType::ConversationUpdated;
            let peer = peer();
            let fact = || Fact::ConversationUpdated { peer, change };
            to.extend(engine.offer(at, account, about, kind, fact));
        }
        let Event::Received(fact) = event else {
            return;
        };
        let received = || Fact::MessageReceived(fact.message);
        let offer = engine.offer(at, account, about, EventType::MessageReceived, received);
        to.extend(offer.map(|offer| offer.with_message(Message::received(fact, at))));
        if let Some(address) = &self.number.number.borrow().forward_to {
            let kind = MailKind::Inbound(fact.message);
            to.push(engine.mail(at, account.id(), address, kind));
        }
    }
}
