//! `POST /api/v1/sms/forward-to-email`: one message, mailed to an address of the caller's choice.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::peer::Peer;
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::mails::ForwardRequest;
use didfarm_runtime::send::Sender;
use serde::Deserialize;

use super::asked_by;
use crate::exchange::Exchange;
use crate::fields::{NumberRef, Text, read_email, read_time};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::limit;
use crate::present::{self, Shown, v1};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForwardBody<'a> {
    number: Option<NumberRef>,
    #[serde(borrow)]
    email: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<MessageBody<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    received_at: Option<Text<'a>>,
}

/// Answers once the mail is durable; it goes out by itself. It counts against the account's limit like a
/// send.
pub(super) async fn forward(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let limited = |problem: Problem| problem.with_policy(account.limit());
    let key = idempotency::key_of(exchange.request().headers()).map_err(limited)?;
    let bytes = exchange.json().await.map_err(limited)?;
    let scope = (account.id(), GuardedRoute::ForwardToEmail);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &bytes).await;
    let (id, is_replayed) = match claimed.map_err(limited)? {
        Asked::New(guard) => {
            let request = json::parse(&bytes).and_then(read).map_err(limited)?;
            let engine = &exchange.front().engine;
            let forwarded = engine.forward_to_email(&account, request, guard).await;
            let problem = |error| limited(asked_by(exchange, "number").mail(error));
            (forwarded.map_err(problem)?, false)
        }
        Asked::Again(GuardedAnswer::Mail(id)) => (id, true),
        Asked::Again(
            GuardedAnswer::Message(..)
            | GuardedAnswer::Endpoint(_)
            | GuardedAnswer::Batch(_)
            | GuardedAnswer::Pool(_)
            | GuardedAnswer::TopUp(_),
        ) => {
            return Err(limited(idempotency::misled()));
        }
    };
    let answer = v1::Forwarded {
        success: true,
        id: Shown(id),
    };
    let mut response = present::json(StatusCode::ACCEPTED, &answer);
    let policy = limit::policy(account.limit());
    let headers = response.headers_mut();
    headers.insert(limit::RATE_LIMIT_POLICY, policy);
    if is_replayed {
        idempotency::mark_replayed(headers);
    }
    Ok(response)
}

fn read(body: ForwardBody<'_>) -> Result<ForwardRequest, Problem> {
    let number = body.number.ok_or_else(|| Problem::missing("number"))?;
    let email = body.email.ok_or_else(|| Problem::missing("email"))?;
    let message = body.message.ok_or_else(|| Problem::missing("message"))?;
    let from = message
        .from
        .ok_or_else(|| Problem::missing("message.from"))?;
    let text = message
        .body
        .ok_or_else(|| Problem::missing("message.body"))?;
    let received_at = message.received_at;
    let received_at = received_at.ok_or_else(|| Problem::missing("message.received_at"))?;
    let expected = "must be a number in E.164 or the name of a sender";
    Ok(ForwardRequest {
        number: match number {
            NumberRef::Id(id) => Sender::Id(id),
            NumberRef::E164(e164) => Sender::Number(e164),
        },
        to: read_email("email", &email)?.into(),
        from: Peer::parse(&from).ok_or_else(|| Problem::invalid("message.from", expected))?,
        body: Arc::from(&*text),
        received_at: read_time("message.received_at", &received_at)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::document_of;

    /// The product's own sample.
    fn sample() -> Value {
        json!({
            "number": "+31201234567",
            "email": "support@example.com",
            "message": {
                "from": "+31612345678",
                "body": "Hi",
                "received_at": "2026-04-05T14:22:08Z",
            },
        })
    }

    fn read_value(body: &Value) -> Result<ForwardRequest, Problem> {
        let text = body.to_string();
        json::parse(text.as_bytes()).and_then(read)
    }

    #[test]
    fn the_products_sample_is_read() {
        let request = read_value(&sample()).unwrap();
        assert!(
            matches!(request.number, Sender::Number(number) if number.to_string() == "+31201234567")
        );
        assert_eq!(request.to, "support@example.com");
        assert_eq!(request.from.to_string(), "+31612345678");
        assert_eq!(&*request.body, "Hi");
        let at = didfarm_core::time::Timestamp::parse_rfc3339("2026-04-05T14:22:08Z");
        assert_eq!(Some(request.received_at), at);
    }

    #[test]
    fn each_field_is_needed_and_a_bad_one_is_named() {
        for (at, bad, code) in [
            ("number", json!("x"), "validation_failed"),
            ("email", json!("a@b.c, d@e.f"), "email_invalid"),
            ("message.from", json!("+x"), "validation_failed"),
            ("message.body", json!(1), "validation_failed"),
            ("message.received_at", json!("today"), "validation_failed"),
        ] {
            let pointer = format!("/{}", at.replace('.', "/"));
            for (value, code) in [(bad, code), (Value::Null, "validation_failed")] {
                let mut body = sample();
                *body.pointer_mut(&pointer).unwrap() = value;
                let document = document_of(read_value(&body).unwrap_err());
                assert_eq!(
                    (&document["code"], &document["errors"][0]["field"]),
                    (&code.into(), &at.into()),
                    "{body}"
                );
            }
        }
    }
}
