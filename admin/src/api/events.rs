//! `/api/v1/events`: what endpoints are told of, and how far each is with it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, ConversationId, EventId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::EventType;
use didfarm_runtime::EngineHandle;
use didfarm_runtime::read::Position;
use didfarm_runtime::webhooks::EventQuery;

use super::asked;
use super::numbers::OwnNumbers;
use crate::cursor::{self, List};
use crate::exchange::Exchange;
use crate::fields::NumberRef;
use crate::present::{self, Data, Listed, events as shown};
use crate::problem::Problem;
use crate::query::{Query, one_of};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// `GET /api/v1/events`: newest first.
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let number = query.take_as(
        "number",
        "an id of a number, or a number in E.164 with + as %2B",
        NumberRef::parse,
    )?;
    let mut filter = take_filter(&mut query)?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::Events(account);
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?
        .map(|position| EventId(position.id));
    query.finish()?;
    let engine = &exchange.front().engine;
    if let Some(number) = number {
        filter.number = OwnNumbers::new(engine, account).find(number);
        if filter.number.is_none() {
            // The number is none of the account's: nothing is about it.
            let nothing = Listed::<()>::new(Vec::new(), None);
            return Ok(present::json(StatusCode::OK, &nothing));
        }
    }
    page(exchange, engine, account, filter, after, limit).await
}

async fn page(
    exchange: &Exchange,
    engine: &EngineHandle,
    account: AccountId,
    filter: EventQuery,
    after: Option<EventId>,
    limit: usize,
) -> Result<HttpResponse, Problem> {
    let read = engine.events(account, filter, after, limit).await;
    let page = read.map_err(|error| asked(exchange).webhook(error, "url"))?;
    let rows = page.rows.iter();
    let rows = rows
        .map(|event| shown::Event::of(event.id, &event.row))
        .collect();
    let next_cursor = page.next.map(|event| {
        let position = Position {
            at: Timestamp::ZERO,
            id: event.get(),
        };
        cursor::encode(List::Events(account), position)
    });
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

fn take_filter(query: &mut Query) -> Result<EventQuery, Problem> {
    let types = query.take_as(
        "type",
        &one_of(EventType::ALL, EventType::as_str),
        EventType::parse,
    )?;
    Ok(EventQuery {
        types: types.into_iter().collect(),
        number: None,
        channel: query.take_as(
            "channel",
            &one_of(&Channel::ALL, Channel::as_str),
            Channel::parse,
        )?,
        conversation: query.take_as("conversation_id", "the id of a conversation", |text| {
            text.parse::<ConversationId>().ok()
        })?,
        since: query.take_time("since")?,
        until: query.take_time("until")?,
    })
}

/// `GET /api/v1/events/{id}`: with its payload and every attempt that is still stored.
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let id: EventId = exchange.path_id()?;
    exchange.query()?.finish()?;
    let read = exchange.front().engine.event(account, id).await;
    let view = read.map_err(|error| asked(exchange).webhook(error, "url"))?;
    let data = shown::Whole::of(&view)
        .ok_or_else(|| Problem::internal(format!("the payload of {id} is no JSON")))?;
    Ok(present::json(StatusCode::OK, &Data { data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    #[test]
    fn every_filter_is_read_and_a_bad_one_is_refused_by_its_name() {
        let text = "type=wallet.low&channel=sms&conversation_id=conv_7&since=2026-04-05T14:22:08Z&until=2026-04-06T00:00:00Z";
        let mut query = Query::parse(text).unwrap();
        let filter = take_filter(&mut query).unwrap();
        query.finish().unwrap();
        assert_eq!(filter.types, [EventType::WalletLow]);
        assert_eq!(
            (filter.channel, filter.conversation),
            (Some(Channel::Sms), Some(ConversationId(7)))
        );
        assert!(filter.since < filter.until);
        for name in ["type", "channel", "conversation_id", "since", "until"] {
            let mut query = Query::parse(&format!("{name}=nonsense")).unwrap();
            let document = document_of(take_filter(&mut query).unwrap_err());
            assert_eq!(document["errors"][0]["field"], name);
        }
    }
}
