//! Twilio, Messages 2010-04-01: SMS, MMS and WhatsApp by HTTP.
//!
//! A message is sent by a form to `Accounts/{AccountSid}/Messages.json` and carries the address for its
//! status callbacks, which ends in our id of it and is part of what Twilio signs. A response with a SID
//! means that Twilio took the message, unless it already says that it failed. A message that Twilio took
//! is asked after by `Messages/{Sid}.json`.

mod answer;
mod door;
mod form;
mod read;
pub mod reasons;
mod signature;
mod status;
mod template;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use didfarm_core::channel::Channel;
use didfarm_core::content::ContentKind;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use form_urlencoded::Serializer;
use http::{HeaderValue, StatusCode};

use crate::callback::CallbackDoor;
use crate::http::{
    HttpAnswer, HttpCarrier, HttpProtocol, HttpRequest, HttpSettings, HttpStartError, get, party,
    post, secret_header,
};
use crate::{Abilities, CarrierSink, Query, Receipt, Submit, SubmitAnswer};
use door::TwilioDoor;
pub use form::PARAMETERS_MAX;
use signature::Signature;

/// Where Twilio is.
pub const BASE_URL: &str = "https://api.twilio.com";
/// The longest validity period that Twilio takes, in seconds.
pub const VALIDITY_S_MAX: u64 = 36_000;
/// What stands between the address of our callbacks and our id of a message.
const STATUS_TAIL: &str = "/status/";
/// What stands before an address on WhatsApp.
const WHATSAPP: &str = "whatsapp:";

/// The time, as a submit is made into a request.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How Twilio is reached, and how it reaches us.
#[derive(Clone)]
pub struct TwilioSettings {
    /// The connection.
    pub http: HttpSettings,
    /// The account (`AC…`).
    pub account_sid: String,
    /// Its auth token: it signs callbacks, and requests without [`TwilioSettings::api_key`].
    pub auth_token: String,
    /// An API key (`SK…`) and its secret, for requests.
    pub api_key: Option<(String, String)>,
    /// The messaging service that sends, beside the number.
    pub messaging_service_sid: Option<String>,
    /// The public address of this carrier's callbacks, as `https://host/carriers/NAME`: Twilio signs it.
    pub callback_url: String,
    /// The time, for validity periods.
    pub clock: Clock,
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        }))
    })
}

/// Starts the carrier.
///
/// # Errors
/// [`HttpStartError`]: a setting is not usable, or the system refuses a thread.
pub fn start(
    settings: &TwilioSettings,
    sink: Arc<dyn CarrierSink>,
) -> Result<HttpCarrier, HttpStartError> {
    HttpCarrier::start(&settings.http, Arc::new(Twilio::new(settings)?), sink)
}

/// The protocol.
pub struct Twilio {
    /// The address of the messages, without `.json`.
    messages_url: String,
    authorization: HeaderValue,
    messaging_service_sid: Option<String>,
    callback_url: String,
    clock: Clock,
    door: Arc<TwilioDoor>,
}

