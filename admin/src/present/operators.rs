//! The shapes of `/ops`: prefixed ids, amounts as exact numbers of euros.

use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::Number;
use didfarm_runtime::operate::{AccountView, NewKey};
use serde::Serialize;
use serde_json::value::RawValue;

use super::portal::state_word;
use super::{CURRENCY, Shown, euros};

/// An account.
#[derive(Serialize)]
pub(crate) struct Account<'a> {
    id: Shown<AccountId>,
    name: &'a str,
    rate_per_second: u32,
    burst: u32,
    balance: Box<RawValue>,
    currency: &'static str,
    key_ids: &'a [String],
}

impl<'a> Account<'a> {
    pub(crate) fn of(view: &'a AccountView) -> Account<'a> {
        Account {
            id: Shown(view.id),
            name: &view.name,
            rate_per_second: view.rate_limit.per_second,
            burst: view.rate_limit.burst,
            balance: euros(view.balance),
            currency: CURRENCY,
            key_ids: &view.key_ids,
        }
    }
}

/// A new key: the only answer that shows it whole.
#[derive(Serialize)]
pub(crate) struct Key<'a> {
    key_id: &'a str,
    api_key: &'a str,
}

impl<'a> Key<'a> {
    pub(crate) fn of(key: &'a NewKey) -> Key<'a> {
        Key {
            key_id: &key.id,
            api_key: &key.secret,
        }
    }
}

/// A number.
#[derive(Serialize)]
pub(crate) struct HostedNumber {
    id: Shown<NumberId>,
    account_id: Shown<AccountId>,
    e164: Shown<E164>,
    sms: bool,
    whatsapp: bool,
    status: &'static str,
}

impl HostedNumber {
    pub(crate) fn of(number: &Number) -> HostedNumber {
        HostedNumber {
            id: Shown(number.id),
            account_id: Shown(number.account),
            e164: Shown(number.e164),
            sms: number.sms,
            whatsapp: number.whatsapp,
            status: state_word(number.state),
        }
    }
}

/// A number that is out of service after repeated faults.
#[derive(Serialize)]
pub(crate) struct Quarantined {
    pub(crate) id: Shown<NumberId>,
}

/// A number that is back in service.
#[derive(Serialize)]
pub(crate) struct Released {
    pub(crate) id: Shown<NumberId>,
    pub(crate) released: bool,
}

/// How the daemon is.
#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}
