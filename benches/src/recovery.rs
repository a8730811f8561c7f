//! Bench `recovery`: `kill -9` under full load, then the time to readiness and a count of what was acknowledged.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::{Accepted, Expectation, Pace, ledger::doubled, sample};

use crate::daemon::{Daemon, DaemonPlan};
use crate::load::{Load, listed, median};
use crate::machine::{Machine, scratch_dir};

/// The last acknowledged messages of a round, which are all read back: they are the most at risk.
const LAST_READ_MAX: usize = 1_000;
/// How long the load goes on after the kill, in seconds, so that the kill meets it at full speed.
const LOAD_BEYOND_KILL_S: f64 = 1.0;
/// How long a message may take to be readable after the restart, in seconds.
const READ_TIMEOUT_S: u64 = 60;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct RecoveryArgs {
    #[command(flatten)]
    load: Load,
    /// Kills, each with a restart on the same data.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Load before each kill.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Messages read back after each restart, besides the last thousand before the kill.
    #[arg(long, default_value_t = 5_000)]
    sample: usize,
    /// The daemon's executable; the one beside this executable if absent.
    #[arg(long)]
    daemon: Option<PathBuf>,
    /// The folder for the daemon's data; the system's temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When an acknowledged message is lost, doubled or changed, or the daemon does not come up again.
pub fn run(args: &RecoveryArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    let plan = DaemonPlan::new(args.daemon.as_deref(), dir.path())?;
    let mut daemon = Daemon::start(&plan)?;
    let (mut ready_ms, mut acknowledged, mut read) = (Vec::new(), 0, 0);
    for round in 1..=args.rounds {
        let accepted = load_and_kill(args, daemon)?;
        daemon = Daemon::start(&plan)?;
        ready_ms.push(daemon.ready_after.as_secs_f64() * 1000.0);
        read += read_back(args, &daemon, &accepted)?;
        acknowledged += accepted.len();
        eprintln!(
            "round {round}: {} acknowledged, ready after {:.0?}",
            accepted.len(),
            daemon.ready_after
        );
    }
    daemon.into_process().terminate()?;
    println!(
        "| kill -9 under closed-loop load of {} s | Figure |\n|---|---|",
        args.seconds
    );
    println!(
        "| start to readiness (ms, median of {}) | {:.0} |",
        listed(&ready_ms),
        median(&ready_ms)
    );
    println!("| acknowledged before the kills | {acknowledged} |");
    println!("| of these read back / lost, doubled or changed | {read} / 0 |");
    println!("\n{}", Machine::here());
    Ok(())
}

/// Kills the daemon in the middle of a run and gives what it had acknowledged.
fn load_and_kill(args: &RecoveryArgs, daemon: Daemon) -> Result<Vec<Accepted>> {
    let load = args.load.clone();
    let target = daemon.http.clone();
    let seconds = args.seconds + LOAD_BEYOND_KILL_S;
    let running = std::thread::spawn(move || load.run(&target, Pace::Closed, seconds));
    std::thread::sleep(Duration::try_from_secs_f64(args.seconds)?);
    daemon.into_process().kill()?;
    let outcome = match running.join() {
        Ok(outcome) => outcome.context("the load has failed")?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let report = &outcome.report;
    ensure!(
        report.accepted > 0 && report.in_doubt > 0,
        "the kill did not meet the load:\n{report}"
    );
    Ok(outcome.accepted)
}

fn read_back(args: &RecoveryArgs, daemon: &Daemon, accepted: &[Accepted]) -> Result<u64> {
    ensure!(doubled(accepted) == 0, "an id was acknowledged twice");
    let (earlier, last) = accepted.split_at(accepted.len().saturating_sub(LAST_READ_MAX));
    let mut chosen = sample(earlier, args.sample);
    chosen.extend_from_slice(last);
    let wait = Duration::from_secs(READ_TIMEOUT_S);
    let report = args.load.read_back(
        &daemon.http,
        &chosen,
        chosen.len(),
        Expectation::Present,
        wait,
    )?;
    ensure!(
        report.is_clean(),
        "acknowledged messages are not all there: {report}"
    );
    Ok(report.reconciled)
}
