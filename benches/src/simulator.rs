//! Bench `simulator`: the simulated carrier's own rate, which must outrun the engine.

use anyhow::Result;
use clap::Args;
use didfarm_carriers::simulator::rate::own_rate;

use crate::load::{listed, median};
use crate::machine::Machine;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct SimulatorArgs {
    /// Rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Messages of a round, each answered and receipted once.
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
}

/// Measures and prints.
///
/// # Errors
/// None of its own; a message without its answer or receipt is a panic.
pub fn run(args: &SimulatorArgs) -> Result<()> {
    let rates: Vec<f64> = (0..args.rounds).map(|_| own_rate(args.messages)).collect();
    println!("| What | Rounds | Median |\n|---|---|---|");
    println!(
        "| simulator alone, no delays: messages answered and receipted a second | {} | {:.0} |",
        listed(&rates),
        median(&rates)
    );
    println!("\n{}", Machine::here());
    Ok(())
}
