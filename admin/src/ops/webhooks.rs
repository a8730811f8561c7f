//! `/ops/webhooks`: endpoints that need a look.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::{check_operator, take_rows};
use crate::exchange::Exchange;
use crate::present::troubles::Endpoint;
use crate::present::{self, Data};
use crate::problem::Problem;

/// `GET /ops/webhooks`: those that are disabled, that fail, or that much waits for.
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let limit = take_rows(exchange)?;
    let troubled = exchange.front().engine.troubled_endpoints(limit).await;
    let data: Vec<_> = troubled.iter().map(Endpoint::of).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}
