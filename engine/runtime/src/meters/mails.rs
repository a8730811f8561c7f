//! Metrics of mails and of replies by mail.

use std::time::Duration;

use metrics::{Gauge, counter, describe_counter, describe_gauge, gauge};

const MAILS: &str = "didfarm_mails_total";
const REPLIES: &str = "didfarm_mail_replies_total";
/// Every word of `MailKind::as_str`.
const KINDS: [&str; 5] = [
    "inbound",
    "forward",
    "exhausted",
    "endpoint_disabled",
    "wallet_low",
];

/// What became of a try to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailOutcome {
    Sent,
    Retried,
    GivenUp,
}

impl MailOutcome {
    const ALL: [MailOutcome; 3] = [
        MailOutcome::Sent,
        MailOutcome::Retried,
        MailOutcome::GivenUp,
    ];

    fn as_str(self) -> &'static str {
        match self {
            MailOutcome::Sent => "sent",
            MailOutcome::Retried => "retried",
            MailOutcome::GivenUp => "given_up",
        }
    }
}

/// Handles on the metrics of mails.
pub(crate) struct MailMeter {
    waiting: Gauge,
    oldest_seconds: Gauge,
}

impl MailMeter {
    pub(crate) fn new() -> MailMeter {
        describe_counter!(
            MAILS,
            "Tries to send a mail, by its kind and their outcome."
        );
        describe_gauge!("didfarm_mails_waiting", "Mails that wait to be sent.");
        describe_gauge!(
            "didfarm_mails_oldest_seconds",
            "Age of the oldest mail that waits, of those in memory."
        );
        for kind in KINDS {
            for outcome in MailOutcome::ALL {
                counter!(MAILS, "kind" => kind, "outcome" => outcome.as_str()).increment(0);
            }
        }
        MailMeter {
            waiting: gauge!("didfarm_mails_waiting"),
            oldest_seconds: gauge!("didfarm_mails_oldest_seconds"),
        }
    }

    pub(crate) fn tried(&self, kind: &'static str, outcome: MailOutcome) {
        counter!(MAILS, "kind" => kind, "outcome" => outcome.as_str()).increment(1);
    }

    pub(crate) fn waiting(&self, mails: u64, oldest: Duration) {
        self.waiting.set(mails as f64);
        self.oldest_seconds.set(oldest.as_secs_f64());
    }
}

/// Handles on the metrics of replies by mail.
pub(crate) struct ReplyMeter;

impl ReplyMeter {
    /// Names the outcomes that there are.
    pub(crate) fn new(outcomes: &[&'static str]) -> ReplyMeter {
        describe_counter!(REPLIES, "Replies by mail, by what became of them.");
        for outcome in outcomes {
            counter!(REPLIES, "outcome" => *outcome).increment(0);
        }
        ReplyMeter
    }

    pub(crate) fn count(&self, outcome: &'static str) {
        counter!(REPLIES, "outcome" => outcome).increment(1);
    }
}
