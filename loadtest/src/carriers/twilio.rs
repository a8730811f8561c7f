//! Twilio Messages API 2010-04-01, the carrier's side: what it answers and what it calls back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use super::post::{Body, Post};
use super::record::{Event, Record, Submitted};
use crate::form::Form;

/// Messages on a page of a list.
pub const PAGE_MESSAGES: usize = 50;

/// Reads the body of `POST …/Messages.json`.
///
/// # Errors
/// The answer to one that cannot be sent.
pub fn read(account: &str, body: &[u8]) -> Result<Submitted, Answer> {
    let form = Form::parse(body).map_err(|error| problem(400, 20001, &error.to_string()))?;
    let sender = form.get("From").or(form.get("MessagingServiceSid"));
    let content = form
        .get("Body")
        .or(form.get("MediaUrl"))
        .or(form.get("ContentSid"));
    let to = form.get("To");
    match (to, sender, content) {
        (None, ..) => Err(problem(400, 21604, "A 'To' phone number is required.")),
        (_, None, _) => Err(problem(400, 21603, "A 'From' phone number is required.")),
        (.., None) => Err(problem(400, 21602, "Message body is required.")),
        (Some(to), Some(from), Some(_)) => Ok(Submitted {
            account: account.into(),
            from: from.into(),
            to: to.into(),
            body: form.get("Body").unwrap_or_default().into(),
            callback: form.get("StatusCallback").unwrap_or_default().into(),
            ..Submitted::default()
        }),
    }
}

/// An error in the shape of the API.
pub fn problem(status: u16, code: u32, message: &str) -> Answer {
    Answer::new(
        status,
        json!({
            "code": code, "message": message, "status": status,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        }),
    )
}

/// No usable credentials.
pub fn unauthorized() -> Answer {
    problem(401, 20003, "Authenticate")
}

/// Too many requests.
pub fn throttled() -> Answer {
    problem(429, 20429, "Too Many Requests")
}

/// A recipient that is none.
pub fn refused() -> Answer {
    problem(400, 21211, "The 'To' number is not a valid phone number.")
}

/// A message that is not known.
pub fn not_found() -> Answer {
    problem(404, 20404, "The requested resource was not found")
}

/// The answer to a submit.
pub fn accepted(record: &Record) -> Answer {
    Answer::new(201, message(record, "queued"))
}

/// The answer to `GET …/Messages/{sid}.json`.
pub fn shown(record: &Record) -> Answer {
    Answer::new(200, message(record, word(record.told())))
}

/// The answer to `GET …/Messages.json`: one page, newest first.
pub fn listed<'a>(account: &str, records: impl Iterator<Item = &'a Record>) -> Answer {
    let messages: Vec<Value> = records
        .take(PAGE_MESSAGES)
        .map(|record| message(record, word(record.told())))
        .collect();
    let uri =
        format!("/2010-04-01/Accounts/{account}/Messages.json?PageSize={PAGE_MESSAGES}&Page=0");
    Answer::new(
        200,
        json!({
            "start": 0, "end": messages.len().saturating_sub(1), "page": 0, "page_size": PAGE_MESSAGES,
            "messages": messages, "uri": uri, "first_page_uri": uri,
            "next_page_uri": null, "previous_page_uri": null,
        }),
    )
}

/// The status callback that tells of an event.
pub fn receipt(record: &Record, event: Event) -> Post {
    let Submitted {
        account,
        from,
        to,
        callback,
        ..
    } = &record.submitted;
    let mut form = Form::default();
    for (name, value) in [
        ("SmsSid", &*record.id),
        ("SmsStatus", word(event)),
        ("MessageStatus", word(event)),
        ("To", to),
        ("MessageSid", &record.id),
        ("AccountSid", account),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ] {
        form.push(name, value);
    }
    if event == Event::Failed {
        form.push("ErrorCode", "30003");
    }
    if event >= Event::Failed {
        form.push(
            "RawDlrDoneDate",
            Timestamp::now().strftime("%y%m%d%H%M").to_string(),
        );
    }
    Post::new(callback, Body::Twilio(form), 1)
}

/// The webhook that brings an inbound message.
pub fn inbound(
    url: &str,
    account: &str,
    sid: &str,
    from: &str,
    to: &str,
    text: &str,
    parts: u16,
) -> Post {
    let mut form = Form::default();
    for (name, value) in [
        ("ToCountry", "NL"),
        ("ToState", ""),
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("ToCity", ""),
        ("FromZip", ""),
        ("SmsSid", sid),
        ("FromState", ""),
        ("SmsStatus", "received"),
        ("FromCity", ""),
        ("Body", text),
        ("FromCountry", "NL"),
        ("To", to),
        ("NumSegments", &parts.to_string()),
        ("MessageSid", sid),
        ("AccountSid", account),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ] {
        form.push(name, value);
    }
    if let Some(digits) = from.strip_prefix("whatsapp:+") {
        form.push("ProfileName", "Load Test");
        form.push("WaId", digits);
        form.push("MessageType", "text");
    }
    Post::new(url, Body::Twilio(form), 1)
}

fn word(event: Event) -> &'static str {
    match event {
        Event::Taken => "queued",
        Event::Sent => "sent",
        Event::Failed => "undelivered",
        Event::Delivered => "delivered",
        Event::Read => "read",
    }
}

fn message(record: &Record, status: &str) -> Value {
    let Submitted {
        account,
        from,
        to,
        body,
        ..
    } = &record.submitted;
    let dated = |at: Timestamp| at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let service = from.starts_with("MG");
    let (error_code, error_message) = match status {
        "undelivered" => (Some(30003), Some("Unreachable destination handset")),
        _ => (None, None),
    };
    let uri = format!("/2010-04-01/Accounts/{account}/Messages/{}", record.id);
    json!({
        "sid": record.id, "account_sid": account,
        "messaging_service_sid": service.then_some(from),
        "from": (!service).then_some(from), "to": to, "body": body, "status": status,
        "direction": "outbound-api", "num_segments": record.segments.to_string(), "num_media": "0",
        "price": null, "price_unit": "USD", "error_code": error_code, "error_message": error_message,
        "date_created": dated(record.taken_at), "date_updated": dated(Timestamp::now()),
        "date_sent": (status != "queued").then(|| dated(record.taken_at)),
        "api_version": "2010-04-01", "uri": format!("{uri}.json"),
        "subresource_uris": {"media": format!("{uri}/Media.json")},
    })
}
