//! One message to send, in either dialect: what the request must hold, and the command.

pub(crate) mod content;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use didfarm_core::channel::Channel;
use didfarm_core::content::Content;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::{AccountId, NumberId, PoolId};
use didfarm_core::peer::{Peer, PeerName};
use didfarm_core::segments::BODY_CHARS_MAX;
use didfarm_core::time::Timestamp;
use didfarm_runtime::idempotency::{GuardedAnswer, GuardedRoute};
use didfarm_runtime::send::{Priority, SendRequest, Sender, SentMessage};
use serde::Deserialize;

use self::content::{MediaBody, TemplateBody};
use super::{asked, asked_by};
use crate::exchange::Exchange;
use crate::fields::{Spelled, Text};
use crate::idempotency::{self, Asked};
use crate::json;
use crate::limit;
use crate::problem::{Code, Problem};

/// What the settings allow of a send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendBounds {
    /// The longest validity period, in seconds; at least one.
    validity_s_max: u64,
}

impl SendBounds {
    pub(crate) fn new(validity_max: Duration) -> SendBounds {
        SendBounds {
            validity_s_max: validity_max.as_secs().max(1),
        }
    }

    /// The bounds of what was accepted before: the settings may have been wider then.
    pub(super) const ACCEPTED: SendBounds = SendBounds {
        validity_s_max: u64::MAX,
    };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    from_number_id: Option<Spelled<NumberId>>,
    from_pool: Option<Spelled<PoolId>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    template: Option<TemplateBody<'a>>,
    #[serde(borrow)]
    media: Option<MediaBody<'a>>,
    validity_period: Option<u64>,
    #[serde(borrow)]
    send_at: Option<Text<'a>>,
    #[serde(borrow)]
    priority: Option<Text<'a>>,
    smart_encoding: Option<bool>,
}

/// Sends what the request holds, or finds what was sent under its idempotency key. Every problem behind the
/// account's key shows its limit.
pub(super) async fn send(
    exchange: &mut Exchange,
    route: GuardedRoute,
) -> Result<SentMessage, Problem> {
    let account = exchange.account()?;
    let limited = |problem: Problem| problem.with_policy(account.limit());
    let key = idempotency::key_of(exchange.request().headers()).map_err(limited)?;
    let body = exchange.json().await.map_err(limited)?;
    let scope = (account.id(), route);
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), &body).await;
    let guard = match claimed.map_err(limited)? {
        Asked::New(guard) => guard,
        Asked::Again(answer) => {
            let sent = again(exchange, account.id(), &answer).await;
            // The body is the same, so what became of its text is; whether it would be accepted today is not
            // asked.
            let request = read(&body, Validation::Syntax, SendBounds::ACCEPTED).ok();
            return sent.map_err(limited).map(|sent| SentMessage {
                smart_encoded: request.and_then(|mut request| request.encode()),
                ..sent
            });
        }
    };
    let bounds = *exchange.state::<SendBounds>();
    let request = read(&body, exchange.front().validation, bounds).map_err(limited)?;
    let number_field = match request.from {
        Sender::Number(_) => "from",
        Sender::Id(_) => "from_number_id",
        Sender::Pool(_) => "from_pool",
    };
    let engine = &exchange.front().engine;
    let sent = engine.send_guarded(&account, request, guard).await;
    sent.map_err(|error| limited(asked_by(exchange, number_field).send(error)))
}

/// What was sent under an idempotency key.
pub(crate) async fn again(
    exchange: &Exchange,
    account: AccountId,
    answer: &GuardedAnswer,
) -> Result<SentMessage, Problem> {
    match answer {
        GuardedAnswer::Message(id, send_at) => {
            let engine = &exchange.front().engine;
            let sent = engine.sent_message(account, *id, *send_at).await;
            sent.map_err(|error| asked(exchange).read(error))
        }
        GuardedAnswer::Endpoint(_)
        | GuardedAnswer::Mail(_)
        | GuardedAnswer::Batch(_)
        | GuardedAnswer::Pool(_)
        | GuardedAnswer::TopUp(_) => Err(idempotency::misled()),
    }
}

/// Adds what the answer to a send shows of the account's limit, and whether it is told again.
pub(super) fn show(exchange: &Exchange, response: &mut HttpResponse, sent: &SentMessage) {
    let headers = response.headers_mut();
    match sent.limit {
        Some(state) => limit::show(headers, state),
        None => {
            idempotency::mark_replayed(headers);
            if let Ok(account) = exchange.account() {
                headers.insert(limit::RATE_LIMIT_POLICY, limit::policy(account.limit()));
            }
        }
    }
}

