//! Runs one bench: `cargo run --release -p didfarm-benches -- <bench>`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use didfarm_benches::{
    callbacks, conversations, echo, floor_echo, journal_floor, recovery, sends, simulator, space,
    webhooks,
};

// The daemon's allocator: the floor must not lose by another one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "didfarm-benches",
    version,
    about = "Measures the daemon against its floors"
)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// A bare actix-web JSON echo: the floor of one request.
    FloorEcho(floor_echo::FloorEchoArgs),
    /// Append and fdatasync: the floor of the write path.
    JournalFloor(journal_floor::JournalFloorArgs),
    /// Accepted single sends a second, daemon against echo, with latencies.
    Sends(sends::SendsArgs),
    /// Memory and start-up time with very many conversations.
    Conversations(conversations::ConversationsArgs),
    /// kill -9 under load, restart, and a count of what was acknowledged.
    Recovery(recovery::RecoveryArgs),
    /// What an hour's traffic takes on disk, and the time to open it again.
    Space(space::SpaceArgs),
    /// Signed status callbacks a second, daemon against echo, with latencies.
    Callbacks(callbacks::CallbacksArgs),
    /// Webhooks a second against a bare client, fairness, memory and latency.
    Webhooks(Box<webhooks::WebhooksArgs>),
    /// The simulated carrier's own rate.
    Simulator(simulator::SimulatorArgs),
    /// The echo's own process.
    #[command(name = echo::SUBCOMMAND, hide = true)]
    ServeEcho {
        /// HTTP workers.
        #[arg(long)]
        workers: usize,
    },
}

fn main() -> Result<()> {
    match Cli::parse().bench {
        Bench::FloorEcho(args) => floor_echo::run(&args),
        Bench::JournalFloor(args) => journal_floor::run(&args),
        Bench::Sends(args) => sends::run(&args),
        Bench::Conversations(args) => conversations::run(&args),
        Bench::Recovery(args) => recovery::run(&args),
        Bench::Space(args) => space::run(&args),
        Bench::Callbacks(args) => callbacks::run(&args),
        Bench::Webhooks(args) => webhooks::run(&args),
        Bench::Simulator(args) => simulator::run(&args),
        Bench::ServeEcho { workers } => echo::serve(workers),
    }
}
