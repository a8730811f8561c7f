//! What an endpoint of the sink does with a request, as its path and query say.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::form::Form;

/// The longest pause that a query can ask for, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 3_600_000;
/// The most bytes in one piece of a dripping body.
pub const DRIP_BYTES_MAX: usize = 1024 * 1024;
/// The pause of `/slow` unless the query has another, in milliseconds.
const SLOW_MS: u64 = 9_000;
/// The pause between the pieces of `/drip` unless the query has another, in milliseconds.
const DRIP_MS: u64 = 1_000;
/// How many requests of each webhook-id fail at `/flaky` unless the query has another number.
const FLAKY_FAIL: u32 = 3;

/// Why a path plays nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BehaviourError {
    /// The first step is no behaviour, or a status is none.
    #[error(
        "there is /ok, /slow, /dead, /status/CODE (200 to 599), /gone, /flaky, /drip and /redirect; further steps name \
         the endpoint"
    )]
    Path,
    /// A value of the query is out of bounds, or one that is needed is missing.
    #[error("the query is wrong: {name} must be {wanted}")]
    Query {
        /// The name.
        name: &'static str,
        /// What fits.
        wanted: &'static str,
    },
}

/// What an endpoint does. Endpoints of one behaviour are told apart by further steps of the path: `/ok/17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// `/ok`, `/gone`, `/status/429?retry_after=5`: answers at once.
    Answer {
        /// The status.
        status: StatusCode,
        /// The value of `retry-after`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// `/slow?ms=9000`: answers 200 after a pause.
    Slow(Duration),
    /// `/dead`: takes the request and never answers.
    Dead,
    /// `/flaky?fail=3&status=503`: the first requests of each webhook-id fail, those behind them get 200.
    Flaky {
        /// How many fail.
        fail: u32,
        /// With what.
        status: StatusCode,
    },
    /// `/drip?ms=1000&bytes=1`: 200 at once, then a body that never ends; without a pause it is as fast as it can be.
    Drip {
        /// The pause before each piece.
        pause: Duration,
        /// Bytes of a piece.
        bytes: usize,
    },
    /// `/redirect?to=http://127.0.0.1/&status=302`: sends elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
        /// The value of `location`.
        to: HeaderValue,
    },
}

impl Behaviour {
    /// Reads a path, which begins with `/`, and its query.
    ///
    /// # Errors
    /// [`BehaviourError`] when they name no behaviour.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, BehaviourError> {
        let mut steps = path.split('/').skip(1);
        let query = Query::parse(query)?;
        match steps.next() {
            Some("ok") => query.answer(StatusCode::OK),
            Some("gone") => query.answer(StatusCode::GONE),
            Some("status") => {
                query.answer(steps.next().and_then(status).ok_or(BehaviourError::Path)?)
            }
            Some("slow") => Ok(Self::Slow(query.pause(SLOW_MS)?)),
            Some("dead") => Ok(Self::Dead),
            Some("flaky") => Ok(Self::Flaky {
                fail: query
                    .number("fail", "a whole number")?
                    .unwrap_or(FLAKY_FAIL),
                status: query.status(StatusCode::SERVICE_UNAVAILABLE)?,
            }),
            Some("drip") => Ok(Self::Drip {
                pause: query.pause(DRIP_MS)?,
                bytes: query.drip_bytes()?,
            }),
            Some("redirect") => Ok(Self::Redirect {
                status: query.status(StatusCode::FOUND)?,
                to: query.destination()?,
            }),
            _ => Err(BehaviourError::Path),
        }
    }
}

