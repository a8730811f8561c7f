//! A customer's webhook endpoints, and the sink that they lead to.

use std::collections::BTreeSet;
use std::time::Duration;

use didfarm_loadtest::sink::report::Counts;
use didfarm_loadtest::sink::verifier::{Seal, Signed, Verifier};
use didfarm_loadtest::sink::{Received, Sink, SinkPlan};
use hyper::Method;
use serde_json::{Value, json};

use crate::customer::{Customer, text};
use crate::http::Answer;
use crate::options::Options;
use crate::wait::eventually;

/// The longest that a condition about webhooks may take to come true, retries of some seconds included.
pub const BOUND: Duration = Duration::from_secs(40);
/// The settings with which endpoints may lie on loopback, as the sink does.
pub const LOOPBACK: &str = "[webhooks]\nallowed_networks = [\"127.0.0.0/8\"]\n";
/// How many requests the sink keeps.
const REQUESTS_KEPT: usize = 50_000;

/// The settings that tests of webhooks start from.
pub fn options() -> Options {
    Options::new().config(LOOPBACK)
}

/// A sink that keeps what comes.
///
/// # Panics
/// When it cannot listen.
pub fn sink() -> Sink {
    let plan = SinkPlan {
        requests_kept: REQUESTS_KEPT,
        ..SinkPlan::default()
    };
    // It makes a runtime of its own, which a thread that has one already may not.
    let started = std::thread::scope(|scope| scope.spawn(|| Sink::start(&plan)).join());
    let sink = started.expect("a sink that cannot start says so");
    sink.expect("loopback has free ports")
}

/// What was counted of a path; nothing came to one that is not known.
pub fn counts(sink: &Sink, path: &str) -> Counts {
    let report = sink.report();
    let of_path = report.paths.get(path).map(|endpoint| endpoint.counts);
    of_path.unwrap_or_default()
}

/// Waits until so many different events were answered with 2xx at a path, and nothing is under way there.
pub async fn delivered(sink: &Sink, path: &str, events: u64) -> Vec<Received> {
    let what = format!("{events} events are delivered to {path}");
    eventually(&what, BOUND, async || {
        let counts = counts(sink, path);
        let is_there = counts.unique_ids >= events && counts.succeeded >= events;
        (is_there && counts.in_flight == 0).then_some(())
    })
    .await;
    sink.latest(path)
}

/// The payload of a request that is rightly signed with the secret (Standard Webhooks 1.0.0, v1).
///
/// # Panics
/// When it is not.
pub fn opened(received: &Received, secret: &str) -> Value {
    assert!(is_signed(received, secret), "not signed: {received:?}");
    payload(received)
}

/// Whether one of a request's signatures is made with the secret.
///
/// # Panics
/// When that is no secret.
pub fn is_signed(received: &Received, secret: &str) -> bool {
    let verifier = Verifier::new(&[secret]).expect("an endpoint has a secret");
    let signed = Signed {
        id: &received.webhook_id,
        timestamp: &received.webhook_timestamp,
        signatures: &received.webhook_signature,
    };
    let now_s = received.at_us / 1_000_000;
    verifier.check(signed, received.body.as_bytes(), now_s) == Seal::Right
}

/// The payload of a request.
///
/// # Panics
/// When it is no JSON.
pub fn payload(received: &Received) -> Value {
    serde_json::from_str(&received.body)
        .unwrap_or_else(|error| panic!("not JSON ({error}): {}", received.body))
}

/// The different webhook-ids of some requests.
pub fn ids(received: &[Received]) -> BTreeSet<String> {
    let ids = received.iter().map(|received| received.webhook_id.clone());
    ids.collect()
}

/// An endpoint, as its owner has it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    customer: Customer,
    /// Its id.
    pub id: String,
    /// Its secret when it was made.
    pub secret: String,
}

