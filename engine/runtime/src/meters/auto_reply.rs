//! What became of the messages that came to a number which answers by itself.

use didfarm_core::auto_reply::SilentCause;
use metrics::{Counter, counter, describe_counter};

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AutoReplyOutcome {
    /// It was answered.
    Sent,
    /// The answer was refused as any send may be: the wallet, the channel, the window, no route.
    Refused,
    /// The account's limit was used up.
    RateLimited,
    /// The rules are silent.
    Silent(SilentCause),
}

impl AutoReplyOutcome {
    fn as_str(self) -> &'static str {
        match self {
            AutoReplyOutcome::Sent => "sent",
            AutoReplyOutcome::Refused => "refused",
            AutoReplyOutcome::RateLimited => "rate_limited",
            AutoReplyOutcome::Silent(cause) => cause.as_str(),
        }
    }
}

/// Counters by outcome.
pub(crate) struct AutoReplyMeter {
    sent: Counter,
    refused: Counter,
    rate_limited: Counter,
    silent: [Counter; SilentCause::ALL.len()],
}

impl AutoReplyMeter {
    pub(super) fn new() -> AutoReplyMeter {
        describe_counter!(
            "didfarm_auto_replies_total",
            "Inbound messages to numbers that answer by themselves, by what became of them."
        );
        let of = |outcome: AutoReplyOutcome| counter!("didfarm_auto_replies_total", "outcome" => outcome.as_str());
        AutoReplyMeter {
            sent: of(AutoReplyOutcome::Sent),
            refused: of(AutoReplyOutcome::Refused),
            rate_limited: of(AutoReplyOutcome::RateLimited),
            silent: SilentCause::ALL.map(|cause| of(AutoReplyOutcome::Silent(cause))),
        }
    }

    pub(crate) fn count(&self, outcome: AutoReplyOutcome) {
        let counter = match outcome {
            AutoReplyOutcome::Sent => &self.sent,
            AutoReplyOutcome::Refused => &self.refused,
            AutoReplyOutcome::RateLimited => &self.rate_limited,
            AutoReplyOutcome::Silent(cause) => &self.silent[cause as usize],
        };
        counter.increment(1);
    }
}
