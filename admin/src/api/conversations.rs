//! `/api/v1/sms/conversations`: the list, and the messages of one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, ConversationId, NumberId};
use didfarm_runtime::read::ConversationFilter;

use super::{asked, carrier, now};
use crate::cursor::{self, List};
use crate::exchange::Exchange;
use crate::present::{self, Listed, Named, v1};
use crate::problem::Problem;
use crate::query::{Query, one_of, read_bool, read_number};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// `GET /api/v1/sms/conversations/{id}/messages`
pub(super) async fn messages(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: ConversationId = exchange.path_id()?;
    let mut query = exchange.query()?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let before = query
        .take("cursor")
        .map(|cursor| cursor::decode_history(id, &cursor))
        .transpose()?;
    query.finish()?;
    let read = exchange
        .front()
        .engine
        .conversation_messages(account.id(), id, before, limit)
        .await;
    let found = read.map_err(|error| asked(exchange).read(error))?;
    let page = found.ok_or_else(Problem::not_found)?.page;
    let engine = &exchange.front().engine;
    let row = |message| v1::Row::of(message, carrier(engine, message));
    let history = v1::History {
        data: page.rows.iter().map(row).collect(),
        conversation_id: Named(id.spelled()),
        has_more: page.next.is_some(),
        next_cursor: page.next.map(|before| cursor::encode_history(id, before)),
    };
    Ok(present::json(StatusCode::OK, &history))
}

/// `GET /api/v1/sms/conversations`
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let number = take_number(exchange, &mut query, account)?;
    let channel = query.take_as(
        "channel",
        &one_of(&Channel::ALL, Channel::as_str),
        Channel::parse,
    )?;
    let unread = query.take_as("unread", "true or false", read_bool)?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::Conversations(account);
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let number = match number {
        Some(Wanted::None) => {
            return Ok(present::json(
                StatusCode::OK,
                &Listed::<()>::new(Vec::new(), None),
            ));
        }
        Some(Wanted::Number(number)) => Some(number),
        None => None,
    };
    let filter = ConversationFilter {
        number,
        channel,
        unread,
    };
    let read = exchange
        .front()
        .engine
        .conversations(account, filter, after, limit)
        .await;
    let page = read.map_err(|error| asked(exchange).read(error))?;
    let now = now();
    let rows = page
        .rows
        .iter()
        .map(|view| v1::Conversation::of(view, now))
        .collect();
    let next_cursor = page.next.map(|position| cursor::encode(list, position));
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

/// Which number a list is asked for.
pub(super) enum Wanted {
    /// Conversations on this number.
    Number(NumberId),
    /// The number is none of the account's: it has no conversations.
    None,
}

/// Takes `number`, an id in either spelling or the number itself.
pub(super) fn take_number(
    exchange: &Exchange,
    query: &mut Query,
    account: AccountId,
) -> Result<Option<Wanted>, Problem> {
    query.take_as(
        "number",
        "an id of a number, or a number in E.164 with + as %2B",
        |text| {
            if let Ok(id) = text.parse() {
                return Some(Wanted::Number(id));
            }
            let e164 = read_number(text)?;
            let own = exchange.front().engine.number_by_e164(account, e164);
            Some(own.map_or(Wanted::None, Wanted::Number))
        },
    )
}
