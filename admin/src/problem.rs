//! Everything that turns an error into HTTP: `application/problem+json` (RFC 9457).
//!
//! An answer has the members `type`, `title`, `status`, `detail`, `code`, `request_id`, and `errors`
//! when a field is at fault; some codes add members of their own. What the outside may read (`detail`)
//! and what only the log gets (`context`) are different fields.
//!
//! | Code | Status | Beside it |
//! |---|---|---|
//! | `validation_failed` | 400 | `errors` |
//! | `malformed_json` | 400 | |
//! | `unknown_field` | 400 | `errors` |
//! | `unknown_parameter` | 400 | `errors` |
//! | `invalid_cursor` | 400 | `errors` |
//! | `body_incomplete` | 400 | |
//! | `callback_unreadable` | 400 | |
//! | `idempotency_key_invalid` | 400 | `errors` |
//! | `unauthorized` | 401 | `WWW-Authenticate` |
//! | `insufficient_balance` | 402 | `needed`, `available` |
//! | `spend_cap_reached` | 402 | `cap`, `spent`, `ends_at` |
//! | `signature_invalid` | 403 | |
//! | `destination_not_allowed` | 403 | `errors`, `country` |
//! | `range_blocked` | 403 | `errors`, `kind` |
//! | `prefix_stopped` | 403 | `errors`, `prefix`, `since`, `ends_at` |
//! | `release_not_allowed` | 403 | `prefix` |
//! | `not_found` | 404 | |
//! | `number_unknown` | 404 | `errors` |
//! | `pool_unknown` | 404 | `errors` |
//! | `method_not_allowed` | 405 | `Allow` |
//! | `request_timeout` | 408 | |
//! | `number_not_active` | 409 | `errors` |
//! | `sms_not_available` | 409 | `errors` |
//! | `channel_disabled` | 409 | `errors` |
//! | `window_closed` | 409 | `errors`, `expired_at` |
//! | `opted_out` | 409 | `errors`, `since` |
//! | `number_taken` | 409 | `errors` |
//! | `too_many_keys` | 409 | |
//! | `too_many_endpoints` | 409 | |
//! | `too_many_pools` | 409 | |
//! | `number_pooled` | 409 | `errors`, `pool` |
//! | `pool_without_sender` | 409 | `errors` |
//! | `recovery_running` | 409 | |
//! | `recovery_not_running` | 409 | |
//! | `message_under_way` | 409 | `message_status` |
//! | `too_many_scheduled` | 409 | |
//! | `not_in_doubt` | 409 | |
//! | `idempotency_in_progress` | 409 | `Retry-After` |
//! | `batch_state` | 409 | `state` |
//! | `payload_too_large` | 413 | |
//! | `unsupported_media_type` | 415 | |
//! | `unsupported_encoding` | 415 | |
//! | `invalid_number` | 422 | `errors` |
//! | `body_empty` | 422 | `errors` |
//! | `body_too_long` | 422 | `errors` |
//! | `sender_not_single` | 422 | `errors` |
//! | `no_route` | 422 | |
//! | `channel_unfit` | 422 | `errors` |
//! | `amount_invalid` | 422 | `errors` |
//! | `name_invalid` | 422 | `errors` |
//! | `send_at_invalid` | 422 | `errors` |
//! | `limit_invalid` | 422 | `errors` |
//! | `key_invalid` | 422 | `errors` |
//! | `endpoint_unfit` | 422 | `errors` |
//! | `url_unfit` | 422 | `errors` |
//! | `recovery_unfit` | 422 | `errors` |
//! | `pool_numbers_invalid` | 422 | `errors` |
//! | `auto_reply_invalid` | 422 | `errors` |
//! | `email_invalid` | 422 | `errors` |
//! | `placeholder_missing` | 422 | `errors` |
//! | `idempotency_key_reused` | 422 | `errors` |
//! | `backlog_full` | 429 | `Retry-After`, `waiting`, `max` |
//! | `rate_limited` | 429 | `Retry-After`, `RateLimit` |
//! | `prefix_busy` | 429 | `errors`, `prefix`, `Retry-After` |
//! | `internal` | 500 | |
//! | `faulted` | 500 | `Retry-After` |
//! | `overloaded` | 503 | `Retry-After` |
//! | `disk_short` | 503 | `Retry-After` |
//! | `draining` | 503 | `Retry-After` |
//! | `number_quarantined` | 503 | `Retry-After` |
//! | `records_behind` | 503 | `Retry-After` |

mod code;
mod engine;

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use didfarm_carriers::callback::{NotGenuine, Unreadable};
use didfarm_core::account::RateLimit;
use didfarm_core::e164::E164Error;
use didfarm_core::refusal::Refusal;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

pub use self::code::Code;
pub(crate) use self::engine::Asked;
use crate::limit;

/// What the member `type` starts with; the code follows.
pub const TYPE_PREFIX: &str = "https://didfarm.com/problems/";

/// The longest piece of a caller's own text that an answer repeats, in characters.
const ECHO_CHARS_MAX: usize = 100;

