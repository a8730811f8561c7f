//! A customer that speaks Twilio's dialect: forms, HTTP Basic, sids.

use std::time::Duration;

use didfarm_loadtest::form::Form;
use didfarm_loadtest::signature::Keys;
use didfarm_loadtest::sink::{Received, Sink};
use hyper::Method;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use crate::customer::{Customer, text};
use crate::http::{Answer, Client, request};
use crate::wait::eventually;

/// The longest that a status or a callback may take, retries of some seconds included.
const BOUND: Duration = Duration::from_secs(40);
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The customer, with a user and a secret.
#[derive(Debug, Clone)]
pub struct TwilioCustomer {
    http: Client,
    base: String,
    /// The account's sid.
    pub sid: String,
    /// The user of the credentials.
    pub user: String,
    /// Their secret.
    pub secret: String,
}

impl TwilioCustomer {
    /// The customer whose API key this is.
    pub async fn of(customer: &Customer, key: &str) -> TwilioCustomer {
        let account = customer.get("/api/v1/account").await.expect(200);
        let sid = text(&account["data"], "twilio_sid");
        TwilioCustomer {
            http: Client::new(),
            base: format!("http://{}", customer.address()),
            user: sid.clone(),
            sid,
            secret: key.to_owned(),
        }
    }

    /// The same account with other credentials.
    pub fn with(&self, user: &str, secret: &str) -> TwilioCustomer {
        TwilioCustomer {
            user: user.to_owned(),
            secret: secret.to_owned(),
            ..self.clone()
        }
    }

    /// The path of something below the account.
    pub fn path(&self, tail: &str) -> String {
        format!("/2010-04-01/Accounts/{}{tail}", self.sid)
    }

    /// Asks for a path, with a form if there is one, and an idempotency key.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        form: Option<&[(&str, &str)]>,
        key: Option<&str>,
    ) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut asked = request(method, &url, None, None);
        let credentials = base64(format!("{}:{}", self.user, self.secret).as_bytes());
        let credentials = HeaderValue::try_from(format!("Basic {credentials}"));
        let headers = asked.headers_mut();
        headers.insert("authorization", credentials.expect("base64 is ASCII"));
        if let Some(key) = key {
            let key = HeaderValue::try_from(key);
            headers.insert("idempotency-key", key.expect("a key is ASCII"));
        }
        if let Some(parameters) = form {
            headers.insert("content-type", FORM);
            let mut form = Form(Vec::new());
            for (name, value) in parameters {
                form.push(name, *value);
            }
            *asked.body_mut() = form.encode().into_bytes().into();
        }
        let answer = self.http.exchange(asked).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:#}"))
    }

    /// Gets a path below the account.
    pub async fn get(&self, tail: &str) -> Answer {
        self.ask(Method::GET, &self.path(tail), None, None).await
    }

    /// Posts a form to a path below the account.
    pub async fn post(&self, tail: &str, form: &[(&str, &str)]) -> Answer {
        let path = self.path(tail);
        self.ask(Method::POST, &path, Some(form), None).await
    }

    /// Sends what the form says.
    pub async fn send(&self, form: &[(&str, &str)]) -> Answer {
        self.post("/Messages.json", form).await
    }

    /// A message as it is now.
    pub async fn message(&self, sid: &str) -> Value {
        let tail = format!("/Messages/{sid}.json");
        self.get(&tail).await.expect(200)
    }

    /// Waits until a message has a status, and gives it.
    pub async fn message_with(&self, sid: &str, status: &str) -> Value {
        let what = format!("{sid} is {status}");
        eventually(&what, BOUND, async || {
            let message = self.message(sid).await;
            (message["status"] == status).then_some(message)
        })
        .await
    }

    /// The pages of a list, by following `next_page_uri`.
    pub async fn pages(&self, query: &str) -> Vec<Value> {
        let mut at = self.path(&format!("/Messages.json{query}"));
        let mut pages = Vec::new();
        loop {
            let page = self.ask(Method::GET, &at, None, None).await.expect(200);
            let next = page["next_page_uri"].as_str().map(str::to_owned);
            pages.push(page);
            match next {
                Some(next) => at = next,
                None => return pages,
            }
        }
    }

    /// The sids of a list.
    pub async fn listed(&self, query: &str) -> Vec<String> {
        let pages = self.pages(query).await;
        let rows = pages
            .iter()
            .flat_map(|page| page["messages"].as_array().expect("a list"));
        rows.map(|row| text(row, "sid")).collect()
    }
}

impl Answer {
    /// Asserts that it is Twilio's error with this status and code, and gives it.
    ///
    /// # Panics
    /// When it is not.
    pub fn twilio_error(&self, status: u16, code: u32) -> Value {
        let error = self.json();
        assert_eq!(
            (self.status, &error["code"]),
            (status, &json!(code)),
            "{error}"
        );
        assert_eq!(error["status"], status);
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        assert_eq!(error["more_info"], more);
        assert!(error["message"].is_string(), "{error}");
        error
    }
}

/// The forms that came to a path, each of which is rightly signed with the token for this URL.
///
/// # Panics
/// When one is not.
pub fn forms(sink: &Sink, path: &str, url: &str, token: &str) -> Vec<Form> {
    let received = sink.latest(path);
    received
        .iter()
        .map(|received| opened(received, url, token))
        .collect()
}

/// The form of a request that is rightly signed with the token for this URL.
///
/// # Panics
/// When it is not.
pub fn opened(received: &Received, url: &str, token: &str) -> Form {
    let form = Form::parse(received.body.as_bytes()).expect("a form is posted");
    let mut keys = Keys::default();
    keys.twilio = token.to_owned();
    assert_eq!(
        received.twilio_signature,
        keys.sign_twilio(url, &form.0),
        "{form:?}"
    );
    form
}

/// The alphabet of base64 (RFC 4648, 4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}
