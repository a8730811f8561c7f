//! `/api/v1/webhooks`: the account's endpoints. What is another account's is not there.

mod attempts;
mod body;
mod recovery;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{self, ServiceConfig};
use didfarm_core::ids::{AccountId, EndpointId, EventId};
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::webhooks::{EndpointView, NewEndpoint, WebhookError};
use serde::Deserialize;

use self::body::{EndpointBody, read_types, unsaid};
use super::asked;
use super::numbers::OwnNumbers;
use crate::exchange::{Exchange, resource, serve, uncached};
use crate::fields::{Spelled, Text};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::metrics::Route;
use crate::present::{self, Data, Fraction, Shown, webhooks as shown};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    overlap_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestBody<'a> {
    #[serde(borrow)]
    event_types: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResendBody {
    event_id: Option<Spelled<EventId>>,
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/webhooks", "GET, POST")
                .route(web::get().to(serve(Route::Webhooks, list)))
                .route(web::post().to(serve(Route::Webhooks, create))),
        )
        .service(
            resource("/api/v1/webhooks/{id}", "GET, PATCH, DELETE")
                .route(web::get().to(serve(Route::Webhooks, read)))
                .route(web::patch().to(serve(Route::Webhooks, change)))
                .route(web::delete().to(serve(Route::Webhooks, delete))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/enable", "POST")
                .route(web::post().to(serve(Route::Webhooks, enable))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/disable", "POST")
                .route(web::post().to(serve(Route::Webhooks, disable))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/rotate-secret", "POST")
                .route(web::post().to(serve(Route::Webhooks, rotate))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/test", "POST")
                .route(web::post().to(serve(Route::Webhooks, test))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/resend", "POST")
                .route(web::post().to(serve(Route::Webhooks, resend))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/recover", "POST")
                .route(web::post().to(serve(Route::WebhookRecovery, recovery::start))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/recovery", "GET, DELETE")
                .route(web::get().to(serve(Route::WebhookRecovery, recovery::read)))
                .route(web::delete().to(serve(Route::WebhookRecovery, recovery::cancel))),
        )
        .service(
            resource("/api/v1/webhooks/{id}/attempts", "GET")
                .route(web::get().to(serve(Route::WebhookAttempts, attempts::list))),
        );
}

/// `POST /api/v1/webhooks`: the only answer that shows the secret, until it is rotated, but for the same
/// answer told again under its idempotency key.
async fn create(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let key = idempotency::key_of(exchange.request().headers())?;
    let bytes = exchange.json().await?;
    let own = OwnNumbers::new(&exchange.front().engine, account);
    let scope = (account, GuardedRoute::Endpoint);
    let (made, is_replayed) =
        match idempotency::claim(exchange, scope, key.as_ref(), &bytes).await? {
            Asked::New(guard) => {
                let new = read_new(&bytes, &own)?;
                let made = exchange
                    .front()
                    .engine
                    .create_endpoint(account, new, guard)
                    .await;
                (made.map_err(|error| problem(exchange, error))?, false)
            }
            Asked::Again(GuardedAnswer::Endpoint(endpoint)) => {
                (exchange.front().engine.created_endpoint(endpoint), true)
            }
            Asked::Again(
                GuardedAnswer::Message(..)
                | GuardedAnswer::Mail(_)
                | GuardedAnswer::Batch(_)
                | GuardedAnswer::Pool(_)
                | GuardedAnswer::TopUp(_),
            ) => {
                return Err(idempotency::misled());
            }
        };
    let secrets = shown::Secrets {
        secret: &made.secret.0,
        public_key: made.public_key.as_deref(),
    };
    let data = shown::Endpoint::of(&made.view, Some(secrets), |number| own.named(number));
    let mut response = uncached(present::json(StatusCode::CREATED, &Data { data }));
    let location = location(made.view.endpoint.id);
    response.headers_mut().insert(LOCATION, location);
    if is_replayed {
        idempotency::mark_replayed(response.headers_mut());
    }
    Ok(response)
}

fn read_new(bytes: &[u8], own: &OwnNumbers<'_>) -> Result<NewEndpoint, Problem> {
    let body: EndpointBody<'_> = json::parse(bytes)?;
    if body.url.is_none() {
        return Err(Problem::missing("url"));
    }
    let is_asymmetric = body.asymmetric.unwrap_or(false);
    let mut settings = unsaid();
    body.apply(&mut settings, |number| own.find(number))?;
    Ok(NewEndpoint {
        settings,
        number: None,
        is_asymmetric,
        is_status: false,
    })
}

/// `GET /api/v1/webhooks`: by id, those of numbers included. An account has so few that there are no pages.
async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    exchange.query()?.finish()?;
    let engine = &exchange.front().engine;
    let read = engine.endpoints(account).await;
    let views = read.map_err(|error| problem(exchange, error))?;
    let own = OwnNumbers::new(engine, account);
    let row = |view| shown::Endpoint::of(view, None, |number| own.named(number));
    let data: Vec<_> = views.iter().map(row).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `GET /api/v1/webhooks/{id}`
async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    exchange.query()?.finish()?;
    let read = exchange.front().engine.endpoint(account, id).await;
    let view = read.map_err(|error| problem(exchange, error))?;
    Ok(answer(exchange, account, StatusCode::OK, &view))
}

/// `PATCH /api/v1/webhooks/{id}`: what is left out stays as it is.
async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let bytes = exchange.json().await?;
    let body: EndpointBody<'_> = json::parse(&bytes)?;
    if body.asymmetric.is_some() {
        let fault = "can only be chosen when the endpoint is made";
        return Err(Problem::invalid("asymmetric", fault));
    }
    let engine = &exchange.front().engine;
    let read = engine.endpoint(account, id).await;
    let view = read.map_err(|error| problem(exchange, error))?;
    let before = view.endpoint.settings;
    let mut settings = before.clone();
    let own = OwnNumbers::new(engine, account);
    body.apply(&mut settings, |number| own.find(number))?;
    let changed = engine.change_endpoint(account, id, before, settings).await;
    let view = changed.map_err(|error| problem(exchange, error))?;
    Ok(answer(exchange, account, StatusCode::OK, &view))
}

/// `DELETE /api/v1/webhooks/{id}`
async fn delete(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    exchange.query()?.finish()?;
    let deleted = exchange.front().engine.delete_endpoint(account, id).await;
    deleted.map_err(|error| problem(exchange, error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/webhooks/{id}/enable`: says what was missed, which a recovery sends.
async fn enable(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let engine = &exchange.front().engine;
    let enabled = engine.enable_endpoint(account, id).await;
    let enabled = enabled.map_err(|error| problem(exchange, error))?;
    let own = OwnNumbers::new(engine, account);
    let answer = shown::Enabled {
        data: shown::Endpoint::of(&enabled.view, None, |number| own.named(number)),
        missed: enabled.missed.map(shown::Missed::of),
    };
    Ok(present::json(StatusCode::OK, &answer))
}

/// `POST /api/v1/webhooks/{id}/disable`
async fn disable(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let disabled = exchange.front().engine.disable_endpoint(account, id).await;
    let view = disabled.map_err(|error| problem(exchange, error))?;
    Ok(answer(exchange, account, StatusCode::OK, &view))
}

/// `POST /api/v1/webhooks/{id}/rotate-secret`: the only answer that shows the new secret.
async fn rotate(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let bytes = exchange.json_or_nothing().await?;
    let RotateBody { overlap_seconds } = json::parse(&bytes)?;
    let overlap = overlap_seconds.map(Duration::from_secs);
    let engine = &exchange.front().engine;
    let rotated = engine.rotate_keys(account, id, overlap).await;
    let rotated = rotated.map_err(|error| problem(exchange, error))?;
    let data = shown::NewKeys::of(&rotated);
    Ok(uncached(present::json(StatusCode::OK, &Data { data })))
}

/// `POST /api/v1/webhooks/{id}/test`
async fn test(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let bytes = exchange.json_or_nothing().await?;
    let TestBody { event_types } = json::parse(&bytes)?;
    let types = read_types("event_types", &event_types.unwrap_or_default())?;
    let engine = &exchange.front().engine;
    let offered = engine.test_endpoint(account, id, &types).await;
    let offered = offered.map_err(|error| problem(exchange, error))?;
    let data: Vec<_> = offered.iter().map(shown::Example::of).collect();
    Ok(present::json(StatusCode::ACCEPTED, &Data { data }))
}

/// `POST /api/v1/webhooks/{id}/resend`
async fn resend(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, id) = named(exchange)?;
    let bytes = exchange.json().await?;
    let ResendBody { event_id } = json::parse(&bytes)?;
    let Spelled(event) = event_id.ok_or_else(|| Problem::missing("event_id"))?;
    let due = exchange.front().engine.resend(account, id, event).await;
    let due = due.map_err(|error| problem(exchange, error))?;
    let data = shown::Resent {
        event_id: Shown(event),
        endpoint_id: Shown(id),
        due_at: Fraction(due),
    };
    Ok(present::json(StatusCode::ACCEPTED, &Data { data }))
}

/// Who asks, and about which endpoint.
fn named(exchange: &Exchange) -> Result<(AccountId, EndpointId), Problem> {
    let account = exchange.account()?.id();
    Ok((account, exchange.path_id()?))
}

fn answer(
    exchange: &Exchange,
    account: AccountId,
    status: StatusCode,
    view: &EndpointView,
) -> HttpResponse {
    let own = OwnNumbers::new(&exchange.front().engine, account);
    let data = shown::Endpoint::of(view, None, |number| own.named(number));
    present::json(status, &Data { data })
}

fn problem(exchange: &Exchange, error: WebhookError) -> Problem {
    asked(exchange).webhook(error, "url")
}

fn location(id: EndpointId) -> HeaderValue {
    HeaderValue::try_from(format!("/api/v1/webhooks/{id}")).expect("an id is ASCII")
}
