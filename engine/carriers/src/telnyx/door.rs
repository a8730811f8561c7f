//! The door for Telnyx's webhooks.
//!
//! The signature is Ed25519 over `timestamp|body` (Telnyx API v2, "Webhook signing"); the address that
//! the webhook came to is not part of it. Inside the signed body the message repeats the webhook address
//! that we gave it, and so our id of the message. The path that a webhook comes to says nothing: a genuine
//! body could be sent to another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use didfarm_core::ids::MessageId;
use ed25519_dalek::{Signature, VerifyingKey};
use std::time::Duration;

use super::{STATUS_TAIL, read};
use crate::callback::{Callback, CallbackDoor, CallbackRequest, NotGenuine, Unreadable};
use crate::http::HttpStartError;

/// Verifies and reads the webhooks.
pub(super) struct TelnyxDoor {
    key: VerifyingKey,
    tolerance: Duration,
}

impl TelnyxDoor {
    /// Takes the account's public key: base64 of 32 bytes.
    pub(super) fn new(key: &str, tolerance: Duration) -> Result<TelnyxDoor, HttpStartError> {
        let unusable = |why| HttpStartError::Setting {
            setting: "public_key",
            why,
        };
        let bytes: [u8; 32] = STANDARD
            .decode(key.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| unusable("it is not 32 bytes in base64"))?;
        let key = VerifyingKey::from_bytes(&bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or_else(|| unusable("it is no Ed25519 key"))?;
        Ok(TelnyxDoor { key, tolerance })
    }
}

impl CallbackDoor for TelnyxDoor {
    fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
        let timestamp = (request.header)("telnyx-timestamp").ok_or(NotGenuine)?;
        let at: i64 = timestamp.parse().map_err(|_| NotGenuine)?;
        let now = request.now.0.div_euclid(1_000_000);
        if now.abs_diff(at) > self.tolerance.as_secs() {
            return Err(NotGenuine);
        }
        let signature = (request.header)("telnyx-signature-ed25519").ok_or(NotGenuine)?;
        let signature = STANDARD.decode(signature).map_err(|_| NotGenuine)?;
        let signature = Signature::from_slice(&signature).map_err(|_| NotGenuine)?;
        let signed = [timestamp.as_bytes(), b"|", request.body].concat();
        self.key
            .verify_strict(&signed, &signature)
            .map_err(|_| NotGenuine)
    }

    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Unreadable> {
        read::read(request.body)
    }
}

/// Our id of the message in an address of ours.
pub(super) fn message_of(address: &str) -> Option<MessageId> {
    let path = address.split(['?', '#']).next()?;
    let (_, id) = path.rsplit_once(STATUS_TAIL)?;
    // Digits alone would be an id as well, but not one that we wrote into an address.
    id.starts_with(MessageId::PREFIX)
        .then(|| id.parse().ok())
        .flatten()
}
