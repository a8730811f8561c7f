//! Payloads: the JSON that endpoints are sent, in both forms of the product, or Twilio's form.
//!
//! The flat form names what it is about first, as `{"id":"msg_…","event":"message.received",…}`; the
//! nested one is `{"event":"sms.received","data":{…}}`, with integers for ids and times to the
//! microsecond. Both hold the same members otherwise.

mod example;

use bytes::Bytes;
use didfarm_core::consent::ConsentEvent;
use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{EventId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::number::NumberState;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::PayloadForm;
use didfarm_core::webhook::{ConversationChange, EventType, Fact, NumberSnapshot, WebhookEvent};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::content::Held;
use crate::twilio;

/// The currency of every amount, as in ISO 4217.
const CURRENCY: &str = "EUR";

/// An event with everything that its payload tells.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The event.
    pub event: &'a WebhookEvent,
    /// When it happened.
    pub at: Timestamp,
    /// The message that it tells of, where it tells of one.
    pub message: Option<&'a Message>,
    /// Our number, where it is about one.
    pub number: Option<E164>,
    /// The address of the endpoint that it tells of, where it tells of one.
    pub endpoint_url: Option<&'a str>,
}

/// Writes the payload.
///
/// A message that is no longer stored leaves its members out: the ids stay.
pub fn render(form: PayloadForm, facts: &Facts<'_>) -> Bytes {
    if let Fact::Example(kind) = facts.event.fact {
        return example::render(form, kind, facts);
    }
    let text = match form {
        PayloadForm::Message => serde_json::to_vec(&Flat(facts)),
        PayloadForm::Sms => serde_json::to_vec(&Nested {
            event: nested_word(facts.event.fact.event_type()),
            data: Data(facts),
        }),
        PayloadForm::Twilio => return twilio::form(facts),
    };
    Bytes::from(text.expect("payloads have string keys and serialise into memory"))
}

/// The forms that are JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonForm {
    Message,
    Sms,
}

/// The event's word in the nested form: messages are `sms.…` there.
fn nested_word(kind: EventType) -> &'static str {
    match kind {
        EventType::MessageReceived => "sms.received",
        EventType::MessageStatus => "sms.status",
        EventType::ConversationCreated
        | EventType::ConversationUpdated
        | EventType::ConversationOptedOut
        | EventType::ConversationOptedIn
        | EventType::NumberAdded
        | EventType::NumberUpdated
        | EventType::WalletLow
        | EventType::TrafficStopped
        | EventType::EndpointDisabled => kind.as_str(),
    }
}

struct Flat<'a>(&'a Facts<'a>);

#[derive(Serialize)]
struct Nested<'a> {
    event: &'static str,
    data: Data<'a>,
}

struct Data<'a>(&'a Facts<'a>);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        members(JsonForm::Message, self.0, &mut map)?;
        map.end()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        members(JsonForm::Sms, self.0, &mut map)?;
        map.end()
    }
}

