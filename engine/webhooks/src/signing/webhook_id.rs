//! The id that a signature covers.

use http::HeaderValue;
use thiserror::Error;

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id has 1 to {ID_BYTES_MAX} letters, digits, hyphens and underscores")]
pub struct WebhookIdError;

/// The value of `webhook-id`: an event's id, the same in every attempt.
///
/// It holds no full stop, which separates it from the timestamp in what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookId(HeaderValue);

impl WebhookId {
    /// Reads an id, as `evt_…`.
    ///
    /// # Errors
    /// [`WebhookIdError`] for all but 1 to [`ID_BYTES_MAX`] ASCII letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Result<WebhookId, WebhookIdError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !(1..=ID_BYTES_MAX).contains(&text.len()) || !text.bytes().all(is_plain) {
            return Err(WebhookIdError);
        }
        HeaderValue::from_str(text)
            .map(WebhookId)
            .map_err(|_| WebhookIdError)
    }

    /// The id as a header's value.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_reach_into_the_timestamp_or_the_next_header() {
        assert_eq!(WebhookId::new("evt_01J-x").unwrap().header(), "evt_01J-x");
        assert!(WebhookId::new(&"x".repeat(ID_BYTES_MAX)).is_ok());
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for text in ["", "evt.1", "evt 1", "evt\r\n1", " évt", long.as_str()] {
            assert_eq!(WebhookId::new(text), Err(WebhookIdError), "{text:?}");
        }
    }
}
