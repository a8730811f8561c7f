//! A whole response, and what its status alone says.

use std::time::Duration;

use bytes::Bytes;
use didfarm_core::reason::Reason;
use http::StatusCode;

use crate::SubmitAnswer;

/// A response that came whole.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its `Retry-After`, where that is a number of seconds (RFC 9110, 10.2.3).
    pub retry_after: Option<Duration>,
    /// Its body, at most [`super::BODY_BYTES_MAX`].
    pub body: Bytes,
}

/// What a status says of a submit when the body says nothing that we can read.
///
/// | Status | Answer | Because |
/// |---|---|---|
/// | 400, 413, 422 | refused, `rejected` | the carrier read the message and will not have it |
/// | 408, 409 | none | a gateway may say so of a request that it passed on, or of one under way |
/// | 429 | not taken, `throttled` | RFC 6585, 4 |
/// | other 4xx | not taken, `carrier_error` | our credentials or the address are wrong, not the message |
/// | 301, 302, 307, 308 | not taken, `carrier_error` | whoever answered passed the request on to nobody |
/// | everything else | none | a 2xx took it under an id that we do not know; a 5xx may have taken it |
pub fn verdict_of_status(status: StatusCode) -> SubmitAnswer {
    match status.as_u16() {
        400 | 413 | 422 => SubmitAnswer::Refused(Reason::Rejected),
        408 | 409 => SubmitAnswer::NoAnswer,
        429 => SubmitAnswer::NotTaken(Reason::Throttled),
        301 | 302 | 307 | 308 | 400..=499 => SubmitAnswer::NotTaken(Reason::CarrierError),
        _ => SubmitAnswer::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_without_a_readable_body_has_its_verdict() {
        for code in 100..1_000_u16 {
            let verdict = verdict_of_status(StatusCode::from_u16(code).unwrap());
            let expected = match code {
                400 | 413 | 422 => SubmitAnswer::Refused(Reason::Rejected),
                429 => SubmitAnswer::NotTaken(Reason::Throttled),
                301 | 302 | 307 | 308 => SubmitAnswer::NotTaken(Reason::CarrierError),
                408 | 409 => SubmitAnswer::NoAnswer,
                401..=499 => SubmitAnswer::NotTaken(Reason::CarrierError),
                _ => SubmitAnswer::NoAnswer,
            };
            assert_eq!(verdict, expected, "{code}");
        }
    }
}
