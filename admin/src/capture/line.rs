//! One callback as one line of JSON, its secrets left out. The format is described in `docs/capture.md`.

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use didfarm_core::time::Timestamp;
use serde::Serialize;

/// The version of the format.
const VERSION: u8 = 1;
/// What the name of a secret header has in it.
const SECRET_HEADER_PIECES: [&str; 6] = [
    "authorization",
    "cookie",
    "signature",
    "token",
    "secret",
    "api-key",
];
/// What the name of a secret parameter has in it.
const SECRET_PARAMETER_PIECES: [&str; 2] = ["token", "secret"];
/// The room that a line takes beside its body, at first; most need no more.
const REST_BYTES: usize = 1_024;

/// A callback as it came.
pub(crate) struct Seen<'a> {
    /// When its body was whole.
    pub(crate) at: Timestamp,
    /// The carrier's name.
    pub(crate) carrier: &'a str,
    /// The carrier's protocol.
    pub(crate) kind: &'static str,
    /// `GET` or `POST`.
    pub(crate) method: &'a str,
    /// The path and the query as the request line has them.
    pub(crate) path_and_query: &'a str,
    /// Every header.
    pub(crate) headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub(crate) body: &'a [u8],
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    at_us: i64,
    carrier: &'a str,
    kind: &'static str,
    method: &'a str,
    path: Cow<'a, str>,
    headers: Vec<(&'a str, Cow<'a, str>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl Seen<'_> {
    /// The line, with its line feed at the end and none before it.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let text = std::str::from_utf8(self.body).ok();
        let line = Line {
            v: VERSION,
            at_us: self.at.0,
            carrier: self.carrier,
            kind: self.kind,
            method: self.method,
            path: without_secrets(self.path_and_query),
            headers: open_headers(self.headers),
            body: text,
            body_base64: text.is_none().then(|| STANDARD.encode(self.body)),
        };
        let mut bytes = Vec::with_capacity(self.body.len() + REST_BYTES);
        serde_json::to_writer(&mut bytes, &line)
            .expect("a line has string keys only and a vector takes all bytes");
        bytes.push(b'\n');
        bytes
    }
}

/// The headers that are no secrets, by name: the map has no order of its own.
fn open_headers(headers: &HeaderMap) -> Vec<(&str, Cow<'_, str>)> {
    let mut open: Vec<(&str, Cow<'_, str>)> = headers
        .iter()
        .filter(|(name, _)| !is_secret(name.as_str(), &SECRET_HEADER_PIECES))
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    // Several values of one name keep their order.
    open.sort_by_key(|(name, _)| *name);
    open
}

/// A path whose query has lost its secret parameters; the others stay as they were written.
fn without_secrets(path_and_query: &str) -> Cow<'_, str> {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return Cow::Borrowed(path_and_query);
    };
    let is_open = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !is_secret(&readable(name), &SECRET_PARAMETER_PIECES)
    };
    if query.split('&').all(|pair| is_open(&pair)) {
        return Cow::Borrowed(path_and_query);
    }
    let open: Vec<&str> = query.split('&').filter(is_open).collect();
    Cow::Owned(format!("{path}?{}", open.join("&")))
}

fn is_secret(name: &str, pieces: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    pieces.iter().any(|piece| name.contains(piece))
}

/// A parameter's name with its escapes undone, as far as they can be: `%74oken` is a token too.
fn readable(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line(path_and_query: &str, headers: &[(&'static str, &str)], body: &[u8]) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let bytes = Seen {
            at: Timestamp(1_763_700_000_000_000),
            carrier: "nl-wa",
            kind: "whatsapp",
            method: "POST",
            path_and_query,
            headers: &map,
            body,
        }
        .to_line();
        let (last, before) = bytes.split_last().unwrap();
        assert_eq!(*last, b'\n');
        assert!(!before.contains(&b'\n'));
        serde_json::from_slice(before).unwrap()
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let headers = [
            ("x-b", "2"),
            ("content-type", "application/json"),
            ("x-b", "1"),
        ];
        assert_eq!(
            line("/carriers/nl-wa?x=1", &headers, b"{\"a\":\n1}"),
            json!({
                "v": 1,
                "at_us": 1_763_700_000_000_000_i64,
                "carrier": "nl-wa",
                "kind": "whatsapp",
                "method": "POST",
                "path": "/carriers/nl-wa?x=1",
                "headers": [["content-type", "application/json"], ["x-b", "2"], ["x-b", "1"]],
                "body": "{\"a\":\n1}",
            })
        );
    }

    #[test]
    fn a_body_that_is_no_text_is_kept_byte_for_byte() {
        let line = line("/carriers/nl-wa", &[], &[0xff, 0, 0x80]);
        assert_eq!(line["body_base64"], "/wCA");
        assert!(line.get("body").is_none());
    }

    #[test]
    fn no_secret_header_is_kept() {
        let secret = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-twilio-signature",
            "x-hub-signature",
            "x-hub-signature-256",
            "telnyx-signature-ed25519",
            "x-access-token",
            "x-app-secret",
            "x-api-key",
        ];
        let mut headers = secret.map(|name| (name, "s3cr3t")).to_vec();
        headers.push(("telnyx-timestamp", "1763700000"));
        let line = line("/carriers/nl-wa", &headers, b"");
        assert_eq!(line["headers"], json!([["telnyx-timestamp", "1763700000"]]));
        assert!(!line.to_string().contains("s3cr3t"));
    }

    #[test]
    fn no_secret_parameter_is_kept_however_it_is_written() {
        for (query, kept) in [
            (
                "hub.mode=subscribe&hub.verify_token=s3cr3t&hub.challenge=7",
                "hub.mode=subscribe&hub.challenge=7",
            ),
            ("hub.verify%5Ft%6Fken=s3cr3t", ""),
            ("A=1&App_SECRET=s3cr3t", "A=1"),
            ("a=%zz&b=%&token", "a=%zz&b=%"),
            ("a=token&b=%41", "a=token&b=%41"),
        ] {
            let line = line(&format!("/carriers/nl-wa?{query}"), &[], b"");
            assert_eq!(line["path"], format!("/carriers/nl-wa?{kept}"), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic_and_no_token_passes(query in "[%a-z0-9&=.]{0,40}") {
            let path = format!("/x?{query}");
            let kept = without_secrets(&path).into_owned();
            let (_, kept) = kept.split_once('?').unwrap();
            for pair in kept.split('&') {
                let name = pair.split('=').next().unwrap();
                prop_assert!(!readable(name).contains("token"));
            }
        }
    }
}
