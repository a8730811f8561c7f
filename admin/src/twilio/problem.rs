//! Everything that turns a problem into Twilio's error body: `{code, message, more_info, status}`.
//!
//! | Our code | Field | Twilio's code | Status |
//! |---|---|---|---|
//! | `unauthorized` | | 20003 | 401 |
//! | `method_not_allowed` | | 20004 | 405 |
//! | `not_found` | | 20404 | 404 |
//! | `idempotency_in_progress` | | 20409 | 409 |
//! | `rate_limited`, `prefix_busy` | | 20429 | 429 |
//! | `internal`, `faulted` | | 20500 | 500 |
//! | `overloaded`, `disk_short`, `draining`, `number_quarantined`, `records_behind` | | 20503 | 503 |
//! | `insufficient_balance` | | 20005 | 403 |
//! | `spend_cap_reached` | | 63038 | 429 |
//! | `invalid_number` | `From` | 21212 | 400 |
//! | `invalid_number` | any other | 21211 | 400 |
//! | `number_unknown` | | 21659 | 400 |
//! | `pool_unknown` | | 21701 | 400 |
//! | `pool_without_sender` | | 21703 | 400 |
//! | `number_not_active`, `sms_not_available`, `channel_disabled` | | 21606 | 400 |
//! | `opted_out` | | 21610 | 400 |
//! | `window_closed` | | 63016 | 400 |
//! | `no_route`, `destination_not_allowed`, `range_blocked` | | 21408 | 400 |
//! | `prefix_stopped` | | 30450 | 403 |
//! | `channel_unfit` | `From` | 21910 | 400 |
//! | `channel_unfit` | any other | 21612 | 400 |
//! | `body_empty` | | 21602 | 400 |
//! | `body_too_long` | | 21617 | 400 |
//! | `send_at_invalid` | | 35114 | 400 |
//! | `too_many_scheduled` | | 35125 | 400 |
//! | `message_under_way` | | 30409 | 409 |
//! | `url_unfit`, `endpoint_unfit`, `too_many_endpoints` | | 21609 | 400 |
//! | `validation_failed` | `From` | 21603 | 400 |
//! | `validation_failed` | `To` | 21604 | 400 |
//! | `validation_failed` | `StatusCallback` | 21609 | 400 |
//! | `validation_failed` | `MediaUrl` | 21620 | 400 |
//! | `validation_failed` | `ContentSid` | 21655 | 400 |
//! | `validation_failed` | `SendAt` | 35114 | 400 |
//! | every other | | 20001 | that of ours |

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::problem::{Code, Problem, Told};

/// What stands before a code in `more_info`.
const MORE_INFO: &str = "https://www.twilio.com/docs/errors/";

#[derive(Serialize)]
struct Body<'a> {
    code: u32,
    message: &'a str,
    more_info: String,
    status: u16,
}

/// Makes the answer.
pub(super) fn respond(problem: Problem, request_id: &HeaderValue) -> HttpResponse {
    let mut response = problem.respond_as(request_id, write);
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"Twilio API\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn write(told: Told<'_>) -> (StatusCode, Vec<u8>) {
    let (code, status) = code_of(told.code, told.field);
    let body = Body {
        code,
        message: told.detail,
        more_info: format!("{MORE_INFO}{code}"),
        status: status.as_u16(),
    };
    let body = serde_json::to_vec(&body).expect("an error has string keys only");
    (status, body)
}

/// Twilio's code and the status beside it.
fn code_of(code: Code, field: Option<&str>) -> (u32, StatusCode) {
    let is = |name: &str| field.is_some_and(|field| field.eq_ignore_ascii_case(name));
    let number = match code {
        Code::Unauthorized => 20_003,
        Code::MethodNotAllowed => 20_004,
        Code::NotFound => 20_404,
        Code::IdempotencyInProgress => 20_409,
        Code::RateLimited | Code::PrefixBusy => 20_429,
        Code::Internal | Code::Faulted => 20_500,
        Code::Overloaded
        | Code::DiskShort
        | Code::Draining
        | Code::NumberQuarantined
        | Code::RecordsBehind => 20_503,
        Code::InsufficientBalance => return (20_005, StatusCode::FORBIDDEN),
        Code::SpendCapReached => return (63_038, StatusCode::TOO_MANY_REQUESTS),
        Code::MessageUnderWay => 30_409,
        // With Twilio a message fails of it after it was taken; its status is ours.
        Code::PrefixStopped => 30_450,
        _ => match code_of_send(code, is) {
            Some(number) => return (number, StatusCode::BAD_REQUEST),
            None => 20_001,
        },
    };
    (number, code.status())
}

/// The codes of a send that is refused, each with the status 400.
fn code_of_send(code: Code, is: impl Fn(&str) -> bool) -> Option<u32> {
    Some(match code {
        Code::InvalidNumber if is("From") => 21_212,
        Code::InvalidNumber => 21_211,
        Code::NumberUnknown => 21_659,
        Code::PoolUnknown => 21_701,
        Code::PoolWithoutSender => 21_703,
        Code::NumberNotActive | Code::SmsNotAvailable | Code::ChannelDisabled => 21_606,
        Code::OptedOut => 21_610,
        Code::WindowClosed => 63_016,
        Code::NoRoute | Code::DestinationNotAllowed | Code::RangeBlocked => 21_408,
        Code::ChannelUnfit if is("From") => 21_910,
        Code::ChannelUnfit => 21_612,
        Code::BodyEmpty => 21_602,
        Code::BodyTooLong => 21_617,
        Code::SendAtInvalid => 35_114,
        Code::TooManyScheduled => 35_125,
        Code::UrlUnfit | Code::EndpointUnfit | Code::TooManyEndpoints => 21_609,
        Code::ValidationFailed if is("From") => 21_603,
        Code::ValidationFailed if is("To") => 21_604,
        Code::ValidationFailed if is("StatusCallback") => 21_609,
        Code::ValidationFailed if is("MediaUrl") || is("media.url") => 21_620,
        Code::ValidationFailed if is("ContentSid") => 21_655,
        Code::ValidationFailed if is("SendAt") => 35_114,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table above: codes of ours, field, Twilio's code, status.
    fn rows() -> Vec<(Vec<&'static str>, &'static str, u32, u16)> {
        let cell = |text: &'static str| text.trim().trim_matches('`');
        include_str!("problem.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .map(|row| {
                let cells: Vec<&str> = row.split('|').collect();
                let codes = cells[0].split(',').map(cell).collect();
                let [number, status] = [cells[2], cells[3]].map(|cell| cell.trim().parse());
                (
                    codes,
                    cell(cells[1]),
                    number.unwrap(),
                    status.unwrap() as u16,
                )
            })
            .collect()
    }

    #[test]
    fn the_table_is_what_the_code_does() {
        let rows = rows();
        let mut told: Vec<&str> = Vec::new();
        for (codes, field, number, status) in rows {
            let field = match field {
                "" => None,
                "any other" => Some("nothing"),
                field => Some(field),
            };
            for word in codes {
                told.push(word);
                let code = Code::ALL.iter().find(|code| code.as_str() == word);
                let code = *code.unwrap_or_else(|| panic!("there is no code {word}"));
                let (found, found_status) = code_of(code, field);
                assert_eq!(
                    (found, found_status.as_u16()),
                    (number, status),
                    "{word} {field:?}"
                );
            }
        }
        for code in Code::ALL
            .iter()
            .filter(|code| !told.contains(&code.as_str()))
        {
            assert_eq!(
                code_of(*code, None),
                (20_001, code.status()),
                "{}",
                code.as_str()
            );
        }
    }
}
