//! The secrets of an endpoint: read, made, shown once, never printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::ed25519::signature::MultipartSigner;
use ed25519_dalek::{Signature, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// The shortest and the longest shared secret, in bytes (Standard Webhooks, "Signature scheme").
pub const SECRET_BYTES_MIN: usize = 24;
/// See [`SECRET_BYTES_MIN`].
pub const SECRET_BYTES_MAX: usize = 64;
/// The length of a shared secret that we make, in bytes.
const SECRET_BYTES_MADE: usize = 32;

const SHARED: &str = "whsec_";
const PAIR: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// The pieces of what is signed, in their order.
pub(super) type Signed<'a> = [&'a [u8]; 5];

/// Why a text is no secret. It says nothing of what the text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// Neither `whsec_` nor `whsk_`.
    #[error("a secret starts with whsec_ or whsk_")]
    Prefix,
    /// No base64 behind the prefix.
    #[error("a secret is standard base64 behind its prefix")]
    Base64,
    /// A shared secret of another length.
    #[error("a shared secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, not {bytes}")]
    Length {
        /// How many it has.
        bytes: usize,
    },
    /// No private key followed by its public key.
    #[error("a key pair is a private key of 32 bytes and its public key")]
    Pair,
    /// The operating system gave no randomness.
    #[error("there is no randomness to make a secret of")]
    Randomness,
}

/// One secret of an endpoint.
#[derive(Clone)]
pub struct Secret(Key);

#[derive(Clone)]
enum Key {
    /// A shared secret, and the state of HMAC once it has taken it in.
    Shared {
        bytes: Box<[u8]>,
        keyed: Hmac<Sha256>,
    },
    /// A key pair of which the customer knows the public key.
    Pair(Box<SigningKey>),
}

impl Secret {
    /// Reads `whsec_` with 24 to 64 bytes in base64, or `whsk_` with a private key and its public key.
    ///
    /// # Errors
    /// Every [`SecretError`] but [`SecretError::Randomness`].
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        if let Some(text) = text.strip_prefix(SHARED) {
            let bytes = STANDARD.decode(text).map_err(|_| SecretError::Base64)?;
            match bytes.len() {
                SECRET_BYTES_MIN..=SECRET_BYTES_MAX => Ok(Secret::shared(&bytes)),
                bytes => Err(SecretError::Length { bytes }),
            }
        } else if let Some(text) = text.strip_prefix(PAIR) {
            let bytes = STANDARD.decode(text).map_err(|_| SecretError::Base64)?;
            let bytes = <[u8; 64]>::try_from(bytes).map_err(|_| SecretError::Pair)?;
            let pair = SigningKey::from_keypair_bytes(&bytes).map_err(|_| SecretError::Pair)?;
            Ok(Secret(Key::Pair(Box::new(pair))))
        } else {
            Err(SecretError::Prefix)
        }
    }

    /// Makes a shared secret of 32 random bytes.
    ///
    /// # Errors
    /// [`SecretError::Randomness`].
    pub fn generate() -> Result<Secret, SecretError> {
        Ok(Secret::shared(&random()?))
    }

    /// Makes a key pair.
    ///
    /// # Errors
    /// [`SecretError::Randomness`].
    pub fn generate_pair() -> Result<Secret, SecretError> {
        Ok(Secret(Key::Pair(Box::new(SigningKey::from_bytes(
            &random()?,
        )))))
    }

    /// The secret as text, as [`parse`](Secret::parse) reads it: to store, and to show once.
    pub fn expose(&self) -> String {
        match &self.0 {
            Key::Shared { bytes, .. } => spell(SHARED, bytes),
            Key::Pair(pair) => spell(PAIR, &pair.to_keypair_bytes()),
        }
    }

    /// The public key of a pair, `whpk_…`, with which the customer verifies; none of a shared secret.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Key::Shared { .. } => None,
            Key::Pair(pair) => Some(spell(PUBLIC, pair.verifying_key().as_bytes())),
        }
    }

    fn shared(bytes: &[u8]) -> Secret {
        Secret(Key::Shared {
            bytes: bytes.into(),
            keyed: Hmac::new_from_slice(bytes).expect("HMAC takes a key of any length"),
        })
    }

    /// Appends `v1,…` or `v1a,…`.
    pub(super) fn sign(&self, signed: &Signed<'_>, text: &mut String) {
        match &self.0 {
            Key::Shared { keyed, .. } => {
                let mut mac = keyed.clone();
                for piece in signed {
                    mac.update(piece);
                }
                text.push_str("v1,");
                STANDARD.encode_string(mac.finalize().into_bytes(), text);
            }
            Key::Pair(pair) => {
                let signature: Signature = pair.multipart_sign(signed);
                text.push_str("v1a,");
                STANDARD.encode_string(signature.to_bytes(), text);
            }
        }
    }
}

/// Says which kind it is, and nothing more.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Key::Shared { .. } => "Secret(whsec_…)",
            Key::Pair(_) => "Secret(whsk_…)",
        })
    }
}

fn random() -> Result<[u8; SECRET_BYTES_MADE], SecretError> {
    let mut bytes = [0; SECRET_BYTES_MADE];
    getrandom::fill(&mut bytes).map_err(|_| SecretError::Randomness)?;
    Ok(bytes)
}

fn spell(prefix: &str, bytes: &[u8]) -> String {
    let mut text = prefix.to_owned();
    STANDARD.encode_string(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_as_it_is_shown_and_debug_hides_it() {
        for (secret, prefix) in [
            (Secret::generate().unwrap(), SHARED),
            (Secret::generate_pair().unwrap(), PAIR),
        ] {
            let text = secret.expose();
            assert_eq!(Secret::parse(&text).unwrap().expose(), text);
            assert_eq!(format!("{secret:?}"), format!("Secret({prefix}…)"));
        }
        assert_ne!(
            Secret::generate().unwrap().expose(),
            Secret::generate().unwrap().expose()
        );
    }

    #[test]
    fn the_public_key_is_that_of_the_published_pair() {
        let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        assert_eq!(
            Secret::parse(pair).unwrap().public_key().as_deref(),
            Some(public)
        );
        assert_eq!(Secret::generate().unwrap().public_key(), None);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let shared = |bytes| spell(SHARED, &vec![7; bytes]);
        assert!(Secret::parse(&shared(24)).is_ok());
        assert!(Secret::parse(&shared(64)).is_ok());
        let other_public = spell(PAIR, &[7; 64]);
        for (text, error) in [
            (shared(23), SecretError::Length { bytes: 23 }),
            (shared(65), SecretError::Length { bytes: 65 }),
            ("whsec_%".to_owned(), SecretError::Base64),
            ("secret".to_owned(), SecretError::Prefix),
            (spell(PUBLIC, &[7; 32]), SecretError::Prefix),
            (spell(PAIR, &[7; 32]), SecretError::Pair),
            (other_public, SecretError::Pair),
        ] {
            assert_eq!(Secret::parse(&text).unwrap_err(), error, "{text}");
        }
    }
}
