//! What the bench asks of a daemon: endpoints as a customer, numbers and gauges as an operator.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use didfarm_loadtest::connection::Connection;
use didfarm_loadtest::{Target, get};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::receiver::wait_until;
use crate::daemon::{Daemon, DaemonPlan, KEY};
use crate::load::ANSWER_TIMEOUT_S;

/// The id of the account that a first start makes.
const DEMO_ACCOUNT: &str = "acct_00000000001";
/// Where the daemon keeps the operators' token.
const TOKEN_FILE: &str = "ops.token";
/// Journal entries that the records may lack and still count as caught up.
const LAG_ENTRIES_MAX: f64 = 1_000.0;
/// How long the records may take to catch up.
const CATCH_UP_MAX: Duration = Duration::from_secs(300);

/// An endpoint, as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) status: String,
    pub(super) pending: u64,
    /// Only in the answer that made it.
    pub(super) secret: Option<String>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// One daemon's customer and operator.
pub(super) struct Api {
    runtime: Runtime,
    http: Target,
    ops: Target,
    token: String,
}

impl Api {
    /// Finds a daemon's listeners and the operators' token.
    pub(super) fn new(daemon: &Daemon, plan: &DaemonPlan) -> Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            http: daemon.http.clone(),
            ops: daemon.ops.clone(),
            token: token(&plan.data_dir)?,
        })
    }

    /// Makes an endpoint that is told of received messages; `more` are further fields.
    pub(super) fn create(&self, url: &str, more: Value) -> Result<Endpoint> {
        let mut body = json!({ "url": url, "event_types": ["message.received"] });
        merge(&mut body, more);
        self.customer("POST", "/api/v1/webhooks", &body, 201)
    }

    /// Changes an endpoint.
    pub(super) fn change(&self, id: &str, fields: &Value) -> Result<Endpoint> {
        self.customer("PATCH", &format!("/api/v1/webhooks/{id}"), fields, 200)
    }

    /// All endpoints.
    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let (status, body) = get(&self.http, "/api/v1/webhooks", Some(KEY))?;
        ensure!(status == 200, "the endpoints are answered with {status}");
        let answer: Data<_> = serde_json::from_slice(&body)?;
        Ok(answer.data)
    }

    /// Events that wait for an endpoint, which has to be enabled.
    pub(super) fn pending(&self, id: &str) -> Result<u64> {
        let endpoints = self.endpoints()?;
        let endpoint = endpoints.iter().find(|endpoint| endpoint.id == id);
        let endpoint = endpoint.with_context(|| format!("there is no endpoint {id}"))?;
        ensure!(
            endpoint.status == "enabled",
            "{} is {}",
            endpoint.url,
            endpoint.status
        );
        Ok(endpoint.pending)
    }

    /// Gives the demo account one more number, for SMS.
    pub(super) fn host(&self, number: &str) -> Result<()> {
        let body =
            json!({ "account": DEMO_ACCOUNT, "e164": number, "sms": true, "whatsapp": false });
        let (status, answer) = self.ask(&self.ops, &self.token, "POST", "/ops/numbers", &body)?;
        ensure!(
            status == 201,
            "the number {number} is answered with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    /// Waits until the records hold what the journal holds, so that the backlog of one part is not the next one's.
    pub(super) fn caught_up(&self) -> Result<()> {
        wait_until("the records catch up", CATCH_UP_MAX, || {
            Ok(self.gauge("didfarm_records_lag_entries")? <= LAG_ENTRIES_MAX)
        })
    }

    /// A series without labels.
    fn gauge(&self, name: &str) -> Result<f64> {
        let (status, page) = get(&self.ops, "/metrics", None)?;
        ensure!(status == 200, "the metrics are answered with {status}");
        let page = String::from_utf8_lossy(&page);
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.with_context(|| format!("the daemon exports no {name}"))
    }

    fn customer(&self, method: &str, path: &str, body: &Value, wanted: u16) -> Result<Endpoint> {
        let (status, answer) = self.ask(&self.http, KEY, method, path, body)?;
        if status != wanted {
            let why = String::from_utf8_lossy(&answer);
            bail!("{method} {path} is answered with {status}: {why}");
        }
        let answer: Data<_> = serde_json::from_slice(&answer)?;
        Ok(answer.data)
    }

    fn ask(
        &self,
        to: &Target,
        key: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Vec<u8>)> {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            to.authority,
            body.len()
        );
        self.runtime.block_on(async {
            let mut connection = Connection::new(to.clone(), Duration::from_secs(ANSWER_TIMEOUT_S));
            let answer = connection.exchange(request.as_bytes()).await?;
            Ok((answer.status, answer.body.to_vec()))
        })
    }
}

fn token(data_dir: &Path) -> Result<String> {
    let path = data_dir.join(TOKEN_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.trim().to_owned())
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
