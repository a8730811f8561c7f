//! The door for Meta's webhook: its signature, the check of the address, and the way in.
//!
//! `X-Hub-Signature-256: sha256=<hex>` is HMAC-SHA256 over the body under the app's secret (Meta, Webhooks,
//! "Validating Payloads"). It has no time in it: a repeat is as genuine as the first, and is known by the
//! ids that it brings.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::numbers::Numbers;
use super::read;
use crate::callback::{Callback, CallbackDoor, CallbackRequest, NotGenuine, Unreadable};

/// The header with the signature.
const SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// What stands before its hexadecimal digits.
const SIGNATURE_PREFIX: &str = "sha256=";
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 32;
/// Longest challenge that is echoed, in bytes; Meta's are numbers.
pub const CHALLENGE_BYTES_MAX: usize = 128;

/// Verifies and reads Meta's webhook.
pub(super) struct Door {
    carrier: Box<str>,
    /// Keyed, before the first byte of a body.
    mac: Hmac<Sha256>,
    verify_token: Box<str>,
    numbers: Arc<Numbers>,
}

impl Door {
    pub(super) fn new(
        carrier: &str,
        app_secret: &str,
        verify_token: &str,
        numbers: Arc<Numbers>,
    ) -> Door {
        Door {
            carrier: carrier.into(),
            mac: Hmac::new_from_slice(app_secret.as_bytes())
                .expect("HMAC takes a key of any length"),
            verify_token: verify_token.into(),
            numbers,
        }
    }
}

impl CallbackDoor for Door {
    fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
        let signature = (request.header)(SIGNATURE_HEADER)
            .and_then(signature)
            .ok_or(NotGenuine)?;
        let mut mac = self.mac.clone();
        mac.update(request.body);
        // Compares in constant time.
        mac.verify_slice(&signature).map_err(|_| NotGenuine)
    }

    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Unreadable> {
        read::read(request.body, &self.numbers, &self.carrier)
    }

    fn challenge(&self, request: &CallbackRequest<'_>) -> Result<Option<String>, NotGenuine> {
        if request.method != "GET" {
            return Ok(None);
        }
        let value = |name| query_value(request.query(), name).ok_or(NotGenuine);
        let token = value("hub.verify_token")?;
        let knows_token: bool = token.as_bytes().ct_eq(self.verify_token.as_bytes()).into();
        let challenge = value("hub.challenge")?;
        if knows_token && value("hub.mode")? == "subscribe" && may_be_echoed(&challenge) {
            Ok(Some(challenge.into_owned()))
        } else {
            Err(NotGenuine)
        }
    }
}

/// The bytes of a signature, from its 64 hexadecimal digits.
fn signature(header: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let digits = header.strip_prefix(SIGNATURE_PREFIX)?.as_bytes();
    let mut bytes = [0; SIGNATURE_BYTES];
    if digits.len() != 2 * SIGNATURE_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether a challenge is such that a browser shown it can do nothing with it.
fn may_be_echoed(challenge: &str) -> bool {
    (1..=CHALLENGE_BYTES_MAX).contains(&challenge.len())
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The first value of a name in a query, decoded. What cannot be decoded has characters that no challenge
/// and no token has.
fn query_value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
