//! An operator of a daemon: metrics, health, accounts and numbers through the operators' listener.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::customer::{Customer, text};
use crate::http::Answer;
use crate::scrape::Scrape;
use crate::wait::eventually;

/// The longest that a gauge may lag behind.
const METRIC_BOUND: Duration = Duration::from_secs(10);
/// Millionths in a euro.
const MICROS_PER_EURO: f64 = 1e6;

/// An operator, who has the token.
#[derive(Debug, Clone)]
pub struct Operator(pub(crate) Customer);

/// An account that was made for a test.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub account: String,
    /// A key of it.
    pub key: String,
}

impl Operator {
    /// Asks for anything.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.0.ask(method, path, body).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.0.post(path, body).await
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.0.get(path).await
    }

    /// The metrics now.
    ///
    /// # Panics
    /// When they are not the text format.
    pub async fn scrape(&self) -> Scrape {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200);
        let media_type = answer.header("content-type").unwrap_or_default();
        assert!(media_type.starts_with("text/plain; version=0.0.4"));
        Scrape::parse(&answer.text())
    }

    /// One series now.
    pub async fn metric(&self, series: &str) -> f64 {
        self.scrape().await.get(series)
    }

    /// Waits until a series has this value: gauges follow a moment later.
    pub async fn metric_is(&self, series: &str, value: f64) {
        let what = format!("{series} is {value}");
        eventually(&what, METRIC_BOUND, async || {
            (self.metric(series).await == value).then_some(())
        })
        .await;
    }

    /// An account as it is now.
    ///
    /// # Panics
    /// When there is none with this id.
    pub async fn account(&self, id: &str) -> Value {
        let accounts = self.get("/ops/accounts").await.expect(200);
        let accounts = accounts["data"].as_array().expect("data is a list");
        let found = accounts.iter().find(|account| account["id"] == id);
        found
            .unwrap_or_else(|| panic!("there is no account {id}"))
            .clone()
    }

    /// What an account's wallet holds, in millionths of a euro.
    pub async fn balance_micros(&self, id: &str) -> i64 {
        let balance = self.account(id).await["balance"].as_f64();
        (balance.expect("a balance is a number") * MICROS_PER_EURO).round() as i64
    }

    /// What the demo account's wallet holds, in millionths of a euro.
    pub async fn demo_balance_micros(&self) -> i64 {
        self.balance_micros(DEMO_ACCOUNT).await
    }

    /// Makes an account with a number for SMS, a key and this much money.
    pub async fn make_account(&self, name: &str, number: &str, euros: Option<&str>) -> Made {
        let made = self.post("/ops/accounts", &json!({ "name": name })).await;
        let account = text(&made.expect(201), "id");
        let hosted = json!({ "account": account, "e164": number, "sms": true, "whatsapp": false });
        self.post("/ops/numbers", &hosted).await.expect(201);
        if let Some(euros) = euros {
            let path = format!("/ops/accounts/{account}/top-up");
            let done = self.post(&path, &json!({ "amount": euros })).await;
            done.expect(200);
        }
        let path = format!("/ops/accounts/{account}/keys");
        let key = text(&self.post(&path, &json!({})).await.expect(201), "api_key");
        Made { account, key }
    }
}

/// The id of the account that a first start makes.
pub const DEMO_ACCOUNT: &str = "acct_00000000001";
