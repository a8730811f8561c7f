//! What the tests share: settings, requests to the door, and bodies in Meta's envelope.

use didfarm_carriers::callback::{Callback, CallbackRequest, Inbound, NotGenuine, Unreadable};
use didfarm_carriers::http::{HttpProtocol, HttpSettings};
use didfarm_carriers::whatsapp::{BASE_URL, VERSION, WhatsApp, WhatsAppSettings};
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierId;
use didfarm_core::time::Timestamp;
use serde_json::{Value, json};

/// Our number, and Meta's id of it.
pub const OURS: u64 = 15_550_783_881;
pub const OURS_ID: &str = "106540352242922";
/// The peer.
pub const PEER: &str = "16505551234";
pub const USER_ID: &str = "US.13491208655302741918";
pub const WAMID: &str = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=";
pub const SECRET: &str = "app-secret";

pub fn number(digits: u64) -> E164 {
    E164::from_digits(digits).unwrap()
}

pub fn settings() -> WhatsAppSettings {
    WhatsAppSettings {
        http: HttpSettings::new(CarrierId(7), "meta", BASE_URL),
        version: VERSION.into(),
        access_token: "token".into(),
        app_secret: SECRET.into(),
        verify_token: "verify me".into(),
        numbers: vec![(number(OURS), OURS_ID.into())],
    }
}

pub fn protocol() -> WhatsApp {
    WhatsApp::new(&settings()).unwrap()
}

/// A request to the door, with one header at most.
pub struct Knock<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    pub signature: Option<&'a str>,
    pub body: &'a [u8],
}

impl Knock<'_> {
    fn with<T>(&self, act: impl FnOnce(&CallbackRequest<'_>) -> T) -> T {
        let header = |name: &str| (name == "x-hub-signature-256").then_some(self.signature)?;
        act(&CallbackRequest {
            method: self.method,
            tail: "",
            path_and_query: self.path_and_query,
            header: &header,
            body: self.body,
            now: Timestamp::ZERO,
        })
    }

    pub fn verify(&self) -> Result<(), NotGenuine> {
        self.with(|request| protocol().door().unwrap().verify(request))
    }

    pub fn challenge(&self) -> Result<Option<String>, NotGenuine> {
        self.with(|request| protocol().door().unwrap().challenge(request))
    }
}

pub fn try_read(body: &[u8]) -> Result<Callback, Unreadable> {
    let knock = Knock {
        method: "POST",
        path_and_query: "/carriers/meta",
        signature: None,
        body,
    };
    knock.with(|request| protocol().door().unwrap().read(request))
}

pub fn read(body: &Value) -> Callback {
    try_read(body.to_string().as_bytes()).unwrap()
}

/// Meta's envelope around one value of `messages`.
pub fn envelope(value: Value) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{
            "id": "102290129340398",
            "changes": [{ "value": value, "field": "messages" }],
        }],
    })
}

pub fn metadata() -> Value {
    json!({ "display_phone_number": "15550783881", "phone_number_id": OURS_ID })
}

/// The envelope around statuses.
pub fn statuses(statuses: Value) -> Value {
    envelope(json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "statuses": statuses,
    }))
}

/// The envelope around messages of the peer, who is called Sheena Nelson.
pub fn messages(messages: Value) -> Value {
    envelope(json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "contacts": [{
            "profile": { "name": "Sheena Nelson" },
            "wa_id": PEER,
            "user_id": USER_ID,
        }],
        "messages": messages,
    }))
}

/// A message of the peer: the members of `typed` beside those that every message has.
pub fn message(typed: Value) -> Value {
    let mut message = json!({
        "from": PEER,
        "from_user_id": USER_ID,
        "id": WAMID,
        "timestamp": "1749416383",
    });
    message
        .as_object_mut()
        .unwrap()
        .extend(typed.as_object().unwrap().clone());
    message
}

/// The one inbound message that a body holds, with nothing else counted.
pub fn heard(typed: Value) -> Inbound {
    let mut callback = read(&messages(json!([message(typed)])));
    assert_eq!((callback.ignored, callback.malformed), (0, 0));
    assert!(callback.receipts.is_empty() && callback.parts.is_empty());
    assert_eq!(callback.inbound.len(), 1);
    callback.inbound.remove(0)
}
