//! `/api/v1/sms/pools`: numbers that send for each other. What is another account's is not there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{self, ServiceConfig};
use didfarm_core::ids::{NumberId, PoolId};
use didfarm_core::refusal::Refusal;
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::operate::OperateError;
use didfarm_runtime::pools::PoolView;
use serde::Deserialize;

use super::asked_by;
use super::numbers::OwnNumbers;
use crate::exchange::{Exchange, resource, serve};
use crate::fields::{NumberRef, Text};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::metrics::Route;
use crate::present::{self, Data, pools::Pool};
use crate::problem::{Code, Problem};

/// The field with a pool's numbers.
const NUMBERS: &str = "numbers";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolBody<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    numbers: Option<Vec<NumberRef>>,
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/sms/pools", "GET, POST")
                .route(web::get().to(serve(Route::Pools, list)))
                .route(web::post().to(serve(Route::Pools, create))),
        )
        .service(
            resource("/api/v1/sms/pools/{id}", "GET, PATCH, DELETE")
                .route(web::get().to(serve(Route::Pools, read)))
                .route(web::patch().to(serve(Route::Pools, change)))
                .route(web::delete().to(serve(Route::Pools, delete))),
        );
}

/// `POST /api/v1/sms/pools`
async fn create(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let key = idempotency::key_of(exchange.request().headers())?;
    let bytes = exchange.json().await?;
    let scope = (account.id(), GuardedRoute::Pool);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &bytes).await?;
    let engine = &exchange.front().engine;
    let (pool, is_replayed) = match claimed {
        Asked::New(guard) => {
            let PoolBody { name, numbers } = json::parse(&bytes)?;
            let name = name.ok_or_else(|| Problem::missing("name"))?;
            let numbers = numbers.ok_or_else(|| Problem::missing(NUMBERS))?;
            let numbers = own(&OwnNumbers::new(engine, account.id()), &numbers)?;
            let made = engine.create_pool(&account, &name, numbers, guard).await;
            (made.map_err(|error| problem(exchange, error))?, false)
        }
        Asked::Again(GuardedAnswer::Pool(pool)) => (engine.created_pool(&pool), true),
        Asked::Again(
            GuardedAnswer::Message(..)
            | GuardedAnswer::Endpoint(_)
            | GuardedAnswer::Mail(_)
            | GuardedAnswer::Batch(_)
            | GuardedAnswer::TopUp(_),
        ) => return Err(idempotency::misled()),
    };
    let mut response = answer(StatusCode::CREATED, &pool);
    let location = HeaderValue::try_from(format!("/api/v1/sms/pools/{}", pool.id));
    let location = location.expect("an id is ASCII");
    response.headers_mut().insert(LOCATION, location);
    if is_replayed {
        idempotency::mark_replayed(response.headers_mut());
    }
    Ok(response)
}

/// `GET /api/v1/sms/pools`: by id. An account has so few that there are no pages.
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    let pools = exchange.front().engine.pools(&account);
    let data: Vec<_> = pools.iter().map(Pool::of).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `GET /api/v1/sms/pools/{id}`
async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id = exchange.path_id()?;
    exchange.query()?.finish()?;
    let pool = exchange.front().engine.pool(&account, id);
    let pool = pool.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, &pool))
}

/// `PATCH /api/v1/sms/pools/{id}`: what is left out stays as it is.
async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id: PoolId = exchange.path_id()?;
    let bytes = exchange.json().await?;
    let PoolBody { name, numbers } = json::parse(&bytes)?;
    let engine = &exchange.front().engine;
    let own_numbers = OwnNumbers::new(engine, account.id());
    let numbers = numbers.map(|numbers| own(&own_numbers, &numbers));
    let numbers = numbers.transpose()?;
    let changed = engine
        .change_pool(&account, id, name.as_deref(), numbers)
        .await;
    let pool = changed.map_err(|error| problem(exchange, error))?;
    Ok(answer(StatusCode::OK, &pool))
}

/// `DELETE /api/v1/sms/pools/{id}`
async fn delete(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let id = exchange.path_id()?;
    exchange.query()?.finish()?;
    let deleted = exchange.front().engine.delete_pool(&account, id).await;
    deleted.map_err(|error| problem(exchange, error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// The numbers that are meant. The first that is not the account's is refused.
fn own(own: &OwnNumbers<'_>, numbers: &[NumberRef]) -> Result<Vec<NumberId>, Problem> {
    let find = |number: &NumberRef| {
        own.find(*number).ok_or_else(|| {
            let detail = format!("the number {number} is not one of this account's numbers");
            Problem::of_field(Code::NumberUnknown, NUMBERS, detail)
        })
    };
    numbers.iter().map(find).collect()
}

/// A pool that the path names is not found where there is none.
fn problem(exchange: &Exchange, error: OperateError) -> Problem {
    match error {
        OperateError::Refused(Refusal::PoolUnknown { .. }) => Problem::not_found(),
        error => asked_by(exchange, NUMBERS).operate(error),
    }
}

fn answer(status: StatusCode, pool: &PoolView) -> HttpResponse {
    let data = Pool::of(pool);
    present::json(status, &Data { data })
}
