//! `/ops/messages`: messages in doubt, and settling one by what an operator found out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::ids::MessageId;
use didfarm_runtime::operate::Resolution;
use serde::Deserialize;

use super::{asked, check_operator, take_rows};
use crate::exchange::Exchange;
use crate::fields::Text;
use crate::json;
use crate::present::{self, Data, Named, operators};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveBody<'a> {
    #[serde(borrow)]
    outcome: Option<Text<'a>>,
}

/// `GET /ops/messages/in-doubt`
pub(super) async fn in_doubt(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let limit = take_rows(exchange)?;
    let engine = &exchange.front().engine;
    let messages = engine.messages_in_doubt(limit).await;
    let data: Vec<_> = messages
        .iter()
        .map(|in_flight| {
            let route = in_flight.delivery.route;
            let carrier = route.and_then(|route| engine.carrier_name(route.carrier));
            operators::InDoubt::of(in_flight, carrier)
        })
        .collect();
    Ok(present::json(StatusCode::OK, &Data { data }))
}

/// `POST /ops/messages/{id}/resolve`
pub(super) async fn resolve(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let id: MessageId = exchange.path_id()?;
    let body = exchange.json().await?;
    let (outcome, resolution) = read(&body)?;
    let resolved = exchange.front().engine.resolve(id, resolution).await;
    resolved.map_err(|error| asked(exchange, "id").operate(error))?;
    let resolved = operators::Resolved {
        id: Named(id.spelled()),
        outcome,
    };
    Ok(present::json(StatusCode::OK, &resolved))
}

fn read(body: &[u8]) -> Result<(&'static str, Resolution), Problem> {
    let ResolveBody { outcome } = json::parse(body)?;
    match outcome.as_deref() {
        Some("sent") => Ok(("sent", Resolution::Taken)),
        Some("failed") => Ok(("failed", Resolution::NotTaken)),
        Some(_) => Err(Problem::invalid("outcome", "must be sent or failed")),
        None => Err(Problem::missing("outcome")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn a_message_is_settled_as_sent_or_as_failed() {
        let sent = read(br#"{"outcome":"sent"}"#).unwrap();
        assert_eq!(sent, ("sent", Resolution::Taken));
        let failed = read(br#"{"outcome":"failed"}"#).unwrap();
        assert_eq!(failed, ("failed", Resolution::NotTaken));
        for body in ["{}", r#"{"outcome":"delivered"}"#] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), Code::ValidationFailed, "{body}");
        }
    }
}
