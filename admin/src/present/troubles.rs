//! What operators see of endpoints and mails in trouble.
//!
//! An endpoint's path and query may hold its customer's secrets, and a mail's local part is a person's
//! name: operators see the host and the domain, with which they find out what is wrong.

use didfarm_core::ids::{AccountId, EndpointId, MailId};
use didfarm_core::mail::WaitingMail;
use didfarm_core::webhook::endpoint::EndpointState;
use didfarm_runtime::mails::{DueMail, GivenUpMail};
use didfarm_runtime::webhooks::EndpointView;
use serde::Serialize;

use super::{Fraction, Shown};

/// An endpoint that needs a look.
#[derive(Serialize)]
pub(crate) struct Endpoint<'a> {
    id: Shown<EndpointId>,
    account_id: Shown<AccountId>,
    origin: &'a str,
    status: &'static str,
    disabled_reason: Option<&'static str>,
    disabled_at: Option<Fraction>,
    pending: u64,
    failing_since: Option<Fraction>,
    consecutive_failures: u32,
    last_result: Option<&'static str>,
    last_attempt_at: Option<Fraction>,
}

impl<'a> Endpoint<'a> {
    pub(crate) fn of(view: &'a EndpointView) -> Endpoint<'a> {
        let endpoint = &view.endpoint;
        let (status, cause, at) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None, None),
            EndpointState::Disabled { cause, at } => ("disabled", Some(cause.as_str()), Some(at)),
            EndpointState::Deleted => ("deleted", None, None),
        };
        let health = &endpoint.health;
        Endpoint {
            id: Shown(endpoint.id),
            account_id: Shown(endpoint.account),
            origin: origin(&endpoint.settings.url),
            status,
            disabled_reason: cause,
            disabled_at: at.map(Fraction),
            pending: view.pending,
            failing_since: health.failing_since.map(Fraction),
            consecutive_failures: health.failures,
            last_result: health.last.map(|class| class.as_str()),
            last_attempt_at: health.attempted_at.map(Fraction),
        }
    }
}

/// The scheme, the host and the port of a URL in its normal form, which has no user in it.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..host + end])
}

/// Mails that wait, and those that were given up.
#[derive(Serialize)]
pub(crate) struct Mails<'a> {
    pub(crate) waiting: Totalled<Mail<'a>>,
    pub(crate) given_up: Totalled<Mail<'a>>,
}

/// The first of a list, and how many there are.
#[derive(Serialize)]
pub(crate) struct Totalled<T> {
    pub(crate) data: Vec<T>,
    pub(crate) total: u64,
}

/// A mail that is not sent.
#[derive(Serialize)]
pub(crate) struct Mail<'a> {
    id: Shown<MailId>,
    account_id: Shown<AccountId>,
    kind: &'static str,
    domain: &'a str,
    tries: u16,
    why: Option<&'a str>,
    queued_at: Fraction,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Fraction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_at: Option<Fraction>,
}

impl<'a> Mail<'a> {
    pub(crate) fn waiting(due: &'a DueMail) -> Mail<'a> {
        Mail {
            due_at: Some(Fraction(due.due)),
            ..Mail::of(&due.waiting)
        }
    }

    pub(crate) fn given_up(mail: &'a GivenUpMail) -> Mail<'a> {
        Mail {
            given_up_at: Some(Fraction(mail.at)),
            ..Mail::of(&mail.waiting)
        }
    }

    fn of(waiting: &'a WaitingMail) -> Mail<'a> {
        let mail = &waiting.mail;
        Mail {
            id: Shown(mail.id),
            account_id: Shown(mail.account),
            kind: mail.kind.as_str(),
            domain: mail.to.rsplit_once('@').map_or("", |(_, domain)| domain),
            tries: waiting.tries,
            why: waiting.why.as_deref(),
            queued_at: Fraction(waiting.queued_at),
            due_at: None,
            given_up_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_tells_nothing_of_paths_and_queries() {
        for (url, shown) in [
            ("https://example.com/hook?key=1", "https://example.com"),
            ("https://example.com:8443?key=1", "https://example.com:8443"),
            ("http://[::1]:9/a", "http://[::1]:9"),
            ("https://example.com", "https://example.com"),
        ] {
            assert_eq!(origin(url), shown);
        }
    }
}
