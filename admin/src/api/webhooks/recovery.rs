//! `/api/v1/webhooks/{id}/recover` and `/recovery`: events of a time range, sent again at a set pace.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::recovery::{PACE_PER_SECOND_DEFAULT, RecoveryFilter, RecoveryScope};
use didfarm_runtime::webhooks::EndpointView;
use serde::Deserialize;

use super::body::read_types;
use super::{named, problem};
use crate::api::now;
use crate::exchange::Exchange;
use crate::fields::{Text, read_time};
use crate::json;
use crate::present::{self, Data, webhooks as shown};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoverBody<'a> {
    #[serde(borrow)]
    since: Option<Text<'a>>,
    #[serde(borrow)]
    until: Option<Text<'a>>,
    #[serde(borrow)]
    event_types: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    per_second: Option<u32>,
    dry_run: Option<bool>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    filter: RecoveryFilter,
    per_second: u32,
    /// Only to count.
    is_dry: bool,
}

/// `POST /api/v1/webhooks/{id}/recover`: counts, and unless that is all that was asked, begins.
pub(super) async fn start(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let bytes = exchange.json().await?;
    let wanted = wanted(json::parse(&bytes)?, now())?;
    let engine = &exchange.front().engine;
    let filter = wanted.filter.clone();
    let counted = engine.count_recoverable(account, id, filter).await;
    let count = counted.map_err(|error| problem(exchange, error))?;
    if wanted.is_dry {
        let data = shown::Count { count };
        return Ok(present::json(StatusCode::OK, &Data { data }));
    }
    let started = engine.recover(account, id, wanted.filter, wanted.per_second);
    let view = started.await.map_err(|error| problem(exchange, error))?;
    answer(StatusCode::ACCEPTED, &view, Some(count))
}

fn wanted(body: RecoverBody<'_>, now: Timestamp) -> Result<Wanted, Problem> {
    let since = body.since.ok_or_else(|| Problem::missing("since"))?;
    let until = body.until.map(|until| read_time("until", &until));
    let scope = match body.scope {
        None => RecoveryScope::default(),
        Some(word) => RecoveryScope::parse(&word)
            .ok_or_else(|| Problem::invalid("scope", "must be undelivered or all"))?,
    };
    let filter = RecoveryFilter {
        since: read_time("since", &since)?,
        until: until.transpose()?.unwrap_or(now),
        types: read_types("event_types", &body.event_types.unwrap_or_default())?,
        scope,
    };
    Ok(Wanted {
        filter,
        per_second: body.per_second.unwrap_or(PACE_PER_SECOND_DEFAULT),
        is_dry: body.dry_run.unwrap_or(false),
    })
}

/// `GET /api/v1/webhooks/{id}/recovery`: the one that goes on, or the last one.
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    exchange.query()?.finish()?;
    let read = exchange.front().engine.endpoint(account, id).await;
    let view = read.map_err(|error| problem(exchange, error))?;
    answer(StatusCode::OK, &view, None)
}

/// `DELETE /api/v1/webhooks/{id}/recovery`: what is in line already is sent.
pub(super) async fn cancel(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    exchange.query()?.finish()?;
    let cancelled = exchange.front().engine.cancel_recovery(account, id).await;
    let view = cancelled.map_err(|error| problem(exchange, error))?;
    answer(StatusCode::OK, &view, None)
}

fn answer(
    status: StatusCode,
    view: &EndpointView,
    count: Option<u64>,
) -> Result<HttpResponse, Problem> {
    let recovery = view.endpoint.recovery.as_ref();
    let data = shown::Recovery::of(recovery.ok_or_else(Problem::not_found)?, count);
    Ok(present::json(status, &Data { data }))
}

#[cfg(test)]
mod tests {
    use didfarm_core::webhook::EventType;

    use super::*;
    use crate::problem::document_of;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn read(body: &str) -> Result<Wanted, Problem> {
        wanted(json::parse(body.as_bytes())?, NOW)
    }

    #[test]
    fn a_recovery_goes_from_since_to_now_unless_it_says_otherwise() {
        let since = Timestamp::parse_rfc3339("2026-04-05T14:22:08.5Z").unwrap();
        let mut expected = Wanted {
            filter: RecoveryFilter {
                since,
                until: NOW,
                types: Vec::new(),
                scope: RecoveryScope::Undelivered,
            },
            per_second: PACE_PER_SECOND_DEFAULT,
            is_dry: false,
        };
        let shortest = r#"{"since": "2026-04-05T14:22:08.5Z"}"#;
        assert_eq!(read(shortest).unwrap(), expected);
        expected.filter.until = Timestamp(since.0 + 1_000_000);
        expected.filter.types = vec![EventType::WalletLow];
        expected.filter.scope = RecoveryScope::All;
        (expected.per_second, expected.is_dry) = (7, true);
        let longest = r#"{"since": "2026-04-05T14:22:08.5Z", "until": "2026-04-05T16:22:09.5+02:00",
            "event_types": ["wallet.low"], "scope": "all", "per_second": 7, "dry_run": true}"#;
        assert_eq!(read(longest).unwrap(), expected);
    }

    #[test]
    fn a_bad_field_is_refused_by_its_name() {
        for (body, field) in [
            ("{}", "since"),
            (r#"{"since": "yesterday"}"#, "since"),
            (
                r#"{"since": "2026-04-05T14:22:08Z", "until": "now"}"#,
                "until",
            ),
            (
                r#"{"since": "2026-04-05T14:22:08Z", "scope": "some"}"#,
                "scope",
            ),
        ] {
            let document = document_of(read(body).unwrap_err());
            assert_eq!(document["errors"][0]["field"], field, "{body}");
        }
    }
}
