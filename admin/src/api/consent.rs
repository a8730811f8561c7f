//! `/api/v1/sms/conversations/{id}/consent` and `/api/v1/sms/opt-outs`: who may be written to, and why not.

mod export;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use didfarm_core::consent::{ConsentCause, ConsentChange};
use didfarm_core::ids::{AccountId, ConversationId};
use didfarm_runtime::consent::{ConsentError, ConsentRecord, OptOutFilter};
use serde::Deserialize;

use super::asked;
use super::conversations::{Wanted, take_number};
use crate::cursor::{self, List};
use crate::exchange::{Exchange, resource, serve};
use crate::fields::Text;
use crate::json;
use crate::metrics::Route;
use crate::present::{self, Data, Listed, consent as shown};
use crate::problem::Problem;
use crate::query::{Query, read_bool};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/sms/conversations/{id}/consent", "GET, PUT, DELETE")
                .route(web::get().to(serve(Route::Consent, read)))
                .route(web::put().to(serve(Route::Consent, set)))
                .route(web::delete().to(serve(Route::Consent, lift))),
        )
        .service(
            resource("/api/v1/sms/opt-outs", "GET")
                .route(web::get().to(serve(Route::OptOuts, list))),
        )
        .service(
            resource("/api/v1/sms/opt-outs/export", "GET")
                .route(web::get().to(serve(Route::OptOuts, export::export))),
        );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentBody<'a> {
    opted_out: Option<bool>,
    #[serde(borrow)]
    note: Option<Text<'a>>,
}

/// `GET /api/v1/sms/conversations/{id}/consent`
async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let id: ConversationId = exchange.path_id()?;
    exchange.query()?.finish()?;
    answer(exchange, account, id).await
}

/// `PUT /api/v1/sms/conversations/{id}/consent`: durable before it is answered; what is so already stays
/// as it was recorded first.
async fn set(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let id: ConversationId = exchange.path_id()?;
    let body = exchange.json().await?;
    let record = read_record(&body, ConsentCause::Agent)?;
    change(exchange, account, id, record).await
}

/// `DELETE /api/v1/sms/conversations/{id}/consent`: lifts the opt-out, if one holds.
async fn lift(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let id: ConversationId = exchange.path_id()?;
    exchange.query()?.finish()?;
    let record = ConsentRecord {
        change: ConsentChange::OptedIn,
        by: ConsentCause::Agent,
        note: None,
    };
    change(exchange, account, id, record).await
}

/// What a body says of a peer's consent.
///
/// # Errors
/// `validation_failed` with the field.
pub(crate) fn read_record(body: &[u8], by: ConsentCause) -> Result<ConsentRecord, Problem> {
    let ConsentBody { opted_out, note } = json::parse(body)?;
    let change = match opted_out.ok_or_else(|| Problem::missing("opted_out"))? {
        true => ConsentChange::OptedOut,
        false => ConsentChange::OptedIn,
    };
    Ok(ConsentRecord {
        change,
        by,
        note: note.map(|note| note.to_string().into()),
    })
}

/// Records a change, and answers with what holds then.
async fn change(
    exchange: &Exchange,
    account: AccountId,
    id: ConversationId,
    record: ConsentRecord,
) -> Result<HttpResponse, Problem> {
    let engine = &exchange.front().engine;
    let recorded = engine.record_consent(Some(account), id, record).await;
    recorded.map_err(|error| problem(exchange, error))?;
    answer(exchange, account, id).await
}

fn problem(exchange: &Exchange, error: ConsentError) -> Problem {
    let detail = error.to_string();
    match error {
        ConsentError::Unknown => Problem::not_found(),
        ConsentError::NoteTooLong => Problem::invalid("note", detail),
        ConsentError::Unreadable(error) => asked(exchange).read(error),
    }
}

async fn answer(
    exchange: &Exchange,
    account: AccountId,
    id: ConversationId,
) -> Result<HttpResponse, Problem> {
    let read = exchange.front().engine.consent(account, id).await;
    let found = read.map_err(|error| asked(exchange).read(error))?;
    let view = found.ok_or_else(Problem::not_found)?;
    let data = shown::Consent::of(&view);
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `GET /api/v1/sms/opt-outs`
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let filter = take_filter(exchange, &mut query, account)?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::OptOuts(account);
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let Some(filter) = filter else {
        let nothing = Listed::<()>::new(Vec::new(), None);
        return Ok(present::json(StatusCode::OK, &nothing));
    };
    let engine = &exchange.front().engine;
    let read = engine.opt_outs(account, filter, after, limit).await;
    let page = read.map_err(|error| asked(exchange).read(error))?;
    let rows = page.rows.iter().map(shown::OptOut::of).collect();
    let next_cursor = page.next.map(|position| cursor::encode(list, position));
    let listed = Listed::new(rows, next_cursor);
    Ok(present::json(StatusCode::OK, &listed))
}

/// Takes `number` and `active`; `None` for a number that is none of the account's, which has no opt-outs.
fn take_filter(
    exchange: &Exchange,
    query: &mut Query,
    account: AccountId,
) -> Result<Option<OptOutFilter>, Problem> {
    let number = take_number(exchange, query, account)?;
    let holds = query.take_as("active", "true or false", read_bool)?;
    Ok(match number {
        Some(Wanted::None) => None,
        Some(Wanted::Number(number)) => Some(OptOutFilter {
            number: Some(number),
            holds,
        }),
        None => Some(OptOutFilter {
            number: None,
            holds,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    #[test]
    fn a_body_says_which_way_and_may_have_a_note() {
        let read = |body: &str| read_record(body.as_bytes(), ConsentCause::Agent);
        let out = read(r#"{"opted_out": true, "note": "by phone"}"#).unwrap();
        assert_eq!(
            (out.change, out.by, out.note.as_deref()),
            (
                ConsentChange::OptedOut,
                ConsentCause::Agent,
                Some("by phone")
            )
        );
        let back = read(r#"{"opted_out": false}"#).unwrap();
        assert_eq!(back.change, ConsentChange::OptedIn);
        for (body, field) in [
            ("{}", "opted_out"),
            (r#"{"opted_out": "yes"}"#, "opted_out"),
            (r#"{"opted_out": true, "reason": "x"}"#, "reason"),
        ] {
            let document = document_of(read(body).unwrap_err());
            assert_eq!(document["errors"][0]["field"], field, "{document}");
        }
    }
}
