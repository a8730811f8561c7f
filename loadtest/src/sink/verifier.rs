//! The receiver's half of a webhook's signature (Standard Webhooks 1.0.0, "Verifying webhook authenticity"): v1 only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The fewest and the most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How far the time of an attempt may be from ours, in seconds.
pub const TOLERANCE_S: u64 = 300;

/// A secret that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and base64 of 24 to 64 bytes; copy it as the endpoint showed it")]
pub struct SecretError;

/// What the headers of a request say of who sent it; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: versions with signatures, between blanks.
    pub signatures: &'a str,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// One of the signatures is right.
    Right,
    /// None is.
    Wrong,
    /// One is right, but the attempt's time is further than [`TOLERANCE_S`] from ours.
    Stale,
}

/// The secrets, each keyed once.
#[derive(Clone)]
pub struct Verifier(Vec<Hmac<Sha256>>);

// Keys stay out of logs and panics.
impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Takes the secrets of which one has to fit.
    ///
    /// # Errors
    /// [`SecretError`] when one is none.
    pub fn new<S: AsRef<str>>(secrets: &[S]) -> Result<Self, SecretError> {
        secrets
            .iter()
            .map(|secret| keyed(secret.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Checks a request that came at `now_s`, in seconds since 1970.
    pub fn check(&self, signed: Signed<'_>, body: &[u8], now_s: u64) -> Seal {
        if !self.is_right(signed, body) {
            return Seal::Wrong;
        }
        match signed.timestamp.parse::<u64>() {
            Ok(at_s) if at_s.abs_diff(now_s) <= TOLERANCE_S => Seal::Right,
            Ok(_) => Seal::Stale,
            Err(_) => Seal::Wrong,
        }
    }

    fn is_right(&self, signed: Signed<'_>, body: &[u8]) -> bool {
        let v1 = |one: &str| BASE64.decode(one.strip_prefix("v1,")?).ok();
        let given: Vec<Vec<u8>> = signed.signatures.split(' ').filter_map(v1).collect();
        self.0.iter().any(|key| {
            let mut mac = key.clone();
            for part in [
                signed.id.as_bytes(),
                b".",
                signed.timestamp.as_bytes(),
                b".",
                body,
            ] {
                mac.update(part);
            }
            given
                .iter()
                .any(|given| mac.clone().verify_slice(given).is_ok())
        })
    }
}

fn keyed(secret: &str) -> Result<Hmac<Sha256>, SecretError> {
    let text = secret.strip_prefix(PREFIX).ok_or(SecretError)?;
    let bytes = BASE64.decode(text).map_err(|_| SecretError)?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(SecretError);
    }
    Ok(Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT_S: u64 = 1_614_265_330;
    const SIGNED: Signed<'_> = Signed {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signatures: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };

    fn check(secrets: &[&str], signed: Signed<'_>, body: &[u8], now_s: u64) -> Seal {
        Verifier::new(secrets).unwrap().check(signed, body, now_s)
    }

    #[test]
    fn the_vector_of_the_specification_is_met() {
        assert_eq!(check(&[SECRET], SIGNED, BODY, AT_S), Seal::Right);
        assert_eq!(check(&[OTHER, SECRET], SIGNED, BODY, AT_S), Seal::Right);
        let several = format!("v1a,AAAA v1,bm9uZQ== {}", SIGNED.signatures);
        let signed = Signed {
            signatures: &several,
            ..SIGNED
        };
        assert_eq!(check(&[SECRET], signed, BODY, AT_S), Seal::Right);
    }

    #[test]
    fn whatever_is_changed_makes_it_wrong() {
        let wrong = |signed| check(&[SECRET], signed, BODY, AT_S) == Seal::Wrong;
        assert_eq!(check(&[OTHER], SIGNED, BODY, AT_S), Seal::Wrong);
        assert_eq!(check(&[SECRET], SIGNED, b"{}", AT_S), Seal::Wrong);
        assert!(wrong(Signed {
            id: "msg_p5",
            ..SIGNED
        }));
        assert!(wrong(Signed {
            timestamp: "1614265331",
            ..SIGNED
        }));
        assert!(wrong(Signed::default()));
        let other_version = SIGNED.signatures.replace("v1,", "v2,");
        assert!(wrong(Signed {
            signatures: &other_version,
            ..SIGNED
        }));
    }

    #[test]
    fn an_attempt_five_minutes_off_is_stale() {
        for (now_s, seal) in [
            (AT_S + TOLERANCE_S, Seal::Right),
            (AT_S - TOLERANCE_S, Seal::Right),
            (AT_S + TOLERANCE_S + 1, Seal::Stale),
            (AT_S - TOLERANCE_S - 1, Seal::Stale),
        ] {
            assert_eq!(check(&[SECRET], SIGNED, BODY, now_s), seal, "{now_s}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_none_is_shown() {
        for secret in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_%%",
            "whsec_AAAA",
        ] {
            assert_eq!(
                Verifier::new(&[secret]).err(),
                Some(SecretError),
                "{secret}"
            );
        }
        assert_eq!(
            format!("{:?}", Verifier::new(&[SECRET]).unwrap()),
            "Verifier(…)"
        );
    }
}
