//! Batches: many messages by one request, as one document or as a stream of lines; what becomes of them.

mod group;
mod rows;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use didfarm_core::batch::{Batch, BatchCommand, PROBLEM_BYTES_MAX, SPREAD_S_MAX, Spread};
use didfarm_core::ids::BatchId;
use didfarm_core::time::Timestamp;
use didfarm_runtime::account::AccountHandle;
use didfarm_runtime::batches::BatchDesk;
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::read::Position;
use serde::Serialize;
use serde_json::value::RawValue;

use self::group::{RowResult, Tally, Turns, hand_in};
use self::rows::{BatchBody, Reader};
use super::asked;
use super::send::SendBounds;
use crate::body::BodyBounds;
use crate::cursor::{self, List};
use crate::exchange::{Exchange, resource, serve};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::metrics::Route;
use crate::present::batches::{BatchView, Commanded, Pace, RowView};
use crate::present::{self, Data, Listed, Named, Seconds};
use crate::problem::Problem;

/// Rows that one document has.
const DOCUMENT_ROWS_MAX: usize = 10_000;
/// How long a document's rows wait for room in the engine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// What a batch's document may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchBounds(pub(crate) BodyBounds);

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/sms/batches", "GET, POST")
                .route(web::post().to(serve(Route::CreateBatch, create)))
                .route(web::get().to(serve(Route::Batches, list))),
        )
        .service(
            resource("/api/v1/sms/batches/{id}", "GET")
                .route(web::get().to(serve(Route::Batches, read))),
        )
        .service(
            resource("/api/v1/sms/batches/{id}/rows", "GET")
                .route(web::get().to(serve(Route::Batches, rows))),
        )
        .service(
            resource("/api/v1/sms/batches/{id}/pause", "POST")
                .route(web::post().to(serve(Route::CommandBatch, pause))),
        )
        .service(
            resource("/api/v1/sms/batches/{id}/resume", "POST")
                .route(web::post().to(serve(Route::CommandBatch, resume))),
        )
        .service(
            resource("/api/v1/sms/batches/{id}/cancel", "POST")
                .route(web::post().to(serve(Route::CommandBatch, cancel))),
        );
}

/// What a batch was answered with.
#[derive(Serialize)]
struct Created<'a> {
    id: Named,
    /// Whether every row was decided; those that were not can be handed in again with the same key.
    completed: bool,
    accepted: u64,
    refused: u64,
    /// When the first and the last of its messages are expected to go.
    estimated_send_at: Option<Seconds>,
    estimated_end_at: Option<Seconds>,
    results: Vec<RowView<'a>>,
}

