//! `/ops/mails`: mails that wait, and those that were given up.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_runtime::read::PAGE_ROWS_MAX;

use super::{asked, check_operator, take_rows_up_to};
use crate::exchange::Exchange;
use crate::present::troubles::{Mail, Mails, Totalled};
use crate::present::{self};
use crate::problem::Problem;

/// `GET /ops/mails`: those that wait by when they are due, those that were given up newest first.
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let limit = take_rows_up_to(exchange, PAGE_ROWS_MAX)?;
    let engine = &exchange.front().engine;
    let damaged = |error| asked(exchange, "number").read(error);
    let (waiting, waiting_total) = engine.waiting_mails(limit).await.map_err(damaged)?;
    let (given_up, given_up_total) = engine.given_up_mails(limit).await.map_err(damaged)?;
    let mails = Mails {
        waiting: Totalled {
            data: waiting.iter().map(Mail::waiting).collect(),
            total: waiting_total,
        },
        given_up: Totalled {
            data: given_up.iter().map(Mail::given_up).collect(),
            total: given_up_total,
        },
    };
    Ok(present::json(StatusCode::OK, &mails))
}
