//! The shape of `/api/v1/limits`.

use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::number::Number;
use didfarm_runtime::limits::{AccountLimit, NumberLimit, PairLimit};
use serde::Serialize;

use super::{Named, Shown};

/// One limit.
#[derive(Serialize)]
#[serde(tag = "level", rename_all = "snake_case")]
pub(crate) enum Level {
    Account(AccountLevel),
    Number(NumberLevel),
    Pair(PairLevel),
}

/// The account's own.
#[derive(Serialize)]
pub(crate) struct AccountLevel {
    unit: &'static str,
    per_second: u32,
    burst: u32,
    used_last_second: u32,
    waiting: u64,
    waiting_max: u64,
}

impl AccountLevel {
    pub(crate) fn of(limit: &AccountLimit) -> AccountLevel {
        AccountLevel {
            unit: "messages",
            per_second: limit.limit.per_second,
            burst: limit.limit.burst,
            used_last_second: limit.used,
            waiting: limit.waiting,
            waiting_max: limit.waiting_max,
        }
    }
}

/// That of a number on a channel.
#[derive(Serialize)]
pub(crate) struct NumberLevel {
    number_id: Named,
    number: Shown<E164>,
    channel: &'static str,
    unit: &'static str,
    per_second: u32,
    used_last_second: u32,
    waiting: u64,
}

impl NumberLevel {
    pub(crate) fn of(
        number: &Number,
        (channel, per_second): (Channel, u32),
        busy: Option<&NumberLimit>,
    ) -> NumberLevel {
        NumberLevel {
            number_id: Named(number.id.spelled()),
            number: Shown(number.e164),
            channel: channel.as_str(),
            unit: match channel {
                Channel::Sms => "segments",
                Channel::WhatsApp => "messages",
            },
            per_second,
            used_last_second: busy.map_or(0, |busy| busy.used),
            waiting: busy.map_or(0, |busy| busy.waiting),
        }
    }
}

/// That of every pair on WhatsApp.
#[derive(Serialize)]
pub(crate) struct PairLevel {
    channel: &'static str,
    unit: &'static str,
    interval_ms: u64,
    burst: u32,
}

impl PairLevel {
    pub(crate) fn of(limit: PairLimit) -> PairLevel {
        PairLevel {
            channel: Channel::WhatsApp.as_str(),
            unit: "messages",
            interval_ms: limit.interval_ms,
            burst: limit.burst,
        }
    }
}
