//! `/metrics`, `/healthz` and `/readyz`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use didfarm_runtime::health::Readiness;

use super::Ops;
use crate::exchange::{Exchange, uncached};
use crate::present::{self, operators::Health};
use crate::problem::Problem;

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let content_type = (
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4"),
    );
    Ok(HttpResponse::Ok()
        .insert_header(content_type)
        .body(exchange.state::<Ops>().metrics.render()))
}

/// `GET /healthz`: the process answers.
pub(super) async fn alive(_: &mut Exchange) -> Result<HttpResponse, Problem> {
    Ok(uncached(present::json(
        StatusCode::OK,
        &Health {
            status: "ok",
            reason: None,
        },
    )))
}

/// `GET /readyz`: the engine takes new work, or why it does not.
pub(super) async fn ready(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let readiness = exchange.front().engine.readiness();
    let reason = (readiness != Readiness::Ready).then(|| readiness.as_str());
    let (code, status) = match reason {
        None => (StatusCode::OK, "ready"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    Ok(uncached(present::json(code, &Health { status, reason })))
}
