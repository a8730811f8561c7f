//! Telnyx, Messaging API v2: SMS and MMS by HTTP.
//!
//! A message is sent by `POST /v2/messages` and carries the webhook address for its own events, which
//! ends in our id of it. A response with an id of Telnyx's means that it took the message, whatever else
//! is in it, unless it already says that the message failed. A message that Telnyx took is asked after
//! by `GET /v2/messages/{id}`.

mod door;
mod read;
pub mod reasons;
mod status;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::content::ContentKind;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use http::{HeaderValue, StatusCode};

use crate::callback::CallbackDoor;
use crate::http::{
    HttpAnswer, HttpCarrier, HttpProtocol, HttpRequest, HttpSettings, HttpStartError, get, party,
    post, secret_header, verdict_of_status,
};
use crate::reasons::row_of;
use crate::{Abilities, CarrierSink, Query, Receipt, Submit, SubmitAnswer};
use door::TelnyxDoor;
use wire::{Enveloped, Errors, Message, Party, elements, lenient};

/// The default of [`TelnyxSettings::tolerance`].
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Where Telnyx is.
pub const BASE_URL: &str = "https://api.telnyx.com";
/// What stands between the address of our callbacks and our id of a message.
const STATUS_TAIL: &str = "/status/";

/// How Telnyx is reached, and how it reaches us.
#[derive(Clone)]
pub struct TelnyxSettings {
    /// The connection.
    pub http: HttpSettings,
    /// The key of the API.
    pub api_key: String,
    /// The account's public key, base64 of 32 bytes.
    pub public_key: String,
    /// The messaging profile that sends, where the number alone does not say.
    pub messaging_profile_id: Option<String>,
    /// The public address of this carrier's callbacks, as `https://host/carriers/NAME`.
    pub callback_url: String,
    /// How far a webhook's time may lie from ours, in either direction.
    pub tolerance: Duration,
}

/// Starts the carrier.
///
/// # Errors
/// [`HttpStartError`]: a setting is not usable, or the system refuses a thread.
pub fn start(
    settings: &TelnyxSettings,
    sink: Arc<dyn CarrierSink>,
) -> Result<HttpCarrier, HttpStartError> {
    HttpCarrier::start(&settings.http, Arc::new(Telnyx::new(settings)?), sink)
}

/// The protocol.
pub struct Telnyx {
    messages_url: String,
    authorization: HeaderValue,
    messaging_profile_id: Option<String>,
    callback_url: String,
    door: Arc<TelnyxDoor>,
}

impl Telnyx {
    /// Takes the settings.
    ///
    /// # Errors
    /// [`HttpStartError::Setting`] for a key that is none.
    pub fn new(settings: &TelnyxSettings) -> Result<Telnyx, HttpStartError> {
        Ok(Telnyx {
            messages_url: format!("{}/v2/messages", settings.http.base_url),
            authorization: secret_header("api_key", &format!("Bearer {}", settings.api_key))?,
            messaging_profile_id: settings.messaging_profile_id.clone(),
            callback_url: settings.callback_url.trim_end_matches('/').to_owned(),
            door: Arc::new(TelnyxDoor::new(&settings.public_key, settings.tolerance)?),
        })
    }
}

impl HttpProtocol for Telnyx {
    fn request(&self, submit: &Submit) -> Result<HttpRequest, Reason> {
        let (Channel::Sms, Peer::Number(to)) = (submit.channel, &submit.to) else {
            return Err(Reason::Rejected);
        };
        let media_urls = media_urls(submit)?;
        let webhook = format!("{}{STATUS_TAIL}{}", self.callback_url, submit.message);
        let send = wire::Send {
            from: submit.from.to_string(),
            to: to.to_string(),
            text: &submit.body,
            kind: if media_urls.is_empty() { "SMS" } else { "MMS" },
            media_urls,
            messaging_profile_id: self.messaging_profile_id.as_deref(),
            webhook_url: &webhook,
            webhook_failover_url: &webhook,
            use_profile_webhooks: false,
        };
        let body = serde_json::to_vec(&send).expect("strings and lists of them are JSON");
        Ok(post(
            &self.messages_url,
            "application/json",
            &self.authorization,
            body,
        ))
    }

