//! The crash loop by hand: `cargo run --release -p didfarm-tests --bin crash-loop -- --cycles 1000`.
//!
//! It starts itself as the daemon, so that the one binary is all that is needed.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use didfarm_tests::crash::dice::fresh_seed;
use didfarm_tests::crash::{self, Plan};
use didfarm_tests::program::Program;

/// The first argument by which this binary is didfarm.
const DAEMON: &str = "didfarm";

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Kills a daemon under load again and again, and accounts for every message that it acknowledged.
#[derive(Debug, Parser)]
#[command(name = "crash-loop")]
struct Arguments {
    /// How often the daemon is killed under load.
    #[arg(long, default_value_t = 20)]
    cycles: u32,
    /// After how many cycles the next one begins with an empty store.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cycles_per_store: u32,
    /// Connections that send at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Where the randomness starts; a fresh seed unless it is given.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == DAEMON)
    {
        let faults = didfarm_tests::faults::from_environment();
        return didfarm::run(std::env::args_os().skip(1), faults);
    }
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash-loop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let plan = Plan {
        cycles: arguments.cycles,
        cycles_per_store: arguments.cycles_per_store,
        connections: arguments.connections,
        seed: arguments.seed.unwrap_or_else(fresh_seed),
    };
    println!("seed {}", plan.seed);
    let program = Program::this(DAEMON)?;
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(crash::run(&program, &plan, |report| {
        println!(
            "cycle {} of {}: {} acknowledged, all found; {} s",
            report.cycles,
            plan.cycles,
            report.acknowledged,
            began.elapsed().as_secs()
        );
    }))?;
    println!(
        "{} cycles, {} kills in recovery: {} messages acknowledged, every one found whole and once; \
         {} more stored whose answers were cut off; ready again within {} ms at most",
        report.cycles,
        report.kills_in_recovery,
        report.acknowledged,
        report.unacknowledged_stored,
        report.ready_again_max.as_millis()
    );
    Ok(())
}
