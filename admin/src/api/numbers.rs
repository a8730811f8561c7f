//! `/api/v1/sms/numbers/{id}`: what an owner sets of a number.

mod auto_reply;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::auto_reply::AutoReplyRules;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::{Number, NumberCommand};
use didfarm_runtime::EngineHandle;
use didfarm_runtime::webhooks::InboundUrlSet;
use serde::Deserialize;

use self::auto_reply::AutoReplyBody;
use super::{asked, asked_by};
use crate::exchange::{Exchange, uncached};
use crate::fields::{Given, NumberRef, Text, read_email};
use crate::json;
use crate::present::numbers::{Inbound, NumberSettings};
use crate::present::{self, Data};
use crate::problem::Problem;

/// The field with the URL of inbound messages.
const URL_FIELD: &str = "inbound_webhook_url";

/// The account's own numbers, by id and by what they are. Another's is none.
#[derive(Clone, Copy)]
pub(super) struct OwnNumbers<'e> {
    engine: &'e EngineHandle,
    account: AccountId,
}

impl<'e> OwnNumbers<'e> {
    pub(super) fn new(engine: &'e EngineHandle, account: AccountId) -> OwnNumbers<'e> {
        OwnNumbers { engine, account }
    }

    /// The number that is meant.
    pub(super) fn find(self, number: NumberRef) -> Option<NumberId> {
        match number {
            NumberRef::Id(id) => self.engine.number(self.account, id).map(|own| own.id),
            NumberRef::E164(e164) => self.engine.number_by_e164(self.account, e164),
        }
    }

    /// The number behind an id, which stays an id where there is none any more.
    pub(super) fn named(self, id: NumberId) -> NumberRef {
        let own = self.engine.number(self.account, id);
        own.map_or(NumberRef::Id(id), |own| NumberRef::E164(own.e164))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody<'a> {
    #[serde(borrow, default)]
    inbound_webhook_url: Given<Text<'a>>,
    #[serde(borrow, default)]
    forward_to_email: Given<Text<'a>>,
    #[serde(borrow, default)]
    auto_reply: Given<AutoReplyBody<'a>>,
}

/// What is to change: `None` inside for what there is to be none of.
struct Change {
    url: Option<Option<String>>,
    forward_to: Option<Option<Box<str>>>,
    rules: Option<Option<Arc<AutoReplyRules>>>,
}

/// `GET /api/v1/sms/numbers/{id}`
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, number) = own(exchange)?;
    exchange.query()?.finish()?;
    answer(exchange, account, &number, None).await
}

/// `PATCH /api/v1/sms/numbers/{id}`: what is left out stays as it is, `null` takes away.
///
/// Everything is checked before anything is done: a request that is refused has changed nothing. The URL
/// is set last, so that a secret that is shown once is in the answer.
pub(super) async fn change(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let (account, mut number) = own(exchange)?;
    let bytes = exchange.json().await?;
    let Change {
        url,
        forward_to,
        rules,
    } = change_of(json::parse(&bytes)?)?;
    let engine = &exchange.front().engine;
    if let Some(Some(url)) = &url {
        let judged = engine.judge_url(url);
        judged.map_err(|error| asked(exchange).webhook(error, URL_FIELD))?;
    }
    let forwarding = forward_to.map(NumberCommand::SetForwarding);
    let auto_reply = rules.map(NumberCommand::SetAutoReply);
    for command in [forwarding, auto_reply].into_iter().flatten() {
        let done = engine.set_number(number.id, command).await;
        number = Arc::new(done.map_err(|error| asked_by(exchange, "id").operate(error))?);
    }
    let mut set = None;
    if let Some(url) = url {
        let done = engine.set_inbound_url(account, number.id, url.as_deref());
        let done = done.await;
        set = Some(done.map_err(|error| asked(exchange).webhook(error, URL_FIELD))?);
    }
    answer(exchange, account, &number, set.as_ref()).await
}

fn change_of(body: ChangeBody<'_>) -> Result<Change, Problem> {
    let forward_to = body.forward_to_email.change().map(|address| {
        let read = address.map(|text| read_email("forward_to_email", &text));
        read.transpose()
    });
    let rules = body.auto_reply.change().map(|rules| {
        let read = rules.map(|rules| rules.read().map(Arc::new));
        read.transpose()
    });
    let url = body.inbound_webhook_url.change();
    Ok(Change {
        url: url.map(|url| url.map(|url| url.to_string())),
        forward_to: forward_to.transpose()?,
        rules: rules.transpose()?,
    })
}

/// The number in the path, if it is the caller's.
fn own(exchange: &Exchange) -> Result<(AccountId, Arc<Number>), Problem> {
    let account = exchange.account()?.id();
    let id: NumberId = exchange.path_id()?;
    let number = exchange.front().engine.number(account, id);
    Ok((account, number.ok_or_else(Problem::not_found)?))
}

/// The number as it is, with its URL as it was set just now or as it is found.
async fn answer(
    exchange: &Exchange,
    account: AccountId,
    number: &Number,
    set: Option<&InboundUrlSet>,
) -> Result<HttpResponse, Problem> {
    let found = match set {
        Some(set) => set.inbound.clone(),
        None => {
            let read = exchange.front().engine.inbound_url(account, number.id);
            let read = read.await;
            read.map_err(|error| asked(exchange).webhook(error, URL_FIELD))?
        }
    };
    let secret = set.and_then(|set| set.secret.as_ref());
    let inbound = found.as_ref().map(|inbound| Inbound {
        id: inbound.endpoint,
        url: &inbound.url,
        secret: secret.map(|secret| &*secret.0),
    });
    let data = NumberSettings::of(number, inbound);
    let response = present::json(StatusCode::OK, &Data { data });
    Ok(match secret {
        Some(_) => uncached(response),
        None => response,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    fn read(body: &str) -> Result<Change, Problem> {
        change_of(json::parse(body.as_bytes())?)
    }

    #[test]
    fn what_is_left_out_stays_and_null_takes_away() {
        let nothing = read("{}").unwrap();
        assert!(nothing.url.is_none() && nothing.forward_to.is_none() && nothing.rules.is_none());
        let away = r#"{"inbound_webhook_url": null, "forward_to_email": null, "auto_reply": null}"#;
        let away = read(away).unwrap();
        assert_eq!(
            (away.url, away.forward_to, away.rules),
            (Some(None), Some(None), Some(None))
        );
        let given = read(r#"{"forward_to_email": "Desk@Example.COM", "auto_reply": {}}"#).unwrap();
        assert_eq!(given.forward_to, Some(Some("Desk@example.com".into())));
        assert!(given.rules.unwrap().is_some() && given.url.is_none());
    }

    #[test]
    fn a_bad_field_is_refused_by_its_name() {
        for (body, code, field) in [
            (
                r#"{"forward_to_email": "desk@example.com\r\nBcc: a@b.c"}"#,
                "email_invalid",
                "forward_to_email",
            ),
            (
                r#"{"auto_reply": {"immediate": ""}}"#,
                "auto_reply_invalid",
                "auto_reply.immediate",
            ),
            (
                r#"{"auto_reply": {"keywords": [{"words": []}]}}"#,
                "validation_failed",
                "auto_reply.keywords[0]",
            ),
            (r#"{"forward_to": "a@b.c"}"#, "unknown_field", "forward_to"),
        ] {
            let document = document_of(read(body).err().unwrap());
            assert_eq!(
                (&document["code"], &document["errors"][0]["field"]),
                (&code.into(), &field.into()),
                "{body}"
            );
        }
    }
}
