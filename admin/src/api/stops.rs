//! `/api/v1/account/stops`: ranges that the account sends no more to, and how it goes on.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use didfarm_core::abuse::stop::{ReleasedBy, TrafficRange};

use super::asked;
use crate::exchange::{Exchange, resource, serve};
use crate::metrics::Route;
use crate::present::{self, Data, abuse::Released, abuse::Stop};
use crate::problem::Problem;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/account/stops", "GET")
                .route(web::get().to(serve(Route::Account, list))),
        )
        .service(
            resource("/api/v1/account/stops/{prefix}/release", "POST")
                .route(web::post().to(serve(Route::Account, release))),
        );
}

/// `GET /api/v1/account/stops`: all of them, the oldest first; there are few.
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    let stops = account.stops();
    let data: Vec<Stop> = stops.at(super::now()).map(Stop::of).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `POST /api/v1/account/stops/{prefix}/release`: durable before it is answered. What the day or a country
/// stopped is for operators: whoever has a stolen key could go on all day.
async fn release(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let range = read_range(exchange)?;
    let engine = &exchange.front().engine;
    let done = engine
        .release_traffic(account, ReleasedBy::Account, range)
        .await;
    done.map_err(|error| asked(exchange).operate(error))?;
    let data = Released::of(range);
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// The range in the path, its `+` escaped or not; what is no range is not stopped.
///
/// # Errors
/// `not_found`.
pub(crate) fn read_range(exchange: &Exchange) -> Result<TrafficRange, Problem> {
    let text = exchange.path_text("prefix").unwrap_or_default();
    // The router leaves an escaped plus sign as it is.
    let escaped = text.strip_prefix("%2B").or(text.strip_prefix("%2b"));
    TrafficRange::parse(escaped.unwrap_or(text)).ok_or_else(Problem::not_found)
}