/// Writes every member, in the product's order.
fn members<M: SerializeMap>(
    form: JsonForm,
    facts: &Facts<'_>,
    map: &mut M,
) -> Result<(), M::Error> {
    let Facts { event, at, .. } = *facts;
    match &event.fact {
        Fact::MessageReceived(message) => {
            subject(form, map, message.get(), message.to_string(), event)?;
            if let Some(message) = facts.message {
                received(form, map, message, at)?;
            }
        }
        Fact::MessageStatus {
            message,
            status,
            reason,
            is_read,
            is_taken: _,
        } => {
            subject(form, map, message.get(), message.to_string(), event)?;
            let told = Told {
                status: *status,
                reason: *reason,
                is_read: *is_read,
            };
            status_changed(form, map, facts, &told)?;
        }
        Fact::ConversationCreated { peer } => conversation(form, map, facts, peer, None)?,
        Fact::ConversationUpdated { peer, change } => {
            conversation(form, map, facts, peer, Some(change))?;
        }
        Fact::Consent { peer, said } => consent(form, map, facts, peer, said)?,
        Fact::NumberAdded(snapshot) | Fact::NumberUpdated(snapshot) => {
            number(form, map, facts, event.number, snapshot)?;
        }
        Fact::WalletLow { balance, threshold } => {
            subject(form, map, event.id.get(), event.id.to_string(), event)?;
            map.serialize_entry("balance", &balance.to_string())?;
            map.serialize_entry("threshold", &threshold.to_string())?;
            map.serialize_entry("currency", CURRENCY)?;
            map.serialize_entry("occurred_at", &time(form, at))?;
        }
        Fact::TrafficStopped(stop) => {
            subject(form, map, event.id.get(), event.id.to_string(), event)?;
            map.serialize_entry("prefix", &stop.range.to_string())?;
            map.serialize_entry("cause", stop.cause.as_str())?;
            map.serialize_entry("messages", &stop.messages)?;
            let ends_at = stop.ends_at.map(|at| time(form, at));
            map.serialize_entry("ends_at", &ends_at)?;
            map.serialize_entry("occurred_at", &time(form, at))?;
        }
        Fact::EndpointDisabled { endpoint, cause } => {
            subject(form, map, endpoint.get(), endpoint.to_string(), event)?;
            map.serialize_entry("endpoint_id", &endpoint.to_string())?;
            map.serialize_entry("url", &facts.endpoint_url)?;
            map.serialize_entry("reason", cause.as_str())?;
            map.serialize_entry("occurred_at", &time(form, at))?;
        }
        Fact::Example(_) => unreachable!("examples are rendered as the event that they show"),
    }
    if let Some(conversation) = event.conversation {
        map.serialize_entry("conversation_id", &conversation.to_string())?;
    }
    if let (Fact::MessageReceived(_), Some(message)) = (&event.fact, facts.message) {
        behind_conversation(form, map, message)?;
    }
    map.serialize_entry("event_id", &event.id.to_string())
}

/// The id of what the event is about, and in the flat form its type.
fn subject<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    integer: u64,
    spelled: String,
    event: &WebhookEvent,
) -> Result<(), M::Error> {
    match form {
        JsonForm::Message => {
            map.serialize_entry("id", &spelled)?;
            map.serialize_entry("event", event.fact.event_type().as_str())
        }
        JsonForm::Sms => map.serialize_entry("id", &integer),
    }
}

fn time(form: JsonForm, at: Timestamp) -> String {
    match form {
        JsonForm::Message => at.to_rfc3339_seconds(),
        JsonForm::Sms => at.to_rfc3339_micros(),
    }
}

fn received<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    message: &Message,
    at: Timestamp,
) -> Result<(), M::Error> {
    map.serialize_entry("from", &message.from.to_string())?;
    map.serialize_entry("to", &message.to.to_string())?;
    map.serialize_entry("body", &*message.body)?;
    if form == JsonForm::Sms {
        map.serialize_entry("segments", &message.segments)?;
    }
    if form == JsonForm::Message {
        map.serialize_entry("channel", message.channel.as_str())?;
    }
    map.serialize_entry("received_at", &time(form, at))?;
    if form == JsonForm::Sms {
        map.serialize_entry("channel", message.channel.as_str())?;
    }
    Ok(())
}

/// What the product shows behind the conversation's id, and what WhatsApp adds.
fn behind_conversation<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    message: &Message,
) -> Result<(), M::Error> {
    map.serialize_entry("metadata", &Origin::of(message.peer()))?;
    if form == JsonForm::Message {
        map.serialize_entry("segments", &message.segments)?;
    }
    if message.content.is_none() && message.channel == didfarm_core::channel::Channel::Sms {
        return Ok(());
    }
    let held = Held::of(message.content.as_deref());
    held.each_member(map)
}

/// Where the peer's number is from, as far as its range tells.
#[derive(Serialize)]
struct Origin {
    country: Option<&'static str>,
    carrier: Option<&'static str>,
}

impl Origin {
    fn of(peer: &Peer) -> Origin {
        match peer {
            Peer::Number(number) => Origin {
                country: number.region(),
                carrier: number.operator(),
            },
            Peer::Name(_) => Origin {
                country: None,
                carrier: None,
            },
        }
    }
}

