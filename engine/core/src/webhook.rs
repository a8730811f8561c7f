//! Events that endpoints are told of: immutable facts with an id, stored with what they tell.

pub mod attempt;
pub mod endpoint;
pub mod recovery;
pub mod schedule;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::abuse::stop::TrafficStop;
use crate::channel::Channel;
use crate::consent::{ConsentChange, ConsentEvent};
use crate::delivery::status::Status;
use crate::ids::{AccountId, ConversationId, EndpointId, EventId, MessageId, NumberId};
use crate::money::Micros;
use crate::number::NumberState;
use crate::peer::Peer;
use crate::reason::Reason;

use self::endpoint::DisableCause;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $code:literal;)*) => {
        /// What kind of event it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &'static [EventType] = &[$(EventType::$name,)*];

            /// The word in public JSON and in metric labels.
            pub fn as_str(self) -> &'static str {
                match self { $(EventType::$name => $word,)* }
            }

            /// Reads the word of public JSON.
            pub fn parse(text: &str) -> Option<EventType> {
                EventType::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

event_types! {
    /// An inbound message came in.
    MessageReceived = "message.received", "r";
    /// An outbound message's public status changed, or it was read.
    MessageStatus = "message.status", "s";
    /// A pair wrote to each other for the first time.
    ConversationCreated = "conversation.created", "o";
    /// A conversation got another channel, or its peer another name.
    ConversationUpdated = "conversation.updated", "u";
    /// A peer asked for no more messages, or somebody who may did for it.
    ConversationOptedOut = "conversation.opted_out", "b";
    /// A peer asked for messages again, or somebody who may did for it.
    ConversationOptedIn = "conversation.opted_in", "c";
    /// A number came to the account.
    NumberAdded = "number.added", "a";
    /// A number was activated, or its toggles or settings changed.
    NumberUpdated = "number.updated", "n";
    /// The wallet fell below its threshold.
    WalletLow = "wallet.low", "w";
    /// A range was stopped: too many messages went there.
    TrafficStopped = "account.traffic_stopped", "t";
    /// An endpoint was disabled.
    EndpointDisabled = "webhook.endpoint_disabled", "d";
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// An inbound message came in.
    #[serde(rename = "r")]
    MessageReceived(MessageId),
    /// An outbound message moved.
    #[serde(rename = "s")]
    MessageStatus {
        /// The message.
        message: MessageId,
        /// Its public status from then on.
        status: Status,
        /// Why, where there is a why.
        reason: Option<Reason>,
        /// Whether the peer has read it.
        is_read: bool,
        /// Whether a carrier has taken it.
        is_taken: bool,
    },
    /// A conversation was opened.
    #[serde(rename = "o")]
    ConversationCreated {
        /// The peer.
        peer: Peer,
    },
    /// A conversation changed.
    #[serde(rename = "u")]
    ConversationUpdated {
        /// The peer.
        peer: Peer,
        /// What changed.
        change: ConversationChange,
    },
    /// A peer opted out, or in again.
    #[serde(rename = "b")]
    Consent {
        /// The peer.
        peer: Peer,
        /// Which way, and who said so.
        said: Box<ConsentEvent>,
    },
    /// A number came to the account.
    #[serde(rename = "a")]
    NumberAdded(NumberSnapshot),
    /// A number changed.
    #[serde(rename = "n")]
    NumberUpdated(NumberSnapshot),
    /// The wallet fell below its threshold.
    #[serde(rename = "w")]
    WalletLow {
        /// What it holds.
        balance: Micros,
        /// Below which it counts as low.
        threshold: Micros,
    },
    /// A range was stopped.
    #[serde(rename = "t")]
    TrafficStopped(TrafficStop),
    /// An endpoint was disabled.
    #[serde(rename = "d")]
    EndpointDisabled {
        /// Which.
        endpoint: EndpointId,
        /// Why.
        cause: DisableCause,
    },
    /// An example of a type, asked for by the customer: it tells of nothing.
    #[serde(rename = "x")]
    Example(EventType),
}

impl Fact {
    /// What kind of event it is.
    pub fn event_type(&self) -> EventType {
        match self {
            Fact::MessageReceived(_) => EventType::MessageReceived,
            Fact::MessageStatus { .. } => EventType::MessageStatus,
            Fact::ConversationCreated { .. } => EventType::ConversationCreated,
            Fact::ConversationUpdated { .. } => EventType::ConversationUpdated,
            Fact::Consent { said, .. } => match said.change {
                ConsentChange::OptedOut => EventType::ConversationOptedOut,
                ConsentChange::OptedIn => EventType::ConversationOptedIn,
            },
            Fact::NumberAdded(_) => EventType::NumberAdded,
            Fact::NumberUpdated(_) => EventType::NumberUpdated,
            Fact::WalletLow { .. } => EventType::WalletLow,
            Fact::TrafficStopped(_) => EventType::TrafficStopped,
            Fact::EndpointDisabled { .. } => EventType::EndpointDisabled,
            Fact::Example(kind) => *kind,
        }
    }

    /// The message that it tells of.
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Fact::MessageReceived(message) | Fact::MessageStatus { message, .. } => Some(*message),
            Fact::ConversationCreated { .. }
            | Fact::ConversationUpdated { .. }
            | Fact::Consent { .. }
            | Fact::NumberAdded(_)
            | Fact::NumberUpdated(_)
            | Fact::WalletLow { .. }
            | Fact::TrafficStopped(_)
            | Fact::EndpointDisabled { .. }
            | Fact::Example(_) => None,
        }
    }
}

/// What changed in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConversationChange {
    /// It was used on a channel for the first time.
    #[serde(rename = "c")]
    ChannelAdded(Channel),
    /// The peer became known by another name.
    #[serde(rename = "a")]
    AliasLearned(Peer),
}

/// A number's state as an event tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberSnapshot {
    /// Whether it may carry anything.
    pub state: NumberState,
    /// The SMS toggle.
    pub sms: bool,
    /// The WhatsApp toggle.
    pub whatsapp: bool,
}

/// An endpoint that is told of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which.
    pub endpoint: EndpointId,
    /// Whether it was disabled when the event happened: it is not sent unless it is recovered.
    pub is_missed: bool,
}

/// The endpoints that are told of one event.
pub type Targets = SmallVec<[Target; 2]>;

/// One event, as it is offered to endpoints. It is in the journal entry of what it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// Its id, the `webhook-id` of every attempt.
    pub id: EventId,
    /// Whose event it is.
    pub account: AccountId,
    /// Our number that it is about, if it is about one.
    pub number: Option<NumberId>,
    /// The channel, where it has one.
    pub channel: Option<Channel>,
    /// The conversation, where it has one.
    pub conversation: Option<ConversationId>,
    /// What happened.
    pub fact: Fact,
    /// Whom it is for: the endpoints whose filter it passed when it happened.
    pub to: Targets,
}
