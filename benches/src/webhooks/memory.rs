//! Memory: very many events that wait for one dead endpoint, against the same messages without an endpoint.
//!
//! Then the daemon is killed and started anew: it has to be ready soon and must not storm the endpoint; at last the
//! endpoint answers, and what waits begins to arrive.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::Sink;
use didfarm_loadtest::inbound::InboundFloodPlan;
use serde_json::json;

use super::api::{Api, Endpoint};
use super::receiver::{self, counts, ensure_once, wait_until};
use super::{DRAIN_S, Place, end, flood, flood_plan};
use crate::daemon::{Daemon, DaemonPlan};

/// Where events are never answered.
const DEAD: &str = "/dead/memory";
/// Where they arrive at last.
const BACK: &str = "/ok/memory";
/// The wait behind a first attempt, in seconds: longer than the bench, so that no event is given up.
const RETRY_S: u32 = 7 * 24 * 3_600;
/// Attempts at once to one endpoint: what a restart may start of a dead one in a second.
const STARTS_PER_SECOND_MAX: u64 = 64;
/// Connections that bring the messages.
const CONNECTIONS: usize = 256;
/// Idle time after which a conversation is passivated, in milliseconds.
const IDLE_MS: u64 = 5_000;

/// Arguments of this part.
#[derive(Debug, Clone, Args)]
pub struct MemoryArgs {
    /// Events that wait.
    #[arg(long, default_value_t = 1_000_000)]
    pending: u64,
    /// Conversations that they are of.
    #[arg(long, default_value_t = 10_000)]
    pending_peers: u64,
    /// How long starts are counted after the restart, and again once the endpoint answers, in seconds.
    #[arg(long, default_value_t = 20)]
    watch_seconds: u64,
}

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy)]
struct Resident {
    empty: u64,
    right_after: u64,
    passivated: u64,
}

/// Requests of each second of a watch.
struct Starts(Vec<u64>);

impl Starts {
    fn busiest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<u64>() as f64 / self.0.len().max(1) as f64
    }
}

/// What the restart came to.
struct Restarted {
    ready: Duration,
    resident_kib: u64,
    dead: Starts,
    back: Starts,
}

/// Measures and prints.
pub(super) fn run(args: &MemoryArgs, place: &Place) -> Result<()> {
    let without = {
        let dir = place.scratch_dir()?;
        let plan = plan(place, &dir)?;
        let daemon = Daemon::start(&plan)?;
        let resident = fill(args, &daemon, &Api::new(&daemon, &plan)?)?;
        end(daemon)?;
        resident
    };
    let dir = place.scratch_dir()?;
    let plan = plan(place, &dir)?;
    let sink = receiver::sink()?;
    let daemon = Daemon::start(&plan)?;
    let api = Api::new(&daemon, &plan)?;
    let endpoint = api.create(&sink.url(DEAD), json!({ "retry_schedule": [RETRY_S] }))?;
    let with = fill(args, &daemon, &api)?;
    all_pending(args, &api, &endpoint)?;
    daemon.into_process().kill()?;
    let restarted = restart(args, &plan, &sink, &endpoint)?;
    print(args, without, with, &restarted);
    Ok(())
}

fn plan(place: &Place, dir: &tempfile::TempDir) -> Result<DaemonPlan> {
    let idle_ms = IDLE_MS.to_string();
    Ok(place
        .plan(dir.path())?
        .with("DIDFARM__ENGINE__CONVERSATION_IDLE_MS", &idle_ms))
}

/// Brings the messages in, and waits until the records have caught up and no conversation is in memory.
fn fill(args: &MemoryArgs, daemon: &Daemon, api: &Api) -> Result<Resident> {
    let empty = daemon.process().resident_kib()?;
    flood(&InboundFloodPlan {
        messages_max: args.pending,
        connections: CONNECTIONS,
        progress: true,
        ..flood_plan(&daemon.http, 1, args.pending_peers)?
    })?;
    api.caught_up()?;
    let right_after = daemon.process().resident_kib()?;
    let within = Duration::from_secs(DRAIN_S);
    wait_until("every conversation is passivated", within, || {
        let left = daemon.gauge("didfarm_actors", "kind=\"conversation\"")?;
        Ok(left.context("the daemon exports no gauge of conversations")? == 0.0)
    })?;
    Ok(Resident {
        empty,
        right_after,
        passivated: daemon.process().resident_kib()?,
    })
}

