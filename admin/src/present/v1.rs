//! The shapes of `/api/v1/sms`: prefixed ids, times in seconds.

use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::ids::MailId;
use didfarm_core::message::{Message, StatusChange};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use didfarm_runtime::read::ConversationView;
use didfarm_runtime::receive::ReceivedMessage;
use didfarm_runtime::send::SentMessage;
use didfarm_webhooks::content::Held;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CURRENCY, Fraction, Named, Seconds, Shown, euros};

/// A message that was just accepted.
#[derive(Serialize)]
pub(crate) struct Sent<'a> {
    id: Named,
    conversation_id: Named,
    number_id: Named,
    direction: &'static str,
    from: Shown<E164>,
    to: Shown<&'a Peer>,
    body: &'a str,
    channel: &'static str,
    status: &'static str,
    segments: u16,
    encoding: &'static str,
    /// There only when smart encoding was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    smart_encoding_applied: Option<bool>,
    cost: Box<RawValue>,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<Seconds>,
    created_at: Seconds,
}

impl<'a> Sent<'a> {
    pub(crate) fn of(message: &'a SentMessage) -> Sent<'a> {
        Sent {
            id: Named(message.id.spelled()),
            conversation_id: Named(message.conversation.spelled()),
            number_id: Named(message.number.spelled()),
            direction: "outbound",
            from: Shown(message.from),
            to: Shown(&message.to),
            body: &message.body,
            channel: message.channel.as_str(),
            status: message.status().as_str(),
            segments: message.segments,
            encoding: message.encoding.as_str(),
            smart_encoding_applied: message.smart_encoded,
            cost: euros(message.charge),
            currency: CURRENCY,
            send_at: message.send_at.map(Seconds),
            created_at: Seconds(message.created_at),
        }
    }
}

/// A message with all that is known of it.
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    id: Named,
    conversation_id: Named,
    number_id: Named,
    direction: &'static str,
    from: Shown<&'a Peer>,
    to: Shown<&'a Peer>,
    body: &'a str,
    channel: &'static str,
    status: &'static str,
    reason: Option<&'static str>,
    segments: u16,
    encoding: &'static str,
    cost: Box<RawValue>,
    currency: &'static str,
    refunded: bool,
    status_history: Vec<Step>,
    #[serde(flatten)]
    held: Held<'a>,
    carrier: Option<&'a str>,
    route_reason: Option<&'static str>,
    submits: u16,
    send_at: Option<Seconds>,
    batch_id: Option<Named>,
    valid_until: Option<Seconds>,
    read_at: Option<Seconds>,
    created_at: Seconds,
    updated_at: Seconds,
}

/// One step of a status, its time with a fraction: several may fall within one second.
#[derive(Serialize)]
struct Step {
    status: &'static str,
    at: Fraction,
    reason: Option<&'static str>,
}

impl<'a> Whole<'a> {
    /// `carrier` is the name of the one that the message went to last, or that brought it.
    pub(crate) fn of(message: &'a Message, carrier: Option<&'a str>) -> Whole<'a> {
        Whole {
            id: Named(message.id.spelled()),
            conversation_id: Named(message.conversation.spelled()),
            number_id: Named(message.number.spelled()),
            direction: message.direction.as_str(),
            from: Shown(&message.from),
            to: Shown(&message.to),
            body: &message.body,
            channel: message.channel.as_str(),
            status: message.status().as_str(),
            reason: message.reason().map(Reason::as_str),
            segments: message.segments,
            encoding: message.encoding.as_str(),
            cost: euros(message.charge),
            currency: CURRENCY,
            refunded: message.refunded,
            status_history: message.history.iter().map(step).collect(),
            held: Held::of(message.content.as_deref()),
            carrier,
            route_reason: message.route.map(|route| route.reason.as_str()),
            submits: message.submits,
            send_at: message.send_at.map(Seconds),
            batch_id: message.batch.map(|batch| Named(batch.spelled())),
            valid_until: message.valid_until.map(Seconds),
            read_at: message.read_at.map(Seconds),
            created_at: Seconds(message.created_at),
            updated_at: Seconds(updated_at(message)),
        }
    }
}

fn step(change: &StatusChange) -> Step {
    let reason = change.reason.map(Reason::as_str);
    Step {
        status: change.status.as_str(),
        at: Fraction(change.at),
        reason,
    }
}

fn updated_at(message: &Message) -> Timestamp {
    let changed = message
        .history
        .last()
        .map_or(message.created_at, |change| change.at);
    message.read_at.map_or(changed, |read| read.max(changed))
}

/// A message in the history of its conversation.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    id: Named,
    direction: &'static str,
    from: Shown<&'a Peer>,
    to: Shown<&'a Peer>,
    body: &'a str,
    channel: &'static str,
    status: &'static str,
    reason: Option<&'static str>,
    segments: u16,
    #[serde(flatten)]
    held: Held<'a>,
    carrier: Option<&'a str>,
    route_reason: Option<&'static str>,
    submits: u16,
    valid_until: Option<Seconds>,
    read_at: Option<Seconds>,
    created_at: Seconds,
}

