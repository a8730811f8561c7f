//! `/2010-04-01/Accounts/{sid}/Messages…`: one message, the list, and cancels.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_runtime::read::{MessageFilter, PAGE_ROWS_MAX, Page, Position};
use didfarm_webhooks::twilio::status::CANCELED;
use didfarm_webhooks::twilio::{API_VERSION, WHATSAPP_PREFIX, sid};
use form_urlencoded::Serializer;
use serde::Serialize;

use super::access;
use super::form::Form;
use super::resource::Resource;
use crate::api::asked_by;
use crate::cursor::{self, List};
use crate::exchange::Exchange;
use crate::present;
use crate::problem::Problem;
use crate::query::{Query, read_number};

/// Rows on a page unless the request says otherwise, and at most.
const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;
/// What stands before a cursor in `PageToken`.
const PAGE_TOKEN_PREFIX: &str = "PA";
/// Seconds of a day.
const DAY_US: i64 = 86_400 * SECOND_US;
const SECOND_US: i64 = 1_000_000;

/// `GET /2010-04-01/Accounts/{sid}/Messages/{sid}.json`
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = access::account(exchange)?;
    let id = named(exchange)?;
    let read = exchange.front().engine.message(account.id(), id).await;
    let message = read.map_err(|error| asked_by(exchange, "From").read(error))?;
    answer(&message.ok_or_else(Problem::not_found)?)
}

/// `POST /2010-04-01/Accounts/{sid}/Messages/{sid}.json`: cancels what waits.
pub(super) async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = access::account(exchange)?;
    let id = named(exchange)?;
    Form::check_media_type(exchange.request().headers())?;
    let bounds = exchange.front().bounds;
    let body = exchange.raw(bounds).await?;
    let form = Form::parse(&body)?;
    if form.given("Body").is_some() {
        let fault = "cannot be changed: redaction is not supported here";
        return Err(Problem::invalid("Body", fault));
    }
    match form.get("Status") {
        Some(CANCELED) => {}
        Some(_) => return Err(Problem::invalid("Status", "must be canceled")),
        None => return Err(Problem::missing("Status")),
    }
    let cancelled = exchange.front().engine.cancel(account.id(), id).await;
    answer(&cancelled.map_err(|error| asked_by(exchange, "From").schedule(error))?)
}

fn answer(message: &Message) -> Result<HttpResponse, Problem> {
    Ok(present::json(StatusCode::OK, &Resource::of(message)))
}

fn named(exchange: &Exchange) -> Result<MessageId, Problem> {
    let named = exchange.request().match_info().get("message");
    named
        .and_then(sid::read_message)
        .ok_or_else(Problem::not_found)
}

/// A page as Twilio shows it. There is no way back from one: the first page is where a list begins.
#[derive(Serialize)]
struct Listed<'a> {
    messages: Vec<Resource<'a>>,
    page: usize,
    page_size: usize,
    start: usize,
    end: usize,
    uri: String,
    first_page_uri: String,
    next_page_uri: Option<String>,
    previous_page_uri: Option<String>,
}

/// What a list is asked for.
struct Wanted {
    filter: MessageFilter,
    /// Where it starts: behind a page, or at a time.
    after: Option<Position>,
    page_size: usize,
    page: usize,
    /// The parameters that every page's address repeats.
    repeated: Vec<(&'static str, String)>,
}

/// `GET /2010-04-01/Accounts/{sid}/Messages.json`: newest first.
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = access::account(exchange)?.id();
    let wanted = read_wanted(&mut exchange.query()?, account)?;
    let found = page(exchange, account, &wanted).await?;
    let address = |page: usize, token: Option<String>| {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(wanted.repeated.iter().map(|(name, value)| (*name, value)));
        query.append_pair("PageSize", &wanted.page_size.to_string());
        query.append_pair("Page", &page.to_string());
        if let Some(token) = token {
            query.append_pair("PageToken", &token);
        }
        let query = query.finish();
        let account = sid::account(account);
        format!("/{API_VERSION}/Accounts/{account}/Messages.json?{query}")
    };
    let token = |position| {
        format!(
            "{PAGE_TOKEN_PREFIX}{}",
            cursor::encode(List::Messages(account), position)
        )
    };
    let start = wanted.page.saturating_mul(wanted.page_size);
    let listed = Listed {
        page: wanted.page,
        page_size: wanted.page_size,
        start,
        end: start.saturating_add(found.rows.len().saturating_sub(1)),
        uri: address(wanted.page, wanted.after.map(token)),
        first_page_uri: address(0, None),
        next_page_uri: found
            .next
            .map(|next| address(wanted.page.saturating_add(1), Some(token(next)))),
        previous_page_uri: None,
        messages: found.rows.iter().map(Resource::of).collect(),
    };
    Ok(present::json(StatusCode::OK, &listed))
}

