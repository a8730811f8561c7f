//! `/api/v1/portal/sms`: the same engine in the portal's dialect.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::{Channel, Direction};
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::NumberId;
use didfarm_runtime::idempotency::GuardedRoute;
use didfarm_runtime::read::MessageFilter;

use super::{asked, carrier, send};
use crate::cursor::{self, List};
use crate::exchange::Exchange;
use crate::present::{self, Data, Listed, portal};
use crate::problem::Problem;
use crate::query::{Query, one_of};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 25;
/// Numbers that are looked up in numbering plans before other requests get their turn.
const NUMBERS_PER_TURN: usize = 64;

/// `POST /api/v1/portal/sms/send`
pub(super) async fn send(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let sent = send::send(exchange, GuardedRoute::PortalMessage).await?;
    let mut response = present::json(StatusCode::OK, &portal::SendAnswer::of(&sent));
    send::show(exchange, &mut response, &sent);
    Ok(response)
}

/// `GET /api/v1/portal/sms`
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let filter = take_filter(&mut query)?;
    let limit = query.take_limit(&["limit", "per_page"], LIMIT_DEFAULT)?;
    let list = List::Messages(account);
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let read = exchange
        .front()
        .engine
        .messages(account, filter, after, limit)
        .await;
    let page = read.map_err(|error| asked(exchange).read(error))?;
    let engine = &exchange.front().engine;
    let row = |message| portal::Row::of(message, carrier(engine, message));
    let rows = page.rows.iter().map(row).collect();
    let next_cursor = page.next.map(|position| cursor::encode(list, position));
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

fn take_filter(query: &mut Query) -> Result<MessageFilter, Problem> {
    let directions = [Direction::Inbound, Direction::Outbound];
    Ok(MessageFilter {
        direction: query.take_as(
            "direction",
            &one_of(&directions, Direction::as_str),
            Direction::parse,
        )?,
        channel: query.take_as(
            "channel",
            &one_of(&Channel::ALL, Channel::as_str),
            Channel::parse,
        )?,
        status: query.take_as(
            "status",
            &one_of(&Status::ALL, Status::as_str),
            Status::parse,
        )?,
        number: query.take_as("number_id", "the id of a number", |text| {
            text.parse::<NumberId>().ok()
        })?,
        from: query.take_number("from")?,
        to: query.take_number("to")?,
        since: query.take_time("since")?,
    })
}

/// `GET /api/v1/portal/sms/numbers`
pub(super) async fn numbers(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    let numbers = exchange.front().engine.numbers(account.id());
    let mut data = Vec::with_capacity(numbers.len());
    for some in numbers.chunks(NUMBERS_PER_TURN) {
        data.extend(some.iter().map(portal::OwnNumber::of));
        tokio::task::yield_now().await;
    }
    Ok(present::json(StatusCode::OK, &Data { data }))
}

#[cfg(test)]
mod tests {
    use didfarm_core::e164::E164;

    use super::*;
    use crate::problem::{Code, document_of};

    #[test]
    fn every_filter_is_read() {
        let text = "direction=outbound&channel=sms&status=sent&number_id=num_7&from=%2B31201234567&to=+31612345678&since=2026-04-05T14:22:08Z";
        let mut query = Query::parse(text).unwrap();
        let filter = take_filter(&mut query).unwrap();
        query.finish().unwrap();
        assert_eq!(
            (filter.direction, filter.channel),
            (Some(Direction::Outbound), Some(Channel::Sms))
        );
        assert_eq!(
            (filter.status, filter.number),
            (Some(Status::Sent), Some(NumberId(7)))
        );
        assert_eq!(filter.from, E164::from_digits(31_201_234_567).ok());
        assert_eq!(filter.to, E164::from_digits(31_612_345_678).ok());
        assert!(filter.since.is_some());
    }

    #[test]
    fn a_bad_filter_is_refused_by_its_name() {
        for name in [
            "direction",
            "channel",
            "status",
            "number_id",
            "from",
            "to",
            "since",
        ] {
            let problem =
                take_filter(&mut Query::parse(&format!("{name}=nonsense")).unwrap()).unwrap_err();
            assert_eq!(problem.code(), Code::ValidationFailed, "{name}");
            assert_eq!(document_of(problem)["errors"][0]["field"], name);
        }
    }
}
