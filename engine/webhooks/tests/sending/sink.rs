//! What every test sends with: a resolver that answers as told, a guard that knows loopback, one event.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use didfarm_webhooks::connect::Resolving;
use didfarm_webhooks::{
    AddressGuard, Attempted, EndpointUrl, Keyring, Policy, Request, Resolve, Secret, Sender,
    SenderSettings, Target, WebhookId,
};

pub const BODY: &[u8] = br#"{"event":"message.received","body":"gr\u00fc\u00dfe"}"#;
pub const ID: &str = "evt_01JD3QXG7Z";
/// A time of an attempt, in seconds since 1970.
pub const AT_S: i64 = 1_760_000_000;

/// Answers each lookup with the next of its answers, and with the last one ever after; without any it never
/// answers.
#[derive(Default)]
pub struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    pub fn new(answers: &[&[&str]]) -> Arc<Script> {
        let answers = answers
            .iter()
            .map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Script(Mutex::new(answers.collect())))
    }
}

impl Resolve for Script {
    fn resolve(&self, _: &str) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        match answer {
            Some(ips) if ips.is_empty() => Box::pin(async { Err(io::ErrorKind::NotFound.into()) }),
            Some(ips) => Box::pin(async { Ok(ips) }),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// Permits these nets beside the public ones.
pub fn guard(nets: &[&str]) -> AddressGuard {
    AddressGuard::new(nets.iter().map(|net| net.parse().unwrap()).collect())
}

/// Permits all of loopback, and resolves every name to 127.0.0.1.
pub fn sender(settings: &SenderSettings) -> Sender {
    guarded(
        settings,
        guard(&["127.0.0.0/8"]),
        Script::new(&[&["127.0.0.1"]]),
    )
}

pub fn guarded(settings: &SenderSettings, guard: AddressGuard, resolver: Arc<Script>) -> Sender {
    Sender::new(settings, Arc::new(guard), resolver).unwrap()
}

/// A total deadline that is long enough for any loopback exchange.
pub fn patient() -> SenderSettings {
    SenderSettings::default()
}

/// A total deadline that a test can wait for.
pub fn hasty() -> SenderSettings {
    SenderSettings {
        timeout: Duration::from_millis(300),
        ..SenderSettings::default()
    }
}

/// A target at which `hook.example` may be called without TLS.
pub fn target(url: &str) -> Target {
    let policy = Policy {
        guard: Arc::new(guard(&["0.0.0.0/0"])),
        http_hosts: ["hook.example".into()].into(),
        ..Policy::default()
    };
    Target::new(&EndpointUrl::parse(url, &policy).unwrap())
}

pub async fn attempt(sender: &Sender, target: &Target) -> Attempted {
    let keyring = Keyring::new([Secret::generate().unwrap()]).unwrap();
    let id = WebhookId::new(ID).unwrap();
    let request = Request::signed(target, &keyring, &id, AT_S, Bytes::from_static(BODY));
    sender.attempt(request).await
}

/// One attempt to a URL with patience.
pub async fn post(url: &str) -> Attempted {
    attempt(&sender(&patient()), &target(url)).await
}
