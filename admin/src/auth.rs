//! Who is asking: bearer keys of accounts, and the operators' token.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use didfarm_runtime::EngineHandle;
use didfarm_runtime::account::AccountHandle;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// The longest credentials that are looked at, in bytes.
const CREDENTIALS_BYTES_MAX: usize = 512;

/// The account that the request's bearer key opens.
///
/// # Errors
/// `unauthorized`, with one sentence for a missing and another for a wrong key.
pub(crate) fn account(
    engine: &EngineHandle,
    headers: &HeaderMap,
) -> Result<Arc<AccountHandle>, Problem> {
    let key = bearer(headers).ok_or_else(|| Problem::unauthorized(MISSING))?;
    engine
        .authenticate(key)
        .ok_or_else(|| Problem::unauthorized("the API key is not known"))
}

/// Checks the operators' token, in the same time however much of it is right.
///
/// # Errors
/// `unauthorized`.
pub(crate) fn check_ops_token(presented: Option<&str>, token: &str) -> Result<(), Problem> {
    let presented = presented.ok_or_else(|| Problem::unauthorized(MISSING))?;
    let same = bool::from(presented.as_bytes().ct_eq(token.as_bytes()));
    if same && !token.is_empty() {
        Ok(())
    } else {
        Err(Problem::unauthorized("the operators' token is not right"))
    }
}

const MISSING: &str = "send the header Authorization: Bearer, followed by the key";

/// What stands behind `Bearer` (RFC 6750, 2.1), if there is exactly one such header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim_matches(' ');
    let fit = (1..=CREDENTIALS_BYTES_MAX).contains(&credentials.len());
    (fit && scheme.eq_ignore_ascii_case("bearer")).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn presented(value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_others_are_not() {
        assert_eq!(presented("Bearer dk_1").as_deref(), Some("dk_1"));
        assert_eq!(presented("bearer  dk_1").as_deref(), Some("dk_1"));
        for other in ["dk_1", "Basic dk_1", "Bearer", "Bearer "] {
            assert_eq!(presented(other), None, "{other}");
        }
    }

    #[test]
    fn two_credentials_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(bearer(&headers), None);
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        assert!(check_ops_token(Some("secret"), "secret").is_ok());
        assert!(check_ops_token(Some("secres"), "secret").is_err());
        assert!(check_ops_token(Some(""), "").is_err());
        assert!(check_ops_token(None, "secret").is_err());
    }
}
