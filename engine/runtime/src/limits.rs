//! The limits that an account's messages go through, as its owner sees them.

use didfarm_core::account::RateLimit;
use didfarm_core::channel::Channel;
use didfarm_core::ids::NumberId;

/// Every limit, with its present use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The account's own.
    pub account: AccountLimit,
    /// Those of its numbers that anything went through within the last seconds, or waits at.
    pub numbers: Vec<NumberLimit>,
    /// What every number has, in segments over SMS and in messages over WhatsApp; `None` for no limit.
    pub number_per_second: [Option<u32>; Channel::ALL.len()],
    /// What every WhatsApp pair has; `None` for no limit.
    pub pair: Option<PairLimit>,
}

/// An account's limit, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimit {
    /// The limit.
    pub limit: RateLimit,
    /// How many were let go in the last whole second.
    pub used: u32,
    /// How many wait in line.
    pub waiting: u64,
    /// How many may.
    pub waiting_max: u64,
}

/// The limit of a number on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberLimit {
    /// The number.
    pub number: NumberId,
    /// The channel.
    pub channel: Channel,
    /// Segments a second over SMS, messages over WhatsApp.
    pub per_second: u32,
    /// How many went in the last whole second.
    pub used: u32,
    /// Messages that wait.
    pub waiting: u64,
}

/// The limit of a pair of a number and a peer on WhatsApp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairLimit {
    /// One message goes in so many milliseconds.
    pub interval_ms: u64,
    /// So many may go at once.
    pub burst: u32,
}
