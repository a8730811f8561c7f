//! Scheduled messages: the list, another time for one, and cancels of one or of many.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use didfarm_core::ids::MessageId;
use didfarm_core::message::Message;
use didfarm_runtime::schedule::{Reschedule, ScheduledFilter};
use serde::Deserialize;

use super::numbers::OwnNumbers;
use super::send::{read_number, read_priority, read_send_at};
use super::{asked, carrier};
use crate::cursor::{self, List};
use crate::exchange::{Exchange, resource, serve};
use crate::fields::{NumberRef, Text};
use crate::json;
use crate::metrics::Route;
use crate::present::{self, Data, Listed, v1};
use crate::problem::{Code, Problem};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody<'a> {
    #[serde(borrow)]
    send_at: Option<Text<'a>>,
    #[serde(borrow)]
    priority: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody<'a> {
    from: Option<NumberRef>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/sms/scheduled", "GET")
                .route(web::get().to(serve(Route::Scheduled, list))),
        )
        .service(
            resource("/api/v1/sms/messages/{id}/cancel", "POST")
                .route(web::post().to(serve(Route::CancelMessages, cancel))),
        )
        .service(
            resource("/api/v1/sms/cancel", "POST")
                .route(web::post().to(serve(Route::CancelMessages, cancel_all))),
        );
}

/// `GET /api/v1/sms/scheduled`: the earliest first.
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let expected = "an id of a number, or a number in E.164 with + as %2B";
    let number = query.take_as("number", expected, NumberRef::parse)?;
    let to = query.take_number("to")?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::Scheduled(account);
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let engine = &exchange.front().engine;
    let own = OwnNumbers::new(engine, account);
    let number = match number.map(|number| own.find(number)) {
        // A number that is none of the account's has no messages.
        Some(None) => {
            let none = Listed::<()>::new(Vec::new(), None);
            return Ok(present::json(StatusCode::OK, &none));
        }
        Some(Some(number)) => Some(number),
        None => None,
    };
    let filter = ScheduledFilter { number, to };
    let read = engine.scheduled(account, filter, after, limit).await;
    let page = read.map_err(|error| asked(exchange).read(error))?;
    let row = |message| v1::Whole::of(message, None);
    let rows = page.rows.iter().map(row).collect();
    let next_cursor = page.next.map(|position| cursor::encode(list, position));
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

/// `PATCH /api/v1/sms/messages/{id}`: another time.
pub(super) async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: MessageId = exchange.path_id()?;
    let bytes = exchange.json().await?;
    let body: ChangeBody<'_> = json::parse(&bytes)?;
    let send_at = read_send_at(body.send_at.as_deref())?;
    let to = Reschedule {
        send_at: send_at.ok_or_else(|| Problem::missing("send_at"))?,
        priority: read_priority(body.priority.as_deref())?,
    };
    let engine = &exchange.front().engine;
    let changed = engine.reschedule(&account, id, to).await;
    let message = changed.map_err(|error| asked(exchange).schedule(error))?;
    Ok(answer(exchange, &message))
}

/// `POST /api/v1/sms/messages/{id}/cancel`
async fn cancel(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: MessageId = exchange.path_id()?;
    let cancelled = exchange.front().engine.cancel(account.id(), id).await;
    let message = cancelled.map_err(|error| asked(exchange).schedule(error))?;
    Ok(answer(exchange, &message))
}

/// `POST /api/v1/sms/cancel`: everything that waits for a recipient, or on a number, or both.
async fn cancel_all(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let bytes = exchange.json().await?;
    let body: CancelBody<'_> = json::parse(&bytes)?;
    let validation = exchange.front().validation;
    let to = body
        .to
        .map(|to| read_number("to", Some(&to), validation))
        .transpose()?;
    let engine = &exchange.front().engine;
    let own = OwnNumbers::new(engine, account.id());
    let number = match body.from {
        Some(from) => {
            let unknown = format!("the number {from} is not one of this account's numbers");
            let found = own.find(from);
            let problem = || Problem::of_field(Code::NumberUnknown, "from", unknown);
            Some(found.ok_or_else(problem)?)
        }
        None if to.is_none() => {
            let fault = "to or from is required: everything that waits is not cancelled at once";
            return Err(Problem::invalid("to", fault));
        }
        None => None,
    };
    let filter = ScheduledFilter { number, to };
    let caught = engine.cancel_all(account.id(), filter).await;
    let cancelled = caught.map_err(|error| asked(exchange).schedule(error))?;
    let data = v1::Cancelled { cancelled };
    Ok(present::json(StatusCode::OK, &Data { data }))
}

fn answer(exchange: &Exchange, message: &Message) -> HttpResponse {
    let engine = &exchange.front().engine;
    let data = v1::Whole::of(message, carrier(engine, message));
    present::json(StatusCode::OK, &Data { data })
}