/// The first step of a path: what endpoints are summed up by.
pub fn kind_of(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// A final status: 1xx would not end the exchange.
fn status(text: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(text.as_bytes()).ok()?;
    (200..600).contains(&status.as_u16()).then_some(status)
}

struct Query(Form);

impl Query {
    fn parse(query: Option<&str>) -> Result<Self, BehaviourError> {
        let wrong = BehaviourError::Query {
            name: "each value",
            wanted: "percent-encoded UTF-8",
        };
        let form = Form::parse(query.unwrap_or_default().as_bytes());
        form.map(Self).map_err(|_| wrong)
    }

    fn number<T: std::str::FromStr>(
        &self,
        name: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, BehaviourError> {
        let read = |text: &str| {
            text.parse()
                .map_err(|_| BehaviourError::Query { name, wanted })
        };
        self.0.get(name).map(read).transpose()
    }

    fn answer(&self, status: StatusCode) -> Result<Behaviour, BehaviourError> {
        let retry_after_s = self.number("retry_after", "seconds, a whole number")?;
        Ok(Behaviour::Answer {
            status,
            retry_after_s,
        })
    }

    fn pause(&self, default_ms: u64) -> Result<Duration, BehaviourError> {
        let (name, wanted) = ("ms", "0 to 3600000");
        let ms = self.number(name, wanted)?.unwrap_or(default_ms);
        match ms <= PAUSE_MS_MAX {
            true => Ok(Duration::from_millis(ms)),
            false => Err(BehaviourError::Query { name, wanted }),
        }
    }

    fn drip_bytes(&self) -> Result<usize, BehaviourError> {
        let (name, wanted) = ("bytes", "1 to 1048576");
        let bytes = self.number(name, wanted)?.unwrap_or(1);
        match (1..=DRIP_BYTES_MAX).contains(&bytes) {
            true => Ok(bytes),
            false => Err(BehaviourError::Query { name, wanted }),
        }
    }

    fn status(&self, default: StatusCode) -> Result<StatusCode, BehaviourError> {
        let wrong = BehaviourError::Query {
            name: "status",
            wanted: "200 to 599",
        };
        let given = self.0.get("status");
        given.map_or(Ok(default), |text| status(text).ok_or(wrong))
    }

    fn destination(&self) -> Result<HeaderValue, BehaviourError> {
        let to = self
            .0
            .get("to")
            .and_then(|to| HeaderValue::from_str(to).ok());
        to.ok_or(BehaviourError::Query {
            name: "to",
            wanted: "a URL, percent-encoded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(target: &str) -> Result<Behaviour, BehaviourError> {
        let (path, query) = target.split_once('?').unzip();
        Behaviour::parse(path.unwrap_or(target), query)
    }

    #[test]
    fn paths_play_what_they_name() {
        let answer = |status: u16, retry_after_s| Behaviour::Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after_s,
        };
        let ms = Duration::from_millis;
        for (target, behaviour) in [
            ("/ok", answer(200, None)),
            ("/ok/17/a", answer(200, None)),
            ("/gone", answer(410, None)),
            ("/status/503", answer(503, None)),
            ("/status/429/b?retry_after=5", answer(429, Some(5))),
            ("/slow", Behaviour::Slow(ms(9_000))),
            ("/slow/1?ms=20", Behaviour::Slow(ms(20))),
            ("/dead", Behaviour::Dead),
            (
                "/flaky?fail=2&status=500",
                Behaviour::Flaky {
                    fail: 2,
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                },
            ),
            (
                "/drip?ms=0&bytes=4096",
                Behaviour::Drip {
                    pause: ms(0),
                    bytes: 4_096,
                },
            ),
            (
                "/redirect?to=http%3A%2F%2F127.0.0.1%3A1%2Fok&status=308",
                Behaviour::Redirect {
                    status: StatusCode::PERMANENT_REDIRECT,
                    to: HeaderValue::from_static("http://127.0.0.1:1/ok"),
                },
            ),
        ] {
            assert_eq!(parse(target), Ok(behaviour), "{target}");
        }
    }

    #[test]
    fn what_names_no_behaviour_is_refused() {
        for target in [
            "/",
            "",
            "/okay",
            "/status",
            "/status/100",
            "/status/600",
            "/status/x",
        ] {
            assert_eq!(parse(target), Err(BehaviourError::Path), "{target}");
        }
        for target in [
            "/slow?ms=3600001",
            "/slow?ms=-1",
            "/flaky?fail=x",
            "/flaky?status=99",
            "/drip?bytes=0",
            "/redirect",
            "/redirect?to=a%0d%0ab",
            "/status/429?retry_after=soon",
            "/ok?a=%zz",
        ] {
            let found = parse(target);
            assert!(
                matches!(found, Err(BehaviourError::Query { .. })),
                "{target}: {found:?}"
            );
        }
    }
}
