//! Bench `sends`: accepted single sends a second of the real daemon, against the bare echo in the same run.
//!
//! Floor and daemon take turns, so that both see the same machine. After each of the daemon's rounds a sample is read
//! back until it is at rest: a throughput counts only with its receipts, and the next round starts on a quiet daemon.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::{
    Expectation, LatencyReport, Pace, ReconcileReport, SendOutcome, SendReport, Target,
};

use crate::daemon::{Daemon, DaemonPlan};
use crate::echo::Echo;
use crate::load::{Load, ensure_answered, listed, median};
use crate::machine::{Machine, cores, scratch_dir};

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct SendsArgs {
    #[command(flatten)]
    load: Load,
    /// Rounds after the warm-up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Length of each warm-up.
    #[arg(long, default_value_t = 3.0)]
    warm_up_seconds: f64,
    /// Messages read back after each round.
    #[arg(long, default_value_t = 5_000)]
    sample: usize,
    /// How long the sample may take to come to rest, in seconds.
    #[arg(long, default_value_t = 120)]
    drain_timeout: u64,
    /// The daemon's executable; the one beside this executable if absent.
    #[arg(long)]
    daemon: Option<PathBuf>,
    /// The folder for the daemon's data; the system's temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Default)]
struct Measured {
    floor: Vec<f64>,
    daemon: Vec<f64>,
    refused: u64,
    read_back: Vec<ReconcileReport>,
}

impl Measured {
    fn ratio(&self) -> f64 {
        median(&self.daemon) / median(&self.floor)
    }
}

/// Measures and prints.
///
/// # Errors
/// When a request has no answer, or a message is lost, doubled, misreported or not at rest in time.
pub fn run(args: &SendsArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    let plan = DaemonPlan::new(args.daemon.as_deref(), dir.path())?;
    let echo = Echo::start(dir.path(), cores())?;
    let daemon = Daemon::start(&plan)?;
    let measured = rounds(args, &echo.target, &daemon)?;
    let rate_per_second = (median(&measured.daemon) / 2.0).floor().max(1.0);
    let pace = Pace::Open { rate_per_second };
    let floor = args.load.run(&echo.target, pace, args.seconds)?.report;
    ensure_answered(&floor)?;
    let outcome = args.load.run(&daemon.http, pace, args.seconds)?;
    ensure_answered(&outcome.report)?;
    eprintln!("open loop at {rate_per_second}/s: floor {}", floor.latency);
    eprintln!(
        "open loop at {rate_per_second}/s: daemon {}",
        outcome.report.latency
    );
    let mut measured = measured;
    measured.refused += refused(&outcome.report);
    measured.read_back.push(read_back(args, &daemon, &outcome)?);
    print(
        args,
        &measured,
        rate_per_second,
        floor.latency,
        outcome.report.latency,
    );
    daemon
        .into_process()
        .terminate()
        .context("the daemon does not end in order")?;
    Ok(())
}

fn rounds(args: &SendsArgs, floor: &Target, daemon: &Daemon) -> Result<Measured> {
    let mut measured = Measured::default();
    for target in [floor, &daemon.http] {
        ensure_answered(
            &args
                .load
                .run(target, Pace::Closed, args.warm_up_seconds)?
                .report,
        )?;
    }
    for round in 1..=args.rounds {
        let floor = args.load.run(floor, Pace::Closed, args.seconds)?.report;
        ensure_answered(&floor)?;
        let outcome = args.load.run(&daemon.http, Pace::Closed, args.seconds)?;
        ensure_answered(&outcome.report)?;
        let rates = (
            floor.accepted_per_second,
            outcome.report.accepted_per_second,
        );
        let ratio = rates.1 / rates.0;
        eprintln!(
            "round {round}: floor {:.0}/s, daemon {:.0}/s, ratio {ratio:.2}",
            rates.0, rates.1
        );
        measured.floor.push(rates.0);
        measured.daemon.push(rates.1);
        measured.refused += refused(&outcome.report);
        measured.read_back.push(read_back(args, daemon, &outcome)?);
    }
    Ok(measured)
}

fn refused(report: &SendReport) -> u64 {
    report.refused.values().sum()
}

fn read_back(args: &SendsArgs, daemon: &Daemon, outcome: &SendOutcome) -> Result<ReconcileReport> {
    let drain_timeout = Duration::from_secs(args.drain_timeout);
    let report = args.load.read_back(
        &daemon.http,
        &outcome.accepted,
        args.sample,
        Expectation::AtRest,
        drain_timeout,
    )?;
    eprintln!("  read back: {report}");
    ensure!(report.is_clean(), "the results are not real: {report}");
    Ok(report)
}

fn print(
    args: &SendsArgs,
    measured: &Measured,
    rate: f64,
    floor: LatencyReport,
    daemon: LatencyReport,
) {
    let Load {
        connections, peers, ..
    } = args.load;
    let sum =
        |count: fn(&ReconcileReport) -> u64| measured.read_back.iter().map(count).sum::<u64>();
    let drain_s = measured
        .read_back
        .iter()
        .map(|report| report.drain_s)
        .fold(0.0, f64::max);
    println!("| What | Floor (bare echo) | Daemon | Ratio |\n|---|---|---|---|");
    println!(
        "| accepted sends, closed loop, {connections} connections, {peers} peers (requests/s, median) | {:.0} | {:.0} | {:.2} |",
        median(&measured.floor),
        median(&measured.daemon),
        measured.ratio()
    );
    println!(
        "| the same, {} rounds of {} s | {} | {} | |",
        args.rounds,
        args.seconds,
        listed(&measured.floor),
        listed(&measured.daemon)
    );
    println!(
        "| latency from the intended start, open loop at {rate:.0}/s (p50 / p99 / max ms) | {} | {} | |",
        triple(floor),
        triple(daemon)
    );
    println!(
        "| refused (429, 503 and others) | 0 | {} | |",
        measured.refused
    );
    println!("| last message at rest after the load, longest (s) | | {drain_s:.1} | |");
    println!(
        "| accepted / read back as they must be / lost, doubled or misreported | | {} / {} / 0 | |",
        sum(|report| report.accepted),
        sum(|report| report.reconciled)
    );
    println!("\n{}", Machine::here());
}

fn triple(latency: LatencyReport) -> String {
    format!(
        "{:.2} / {:.2} / {:.1}",
        latency.p50_ms, latency.p99_ms, latency.max_ms
    )
}