impl Twilio {
    /// Takes the settings.
    ///
    /// # Errors
    /// [`HttpStartError::Setting`] for an account that cannot stand in a path.
    pub fn new(settings: &TwilioSettings) -> Result<Twilio, HttpStartError> {
        let account = &*settings.account_sid;
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(HttpStartError::Setting {
                setting: "account_sid",
                why: "it is not made of letters and digits",
            });
        }
        let (user, secret) = match &settings.api_key {
            Some((sid, secret)) => (sid, secret),
            None => (&settings.account_sid, &settings.auth_token),
        };
        let basic = STANDARD.encode(format!("{user}:{secret}"));
        let callback_url = settings.callback_url.trim_end_matches('/').to_owned();
        Ok(Twilio {
            messages_url: format!(
                "{}/2010-04-01/Accounts/{account}/Messages",
                settings.http.base_url
            ),
            authorization: secret_header("auth_token", &format!("Basic {basic}"))?,
            messaging_service_sid: settings.messaging_service_sid.clone(),
            clock: Arc::clone(&settings.clock),
            door: Arc::new(TwilioDoor {
                signature: Signature::new(&settings.auth_token, &callback_url),
            }),
            callback_url,
        })
    }

    /// The form of a message.
    fn form(&self, submit: &Submit) -> Result<String, Reason> {
        let validity_ms = submit.valid_until.ms_since((self.clock)());
        if validity_ms == 0 {
            return Err(Reason::Expired);
        }
        let mut form = Serializer::new(String::new());
        form.append_pair("To", &address(submit.channel, &submit.to)?);
        form.append_pair("From", &address(submit.channel, &submit.from.into())?);
        if let Some(service) = &self.messaging_service_sid {
            form.append_pair("MessagingServiceSid", service);
        }
        append_content(&mut form, submit)?;
        let validity_s = (validity_ms / 1_000).clamp(1, VALIDITY_S_MAX);
        form.append_pair("ValidityPeriod", &validity_s.to_string());
        let callback = format!("{}{STATUS_TAIL}{}", self.callback_url, submit.message);
        form.append_pair("StatusCallback", &callback);
        Ok(form.finish())
    }
}

impl HttpProtocol for Twilio {
    fn request(&self, submit: &Submit) -> Result<HttpRequest, Reason> {
        Ok(post(
            &format!("{}.json", self.messages_url),
            "application/x-www-form-urlencoded",
            &self.authorization,
            self.form(submit)?.into_bytes(),
        ))
    }

    fn answer(&self, _: &Submit, answer: &HttpAnswer) -> SubmitAnswer {
        match answer.status {
            status if status.is_success() => answer::taken(&answer.body),
            StatusCode::TOO_MANY_REQUESTS => SubmitAnswer::NotTaken(Reason::Throttled),
            status => answer::refused(status, &answer.body),
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
        let sid = party::path_segment(&query.id)?;
        let address = format!("{}/{sid}.json", self.messages_url);
        Some(get(&address, &self.authorization))
    }

    fn learned(&self, query: &Query, answer: &HttpAnswer) -> Option<Receipt> {
        if !answer.status.is_success() {
            return None;
        }
        let message: answer::Message = serde_json::from_slice(&answer.body).ok()?;
        let (claim, reason) = message.claim()?;
        (message.sid.as_deref() == Some(&*query.id.0)).then(|| Receipt {
            message: Some(query.message),
            id: query.id.clone(),
            claim,
            reason,
        })
    }
}

/// A party's address on a channel; a refusal for a name that the channel does not know.
fn address(channel: Channel, party: &Peer) -> Result<String, Reason> {
    match (channel, party) {
        (Channel::Sms, Peer::Number(number)) => Ok(number.to_string()),
        (Channel::WhatsApp, Peer::Number(_)) => Ok(format!("{WHATSAPP}{party}")),
        (Channel::WhatsApp, Peer::Name(name)) if name.is_whatsapp_user() => {
            Ok(format!("{WHATSAPP}{party}"))
        }
        (Channel::Sms | Channel::WhatsApp, Peer::Name(_)) => Err(Reason::InvalidDestination),
    }
}

/// The text, the links of attachments, or the template; a refusal for what Twilio cannot carry.
fn append_content(form: &mut Serializer<'_, String>, submit: &Submit) -> Result<(), Reason> {
    let Some(content) = &submit.content else {
        form.append_pair("Body", &submit.body);
        return Ok(());
    };
    if let (ContentKind::Template, Some(template)) = (content.kind, &content.template) {
        let variables = template::variables(template)?;
        form.append_pair("ContentSid", &template.name);
        if let Some(variables) = variables {
            form.append_pair("ContentVariables", &variables);
        }
        return Ok(());
    }
    if content.kind != ContentKind::Text && !content.kind.is_media() {
        return Err(Reason::Rejected);
    }
    if !submit.body.is_empty() {
        form.append_pair("Body", &submit.body);
    }
    for media in &content.media {
        form.append_pair("MediaUrl", media.url.as_deref().ok_or(Reason::Rejected)?);
    }
    Ok(())
}
