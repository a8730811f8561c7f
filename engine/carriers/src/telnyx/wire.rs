//! Telnyx's JSON: what we write, and what we read of what it writes.
//!
//! Whatever need not be readable for the rest to make sense is read as raw JSON first, so that one field
//! of an unexpected type does not take the others with it.

use std::borrow::Cow;

use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The body of a send (`POST /v2/messages`).
#[derive(Serialize)]
pub(super) struct Send<'a> {
    pub from: String,
    pub to: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media_urls: Vec<&'a str>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_profile_id: Option<&'a str>,
    pub webhook_url: &'a str,
    pub webhook_failover_url: &'a str,
    pub use_profile_webhooks: bool,
}

/// The answer to a send or to a question, and the payload of a status event.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub to: Option<&'a RawValue>,
    #[serde(borrow)]
    pub errors: Option<&'a RawValue>,
    #[serde(borrow)]
    pub webhook_url: Option<&'a RawValue>,
}

/// The payload of an inbound message.
#[derive(Deserialize)]
pub(super) struct Inbound<'a> {
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub from: Option<&'a RawValue>,
    #[serde(borrow)]
    pub to: Option<&'a RawValue>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub media: Option<&'a RawValue>,
}

/// `{"data": …}` around everything.
#[derive(Deserialize)]
pub(super) struct Enveloped<'a> {
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// An event.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    #[serde(borrow)]
    pub payload: Option<&'a RawValue>,
}

/// The body of an error.
#[derive(Deserialize)]
pub(super) struct Errors<'a> {
    #[serde(borrow)]
    pub errors: &'a RawValue,
}

/// A party of a message.
#[derive(Deserialize)]
pub(super) struct Party {
    pub phone_number: Option<String>,
    pub status: Option<String>,
}

/// An attachment.
#[derive(Deserialize)]
pub(super) struct Attachment {
    pub url: Option<String>,
    pub content_type: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<String>,
    pub hash_sha256: Option<String>,
}

/// An error's code: Telnyx writes a string, a number is taken as well.
#[derive(Deserialize)]
pub(super) struct Coded {
    #[serde(deserialize_with = "code")]
    pub code: u32,
}

fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Either;

    impl Visitor<'_> for Either {
        type Value = u32;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a code as a string or a number")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u32, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: serde::de::Error>(self, code: u64) -> Result<u32, E> {
            u32::try_from(code).map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Either)
}

/// Reads what may be missing, `null`, or of another type.
pub(super) fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// The elements of an array; none when it is missing, `null` or no array.
pub(super) fn elements(raw: Option<&RawValue>) -> Vec<&RawValue> {
    lenient(raw).unwrap_or_default()
}

/// The codes of an array of errors, those that can be read.
pub(super) fn codes(raw: Option<&RawValue>) -> impl Iterator<Item = u32> {
    elements(raw)
        .into_iter()
        .filter_map(|error| lenient::<Coded>(Some(error)))
        .map(|error| error.code)
}

/// Whether a text is JSON at all.
pub(super) fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}