/// A request that is not carried out, as the caller is told.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    detail: Cow<'static, str>,
    /// The field or parameter at fault, and what is wrong with it.
    faults: Vec<Fault>,
    /// Members that only this code has, as JSON.
    members: Vec<(&'static str, Box<RawValue>)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log, never for the caller.
    context: Option<String>,
}

#[derive(Debug, Serialize)]
struct Fault {
    field: String,
    detail: String,
}

impl Problem {
    fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Problem {
        let (faults, members, headers) = (Vec::new(), Vec::new(), Vec::new());
        Problem(Box::new(Inner {
            code,
            detail: detail.into(),
            faults,
            members,
            headers,
            context: None,
        }))
    }

    /// A problem with one field, whose fault is the whole story.
    pub(crate) fn of_field(
        code: Code,
        field: &str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Problem {
        let detail = detail.into();
        let fault = detail.clone().into_owned();
        Problem::new(code, detail).at_field(field, fault)
    }

    /// `validation_failed` for a field or parameter.
    pub(crate) fn invalid(field: &str, fault: impl Into<String>) -> Problem {
        let fault = fault.into();
        Problem::new(Code::ValidationFailed, format!("{}: {fault}", echo(field)))
            .at_field(field, fault)
    }

    /// `validation_failed` for a field that must be there.
    pub(crate) fn missing(field: &str) -> Problem {
        Problem::invalid(field, "is missing")
    }

    /// `validation_failed` for the request as a whole.
    pub(crate) fn invalid_request(detail: &'static str) -> Problem {
        Problem::new(Code::ValidationFailed, detail)
    }

    /// `malformed_json`.
    pub(crate) fn malformed_json(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(Code::MalformedJson, detail)
    }

    /// `unknown_field`.
    pub(crate) fn unknown_field(field: &str, fault: String) -> Problem {
        let detail = format!("there is no field {}", echo(field));
        Problem::new(Code::UnknownField, detail).at_field(field, fault)
    }

    /// `invalid_number`, with the seeds' sentence when it is a destination.
    pub(crate) fn invalid_number(field: &str, error: E164Error) -> Problem {
        let detail = match field {
            "to" => format!("Failed to send SMS: {error}"),
            _ => error.to_string(),
        };
        Problem::new(Code::InvalidNumber, detail).at_field(field, error.to_string())
    }

    /// `number_unknown` for a field that names none of the account's numbers.
    pub(crate) fn number_unknown(field: &str, number: impl Display) -> Problem {
        let refusal = Refusal::NumberUnknown {
            number: number.to_string(),
        };
        Problem::of_field(Code::NumberUnknown, field, refusal.to_string())
    }

    /// `internal`; the context is for the log.
    pub(crate) fn internal(context: String) -> Problem {
        let detail = "the records cannot be read; the operators are told";
        Problem::new(Code::Internal, detail).with_context(context)
    }

    /// `unauthorized`.
    pub(crate) fn unauthorized(detail: &'static str) -> Problem {
        let challenge = HeaderValue::from_static("Bearer");
        Problem::new(Code::Unauthorized, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// `not_found`, the same for what there is not and for what is another account's.
    pub(crate) fn not_found() -> Problem {
        Problem::new(Code::NotFound, "there is nothing at this address")
    }

    /// `method_not_allowed`.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Problem {
        Problem::new(
            Code::MethodNotAllowed,
            format!("this address takes {allow}"),
        )
        .with_header(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// `payload_too_large` for the whole body.
    pub(crate) fn payload_too_large(bytes_max: usize) -> Problem {
        Problem::new(
            Code::PayloadTooLarge,
            format!("a body may have {bytes_max} bytes at most"),
        )
    }

    /// `unsupported_media_type`.
    pub(crate) fn unsupported_media_type() -> Problem {
        let detail = "send the header Content-Type: application/json, and JSON in UTF-8";
        Problem::new(Code::UnsupportedMediaType, detail)
    }

    /// `unsupported_media_type` where a form is wanted.
    pub(crate) fn no_form() -> Problem {
        let detail = "send the header Content-Type: application/x-www-form-urlencoded, and a form";
        Problem::new(Code::UnsupportedMediaType, detail)
    }

    /// `unsupported_encoding`.
    pub(crate) fn unsupported_encoding() -> Problem {
        let detail = "send the body as it is, without a Content-Encoding";
        Problem::new(Code::UnsupportedEncoding, detail)
    }

    /// `signature_invalid`; what the request holds is not looked at.
    pub(crate) fn signature_invalid(error: NotGenuine) -> Problem {
        Problem::new(Code::SignatureInvalid, error.to_string())
    }

    /// `callback_unreadable`.
    pub(crate) fn callback_unreadable(error: &Unreadable) -> Problem {
        Problem::new(Code::CallbackUnreadable, error.to_string())
    }

    /// `overloaded` for a callback, which the carrier is to bring again after this time.
    pub(crate) fn callback_later(wait: Duration) -> Problem {
        let detail = "callbacks cannot be taken at the moment; bring this one again";
        Problem::new(Code::Overloaded, detail)
            .with_header(header::RETRY_AFTER, engine::retry_after(wait))
    }

    /// `request_timeout`.
    pub(crate) fn request_timeout(timeout: Duration) -> Problem {
        let detail = format!("the body did not arrive within {} ms", timeout.as_millis());
        Problem::new(Code::RequestTimeout, detail)
    }

    /// `body_incomplete`.
    pub(crate) fn body_incomplete(context: String) -> Problem {
        Problem::new(
            Code::BodyIncomplete,
            "the body ended too early or was not encoded as declared",
        )
        .with_context(context)
    }

    /// The code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// Adds the limit that every answer to a send shows.
    pub(crate) fn with_policy(self, limit: RateLimit) -> Problem {
        self.with_header(limit::RATE_LIMIT_POLICY, limit::policy(limit))
    }

    fn at_field(mut self, field: &str, detail: String) -> Problem {
        self.0.faults.push(Fault {
            field: echo(field).into_owned(),
            detail,
        });
        self
    }

    fn with_member(mut self, name: &'static str, json: String) -> Problem {
        let json = RawValue::from_string(json).expect("members are written as JSON");
        self.0.members.push((name, json));
        self
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    fn with_context(mut self, context: String) -> Problem {
        self.0.context = Some(context);
        self
    }

    /// The problem as a value within another answer; one that is too long for its bound is told by its
    /// code and title alone.
    pub(crate) fn embedded(self, bytes_max: usize) -> Box<RawValue> {
        let Problem(problem) = self;
        problem.log("");
        let document = Document {
            problem: &problem,
            request_id: None,
        };
        let text = serde_json::to_string(&document).expect("a problem has string keys only");
        if text.len() <= bytes_max {
            return RawValue::from_string(text).expect("a problem is JSON");
        }
        let short = Problem::new(problem.code, problem.code.title());
        short.embedded(usize::MAX)
    }

    /// Makes the answer, and logs what is the daemon's fault.
    pub(crate) fn respond(self, request_id: &HeaderValue) -> HttpResponse {
        let Problem(problem) = self;
        let request_id = request_id.to_str().unwrap_or_default();
        problem.log(request_id);
        let document = Document {
            problem: &problem,
            request_id: Some(request_id),
        };
        let body = serde_json::to_vec(&document).expect("a problem has string keys only");
        let mut response = HttpResponse::build(problem.code.status());
        response.insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        ));
        for header in problem.headers {
            response.insert_header(header);
        }
        response.body(body)
    }
}

/// What a problem tells in a dialect that is not ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) code: Code,
    pub(crate) detail: &'a str,
    /// The first field at fault.
    pub(crate) field: Option<&'a str>,
}

impl Problem {
    /// Makes the answer in another dialect: `write` says which status and body it has there.
    pub(crate) fn respond_as(
        self,
        request_id: &HeaderValue,
        write: impl FnOnce(Told<'_>) -> (StatusCode, Vec<u8>),
    ) -> HttpResponse {
        let Problem(problem) = self;
        problem.log(request_id.to_str().unwrap_or_default());
        let (status, body) = write(Told {
            code: problem.code,
            detail: &problem.detail,
            field: problem.faults.first().map(|fault| fault.field.as_str()),
        });
        let mut response = HttpResponse::build(status);
        let json = HeaderValue::from_static("application/json");
        response.insert_header((header::CONTENT_TYPE, json));
        for header in problem.headers {
            response.insert_header(header);
        }
        response.body(body)
    }
}

impl Inner {
    fn log(&self, request_id: &str) {
        let (code, context) = (
            self.code.as_str(),
            self.context.as_deref().unwrap_or_default(),
        );
        match self.code {
            Code::Internal | Code::Faulted => {
                tracing::error!(code, request_id, context, "a request met a fault")
            }
            _ => tracing::debug!(code, request_id, context, "a request was refused"),
        }
    }
}

struct Document<'a> {
    problem: &'a Inner,
    /// `None` within another answer.
    request_id: Option<&'a str>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document {
            problem,
            request_id,
        } = self;
        let code = problem.code;
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("type", &format_args!("{TYPE_PREFIX}{}", code.as_str()))?;
        document.serialize_entry("title", code.title())?;
        document.serialize_entry("status", &code.status().as_u16())?;
        document.serialize_entry("detail", &problem.detail)?;
        document.serialize_entry("code", code.as_str())?;
        if !problem.faults.is_empty() {
            document.serialize_entry("errors", &problem.faults)?;
        }
        for (name, value) in &problem.members {
            document.serialize_entry(name, value)?;
        }
        if let Some(request_id) = request_id {
            document.serialize_entry("request_id", request_id)?;
        }
        document.end()
    }
}

/// A caller's own text, short enough to be said back.
fn echo(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The document that a caller would get.
#[cfg(test)]
pub(crate) fn document_of(problem: Problem) -> serde_json::Value {
    let Problem(problem) = problem;
    serde_json::to_value(Document {
        problem: &problem,
        request_id: Some("req_1"),
    })
    .expect("a problem is JSON")
}

#[cfg(test)]
mod tests;
