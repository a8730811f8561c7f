//! `GET /api/v1/webhooks/{id}/attempts`: what was sent to an endpoint, and what it answered.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::ids::EventId;
use didfarm_runtime::webhooks::AttemptQuery;

use super::{named, problem};
use crate::cursor;
use crate::exchange::Exchange;
use crate::present::{self, Listed, webhooks as shown};
use crate::problem::Problem;
use crate::query::Query;

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// Newest first.
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let mut query = exchange.query()?;
    let filter = take_filter(&mut query)?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode_attempts(id, &cursor))
        .transpose()?;
    query.finish()?;
    let engine = &exchange.front().engine;
    let read = engine.attempts(account, id, filter, after, limit).await;
    let page = read.map_err(|error| problem(exchange, error))?;
    let rows = page.rows.iter().map(shown::Attempt::of).collect();
    let next_cursor = page.next.map(|next| cursor::encode_attempts(id, next));
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

fn take_filter(query: &mut Query) -> Result<AttemptQuery, Problem> {
    let succeeded = |word: &str| match word {
        "succeeded" => Some(true),
        "failed" => Some(false),
        _ => None,
    };
    Ok(AttemptQuery {
        succeeded: query.take_as("result", "one of succeeded, failed", succeeded)?,
        event: query.take_as("event_id", "the id of an event", |text| {
            text.parse::<EventId>().ok()
        })?,
        since: query.take_time("since")?,
        until: query.take_time("until")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    #[test]
    fn every_filter_is_read_and_a_bad_one_is_refused_by_its_name() {
        let text =
            "result=failed&event_id=evt_7&since=2026-04-05T14:22:08Z&until=2026-04-06T00:00:00Z";
        let mut query = Query::parse(text).unwrap();
        let filter = take_filter(&mut query).unwrap();
        query.finish().unwrap();
        assert_eq!(
            (filter.succeeded, filter.event),
            (Some(false), Some(EventId(7)))
        );
        assert!(filter.since < filter.until);
        for name in ["result", "event_id", "since", "until"] {
            let mut query = Query::parse(&format!("{name}=nonsense")).unwrap();
            let document = document_of(take_filter(&mut query).unwrap_err());
            assert_eq!(document["errors"][0]["field"], name);
        }
    }
}
