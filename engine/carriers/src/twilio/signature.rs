//! Twilio's signature: HMAC-SHA1 with the auth token, in base64, over the public address and the sorted
//! parameters ("Validating Signatures from Twilio").
//!
//! The address is the one in our settings with the tail and the query of the request: what `Host` says
//! counts for nothing. Twilio signs it with or without the port, depending on the product, so both are
//! tried. A JSON body is not signed itself: the signed address holds its SHA-256 as `bodySHA256`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::form::Form;
use crate::callback::{CallbackRequest, NotGenuine};

/// Checks signatures with one auth token for one public address.
pub(super) struct Signature {
    key: Hmac<Sha1>,
    /// The address without its port, and with the port that is meant.
    prefixes: [String; 2],
}

impl Signature {
    pub(super) fn new(auth_token: &str, callback_url: &str) -> Signature {
        Signature {
            key: Hmac::new_from_slice(auth_token.as_bytes())
                .expect("HMAC takes keys of any length"),
            prefixes: with_and_without_port(callback_url),
        }
    }

    /// Checks a request's signature, and for a JSON body its hash.
    pub(super) fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
        let given = (request.header)("x-twilio-signature").ok_or(NotGenuine)?;
        let given = STANDARD.decode(given).map_err(|_| NotGenuine)?;
        let parameters = if is_json(request) {
            check_hash(request)?;
            String::new()
        } else {
            Form::of_form(request.body).ok_or(NotGenuine)?.signed()
        };
        let fits = |prefix: &String| self.fits(prefix, request, &parameters, &given);
        // Each is compared in constant time; which of the two fits is no secret.
        if self.prefixes.iter().any(fits) {
            Ok(())
        } else {
            Err(NotGenuine)
        }
    }

    fn fits(
        &self,
        prefix: &str,
        request: &CallbackRequest<'_>,
        parameters: &str,
        given: &[u8],
    ) -> bool {
        let mut mac = self.key.clone();
        mac.update(prefix.as_bytes());
        mac.update(request.tail.as_bytes());
        if let Some((_, query)) = request.path_and_query.split_once('?') {
            mac.update(b"?");
            mac.update(query.as_bytes());
        }
        mac.update(parameters.as_bytes());
        mac.verify_slice(given).is_ok()
    }
}

/// Whether the body is JSON, by its media type.
pub(super) fn is_json(request: &CallbackRequest<'_>) -> bool {
    (request.header)("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}

fn check_hash(request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
    let given = form_urlencoded::parse(request.query().as_bytes())
        .find(|(name, _)| name == "bodySHA256")
        .ok_or(NotGenuine)?
        .1
        .to_ascii_lowercase();
    let hash: String = Sha256::digest(request.body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bool::from(given.as_bytes().ct_eq(hash.as_bytes())) {
        Ok(())
    } else {
        Err(NotGenuine)
    }
}

/// An address without its port, and with it: the standard one where it names none.
fn with_and_without_port(url: &str) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else {
        return [url.to_owned(), url.to_owned()];
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The colons of an IPv6 address stand in brackets.
    let port = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    let host = &authority[..port.unwrap_or(authority.len())];
    let standard = if scheme == "https" { ":443" } else { ":80" };
    let port = port.map_or(standard, |at| &authority[at..]);
    [
        format!("{scheme}://{host}{path}"),
        format!("{scheme}://{host}{port}{path}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_tried_without_and_with_its_port() {
        let both = |url| with_and_without_port(url);
        assert_eq!(
            both("https://a.b/c"),
            ["https://a.b/c", "https://a.b:443/c"]
        );
        assert_eq!(
            both("https://a.b:8443/c"),
            ["https://a.b/c", "https://a.b:8443/c"]
        );
        assert_eq!(both("http://a.b"), ["http://a.b", "http://a.b:80"]);
        assert_eq!(
            both("https://[::1]/c"),
            ["https://[::1]/c", "https://[::1]:443/c"]
        );
        assert_eq!(
            both("https://[::1]:9/c"),
            ["https://[::1]/c", "https://[::1]:9/c"]
        );
    }
}
