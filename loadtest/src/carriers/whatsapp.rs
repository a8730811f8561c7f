//! Meta's WhatsApp Cloud API, the carrier's side: what it answers and what it calls back.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::post::{Body, Post};
use super::record::{Event, Record, Submitted};

/// The account that every webhook names.
const BUSINESS_ACCOUNT: &str = "102290129340398";

#[derive(Deserialize)]
struct SendBody {
    messaging_product: Option<String>,
    status: Option<String>,
    to: Option<String>,
    recipient: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<Text>,
    biz_opaque_callback_data: Option<String>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

/// What a request to `…/messages` asks for.
#[derive(Debug)]
pub enum Asked {
    /// To send a message.
    Send(Submitted),
    /// To mark an inbound message as read.
    MarkRead,
}

/// Reads the body of `POST /v{N}.0/{phone_number_id}/messages`.
///
/// # Errors
/// The answer to one that cannot be sent.
pub fn read(phone_number_id: &str, body: &[u8]) -> Result<Asked, Answer> {
    let parameter = |detail: &str| problem(400, 100, "(#100) Invalid parameter", detail);
    let sent: SendBody =
        serde_json::from_slice(body).map_err(|error| parameter(&error.to_string()))?;
    if sent.messaging_product.as_deref() != Some("whatsapp") {
        return Err(parameter(
            "The parameter messaging_product must be whatsapp.",
        ));
    }
    if sent.status.as_deref() == Some("read") {
        return Ok(Asked::MarkRead);
    }
    let Some(to) = sent.to.or(sent.recipient).filter(|to| !to.is_empty()) else {
        return Err(parameter("The parameter to is required."));
    };
    let kind = sent.kind.as_deref().unwrap_or("text");
    let body = match (kind, sent.text) {
        ("text", Some(text)) if !text.body.is_empty() => text.body,
        ("text", _) => return Err(parameter("The parameter text['body'] is required.")),
        (kind, _) if sent.others.contains_key(kind) => String::new(),
        (kind, _) => return Err(parameter(&format!("The parameter {kind} is required."))),
    };
    Ok(Asked::Send(Submitted {
        account: phone_number_id.into(),
        from: phone_number_id.into(),
        to: to.into(),
        body: body.into(),
        echo: sent.biz_opaque_callback_data.unwrap_or_default().into(),
        ..Submitted::default()
    }))
}

/// An error in the shape of the Graph API.
pub fn problem(status: u16, code: u32, message: &str, details: &str) -> Answer {
    Answer::new(
        status,
        json!({"error": {
            "message": message, "type": "OAuthException", "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        }}),
    )
}

/// No usable token.
pub fn unauthorized() -> Answer {
    problem(
        401,
        190,
        "Invalid OAuth access token.",
        "Send a bearer token.",
    )
}

/// Too many messages.
pub fn throttled() -> Answer {
    let details = "Message failed to send because the throughput limit was reached.";
    problem(400, 130429, "(#130429) Rate limit hit", details)
}

/// A recipient that cannot be reached.
pub fn refused() -> Answer {
    problem(
        400,
        131026,
        "(#131026) Message undeliverable",
        "The recipient has no WhatsApp account.",
    )
}

/// A path that is not known.
pub fn not_found() -> Answer {
    problem(404, 100, "Unsupported request", "The path is not known.")
}

/// The answer to a read mark.
pub fn marked() -> Answer {
    Answer::new(200, json!({"success": true}))
}

/// The answer to a submit.
pub fn accepted(record: &Record) -> Answer {
    let to = &record.submitted.to;
    let contact = match to.strip_prefix('+').unwrap_or(to) {
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            json!({"input": to, "wa_id": digits})
        }
        user => json!({"input": to, "user_id": user}),
    };
    Answer::new(
        200,
        json!({
            "messaging_product": "whatsapp", "contacts": [contact],
            "messages": [{"id": record.id, "message_status": "accepted"}],
        }),
    )
}

/// An id in the form that Meta gives.
pub fn message_id(number: u64) -> String {
    format!(
        "wamid.{}",
        BASE64.encode(format!("didfarm-loadtest-{number:016x}"))
    )
}

/// The webhooks that tell of events, at most `batch` statuses in each.
pub fn receipts(
    url: &str,
    display: impl Fn(&str) -> String,
    told: &[(Arc<Record>, Event)],
    batch: usize,
) -> Vec<Post> {
    let mut posts = Vec::new();
    // One request may name several numbers, one change for each.
    for statuses in told.chunks(batch.max(1)) {
        let mut changes: Vec<(&str, Vec<Value>, Vec<Value>)> = Vec::new();
        for (record, event) in statuses {
            let account = &*record.submitted.account;
            let (status, contact) = (status(record, *event), contact(&record.submitted.to));
            match changes.iter_mut().find(|(known, ..)| *known == account) {
                Some((_, statuses, contacts)) => {
                    statuses.push(status);
                    contacts.push(contact);
                }
                None => changes.push((account, vec![status], vec![contact])),
            }
        }
        let told = |(account, statuses, contacts): (&str, _, Vec<Value>)| {
            let mut change = change(account, &display(account), "statuses", statuses);
            change["value"]["contacts"] = json!(contacts);
            change
        };
        let changes = changes.into_iter().map(told).collect();
        posts.push(Post::new(
            url,
            Body::WhatsApp(envelope(changes)),
            statuses.len(),
        ));
    }
    posts
}

/// The webhook that brings an inbound text.
pub fn inbound(
    url: &str,
    phone_number_id: &str,
    display: &str,
    id: &str,
    from: &str,
    text: &str,
) -> Post {
    let digits = from.strip_prefix('+').unwrap_or(from);
    let message = json!({
        "from": digits, "id": id, "timestamp": Timestamp::now().as_second().to_string(),
        "type": "text", "text": {"body": text},
    });
    let mut change = change(phone_number_id, display, "messages", vec![message]);
    change["value"]["contacts"] = json!([contact(from)]);
    Post::new(url, Body::WhatsApp(envelope(vec![change])), 1)
}

/// Whom a webhook is about, by number and user id or by user id alone (Meta, "Business-scoped user IDs").
fn contact(peer: &str) -> Value {
    let profile = json!({"name": "Load Test"});
    match digits_of(peer) {
        Some(digits) => {
            json!({"profile": profile, "wa_id": digits, "user_id": format!("NL.{digits}")})
        }
        None => json!({"profile": profile, "user_id": peer}),
    }
}

/// The digits of a peer's number; `None` for a user id.
fn digits_of(peer: &str) -> Option<&str> {
    let digits = peer.strip_prefix('+').unwrap_or(peer);
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then_some(digits)
}

/// The body of a webhook. Meta escapes what is not ASCII, in lower-case digits, and signs that.
fn envelope(changes: Vec<Value>) -> String {
    let body = json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": BUSINESS_ACCOUNT, "changes": changes}],
    })
    .to_string();
    let mut escaped = String::with_capacity(body.len());
    for character in body.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a text grows");
        }
    }
    escaped
}

fn change(phone_number_id: &str, display: &str, what: &str, elements: Vec<Value>) -> Value {
    json!({"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": display, "phone_number_id": phone_number_id},
        what: elements,
    }})
}

fn status(record: &Record, event: Event) -> Value {
    let word = match event {
        Event::Taken | Event::Sent => "sent",
        Event::Failed => "failed",
        Event::Delivered => "delivered",
        Event::Read => "read",
    };
    let to = &record.submitted.to;
    let mut status = json!({
        "id": record.id, "status": word, "timestamp": Timestamp::now().as_second().to_string(),
    });
    match digits_of(to) {
        Some(digits) => {
            status["recipient_id"] = json!(digits);
            status["recipient_user_id"] = json!(format!("NL.{digits}"));
        }
        None => status["recipient_user_id"] = json!(&**to),
    }
    if !record.submitted.echo.is_empty() {
        status["biz_opaque_callback_data"] = json!(record.submitted.echo);
    }
    if event == Event::Failed {
        status["errors"] = json!([{
            "code": 131026, "title": "Message undeliverable", "message": "Message undeliverable",
            "error_data": {"details": "The recipient could not be reached."},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }]);
    } else {
        status["pricing"] = json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": "utility"});
    }
    status
}
