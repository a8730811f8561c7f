//! The signature of a form: HMAC-SHA1 with the auth token, in base64, over the URL and the sorted parameters
//! ("Validating Signatures from Twilio").

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha1::Sha1;
use url::form_urlencoded;

/// Signs with one auth token.
#[derive(Clone)]
pub struct FormKey(Hmac<Sha1>);

impl FormKey {
    /// The key that an auth token is, as it is spelled.
    pub fn new(auth_token: &str) -> FormKey {
        FormKey(Hmac::new_from_slice(auth_token.as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// The value of `X-Twilio-Signature` for a form that is posted to this URL.
    pub fn sign(&self, url: &str, form: &[u8]) -> HeaderValue {
        let mut pairs: Vec<_> = form_urlencoded::parse(form).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut mac = self.0.clone();
        mac.update(url.as_bytes());
        for (name, value) in &pairs {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        HeaderValue::try_from(signature).expect("base64 may stand in a header")
    }
}

impl fmt::Debug for FormKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_twilios_own_library_holds() {
        let form = b"To=%2B18005551212&From=%2B14158675310&Digits=1234&Caller=%2B14158675310&CallSid=CA1234567890ABCDE";
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let signature = FormKey::new("12345").sign(url, form);
        assert_eq!(signature, "GvWf1cFY/Q7PnoempGyD5oXAezc=");
    }
}