    fn answer(&self, _: &Submit, answer: &HttpAnswer) -> SubmitAnswer {
        match answer.status {
            status if status.is_success() => taken(&answer.body),
            StatusCode::TOO_MANY_REQUESTS => SubmitAnswer::NotTaken(Reason::Throttled),
            status => refused(status, &answer.body),
        }
    }

    fn door(&self) -> Option<Arc<dyn CallbackDoor>> {
        Some(Arc::clone(&self.door) as _)
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            names_messages: true,
            one_id: true,
            queries: true,
        }
    }

    fn question(&self, query: &Query) -> Option<HttpRequest> {
        let id = party::path_segment(&query.id)?;
        Some(get(
            &format!("{}/{id}", self.messages_url),
            &self.authorization,
        ))
    }

    fn learned(&self, query: &Query, answer: &HttpAnswer) -> Option<Receipt> {
        if !answer.status.is_success() {
            return None;
        }
        let message = message_in(&answer.body)?;
        let (claim, reason) = claim_in(&message)?;
        (message.id.as_deref() == Some(&*query.id.0)).then(|| Receipt {
            message: Some(query.message),
            id: query.id.clone(),
            claim,
            reason,
        })
    }
}

/// The links of a message's attachments; a refusal for what an MMS cannot hold.
fn media_urls(submit: &Submit) -> Result<Vec<&str>, Reason> {
    let Some(content) = &submit.content else {
        return Ok(Vec::new());
    };
    if content.kind != ContentKind::Text && !content.kind.is_media() {
        return Err(Reason::Rejected);
    }
    let urls = content.media.iter().map(|media| media.url.as_deref());
    urls.collect::<Option<_>>().ok_or(Reason::Rejected)
}

fn message_in(body: &[u8]) -> Option<Message<'_>> {
    let enveloped: Enveloped<'_> = serde_json::from_slice(body).ok()?;
    lenient(enveloped.data)
}

/// What the message's one recipient claims.
fn claim_in(message: &Message<'_>) -> Option<(Claim, Option<Reason>)> {
    let recipient = elements(message.to).into_iter().next();
    let party: Party = lenient(recipient)?;
    status::claim_of(&party.status?, message.errors)
}

/// A 2xx: Telnyx took the message under an id, unless it says that it failed already. A failed message
/// has an id too and its receipt will come: it is final even where its code could be tried again.
fn taken(body: &[u8]) -> SubmitAnswer {
    let Some(message) = message_in(body) else {
        return SubmitAnswer::NoAnswer;
    };
    if let Some((Claim::Failed, reason)) = claim_in(&message) {
        return SubmitAnswer::Refused(reason.unwrap_or(Reason::Unknown));
    }
    match message.id.as_deref().and_then(party::message_id) {
        Some(id) => SubmitAnswer::Accepted(vec![id]),
        None => SubmitAnswer::NoAnswer,
    }
}

/// An error: by its first known code; by its status where it has none.
fn refused(status: StatusCode, body: &[u8]) -> SubmitAnswer {
    let errors = serde_json::from_slice::<Errors<'_>>(body).ok();
    let codes: Vec<u32> =
        errors.map_or_else(Vec::new, |body| wire::codes(Some(body.errors)).collect());
    if codes.contains(&reasons::REQUEST_TIMEOUT) {
        return SubmitAnswer::NoAnswer;
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !codes.is_empty() {
        return SubmitAnswer::NotTaken(Reason::CarrierError);
    }
    let known = codes.iter().find_map(|code| row_of(reasons::TABLE, *code));
    match known {
        Some(row) if status.is_client_error() => row.answer(),
        _ => verdict_of_status(status),
    }
}
