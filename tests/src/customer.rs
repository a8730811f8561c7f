//! A customer of a daemon: a key, and what can be done with it.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Client, request};
use crate::wait::within;

/// The demo account's first number.
pub const NUMBER: &str = "+31201234567";
/// The demo account's second number.
pub const NUMBER_2: &str = "+31207654321";
/// The longest that a status may take.
pub const STATUS_BOUND: Duration = Duration::from_secs(30);
/// The most pages that a list is followed over.
const PAGES_MAX: usize = 100_000;

/// A customer.
#[derive(Debug, Clone)]
pub struct Customer {
    http: Client,
    base: String,
    key: Option<String>,
}

impl Customer {
    /// Whoever has this key, or none, at the daemon that listens at `address`.
    pub fn new(http: Client, address: &str, key: Option<&str>) -> Customer {
        Customer {
            http,
            base: format!("http://{address}"),
            key: key.map(str::to_owned),
        }
    }

    /// Where the daemon listens.
    pub fn address(&self) -> String {
        self.base.trim_start_matches("http://").to_owned()
    }

    /// The same daemon with another key.
    pub fn with_key(&self, key: &str) -> Customer {
        Customer {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// Asks for anything.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn try_ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let request = request(method, &url, self.key.as_deref(), body);
        self.http.exchange(request).await
    }

    /// Asks for anything.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_ask(method.clone(), path, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Posts JSON under an idempotency key.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn try_post_once(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = request(Method::POST, &url, self.key.as_deref(), Some(body));
        request
            .headers_mut()
            .insert("idempotency-key", key.try_into()?);
        self.http.exchange(request).await
    }

    /// Posts JSON under an idempotency key.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        let answer = self.try_post_once(path, key, body).await;
        answer.unwrap_or_else(|error| panic!("POST {path}: {error:#}"))
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// Posts a body as it stands, with a media type or none.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn post_raw(&self, path: &str, media_type: Option<&str>, body: &[u8]) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut raw = request(Method::POST, &url, self.key.as_deref(), None);
        *raw.body_mut() = body.to_vec().into();
        if let Some(media_type) = media_type {
            let value = media_type.try_into().expect("a media type is ASCII");
            raw.headers_mut().insert("content-type", value);
        }
        let answer = self.http.exchange(raw).await;
        answer.unwrap_or_else(|error| panic!("POST {path}: {error:#}"))
    }

    /// Sends what the JSON says, in the dialect of the API.
    pub async fn send(&self, message: &Value) -> Answer {
        self.post("/api/v1/sms/messages", message).await
    }

    /// Sends an SMS from the first number.
    pub async fn send_sms(&self, to: &str, body: &str) -> Answer {
        self.send(&json!({ "from": NUMBER, "to": to, "body": body }))
            .await
    }

    /// Sends an SMS from the first number, which is accepted, and gives the message.
    pub async fn sent(&self, to: &str, body: &str) -> Value {
        self.send_sms(to, body).await.expect(201)["data"].clone()
    }

    /// Sends an SMS from the first number, which is accepted, and gives its id.
    pub async fn sent_id(&self, to: &str, body: &str) -> String {
        text(&self.sent(to, body).await, "id")
    }

    /// A message as it is now.
    pub async fn message(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/sms/messages/{id}")).await;
        answer.expect(200)["data"].clone()
    }

    /// Waits until a message is as wanted, and gives it.
    ///
    /// # Panics
    /// When it does not become so in time.
    pub async fn message_when(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = within(STATUS_BOUND, async || {
            last = self.message(id).await;
            wanted(&last).then(|| last.clone())
        });
        match found.await {
            Some(message) => message,
            None => panic!("the message never became what is wanted: {last:#}"),
        }
    }

    /// Waits until a message has a status, and gives it.
    pub async fn message_with(&self, id: &str, status: &str) -> Value {
        self.message_when(id, |message| message["status"] == status)
            .await
    }

    /// Every row of a list, by following its cursors. Any of its parameters stand behind a `?`.
    ///
    /// # Panics
    /// When a page contradicts itself or the list has no end.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut at = path.to_owned();
        for _ in 0..PAGES_MAX {
            let page = self.get(&at).await.expect(200);
            rows.extend(page["data"].as_array().expect("data is a list").clone());
            match page["next_cursor"].as_str() {
                None => {
                    assert_eq!(page["has_more"], false, "{page}");
                    return rows;
                }
                Some(cursor) => {
                    assert_eq!(page["has_more"], true, "{page}");
                    let sign = if path.contains('?') { '&' } else { '?' };
                    at = format!("{path}{sign}cursor={cursor}");
                }
            }
        }
        panic!("{path} has no end")
    }

    /// Brings an inbound message, as the simulator's carrier does.
    pub async fn inbound(&self, message: &Value) -> Answer {
        self.post("/carriers/simulator/inbound", message).await
    }

    /// Every conversation.
    pub async fn conversations(&self) -> Vec<Value> {
        self.all("/api/v1/sms/conversations?limit=100").await
    }

    /// Every message of a conversation, newest page first, oldest first within a page.
    pub async fn history(&self, conversation: &str) -> Vec<Value> {
        let path = format!("/api/v1/sms/conversations/{conversation}/messages?limit=100");
        self.all(&path).await
    }
}

/// A member that is a text.
///
/// # Panics
/// When it is none.
pub fn text(value: &Value, member: &str) -> String {
    let found = value[member].as_str();
    found
        .unwrap_or_else(|| panic!("{member} is no text: {value}"))
        .to_owned()
}

/// The statuses that a message went through, in order.
pub fn statuses(message: &Value) -> Vec<String> {
    let steps = message["status_history"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("there is no history: {message}"));
    steps.iter().map(|step| text(step, "status")).collect()
}

/// Asserts that a message's history only goes forward, begins `queued` or
/// `scheduled`, ends with its status, and tells
/// nothing twice in a row.
///
/// # Panics
/// When it does not.
pub fn assert_forward(message: &Value) {
    const ORDER: [&str; 7] = [
        "scheduled",
        "queued",
        "sending",
        "sent",
        "cancelled",
        "failed",
        "delivered",
    ];
    let statuses = statuses(message);
    let places: Vec<_> = statuses
        .iter()
        .map(|status| ORDER.iter().position(|known| known == status))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "the history goes back: {message:#}"
    );
    let begins_with = match message["send_at"].is_null() {
        true => "queued",
        false => "scheduled",
    };
    assert_eq!(statuses.first().map(String::as_str), Some(begins_with));
    assert_eq!(
        statuses.last().map(String::as_str),
        message["status"].as_str()
    );
    let steps = message["status_history"].as_array();
    let steps: Vec<&Value> = steps.into_iter().flatten().collect();
    for pair in steps.windows(2) {
        let told = |step: &Value| (step["status"].clone(), step["reason"].clone());
        assert!(
            told(pair[0]) != told(pair[1]) && text(pair[0], "at") <= text(pair[1], "at"),
            "the history repeats itself or goes back in time: {message:#}"
        );
    }
}
