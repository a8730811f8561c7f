//! `/ops/carriers`: the carriers, each with how it is.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::check_operator;
use crate::exchange::Exchange;
use crate::present::{self, Data, operators};
use crate::problem::Problem;

/// `GET /ops/carriers`
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    exchange.query()?.finish()?;
    let carriers = exchange.front().engine.carriers();
    let data: Vec<_> = carriers
        .iter()
        .map(|(face, view)| operators::Carrier::of(face, view.as_ref()))
        .collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}
