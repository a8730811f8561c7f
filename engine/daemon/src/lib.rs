//! The daemon and its command line: settings → runtime → HTTP.
//!
//! The binary is a thin shell around [`run`], so that tests start exactly what ships.

mod cli;
mod client;
mod demo;
mod exit;
mod inspect;
mod logging;
mod operate;
mod ops_access;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
pub use didfarm_runtime::fault::FaultPoints;

use cli::{Cli, Command};

/// Runs the command line; `faults` are for tests.
pub fn run(args: impl IntoIterator<Item = OsString>, faults: FaultPoints) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::serve(args, faults),
        Command::Account(command) => operate::account(command),
        Command::Key(command) => operate::key(command),
        Command::Number(command) => operate::number(command),
        Command::Wallet(command) => operate::wallet(command),
        Command::Carrier(command) => operate::carrier(command),
        Command::Message(command) => operate::message(command),
        Command::Receipt(command) => operate::receipt(command),
        Command::Verify(args) => inspect::verify(&args),
        Command::Repair(args) => inspect::repair(&args),
        Command::Config(args) => inspect::config(args),
    }
}
