//! A conversation: one (number, peer) pair, channels merged, open for ever.
//!
//! Its state is what its decisions need: which id comes next, WhatsApp's window, what is unread.
//! The messages themselves lie in the records.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auto_reply::{AutoReplied, RuleId};
use crate::batch::BatchPlace;
use crate::channel::Channel;
use crate::consent::{self, Consent, Heard, OptOut};
use crate::content::{Content, ContentKind};
use crate::event::Event;
use crate::ids::{
    AccountId, CarrierId, CarrierMessageId, ConversationId, Extent, MessageId, NumberId,
};
use crate::message::{Accepted, Received};
use crate::money::Micros;
use crate::number::Number;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::segments::Segmentation;
use crate::time::Timestamp;
use crate::webhook::ConversationChange;

/// How long WhatsApp's window stays open after the peer's message, in milliseconds.
pub const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// How many of the last inbound messages are known by the carrier's id, so that a repeat is seen; older ones are in an index of the records.
pub const INBOUND_KNOWN_MAX: usize = 32;
/// What a peer may be known as besides [`Conversation::peer`].
pub const ALIASES_MAX: usize = 4;

/// A conversation was opened: the pair and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its id.
    pub conversation: ConversationId,
    /// Whose number it is on.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// The peer.
    pub peer: Peer,
}

/// The state of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose number it is on.
    pub account: AccountId,
    /// Our number's id.
    pub number: NumberId,
    /// The peer.
    pub peer: Peer,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its last message was accepted or received.
    pub last_activity: Timestamp,
    /// Where its next message's id lies.
    pub extent: Extent,
    /// The last ordinal given out in `extent`, 0 when none.
    pub ordinal: u16,
    /// All its messages.
    pub messages: u64,
    /// Inbound messages that nobody has read.
    pub unread: u32,
    /// When the peer last wrote on WhatsApp.
    pub whatsapp_inbound_at: Option<Timestamp>,
    /// The channel of the last message.
    pub last_channel: Channel,
    /// Every channel that it has seen, one bit each in the order of [`Channel::ALL`].
    pub channels: u8,
    /// The last inbound messages by the carrier's id, oldest first.
    pub inbound_known: Vec<(CarrierId, CarrierMessageId, MessageId)>,
    /// Whether an inbound message left `inbound_known` for the index of the records.
    pub inbound_indexed: bool,
    /// What the peer is also known as, oldest first.
    pub aliases: Vec<Peer>,
    /// What the peer was answered by itself; `None` until it first was.
    pub auto_replied: Option<Box<AutoReplied>>,
    /// Whether the peer may be written to; `None` until that was first said.
    pub consent: Option<Box<Consent>>,
}

/// What a customer asks to send, or the number's own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// What is to carry it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How the text falls into segments.
    pub segmentation: Segmentation,
    /// Its price.
    pub charge: Micros,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// When its validity period ends.
    pub valid_until: Timestamp,
    /// When it is to be sent; `None` for at once.
    pub send_at: Option<Timestamp>,
    /// The rule by which the number answers by itself; `None` for what a customer sends.
    pub auto_reply: Option<RuleId>,
    /// Where it stands in its batch, if it comes in one.
    pub batch: Option<BatchPlace>,
    /// Where its status is told of it alone.
    pub status_url: Option<Box<str>>,
    /// Whether it goes in quiet hours too.
    pub is_urgent: bool,
}

/// What a carrier brings from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveMessage {
    /// What carried it.
    pub channel: Channel,
    /// The text.
    pub body: Arc<str>,
    /// How the text falls into segments.
    pub segmentation: Segmentation,
    /// Who brings it.
    pub carrier: CarrierId,
    /// The carrier's id of it.
    pub carrier_message_id: Option<CarrierMessageId>,
    /// What it holds besides the text.
    pub content: Option<Box<Content>>,
    /// What the peer is also known as.
    pub alias: Option<Peer>,
}

/// What became of an inbound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiving {
    /// It is new: these events store it.
    New(MessageId, Vec<Event>),
    /// The carrier brought it before.
    Duplicate(MessageId),
}

