//! `/ops/accounts`: accounts, their keys, wallets and limits.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::account::{BALANCE_MAX, RateLimit};
use didfarm_core::ids::AccountId;
use didfarm_core::money::Micros;
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::operate::NewAccount;
use serde::Deserialize;

use super::{asked, check_operator};
use crate::exchange::{Exchange, uncached};
use crate::fields::{Amount, Given, Text, read_email};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::present::{self, Data, operators};
use crate::problem::{Code, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    rate_per_second: Option<u32>,
    burst: Option<u32>,
    #[serde(borrow)]
    email: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody<'a> {
    #[serde(borrow)]
    key: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopUpBody<'a> {
    #[serde(borrow)]
    amount: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitBody {
    rate_per_second: Option<u32>,
    burst: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpendCapBody {
    #[serde(default)]
    daily: Given<Amount>,
}

/// `GET /ops/accounts`
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    exchange.query()?.finish()?;
    let accounts = exchange.front().engine.accounts().await;
    let data: Vec<_> = accounts.iter().map(operators::Account::of).collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `POST /ops/accounts`
pub(super) async fn create(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let body = exchange.json().await?;
    let CreateBody {
        name,
        rate_per_second,
        burst,
        email,
    } = json::parse(&body)?;
    let name = name
        .as_deref()
        .ok_or_else(|| Problem::missing("name"))?
        .to_owned();
    let email = email.map(|text| read_email("email", &text));
    let new = NewAccount {
        name,
        rate_limit: limit(rate_per_second, burst)?,
        email: email.transpose()?.map(String::from),
    };
    let made = exchange.front().engine.create_account(new).await;
    let account = made.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(present::json(
        StatusCode::CREATED,
        &operators::Account::of(&account),
    ))
}

/// A limit, if a rate is given: the burst is a second's worth unless it is given too.
fn limit(rate_per_second: Option<u32>, burst: Option<u32>) -> Result<Option<RateLimit>, Problem> {
    match (rate_per_second, burst) {
        (Some(per_second), burst) => Ok(Some(RateLimit {
            per_second,
            burst: burst.unwrap_or(per_second),
        })),
        (None, Some(_)) => Err(Problem::missing("rate_per_second")),
        (None, None) => Ok(None),
    }
}

/// `POST /ops/accounts/{id}/keys`: the only answer that shows the key.
pub(super) async fn create_key(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let body = exchange.json().await?;
    let KeyBody { key } = json::parse(&body)?;
    let made = exchange
        .front()
        .engine
        .create_key(account, key.as_deref().map(str::to_owned))
        .await;
    let key = made.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(uncached(present::json(
        StatusCode::CREATED,
        &operators::Key::of(&key),
    )))
}

/// `POST /ops/accounts/{id}/top-up`: told again under its idempotency key with the account as it is by then.
pub(super) async fn top_up(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let key = idempotency::key_of(exchange.request().headers())?;
    let body = exchange.json().await?;
    let scope = (account, GuardedRoute::TopUp);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &body).await?;
    let engine = &exchange.front().engine;
    let (done, is_replayed) = match claimed {
        Asked::New(guard) => {
            let amount = top_up_amount(&body)?;
            (engine.top_up_guarded(account, amount, guard).await, false)
        }
        Asked::Again(GuardedAnswer::TopUp(_)) => (engine.account(account).await, true),
        Asked::Again(
            GuardedAnswer::Message(..)
            | GuardedAnswer::Endpoint(_)
            | GuardedAnswer::Mail(_)
            | GuardedAnswer::Batch(_)
            | GuardedAnswer::Pool(_),
        ) => return Err(idempotency::misled()),
    };
    let account = done.map_err(|error| asked(exchange, "number").operate(error))?;
    let mut response = present::json(StatusCode::OK, &operators::Account::of(&account));
    if is_replayed {
        idempotency::mark_replayed(response.headers_mut());
    }
    Ok(response)
}

fn top_up_amount(body: &[u8]) -> Result<Micros, Problem> {
    let TopUpBody { amount } = json::parse(body)?;
    let amount = amount
        .as_deref()
        .ok_or_else(|| Problem::missing("amount"))?;
    Micros::parse_decimal(amount)
        .map_err(|error| Problem::of_field(Code::AmountInvalid, "amount", error.to_string()))
}

/// `PUT /ops/accounts/{id}/limit`
pub(super) async fn set_limit(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let body = exchange.json().await?;
    let LimitBody {
        rate_per_second,
        burst,
    } = json::parse(&body)?;
    let per_second = rate_per_second.ok_or_else(|| Problem::missing("rate_per_second"))?;
    let burst = burst.ok_or_else(|| Problem::missing("burst"))?;
    let done = exchange
        .front()
        .engine
        .set_rate_limit(account, RateLimit { per_second, burst })
        .await;
    let account = done.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(present::json(
        StatusCode::OK,
        &operators::Account::of(&account),
    ))
}

fn spend_cap(Amount(amount): Amount) -> Result<Micros, Problem> {
    if (Micros::ZERO..=BALANCE_MAX).contains(&amount) {
        return Ok(amount);
    }
    let detail = format!("must be 0 to {BALANCE_MAX}, or null");
    Err(Problem::of_field(Code::AmountInvalid, "daily", detail))
}

/// `PUT /ops/accounts/{id}/spend-cap`: `null` for the settings' default.
pub(super) async fn set_spend_cap(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let account: AccountId = exchange.path_id()?;
    let body = exchange.json().await?;
    let SpendCapBody { daily } = json::parse(&body)?;
    let cap = daily.change().ok_or_else(|| Problem::missing("daily"))?;
    let cap = cap.map(spend_cap).transpose()?;
    let done = exchange.front().engine.set_spend_cap(account, cap).await;
    let account = done.map_err(|error| asked(exchange, "number").operate(error))?;
    Ok(present::json(
        StatusCode::OK,
        &operators::Account::of(&account),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_alone_has_a_second_of_burst_and_a_burst_alone_is_refused() {
        assert_eq!(
            limit(Some(50), None).unwrap(),
            Some(RateLimit {
                per_second: 50,
                burst: 50
            })
        );
        assert_eq!(
            limit(Some(50), Some(5)).unwrap(),
            Some(RateLimit {
                per_second: 50,
                burst: 5
            })
        );
        assert_eq!(limit(None, None).unwrap(), None);
        assert_eq!(
            limit(None, Some(5)).unwrap_err().code(),
            Code::ValidationFailed
        );
    }
}
