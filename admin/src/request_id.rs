//! The id of a request: the caller's own if it is sane, otherwise a fresh one.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller, in bytes.
const GIVEN_BYTES_MAX: usize = 64;

/// The caller's id, if it is 1 to [`GIVEN_BYTES_MAX`] printable ASCII characters.
pub(crate) fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(X_REQUEST_ID)?;
    let bytes = value.as_bytes();
    let sane =
        (1..=GIVEN_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    sane.then(|| value.clone())
}

/// Gives out ids: `req_` and 16 hexadecimal digits, counted up from a random start.
pub(crate) struct RequestIds {
    next: Cell<u64>,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        // Ids tell requests apart in logs and protect nothing: the standard library's keys are random enough.
        RequestIds {
            next: Cell::new(RandomState::new().hash_one("request ids")),
        }
    }

    pub(crate) fn fresh(&self) -> HeaderValue {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let mut text = *b"req_0000000000000000";
        for (place, digit) in text[4..].iter_mut().enumerate() {
            *digit = HEX[(id >> (60 - 4 * place)) as usize & 15];
        }
        HeaderValue::from_bytes(&text).expect("hexadecimal digits may stand in a header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(id).unwrap());
        headers
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_is_replaced() {
        assert_eq!(given(&headers("job-7/a")).unwrap(), "job-7/a");
        for insane in ["", "two words", &"x".repeat(GIVEN_BYTES_MAX + 1)] {
            assert_eq!(given(&headers(insane)), None, "{insane}");
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let ids = RequestIds {
            next: Cell::new(u64::MAX),
        };
        assert_eq!(ids.fresh(), "req_ffffffffffffffff");
        assert_eq!(ids.fresh(), "req_0000000000000000");
        assert_ne!(RequestIds::new().fresh(), RequestIds::new().fresh());
    }
}
