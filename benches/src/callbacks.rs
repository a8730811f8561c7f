//! Bench `callbacks`: WhatsApp status callbacks, signed and durable before their 200, against the bare echo.
//!
//! Every round is a full circle: messages go out through the daemon to a carrier here, a flood tells what became of
//! each, and the API is asked for all of them. A throughput counts only when nothing is lost, doubled or misreported.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::callbacks::{
    CirclePlan, CircleReport, FloodPlan, InboundPlan, Shares, circle,
};
use didfarm_loadtest::capture::Kind;
use didfarm_loadtest::{Keys, Pace, Peers};

use crate::daemon::{Daemon, DaemonPlan, FROM};
use crate::echo::Echo;
use crate::load::{Load, ensure_answered};
use crate::machine::{Machine, cores, scratch_dir};

/// The carrier's name in the daemon's settings.
const CARRIER: &str = "wa";
/// The first peer of the circles; each round has peers of its own.
const PEER_BASE: u64 = 31_630_000_000;
/// The first peer that writes during the mixed load.
const INBOUND_PEER_BASE: u64 = 31_690_000_000;
/// Requests with an inbound message among those of the mixed load: 300 of 3,300.
const INBOUND_SHARE: f64 = 300.0 / 3_300.0;
/// How long messages may take to the carrier and to rest, in seconds.
const DRAIN_S: u64 = 300;
/// Connections of the batches: a thousand statuses on each are within what the engine takes at once.
const BATCH_CONNECTIONS: usize = 8;
/// Sends a second beside the mixed load.
const SENDS_BESIDE: f64 = 500.0;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct CallbacksArgs {
    #[command(flatten)]
    load: Load,
    /// Messages of the round with one status a request; each gets three statuses or so.
    #[arg(long, default_value_t = 150_000)]
    messages: u64,
    /// Messages of the round with many statuses a request.
    #[arg(long, default_value_t = 150_000)]
    batch_messages: u64,
    /// Statuses of one request of that round.
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// Messages of the mixed round.
    #[arg(long, default_value_t = 20_000)]
    mixed_messages: u64,
    /// Requests a second of the mixed round, open loop.
    #[arg(long, default_value_t = 3_300.0)]
    mixed_rate: f64,
    /// Length of the floor's rounds, in seconds.
    #[arg(long, default_value_t = 8.0)]
    floor_seconds: f64,
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
/// When a request has no answer, or a message is lost, doubled, misreported or not at rest in time.
pub fn run(args: &CallbacksArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    let listen = free_port()?;
    let keys = Keys::default();
    let plan = DaemonPlan::new(args.daemon.as_deref(), dir.path())?
        .with("DIDFARM__CARRIERS", &carriers(listen, &keys))
        .with("DIDFARM__ROUTES", &routes());
    let echo = Echo::start(dir.path(), cores())?;
    let before = floor(args, &echo)?;
    let daemon = Daemon::start(&plan)?;
    let bench = Bench {
        args,
        daemon: &daemon,
        listen,
        keys,
    };
    // The mixed load first: it looks through the whole inbox for its inbound messages.
    let mixed = bench.mixed()?;
    let single = bench.round(0, args.messages, &bench.flood(1, Pace::Closed))?;
    let after = floor(args, &echo)?;
    let flood = FloodPlan {
        connections: BATCH_CONNECTIONS,
        ..bench.flood(args.batch, Pace::Closed)
    };
    let batch = bench.round(1, args.batch_messages, &flood)?;
    print(args, (before + after) / 2.0, &single, &batch, &mixed);
    let process = daemon.into_process();
    process
        .terminate()
        .context("the daemon does not end in order")?;
    Ok(())
}

struct Bench<'a> {
    args: &'a CallbacksArgs,
    daemon: &'a Daemon,
    listen: SocketAddr,
    keys: Keys,
}