/// What a message follows in that it does not say itself.
#[derive(Debug, Clone, Default)]
pub(super) struct SendDefaults {
    pub(super) from: Option<Sender>,
    pub(super) channel: Option<Channel>,
    pub(super) body: Option<Arc<str>>,
    pub(super) validity: Option<Duration>,
    pub(super) send_at: Option<Timestamp>,
    pub(super) priority: Priority,
    pub(super) smart_encoding: bool,
}

fn read(body: &[u8], validation: Validation, bounds: SendBounds) -> Result<SendRequest, Problem> {
    read_row(body, &SendDefaults::default(), validation, bounds)
}

/// Reads a message to send.
///
/// # Errors
/// Any of a body's own.
pub(super) fn read_row(
    body: &[u8],
    defaults: &SendDefaults,
    validation: Validation,
    bounds: SendBounds,
) -> Result<SendRequest, Problem> {
    let SendBody {
        from,
        from_number_id,
        from_pool,
        to,
        body,
        channel,
        template,
        media,
        validity_period,
        send_at,
        priority,
        smart_encoding: smart,
    } = json::parse(body)?;
    let from = match (from, from_number_id, from_pool, defaults.from) {
        (None, None, None, Some(sender)) => sender,
        (from, id, pool, _) => sender(from.as_deref(), id, pool)?,
    };
    let channel = match (channel, defaults.channel) {
        (None, Some(channel)) => channel,
        (channel, _) => read_channel(channel.as_deref())?,
    };
    let to = recipient(to.as_deref(), channel, validation)?;
    let (body, content) = match (&body, &template, &media, &defaults.body) {
        (None, None, None, Some(text)) => (Arc::clone(text), None),
        _ => held(body.as_deref(), template, media)?,
    };
    let validity = validity_period.map(|seconds| validity(seconds, bounds));
    let priority = priority.map(|word| read_priority(Some(&word)));
    Ok(SendRequest {
        from,
        to,
        channel,
        body,
        content,
        validity: validity.transpose()?.or(defaults.validity),
        send_at: read_send_at(send_at.as_deref())?.or(defaults.send_at),
        priority: priority.transpose()?.unwrap_or(defaults.priority),
        smart_encoding: match smart {
            // What all are to have is for those that can.
            None => defaults.smart_encoding && channel == Channel::Sms,
            asked => smart_encoding(asked, channel)?,
        },
        status_url: None,
    })
}

/// Reads when a message is to be sent. Whether the time will do is for the engine to say.
///
/// # Errors
/// `validation_failed`.
pub(super) fn read_send_at(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let read = |text| {
        let expected = "must be a time by RFC 3339, such as 2026-04-05T14:22:08Z";
        Timestamp::parse_rfc3339(text).ok_or_else(|| Problem::invalid("send_at", expected))
    };
    text.map(read).transpose()
}

/// Reads a priority, normal unless another is named.
///
/// # Errors
/// `validation_failed`.
pub(super) fn read_priority(word: Option<&str>) -> Result<Priority, Problem> {
    match word {
        None => Ok(Priority::Normal),
        Some(word) => Priority::parse(word)
            .ok_or_else(|| Problem::invalid("priority", "must be normal or otp")),
    }
}

/// The peer: a number, or on WhatsApp the user id of somebody who keeps the number to itself.
pub(crate) fn recipient(
    text: Option<&str>,
    channel: Channel,
    validation: Validation,
) -> Result<Peer, Problem> {
    if channel == Channel::WhatsApp
        && let Some(name) = text.and_then(PeerName::parse)
        && name.is_whatsapp_user()
    {
        return Ok(Peer::Name(name));
    }
    read_number("to", text, validation).map(Peer::Number)
}

