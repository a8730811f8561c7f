//! Bench `webhooks`: what the daemon tells customers' endpoints, how fast, how fairly, and in how much memory.
//!
//! Four parts, each on daemons of its own with fresh data: **throughput** of a backlog against a bare client that posts
//! the same bytes to the same sink, and live; **fairness** to healthy endpoints beside dead and slow ones; **memory** of
//! very many pending events; **latency** from a carrier's signed callback to the endpoint. The sink runs on a thread of
//! the bench. A figure counts only when every message that was taken has become exactly one event that arrived, or
//! still waits as the API says.

mod api;
mod fairness;
mod floor;
mod latency;
mod memory;
mod receiver;
mod throughput;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use didfarm_loadtest::inbound::{Entrance, InboundFloodOutcome, InboundFloodPlan, inbound_flood};
use didfarm_loadtest::{Pace, Peers, Target};

use crate::daemon::{Daemon, DaemonPlan, FROM};
use crate::load::ANSWER_TIMEOUT_S;
use crate::machine::{Machine, scratch_dir};

/// The first peer that writes.
const PEER_BASE: u64 = 31_690_000_000;
/// How long everything that was taken may need to arrive, in seconds.
const DRAIN_S: u64 = 600;

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Webhooks a second, from a backlog and live.
    Throughput,
    /// Healthy endpoints beside dead and slow ones.
    Fairness,
    /// Memory and restart with very many pending events.
    Memory,
    /// From a signed callback to the endpoint.
    Latency,
}

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct WebhooksArgs {
    /// Only these parts; all of them if absent.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
    #[command(flatten)]
    throughput: throughput::ThroughputArgs,
    #[command(flatten)]
    fairness: fairness::FairnessArgs,
    #[command(flatten)]
    memory: memory::MemoryArgs,
    #[command(flatten)]
    latency: latency::LatencyArgs,
    #[command(flatten)]
    place: Place,
}

/// Where daemons come from and where their data is.
#[derive(Debug, Clone, Args)]
struct Place {
    /// The daemon's executable; the one beside this executable if absent.
    #[arg(long)]
    daemon: Option<PathBuf>,
    /// The folder for the daemons' data; the system's temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Place {
    /// How to start a daemon that may call endpoints on loopback, with its data in `dir`.
    fn plan(&self, dir: &Path) -> Result<DaemonPlan> {
        let plan = DaemonPlan::new(self.daemon.as_deref(), dir)?;
        Ok(plan.with("DIDFARM__WEBHOOKS__ALLOWED_NETWORKS", r#"["127.0.0.0/8"]"#))
    }

    fn scratch_dir(&self) -> Result<tempfile::TempDir> {
        Ok(scratch_dir(self.dir.as_deref())?)
    }
}

/// Measures and prints.
///
/// # Errors
/// When a message is not taken, an event is lost, doubled or wrongly signed, or the daemon does not do its part.
pub fn run(args: &WebhooksArgs) -> Result<()> {
    let wanted = |part| args.parts.is_empty() || args.parts.contains(&part);
    if wanted(Part::Throughput) {
        throughput::run(&args.throughput, &args.place)?;
    }
    if wanted(Part::Fairness) {
        fairness::run(&args.fairness, &args.place)?;
    }
    if wanted(Part::Memory) {
        memory::run(&args.memory, &args.place)?;
    }
    if wanted(Part::Latency) {
        latency::run(&args.latency, &args.place)?;
    }
    println!("{}", Machine::here());
    Ok(())
}

/// A flood by the simulator's route to the demo account's number, in a closed loop; parts change what they need.
fn flood_plan(target: &Target, run: u32, peers: u64) -> Result<InboundFloodPlan> {
    Ok(InboundFloodPlan {
        target: target.clone(),
        entrance: Entrance::Simulator,
        numbers: vec![FROM.to_owned()],
        peers: Peers::plain(PEER_BASE, peers)?,
        pace: Pace::Closed,
        duration: Duration::from_secs(DRAIN_S),
        messages_max: u64::MAX,
        connections: 64,
        threads: 1,
        timeout: Duration::from_secs(ANSWER_TIMEOUT_S),
        retry_for: Duration::from_secs(DRAIN_S),
        run,
        is_timed: false,
        keep_taken: false,
        progress: false,
    })
}

/// Floods, and makes sure that every message was taken.
fn flood(plan: &InboundFloodPlan) -> Result<InboundFloodOutcome> {
    let outcome = inbound_flood(plan)?;
    eprintln!("{}\n", outcome.report);
    ensure!(
        outcome.report.is_sound(),
        "not every message was taken:\n{}",
        outcome.report
    );
    Ok(outcome)
}

/// Ends a daemon in order.
fn end(daemon: Daemon) -> Result<()> {
    daemon.into_process().terminate()?;
    Ok(())
}
