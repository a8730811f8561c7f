//! `POST /2010-04-01/Accounts/{sid}/Messages.json`: one message, read from Twilio's parameters.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;
use didfarm_core::content::Content;
use didfarm_core::e164::Validation;
use didfarm_core::number::{Number, NumberState};
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::URL_BYTES_MAX;
use didfarm_runtime::account::AccountHandle;
use didfarm_runtime::idempotency::GuardedRoute;
use didfarm_runtime::send::{Priority, SendRequest, Sender, SentMessage};
use didfarm_webhooks::twilio::{WHATSAPP_PREFIX, sid};

use super::access;
use super::form::Form;
use super::resource::Resource;
use crate::api::{SendBounds, again, asked_by, linked, read_number, recipient, text, validity};
use crate::exchange::Exchange;
use crate::idempotency::{self, Asked};
use crate::limit;
use crate::present;
use crate::problem::{Code, Problem};

/// The most bytes of a text and of the URL for its status together: a record holds both.
const TEXT_AND_URL_BYTES_MAX: usize = 7 * 1024;
/// The parameter that names a messaging service.
const SERVICE: &str = "MessagingServiceSid";
/// The most attachments: WhatsApp has one in a message.
const MEDIA_MAX: usize = 1;

/// `POST /2010-04-01/Accounts/{sid}/Messages.json`. Every problem behind the account's secret shows its limit.
pub(super) async fn send(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = access::account(exchange)?;
    let sent = carry_out(exchange, &account).await;
    let sent = sent.map_err(|problem| problem.with_policy(account.limit()))?;
    let from = Peer::from(sent.from);
    let resource = Resource::accepted(account.id(), &sent, &from);
    let mut response = present::json(StatusCode::CREATED, &resource);
    let headers = response.headers_mut();
    match sent.limit {
        Some(state) => limit::show(headers, state),
        None => {
            idempotency::mark_replayed(headers);
            headers.insert(limit::RATE_LIMIT_POLICY, limit::policy(account.limit()));
        }
    }
    Ok(response)
}

async fn carry_out(
    exchange: &mut Exchange,
    account: &Arc<AccountHandle>,
) -> Result<SentMessage, Problem> {
    let headers = exchange.request().headers();
    Form::check_media_type(headers)?;
    let key = idempotency::key_of(headers)?;
    let bounds = exchange.front().bounds;
    let body = exchange.raw(bounds).await?;
    let scope = (account.id(), GuardedRoute::TwilioMessage);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &body).await?;
    let guard = match claimed {
        Asked::New(guard) => guard,
        Asked::Again(answer) => return again(exchange, account.id(), &answer).await,
    };
    let form = Form::parse(&body)?;
    let mut request = read(exchange, account, &form)?;
    let engine = &exchange.front().engine;
    if let Some(url) = status_callback(&form, &request.body)? {
        let judged = engine.status_url(account, url).await;
        let judged =
            judged.map_err(|error| asked_by(exchange, "From").webhook(error, "StatusCallback"));
        request.status_url = Some(judged?);
    }
    let number_field = match request.from {
        Sender::Pool(_) => SERVICE,
        Sender::Number(_) | Sender::Id(_) => "From",
    };
    let sent = engine.send_guarded(account, request, guard).await;
    sent.map_err(|error| asked_by(exchange, number_field).send(error))
}

fn read(exchange: &Exchange, account: &AccountHandle, form: &Form) -> Result<SendRequest, Problem> {
    for name in ["ContentSid", "ContentVariables"] {
        if form.get(name).is_some() {
            let fault = "there are no stored contents here; send a template by the API's own route";
            return Err(Problem::invalid(name, fault));
        }
    }
    let (channel, to) = channel_of(form)?;
    let validation = exchange.front().validation;
    let (body, content) = held(form)?;
    Ok(SendRequest {
        from: sender(exchange, account, form, channel)?,
        to: recipient(Some(to), channel, validation)?,
        channel,
        body,
        content,
        validity: validity_period(form, *exchange.state())?,
        send_at: send_at(form)?,
        priority: Priority::Normal,
        smart_encoding: channel == Channel::Sms && is_true(form.get("SmartEncoded")),
        status_url: None,
    })
}

/// Whether a flag is set. Libraries write it as their language does: `true`, `True`.
fn is_true(flag: Option<&str>) -> bool {
    flag.is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
}

