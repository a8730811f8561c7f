//! The `Idempotency-Key` field (draft-ietf-httpapi-idempotency-key-header): a request that is made twice.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use didfarm_core::ids::AccountId;
use didfarm_runtime::idempotency::{Claimed, Guard, GuardedAnswer, GuardedRoute, IdempotencyKey};

use crate::exchange::Exchange;
use crate::problem::{Code, Problem};

/// The customer's key of a request, as people write it.
pub(crate) const FIELD: &str = "Idempotency-Key";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier request.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a request that makes something is to do.
pub(crate) enum Asked {
    /// To be carried out, with a guard if it has a key.
    New(Option<Box<Guard>>),
    /// To be answered as it was the first time.
    Again(GuardedAnswer),
}

/// Reads the key of a request, if it has one.
///
/// # Errors
/// `idempotency_key_invalid`.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid("it is there more than once"));
    }
    let key = IdempotencyKey::parse(value.as_bytes());
    key.map(Some).map_err(|error| invalid(error.to_string()))
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::of_field(Code::IdempotencyKeyInvalid, FIELD, detail)
}

/// Claims the key of a request with this body.
///
/// # Errors
/// `idempotency_key_reused`, `idempotency_in_progress`, and why records cannot be read.
pub(crate) async fn claim(
    exchange: &Exchange,
    (account, route): (AccountId, GuardedRoute),
    key: Option<&IdempotencyKey>,
    body: &[u8],
) -> Result<Asked, Problem> {
    let Some(key) = key else {
        return Ok(Asked::New(None));
    };
    let engine = &exchange.front().engine;
    match engine.claim(account, route, key, body).await {
        Ok(Claimed::Fresh(guard)) => Ok(Asked::New(Some(guard))),
        Ok(Claimed::Done(answer)) => Ok(Asked::Again(answer)),
        Err(error) => Err(crate::problem::Asked {
            number_field: "from",
            retry_after: engine.retry_after(),
        }
        .claim(error)),
    }
}

/// Marks an answer as that of an earlier request.
pub(crate) fn mark_replayed(headers: &mut HeaderMap) {
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
}

/// An answer that another route kept: keys are made with their route, so there is none.
pub(crate) fn misled() -> Problem {
    Problem::internal("an idempotency key leads to what its route does not make".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    fn read(values: &[&'static str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(value));
        }
        let key = key_of(&headers)?;
        Ok(key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_request_has_one_key_or_none() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["\"k 1\""]).unwrap().as_deref(), Some("k 1"));
        for values in [&["a", "b"][..], &["a, b"], &[""], &["\"a"]] {
            let document = document_of(read(values).unwrap_err());
            assert_eq!(document["code"], "idempotency_key_invalid");
            assert_eq!(document["errors"][0]["field"], FIELD);
        }
    }
}