/// The text, and what there is besides it.
fn held(
    body: Option<&str>,
    template: Option<TemplateBody<'_>>,
    media: Option<MediaBody<'_>>,
) -> Result<(Arc<str>, Option<Box<Content>>), Problem> {
    match (template, media) {
        (None, None) => Ok((text(body)?, None)),
        (Some(template), None) => {
            if body.is_some() {
                let fault = "may not stand beside template, which has its own text";
                return Err(Problem::invalid("body", fault));
            }
            let (text, content) = template.read()?;
            Ok((text, Some(Box::new(content))))
        }
        (None, Some(media)) => {
            let (caption, content) = media.read(body)?;
            Ok((caption, Some(Box::new(content))))
        }
        (Some(_), Some(_)) => {
            let fault = "may not stand beside template; send one of them";
            Err(Problem::invalid("media", fault))
        }
    }
}

/// Whether look-alikes from GSM-7 are wanted; only SMS has such an alphabet.
pub(super) fn smart_encoding(asked: Option<bool>, channel: Channel) -> Result<bool, Problem> {
    match (asked, channel) {
        (Some(true), Channel::WhatsApp) => {
            let fault = "may be true on sms only: WhatsApp carries every character alike";
            Err(Problem::invalid("smart_encoding", fault))
        }
        (asked, Channel::Sms | Channel::WhatsApp) => Ok(asked.unwrap_or(false)),
    }
}

pub(crate) fn validity(
    seconds: u64,
    SendBounds { validity_s_max }: SendBounds,
) -> Result<Duration, Problem> {
    if (1..=validity_s_max).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    let fault = format!("must be whole seconds from 1 to {validity_s_max}");
    Err(Problem::invalid("validity_period", fault))
}

/// Reads who sends: a number by itself or by its id, or a pool.
///
/// # Errors
/// `sender_not_single`, `invalid_number`.
pub(super) fn sender(
    from: Option<&str>,
    id: Option<Spelled<NumberId>>,
    pool: Option<Spelled<PoolId>>,
) -> Result<Sender, Problem> {
    match (from, id, pool) {
        // Our own numbers are known one by one: there is no need to look them up in numbering plans.
        (Some(_), None, None) => read_number("from", from, Validation::Syntax).map(Sender::Number),
        (None, Some(Spelled(id)), None) => Ok(Sender::Id(id)),
        (None, None, Some(Spelled(pool))) => Ok(Sender::Pool(pool)),
        (Some(_), Some(_), None) => Err(not_single(
            "both from and from_number_id are given; send one of them",
        )),
        (_, _, Some(_)) => Err(not_single(
            "from_pool is given beside from or from_number_id; send one of them",
        )),
        (None, None, None) => Err(not_single(
            "neither from nor from_number_id nor from_pool is given; send one of them",
        )),
    }
}

fn not_single(detail: &'static str) -> Problem {
    Problem::of_field(Code::SenderNotSingle, "from", detail)
}

/// Reads a telephone number in a field.
///
/// # Errors
/// `validation_failed` when it is missing, `invalid_number`.
pub(crate) fn read_number(
    field: &str,
    text: Option<&str>,
    validation: Validation,
) -> Result<E164, Problem> {
    let text = text.ok_or_else(|| Problem::missing(field))?;
    E164::parse(text, validation).map_err(|error| Problem::invalid_number(field, error))
}

/// Reads a channel, SMS unless another is named.
///
/// # Errors
/// `validation_failed`.
pub(crate) fn read_channel(word: Option<&str>) -> Result<Channel, Problem> {
    match word {
        None => Ok(Channel::Sms),
        Some(word) => Channel::parse(word)
            .ok_or_else(|| Problem::invalid("channel", "must be sms or whatsapp")),
    }
}

pub(crate) fn text(body: Option<&str>) -> Result<Arc<str>, Problem> {
    let body = body.ok_or_else(|| Problem::missing("body"))?;
    if body.is_empty() {
        let detail = format!("the body has 0 characters; 1 to {BODY_CHARS_MAX} are allowed");
        return Err(Problem::of_field(Code::BodyEmpty, "body", detail));
    }
    check_chars(body, 1, BODY_CHARS_MAX)?;
    Ok(Arc::from(body))
}

/// Checks that a body has no more characters than it may.
fn check_chars(body: &str, chars_min: usize, chars_max: usize) -> Result<(), Problem> {
    // No character is shorter than a byte: most bodies need no counting.
    if body.len() <= chars_max {
        return Ok(());
    }
    let chars = body.chars().count();
    if chars <= chars_max {
        return Ok(());
    }
    let detail = format!("the body has {chars} characters; {chars_min} to {chars_max} are allowed");
    Err(Problem::of_field(Code::BodyTooLong, "body", detail))
}

#[cfg(test)]
mod tests;
