//! Who is asking: HTTP Basic with an account's sid and a secret of the account.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use didfarm_runtime::EngineHandle;
use didfarm_runtime::account::AccountHandle;
use didfarm_webhooks::twilio::sid;

use crate::exchange::Exchange;
use crate::problem::Problem;

/// The longest credentials that are looked at, in bytes, in base64.
const CREDENTIALS_BYTES_MAX: usize = 512;
/// What the user of an API key starts with.
const KEY_PREFIX: &str = "SK";

/// The account that the request's credentials open, which the path must name.
///
/// # Errors
/// `unauthorized`; `not_found` for a path of another account.
pub(super) fn account(exchange: &Exchange) -> Result<Arc<AccountHandle>, Problem> {
    let (user, secret) = basic(exchange.request().headers()).ok_or_else(wrong)?;
    let account = open(&exchange.front().engine, &user, &secret).ok_or_else(wrong)?;
    let named = exchange.request().match_info().get("account");
    match named.and_then(sid::read_account) {
        Some(named) if named == account.id() => Ok(account),
        Some(_) | None => Err(Problem::not_found()),
    }
}

fn wrong() -> Problem {
    Problem::unauthorized("Authenticate")
}

/// With the account's sid as user the secret is its auth token or one of its API keys; a user `SK…` stands for
/// an API key, which is the secret.
fn open(engine: &EngineHandle, user: &str, secret: &str) -> Option<Arc<AccountHandle>> {
    if user.starts_with(KEY_PREFIX) {
        return engine.authenticate(secret);
    }
    engine.authenticate_as(sid::read_account(user)?, secret)
}

/// The user and the secret of Basic credentials (RFC 7617, 2), if there is exactly one such header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim_matches(' ');
    let fits = scheme.eq_ignore_ascii_case("basic") && credentials.len() <= CREDENTIALS_BYTES_MAX;
    let decoded = STANDARD.decode(credentials).ok().filter(|_| fits)?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some((user.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn presented(values: &[&'static str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        basic(&headers)
    }

    #[test]
    fn basic_credentials_are_read_and_others_are_not() {
        let read = Some(("AC1".to_owned(), "a:b".to_owned()));
        assert_eq!(presented(&["Basic QUMxOmE6Yg=="]), read);
        assert_eq!(presented(&["basic  QUMxOmE6Yg=="]), read);
        for other in [
            "Bearer QUMxOmE6Yg==",
            "Basic",
            "Basic !",
            "Basic QUMx",
            "Basic /w==",
        ] {
            assert_eq!(presented(&[other]), None, "{other}");
        }
        assert_eq!(
            presented(&["Basic QUMxOmE6Yg==", "Basic QUMxOmE6Yg=="]),
            None
        );
    }
}
