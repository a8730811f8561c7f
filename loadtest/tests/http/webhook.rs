//! A webhook that checks signatures in its own way and keeps what it was told.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use didfarm_loadtest::Target;
use didfarm_loadtest::form::Form;
use didfarm_loadtest::signature::{Keys, TWILIO_TOKEN, WHATSAPP_SECRET};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::client::PATIENCE;
use crate::stand_in::{Reply, Request, serve};

/// One callback that was taken in.
#[derive(Debug, Clone)]
pub struct Told {
    pub path: String,
    pub json: Value,
    pub form: BTreeMap<String, String>,
}

impl Told {
    /// Whether it reports a message as sent, in the words of Telnyx or of Twilio.
    fn is_sent(&self) -> bool {
        let status = self.form.get("MessageStatus");
        self.json["data"]["event_type"] == "message.sent"
            || status.is_some_and(|word| word == "sent")
    }
}

/// A server for callbacks.
pub struct Webhook {
    pub target: Target,
    told: Receiver<Told>,
}

impl Webhook {
    /// Takes every callback whose signature is right.
    pub fn open() -> Self {
        Self::answering(|_| Reply::json(200, &json!({})))
    }

    /// Answers genuine callbacks like this.
    pub fn answering(answer: impl Fn(&Told) -> Reply + Send + Sync + 'static) -> Self {
        let (tell, told): (Sender<Told>, _) = channel();
        let tell = Mutex::new(tell);
        let address = Arc::new(Mutex::new(String::new()));
        let own = Arc::clone(&address);
        let target = serve(move |request| {
            let base = own.lock().unwrap().clone();
            if !is_genuine(request, &base) {
                return Some(Reply::json(403, &json!({})));
            }
            let told = read(request);
            let reply = answer(&told);
            tell.lock().unwrap().send(told).unwrap();
            Some(reply)
        });
        *address.lock().unwrap() = format!("http://{}", target.authority);
        Self { target, told }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.target.authority)
    }

    /// The next callback.
    pub fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("a callback comes")
    }

    /// The next two callbacks, first the one that reports the message as sent: each has a connection of its
    /// own, and either may be there first.
    pub fn sent_and_final(&self) -> [Told; 2] {
        let (one, other) = (self.next(), self.next());
        if one.is_sent() {
            [one, other]
        } else {
            assert!(other.is_sent(), "{one:?} {other:?}");
            [other, one]
        }
    }

    /// Whether nothing more has come by now.
    pub fn is_silent(&self) -> bool {
        self.told.try_recv().is_err()
    }
}

fn read(request: &Request) -> Told {
    let form = Form::parse(&request.content)
        .map(|form| form.0)
        .unwrap_or_default();
    Told {
        path: request.path.clone(),
        json: serde_json::from_slice(&request.content).unwrap_or_default(),
        form: form.into_iter().collect(),
    }
}

/// Checks the one signature that the request has; `base` is the server's own address.
pub fn is_genuine(request: &Request, base: &str) -> bool {
    if let Some(signature) = request.header("telnyx-signature-ed25519") {
        let timestamp = request.header("telnyx-timestamp").unwrap();
        let age = jiff::Timestamp::now().as_second() - timestamp.parse::<i64>().unwrap();
        let signed = [timestamp.as_bytes(), b"|", &request.content].concat();
        let key: [u8; 32] = BASE64
            .decode(Keys::default().telnyx_public())
            .unwrap()
            .try_into()
            .unwrap();
        let key = VerifyingKey::from_bytes(&key).unwrap();
        let signature = Signature::from_slice(&BASE64.decode(signature).unwrap()).unwrap();
        return age.abs() < 300 && key.verify_strict(&signed, &signature).is_ok();
    }
    if let Some(signature) = request.header("x-twilio-signature") {
        let form: BTreeMap<_, _> = Form::parse(&request.content)
            .unwrap()
            .0
            .into_iter()
            .collect();
        let fields: String = form
            .iter()
            .map(|(name, value)| format!("{name}{value}"))
            .collect();
        let signed = format!("{base}{}{fields}", request.path);
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(TWILIO_TOKEN.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        return mac.verify_slice(&BASE64.decode(signature).unwrap()).is_ok();
    }
    let Some(signature) = request.header("x-hub-signature-256") else {
        return false;
    };
    let hex = signature.strip_prefix("sha256=").unwrap();
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(WHATSAPP_SECRET.as_bytes()).unwrap();
    mac.update(&request.content);
    mac.verify_slice(&bytes).is_ok()
}