impl Endpoint {
    /// Makes one: `more` has whatever fields it has besides its URL.
    pub async fn create(customer: &Customer, url: &str, more: Value) -> Endpoint {
        let mut body = more;
        body["url"] = json!(url);
        let answer = customer.post("/api/v1/webhooks", &body).await;
        let made = answer.expect(201)["data"].clone();
        let id = text(&made, "id");
        let location = format!("/api/v1/webhooks/{id}");
        assert_eq!(answer.header("location"), Some(&*location));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        Endpoint {
            customer: customer.clone(),
            secret: text(&made, "secret"),
            id,
        }
    }

    /// The same endpoint at the daemon that this customer calls.
    pub fn at(&self, customer: &Customer) -> Endpoint {
        Endpoint {
            customer: customer.clone(),
            ..self.clone()
        }
    }

    /// A path below it, which begins with `/` or is empty.
    pub fn path(&self, tail: &str) -> String {
        format!("/api/v1/webhooks/{}{tail}", self.id)
    }

    /// Posts to a path below it.
    pub async fn post(&self, tail: &str, body: &Value) -> Answer {
        self.customer.post(&self.path(tail), body).await
    }

    /// Changes some of its settings.
    pub async fn change(&self, change: &Value) -> Value {
        let path = self.path("");
        let answer = self.customer.ask(Method::PATCH, &path, Some(change));
        answer.await.expect(200)["data"].clone()
    }

    /// The endpoint as it is now.
    pub async fn view(&self) -> Value {
        self.customer.get(&self.path("")).await.expect(200)["data"].clone()
    }

    /// Waits until it is as wanted.
    pub async fn view_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, BOUND, async || {
            Some(self.view().await).filter(&wanted)
        })
        .await
    }

    /// Waits until nothing waits for it.
    pub async fn idle(&self) {
        self.view_when("nothing waits for the endpoint", |view| {
            view["pending"] == 0
        })
        .await;
    }

    /// Its attempts, newest first; a query stands behind a `?`.
    pub async fn attempts(&self, query: &str) -> Vec<Value> {
        self.customer
            .all(&self.path(&format!("/attempts{query}")))
            .await
    }

    /// How it is with one event: the state and the number of attempts.
    pub async fn state_of(&self, event: &str) -> (String, u64) {
        let event = self.customer.event(event).await;
        let told = event["endpoints"].as_array().expect("a list");
        let found = told.iter().find(|told| told["id"] == *self.id);
        let found = found.unwrap_or_else(|| panic!("it is not told of {event:#}"));
        let attempts = found["attempts"].as_u64().expect("a number");
        (text(found, "state"), attempts)
    }
}

impl Customer {
    /// Every event that passes a query, newest first; the query stands behind a `?`.
    pub async fn events(&self, query: &str) -> Vec<Value> {
        self.all(&format!("/api/v1/events{query}")).await
    }

    /// One event with its payload and its attempts.
    pub async fn event(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/events/{id}")).await.expect(200)["data"].clone()
    }

    /// The path of one of the account's numbers, by what it is.
    ///
    /// # Panics
    /// When the account has no such number.
    pub async fn number_path(&self, number: &str) -> String {
        let own = self.get("/api/v1/portal/sms/numbers").await.expect(200);
        let own = own["data"].as_array().expect("data is a list");
        let found = own.iter().find(|own| own["number"] == number);
        let found = found.unwrap_or_else(|| panic!("there is no number {number}"));
        format!("/api/v1/sms/numbers/{}", found["id"])
    }

    /// Changes some settings of one of the account's numbers.
    pub async fn set_number(&self, number: &str, change: &Value) -> Value {
        let path = self.number_path(number).await;
        let answer = self.ask(Method::PATCH, &path, Some(change)).await;
        answer.expect(200)["data"].clone()
    }

    /// Lets a peer write to a number by SMS, and gives what the carrier is told.
    pub async fn wrote(&self, from: &str, to: &str, body: &str) -> Value {
        let message = json!({ "from": from, "to": to, "body": body });
        self.inbound(&message).await.expect(200)
    }
}
