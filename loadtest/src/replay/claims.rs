//! What captured callbacks claim of which message, and the state that follows for each.

use std::collections::BTreeMap;

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, MessageId};
use serde::Deserialize;
use serde_json::Value;

use crate::capture::{Captured, Kind};
use crate::form::Form;
use crate::outcome::Outcome;

/// The states that a capture leads to.
#[derive(Debug, Default)]
pub struct Claimed {
    /// One per message that the capture names.
    pub outcomes: Vec<Outcome>,
    /// Receipts that name no message of ours.
    pub unnamed: u64,
}

struct Receipt {
    message: Option<MessageId>,
    id: String,
    claim: Claim,
}

/// Reads every receipt of a capture, in its order.
pub fn claimed(captured: &[Captured]) -> Claimed {
    let mut by_message: BTreeMap<MessageId, Vec<(CarrierMessageId, Claim)>> = BTreeMap::new();
    let mut unnamed = 0;
    for request in captured {
        for receipt in receipts(request) {
            match receipt.message {
                Some(message) => by_message
                    .entry(message)
                    .or_default()
                    .push((CarrierMessageId(receipt.id.into()), receipt.claim)),
                None => unnamed += 1,
            }
        }
    }
    let outcomes = by_message
        .into_iter()
        .map(|(message, claims)| Outcome::of(message.to_string(), &claims))
        .collect();
    Claimed { outcomes, unnamed }
}

fn receipts(request: &Captured) -> Vec<Receipt> {
    match request.kind {
        Kind::Telnyx => telnyx(request).into_iter().collect(),
        Kind::Twilio => twilio(request).into_iter().collect(),
        Kind::WhatsApp => whatsapp(&request.body),
    }
}

/// The message that the path of a status callback names.
fn message_in_path(path: &str) -> Option<MessageId> {
    let path = path.split('?').next()?;
    path.rsplit_once("/status/")?.1.parse().ok()
}

fn telnyx(request: &Captured) -> Option<Receipt> {
    let event: Value = serde_json::from_slice(&request.body).ok()?;
    let data = &event["data"];
    if !matches!(
        data["event_type"].as_str()?,
        "message.sent" | "message.finalized"
    ) {
        return None;
    }
    let payload = &data["payload"];
    let claim = match payload["to"][0]["status"].as_str()? {
        "queued" | "sending" | "sent" | "delivery_unconfirmed" => Claim::EnRoute,
        "delivered" => Claim::Delivered,
        "sending_failed" | "delivery_failed" | "expired" => Claim::Failed,
        _ => return None,
    };
    let tags = payload["tags"].as_array();
    let in_tags = tags.and_then(|tags| tags.iter().find_map(|tag| tag.as_str()?.parse().ok()));
    Some(Receipt {
        message: in_tags.or_else(|| message_in_path(&request.path)),
        id: payload["id"].as_str()?.to_owned(),
        claim,
    })
}

fn twilio(request: &Captured) -> Option<Receipt> {
    let form = Form::parse(&request.body).ok()?;
    let claim = match form.get("MessageStatus").or(form.get("SmsStatus"))? {
        "sent" => Claim::EnRoute,
        "delivered" => Claim::Delivered,
        "read" => Claim::Read,
        "failed" | "undelivered" => Claim::Failed,
        _ => return None,
    };
    Some(Receipt {
        message: message_in_path(&request.path),
        id: form.get("MessageSid").or(form.get("SmsSid"))?.to_owned(),
        claim,
    })
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    value: Value,
}

fn whatsapp(body: &[u8]) -> Vec<Receipt> {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
        return Vec::new();
    };
    let changes = envelope.entry.into_iter().flat_map(|entry| entry.changes);
    changes
        .flat_map(|change| match change.value["statuses"].clone() {
            Value::Array(statuses) => statuses,
            _ => Vec::new(),
        })
        .filter_map(|status| whatsapp_status(&status))
        .collect()
}

fn whatsapp_status(status: &Value) -> Option<Receipt> {
    let claim = match status["status"].as_str()? {
        "sent" => Claim::EnRoute,
        "delivered" => Claim::Delivered,
        "read" | "played" => Claim::Read,
        "failed" => Claim::Failed,
        _ => return None,
    };
    let echo = status["biz_opaque_callback_data"].as_str();
    Some(Receipt {
        message: echo.and_then(|echo| echo.parse().ok()),
        id: status["id"].as_str()?.to_owned(),
        claim,
    })
}
