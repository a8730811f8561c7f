//! Telnyx messaging API v2, the carrier's side: what it answers and what it calls back.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::post::{Body, Post};
use super::record::{Event, Record, Submitted};

#[derive(Deserialize)]
struct SendBody {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    media_urls: Vec<String>,
    #[serde(default)]
    messaging_profile_id: String,
    #[serde(default)]
    webhook_url: Option<String>,
    #[serde(default)]
    webhook_failover_url: Option<String>,
    #[serde(default)]
    tags: Vec<Value>,
}

/// Reads the body of `POST /v2/messages`.
///
/// # Errors
/// The answer to one that cannot be sent.
pub fn read(body: &[u8]) -> Result<Submitted, Answer> {
    let sent: SendBody = serde_json::from_slice(body)
        .map_err(|error| problem(400, "10015", "Bad Request", &error.to_string()))?;
    for (name, value) in [("from", &sent.from), ("to", &sent.to)] {
        if value.is_empty() {
            let detail = format!("The '{name}' parameter is required.");
            return Err(problem(422, "10004", "Missing required parameter", &detail));
        }
    }
    if sent.text.is_empty() && sent.media_urls.is_empty() {
        let detail = "Either 'text' or 'media_urls' is required.";
        return Err(problem(422, "10004", "Missing required parameter", detail));
    }
    Ok(Submitted {
        account: sent.messaging_profile_id.into(),
        from: sent.from.into(),
        to: sent.to.into(),
        body: sent.text.into(),
        callback: sent.webhook_url.unwrap_or_default().into(),
        failover: sent.webhook_failover_url.unwrap_or_default().into(),
        echo: Value::from(sent.tags).to_string().into(),
    })
}

/// An error in the shape of the API.
pub fn problem(status: u16, code: &str, title: &str, detail: &str) -> Answer {
    let error = json!({"code": code, "title": title, "detail": detail, "source": {"pointer": "/"}});
    Answer::new(status, json!({ "errors": [error] }))
}

/// No usable key.
pub fn unauthorized() -> Answer {
    problem(
        401,
        "10009",
        "Authentication failed",
        "No key found in the request.",
    )
}

/// Too many requests.
pub fn throttled() -> Answer {
    problem(
        429,
        "40011",
        "Too many requests",
        "The message rate limit is exceeded.",
    )
}

/// A recipient that cannot be reached at all.
pub fn refused() -> Answer {
    problem(
        400,
        "40001",
        "Not routable",
        "The destination number is not routable.",
    )
}

/// A message that is not known.
pub fn not_found() -> Answer {
    problem(
        404,
        "10005",
        "Resource not found",
        "The requested resource is not known.",
    )
}

/// The answer to a submit.
pub fn accepted(record: &Record) -> Answer {
    Answer::new(200, json!({ "data": message(record, "queued", None) }))
}

/// The answer to `GET /v2/messages/{id}`.
pub fn shown(record: &Record) -> Answer {
    let (word, at) = match record.told() {
        Event::Taken => ("queued", None),
        Event::Sent => ("sent", None),
        Event::Failed => ("delivery_failed", Some(Timestamp::now())),
        Event::Delivered | Event::Read => ("delivered", Some(Timestamp::now())),
    };
    Answer::new(200, json!({ "data": message(record, word, at) }))
}

/// The webhook that tells of an event; its repeat goes to the failover URL, with the same event id.
pub fn receipt(record: &Record, event: Event, repeat: bool) -> Post {
    let (event_type, word, completed) = match event {
        Event::Taken | Event::Sent => ("message.sent", "sent", false),
        Event::Failed => ("message.finalized", "delivery_failed", true),
        Event::Delivered | Event::Read => ("message.finalized", "delivered", true),
    };
    let now = Timestamp::now();
    let told = json!({
        "id": event_id(&record.id, event),
        "event_type": event_type,
        "occurred_at": now.to_string(),
        "record_type": "event",
        "payload": message(record, word, completed.then_some(now)),
    });
    let Submitted {
        callback, failover, ..
    } = &record.submitted;
    let url = if repeat && !failover.is_empty() {
        failover
    } else {
        callback
    };
    Post::new(url, Body::Telnyx(told.to_string()), 1)
}

/// The webhook that brings an inbound message.
pub fn inbound(url: &str, id: &str, from: &str, to: &str, text: &str, parts: u16) -> Post {
    let now = Timestamp::now().to_string();
    let told = json!({
        "id": event_id(id, Event::Taken),
        "event_type": "message.received",
        "occurred_at": now,
        "record_type": "event",
        "payload": {
            "id": id, "record_type": "message", "direction": "inbound", "type": "SMS",
            "from": {"phone_number": from, "carrier": "", "line_type": "", "status": "delivered"},
            "to": [{"phone_number": to, "carrier": "", "line_type": "", "status": "webhook_delivered"}],
            "cc": [], "text": text, "media": [], "parts": parts, "encoding": "GSM-7",
            "messaging_profile_id": "", "organization_id": "", "tags": [], "errors": [],
            "cost": null, "received_at": now, "sent_at": null, "completed_at": null, "valid_until": null,
            "webhook_url": url, "webhook_failover_url": null,
        },
    });
    Post::new(url, Body::Telnyx(told.to_string()), 1)
}

/// An event's id: the message's with its last digits given to the event, so that a repeat has the same.
fn event_id(id: &str, event: Event) -> String {
    let kept = id.len().saturating_sub(2);
    format!("{}e{}", id.get(..kept).unwrap_or(id), event as u8)
}

fn message(record: &Record, word: &str, completed_at: Option<Timestamp>) -> Value {
    let Submitted {
        from,
        to,
        body,
        callback,
        failover,
        echo,
        account,
    } = &record.submitted;
    let errors = match word {
        "delivery_failed" => json!([{
            "code": "40008", "title": "Undeliverable",
            "detail": "The recipient carrier reported the message as undeliverable.",
        }]),
        _ => json!([]),
    };
    let url = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let sent_at = (word != "queued").then(|| record.taken_at.to_string());
    let tags: Value = serde_json::from_str(echo).unwrap_or_else(|_| json!([]));
    json!({
        "id": record.id, "record_type": "message", "direction": "outbound", "type": "SMS",
        "messaging_profile_id": account, "organization_id": "loadtest",
        "from": {"phone_number": from, "carrier": "didfarm", "line_type": "Wireless"},
        "to": [{"phone_number": to, "status": word, "carrier": "didfarm", "line_type": "Wireless"}],
        "cc": [], "text": body, "media": [], "encoding": "GSM-7", "parts": record.segments,
        "webhook_url": url(callback), "webhook_failover_url": url(failover), "tags": tags,
        "cost": {"amount": "0.0040", "currency": "USD"},
        "cost_breakdown": {
            "carrier_fee": {"amount": "0.0000", "currency": "USD"},
            "rate": {"amount": "0.0040", "currency": "USD"},
        },
        "received_at": record.taken_at.to_string(), "sent_at": sent_at,
        "completed_at": completed_at.map(|at| at.to_string()), "valid_until": null,
        "wait_seconds": 0.0, "smart_encoding_applied": false, "subject": null,
        "tcr_campaign_id": null, "tcr_campaign_billable": false, "tcr_campaign_registered": null,
        "errors": errors,
    })
}
