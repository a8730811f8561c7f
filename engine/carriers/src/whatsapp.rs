//! The WhatsApp Cloud API of Meta: messages by the Graph API, statuses and inbound by its webhook.
//!
//! Our message id travels as `biz_opaque_callback_data` and comes back in every status, so a receipt finds
//! its message without an index, also when the answer to the submit was lost. The window of 24 hours is the
//! engine's to keep; 131047 is Meta's view of it.
//!
//! Contract: Meta, WhatsApp Business Platform, "Messages" (Cloud API reference), "messages webhook
//! reference", "Business-scoped user IDs" and "Error codes", as of Graph API v23.0 to v24.0.

mod answer;
mod door;
mod media;
mod numbers;
mod read;
mod reasons;
mod request;
mod said;
mod tolerant;
mod wa_id;
mod wire;

use std::fmt;
use std::sync::Arc;

use didfarm_core::e164::E164;
use didfarm_core::reason::Reason;
use http::HeaderValue;

use crate::callback::CallbackDoor;
use crate::http::{
    HttpAnswer, HttpCarrier, HttpProtocol, HttpRequest, HttpSettings, HttpStartError, post,
};
use crate::{Abilities, CarrierSink, Submit, SubmitAnswer};
use numbers::Numbers;

pub use door::CHALLENGE_BYTES_MAX;
pub use media::media_link;
pub use reasons::REASONS;
pub use said::REACTION_REMOVED;

/// The default of [`HttpSettings::base_url`] for this carrier.
pub const BASE_URL: &str = "https://graph.facebook.com";
/// The default of [`WhatsAppSettings::version`].
pub const VERSION: &str = "v23.0";
/// Longest id of a phone number, in digits.
pub const PHONE_NUMBER_ID_DIGITS_MAX: usize = 32;

/// How one WhatsApp app of Meta is reached, and how it reaches us.
#[derive(Clone)]
pub struct WhatsAppSettings {
    /// Name, address and limits; the address is [`BASE_URL`].
    pub http: HttpSettings,
    /// The version of the Graph API, as `v23.0`.
    pub version: String,
    /// The system user's token that sends.
    pub access_token: String,
    /// The app's secret, under which the webhook is signed.
    pub app_secret: String,
    /// What Meta is to know when it checks the webhook's address.
    pub verify_token: String,
    /// Our numbers and Meta's ids of them.
    pub numbers: Vec<(E164, String)>,
}

impl fmt::Debug for WhatsAppSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatsAppSettings")
            .field("http", &self.http)
            .field("version", &self.version)
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}

/// Starts the carrier.
///
/// # Errors
/// [`HttpStartError`], in particular for a setting that [`WhatsApp::new`] refuses.
pub fn start(
    settings: &WhatsAppSettings,
    sink: Arc<dyn CarrierSink>,
) -> Result<HttpCarrier, HttpStartError> {
    let protocol = Arc::new(WhatsApp::new(settings)?);
    HttpCarrier::start(&settings.http, protocol, sink)
}

/// What requests to Meta look like, and what its answers and its webhook mean.
pub struct WhatsApp {
    carrier: String,
    /// What stands before a phone number's id in an address.
    root: String,
    authorization: HeaderValue,
    numbers: Arc<Numbers>,
    door: Arc<door::Door>,
}

impl WhatsApp {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`HttpStartError::Setting`]: an empty secret, which anybody could sign with; a token that does not
    /// print; an id that is none; a number or an id that stands there twice.
    pub fn new(settings: &WhatsAppSettings) -> Result<WhatsApp, HttpStartError> {
        check(settings)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", settings.access_token))
            .map_err(|_| unusable("access_token", "it does not print"))?;
        authorization.set_sensitive(true);
        let carrier = settings.http.name.clone();
        let numbers = Numbers::new(&settings.numbers)
            .ok_or_else(|| unusable("numbers", "a number or an id stands there twice"))?;
        let numbers = Arc::new(numbers);
        let door = door::Door::new(
            &carrier,
            &settings.app_secret,
            &settings.verify_token,
            Arc::clone(&numbers),
        );
        Ok(WhatsApp {
            carrier,
            root: format!("{}/{}", settings.http.base_url, settings.version),
            authorization,
            numbers,
            door: Arc::new(door),
        })
    }
}

fn unusable(setting: &'static str, why: &'static str) -> HttpStartError {
    HttpStartError::Setting { setting, why }
}

fn check(settings: &WhatsAppSettings) -> Result<(), HttpStartError> {
    let secrets = [
        ("access_token", &settings.access_token),
        ("app_secret", &settings.app_secret),
        ("verify_token", &settings.verify_token),
    ];
    for (setting, secret) in secrets {
        if secret.is_empty() {
            return Err(unusable(setting, "it is empty"));
        }
    }
    let version = settings.version.strip_prefix('v').unwrap_or_default();
    let is_version = version.split_once('.').is_some_and(|(major, minor)| {
        [major, minor]
            .iter()
            .all(|part| part.parse::<u16>().is_ok())
    });
    if !is_version {
        return Err(unusable("version", "it is not of the form v23.0"));
    }
    let is_id = |id: &str| {
        (1..=PHONE_NUMBER_ID_DIGITS_MAX).contains(&id.len())
            && id.bytes().all(|digit| digit.is_ascii_digit())
    };
    match settings.numbers.iter().all(|(_, id)| is_id(id)) {
        true => Ok(()),
        false => Err(unusable(
            "numbers",
            "the id of a phone number is a row of digits",
        )),
    }
}

impl HttpProtocol for WhatsApp {
    fn request(&self, submit: &Submit) -> Result<HttpRequest, Reason> {
        let Some(id) = self.numbers.id(submit.from) else {
            tracing::warn!(
                carrier = self.carrier,
                message = %submit.message,
                "the sender has no phone number id in the carrier's settings"
            );
            return Err(Reason::Rejected);
        };
        let body = request::body(submit)?;
        let address = format!("{}/{id}/messages", self.root);
        Ok(post(
            &address,
            "application/json",
            &self.authorization,
            body,
        ))
    }

    fn answer(&self, _: &Submit, answer: &HttpAnswer) -> SubmitAnswer {
        answer::read(answer)
    }

    fn door(&self) -> Option<Arc<dyn CallbackDoor>> {
        Some(Arc::clone(&self.door) as Arc<dyn CallbackDoor>)
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            names_messages: true,
            one_id: true,
            queries: false,
        }
    }
}
