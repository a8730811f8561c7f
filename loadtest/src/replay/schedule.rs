//! When each captured request is sent again, and with which bytes.

use std::time::Duration;

use super::ReplayPlan;
use crate::callbacks::stock::STOCK_BYTES_MAX;
use crate::capture::{Captured, Kind};
use crate::carriers::post::{request_bytes, telnyx_headers, twilio_headers, whatsapp_headers};
use crate::dice::Dice;
use crate::form::Form;
use crate::signature::Keys;

/// Headers that belong to a connection or to a signature, and are never sent again as they were.
const MADE_ANEW: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "expect",
    "telnyx-timestamp",
    "te",
];

/// One request to come.
#[derive(Debug)]
pub struct Turn {
    /// When, after the start.
    pub after: Duration,
    /// What.
    pub request: Bytes,
    /// Whether it is the repeat of another.
    pub repeat: bool,
}

/// The bytes of a request, now or when it is due.
#[derive(Debug, Clone)]
pub enum Bytes {
    /// Signed ahead.
    Ready(Box<[u8]>),
    /// Telnyx dates its signatures: signed when it is due.
    Dated(std::sync::Arc<Captured>),
}

impl Bytes {
    /// The whole request, signed by now.
    pub fn request(&self, keys: &Keys, authority: &str) -> std::borrow::Cow<'_, [u8]> {
        match self {
            Bytes::Ready(bytes) => bytes[..].into(),
            Bytes::Dated(captured) => {
                let headers = telnyx_headers(keys, &captured.body);
                whole(captured, authority, headers).into()
            }
        }
    }
}

/// The turns of a capture in the order of their times; what cannot be sent again is left out.
pub fn schedule(plan: &ReplayPlan, captured: Vec<Captured>) -> Vec<Turn> {
    let dice = Dice::new(plan.seed);
    let first = captured
        .iter()
        .map(|request| request.at_us)
        .min()
        .unwrap_or(0);
    let mut turns = Vec::with_capacity(captured.len());
    let mut bytes = 0;
    for request in captured {
        // Checks of the address hold no facts.
        if request.method != "POST" || bytes > STOCK_BYTES_MAX {
            continue;
        }
        let us = request.at_us.saturating_sub(first).unsigned_abs();
        let recorded = Duration::from_micros(us).div_f64(plan.speed);
        bytes += request.body.len();
        let signed = signed(plan, request);
        let shifted = || recorded + plan.shuffle.mul_f64(dice.unit());
        if dice.falls(plan.duplicates) {
            turns.push(Turn {
                after: shifted(),
                request: signed.clone(),
                repeat: true,
            });
        }
        turns.push(Turn {
            after: shifted(),
            request: signed,
            repeat: false,
        });
    }
    turns.sort_by_key(|turn| turn.after);
    turns
}

fn signed(plan: &ReplayPlan, captured: Captured) -> Bytes {
    let authority = &plan.target.authority;
    let headers = match captured.kind {
        Kind::Telnyx => return Bytes::Dated(captured.into()),
        Kind::WhatsApp => whatsapp_headers(&plan.keys, &captured.body),
        Kind::Twilio => {
            let url = format!("{}{}", plan.public_url, captured.path);
            // A body of JSON is not part of the signature; its hash in the URL is.
            let form = match is_form(&captured) {
                true => Form::parse(&captured.body).unwrap_or_default(),
                false => Form::default(),
            };
            let headers = twilio_headers(&plan.keys, &url, &form);
            match is_form(&captured) {
                true => headers,
                false => headers.replacen(
                    "application/x-www-form-urlencoded; charset=utf-8",
                    "application/json",
                    1,
                ),
            }
        }
    };
    Bytes::Ready(whole(&captured, authority, headers).into())
}

fn is_form(captured: &Captured) -> bool {
    let content_type = captured
        .headers
        .iter()
        .find(|(name, _)| name == "content-type");
    content_type.is_none_or(|(_, value)| !value.contains("json"))
}

fn whole(captured: &Captured, authority: &str, mut headers: String) -> Vec<u8> {
    for (name, value) in &captured.headers {
        let sound = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !value.contains(char::is_control);
        let made_anew = MADE_ANEW.contains(&name.as_str()) || name.contains("signature");
        if sound && !made_anew {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    request_bytes(authority, &captured.path, &headers, &captured.body)
}
