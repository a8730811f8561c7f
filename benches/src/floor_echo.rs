//! Bench `floor-echo`: how many requests a second a bare actix-web JSON echo answers.

use anyhow::Result;
use clap::Args;
use didfarm_loadtest::Pace;

use crate::echo::Echo;
use crate::load::{Load, ensure_answered, listed, median};
use crate::machine::{Machine, cores};

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct FloorEchoArgs {
    #[command(flatten)]
    load: Load,
    /// Rounds after the warm-up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Length of the warm-up.
    #[arg(long, default_value_t = 3.0)]
    warm_up_seconds: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the echo does not answer every request.
pub fn run(args: &FloorEchoArgs) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let echo = Echo::start(dir.path(), cores())?;
    args.load
        .run(&echo.target, Pace::Closed, args.warm_up_seconds)?;
    let mut rates = Vec::new();
    for round in 1..=args.rounds {
        let report = args
            .load
            .run(&echo.target, Pace::Closed, args.seconds)?
            .report;
        ensure_answered(&report)?;
        eprintln!(
            "round {round}: {:.0} requests/s, {}",
            report.accepted_per_second, report.latency
        );
        rates.push(report.accepted_per_second);
    }
    println!("| What | Rounds | Median |\n|---|---|---|");
    println!(
        "| bare actix-web JSON echo, closed loop, {} connections (requests/s) | {} | {:.0} |",
        args.load.connections,
        listed(&rates),
        median(&rates)
    );
    println!("\n{}", Machine::here());
    Ok(())
}
