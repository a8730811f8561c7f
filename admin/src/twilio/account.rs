//! `GET /2010-04-01/Accounts/{sid}.json`: the account that the credentials open.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_webhooks::twilio::{API_VERSION, sid};
use serde::Serialize;

use super::access;
use crate::exchange::Exchange;
use crate::present;
use crate::problem::Problem;

#[derive(Serialize)]
struct Account<'a> {
    sid: &'a str,
    owner_account_sid: &'a str,
    friendly_name: &'a str,
    status: &'static str,
    r#type: &'static str,
    /// Shown only when it is made.
    auth_token: Option<&'static str>,
    date_created: Option<&'static str>,
    date_updated: Option<&'static str>,
    uri: String,
    subresource_uris: Below,
}

#[derive(Serialize)]
struct Below {
    messages: String,
}

/// `GET /2010-04-01/Accounts/{sid}.json`
pub(super) async fn read(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = access::account(exchange)?;
    let sid = sid::account(account.id());
    let shown = Account {
        sid: &sid,
        owner_account_sid: &sid,
        friendly_name: account.name(),
        status: "active",
        r#type: "Full",
        auth_token: None,
        date_created: None,
        date_updated: None,
        uri: format!("/{API_VERSION}/Accounts/{sid}.json"),
        subresource_uris: Below {
            messages: format!("/{API_VERSION}/Accounts/{sid}/Messages.json"),
        },
    };
    Ok(present::json(StatusCode::OK, &shown))
}
