//! `/ops/receipts`: receipts whose message is not known, yet or for good.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::{asked, check_operator, take_rows};
use crate::exchange::Exchange;
use crate::present::{self, Data, operators};
use crate::problem::Problem;

/// `GET /ops/receipts/parked`: those that wait longest first.
pub(super) async fn parked(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let limit = take_rows(exchange)?;
    let engine = &exchange.front().engine;
    let parked = engine.parked_receipts(limit).await;
    let data: Vec<_> = parked
        .iter()
        .map(|(at, receipt)| {
            operators::Parked::of(*at, receipt, engine.carrier_name(receipt.carrier))
        })
        .collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `GET /ops/receipts/aged-out`: the newest first, and how many there ever were.
pub(super) async fn aged_out(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let limit = take_rows(exchange)?;
    let engine = &exchange.front().engine;
    let read = engine.aged_receipts(limit).await;
    let (aged, total) = read.map_err(|error| asked(exchange, "number").read(error))?;
    let data = aged
        .iter()
        .map(|aged| operators::AgedOut::of(aged, engine.carrier_name(aged.receipt.carrier)))
        .collect();
    Ok(present::json(
        StatusCode::OK,
        &operators::AgedOutList { data, total },
    ))
}
