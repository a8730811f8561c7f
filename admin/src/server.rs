//! Builds both servers: the one for customers and carriers, and the operators' own.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, web};
use didfarm_config::{NumberValidation, Settings};
use didfarm_core::e164::{self, Validation};
use didfarm_runtime::EngineHandle;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::api::SendBounds;
use crate::api::batches::BatchBounds;
use crate::body::BodyBounds;
use crate::callbacks::{self, Callbacks};
use crate::capture::{self, Capture};
use crate::front::Front;
use crate::ops::Ops;
use crate::{api, carriers, exchange, metrics, ops, twilio};

/// How long the operators' listener waits for a request's head, and as long again for its body.
const OPS_REQUEST_TIMEOUT_MS: u64 = 5_000;
/// How long the operators' listener keeps an idle connection.
const OPS_KEEP_ALIVE_MS: u64 = 75_000;
/// The most connections that the operators' listener holds at once.
const OPS_CONNECTIONS_MAX: usize = 256;
/// How long the operators' requests may still take once the server was told to stop.
const OPS_SHUTDOWN_GRACE_S: u64 = 5;
/// The most bytes of an operator's request body.
const OPS_BODY_BYTES_MAX: usize = 16 * 1024;

/// Makes the server of the customers' API and the carriers' callbacks.
///
/// It serves once the returned [`Server`] is awaited and stops through its handle; it takes no
/// signals. Metrics go to the recorder that is installed at the time of this call, so install it first.
///
/// # Errors
/// The listener cannot be used, or the system gives no thread for the capture.
pub fn api_server(
    engine: EngineHandle,
    settings: &Settings,
    listener: TcpListener,
) -> io::Result<Server> {
    metrics::describe();
    callbacks::meters::describe();
    capture::meters::describe();
    e164::warm_up();
    let http = &settings.http;
    let workers = http.worker_count();
    let bounds = BodyBounds {
        bytes_max: http.body_bytes_max,
        timeout: http.body_timeout(),
    };
    let callback_bounds = BodyBounds {
        bytes_max: settings.callbacks.body_bytes_max,
        ..bounds
    };
    let batch_bounds = BatchBounds(BodyBounds {
        bytes_max: settings.limits.batch_body_bytes_max,
        ..bounds
    });
    let validation = validation(settings.numbers.validation);
    let send_bounds = SendBounds::new(settings.delivery.validity_max());
    let capture = Capture::start(settings)?;
    let server = HttpServer::new(move || {
        let front = Front::new(engine.clone(), validation, bounds);
        let faces = engine.carriers().into_iter().map(|(face, _)| face);
        let callbacks = Callbacks::new(faces, callback_bounds, capture.clone());
        App::new()
            .app_data(Rc::new(front))
            .app_data(Rc::new(callbacks))
            .app_data(send_bounds)
            .app_data(batch_bounds)
            .configure(api::routes)
            .configure(twilio::routes)
            .configure(carriers::routes)
            .configure(callbacks::routes)
            .default_service(web::to(exchange::not_found()))
    });
    server
        .workers(workers)
        .keep_alive(KeepAlive::Timeout(http.keep_alive()))
        .client_request_timeout(http.head_timeout())
        .max_connections(http.connections_max.div_ceil(workers))
        .shutdown_timeout(http.shutdown_grace_ms.div_ceil(1_000))
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)
        .map(HttpServer::run)
}

/// Makes the operators' server: metrics, health, and the commands that the token opens.
///
/// An empty token opens nothing.
///
/// # Errors
/// The listener cannot be used.
pub fn ops_server(
    engine: EngineHandle,
    metrics: PrometheusHandle,
    ops_token: Arc<str>,
    listener: TcpListener,
) -> io::Result<Server> {
    metrics::describe();
    let timeout = Duration::from_millis(OPS_REQUEST_TIMEOUT_MS);
    let bounds = BodyBounds {
        bytes_max: OPS_BODY_BYTES_MAX,
        timeout,
    };
    let server = HttpServer::new(move || {
        // Operators know their numbers better than the numbering plans do.
        let front = Front::new(engine.clone(), Validation::Syntax, bounds);
        App::new()
            .app_data(Rc::new(front))
            .app_data(Ops::new(metrics.clone(), Arc::clone(&ops_token)))
            .configure(ops::routes)
            .default_service(web::to(exchange::not_found()))
    });
    server
        .workers(1)
        .keep_alive(KeepAlive::Timeout(Duration::from_millis(OPS_KEEP_ALIVE_MS)))
        .client_request_timeout(timeout)
        .max_connections(OPS_CONNECTIONS_MAX)
        .shutdown_timeout(OPS_SHUTDOWN_GRACE_S)
        .disable_signals()
        .listen(listener)
        .map(HttpServer::run)
}

fn validation(setting: NumberValidation) -> Validation {
    match setting {
        NumberValidation::Syntax => Validation::Syntax,
        NumberValidation::Possible => Validation::Possible,
        NumberValidation::Valid => Validation::Valid,
    }
}