/// Who talks to whom.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Our number.
    pub number: &'a Number,
    /// The peer, by the name that this message uses.
    pub peer: &'a Peer,
    /// The peer, by the name that the conversation has or is opened under.
    pub own: &'a Peer,
}

/// Where the next message goes: the events that make room for it, and its id.
struct Place {
    conversation: ConversationId,
    message: MessageId,
    events: Vec<Event>,
}

fn place(state: Option<&Conversation>, pair: Pair<'_>, fresh: &mut dyn FnMut() -> Extent) -> Place {
    let Some(state) = state else {
        let extent = fresh();
        let conversation = ConversationId(extent.0);
        let Number {
            account,
            id: number,
            ..
        } = *pair.number;
        let opened = Opened {
            conversation,
            account,
            number,
            peer: pair.own.clone(),
        };
        let mut events = Vec::with_capacity(2);
        events.push(Event::ConversationOpened(opened));
        return Place {
            conversation,
            message: extent.message(1),
            events,
        };
    };
    let conversation = state.id;
    match state.ordinal.checked_add(1) {
        Some(ordinal) => Place {
            conversation,
            message: state.extent.message(ordinal),
            events: Vec::with_capacity(1),
        },
        None => {
            let extent = fresh();
            let events = vec![Event::ExtentAdded(conversation, extent)];
            Place {
                conversation,
                message: extent.message(1),
                events,
            }
        }
    }
}

/// Decides to send: the message's id and the events.
///
/// `state` is `None` for a pair that never wrote; `fresh` gives an extent that nothing has.
///
/// # Errors
/// The number cannot carry the channel, the channel cannot carry the content or reach the peer, the peer
/// opted out, or WhatsApp's window is closed for what is no template.
pub fn decide_send(
    state: Option<&Conversation>,
    pair: Pair<'_>,
    command: SendMessage,
    now: Timestamp,
    fresh: &mut dyn FnMut() -> Extent,
) -> Result<(MessageId, Vec<Event>), Refusal> {
    pair.number.may_carry(command.channel)?;
    check_fit(pair.peer, &command)?;
    let is_template = command
        .content
        .as_ref()
        .is_some_and(|content| content.kind == ContentKind::Template);
    check_consent(state, &command, is_template)?;
    if command.channel == Channel::WhatsApp && !is_template {
        check_window(state, now)?;
    }
    let Place {
        conversation,
        message,
        mut events,
    } = place(state, pair, fresh);
    events.push(Event::Accepted(Accepted {
        message,
        conversation,
        account: pair.number.account,
        number: pair.number.id,
        from: pair.number.e164,
        to: pair.peer.clone(),
        channel: command.channel,
        body: command.body,
        encoding: command.segmentation.encoding,
        segments: command.segmentation.segments,
        charge: command.charge,
        content: command.content,
        valid_until: command.valid_until,
        send_at: command.send_at,
        auto_reply: command.auto_reply,
        batch: command.batch,
        status_url: command.status_url,
        is_urgent: command.is_urgent,
    }));
    Ok((message, events))
}

fn check_fit(peer: &Peer, command: &SendMessage) -> Result<(), Refusal> {
    let why = match (command.channel, peer) {
        (Channel::Sms, Peer::Name(_)) => "the peer is known by a name only",
        (Channel::WhatsApp, Peer::Name(name)) if !name.is_whatsapp_user() => {
            "the peer is no WhatsApp user"
        }
        (Channel::Sms, Peer::Number(_)) if command.content.is_some() => {
            "templates and media go over WhatsApp"
        }
        (Channel::Sms | Channel::WhatsApp, _) => return Ok(()),
    };
    Err(Refusal::Unfit {
        channel: command.channel,
        why,
    })
}

