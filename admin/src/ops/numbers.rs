//! `/ops/numbers` and `/ops/quarantine`: hosting numbers, and letting them back into service.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::NumberCommand;
use didfarm_runtime::operate::NewNumber;
use serde::Deserialize;

use super::{asked, check_operator};
use crate::api::read_number;
use crate::exchange::Exchange;
use crate::fields::{Spelled, Text};
use crate::json;
use crate::present::{self, Data, Shown, operators};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody<'a> {
    account: Option<Spelled<AccountId>>,
    #[serde(borrow)]
    e164: Option<Text<'a>>,
    sms: Option<bool>,
    whatsapp: Option<bool>,
    active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    active: Option<bool>,
    sms: Option<bool>,
    whatsapp: Option<bool>,
}

/// `POST /ops/numbers`
pub(super) async fn add(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let body = exchange.json().await?;
    let AddBody {
        account,
        e164,
        sms,
        whatsapp,
        active,
    } = json::parse(&body)?;
    let new = NewNumber {
        account: account.ok_or_else(|| Problem::missing("account"))?.0,
        e164: read_number("e164", e164.as_deref(), exchange.front().validation)?,
        active: active.unwrap_or(true),
        sms: sms.ok_or_else(|| Problem::missing("sms"))?,
        whatsapp: whatsapp.ok_or_else(|| Problem::missing("whatsapp"))?,
    };
    let added = exchange.front().engine.add_number(new).await;
    let number = added.map_err(|error| asked(exchange, "e164").operate(error))?;
    Ok(present::json(
        StatusCode::CREATED,
        &operators::HostedNumber::of(&number),
    ))
}

/// `PATCH /ops/numbers/{id}`
pub(super) async fn set(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let id: NumberId = exchange.path_id()?;
    let body = exchange.json().await?;
    let command = command(json::parse(&body)?)?;
    let done = exchange.front().engine.set_number(id, command).await;
    let number = done.map_err(|error| asked(exchange, "id").operate(error))?;
    Ok(present::json(
        StatusCode::OK,
        &operators::HostedNumber::of(&number),
    ))
}

fn command(body: SetBody) -> Result<NumberCommand, Problem> {
    match body {
        SetBody {
            active: Some(true),
            sms: None,
            whatsapp: None,
        } => Ok(NumberCommand::Activate),
        SetBody {
            active: Some(false),
            ..
        } => Err(Problem::invalid("active", "may only be true")),
        SetBody {
            active: None,
            sms: Some(sms),
            whatsapp: Some(whatsapp),
        } => Ok(NumberCommand::SetChannels { sms, whatsapp }),
        SetBody { .. } => Err(Problem::invalid_request(
            "send either active, or sms and whatsapp together",
        )),
    }
}

/// `GET /ops/quarantine`
pub(super) async fn quarantine(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    exchange.query()?.finish()?;
    let numbers = exchange.front().engine.quarantined();
    let data: Vec<_> = numbers
        .into_iter()
        .map(|id| operators::Quarantined { id: Shown(id) })
        .collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `POST /ops/numbers/{id}/release`
pub(super) async fn release(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let id: NumberId = exchange.path_id()?;
    if !exchange.front().engine.release_number(id) {
        return Err(Problem::not_found());
    }
    Ok(present::json(
        StatusCode::OK,
        &operators::Released {
            id: Shown(id),
            released: true,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn read(body: &str) -> Result<NumberCommand, Problem> {
        command(json::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_change_is_an_activation_or_both_toggles() {
        assert_eq!(read(r#"{"active":true}"#).unwrap(), NumberCommand::Activate);
        let both = NumberCommand::SetChannels {
            sms: true,
            whatsapp: false,
        };
        assert_eq!(read(r#"{"sms":true,"whatsapp":false}"#).unwrap(), both);
        for body in [
            "{}",
            r#"{"sms":true}"#,
            r#"{"active":false}"#,
            r#"{"active":true,"sms":true,"whatsapp":true}"#,
        ] {
            assert_eq!(
                read(body).unwrap_err().code(),
                Code::ValidationFailed,
                "{body}"
            );
        }
    }
}
