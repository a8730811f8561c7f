//! Mails to an account about its own affairs: webhooks that fail, a wallet that runs low, traffic that is
//! stopped.

use didfarm_core::abuse::stop::{ReleasedBy, StopCause, TrafficStop};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;

use crate::address::{Address, Mailbox};
use crate::body::Body;
use crate::compose::{Draft, MailId};

/// Why an endpoint gets no more events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledBecause {
    /// It answered 410 Gone, which means "never again".
    Gone,
    /// Every attempt of the last days failed.
    Failing {
        /// How many days.
        days: u32,
    },
}

/// What an account is told.
#[derive(Clone)]
pub enum Notice<'a> {
    /// Events were not delivered though every retry was made.
    WebhookExhausted {
        /// The endpoint's address.
        endpoint: &'a str,
        /// The last attempt's outcome in a few words, as `HTTP 503` or `timeout`.
        last_error: &'a str,
        /// When the last attempt was made.
        last_attempt_at: Timestamp,
    },
    /// An endpoint was disabled by us.
    EndpointDisabled {
        /// The endpoint's address.
        endpoint: &'a str,
        /// Why.
        because: DisabledBecause,
        /// When.
        disabled_at: Timestamp,
    },
    /// The wallet fell below what the account wants to be told about.
    WalletLow {
        /// What is left.
        balance: Micros,
        /// Below which the notice is sent.
        threshold: Micros,
    },
    /// A range was stopped: too many messages went there.
    TrafficStopped(TrafficStop),
}

/// Writes a notice to an account. The thread, if given, keeps notices about one thing together.
pub fn draft(
    notice: &Notice<'_>,
    id: MailId,
    sender: &Mailbox,
    to: &Address,
    thread: Option<MailId>,
    date: Timestamp,
) -> Draft {
    let (subject, body) = match notice {
        Notice::WebhookExhausted {
            endpoint,
            last_error,
            last_attempt_at,
        } => exhausted(endpoint, last_error, *last_attempt_at),
        Notice::EndpointDisabled {
            endpoint,
            because,
            disabled_at,
        } => disabled(endpoint, *because, *disabled_at),
        Notice::WalletLow { balance, threshold } => wallet_low(*balance, *threshold),
        Notice::TrafficStopped(stop) => traffic_stopped(stop),
    };
    Draft {
        id,
        from: sender.clone(),
        to: to.clone(),
        reply_to: None,
        subject,
        body: body.small("This mail was sent automatically by didfarm."),
        thread,
        date,
        attachments: Vec::new(),
    }
}

fn exhausted(endpoint: &str, last_error: &str, at: Timestamp) -> (String, Body) {
    let subject = "Webhook failed: events are not delivered".to_owned();
    let body = Body::new()
        .paragraph("Hello,")
        .paragraph(
            "an event could not be delivered to your webhook endpoint, and all retries have been made. \
             If more events fail there within the hour, this mail speaks for them, too. Nothing is lost: \
             every event is kept, and inbound messages are in your inbox.",
        )
        .facts([
            ("Endpoint", without_query(endpoint)),
            ("Last error", last_error.to_owned()),
            ("Last attempt", at.to_rfc3339_seconds()),
        ])
        .paragraph("What you can do:")
        .steps([
            "Check that the endpoint can be reached, and that it answers with a status from 200 to 299 \
             within 10 seconds."
                .to_owned(),
            "Look at the endpoint's attempt log: it shows every answer that we got.".to_owned(),
            "Then have the missed events sent again: one by one with resend, or all of a time range \
             with recover."
                .to_owned(),
        ]);
    (subject, body)
}

fn disabled(endpoint: &str, because: DisabledBecause, at: Timestamp) -> (String, Body) {
    let why = match because {
        DisabledBecause::Gone => {
            "It answered 410 Gone, by which an endpoint asks for no more events.".to_owned()
        }
        DisabledBecause::Failing { days: 1 } => {
            "Every attempt of the last day has failed.".to_owned()
        }
        DisabledBecause::Failing { days } => {
            format!("Every attempt of the last {days} days has failed.")
        }
    };
    let body = Body::new()
        .paragraph("Hello,")
        .paragraph(format!(
            "we have stopped sending events to your webhook endpoint. {why} New events are kept for you, \
             and inbound messages are in your inbox."
        ))
        .facts([
            ("Endpoint", without_query(endpoint)),
            ("Disabled at", at.to_rfc3339_seconds()),
        ])
        .paragraph("What you can do:")
        .steps([
            "Repair the endpoint, or change its address.".to_owned(),
            "Enable it again, and choose whether the events that it missed are sent to it.".to_owned(),
        ]);
    ("Webhook endpoint disabled".to_owned(), body)
}

fn wallet_low(balance: Micros, threshold: Micros) -> (String, Body) {
    let body = Body::new()
        .paragraph("Hello,")
        .paragraph(
            "the balance of your wallet is low. When it does not cover a message, the message is \
             refused with \"Insufficient wallet balance\". Inbound messages are free and keep coming.",
        )
        .facts([
            ("Balance", euros(balance)),
            ("You are told below", euros(threshold)),
        ])
        .paragraph("Please top up your wallet.");
    ("Your wallet balance is low".to_owned(), body)
}

fn traffic_stopped(stop: &TrafficStop) -> (String, Body) {
    let limit = match stop.cause {
        StopCause::Window => "velocity",
        StopCause::Day => "daily cap",
    };
    let ends = stop.ends_at.map_or_else(
        || "when it is released".to_owned(),
        |at| at.to_rfc3339_seconds(),
    );
    let all_is_well = match stop.is_released_by(ReleasedBy::Account) {
        true => "If all is well, release the stop: messages go on at once.",
        false => "If all is well, write to us too: this is a stop that only we release.",
    };
    let body = Body::new()
        .paragraph("Hello,")
        .paragraph(
            "your account sent more messages to one range of numbers than is usual. Nothing more is sent \
             there, and nothing more is charged for it, until the stop ends. Messages to other numbers \
             go on.",
        )
        .facts([
            ("Range", stop.range.to_string()),
            ("Limit", limit.to_owned()),
            ("Messages", stop.messages.to_string()),
            ("Stopped at", stop.since.to_rfc3339_seconds()),
            ("Ends", ends),
        ])
        .paragraph("What you can do:")
        .steps([
            "Check what was sent there, and by which of your systems: sign-up forms that ask for a number \
             are a way in for fraud."
                .to_owned(),
            "If a key may be in the wrong hands, write to us.".to_owned(),
            all_is_well.to_owned(),
        ]);
    (
        "Messages to a range of numbers are stopped".to_owned(),
        body,
    )
}

/// The address without its query, where customers keep tokens.
fn without_query(endpoint: &str) -> String {
    match endpoint.split_once('?') {
        Some((address, _)) => format!("{address}?…"),
        None => endpoint.to_owned(),
    }
}

/// An amount as people write it: at least two decimals.
fn euros(amount: Micros) -> String {
    let exact = amount.to_string();
    match exact.split_once('.') {
        Some((whole, decimals)) => format!("€{whole}.{decimals:0<2}"),
        None => format!("€{exact}.00"),
    }
}
