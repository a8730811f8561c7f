//! The floor: a bare client that posts one event's bytes to the sink over and over, and keeps no book of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use didfarm_loadtest::sink::Received;
use didfarm_loadtest::{Sink, Target};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use super::receiver::counts;

/// The letters before the digits of an event's id.
const ID_PREFIX_BYTES: usize = "evt_".len();

/// What the daemon posts for one event: the floor posts the same, with ids of its own.
#[derive(Debug, Clone)]
pub(super) struct Template {
    id_bytes: usize,
    timestamp: HeaderValue,
    signature: HeaderValue,
    body: Bytes,
}

impl Template {
    /// Takes a request that the sink has kept.
    pub(super) fn of(received: &Received) -> Result<Self> {
        let whole = received.body.len() == received.body_bytes;
        ensure!(whole, "the sink has kept only a part of the event's body");
        Ok(Self {
            id_bytes: received.webhook_id.len(),
            timestamp: HeaderValue::from_str(&received.webhook_timestamp)?,
            signature: HeaderValue::from_str(&received.webhook_signature)?,
            body: Bytes::from(received.body.clone()),
        })
    }

    fn request(&self, uri: &Uri, nth: u64) -> Request<Full<Bytes>> {
        let digits = self.id_bytes.saturating_sub(ID_PREFIX_BYTES);
        let id = HeaderValue::try_from(format!("evt_{nth:0digits$}"));
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("didfarm/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert("webhook-id", id.expect("digits are a header's value"));
        headers.insert("webhook-timestamp", self.timestamp.clone());
        headers.insert("webhook-signature", self.signature.clone());
        request
    }
}

/// Posts to a path of the sink for a while, this many requests at once; gives requests a second.
///
/// # Errors
/// When a request is not answered with 200, or the sink has counted otherwise.
pub(super) fn measure(
    sink: &Sink,
    path: &str,
    template: &Template,
    at_once: usize,
    seconds: f64,
) -> Result<f64> {
    let uri: Uri = sink.url(path).parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let end = start + Duration::try_from_secs_f64(seconds)?;
    let posted = runtime.block_on(post_until(end, &uri, template, at_once))?;
    let rate = posted as f64 / start.elapsed().as_secs_f64();
    let counted = counts(sink, path);
    ensure!(
        posted > 0 && counted.unique_ids == posted && counted.duplicates == 0,
        "the bare client posted {posted} times, and the sink has counted {counted:?}"
    );
    eprintln!(
        "floor {rate:.0}/s to {}",
        Target::from(sink.address()).authority
    );
    Ok(rate)
}

async fn post_until(end: Instant, uri: &Uri, template: &Template, at_once: usize) -> Result<u64> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(at_once)
        .build(connector);
    let next = Arc::new(AtomicU64::new(0));
    let mut posts = JoinSet::new();
    for _ in 0..at_once {
        let (client, next) = (client.clone(), Arc::clone(&next));
        let (uri, template) = (uri.clone(), template.clone());
        posts.spawn(async move {
            while Instant::now() < end {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let answer = client.request(template.request(&uri, nth)).await?;
                ensure!(
                    answer.status() == 200,
                    "the sink answers {}",
                    answer.status()
                );
                answer.into_body().collect().await?;
            }
            Ok(())
        });
    }
    while let Some(done) = posts.join_next().await {
        done.context("a task of the bare client has failed")??;
    }
    Ok(next.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::receiver::sink;

    #[test]
    fn the_bare_client_posts_the_same_bytes_with_ids_of_its_own() {
        let sink = sink().unwrap();
        let received = Received {
            path: "/ok".into(),
            at_us: 0,
            webhook_id: "evt_00000000001".into(),
            webhook_timestamp: "7".into(),
            webhook_signature: "v1,bm9uZQ==".into(),
            twilio_signature: String::new(),
            body_bytes: 2,
            body: "{}".into(),
        };
        let template = Template::of(&received).unwrap();
        let rate = measure(&sink, "/ok/floor", &template, 4, 0.1).unwrap();
        let counts = counts(&sink, "/ok/floor");
        assert!(rate > 0.0);
        assert_eq!(counts.body_bytes, 2 * counts.requests);
        assert!(sink.ids("/ok/floor").iter().all(|id| id.len() == 15));
    }
}