fn check_consent(
    state: Option<&Conversation>,
    command: &SendMessage,
    is_template: bool,
) -> Result<(), Refusal> {
    match state.and_then(Conversation::opt_out) {
        Some(opt_out)
            if opt_out.refuses(command.channel, is_template)
                && !command.auto_reply.is_some_and(RuleId::passes_opt_out) =>
        {
            Err(Refusal::OptedOut {
                since: opt_out.since,
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_window(state: Option<&Conversation>, now: Timestamp) -> Result<(), Refusal> {
    let expires_at = state.and_then(Conversation::window_expires_at);
    match expires_at {
        Some(at) if now < at => Ok(()),
        expired_at => Err(Refusal::WindowClosed { expired_at }),
    }
}

/// Decides to take in what a carrier brings.
///
/// `indexed` is the message that the records' index holds under the carrier's id; it is looked up where
/// [`Conversation::wants_index`] says so. A word that changes the peer's consent is taken in whether the number
/// has the channel or not: the wish counts when it has it again.
///
/// # Errors
/// The number cannot carry the channel.
pub fn decide_receive(
    state: Option<&Conversation>,
    pair: Pair<'_>,
    command: ReceiveMessage,
    indexed: Option<MessageId>,
    fresh: &mut dyn FnMut() -> Extent,
) -> Result<Receiving, Refusal> {
    if let Some(known) = indexed {
        return Ok(Receiving::Duplicate(known));
    }
    if let (Some(state), Some(id)) = (state, &command.carrier_message_id)
        && let Some(known) = state.inbound_message(command.carrier, id)
    {
        return Ok(Receiving::Duplicate(known));
    }
    match pair.number.may_carry(command.channel) {
        Err(Refusal::ChannelDisabled { .. }) if changes_consent(state, pair, &command) => {}
        carries => carries?,
    }
    let Place {
        conversation,
        message,
        mut events,
    } = place(state, pair, fresh);
    events.push(Event::Received(Received {
        message,
        conversation,
        account: pair.number.account,
        number: pair.number.id,
        from: pair.peer.clone(),
        to: pair.number.e164,
        channel: command.channel,
        body: command.body,
        encoding: command.segmentation.encoding,
        segments: command.segmentation.segments,
        carrier: command.carrier,
        carrier_message_id: command.carrier_message_id,
        content: command.content,
        alias: command.alias,
    }));
    Ok(Receiving::New(message, events))
}

/// Whether what a carrier brings is a word that changes the peer's consent.
fn changes_consent(state: Option<&Conversation>, pair: Pair<'_>, command: &ReceiveMessage) -> bool {
    let word = consent::word_of(&command.body, command.content.as_deref(), pair.peer);
    // Which message it is makes no difference to that.
    let heard = word.map(|word| consent::hear(state, &word, MessageId(0)));
    matches!(heard, Some(Heard::Change(_)))
}

impl Conversation {
    /// The conversation that an [`Opened`] makes.
    pub fn opened(fact: &Opened, at: Timestamp) -> Conversation {
        Conversation {
            id: fact.conversation,
            account: fact.account,
            number: fact.number,
            peer: fact.peer.clone(),
            opened_at: at,
            last_activity: at,
            extent: fact.conversation.into(),
            ordinal: 0,
            messages: 0,
            unread: 0,
            whatsapp_inbound_at: None,
            last_channel: Channel::Sms,
            channels: 0,
            inbound_known: Vec::new(),
            inbound_indexed: false,
            aliases: Vec::new(),
            auto_replied: None,
            consent: None,
        }
    }

    /// The opt-out of the peer that holds, if one does.
    pub fn opt_out(&self) -> Option<&OptOut> {
        self.consent.as_ref()?.opt_out.as_ref()
    }

    /// When WhatsApp's window closes or closed; `None` when the peer never wrote there.
    pub fn window_expires_at(&self) -> Option<Timestamp> {
        self.whatsapp_inbound_at.map(|at| at.plus_ms(WINDOW_MS))
    }

    /// The last message's id.
    pub fn last_message(&self) -> MessageId {
        self.extent.message(self.ordinal)
    }

    /// Whether only the records' index can tell if the carrier brought this message before.
    pub fn wants_index(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        self.inbound_indexed && self.inbound_message(carrier, id).is_none()
    }

    /// The inbound message that leaves [`Conversation::inbound_known`] with this event, for the index.
    pub fn leaves_for_index(
        &self,
        event: &Event,
    ) -> Option<&(CarrierId, CarrierMessageId, MessageId)> {
        match event {
            Event::Received(fact) if fact.carrier_message_id.is_some() => self
                .inbound_known
                .first()
                .filter(|_| self.inbound_known.len() >= INBOUND_KNOWN_MAX),
            _ => None,
        }
    }

    /// The alias of the peer that this event tells for the first time.
    pub fn learns_alias<'e>(&self, event: &'e Event) -> Option<&'e Peer> {
        let Event::Received(fact) = event else {
            return None;
        };
        // The name that the message came under may be the alias of the conversation's own.
        [Some(&fact.from), fact.alias.as_ref()]
            .into_iter()
            .flatten()
            .find(|name| **name != self.peer && !self.aliases.contains(name))
    }

    /// What endpoints are told of when this event is applied: another channel, another name of the peer.
    pub fn changes(&self, event: &Event) -> impl Iterator<Item = ConversationChange> {
        let channel = match event {
            Event::Accepted(fact) => Some(fact.channel),
            Event::Received(fact) => Some(fact.channel),
            _ => None,
        };
        let is_further = |channel: &Channel| self.channels & bit(*channel) == 0;
        let added = channel.filter(|channel| self.channels != 0 && is_further(channel));
        let alias = self.learns_alias(event).cloned();
        added
            .map(ConversationChange::ChannelAdded)
            .into_iter()
            .chain(alias.map(ConversationChange::AliasLearned))
    }

    fn inbound_message(&self, carrier: CarrierId, id: &CarrierMessageId) -> Option<MessageId> {
        let known = |(by, known, _): &&(CarrierId, CarrierMessageId, MessageId)| {
            *by == carrier && known == id
        };
        self.inbound_known
            .iter()
            .rev()
            .find(known)
            .map(|(_, _, message)| *message)
    }

    /// Applies what happened; events of other entities change nothing.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        if let Some(alias) = self.learns_alias(event) {
            if self.aliases.len() == ALIASES_MAX {
                self.aliases.remove(0);
            }
            self.aliases.push(alias.clone());
        }
        match event {
            Event::ExtentAdded(_, extent) => {
                self.extent = *extent;
                self.ordinal = 0;
            }
            Event::Accepted(fact) => {
                self.grow(fact.message, fact.channel, at);
                if let Some(rule) = fact.auto_reply {
                    let replied = self.auto_replied.get_or_insert_default();
                    replied.evolve(rule, at);
                }
            }
            Event::Received(fact) => {
                self.grow(fact.message, fact.channel, at);
                if let Some(replied) = &mut self.auto_replied {
                    replied.saw_inbound(at);
                }
                self.unread = self.unread.saturating_add(1);
                if fact.channel == Channel::WhatsApp {
                    self.whatsapp_inbound_at = self.whatsapp_inbound_at.max(Some(at));
                }
                if let Some(id) = &fact.carrier_message_id {
                    if self.inbound_known.len() == INBOUND_KNOWN_MAX {
                        self.inbound_known.remove(0);
                        self.inbound_indexed = true;
                    }
                    self.inbound_known
                        .push((fact.carrier, id.clone(), fact.message));
                }
            }
            Event::Consent(_, fact) => {
                let last = self.last_message();
                let consent = self.consent.get_or_insert_default();
                consent.evolve(fact, last, at);
            }
            Event::Account(..)
            | Event::Number(..)
            | Event::ConversationOpened(_)
            | Event::Delivery(..)
            | Event::ReceiptParked(_)
            | Event::ReceiptsUnparked(..)
            | Event::ReceiptsAgedOut(..)
            | Event::PartHeld(_)
            | Event::PartsJoined(_)
            | Event::Offered(_)
            | Event::Endpoint(..)
            | Event::Attempted(_)
            | Event::Redelivered(_)
            | Event::PendingDropped(..)
            | Event::EventsForgotten(..)
            | Event::MailQueued(_)
            | Event::MailTried(_)
            | Event::Batch(..)
            | Event::Guarded(_)
            | Event::KeysForgotten(_) => {}
        }
    }

    fn grow(&mut self, message: MessageId, channel: Channel, at: Timestamp) {
        self.ordinal = message.ordinal();
        self.messages += 1;
        self.last_activity = self.last_activity.max(at);
        self.last_channel = channel;
        self.channels |= bit(channel);
    }
}

/// The channel's bit in [`Conversation::channels`].
fn bit(channel: Channel) -> u8 {
    1 << (channel as u8)
}

#[cfg(test)]
mod tests;