/// `POST /api/v1/sms/batches`
async fn create(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let media_type = exchange.request().headers().get(CONTENT_TYPE);
    if media_type.is_some_and(|value| stream::is_ndjson(value.as_bytes())) {
        return stream::create(exchange).await;
    }
    let account = exchange.account()?;
    let key = idempotency::key_of(exchange.request().headers())?;
    let BatchBounds(bounds) = *exchange.state();
    let bytes = exchange.json_within(bounds).await?;
    let scope = (account.id(), GuardedRoute::Batch);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &bytes).await?;
    let body: BatchBody<'_> = json::parse(&bytes)?;
    let documents = document_rows(&body)?;
    let bounds = *exchange.state::<SendBounds>();
    let reader = Reader {
        // A batch that goes on was accepted: the settings of today are for the rows that were not decided.
        defaults: body.defaults(match claimed {
            Asked::New(_) => bounds,
            Asked::Again(_) => SendBounds::ACCEPTED,
        })?,
        validation: exchange.front().validation,
        bounds,
        template: body.template()?,
        prints: key.is_some(),
    };
    let spread = spread(body.spread_over, documents.len() as u64)?;
    let (desk, replayed) = begin(
        exchange,
        &account,
        claimed,
        Some(documents.len() as u64),
        spread,
    )
    .await?;
    let (mut results, mut tally) = (Vec::with_capacity(documents.len()), Tally::default());
    let (turns, mut failed) = (Turns::default(), None);
    for (place, group) in documents.chunks(group::ROWS_MAX).enumerate() {
        let first = (place * group::ROWS_MAX) as u64;
        let read = |(row, text): (u64, &&RawValue)| reader.read(row, text.get().as_bytes());
        let rows = (first..).zip(group).map(read).collect();
        match hand_in((&desk, &turns), asked(exchange), rows, PATIENCE).await {
            Ok(group) => {
                tally.add(&group);
                results.extend(group);
            }
            Err(error) => {
                failed = error;
                break;
            }
        }
    }
    if let Some(error) = failed {
        let problem = asked(exchange).batch(error);
        if results.is_empty() {
            return Err(problem);
        }
        // What was decided is told; the key brings the rest.
        let problem = problem.embedded(PROBLEM_BYTES_MAX);
        let rest = results.len() as u64..documents.len() as u64;
        let rest: Vec<_> = rest
            .map(|index| RowResult::failed(index, &problem))
            .collect();
        tally.add(&rest);
        results.extend(rest);
    }
    // Everything is decided by now, and is told even where that it is cannot be noted.
    let completed = tally.failed == 0 && (desk.is_completed() || desk.complete().await.is_ok());
    let mut answer = answer(&desk, &results, (&tally, completed));
    if replayed {
        idempotency::mark_replayed(answer.headers_mut());
    }
    Ok(answer)
}

fn answer(
    desk: &BatchDesk,
    results: &[RowResult],
    (tally, completed): (&Tally, bool),
) -> HttpResponse {
    let goes_at = |result: Option<&RowResult>| result.and_then(RowResult::goes_at).map(Seconds);
    let going = || results.iter().filter(|result| result.goes_at().is_some());
    let data = Created {
        id: Named(desk.id().spelled()),
        completed,
        accepted: tally.accepted,
        refused: tally.refused,
        estimated_send_at: goes_at(going().next()),
        estimated_end_at: goes_at(going().next_back()),
        results: results.iter().map(RowResult::view).collect(),
    };
    present::json(StatusCode::ACCEPTED, &Data { data })
}

fn document_rows<'b, 'a>(body: &'b BatchBody<'a>) -> Result<&'b [&'a RawValue], Problem> {
    let (field, rows) = match (&body.messages, &body.recipients) {
        (Some(rows), None) => ("messages", rows),
        (None, Some(rows)) => ("recipients", rows),
        (Some(_), Some(_)) => {
            let fault = "may not stand beside messages; send one of them";
            return Err(Problem::invalid("recipients", fault));
        }
        (None, None) => return Err(Problem::missing("messages")),
    };
    if (1..=DOCUMENT_ROWS_MAX).contains(&rows.len()) {
        return Ok(rows);
    }
    let fault =
        format!("must have 1 to {DOCUMENT_ROWS_MAX} rows; a stream of lines takes any number");
    Err(Problem::invalid(field, fault))
}

/// Reads the time that a batch of so many rows is to be spread over.
fn spread(over_s: Option<u32>, rows: u64) -> Result<Option<Spread>, Problem> {
    match over_s {
        None => Ok(None),
        Some(over_s) if (1..=SPREAD_S_MAX).contains(&over_s) => Ok(Some(Spread::new(rows, over_s))),
        Some(_) => {
            let fault = format!("must be whole seconds from 1 to {SPREAD_S_MAX}");
            Err(Problem::invalid("spread_over", fault))
        }
    }
}