impl Bench<'_> {
    fn flood(&self, batch: usize, pace: Pace) -> FloodPlan {
        FloodPlan {
            target: self.daemon.http.clone(),
            public_url: "http://127.0.0.1".to_owned(),
            carrier: CARRIER.to_owned(),
            kind: Kind::WhatsApp,
            keys: self.keys.clone(),
            pace,
            duration: Duration::from_secs(DRAIN_S),
            connections: self.args.load.connections,
            threads: 1,
            timeout: Duration::from_secs(30),
            batch,
            shares: Shares::default(),
            shuffle: Duration::ZERO,
            inbound: InboundPlan {
                to: FROM.to_owned(),
                phone_number_id: FROM[1..].to_owned(),
                peer_base: INBOUND_PEER_BASE,
                peers: 1_000,
            },
            seed: 7,
            retry_for: Duration::from_secs(DRAIN_S),
            progress: false,
        }
    }

    fn round(&self, round: u64, messages: u64, flood: &FloodPlan) -> Result<CircleReport> {
        let report = circle(&CirclePlan {
            flood: flood.clone(),
            sender: Daemon::sender(),
            peers: Peers::plain(PEER_BASE + round * 10_000_000, messages)?,
            listen: self.listen,
            early: 0.0,
            drain_timeout: Duration::from_secs(DRAIN_S),
        })?;
        eprintln!("{report}\n");
        ensure!(report.is_clean(), "the results are not real: {report}");
        Ok(report)
    }

    /// Statuses and inbound messages at a fixed rate, doubled and shuffled, while sends run beside them.
    fn mixed(&self) -> Result<CircleReport> {
        let pace = Pace::Open {
            rate_per_second: self.args.mixed_rate,
        };
        let flood = FloodPlan {
            shares: Shares {
                duplicates: 0.2,
                inbound: INBOUND_SHARE,
                ..Shares::default()
            },
            shuffle: Duration::from_millis(500),
            ..self.flood(1, pace)
        };
        let (target, load) = (self.daemon.http.clone(), self.args.load.clone());
        let beside = thread::spawn(move || {
            let pace = Pace::Open {
                rate_per_second: SENDS_BESIDE,
            };
            load.run(&target, pace, 30.0)
        });
        let report = self.round(2, self.args.mixed_messages, &flood)?;
        let sends = beside.join().expect("the sender does not panic")?;
        ensure_answered(&sends.report)?;
        eprintln!("sends beside it: {}", sends.report.latency);
        Ok(report)
    }
}

fn floor(args: &CallbacksArgs, echo: &Echo) -> Result<f64> {
    let report = args
        .load
        .run(&echo.target, Pace::Closed, args.floor_seconds)?
        .report;
    ensure_answered(&report)?;
    eprintln!("floor {:.0}/s", report.accepted_per_second);
    Ok(report.accepted_per_second)
}

fn free_port() -> Result<SocketAddr> {
    // Another process could take it before the carrier does; then the bench fails and says so.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}

fn carriers(listen: SocketAddr, keys: &Keys) -> String {
    let (secret, id) = (&keys.whatsapp, &FROM[1..]);
    format!(
        r#"[{{ id = 2, name = "{CARRIER}", window = 1000, whatsapp = {{ base_url = "http://{listen}", access_token = "token", app_secret = "{secret}", verify_token = "verify", in_flight_max = 128, numbers = [{{ number = "{FROM}", phone_number_id = "{id}" }}] }} }}]"#
    )
}

fn routes() -> String {
    format!(
        r#"[{{ channel = "whatsapp", targets = [{{ carrier = "{CARRIER}" }}] }}, {{ channel = "sms", targets = [{{ carrier = "simulator" }}] }}]"#
    )
}

fn print(
    args: &CallbacksArgs,
    floor: f64,
    single: &CircleReport,
    batch: &CircleReport,
    mixed: &CircleReport,
) {
    let (single, batch, mixed) = (&single.flood, &batch.flood, &mixed.flood);
    println!("| What | Floor (bare echo) | Daemon | Ratio |\n|---|---|---|---|");
    println!(
        "| one status a request, closed loop, {} connections (requests/s) | {floor:.0} | {:.0} | {:.2} |",
        args.load.connections,
        single.taken_per_second,
        single.taken_per_second / floor
    );
    println!(
        "| {} statuses a request, closed loop (statuses/s) | | {:.0} | |",
        args.batch, batch.items_per_second
    );
    println!(
        "| mixed, open loop at {}/s: statuses and inbound, 1 in 5 doubled, shuffled within 500 ms, {SENDS_BESIDE} sends/s beside (p50 / p99 / max ms from the intended start) | | {:.1} / {:.1} / {:.0} | |",
        args.mixed_rate, mixed.latency.p50_ms, mixed.latency.p99_ms, mixed.latency.max_ms
    );
    println!(
        "| refused 503 (single / batch / mixed) | | {} / {} / {} | |",
        single.overloaded, batch.overloaded, mixed.overloaded
    );
    println!("| lost, doubled or misreported | | 0 | |");
    println!("\n{}", Machine::here());
}
