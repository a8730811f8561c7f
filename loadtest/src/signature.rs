//! Carriers' signatures of their callbacks, made the way each vendor documents them, and the keys to make them with.
//!
//! The keys have fixed values by default so that a daemon can be set up for them before anything runs. They are
//! published here and protect nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// The seed of the Ed25519 key that Telnyx callbacks are signed with unless another is given.
pub const TELNYX_SEED: [u8; 32] = *b"didfarm loadtest telnyx test key";
/// The auth token that Twilio callbacks are signed with unless another is given.
pub const TWILIO_TOKEN: &str = "didfarm-loadtest-twilio-token";
/// The app secret that WhatsApp callbacks are signed with unless another is given.
pub const WHATSAPP_SECRET: &str = "didfarm-loadtest-whatsapp-secret";

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Ed25519 key is no base64 of 32 bytes; give the seed of the key pair, not the public key in hex"
)]
pub struct KeyError;

/// The three keys.
#[derive(Clone)]
pub struct Keys {
    telnyx: SigningKey,
    /// Twilio's auth token.
    pub twilio: String,
    /// Meta's app secret.
    pub whatsapp: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            telnyx: SigningKey::from_bytes(&TELNYX_SEED),
            twilio: TWILIO_TOKEN.to_owned(),
            whatsapp: WHATSAPP_SECRET.to_owned(),
        }
    }
}

// Keys stay out of logs and panics.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Takes another Ed25519 seed for Telnyx: base64 of 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] when it is none.
    pub fn set_telnyx(&mut self, seed: &str) -> Result<(), KeyError> {
        let bytes = BASE64.decode(seed.trim()).map_err(|_| KeyError)?;
        let seed: [u8; 32] = bytes.try_into().map_err(|_| KeyError)?;
        self.telnyx = SigningKey::from_bytes(&seed);
        Ok(())
    }

    /// The public half of the Telnyx key, as the daemon's settings want it: base64 of 32 bytes.
    pub fn telnyx_public(&self) -> String {
        BASE64.encode(self.telnyx.verifying_key().as_bytes())
    }

    /// The value of `telnyx-signature-ed25519` over `timestamp|body`; `timestamp` is in seconds.
    pub fn sign_telnyx(&self, timestamp: i64, body: &[u8]) -> String {
        let mut signed = format!("{timestamp}|").into_bytes();
        signed.extend_from_slice(body);
        BASE64.encode(self.telnyx.sign(&signed).to_bytes())
    }

    /// The value of `X-Twilio-Signature`: the public URL, then every parameter's name and value, sorted by name;
    /// a pair that is there twice counts once.
    pub fn sign_twilio(&self, url: &str, parameters: &[(String, String)]) -> String {
        let mut sorted: Vec<_> = parameters.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut mac = Hmac::<Sha1>::new_from_slice(self.twilio.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(url.as_bytes());
        for (name, value) in sorted {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        BASE64.encode(mac.finalize().into_bytes())
    }

    /// The value of `X-Hub-Signature-256` over the raw body.
    pub fn sign_whatsapp(&self, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.whatsapp.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(body);
        format!("sha256={}", hex(&mac.finalize().into_bytes()))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_vector_of_twilios_sdk_is_met() {
        let keys = Keys {
            twilio: "12345".into(),
            ..Keys::default()
        };
        let parameters = pairs(&[
            ("To", "+18005551212"),
            ("Digits", "1234"),
            ("CallSid", "CA1234567890ABCDE"),
            ("From", "+14158675310"),
            ("Caller", "+14158675310"),
            ("From", "+14158675310"),
        ]);
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(
            keys.sign_twilio(url, &parameters),
            "GvWf1cFY/Q7PnoempGyD5oXAezc="
        );
    }

    #[test]
    fn the_vector_of_rfc_4231_is_met() {
        let keys = Keys {
            whatsapp: "Jefe".into(),
            ..Keys::default()
        };
        assert_eq!(
            keys.sign_whatsapp(b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_vector_of_rfc_8032_gives_its_public_key() {
        let mut keys = Keys::default();
        keys.set_telnyx("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
            .unwrap();
        assert_eq!(
            keys.telnyx_public(),
            "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        );
        assert_eq!(keys.set_telnyx("zz"), Err(KeyError));
    }
}
