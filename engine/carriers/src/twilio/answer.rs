//! Twilio's answers: to a send, to a question, and its errors.

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::reasons::TABLE;
use super::status::claim_of;
use crate::SubmitAnswer;
use crate::http::{party, verdict_of_status};
use crate::reasons::row_of;

/// A message as Twilio answers it.
#[derive(Deserialize)]
pub(super) struct Message {
    pub sid: Option<String>,
    status: Option<String>,
    #[serde(default)]
    error_code: Value,
}

impl Message {
    /// What its status claims.
    pub(super) fn claim(&self) -> Option<(Claim, Option<Reason>)> {
        claim_of(self.status.as_deref()?, code(&self.error_code))
    }
}

/// The body of an error.
#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: Value,
}

/// A code: Twilio writes a number, a text is taken as well.
fn code(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|code| code.try_into().ok()),
    }
}

/// A 2xx: Twilio took the message under a SID, unless it says that it failed already. A failed message
/// has a SID too and its receipt will come: it is final even where its code could be tried again.
pub(super) fn taken(body: &[u8]) -> SubmitAnswer {
    let Ok(message) = serde_json::from_slice::<Message>(body) else {
        return SubmitAnswer::NoAnswer;
    };
    if let Some((Claim::Failed, reason)) = message.claim() {
        return SubmitAnswer::Refused(reason.unwrap_or(Reason::Unknown));
    }
    match message.sid.as_deref().and_then(party::message_id) {
        Some(id) => SubmitAnswer::Accepted(vec![id]),
        None => SubmitAnswer::NoAnswer,
    }
}

/// An error: by its code where that is known and the fault is not Twilio's own; else by its status.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> SubmitAnswer {
    let fault: Option<Fault> = serde_json::from_slice(body).ok();
    let row = fault
        .and_then(|fault| code(&fault.code))
        .and_then(|code| row_of(TABLE, code));
    match row {
        Some(row) if status.is_client_error() => row.answer(),
        _ => verdict_of_status(status),
    }
}
