//! What Meta's response to a submit says about the message.
//!
//! A Graph API error object is Meta's own word that the request failed, whatever its HTTP status: the
//! message is not taken. Two kinds of 5xx are no such word and leave the message in doubt: one without an
//! error object (a gateway's, a time-out on the way), and one whose code says only that something broke
//! ([`UNSURE`], or a code that we do not know). Doubt costs little here: if Meta did take the message, its
//! `sent` status names it by our id within seconds.

use didfarm_core::reason::Reason;
use serde::Deserialize;

use super::reasons;
use super::tolerant::{Code, Text};
use crate::SubmitAnswer;
use crate::http::{HttpAnswer, party, verdict_of_status};

/// "Invalid request or possible server error": with a 4xx it is the former, with a 5xx the latter, and
/// then nobody knows how far it came.
const UNSURE: Code = Code(1);

/// A response that took the message.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Taken<'a> {
    messages: Vec<TakenMessage<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct TakenMessage<'a> {
    id: Text<'a>,
}

/// A response that did not.
#[derive(Deserialize)]
struct Failed {
    error: GraphFailure,
}

#[derive(Deserialize)]
struct GraphFailure {
    code: Code,
    #[serde(default)]
    is_transient: Option<bool>,
}

/// Reads a response.
pub(super) fn read(answer: &HttpAnswer) -> SubmitAnswer {
    if answer.status.is_success()
        && let Ok(taken) = serde_json::from_slice::<Taken<'_>>(&answer.body)
        && let Some(id) = taken
            .messages
            .first()
            .and_then(|first| party::message_id(&first.id))
    {
        return SubmitAnswer::Accepted(vec![id]);
    }
    match serde_json::from_slice::<Failed>(&answer.body) {
        Ok(Failed { error }) => failed(answer, &error),
        Err(_) => verdict_of_status(answer.status),
    }
}

fn failed(answer: &HttpAnswer, error: &GraphFailure) -> SubmitAnswer {
    tracing::debug!(
        code = error.code.0,
        status = answer.status.as_u16(),
        "Meta refuses a message"
    );
    let broke = answer.status.is_server_error();
    match reasons::row(error.code.0) {
        Some(_) if broke && error.code == UNSURE => SubmitAnswer::NoAnswer,
        Some(row) => row.answer(),
        None if broke => SubmitAnswer::NoAnswer,
        None if error.is_transient == Some(true) => SubmitAnswer::NotTaken(Reason::CarrierError),
        None => verdict_of_status(answer.status),
    }
}
