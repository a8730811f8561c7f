//! The shape of `/api/v1/account`.

use didfarm_core::abuse::country::{Countries, Country};
use didfarm_core::ids::{AccountId, EndpointId};
use didfarm_core::time::Timestamp;
use didfarm_runtime::account::AccountHandle;
use didfarm_runtime::webhooks::AuthToken;
use didfarm_webhooks::twilio::sid;
use serde::Serialize;
use serde_json::value::RawValue;

use super::abuse::{countries, kinds};
use super::{CURRENCY, Fraction, Shown, euros};

/// An account, as its owner sees it.
#[derive(Serialize)]
pub(crate) struct Account<'a> {
    id: Shown<AccountId>,
    name: &'a str,
    email: Option<&'a str>,
    balance: Box<RawValue>,
    currency: &'static str,
    low_balance: Box<RawValue>,
    quiet_hours: Option<Quiet>,
    spend_cap: Option<Box<RawValue>>,
    spent_today: Box<RawValue>,
    destinations: Option<Vec<Shown<Country>>>,
    destinations_open: Option<Vec<Shown<Country>>>,
    ranges_open: Vec<&'static str>,
    rate_limit: Limit,
    twilio_sid: String,
}

/// An auth token of Twilio's dialect.
#[derive(Serialize)]
pub(crate) struct Token<'a> {
    account_sid: String,
    auth_token: &'a str,
    endpoint_id: Shown<EndpointId>,
    /// Until when the token before opens the account as well.
    previous_until: Option<Fraction>,
}

impl<'a> Token<'a> {
    pub(crate) fn of(account: AccountId, renewed: &'a AuthToken) -> Token<'a> {
        Token {
            account_sid: sid::account(account),
            auth_token: &renewed.token.0,
            endpoint_id: Shown(renewed.endpoint),
            previous_until: renewed.overlap_until.map(Fraction),
        }
    }
}

/// A daily span in the recipient's time.
#[derive(Serialize)]
struct Quiet {
    from: String,
    until: String,
}

#[derive(Serialize)]
struct Limit {
    per_second: u32,
    burst: u32,
}

impl<'a> Account<'a> {
    pub(crate) fn of(
        account: &'a AccountHandle,
        email: Option<&'a str>,
        open: Option<&Countries>,
        now: Timestamp,
    ) -> Account<'a> {
        let limit = account.limit();
        Account {
            id: Shown(account.id()),
            name: account.name(),
            email,
            balance: euros(account.balance()),
            currency: CURRENCY,
            low_balance: euros(account.low_balance()),
            quiet_hours: account.quiet_hours().map(|hours| Quiet {
                from: hours.from().to_string(),
                until: hours.until().to_string(),
            }),
            spend_cap: account.spend_cap().map(euros),
            spent_today: euros(account.spent_today(now)),
            destinations: countries(account.destinations().as_deref()),
            destinations_open: countries(open),
            ranges_open: kinds(account.ranges_open()),
            rate_limit: Limit {
                per_second: limit.per_second,
                burst: limit.burst,
            },
            twilio_sid: sid::account(account.id()),
        }
    }
}
