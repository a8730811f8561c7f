//! Why a command is refused before anything happens: typed, with the field at fault.

use crate::abuse::country::Country;
use crate::abuse::range::RangeKind;
use crate::abuse::stop::TrafficRange;
use crate::channel::Channel;
use crate::ids::{NumberId, PoolId};
use crate::money::Micros;
use crate::schedule;
use crate::time::Timestamp;

/// A command that broke a rule; it left no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account does not exist or the number is another's.
    #[error("the number {number} is not one of this account's numbers")]
    NumberUnknown {
        /// The number as it was given.
        number: String,
    },
    /// The number waits for provisioning or verification.
    #[error("Number must be active to enable SMS")]
    NumberNotActive,
    /// The number's type does not carry SMS in its country.
    #[error("SMS not available for this number type")]
    SmsNotAvailable,
    /// The number exists already.
    #[error("the number is already hosted here")]
    NumberTaken,
    /// The channel's toggle is off on the number.
    #[error("{} is not enabled on this number", channel.label())]
    ChannelDisabled {
        /// The channel that was asked for.
        channel: Channel,
    },
    /// WhatsApp's window has expired or never opened.
    #[error("the 24-hour window is closed: only an approved template may be sent")]
    WindowClosed {
        /// When it closed; `None` when the peer never wrote.
        expired_at: Option<Timestamp>,
    },
    /// The peer asked for no more messages, or somebody who may did for it.
    #[error("the recipient opted out of messages from this number")]
    OptedOut {
        /// Since when.
        since: Timestamp,
    },
    /// No carrier is routed for the message.
    #[error("no carrier is routed for this number, destination and channel")]
    NoRoute,
    /// The channel cannot carry the content, or cannot reach the peer.
    #[error("{} cannot carry this: {why}", channel.label())]
    Unfit {
        /// The channel that was asked for.
        channel: Channel,
        /// What does not fit.
        why: &'static str,
    },
    /// The wallet cannot pay for it.
    #[error("Insufficient wallet balance")]
    InsufficientBalance {
        /// What it costs.
        needed: Micros,
        /// What the wallet holds.
        available: Micros,
    },
    /// The account has spent as much today as it may.
    #[error("the account's daily spend cap of {cap} euro is reached; it ends at {}", ends_at.to_rfc3339_seconds())]
    SpendCapReached {
        /// What may be spent a day.
        cap: Micros,
        /// What was spent today.
        spent: Micros,
        /// When the day ends.
        ends_at: Timestamp,
    },
    /// The account may not send to the number's country.
    #[error("{}", destination_sentence(*country))]
    DestinationNotAllowed {
        /// The country by its two letters; `None` for a number of no country.
        country: Option<&'static str>,
    },
    /// The number is of a kind that is blocked unless an operator opens it.
    #[error("the number is in a {} range, which is not open to this account", kind.as_str())]
    RangeBlocked {
        /// The kind.
        kind: RangeKind,
    },
    /// The account sent as much to the range as it may: nothing more goes there until it is released.
    #[error("messages to {range} are stopped since {}: too many were sent there", since.to_rfc3339_seconds())]
    PrefixStopped {
        /// The range.
        range: TrafficRange,
        /// Since when.
        since: Timestamp,
        /// When the stop ends by itself, if it does.
        ends_at: Option<Timestamp>,
    },
    /// There is no stop to release.
    #[error("messages to {range} are not stopped")]
    RangeNotStopped {
        /// The range.
        range: TrafficRange,
    },
    /// The account itself may not release this stop.
    #[error(
        "messages to {range} are stopped for the day or for all of a country: only an operator releases that"
    )]
    ReleaseNotAllowed {
        /// The range.
        range: TrafficRange,
    },
    /// A country that is not open to the account.
    #[error("{country} is not open to this account")]
    DestinationNotOpen {
        /// The country.
        country: Country,
    },
    /// An amount of money that is not positive or too large.
    #[error("the amount must be positive and keep the balance below {max}")]
    AmountOutOfRange {
        /// The largest balance.
        max: Micros,
    },
    /// The account has as many keys as it may have.
    #[error("an account may have {max} keys at most")]
    TooManyKeys {
        /// The bound.
        max: usize,
    },
    /// A name that is empty or too long.
    #[error("a name has 1 to {chars_max} characters, none of them a control character")]
    NameOutOfRange {
        /// The bound.
        chars_max: usize,
    },
    /// A setting of a webhook endpoint that does not fit.
    #[error("{field}: {why}")]
    EndpointUnfit {
        /// The field at fault.
        field: &'static str,
        /// What does not fit.
        why: &'static str,
    },
    /// The account has as many endpoints as it may have.
    #[error("an account may have {max} webhook endpoints at most")]
    TooManyEndpoints {
        /// The bound.
        max: usize,
    },
    /// No mail address.
    #[error("this is no mail address")]
    AddressUnfit,
    /// The time that a message is to be sent at is over.
    #[error("the time lies in the past: here it is {}", now.to_rfc3339_seconds())]
    SendAtPast {
        /// What the clock says here.
        now: Timestamp,
    },
    /// The time that a message is to be sent at is too far ahead.
    #[error(
        "a message may be scheduled {} days ahead, to {}",
        schedule::DAYS_AHEAD_MAX,
        latest.to_rfc3339_seconds()
    )]
    SendAtTooFar {
        /// The last time that would do.
        latest: Timestamp,
    },
    /// As many messages are scheduled as may be.
    #[error("as many messages are scheduled as there may be, which is {max}")]
    TooManyScheduled {
        /// The bound.
        max: u64,
    },
    /// The account has no such pool.
    #[error("there is no pool {pool}")]
    PoolUnknown {
        /// The pool.
        pool: PoolId,
    },
    /// No number of the pool can send on the channel.
    #[error("no number of this pool is active with {} enabled", channel.label())]
    PoolWithoutSender {
        /// The channel that was asked for.
        channel: Channel,
    },
    /// Numbers that make no pool.
    #[error("a pool has 1 to {max} numbers, each of them once")]
    PoolNumbersUnfit {
        /// The bound.
        max: usize,
    },
    /// A number that is in another pool.
    #[error("the number {number} is in {pool}; a number is in one pool only")]
    NumberPooled {
        /// The number.
        number: NumberId,
        /// Where it is.
        pool: PoolId,
    },
    /// The account has as many pools as it may have.
    #[error("an account may have {max} pools at most")]
    TooManyPools {
        /// The bound.
        max: usize,
    },
    /// A rate limit of nothing.
    #[error("a rate limit needs at least one message per second and a burst of at least one")]
    LimitOutOfRange,
}

fn destination_sentence(country: Option<&str>) -> String {
    match country {
        Some(country) => format!("this account does not send to {country}"),
        None => {
            "this account sends to the countries of its list, and the number is of none".to_owned()
        }
    }
}