/// What a status event tells of its message.
struct Told {
    status: Status,
    reason: Option<Reason>,
    is_read: bool,
}

fn status_changed<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    facts: &Facts<'_>,
    told: &Told,
) -> Result<(), M::Error> {
    if let Some(message) = facts.message {
        map.serialize_entry("from", &message.from.to_string())?;
        map.serialize_entry("to", &message.to.to_string())?;
    }
    if let Some(channel) = facts.event.channel {
        map.serialize_entry("channel", channel.as_str())?;
    }
    map.serialize_entry("status", told.status.as_str())?;
    map.serialize_entry("reason", &told.reason.map(Reason::as_str))?;
    let at = time(form, facts.at);
    map.serialize_entry("read_at", &told.is_read.then_some(&at))?;
    if let Some(message) = facts.message {
        map.serialize_entry("segments", &message.segments)?;
        map.serialize_entry("created_at", &time(form, message.created_at))?;
    }
    map.serialize_entry("updated_at", &at)
}

fn conversation<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    facts: &Facts<'_>,
    peer: &Peer,
    change: Option<&ConversationChange>,
) -> Result<(), M::Error> {
    let event = facts.event;
    if let Some(id) = event.conversation {
        subject(form, map, id.get(), id.to_string(), event)?;
    }
    our_number(map, facts, event.number)?;
    map.serialize_entry("peer", &peer.to_string())?;
    match change {
        Some(ConversationChange::ChannelAdded(channel)) => {
            map.serialize_entry("change", "channel_added")?;
            map.serialize_entry("channel", channel.as_str())?;
        }
        Some(ConversationChange::AliasLearned(alias)) => {
            map.serialize_entry("change", "alias_learned")?;
            map.serialize_entry("alias", &alias.to_string())?;
        }
        None => {
            map.serialize_entry("channel", &event.channel.map(|channel| channel.as_str()))?;
        }
    }
    map.serialize_entry("occurred_at", &time(form, facts.at))
}

fn consent<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    facts: &Facts<'_>,
    peer: &Peer,
    said: &ConsentEvent,
) -> Result<(), M::Error> {
    let event = facts.event;
    if let Some(id) = event.conversation {
        subject(form, map, id.get(), id.to_string(), event)?;
    }
    our_number(map, facts, event.number)?;
    map.serialize_entry("peer", &peer.to_string())?;
    map.serialize_entry("cause", said.cause.as_str())?;
    map.serialize_entry("word", &said.word)?;
    let evidence = said.evidence.map(|message| message.to_string());
    map.serialize_entry("evidence_message_id", &evidence)?;
    map.serialize_entry("note", &said.note)?;
    map.serialize_entry("occurred_at", &time(form, facts.at))
}

fn number<M: SerializeMap>(
    form: JsonForm,
    map: &mut M,
    facts: &Facts<'_>,
    id: Option<NumberId>,
    snapshot: &NumberSnapshot,
) -> Result<(), M::Error> {
    if let Some(id) = id {
        subject(form, map, id.get(), id.to_string(), facts.event)?;
    }
    map.serialize_entry("number", &facts.number.map(|number| number.to_string()))?;
    let state = match snapshot.state {
        NumberState::Provisioning => "provisioning",
        NumberState::Active => "active",
    };
    map.serialize_entry("state", state)?;
    map.serialize_entry("sms_enabled", &snapshot.sms)?;
    map.serialize_entry("whatsapp_enabled", &snapshot.whatsapp)?;
    map.serialize_entry("occurred_at", &time(form, facts.at))
}

fn our_number<M: SerializeMap>(
    map: &mut M,
    facts: &Facts<'_>,
    id: Option<NumberId>,
) -> Result<(), M::Error> {
    if let Some(number) = facts.number {
        map.serialize_entry("number", &number.to_string())?;
    }
    match id {
        Some(id) => map.serialize_entry("number_id", &id.to_string()),
        None => Ok(()),
    }
}

/// The `webhook-id` of an event.
pub fn webhook_id(event: EventId) -> String {
    event.to_string()
}

#[cfg(test)]
mod tests;