/// The channel, and the peer without its prefix.
fn channel_of(form: &Form) -> Result<(Channel, &str), Problem> {
    let to = form.get("To").ok_or_else(|| Problem::missing("To"))?;
    let (channel, peer) = match to.strip_prefix(WHATSAPP_PREFIX) {
        Some(peer) => (Channel::WhatsApp, peer),
        None => (Channel::Sms, to),
    };
    let is_other = |from: &str| from.starts_with(WHATSAPP_PREFIX) != (channel == Channel::WhatsApp);
    if form.get("From").is_some_and(is_other) {
        let detail = "From and To must be of the same channel";
        return Err(Problem::of_field(Code::ChannelUnfit, "From", detail));
    }
    Ok((channel, peer))
}

/// Our number, or the pool that a messaging service is. In an account without pools any messaging service
/// stands for the only number that carries the channel.
fn sender(
    exchange: &Exchange,
    account: &AccountHandle,
    form: &Form,
    channel: Channel,
) -> Result<Sender, Problem> {
    if let Some(from) = form.get("From") {
        let number = from.strip_prefix(WHATSAPP_PREFIX).unwrap_or(from);
        let number = read_number("From", Some(number), Validation::Syntax)?;
        return Ok(Sender::Number(number));
    }
    let service = form.get(SERVICE).ok_or_else(|| Problem::missing("From"))?;
    let engine = &exchange.front().engine;
    if engine.has_pools(account) {
        let pool = sid::read_pool(service).filter(|id| engine.pool(account, *id).is_some());
        let detail = "is the sid of no pool of this account";
        let unknown = || Problem::of_field(Code::PoolUnknown, SERVICE, detail);
        return pool.map(Sender::Pool).ok_or_else(unknown);
    }
    let carries = |number: &&Number| {
        number.state == NumberState::Active
            && match channel {
                Channel::Sms => number.sms,
                Channel::WhatsApp => number.whatsapp,
            }
    };
    let numbers = engine.numbers(account.id());
    let mut fitting = numbers.iter().filter(carries);
    match (fitting.next(), fitting.next()) {
        (Some(number), None) => Ok(Sender::Id(number.id)),
        (None, _) | (Some(_), Some(_)) => {
            let fault = "is required: the account does not have exactly one number to send from";
            Err(Problem::invalid("From", fault))
        }
    }
}

/// The text, and what there is besides it.
fn held(form: &Form) -> Result<(Arc<str>, Option<Box<Content>>), Problem> {
    let body = form.get("Body").unwrap_or_default();
    let media: Vec<&str> = form.all("MediaUrl").filter(|url| !url.is_empty()).collect();
    match media.as_slice() {
        [] => Ok((text(Some(body))?, None)),
        [url] => {
            let (caption, content) = linked(url, body)?;
            Ok((caption, Some(Box::new(content))))
        }
        [_, _, ..] => {
            let fault = format!("is there more than {MEDIA_MAX} time");
            Err(Problem::invalid("MediaUrl", fault))
        }
    }
}

fn validity_period(
    form: &Form,
    bounds: SendBounds,
) -> Result<Option<std::time::Duration>, Problem> {
    let read = |text: &str| {
        let fault = "must be whole seconds";
        let seconds = text.parse();
        validity(
            seconds.map_err(|_| Problem::invalid("ValidityPeriod", fault))?,
            bounds,
        )
    };
    form.get("ValidityPeriod").map(read).transpose()
}

/// When it is to be sent. Twilio drops a time without its type and sends at once; here it is refused.
fn send_at(form: &Form) -> Result<Option<Timestamp>, Problem> {
    match (form.get("ScheduleType"), form.get("SendAt")) {
        (None, None) => Ok(None),
        (Some("fixed"), Some(at)) => {
            let fault = "must be a time by ISO 8601, such as 2026-04-05T14:22:08Z";
            let at = Timestamp::parse_rfc3339(at);
            at.map(Some)
                .ok_or_else(|| Problem::invalid("SendAt", fault))
        }
        (Some("fixed"), None) => Err(Problem::missing("SendAt")),
        (Some(_), _) | (None, Some(_)) => Err(Problem::invalid(
            "ScheduleType",
            "must be fixed beside SendAt",
        )),
    }
}

/// The URL for the message's status, if there is one of a length that fits.
fn status_callback<'f>(form: &'f Form, body: &str) -> Result<Option<&'f str>, Problem> {
    let Some(url) = form.get("StatusCallback") else {
        return Ok(None);
    };
    if url.len() > URL_BYTES_MAX || url.len() + body.len() > TEXT_AND_URL_BYTES_MAX {
        let fault = format!(
            "may have {URL_BYTES_MAX} bytes at most, and {TEXT_AND_URL_BYTES_MAX} together with the text"
        );
        return Err(Problem::invalid("StatusCallback", fault));
    }
    Ok(Some(url))
}