/// Begins a batch, or goes on with the one of its key; says whether it goes on.
async fn begin(
    exchange: &Exchange,
    account: &Arc<AccountHandle>,
    claimed: Asked,
    rows: Option<u64>,
    spread: Option<Spread>,
) -> Result<(BatchDesk, bool), Problem> {
    let engine = &exchange.front().engine;
    let begun = match claimed {
        Asked::New(guard) => engine.open_batch(account, rows, spread, guard).await,
        Asked::Again(GuardedAnswer::Batch(id)) => engine.resume_batch(account, id).await,
        Asked::Again(_) => return Err(idempotency::misled()),
    };
    let desk = begun.map_err(|error| asked(exchange).batch(error))?;
    let is_resumed = desk.is_resumed();
    Ok((desk, is_resumed))
}

fn view(account: &AccountHandle, batch: &Batch) -> BatchView {
    let pace = Pace {
        per_second: account.limit().per_second,
        in_line: account.in_line(),
        now: super::now(),
    };
    BatchView::of(batch, &pace)
}

/// `GET /api/v1/sms/batches/{id}`
async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: BatchId = exchange.path_id()?;
    let batch = exchange.front().engine.batch(account.id(), id).await;
    let batch = batch.map_err(|error| asked(exchange).batch(error))?;
    let data = view(&account, &batch);
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `GET /api/v1/sms/batches`: the newest first.
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let mut query = exchange.query()?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::Batches(account.id());
    let after = query.take("cursor");
    let after = after
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let engine = &exchange.front().engine;
    let after = after.map(|position| BatchId(position.id));
    let page = engine.batches(account.id(), after, limit).await;
    let page = page.map_err(|error| asked(exchange).read(error))?;
    let rows = page.rows.iter();
    let rows = rows.map(|batch| view(&account, batch)).collect();
    let next = page.next.map(|id| cursor::encode(list, at_id(id.get())));
    Ok(present::json(StatusCode::OK, &Listed::new(rows, next)))
}

/// `GET /api/v1/sms/batches/{id}/rows`: by index.
async fn rows(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: BatchId = exchange.path_id()?;
    let mut query = exchange.query()?;
    let limit = query.take_limit(&["limit"], LIMIT_DEFAULT)?;
    let list = List::BatchRows(id);
    let from = query.take("cursor");
    let from = from
        .map(|cursor| cursor::decode(list, &cursor))
        .transpose()?;
    query.finish()?;
    let from = from.map_or(0, |position| position.id);
    let engine = &exchange.front().engine;
    let page = engine.batch_rows(account.id(), id, from, limit).await;
    let page = page.map_err(|error| asked(exchange).batch(error))?;
    let rows = page.rows.into_iter();
    let rows: Vec<_> = rows
        .map(|(index, row)| RowResult::decided(index, row.outcome))
        .collect();
    let views = rows.iter().map(RowResult::view);
    let next = page.next.map(|index| cursor::encode(list, at_id(index)));
    let listed = Listed::new(views.collect(), next);
    Ok(present::json(StatusCode::OK, &listed))
}

/// A position that is an id alone.
fn at_id(id: u64) -> Position {
    Position {
        at: Timestamp::ZERO,
        id,
    }
}

/// `POST /api/v1/sms/batches/{id}/pause`
async fn pause(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    command(exchange, BatchCommand::Pause, "paused").await
}

/// `POST /api/v1/sms/batches/{id}/resume`
async fn resume(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    command(exchange, BatchCommand::Resume, "running").await
}

/// `POST /api/v1/sms/batches/{id}/cancel`
async fn cancel(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    command(exchange, BatchCommand::Cancel, "cancelled").await
}

async fn command(
    exchange: &Exchange,
    command: BatchCommand,
    state: &'static str,
) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let id: BatchId = exchange.path_id()?;
    let engine = &exchange.front().engine;
    let caught = engine.command_batch(account, id, command).await;
    let data = Commanded {
        id: Named(id.spelled()),
        state,
        caught: caught.map_err(|error| asked(exchange).batch(error))?,
    };
    Ok(present::json(StatusCode::OK, &Data { data }))
}