impl<'a> Row<'a> {
    /// `carrier` is as for [`Whole::of`].
    pub(crate) fn of(message: &'a Message, carrier: Option<&'a str>) -> Row<'a> {
        Row {
            id: Named(message.id.spelled()),
            direction: message.direction.as_str(),
            from: Shown(&message.from),
            to: Shown(&message.to),
            body: &message.body,
            channel: message.channel.as_str(),
            status: message.status().as_str(),
            reason: message.reason().map(Reason::as_str),
            segments: message.segments,
            held: Held::of(message.content.as_deref()),
            carrier,
            route_reason: message.route.map(|route| route.reason.as_str()),
            submits: message.submits,
            valid_until: message.valid_until.map(Seconds),
            read_at: message.read_at.map(Seconds),
            created_at: Seconds(message.created_at),
        }
    }
}

/// One page of a conversation's messages.
#[derive(Serialize)]
pub(crate) struct History<'a> {
    pub(crate) data: Vec<Row<'a>>,
    pub(crate) conversation_id: Named,
    pub(crate) has_more: bool,
    pub(crate) next_cursor: Option<String>,
}

/// A conversation in the list.
#[derive(Serialize)]
pub(crate) struct Conversation<'a> {
    id: Named,
    number_id: Named,
    number: Shown<E164>,
    peer: Shown<&'a Peer>,
    peer_aliases: Vec<Shown<&'a Peer>>,
    channels: Vec<&'static str>,
    last_channel: &'static str,
    last_message: Option<LastMessage<'a>>,
    unread: u32,
    messages: u64,
    whatsapp_window: Window,
    opted_out_at: Option<Seconds>,
    opened_at: Seconds,
    last_activity_at: Seconds,
}

#[derive(Serialize)]
struct LastMessage<'a> {
    id: Named,
    direction: &'static str,
    body: &'a str,
    channel: &'static str,
    status: &'static str,
    created_at: Seconds,
}

/// WhatsApp's window; it has no end when the peer never wrote there.
#[derive(Serialize)]
struct Window {
    state: &'static str,
    expires_at: Option<Seconds>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn of(view: &'a ConversationView, now: Timestamp) -> Conversation<'a> {
        let state = &view.conversation;
        Conversation {
            id: Named(state.id.spelled()),
            number_id: Named(state.number.spelled()),
            number: Shown(view.number),
            peer: Shown(&state.peer),
            peer_aliases: state.aliases.iter().map(Shown).collect(),
            channels: channels(state.channels),
            last_channel: state.last_channel.as_str(),
            last_message: view.last_message.as_ref().map(last_message),
            unread: state.unread,
            messages: state.messages,
            whatsapp_window: window(state.window_expires_at(), now),
            opted_out_at: state.opt_out().map(|opt_out| Seconds(opt_out.since)),
            opened_at: Seconds(state.opened_at),
            last_activity_at: Seconds(state.last_activity),
        }
    }
}

fn last_message(message: &Message) -> LastMessage<'_> {
    LastMessage {
        id: Named(message.id.spelled()),
        direction: message.direction.as_str(),
        body: &message.body,
        channel: message.channel.as_str(),
        status: message.status().as_str(),
        created_at: Seconds(message.created_at),
    }
}

/// The channels of a set with one bit each, in the order of [`Channel::ALL`].
fn channels(bits: u8) -> Vec<&'static str> {
    let used = Channel::ALL
        .iter()
        .enumerate()
        .filter(|(place, _)| bits & (1 << place) != 0);
    used.map(|(_, channel)| channel.as_str()).collect()
}

fn window(expires_at: Option<Timestamp>, now: Timestamp) -> Window {
    let open = expires_at.is_some_and(|at| now < at);
    Window {
        state: if open { "active" } else { "expired" },
        expires_at: expires_at.map(Seconds),
    }
}

/// What a carrier is told of an inbound message.
#[derive(Serialize)]
pub(crate) struct Received {
    id: Named,
    conversation_id: Named,
    duplicate: bool,
}

impl Received {
    pub(crate) fn of(message: ReceivedMessage) -> Received {
        let ReceivedMessage {
            id,
            conversation,
            duplicate,
        } = message;
        Received {
            id: Named(id.spelled()),
            conversation_id: Named(conversation.spelled()),
            duplicate,
        }
    }
}

/// How many messages a cancel of many caught.
#[derive(Serialize)]
pub(crate) struct Cancelled {
    pub(crate) cancelled: u64,
}

/// A mail that will be sent.
#[derive(Serialize)]
pub(crate) struct Forwarded {
    pub(crate) success: bool,
    pub(crate) id: Shown<MailId>,
}

#[cfg(test)]
mod tests;
