//! The engine's own errors as problems.

use std::time::Duration;

use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use didfarm_core::account::RateLimit;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_runtime::batches::BatchError;
use didfarm_runtime::idempotency::ClaimError;
use didfarm_runtime::mails::MailError;
use didfarm_runtime::operate::OperateError;
use didfarm_runtime::read::ReadError;
use didfarm_runtime::receive::ReceiveError;
use didfarm_runtime::schedule::ScheduleError;
use didfarm_runtime::send::{SendError, Unavailable};
use didfarm_runtime::webhooks::WebhookError;

use super::{Code, Problem};
use crate::{idempotency, limit};

/// What was asked of the engine, as far as an error has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The field that named our number.
    pub(crate) number_field: &'static str,
    /// When the engine says that a try may have better luck.
    pub(crate) retry_after: Duration,
}

impl Asked {
    pub(crate) fn send(self, error: SendError) -> Problem {
        match error {
            SendError::Refused(refusal) => self.refused(refusal),
            SendError::RateLimited { limit, wait } => rate_limited(limit, wait),
            SendError::PrefixBusy { range, wait } => {
                let wait = wait.unwrap_or(self.retry_after);
                Problem::of_field(Code::PrefixBusy, "to", error.to_string())
                    .with_member("prefix", format!("\"{range}\""))
                    .with_header(RETRY_AFTER, retry_after(wait))
            }
            SendError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    pub(crate) fn claim(self, error: ClaimError) -> Problem {
        let detail = error.to_string();
        match error {
            ClaimError::Reused => {
                Problem::of_field(Code::IdempotencyKeyReused, idempotency::FIELD, detail)
            }
            ClaimError::InProgress => Problem::new(Code::IdempotencyInProgress, detail)
                .with_header(RETRY_AFTER, retry_after(self.retry_after)),
            ClaimError::Unread(error) => self.read(error),
        }
    }

    pub(crate) fn receive(self, error: ReceiveError) -> Problem {
        match error {
            ReceiveError::Refused(refusal) => self.refused(refusal),
            ReceiveError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    pub(crate) fn read(self, error: ReadError) -> Problem {
        match error {
            ReadError::Unavailable(unavailable) => self.unavailable(unavailable),
            ReadError::Damaged { sentence } => Problem::internal(sentence),
        }
    }

    pub(crate) fn operate(self, error: OperateError) -> Problem {
        let detail = error.to_string();
        match error {
            OperateError::Refused(refusal) => self.refused(refusal),
            OperateError::AccountUnknown { .. } => Problem::new(Code::NotFound, detail),
            OperateError::KeyUnfit { .. } => Problem::of_field(Code::KeyInvalid, "key", detail),
            OperateError::NotInDoubt { .. } => Problem::new(Code::NotInDoubt, detail),
            OperateError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    pub(crate) fn schedule(self, error: ScheduleError) -> Problem {
        let detail = error.to_string();
        match error {
            ScheduleError::Unknown { .. } => Problem::not_found(),
            ScheduleError::UnderWay { status } => Problem::new(Code::MessageUnderWay, detail)
                .with_member("message_status", format!("\"{status}\"")),
            ScheduleError::Refused(refusal) => self.refused(refusal),
            ScheduleError::Damaged { sentence } => Problem::internal(sentence),
            ScheduleError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    pub(crate) fn batch(self, error: BatchError) -> Problem {
        let detail = error.to_string();
        match error {
            BatchError::Unknown { .. } => Problem::not_found(),
            BatchError::InProgress => Problem::new(Code::IdempotencyInProgress, detail)
                .with_header(RETRY_AFTER, retry_after(self.retry_after)),
            BatchError::State { state } => Problem::new(Code::BatchState, detail)
                .with_member("state", format!("\"{}\"", state.as_str())),
            BatchError::BacklogFull { waiting, max, wait } => {
                let problem = Problem::new(Code::BacklogFull, detail)
                    .with_member("waiting", waiting.to_string())
                    .with_member("max", max.to_string());
                match wait {
                    Some(wait) => problem.with_header(RETRY_AFTER, retry_after(wait)),
                    None => problem,
                }
            }
            BatchError::Unavailable(unavailable) => self.unavailable(unavailable),
            BatchError::Read(error) => self.read(error),
        }
    }

    /// Whatever belongs to another account is not there. `url_field` is the one that named a URL.
    pub(crate) fn webhook(self, error: WebhookError, url_field: &str) -> Problem {
        let detail = error.to_string();
        match error {
            WebhookError::Refused(refusal) => self.refused(refusal),
            WebhookError::Unknown { .. } => Problem::not_found(),
            WebhookError::UrlUnfit { .. } => Problem::of_field(Code::UrlUnfit, url_field, detail),
            WebhookError::RecoveryRunning => Problem::new(Code::RecoveryRunning, detail),
            WebhookError::RecoveryNotRunning => Problem::new(Code::RecoveryNotRunning, detail),
            WebhookError::RecoveryUnfit { field, why } => {
                Problem::of_field(Code::RecoveryUnfit, field, why)
            }
            WebhookError::Damaged { sentence } => Problem::internal(sentence),
            WebhookError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    /// The field of a text that is forwarded is `message.body`, that of the address `email`.
    pub(crate) fn mail(self, error: MailError) -> Problem {
        let detail = error.to_string();
        match error {
            MailError::Refused(refusal) => self.refused(refusal),
            MailError::AddressUnfit(_) => Problem::of_field(Code::EmailInvalid, "email", detail),
            MailError::TextTooLong { .. } => {
                Problem::of_field(Code::BodyTooLong, "message.body", detail)
            }
            MailError::RateLimited { limit, wait } => rate_limited(limit, wait),
            MailError::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    /// The field that named a pool: beside those that name a number it has its own.
    fn pool_field(self) -> &'static str {
        match self.number_field {
            "from" | "from_number_id" => "from_pool",
            field => field,
        }
    }

    fn refused(self, refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        let at = |code, field| Problem::of_field(code, field, detail.clone());
        match refusal {
            Refusal::NumberUnknown { .. } => at(Code::NumberUnknown, self.number_field),
            Refusal::NumberNotActive => at(Code::NumberNotActive, self.number_field),
            Refusal::SmsNotAvailable => at(Code::SmsNotAvailable, self.number_field),
            Refusal::NumberTaken => at(Code::NumberTaken, self.number_field),
            Refusal::ChannelDisabled { .. } => at(Code::ChannelDisabled, "channel"),
            Refusal::WindowClosed { expired_at } => {
                at(Code::WindowClosed, "channel").with_member("expired_at", time_json(expired_at))
            }
            Refusal::OptedOut { since } => {
                at(Code::OptedOut, "to").with_member("since", time_json(Some(since)))
            }
            Refusal::DestinationNotAllowed { country } => {
                let country = country.map_or("null".to_owned(), |country| format!("\"{country}\""));
                at(Code::DestinationNotAllowed, "to").with_member("country", country)
            }
            Refusal::RangeBlocked { kind } => {
                at(Code::RangeBlocked, "to").with_member("kind", format!("\"{}\"", kind.as_str()))
            }
            Refusal::PrefixStopped {
                range,
                since,
                ends_at,
            } => at(Code::PrefixStopped, "to")
                .with_member("prefix", format!("\"{range}\""))
                .with_member("since", time_json(Some(since)))
                .with_member("ends_at", time_json(ends_at)),
            Refusal::RangeNotStopped { .. } => Problem::not_found(),
            Refusal::ReleaseNotAllowed { range } => Problem::new(Code::ReleaseNotAllowed, detail)
                .with_member("prefix", format!("\"{range}\"")),
            Refusal::DestinationNotOpen { .. } => Problem::invalid("destinations", detail),
            Refusal::NoRoute => Problem::new(Code::NoRoute, detail),
            Refusal::Unfit { .. } => at(Code::ChannelUnfit, "channel"),
            // An exact decimal is a JSON number as it stands.
            Refusal::InsufficientBalance { needed, available } => {
                Problem::new(Code::InsufficientBalance, detail)
                    .with_member("needed", needed.to_string())
                    .with_member("available", available.to_string())
            }
            Refusal::SpendCapReached {
                cap,
                spent,
                ends_at,
            } => Problem::new(Code::SpendCapReached, detail)
                .with_member("cap", cap.to_string())
                .with_member("spent", spent.to_string())
                .with_member("ends_at", time_json(Some(ends_at))),
            Refusal::AmountOutOfRange { .. } => at(Code::AmountInvalid, "amount"),
            Refusal::TooManyKeys { .. } => Problem::new(Code::TooManyKeys, detail),
            Refusal::NameOutOfRange { .. } => at(Code::NameInvalid, "name"),
            Refusal::EndpointUnfit { field, why } => {
                Problem::of_field(Code::EndpointUnfit, field, why)
            }
            Refusal::TooManyEndpoints { .. } => Problem::new(Code::TooManyEndpoints, detail),
            Refusal::AddressUnfit => at(Code::EmailInvalid, "email"),
            Refusal::SendAtPast { .. } | Refusal::SendAtTooFar { .. } => {
                at(Code::SendAtInvalid, "send_at")
            }
            Refusal::TooManyScheduled { .. } => Problem::new(Code::TooManyScheduled, detail),
            Refusal::PoolUnknown { .. } => at(Code::PoolUnknown, self.pool_field()),
            Refusal::PoolWithoutSender { .. } => at(Code::PoolWithoutSender, self.pool_field()),
            Refusal::PoolNumbersUnfit { .. } => at(Code::PoolNumbersInvalid, "numbers"),
            Refusal::NumberPooled { pool, .. } => {
                at(Code::NumberPooled, "numbers").with_member("pool", format!("\"{pool}\""))
            }
            Refusal::TooManyPools { .. } => Problem::new(Code::TooManyPools, detail),
            Refusal::LimitOutOfRange => at(Code::LimitInvalid, "rate_per_second"),
        }
    }

    fn unavailable(self, unavailable: Unavailable) -> Problem {
        let code = match unavailable {
            Unavailable::Busy => Code::Overloaded,
            Unavailable::DiskShort => Code::DiskShort,
            Unavailable::Draining => Code::Draining,
            Unavailable::Quarantined => Code::NumberQuarantined,
            Unavailable::Faulted => Code::Faulted,
            Unavailable::RecordsBehind => Code::RecordsBehind,
        };
        Problem::new(code, unavailable.to_string())
            .with_header(RETRY_AFTER, retry_after(self.retry_after))
    }
}

fn rate_limited(limit: RateLimit, wait: Duration) -> Problem {
    let detail = format!(
        "the account's limit of {} messages per second is used up",
        limit.per_second
    );
    Problem::new(Code::RateLimited, detail)
        .with_header(RETRY_AFTER, retry_after(wait))
        .with_header(limit::RATE_LIMIT, limit::left(limit, 0))
}

/// Whole seconds, rounded up, so that whoever waits so long has waited long enough; at least one.
pub(super) fn retry_after(wait: Duration) -> HeaderValue {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

fn time_json(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "null".to_owned(),
        |at| format!("\"{}\"", at.to_rfc3339_seconds()),
    )
}
