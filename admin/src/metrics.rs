//! The metrics of this crate: requests by route and class, and how long they take.

use std::array;
use std::time::Duration;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

/// Requests that were answered, by `route` and by `class` of the status.
pub const REQUESTS_TOTAL: &str = "didfarm_http_requests_total";
/// Seconds from a request's head to its answer, by `route`.
pub const REQUEST_SECONDS: &str = "didfarm_http_request_seconds";

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a request was for: a closed set, whatever paths are asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Route {
            $($(#[$doc])* $name,)*
        }

        impl Route {
            const ALL: [Route; [$($word),*].len()] = [$(Route::$name),*];

            fn as_str(self) -> &'static str {
                match self { $(Route::$name => $word,)* }
            }
        }
    };
}

routes! {
    /// `POST /api/v1/sms/messages`
    SendMessage = "send_message",
    /// `GET /api/v1/sms/messages/{id}`
    ReadMessage = "read_message",
    /// `PATCH /api/v1/sms/messages/{id}`
    ChangeMessage = "change_message",
    /// `POST /api/v1/sms/messages/{id}/cancel` and `/api/v1/sms/cancel`
    CancelMessages = "cancel_messages",
    /// `GET /api/v1/limits`
    Limits = "limits",
    /// `POST /api/v1/sms/batches`
    CreateBatch = "create_batch",
    /// `GET /api/v1/sms/batches`, one of them, its rows
    Batches = "batches",
    /// `POST /api/v1/sms/batches/{id}/pause`, `/resume` and `/cancel`
    CommandBatch = "command_batch",
    /// `GET /api/v1/sms/scheduled`
    Scheduled = "scheduled",
    /// `GET /api/v1/sms/conversations/{id}/messages`
    ConversationMessages = "conversation_messages",
    /// `GET /api/v1/sms/conversations`
    Conversations = "conversations",
    /// `/api/v1/sms/conversations/{id}/consent`
    Consent = "consent",
    /// `GET /api/v1/sms/opt-outs` and its export
    OptOuts = "opt_outs",
    /// `POST /api/v1/portal/sms/send`
    PortalSend = "portal_send",
    /// `GET /api/v1/portal/sms`
    PortalMessages = "portal_messages",
    /// `GET /api/v1/portal/sms/numbers`
    PortalNumbers = "portal_numbers",
    /// `GET` and `PATCH /api/v1/sms/numbers/{id}`
    NumberSettings = "number_settings",
    /// `POST /api/v1/sms/forward-to-email`
    ForwardToEmail = "forward_to_email",
    /// `/api/v1/webhooks`, one of them, and commands to it
    Webhooks = "webhooks",
    /// `/api/v1/webhooks/{id}/recover` and `/recovery`
    WebhookRecovery = "webhook_recovery",
    /// `GET /api/v1/webhooks/{id}/attempts`
    WebhookAttempts = "webhook_attempts",
    /// `GET /api/v1/events` and one of them
    Events = "events",
    /// `GET` and `PATCH /api/v1/account`, and its stops
    Account = "account",
    /// `/api/v1/sms/pools` and one of them
    Pools = "pools",
    /// `POST /api/v1/sms/quote`
    Quote = "quote",
    /// `GET /api/v1/wallet/ledger`
    Ledger = "ledger",
    /// `GET /api/v1/wallet/ledger/export`
    LedgerExport = "ledger_export",
    /// `POST /2010-04-01/Accounts/{sid}/Messages.json`
    TwilioSend = "twilio_send",
    /// `GET` and `POST /2010-04-01/Accounts/{sid}/Messages/{sid}.json`
    TwilioMessage = "twilio_message",
    /// `GET /2010-04-01/Accounts/{sid}/Messages.json`
    TwilioMessages = "twilio_messages",
    /// `GET /2010-04-01/Accounts/{sid}.json`
    TwilioAccount = "twilio_account",
    /// `POST /carriers/simulator/inbound`
    SimulatorInbound = "simulator_inbound",
    /// `POST` and `GET /carriers/{carrier}` and whatever is behind it
    Callback = "callback",
    /// `GET /metrics`
    Metrics = "metrics",
    /// `GET /healthz` and `GET /readyz`
    Health = "health",
    /// Operators' commands and lists.
    Operate = "operate",
    /// A path or a method that there is not.
    Other = "other",
}

/// The classes of answers, by the first digit of the status.
const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// Handles of the metrics, looked up once.
pub(crate) struct Meters {
    requests: [[Counter; CLASSES.len()]; Route::ALL.len()],
    seconds: [Histogram; Route::ALL.len()],
}

impl Meters {
    /// Looks the handles up in the recorder that is installed.
    pub(crate) fn register() -> Meters {
        Meters {
            requests: Route::ALL.map(|route| {
                array::from_fn(|class| counter!(REQUESTS_TOTAL, "route" => route.as_str(), "class" => CLASSES[class]))
            }),
            seconds: Route::ALL.map(|route| histogram!(REQUEST_SECONDS, "route" => route.as_str())),
        }
    }

    /// Counts an answer.
    pub(crate) fn observe(&self, route: Route, status: StatusCode, elapsed: Duration) {
        let class = match status.as_u16() {
            500.. => 2,
            400..=499 => 1,
            _ => 0,
        };
        self.requests[route as usize][class].increment(1);
        self.seconds[route as usize].record(elapsed);
    }
}

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(
        REQUESTS_TOTAL,
        Unit::Count,
        "Requests that were answered, by route and class of the status."
    );
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from a request's head to its answer, by route."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_own_place_and_word() {
        let mut words: Vec<&str> = Route::ALL.iter().map(|route| route.as_str()).collect();
        assert!(
            Route::ALL
                .iter()
                .enumerate()
                .all(|(place, route)| place == *route as usize)
        );
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Route::ALL.len());
    }
}
