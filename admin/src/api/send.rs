//! One message to send, in either dialect: what the request must hold, and the command.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::NumberId;
use didfarm_core::segments::BODY_CHARS_MAX;
use didfarm_runtime::send::{SendRequest, Sender, SentMessage};
use serde::Deserialize;

use super::asked_by;
use crate::exchange::Exchange;
use crate::fields::{Spelled, Text};
use crate::json;
use crate::problem::{Code, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    from_number_id: Option<Spelled<NumberId>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
}

/// Sends what the request holds. Every problem behind the key shows the account's limit.
pub(super) async fn send(exchange: &mut Exchange) -> Result<SentMessage, Problem> {
    let account = exchange.account()?;
    let limited = |problem: Problem| problem.with_policy(account.limit());
    let body = exchange.json().await.map_err(limited)?;
    let request = read(&body, exchange.front().validation).map_err(limited)?;
    let number_field = match request.from {
        Sender::Number(_) => "from",
        Sender::Id(_) => "from_number_id",
    };
    let sent = exchange.front().engine.send(&account, request).await;
    sent.map_err(|error| limited(asked_by(exchange, number_field).send(error)))
}

fn read(body: &[u8], validation: Validation) -> Result<SendRequest, Problem> {
    let SendBody {
        from,
        from_number_id,
        to,
        body,
        channel,
    } = json::parse(body)?;
    Ok(SendRequest {
        from: sender(from.as_deref(), from_number_id)?,
        to: read_number("to", to.as_deref(), validation)?,
        channel: read_channel(channel.as_deref())?,
        body: text(body.as_deref())?,
    })
}

fn sender(from: Option<&str>, id: Option<Spelled<NumberId>>) -> Result<Sender, Problem> {
    match (from, id) {
        // Our own numbers are known one by one: there is no need to look them up in numbering plans.
        (Some(_), None) => read_number("from", from, Validation::Syntax).map(Sender::Number),
        (None, Some(Spelled(id))) => Ok(Sender::Id(id)),
        (Some(_), Some(_)) => Err(not_single(
            "both from and from_number_id are given; send one of them",
        )),
        (None, None) => Err(not_single(
            "neither from nor from_number_id is given; send one of them",
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

fn text(body: Option<&str>) -> Result<Arc<str>, Problem> {
    let body = body.ok_or_else(|| Problem::missing("body"))?;
    if body.is_empty() {
        let detail = format!("the body has 0 characters; 1 to {BODY_CHARS_MAX} are allowed");
        return Err(Problem::of_field(Code::BodyEmpty, "body", detail));
    }
    // No character is shorter than a byte: most bodies need no counting.
    if body.len() > BODY_CHARS_MAX {
        let chars = body.chars().count();
        if chars > BODY_CHARS_MAX {
            let detail =
                format!("the body has {chars} characters; 1 to {BODY_CHARS_MAX} are allowed");
            return Err(Problem::of_field(Code::BodyTooLong, "body", detail));
        }
    }
    Ok(Arc::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    fn refused(body: &str) -> (Code, String) {
        let problem = read(body.as_bytes(), Validation::Possible).unwrap_err();
        let code = problem.code();
        let document = document_of(problem);
        (
            code,
            document["errors"][0]["field"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }

    #[test]
    fn a_request_names_its_sender_in_one_of_two_ways() {
        let by_number = br#"{"from":"+31201234567","to":"+31612345678","body":"hi"}"#;
        let request = read(by_number, Validation::Possible).unwrap();
        assert_eq!(
            request.from,
            Sender::Number(E164::from_digits(31_201_234_567).unwrap())
        );
        assert_eq!((request.channel, &*request.body), (Channel::Sms, "hi"));
        let by_id =
            br#"{"from_number_id":"num_1","to":"+31612345678","body":"hi","channel":"whatsapp"}"#;
        let request = read(by_id, Validation::Possible).unwrap();
        assert_eq!(
            (request.from, request.channel),
            (Sender::Id(NumberId(1)), Channel::WhatsApp)
        );
    }

    #[test]
    fn each_fault_has_its_code_and_field() {
        for (body, code, field) in [
            (
                r#"{"to":"+31612345678","body":"hi"}"#,
                Code::SenderNotSingle,
                "from",
            ),
            (
                r#"{"from":"+31201234567","from_number_id":1,"to":"+31612345678","body":"a"}"#,
                Code::SenderNotSingle,
                "from",
            ),
            (
                r#"{"from_number_id":1,"body":"hi"}"#,
                Code::ValidationFailed,
                "to",
            ),
            (
                r#"{"from_number_id":1,"to":"+31612345678"}"#,
                Code::ValidationFailed,
                "body",
            ),
            (
                r#"{"from_number_id":1,"to":"0612345678","body":"hi"}"#,
                Code::InvalidNumber,
                "to",
            ),
            (
                r#"{"from":"x","to":"+31612345678","body":"hi"}"#,
                Code::InvalidNumber,
                "from",
            ),
            (
                r#"{"from_number_id":1,"to":"+31612345678","body":""}"#,
                Code::BodyEmpty,
                "body",
            ),
            (
                r#"{"from_number_id":1,"to":"+31612345678","body":"a","channel":"fax"}"#,
                Code::ValidationFailed,
                "channel",
            ),
            (
                r#"{"from_number_id":1,"to":"+31612345678","body":"a","tags":[]}"#,
                Code::UnknownField,
                "tags",
            ),
        ] {
            assert_eq!(refused(body), (code, field.to_owned()), "{body}");
        }
    }

    #[test]
    fn the_bound_of_a_body_counts_characters() {
        let longest = "€".repeat(BODY_CHARS_MAX);
        assert!(text(Some(&longest)).is_ok());
        let document = document_of(text(Some(&format!("{longest}€"))).unwrap_err());
        assert_eq!(document["code"], "body_too_long");
        let detail = document["detail"].as_str().unwrap();
        assert!(
            detail.contains("1601") && detail.contains("1600"),
            "{detail}"
        );
    }
}
