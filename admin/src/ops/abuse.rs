//! `/ops/accounts/{id}`: where an account may send to, and the ranges that are stopped.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use didfarm_core::abuse::range::{RangeKind, RangeKinds};
use didfarm_core::abuse::stop::ReleasedBy;
use didfarm_core::ids::AccountId;
use didfarm_runtime::operate::{AccountView, OperateError};
use serde::Deserialize;

use super::{asked, check_operator};
use crate::api::{read_countries, read_range};
use crate::exchange::{Exchange, resource, serve};
use crate::fields::{Given, Text};
use crate::json;
use crate::metrics::Route;
use crate::present::{self, Data, abuse, operators};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DestinationsBody<'a> {
    #[serde(borrow, default)]
    countries: Given<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangesBody<'a> {
    #[serde(borrow)]
    kinds: Option<Vec<Text<'a>>>,
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/ops/accounts/{id}/destinations", "PUT")
                .route(web::put().to(serve(Route::Operate, set_destinations))),
        )
        .service(
            resource("/ops/accounts/{id}/ranges", "PUT")
                .route(web::put().to(serve(Route::Operate, set_ranges))),
        )
        .service(
            resource("/ops/accounts/{id}/stops", "GET")
                .route(web::get().to(serve(Route::Operate, stops))),
        )
        .service(
            resource("/ops/accounts/{id}/stops/{prefix}/release", "POST")
                .route(web::post().to(serve(Route::Operate, release))),
        );
}

/// `PUT /ops/accounts/{id}/destinations`: `null` for those of the settings.
async fn set_destinations(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let body = exchange.json().await?;
    let DestinationsBody { countries } = json::parse(&body)?;
    let list = countries
        .change()
        .ok_or_else(|| Problem::missing("countries"))?;
    let list = list.map(|list| read_countries("countries", &list));
    let engine = &exchange.front().engine;
    let done = engine
        .set_destinations_open(account, list.transpose()?)
        .await;
    answer(exchange, done)
}

/// `PUT /ops/accounts/{id}/ranges`: the kinds that are open from then on, no others.
async fn set_ranges(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let body = exchange.json().await?;
    let RangesBody { kinds } = json::parse(&body)?;
    let kinds = read_kinds(&kinds.ok_or_else(|| Problem::missing("kinds"))?)?;
    let engine = &exchange.front().engine;
    let done = engine.set_ranges_open(account, kinds).await;
    answer(exchange, done)
}

/// `GET /ops/accounts/{id}/stops`
async fn stops(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    exchange.query()?.finish()?;
    let stops = exchange.front().engine.stops(account);
    let stops = stops.ok_or_else(Problem::not_found)?;
    let data: Vec<_> = stops.iter().map(abuse::Stop::of).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `POST /ops/accounts/{id}/stops/{prefix}/release`
async fn release(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let range = read_range(exchange)?;
    let done = exchange
        .front()
        .engine
        .release_traffic(account, ReleasedBy::Operator, range)
        .await;
    done.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(present::json(StatusCode::OK, &abuse::Released::of(range)))
}

fn answer(
    exchange: &Exchange,
    done: Result<AccountView, OperateError>,
) -> Result<HttpResponse, Problem> {
    let account = done.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(present::json(
        StatusCode::OK,
        &operators::Account::of(&account),
    ))
}

fn read_kinds(words: &[Text<'_>]) -> Result<RangeKinds, Problem> {
    let kind = |word: &Text<'_>| {
        RangeKind::parse(word).ok_or_else(|| {
            let words: Vec<_> = RangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
            Problem::invalid("kinds", format!("must be of {}", words.join(", ")))
        })
    };
    words.iter().map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_by_their_words_and_none_closes_all() {
        let read = |body: &str| {
            let RangesBody { kinds } = json::parse(body.as_bytes()).unwrap();
            read_kinds(&kinds.unwrap())
        };
        let kinds = read(r#"{"kinds":["premium","satellite"]}"#).unwrap();
        assert!(kinds.holds(RangeKind::Premium) && !kinds.holds(RangeKind::Personal));
        assert_eq!(read(r#"{"kinds":[]}"#).unwrap(), RangeKinds::default());
        assert!(read(r#"{"kinds":["dear"]}"#).is_err());
    }
}
