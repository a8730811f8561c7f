//! Commands for a running daemon: each is one request to its operators' listener.

use std::process::ExitCode;

use anyhow::Context;
use hyper::Method;
use serde_json::{Value, json};

use crate::cli::{
    AccountCommand, CarrierCommand, DaemonArgs, KeyCommand, MessageCommand, MessageOutcome,
    NumberCommand, ReceiptCommand, RowsArgs, WalletCommand,
};
use crate::client::{Answer, call};
use crate::exit;

/// Random bytes of an idempotency key.
const KEY_BYTES: usize = 16;

pub(crate) fn account(command: AccountCommand) -> ExitCode {
    match command {
        AccountCommand::Create {
            name,
            rate_per_second,
            burst,
            daemon,
        } => {
            let mut body = json!({ "name": name });
            if let (Some(rate), Some(burst)) = (rate_per_second, burst) {
                body["rate_per_second"] = rate.into();
                body["burst"] = burst.into();
            }
            report(&daemon, Method::POST, "/ops/accounts", Some(body))
        }
        AccountCommand::List { daemon } => report(&daemon, Method::GET, "/ops/accounts", None),
        AccountCommand::Limit {
            account,
            rate_per_second,
            burst,
            daemon,
        } => {
            let body = json!({ "rate_per_second": rate_per_second, "burst": burst });
            report(
                &daemon,
                Method::PUT,
                &format!("/ops/accounts/{account}/limit"),
                Some(body),
            )
        }
        AccountCommand::Destinations {
            account,
            countries,
            daemon,
        } => {
            let countries = (!countries.is_empty()).then_some(countries);
            let path = format!("/ops/accounts/{account}/destinations");
            let body = json!({ "countries": countries });
            report(&daemon, Method::PUT, &path, Some(body))
        }
        AccountCommand::Ranges {
            account,
            kinds,
            daemon,
        } => {
            let path = format!("/ops/accounts/{account}/ranges");
            report(&daemon, Method::PUT, &path, Some(json!({ "kinds": kinds })))
        }
        AccountCommand::Stops { account, daemon } => {
            let path = format!("/ops/accounts/{account}/stops");
            report(&daemon, Method::GET, &path, None)
        }
        AccountCommand::ReleaseStop {
            account,
            prefix,
            daemon,
        } => {
            let path = format!("/ops/accounts/{account}/stops/{prefix}/release");
            report(&daemon, Method::POST, &path, Some(json!({})))
        }
    }
}

pub(crate) fn key(command: KeyCommand) -> ExitCode {
    let KeyCommand::Create { account, daemon } = command;
    report(
        &daemon,
        Method::POST,
        &format!("/ops/accounts/{account}/keys"),
        Some(json!({})),
    )
}

pub(crate) fn number(command: NumberCommand) -> ExitCode {
    match command {
        NumberCommand::Add {
            account,
            number,
            sms,
            whatsapp,
            provisioning,
            daemon,
        } => {
            let body = json!({
                "account": account,
                "e164": number,
                "sms": sms,
                "whatsapp": whatsapp,
                "active": !provisioning,
            });
            report(&daemon, Method::POST, "/ops/numbers", Some(body))
        }
        NumberCommand::Release { number, daemon } => report(
            &daemon,
            Method::POST,
            &format!("/ops/numbers/{number}/release"),
            Some(json!({})),
        ),
    }
}

pub(crate) fn wallet(command: WalletCommand) -> ExitCode {
    let WalletCommand::TopUp {
        account,
        amount,
        key,
        daemon,
    } = command;
    let key = match key.map_or_else(fresh_key, Ok) {
        Ok(key) => key,
        Err(error) => {
            eprintln!("didfarm: no random key can be made: {error}");
            return exit::INTERNAL.into();
        }
    };
    let path = format!("/ops/accounts/{account}/top-up");
    let body = json!({ "amount": amount });
    let called = call(&daemon, Method::POST, &path, Some(body), Some(&key));
    // It may have been carried out all the same.
    told(
        called.with_context(|| {
            format!("no answer came: the same command with --key {key} happens once")
        }),
    )
}

/// An idempotency key that nothing else has.
fn fresh_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn carrier(command: CarrierCommand) -> ExitCode {
    let CarrierCommand::List { daemon } = command;
    report(&daemon, Method::GET, "/ops/carriers", None)
}

pub(crate) fn message(command: MessageCommand) -> ExitCode {
    match command {
        MessageCommand::InDoubt { rows, daemon } => list(&daemon, "/ops/messages/in-doubt", rows),
        MessageCommand::Resolve {
            message,
            outcome,
            daemon,
        } => {
            let outcome = match outcome {
                MessageOutcome::Sent => "sent",
                MessageOutcome::Failed => "failed",
            };
            report(
                &daemon,
                Method::POST,
                &format!("/ops/messages/{message}/resolve"),
                Some(json!({ "outcome": outcome })),
            )
        }
    }
}

pub(crate) fn receipt(command: ReceiptCommand) -> ExitCode {
    match command {
        ReceiptCommand::Parked { rows, daemon } => list(&daemon, "/ops/receipts/parked", rows),
        ReceiptCommand::AgedOut { rows, daemon } => list(&daemon, "/ops/receipts/aged-out", rows),
    }
}

fn list(daemon: &DaemonArgs, path: &str, RowsArgs { limit }: RowsArgs) -> ExitCode {
    report(daemon, Method::GET, &format!("{path}?limit={limit}"), None)
}

/// Calls, and prints the answer as JSON on stdout or the refusal on stderr.
fn report(daemon: &DaemonArgs, method: Method, path: &str, body: Option<Value>) -> ExitCode {
    told(call(daemon, method, path, body, None))
}

fn told(called: anyhow::Result<Answer>) -> ExitCode {
    match called {
        Ok(Answer::Done(answer)) => {
            println!("{answer:#}");
            ExitCode::SUCCESS
        }
        Ok(Answer::Refused(why)) => {
            eprintln!("didfarm: {why}");
            exit::REFUSED.into()
        }
        Err(error) => {
            eprintln!("didfarm: {error:#}");
            exit::UNREACHABLE.into()
        }
    }
}