fn all_pending(args: &MemoryArgs, api: &Api, endpoint: &Endpoint) -> Result<()> {
    let pending = api.pending(&endpoint.id)?;
    ensure!(
        pending == args.pending,
        "{pending} events wait, and {} were made",
        args.pending
    );
    Ok(())
}

/// Starts the daemon again, counts what it starts, and lets the endpoint answer.
fn restart(
    args: &MemoryArgs,
    plan: &DaemonPlan,
    sink: &Sink,
    endpoint: &Endpoint,
) -> Result<Restarted> {
    let daemon = Daemon::start(plan)?;
    let ready = daemon.ready_after;
    let dead = watch(sink, DEAD, args.watch_seconds);
    ensure!(
        dead.busiest() <= STARTS_PER_SECOND_MAX,
        "{} attempts were started within a second, at most {STARTS_PER_SECOND_MAX} may be",
        dead.busiest()
    );
    let api = Api::new(&daemon, plan)?;
    all_pending(args, &api, endpoint)?;
    let resident_kib = daemon.process().resident_kib()?;
    api.change(&endpoint.id, &json!({ "url": sink.url(BACK) }))?;
    let back = watch(sink, BACK, args.watch_seconds);
    // What is under way arrives, and the rest has to wait for the count.
    api.change(&endpoint.id, &json!({ "rate_per_second": 1 }))?;
    wait_until(
        "what has not arrived waits",
        Duration::from_secs(DRAIN_S),
        || {
            let arrived = counts(sink, BACK).unique_ids;
            Ok(arrived > 0 && arrived + api.pending(&endpoint.id)? == args.pending)
        },
    )?;
    ensure_once(BACK, &counts(sink, BACK))?;
    end(daemon)?;
    Ok(Restarted {
        ready,
        resident_kib,
        dead,
        back,
    })
}

/// Counts the requests to a path in each of the next seconds.
fn watch(sink: &Sink, path: &str, seconds: u64) -> Starts {
    let mut before = counts(sink, path).requests;
    let mut each = Vec::new();
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        let now = counts(sink, path).requests;
        each.push(now - before);
        before = now;
    }
    Starts(each)
}

fn print(args: &MemoryArgs, without: Resident, with: Resident, restarted: &Restarted) {
    let mib = |kib: u64| kib / 1_024;
    let more = |read: fn(Resident) -> u64| (read(with) as f64 - read(without) as f64) / 1_024.0;
    println!(
        "| {} messages | No endpoint | All pending for a dead one | More |\n|---|---|---|---|",
        args.pending
    );
    for (name, read) in [
        ("empty", (|one| one.empty) as fn(Resident) -> u64),
        ("records caught up", |one| one.right_after),
        ("conversations passivated", |one| one.passivated),
    ] {
        println!(
            "| resident, {name} (MiB) | {} | {} | {:+.0} |",
            mib(read(without)),
            mib(read(with)),
            more(read)
        );
    }
    println!(
        "| kill -9, start to readiness (s) | | {:.2} | |",
        restarted.ready.as_secs_f64()
    );
    println!(
        "| resident after that start (MiB) | | {} | |",
        mib(restarted.resident_kib)
    );
    for (name, starts) in [
        ("after that start", &restarted.dead),
        ("once it answers again", &restarted.back),
    ] {
        println!(
            "| attempts/s {name}, for {} s: mean, busiest second | | {:.1}, {} | |",
            args.watch_seconds,
            starts.mean(),
            starts.busiest()
        );
    }
    println!("| events lost or doubled | | 0 | |\n");
}