/// As many of the engine's pages as fill one of Twilio's. One that came short was long to look for: the next
/// request goes on there.
async fn page(
    exchange: &Exchange,
    account: AccountId,
    wanted: &Wanted,
) -> Result<Page<Message, Position>, Problem> {
    let engine = &exchange.front().engine;
    let mut rows = Vec::new();
    let mut after = wanted.after;
    loop {
        let limit = (wanted.page_size - rows.len()).min(PAGE_ROWS_MAX);
        let read = engine.messages(account, wanted.filter.clone(), after, limit);
        let found = read.await;
        let found = found.map_err(|error| asked_by(exchange, "From").read(error))?;
        let is_short = found.rows.len() < limit;
        rows.extend(found.rows);
        after = found.next;
        if after.is_none() || is_short || rows.len() == wanted.page_size {
            return Ok(Page { rows, next: after });
        }
    }
}

fn read_wanted(query: &mut Query, account: AccountId) -> Result<Wanted, Problem> {
    let mut repeated = Vec::new();
    let mut take = |query: &mut Query, name: &'static str| {
        let value = query.take(name)?;
        repeated.push((name, value.clone()));
        Some(value)
    };
    let to = take(query, "To")
        .map(|text| party("To", &text))
        .transpose()?;
    let from = take(query, "From")
        .map(|text| party("From", &text))
        .transpose()?;
    let on = take(query, "DateSent")
        .map(|text| time("DateSent", &text))
        .transpose()?;
    let before = take(query, "DateSent<")
        .map(|text| time("DateSent<", &text))
        .transpose()?;
    let after = take(query, "DateSent>")
        .map(|text| time("DateSent>", &text))
        .transpose()?;
    let number = |party: &Option<(Option<Channel>, E164)>| party.as_ref().map(|party| party.1);
    let filter = MessageFilter {
        to: number(&to),
        from: number(&from),
        channel: to.and_then(|to| to.0).or(from.and_then(|from| from.0)),
        since: [on, after].iter().flatten().map(|span| span.0).max(),
        ..MessageFilter::default()
    };
    let until = [on, before].iter().flatten().map(|span| span.1).min();
    let list = List::Messages(account);
    let token = query.take("PageToken").map(|token| {
        let cursor = token.strip_prefix(PAGE_TOKEN_PREFIX).unwrap_or(&token);
        cursor::decode(list, cursor)
    });
    let page = query.take_as("Page", "a whole number", |text| text.parse().ok())?;
    let page = page.unwrap_or(0);
    if page > 0 && token.is_none() {
        let fault = "must be 0 without the PageToken of next_page_uri";
        return Err(Problem::invalid("Page", fault));
    }
    let page_size = query.take_as("PageSize", "a whole number from 1 to 1000", |text| {
        text.parse().ok().filter(|rows| *rows >= 1)
    })?;
    Ok(Wanted {
        filter,
        // Nothing has the id 0, so that this stands before all that is older.
        after: token
            .transpose()?
            .or(until.map(|at| Position { at, id: 0 })),
        page_size: page_size.unwrap_or(PAGE_SIZE_DEFAULT).min(PAGE_SIZE_MAX),
        page,
        repeated,
    })
}

/// A number, and the channel that its prefix names.
fn party(name: &str, text: &str) -> Result<(Option<Channel>, E164), Problem> {
    let (channel, number) = match text.strip_prefix(WHATSAPP_PREFIX) {
        Some(number) => (Some(Channel::WhatsApp), number),
        None => (None, text),
    };
    let number = read_number(number)
        .ok_or_else(|| Problem::invalid(name, "must be a number in E.164, with + as %2B"))?;
    Ok((channel, number))
}

/// The time that a parameter names, and the end of the day or second that it is.
fn time(name: &str, text: &str) -> Result<(Timestamp, Timestamp), Problem> {
    let (from, span_us) = match text.parse::<jiff::civil::Date>() {
        Ok(day) if text.len() == "2026-04-05".len() => {
            let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok();
            (
                zoned.map(|day| Timestamp(day.timestamp().as_microsecond())),
                DAY_US,
            )
        }
        Ok(_) | Err(_) => (Timestamp::parse_rfc3339(&text.replace(' ', "+")), SECOND_US),
    };
    let expected = "must be a day such as 2026-04-05, or a time by ISO 8601";
    let from = from.ok_or_else(|| Problem::invalid(name, expected))?;
    Ok((from, Timestamp(from.0.saturating_add(span_us))))
}
