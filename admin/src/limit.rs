//! The `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers): one policy, `msgs`.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use didfarm_core::account::RateLimit;
use didfarm_runtime::send::LimitState;

/// What may be sent in which time.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// `"msgs";q=10;w=1`: a burst of `q` messages, which comes back whole in `w` seconds; where less than a
/// second's worth may go at once, a second's worth.
pub(crate) fn policy(limit: RateLimit) -> HeaderValue {
    let quota = limit.burst.max(limit.per_second);
    let window = seconds(quota, limit).max(1);
    value(format!("\"msgs\";q={quota};w={window}"))
}

/// `"msgs";r=9;t=1`: `r` messages may go now, and the whole burst again in `t` seconds.
pub(crate) fn left(limit: RateLimit, remaining: u32) -> HeaderValue {
    let full_in_s = seconds(limit.burst.saturating_sub(remaining), limit);
    let full_in_s = if remaining == 0 {
        full_in_s.max(1)
    } else {
        full_in_s
    };
    value(format!("\"msgs\";r={remaining};t={full_in_s}"))
}

/// Adds both fields to an answer.
pub(crate) fn show(headers: &mut HeaderMap, state: LimitState) {
    headers.insert(RATE_LIMIT_POLICY, policy(state.limit));
    headers.insert(RATE_LIMIT, left(state.limit, state.remaining));
}

/// The seconds in which so many messages come back, rounded up.
fn seconds(messages: u32, limit: RateLimit) -> u32 {
    messages.div_ceil(limit.per_second.max(1))
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and ASCII letters may stand in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_time_in_which_the_burst_comes_back() {
        assert_eq!(
            policy(RateLimit {
                per_second: 10,
                burst: 10
            }),
            "\"msgs\";q=10;w=1"
        );
        assert_eq!(
            policy(RateLimit {
                per_second: 10,
                burst: 25
            }),
            "\"msgs\";q=25;w=3"
        );
        assert_eq!(
            policy(RateLimit {
                per_second: 1000,
                burst: 1
            }),
            "\"msgs\";q=1000;w=1"
        );
    }

    #[test]
    fn what_is_left_is_told_with_the_time_until_all_is_back() {
        let limit = RateLimit {
            per_second: 10,
            burst: 25,
        };
        assert_eq!(left(limit, 25), "\"msgs\";r=25;t=0");
        assert_eq!(left(limit, 24), "\"msgs\";r=24;t=1");
        assert_eq!(left(limit, 0), "\"msgs\";r=0;t=3");
    }
}
