//! The client of the operators' listener, for commands.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::cli::DaemonArgs;
use crate::ops_access;

/// How long a command waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the daemon answered.
pub(crate) enum Answer {
    /// It did it.
    Done(Value),
    /// It would not; the sentence says why.
    Refused(String),
}

/// Sends one command to a running daemon, under an idempotency key if it has one.
///
/// # Errors
/// No daemon can be reached.
pub(crate) fn call(
    daemon: &DaemonArgs,
    method: Method,
    path: &str,
    body: Option<Value>,
    key: Option<&str>,
) -> anyhow::Result<Answer> {
    let dir = daemon.data_dir.display();
    let address = match daemon.ops {
        Some(address) => address,
        None => ops_access::address(&daemon.data_dir).with_context(|| {
            format!("no daemon is known on {dir}: start one, or give --data-dir or --ops")
        })?,
    };
    let token = ops_access::known_token(&daemon.data_dir)
        .with_context(|| format!("the operators' token of {dir} cannot be read"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::time::timeout(
            ANSWER_TIMEOUT,
            exchange((address, &token), method, path, body, key),
        )
        .await
        .with_context(|| {
            format!(
                "the daemon at {address} did not answer in {} s",
                ANSWER_TIMEOUT.as_secs()
            )
        })?
    })
}

async fn exchange(
    (address, token): (SocketAddr, &str),
    method: Method,
    path: &str,
    body: Option<Value>,
    key: Option<&str>,
) -> anyhow::Result<Answer> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let bytes = body.map(|body| body.to_string()).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Full::new(Bytes::from(bytes)))?;
    let response = client
        .request(request)
        .await
        .with_context(|| format!("no daemon answers at {address}: is it running?"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    let Ok(body) = body else {
        bail!("the daemon's answer broke off")
    };
    let json: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(Answer::Done(json));
    }
    let detail = json["detail"].as_str().or(json["title"].as_str());
    Ok(Answer::Refused(detail.map_or_else(
        || format!("the daemon answered {status}"),
        str::to_owned,
    )))
}
