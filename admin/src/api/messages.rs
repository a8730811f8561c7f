//! `/api/v1/sms/messages`: send one, read one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use didfarm_core::ids::MessageId;
use didfarm_runtime::idempotency::GuardedRoute;

use super::{asked, carrier, send};
use crate::exchange::Exchange;
use crate::present::{self, Data, v1};
use crate::problem::Problem;

/// `POST /api/v1/sms/messages`
pub(super) async fn send(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let sent = send::send(exchange, GuardedRoute::Message).await?;
    let mut response = present::json(
        StatusCode::CREATED,
        &Data {
            data: v1::Sent::of(&sent),
        },
    );
    response.headers_mut().insert(LOCATION, location(sent.id));
    send::show(exchange, &mut response, &sent);
    Ok(response)
}

/// `GET /api/v1/sms/messages/{id}`
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    let id: MessageId = exchange.path_id()?;
    let read = exchange.front().engine.message(account.id(), id).await;
    let message = read
        .map_err(|error| asked(exchange).read(error))?
        .ok_or_else(Problem::not_found)?;
    Ok(present::json(
        StatusCode::OK,
        &Data {
            data: v1::Whole::of(&message, carrier(&exchange.front().engine, &message)),
        },
    ))
}

fn location(id: MessageId) -> HeaderValue {
    HeaderValue::try_from(format!("/api/v1/sms/messages/{id}")).expect("an id is ASCII")
}
