//! Reads the head of an HTTP/1.1 response: the status and the few headers that the load test acts on.

/// The longest response head that is read, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest response body that is read, in bytes (a metrics page is the longest there is).
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a response cannot be read; the connection is of no more use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first line or a header line is not HTTP/1.1.
    #[error("the answer is not http/1.1; check that the target is the daemon's http listener")]
    NotHttp,
    /// The head has not ended within [`HEAD_BYTES_MAX`].
    #[error(
        "the answer's head is longer than {HEAD_BYTES_MAX} bytes; check that the target is the daemon"
    )]
    HeadTooLong,
    /// The body comes in chunks.
    #[error(
        "the answer uses chunked transfer encoding, which this client does not read; send a content-length"
    )]
    Chunked,
    /// The body's length is not given or not a number.
    #[error(
        "the answer has no usable content-length; this client reads no body that ends by closing"
    )]
    Length,
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("the answer's body is longer than {BODY_BYTES_MAX} bytes; ask for less")]
    BodyTooLong,
    /// More bytes came than the answer has, though nothing else was asked.
    #[error(
        "the server sent bytes that nobody asked for; check what stands between client and server"
    )]
    Surplus,
}

/// What the head of a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Length of the head with its closing empty line, in bytes.
    pub head_bytes: usize,
    /// Length of the body, in bytes.
    pub body_bytes: usize,
    /// Whether the server closes the connection after this answer.
    pub closes: bool,
    /// `Retry-After` in seconds, when given as a number.
    pub retry_after_s: Option<u64>,
}

/// Parses the head at the start of `bytes`; `None` means that more bytes are needed.
///
/// # Errors
/// [`ResponseError`] when the bytes are not a response with a known length.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, ResponseError> {
    let mut rest = bytes;
    let Some(first) = next_line(&mut rest) else {
        return if bytes.len() > HEAD_BYTES_MAX {
            Err(ResponseError::HeadTooLong)
        } else {
            Ok(None)
        };
    };
    let (status, mut closes) = status_line(first)?;
    let (mut length, mut retry_after_s) = (None, None);
    while let Some(line) = next_line(&mut rest) {
        if line.is_empty() {
            let head_bytes = bytes.len() - rest.len();
            let body_bytes = match length {
                Some(length) => length,
                None if matches!(status, 204 | 304) => 0,
                None => return Err(ResponseError::Length),
            };
            if body_bytes > BODY_BYTES_MAX {
                return Err(ResponseError::BodyTooLong);
            }
            return Ok(Some(Head {
                status,
                head_bytes,
                body_bytes,
                closes,
                retry_after_s,
            }));
        }
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            length = Some(number(value).ok_or(ResponseError::Length)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(ResponseError::Chunked);
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"retry-after") {
            retry_after_s = number(value).map(|seconds| seconds as u64);
        }
    }
    if bytes.len() > HEAD_BYTES_MAX {
        Err(ResponseError::HeadTooLong)
    } else {
        Ok(None)
    }
}

/// Takes one line without its CRLF off the front.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// The status code, and whether the protocol version closes by default.
fn status_line(line: &[u8]) -> Result<(u16, bool), ResponseError> {
    let closes = match line.get(..9) {
        Some(b"HTTP/1.1 ") => false,
        Some(b"HTTP/1.0 ") => true,
        _ => return Err(ResponseError::NotHttp),
    };
    let code = line
        .get(9..12)
        .and_then(number)
        .ok_or(ResponseError::NotHttp)?;
    match u16::try_from(code) {
        Ok(status @ 200..=599) => Ok((status, closes)),
        _ => Err(ResponseError::NotHttp),
    }
}

fn header(line: &[u8]) -> Result<(&[u8], &[u8]), ResponseError> {
    let colon = line
        .iter()
        .position(|&byte| byte == b':')
        .ok_or(ResponseError::NotHttp)?;
    Ok((&line[..colon], line[colon + 1..].trim_ascii()))
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 7\r\nretry-after: 2\r\n\r\n{\"a\":1}";

    #[test]
    fn a_whole_head_is_read() {
        let head = parse_head(ANSWER).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.closes), (429, 7, false));
        assert_eq!(head.retry_after_s, Some(2));
        assert_eq!(&ANSWER[head.head_bytes..], b"{\"a\":1}");
    }

    #[test]
    fn every_cut_of_the_head_asks_for_more() {
        let head_bytes = parse_head(ANSWER).unwrap().unwrap().head_bytes;
        for cut in 0..head_bytes {
            assert_eq!(parse_head(&ANSWER[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn closing_is_noticed() {
        let closes = |text: &str| parse_head(text.as_bytes()).unwrap().unwrap().closes;
        assert!(closes(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(closes("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!closes(
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |text: &str| parse_head(text.as_bytes()).unwrap_err();
        assert_eq!(
            error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ResponseError::Chunked
        );
        assert_eq!(error("HTTP/1.1 200 OK\r\n\r\n"), ResponseError::Length);
        assert_eq!(
            error("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
            ResponseError::Length
        );
        assert_eq!(
            error("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"),
            ResponseError::BodyTooLong
        );
        assert_eq!(error("SSH-2.0-OpenSSH\r\n"), ResponseError::NotHttp);
        assert_eq!(error("HTTP/1.1 abc\r\n"), ResponseError::NotHttp);
        assert_eq!(
            error(&"x".repeat(HEAD_BYTES_MAX + 1)),
            ResponseError::HeadTooLong
        );
    }

    #[test]
    fn a_no_content_answer_needs_no_length() {
        assert_eq!(
            parse_head(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap()
                .unwrap()
                .body_bytes,
            0
        );
    }
}
