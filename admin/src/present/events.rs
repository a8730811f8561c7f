//! The shapes of `/api/v1/events`: prefixed ids, times with a fraction.

use didfarm_core::ids::{ConversationId, EndpointId, EventId, MessageId, NumberId};
use didfarm_runtime::webhooks::{EventResult, EventRow, EventView};
use serde::Serialize;
use serde_json::value::RawValue;

use super::webhooks::Attempt;
use super::{Fraction, Shown};

/// An event, and how far each endpoint is with it.
#[derive(Serialize)]
pub(crate) struct Event {
    id: Shown<EventId>,
    r#type: &'static str,
    created_at: Fraction,
    message_id: Option<Shown<MessageId>>,
    conversation_id: Option<Shown<ConversationId>>,
    number_id: Option<Shown<NumberId>>,
    channel: Option<&'static str>,
    endpoints: Vec<Told>,
}

/// How far one endpoint is with an event.
#[derive(Serialize)]
struct Told {
    id: Shown<EndpointId>,
    state: &'static str,
    attempts: u16,
}

impl Event {
    pub(crate) fn of(id: EventId, row: &EventRow) -> Event {
        let event = &row.event;
        Event {
            id: Shown(id),
            r#type: event.fact.event_type().as_str(),
            created_at: Fraction(row.at),
            message_id: event.fact.message().map(Shown),
            conversation_id: event.conversation.map(Shown),
            number_id: event.number.map(Shown),
            channel: event.channel.map(|channel| channel.as_str()),
            endpoints: row.results.iter().map(told).collect(),
        }
    }
}

fn told(result: &EventResult) -> Told {
    Told {
        id: Shown(result.endpoint),
        state: result.state.as_str(),
        attempts: result.made,
    }
}

/// An event with what endpoints are sent, and every attempt that is still stored.
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    #[serde(flatten)]
    event: Event,
    payload: &'a RawValue,
    attempts: Vec<Attempt<'a>>,
}

impl<'a> Whole<'a> {
    /// `None` when the payload is no JSON.
    pub(crate) fn of(view: &'a EventView) -> Option<Whole<'a>> {
        Some(Whole {
            event: Event::of(view.id, &view.row),
            payload: serde_json::from_str(&view.payload).ok()?,
            attempts: view.attempts.iter().map(Attempt::of).collect(),
        })
    }
}
