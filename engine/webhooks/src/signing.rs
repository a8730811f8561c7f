//! Signatures of the Standard Webhooks specification: `v1` (HMAC-SHA256) and `v1a` (Ed25519).
//!
//! What is signed is `id.timestamp.body`, the body as its raw bytes; the header lists one signature per live
//! secret, separated by spaces.

mod secret;
mod webhook_id;

use http::HeaderValue;
use thiserror::Error;

use secret::Signed;

pub use secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret, SecretError};
pub use webhook_id::{ID_BYTES_MAX, WebhookId, WebhookIdError};

/// How many secrets of an endpoint may be live at once.
pub const SECRETS_MAX: usize = 8;
/// The most that one secret adds to the header, in bytes: `v1a,`, 88 characters, a space.
const SIGNATURE_BYTES_MAX: usize = 93;

/// Why there is no keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// No secret, or too many.
    #[error("an endpoint has 1 to {SECRETS_MAX} live secrets, not {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
}

/// The live secrets of one endpoint. While a rotation lasts there is more than one, and each signs.
#[derive(Debug, Clone)]
pub struct Keyring {
    secrets: Box<[Secret]>,
}

impl Keyring {
    /// Makes a keyring; signatures stand in the order of the secrets.
    ///
    /// # Errors
    /// [`KeyringError::Count`] unless there are 1 to [`SECRETS_MAX`].
    pub fn new(secrets: impl Into<Box<[Secret]>>) -> Result<Keyring, KeyringError> {
        let secrets = secrets.into();
        match secrets.len() {
            1..=SECRETS_MAX => Ok(Keyring { secrets }),
            count => Err(KeyringError::Count { count }),
        }
    }

    /// The value of `webhook-signature` for an event's attempt at `timestamp_s`, in seconds since 1970.
    pub fn sign(&self, id: &WebhookId, timestamp_s: i64, body: &[u8]) -> HeaderValue {
        let timestamp = timestamp_s.to_string();
        let signed: Signed<'_> = [
            id.header().as_bytes(),
            b".",
            timestamp.as_bytes(),
            b".",
            body,
        ];
        let mut text = String::with_capacity(self.secrets.len() * SIGNATURE_BYTES_MAX);
        for secret in &self.secrets {
            if !text.is_empty() {
                text.push(' ');
            }
            secret.sign(&signed, &mut text);
        }
        HeaderValue::try_from(text).expect("base64, commas and spaces are valid in a header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT_S: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const V1A: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
    const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

    fn sign(secrets: &[&str]) -> HeaderValue {
        let secrets: Vec<Secret> = secrets
            .iter()
            .map(|text| Secret::parse(text).unwrap())
            .collect();
        Keyring::new(secrets)
            .unwrap()
            .sign(&WebhookId::new(ID).unwrap(), AT_S, BODY)
    }

    #[test]
    fn the_published_vectors_hold_for_both_kinds_of_secret() {
        assert_eq!(sign(&[SHARED]), V1);
        assert_eq!(sign(&[PAIR]), V1A);
    }

    #[test]
    fn every_live_secret_signs_in_its_order() {
        let other = Secret::generate().unwrap().expose();
        let header = sign(&[&other, SHARED, PAIR]);
        let signatures: Vec<&str> = header.to_str().unwrap().split(' ').collect();
        assert_eq!(signatures[0], sign(&[&other]));
        assert_eq!(signatures[1..], [V1, V1A]);
    }

    #[test]
    fn a_keyring_holds_one_to_eight_secrets() {
        let secrets = |count| vec![Secret::parse(SHARED).unwrap(); count];
        assert!(Keyring::new(secrets(SECRETS_MAX)).is_ok());
        for count in [0, SECRETS_MAX + 1] {
            assert_eq!(
                Keyring::new(secrets(count)).unwrap_err(),
                KeyringError::Count { count }
            );
        }
    }
}
