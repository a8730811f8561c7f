//! Bench `conversations`: memory and start-up time of a daemon that holds very many conversations.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use didfarm_loadtest::{
    BodyText, Expectation, Peers, PopulateOutcome, PopulatePlan, peers::PEER_BASE_DEFAULT, populate,
};

use crate::daemon::{Daemon, DaemonPlan};
use crate::load::{ANSWER_TIMEOUT_S, Load};
use crate::machine::{Machine, scratch_dir};

/// The longest wait for idle conversations to be passivated, in seconds.
const PASSIVATE_TIMEOUT_S: u64 = 120;
/// Pause between two looks at the gauge, in milliseconds.
const GAUGE_POLL_MS: u64 = 500;
/// Messages read back after the restart.
const SAMPLE_MAX: usize = 1_000;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct ConversationsArgs {
    /// Conversations, one message each.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Idle time after which a conversation is passivated, in milliseconds.
    #[arg(long, default_value_t = 5_000)]
    idle_ms: u64,
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
/// When a conversation is missing, or the daemon does not come up again.
pub fn run(args: &ConversationsArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    let plan = DaemonPlan::new(args.daemon.as_deref(), dir.path())?.with(
        "DIDFARM__ENGINE__CONVERSATION_IDLE_MS",
        &args.idle_ms.to_string(),
    );
    let daemon = Daemon::start(&plan)?;
    let empty_kib = daemon.process().resident_kib()?;
    let populated = fill(args, &daemon)?;
    let full_kib = daemon.process().resident_kib()?;
    eprintln!("{}; resident {} MiB", populated.report, full_kib / 1024);
    let (passivation, left) = wait_until_passivated(&daemon)?;
    let passivated_kib = daemon.process().resident_kib()?;
    eprintln!(
        "{left} conversations in memory after {passivation:.1?}; resident {} MiB",
        passivated_kib / 1024
    );
    let ended_after = daemon.into_process().terminate()?;
    let daemon = Daemon::start(&plan)?;
    let restarted_kib = daemon.process().resident_kib()?;
    let read_back = read_back(args, &daemon, &populated)?;
    println!(
        "| What, at {} conversations | Figure |\n|---|---|",
        args.count
    );
    println!(
        "| populated (messages/s) | {:.0} |",
        populated.report.accepted_per_second
    );
    println!("| resident, empty (MiB) | {} |", empty_kib / 1024);
    println!("| resident, right after (MiB) | {} |", full_kib / 1024);
    println!(
        "| resident, {left} conversations in memory after {:.0} s (MiB) | {} |",
        passivation.as_secs_f64(),
        passivated_kib / 1024
    );
    println!("| SIGTERM to end (s) | {:.2} |", ended_after.as_secs_f64());
    println!(
        "| start to readiness (s) | {:.2} |",
        daemon.ready_after.as_secs_f64()
    );
    println!("| resident, restarted (MiB) | {} |", restarted_kib / 1024);
    println!("| read back after the restart, lost 0 | {read_back} |");
    println!("\n{}", Machine::here());
    Ok(())
}

fn load(args: &ConversationsArgs) -> Load {
    Load {
        connections: args.connections,
        peers: args.count,
        threads: 1,
        keys: false,
    }
}

fn fill(args: &ConversationsArgs, daemon: &Daemon) -> Result<PopulateOutcome> {
    let body: BodyText = load(args).body();
    let outcome = populate(&PopulatePlan {
        target: daemon.http.clone(),
        sender: Daemon::sender(),
        peers: Peers::plain(PEER_BASE_DEFAULT, args.count)?,
        body,
        connections: args.connections,
        threads: 1,
        timeout: Duration::from_secs(ANSWER_TIMEOUT_S),
        keep_accepted: true,
        progress: true,
    })?;
    ensure!(
        outcome.report.is_complete(),
        "not every peer has its message: {}",
        outcome.report
    );
    Ok(outcome)
}

/// Waits until no conversation is in memory; gives the time and how many are left.
fn wait_until_passivated(daemon: &Daemon) -> Result<(Duration, u64)> {
    let start = Instant::now();
    loop {
        let left = daemon.gauge("didfarm_actors", "kind=\"conversation\"")?;
        let over = start.elapsed() >= Duration::from_secs(PASSIVATE_TIMEOUT_S);
        match left {
            Some(left) if left == 0.0 || over => return Ok((start.elapsed(), left as u64)),
            None => ensure!(
                !over,
                "the daemon exports no gauge didfarm_actors of conversations"
            ),
            Some(_) => {}
        }
        std::thread::sleep(Duration::from_millis(GAUGE_POLL_MS));
    }
}

fn read_back(
    args: &ConversationsArgs,
    daemon: &Daemon,
    populated: &PopulateOutcome,
) -> Result<u64> {
    let wait = Duration::from_secs(PASSIVATE_TIMEOUT_S);
    let report = load(args).read_back(
        &daemon.http,
        &populated.accepted,
        SAMPLE_MAX,
        Expectation::AtRest,
        wait,
    )?;
    ensure!(
        report.is_clean(),
        "the conversations are not all there: {report}"
    );
    Ok(report.reconciled)
}
