//! Operators' commands: accounts, keys, numbers, wallets.

use didfarm_core::abuse::country::Countries;
use didfarm_core::abuse::range::RangeKinds;
use didfarm_core::account::RateLimit;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, MessageId, PoolId};
use didfarm_core::money::Micros;
use didfarm_core::refusal::Refusal;

use crate::send::Unavailable;

/// An account to make.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// Its own limit; `None` follows the settings' default.
    pub rate_limit: Option<RateLimit>,
    /// Where its notices are mailed to.
    pub email: Option<String>,
}

/// A number to host.
#[derive(Debug, Clone, Copy)]
pub struct NewNumber {
    /// Who owns it.
    pub account: AccountId,
    /// The number.
    pub e164: E164,
    /// Whether it carries messages already; otherwise it waits for activation.
    pub active: bool,
    /// The SMS toggle.
    pub sms: bool,
    /// The WhatsApp toggle.
    pub whatsapp: bool,
}

/// A new API key: the only time that the secret is seen.
#[derive(Clone)]
pub struct NewKey {
    /// The public part.
    pub id: String,
    /// The whole key, as it goes behind `Bearer`.
    pub secret: String,
}

/// An account as operators see it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// The limit in force.
    pub rate_limit: RateLimit,
    /// Where its notices are mailed to.
    pub email: Option<String>,
    /// What the wallet holds.
    pub balance: Micros,
    /// Below which the wallet counts as low: the one in force.
    pub low_balance: Micros,
    /// What it may spend on messages a day: the cap in force, if any.
    pub spend_cap: Option<Micros>,
    /// What it spent on messages today.
    pub spent_today: Micros,
    /// The countries that it wants to send to; `None` for all that are open to it.
    pub destinations: Option<Countries>,
    /// The countries that are open to it: the list in force, if any.
    pub destinations_open: Option<Countries>,
    /// The kinds of ranges that are open to it.
    pub ranges_open: RangeKinds,
    /// The public parts of its keys.
    pub key_ids: Vec<String>,
    /// The pool that the command made or changed, if it did.
    pub pool: Option<PoolId>,
}

/// What an operator found out about a message in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The carrier took it: it counts as sent.
    Taken,
    /// No carrier took it: it has failed and its charge is given back.
    NotTaken,
}

/// Why an operator's command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such account.
    #[error("there is no account {account}")]
    AccountUnknown {
        /// The id that was given.
        account: AccountId,
    },
    /// A key that is given must be long enough and free of spaces.
    #[error(
        "an API key has {bytes_min} to {bytes_max} printable ASCII characters and is not in use"
    )]
    KeyUnfit {
        /// Shortest key.
        bytes_min: usize,
        /// Longest key.
        bytes_max: usize,
    },
    /// Only a message in doubt can be settled by hand.
    #[error("the message {message} is not in doubt")]
    NotInDoubt {
        /// The id that was given.
        message: MessageId,
    },
    /// The engine cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
