//! The operators' endpoints: metrics and health for everyone who reaches the listener, the rest for
//! who has the token.

mod abuse;
mod accounts;
mod carriers;
mod consent;
mod health;
mod mails;
mod messages;
mod numbers;
mod receipts;
mod webhooks;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::auth;
use crate::exchange::{Exchange, resource, serve};
use crate::metrics::Route;
use crate::problem::{Asked, Problem};

/// Rows of a list unless the request says otherwise.
const ROWS_DEFAULT: usize = 100;
/// The most rows of a list; what is behind them shows once these are settled.
const ROWS_MAX: usize = 1_000;

/// What only the operators' routes need.
pub(crate) struct Ops {
    metrics: PrometheusHandle,
    token: Arc<str>,
}

impl Ops {
    pub(crate) fn new(metrics: PrometheusHandle, token: Arc<str>) -> Ops {
        Ops { metrics, token }
    }
}

/// Adds the routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/metrics", "GET")
                .route(web::get().to(serve(Route::Metrics, health::metrics))),
        )
        .service(
            resource("/healthz", "GET").route(web::get().to(serve(Route::Health, health::alive))),
        )
        .service(
            resource("/readyz", "GET").route(web::get().to(serve(Route::Health, health::ready))),
        )
        .service(
            resource("/ops/accounts", "GET, POST")
                .route(web::get().to(serve(Route::Operate, accounts::list)))
                .route(web::post().to(serve(Route::Operate, accounts::create))),
        )
        .service(
            resource("/ops/accounts/{id}/keys", "POST")
                .route(web::post().to(serve(Route::Operate, accounts::create_key))),
        )
        .service(
            resource("/ops/accounts/{id}/top-up", "POST")
                .route(web::post().to(serve(Route::Operate, accounts::top_up))),
        )
        .service(
            resource("/ops/accounts/{id}/limit", "PUT")
                .route(web::put().to(serve(Route::Operate, accounts::set_limit))),
        )
        .service(
            resource("/ops/accounts/{id}/spend-cap", "PUT")
                .route(web::put().to(serve(Route::Operate, accounts::set_spend_cap))),
        )
        .configure(abuse::routes)
        .service(
            resource("/ops/numbers", "POST")
                .route(web::post().to(serve(Route::Operate, numbers::add))),
        )
        .service(
            resource("/ops/numbers/{id}", "PATCH")
                .route(web::patch().to(serve(Route::Operate, numbers::set))),
        )
        .service(
            resource("/ops/numbers/{id}/release", "POST")
                .route(web::post().to(serve(Route::Operate, numbers::release))),
        )
        .service(
            resource("/ops/conversations/{id}/consent", "PUT")
                .route(web::put().to(serve(Route::Operate, consent::set))),
        )
        .service(
            resource("/ops/quarantine", "GET")
                .route(web::get().to(serve(Route::Operate, numbers::quarantine))),
        )
        .service(
            resource("/ops/carriers", "GET")
                .route(web::get().to(serve(Route::Operate, carriers::list))),
        )
        .service(
            resource("/ops/messages/in-doubt", "GET")
                .route(web::get().to(serve(Route::Operate, messages::in_doubt))),
        )
        .service(
            resource("/ops/messages/{id}/resolve", "POST")
                .route(web::post().to(serve(Route::Operate, messages::resolve))),
        )
        .service(
            resource("/ops/receipts/parked", "GET")
                .route(web::get().to(serve(Route::Operate, receipts::parked))),
        )
        .service(
            resource("/ops/receipts/aged-out", "GET")
                .route(web::get().to(serve(Route::Operate, receipts::aged_out))),
        )
        .service(
            resource("/ops/webhooks", "GET")
                .route(web::get().to(serve(Route::Operate, webhooks::list))),
        )
        .service(
            resource("/ops/mails", "GET").route(web::get().to(serve(Route::Operate, mails::list))),
        );
}

/// Takes the parameters of a list that has `limit` and no other.
fn take_rows(exchange: &Exchange) -> Result<usize, Problem> {
    take_rows_up_to(exchange, ROWS_MAX)
}

fn take_rows_up_to(exchange: &Exchange, max: usize) -> Result<usize, Problem> {
    let mut query = exchange.query()?;
    let rows = query.take_rows("limit", ROWS_DEFAULT.min(max), max)?;
    query.finish()?;
    Ok(rows)
}

/// Lets only operators in.
fn check_operator(exchange: &Exchange) -> Result<(), Problem> {
    auth::check_ops_token(exchange.bearer(), &exchange.state::<Ops>().token)
}

fn asked(exchange: &Exchange, number_field: &'static str) -> Asked {
    Asked {
        number_field,
        retry_after: exchange.front().engine.retry_after(),
    }
}
