//! Captured callbacks: JSON lines, one request each, as the daemon writes them with `capture` on.
//!
//! A line is `{"v":1,"at_us":…,"carrier":"…","kind":"whatsapp","method":"POST","path":"/carriers/…?…",
//! "headers":[["content-type","application/json"],…],"body":"…"}`, with `body_base64` in place of `body` when that is
//! no UTF-8. Secret headers are not in it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

/// The version of the format that is read.
pub const VERSION: u32 = 1;
/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most requests that are read from one file.
pub const REQUESTS_MAX: usize = 20_000_000;
/// The most body bytes that are read from one file.
pub const BODIES_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024;

/// Whose callbacks they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Telnyx messaging API v2.
    Telnyx,
    /// Twilio Messages API.
    Twilio,
    /// WhatsApp Cloud API.
    #[value(name = "whatsapp")]
    WhatsApp,
}

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("the capture {path:?} cannot be read; check the path and the rights")]
    File {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line is not of the format.
    #[error("line {line} of the capture is not of its format: {detail}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// The file holds more than is read.
    #[error(
        "the capture holds more than {REQUESTS_MAX} requests or {BODIES_BYTES_MAX} bytes of bodies; replay it in pieces"
    )]
    TooMuch,
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it came, in microseconds since 1970.
    pub at_us: i64,
    /// The carrier's name in the daemon's settings.
    pub carrier: String,
    /// Whose protocol it is.
    pub kind: Kind,
    /// The method.
    pub method: String,
    /// Path and query as the request line had them.
    pub path: String,
    /// Headers without secrets, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    v: u32,
    at_us: i64,
    carrier: String,
    kind: Kind,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
}

/// Reads a capture file whole; empty lines are passed over, and so is a last line that was cut off.
///
/// # Errors
/// [`CaptureError`] at the first line that is not of the format.
pub fn read(path: &Path) -> Result<Vec<Captured>, CaptureError> {
    let failed = |source| CaptureError::File {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let (mut requests, mut bytes) = (Vec::new(), 0);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let mut bounded = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        if bounded.read_until(b'\n', &mut text).map_err(failed)? == 0 {
            break;
        }
        if text.len() > LINE_BYTES_MAX {
            let detail = format!("it has more than {LINE_BYTES_MAX} bytes");
            return Err(CaptureError::Line { line, detail });
        }
        // A daemon that was killed leaves half a line behind.
        let cut_off = text.last() != Some(&b'\n');
        match parse(text.trim_ascii()) {
            Ok(None) => {}
            Ok(Some(request)) => {
                bytes += request.body.len();
                requests.push(request);
            }
            Err(_) if cut_off => break,
            Err(detail) => return Err(CaptureError::Line { line, detail }),
        }
        if requests.len() > REQUESTS_MAX || bytes > BODIES_BYTES_MAX {
            return Err(CaptureError::TooMuch);
        }
    }
    Ok(requests)
}

fn parse(text: &[u8]) -> Result<Option<Captured>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if line.v != VERSION {
        return Err(format!("its version is {} and must be {VERSION}", line.v));
    }
    let body = match (line.body, line.body_base64) {
        (Some(body), None) => body.into_bytes(),
        (None, Some(body)) => BASE64.decode(body).map_err(|error| error.to_string())?,
        _ => return Err("it must have one of body and body_base64".to_owned()),
    };
    let sound = line.path.starts_with('/')
        && !line
            .path
            .contains(|c: char| c.is_whitespace() || c.is_control());
    if !sound {
        return Err("its path is no path".to_owned());
    }
    Ok(Some(Captured {
        at_us: line.at_us,
        carrier: line.carrier,
        kind: line.kind,
        method: line.method,
        path: line.path,
        headers: line.headers,
        body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"v":1,"at_us":1763700000000000,"carrier":"nl-wa","kind":"whatsapp","method":"POST","path":"/carriers/nl-wa?x=1","headers":[["content-type","application/json"]],"body":"{}"}"#;

    fn read_text(text: &str) -> Result<Vec<Captured>, CaptureError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn lines_are_read_and_a_last_half_is_passed_over() {
        let base64 = LINE.replace(r#""body":"{}""#, r#""body_base64":"/w==""#);
        let requests = read_text(&format!("{LINE}\n\n{base64}\n{}", &LINE[..40])).unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(
            (requests[0].kind, requests[0].body.as_slice()),
            (Kind::WhatsApp, &b"{}"[..])
        );
        assert_eq!(requests[1].body, [0xff]);
        assert_eq!(
            requests[0].headers,
            [("content-type".to_owned(), "application/json".to_owned())]
        );
    }

    #[test]
    fn a_line_of_another_format_is_named() {
        for (old, new) in [
            (r#""v":1"#, r#""v":2"#),
            (r#""path":"/carr"#, r#""path":"carr"#),
            (r#","body":"{}""#, ""),
            ("whatsapp", "smoke"),
        ] {
            let text = format!("{LINE}\n{}\n", LINE.replacen(old, new, 1));
            let error = read_text(&text).unwrap_err();
            assert!(
                matches!(error, CaptureError::Line { line: 2, .. }),
                "{error}"
            );
        }
    }
}
