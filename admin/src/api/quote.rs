//! `/api/v1/sms/quote`: what a message would cost, without sending it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;
use didfarm_core::e164::Validation;
use didfarm_core::ids::NumberId;
use didfarm_runtime::quote::QuoteRequest;
use didfarm_runtime::send::Sender;
use serde::Deserialize;

use super::asked_by;
use super::send::{read_channel, recipient, sender, smart_encoding, text};
use crate::exchange::Exchange;
use crate::fields::{Spelled, Text};
use crate::json;
use crate::present::{self, Data, quote};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    from_number_id: Option<Spelled<NumberId>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    smart_encoding: Option<bool>,
}

/// `POST /api/v1/sms/quote`
pub(super) async fn quote(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let bytes = exchange.json().await?;
    let (request, channel) = read(&bytes, exchange.front().validation)?;
    let (to, asks_smart) = (request.to.clone(), request.smart_encoding);
    let number_field = match request.from {
        Some(Sender::Id(_)) => "from_number_id",
        Some(Sender::Number(_) | Sender::Pool(_)) | None => "from",
    };
    let quoted = exchange.front().engine.quote(&account, request);
    let quoted = quoted.map_err(|refusal| asked_by(exchange, number_field).send(refusal.into()))?;
    let data = quote::Quote::of(&quoted, &to, channel, asks_smart);
    Ok(present::json(StatusCode::OK, &Data { data }))
}

fn read(bytes: &[u8], validation: Validation) -> Result<(QuoteRequest, Channel), Problem> {
    let QuoteBody {
        from,
        from_number_id,
        to,
        body,
        channel,
        smart_encoding: smart,
    } = json::parse(bytes)?;
    let from = match (&from, from_number_id) {
        (None, None) => None,
        (Some(_), _) | (None, Some(_)) => Some(sender(from.as_deref(), from_number_id, None)?),
    };
    let channel = read_channel(channel.as_deref())?;
    let request = QuoteRequest {
        from,
        to: recipient(to.as_deref(), channel, validation)?,
        body: Arc::clone(&text(body.as_deref())?),
        smart_encoding: smart_encoding(smart, channel)?,
    };
    Ok((request, channel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Code, document_of};

    fn refused(body: &str) -> (Code, serde_json::Value) {
        let problem = read(body.as_bytes(), Validation::Possible).unwrap_err();
        let code = problem.code();
        (code, document_of(problem)["errors"][0]["field"].clone())
    }

    #[test]
    fn a_quote_needs_a_peer_and_a_text_and_no_sender() {
        let body = r#"{"to":"+31612345678","body":"Hi"}"#;
        let (request, channel) = read(body.as_bytes(), Validation::Possible).unwrap();
        assert_eq!((request.from, channel), (None, Channel::Sms));
        assert!(!request.smart_encoding);
        for (body, code, field) in [
            (r#"{"body":"Hi"}"#, Code::ValidationFailed, "to"),
            (r#"{"to":"+31612345678"}"#, Code::ValidationFailed, "body"),
            (
                r#"{"to":"+31612345678","body":""}"#,
                Code::BodyEmpty,
                "body",
            ),
            (r#"{"to":"06","body":"Hi"}"#, Code::InvalidNumber, "to"),
            (
                r#"{"from":"+31201234567","from_number_id":1,"to":"+31612345678","body":"Hi"}"#,
                Code::SenderNotSingle,
                "from",
            ),
            (
                r#"{"to":"+31612345678","body":"Hi","channel":"whatsapp","smart_encoding":true}"#,
                Code::ValidationFailed,
                "smart_encoding",
            ),
            (
                r#"{"to":"+31612345678","body":"Hi","smart":true}"#,
                Code::UnknownField,
                "smart",
            ),
        ] {
            assert_eq!(refused(body), (code, field.into()), "{body}");
        }
    }
}
