//! `/api/v1/account`: who the key belongs to, and what the owner sets.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::abuse::country::Countries;
use didfarm_core::account::BALANCE_MAX;
use didfarm_core::money::Micros;
use didfarm_core::quiet::QuietHours;
use didfarm_runtime::account::AccountHandle;
use serde::Deserialize;

use super::asked;
use crate::exchange::{Exchange, uncached};
use crate::fields::{Amount, Given, Text, read_email};
use crate::json;
use crate::present::{self, Data, account::Account, account::Token};
use crate::problem::{Code, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody<'a> {
    #[serde(borrow, default)]
    email: Given<Text<'a>>,
    #[serde(default)]
    low_balance: Given<Amount>,
    #[serde(borrow, default)]
    quiet_hours: Given<QuietBody<'a>>,
    #[serde(borrow, default)]
    destinations: Given<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietBody<'a> {
    #[serde(borrow)]
    from: Text<'a>,
    #[serde(borrow)]
    until: Text<'a>,
}

/// `GET /api/v1/account`
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    Ok(answer(exchange, &account))
}

/// `PATCH /api/v1/account`: what is left out stays as it is, `null` takes away. Every field is
/// checked before any is set.
pub(super) async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let bytes = exchange.json().await?;
    let body: ChangeBody<'_> = json::parse(&bytes)?;
    let email = body.email.change().map(|email| {
        let read = email.map(|text| read_email("email", &text));
        read.transpose()
    });
    let email = email.transpose()?;
    let threshold = body
        .low_balance
        .change()
        .map(|amount| amount.map(threshold).transpose());
    let threshold = threshold.transpose()?;
    let quiet = body
        .quiet_hours
        .change()
        .map(|hours| hours.as_ref().map(quiet_hours).transpose());
    let quiet = quiet.transpose()?;
    let destinations = body.destinations.change().map(|list| {
        list.map(|list| read_countries("destinations", &list))
            .transpose()
    });
    let destinations = destinations.transpose()?;
    let engine = &exchange.front().engine;
    if let Some(countries) = destinations {
        let done = engine.set_destinations(&account, countries).await;
        done.map_err(|error| asked(exchange).operate(error))?;
    }
    if let Some(hours) = quiet {
        let done = engine.set_quiet_hours(account.id(), hours).await;
        done.map_err(|error| asked(exchange).operate(error))?;
    }
    if let Some(threshold) = threshold {
        let done = engine.set_low_balance(account.id(), threshold).await;
        done.map_err(|error| asked(exchange).operate(error))?;
    }
    if let Some(email) = email {
        let done = engine.set_email(account.id(), email.as_deref()).await;
        done.map_err(|error| asked(exchange).operate(error))?;
    }
    Ok(answer(exchange, &account))
}

/// Reads a set of countries.
///
/// # Errors
/// `validation_failed` for the field.
pub(crate) fn read_countries(field: &str, list: &[Text<'_>]) -> Result<Countries, Problem> {
    let letters = list.iter().map(|text| &**text);
    Countries::new(letters).map_err(|error| Problem::invalid(field, error.to_string()))
}

/// `POST /api/v1/account/twilio`: a new auth token for Twilio's dialect, in the only answer that shows it.
pub(super) async fn renew_token(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    exchange.query()?.finish()?;
    exchange.json_or_nothing().await?;
    let renewed = exchange.front().engine.renew_auth_token(account).await;
    let renewed = renewed.map_err(|error| asked(exchange).webhook(error, "url"))?;
    let data = Token::of(account, &renewed);
    Ok(uncached(present::json(StatusCode::CREATED, &Data { data })))
}

fn quiet_hours(body: &QuietBody<'_>) -> Result<QuietHours, Problem> {
    let fault = "must have from and until, two different times of day such as 21:00 and 08:00";
    QuietHours::parse(&body.from, &body.until).ok_or_else(|| Problem::invalid("quiet_hours", fault))
}

fn threshold(Amount(amount): Amount) -> Result<Micros, Problem> {
    if (Micros::ZERO..=BALANCE_MAX).contains(&amount) {
        return Ok(amount);
    }
    let detail = format!("must be 0 to {BALANCE_MAX}");
    Err(Problem::of_field(
        Code::AmountInvalid,
        "low_balance",
        detail,
    ))
}

fn answer(exchange: &Exchange, account: &AccountHandle) -> HttpResponse {
    let email = account.email();
    let open = exchange.front().engine.destinations_open(account);
    let data = Account::of(account, email.as_deref(), open.as_deref(), super::now());
    present::json(StatusCode::OK, &Data { data })
}
