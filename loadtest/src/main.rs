//! The `loadtest` command.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use didfarm_loadtest::tally::sentence;

/// The whole command line.
#[derive(Parser)]
#[command(
    name = "loadtest",
    version,
    about = "Sends messages as a customer does, and plays the carriers and the webhook receivers on the other side"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends at a fixed rate (open loop), or with --rate 0 as fast as answers come.
    Send(cli::send::SendArgs),
    /// Sends exactly one message to each of --count peers, waiting out 429 and 503.
    Populate(cli::populate::PopulateArgs),
    /// Sends exactly one message to each of --count peers in batches.
    Batches(cli::batches::BatchesArgs),
    /// Plays Telnyx, Twilio, WhatsApp and an SMPP message center, until it is stopped.
    Carriers(cli::carriers::CarriersArgs),
    /// Floods the daemon with a carrier's callbacks, and checks what came of them.
    Callbacks(Box<cli::callbacks::CallbacksArgs>),
    /// Sends inbound messages whose texts say when they were due, for the sink.
    Inbound(Box<cli::inbound::InboundArgs>),
    /// Sends recorded callbacks again, and checks that every message ends as an ordered run has it.
    Replay(cli::replay::ReplayArgs),
    /// Receives webhooks as many endpoints at once, sound and unsound ones, until it is stopped.
    Sink(cli::sink::SinkArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Send(args) => cli::send::run(&args),
        Command::Populate(args) => cli::populate::run(&args),
        Command::Batches(args) => cli::batches::run(&args),
        Command::Carriers(args) => cli::carriers::run(&args),
        Command::Callbacks(args) => cli::callbacks::run(&args),
        Command::Inbound(args) => cli::inbound::run(&args),
        Command::Replay(args) => cli::replay::run(&args),
        Command::Sink(args) => cli::sink::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {}", sentence(&*error));
            ExitCode::from(2)
        }
    }
}
