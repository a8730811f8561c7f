//! The `loadtest` command: `send` and `populate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use didfarm_loadtest::tally::sentence;
use didfarm_loadtest::{
    BodyText, Expectation, Pace, Peers, PopulatePlan, ReconcilePlan, ReconcileReport, SendPlan,
    SendReport, Sender, Target, peers, populate, reconcile, send,
};
use serde::Serialize;

#[derive(Parser)]
#[command(
    name = "loadtest",
    version,
    about = "Sends messages over HTTP as a customer does, and asks back for them"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends at a fixed rate (open loop), or with --rate 0 as fast as answers come.
    Send(SendArgs),
    /// Sends exactly one message to each of --count peers, waiting out 429 and 503.
    Populate(PopulateArgs),
}

#[derive(Args)]
struct SenderArgs {
    /// The daemon's HTTP listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The account's API key.
    #[arg(long, env = "DIDFARM_API_KEY", hide_env_values = true)]
    key: String,
    /// The number to send from, in E.164.
    #[arg(long)]
    from: String,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The first peer, in E.164.
    #[arg(long, default_value = "+31610000000")]
    peer_base: String,
    /// The body; {n} in it becomes the message's number.
    #[arg(long, default_value = "Load test message {n}")]
    body: String,
    /// The longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SendArgs {
    #[command(flatten)]
    common: SenderArgs,
    /// Messages per second; 0 sends as fast as answers come.
    #[arg(long)]
    rate: f64,
    /// How long arrivals go on, in seconds.
    #[arg(long)]
    duration: f64,
    /// Distinct peers, sent to in turn.
    #[arg(long, default_value_t = 1000)]
    peers: u64,
    /// Goes through every fate of the simulated carrier instead of delivered peers only.
    #[arg(long)]
    fates: bool,
    /// Reads every accepted message back; the exit code is 1 unless all are found as they must be.
    #[arg(long)]
    reconcile: bool,
    /// Reads back at most this many, evenly spread.
    #[arg(long, requires = "reconcile")]
    reconcile_sample: Option<usize>,
    /// How long messages may take to come to rest after the last send, in seconds.
    #[arg(long, default_value_t = 60)]
    drain_timeout: u64,
    /// Appends each acknowledged message to this file: id, tab, body.
    #[arg(long)]
    acked_out: Option<PathBuf>,
}

#[derive(Args)]
struct PopulateArgs {
    #[command(flatten)]
    common: SenderArgs,
    /// Peers, each sent one message.
    #[arg(long)]
    count: u64,
}

#[derive(Serialize)]
struct SendJson<'a> {
    #[serde(flatten)]
    send: &'a SendReport,
    reconcile: Option<&'a ReconcileReport>,
}

type AnyError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Send(args) => run_send(&args),
        Command::Populate(args) => run_populate(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {}", sentence(&*error));
            ExitCode::from(2)
        }
    }
}

impl SenderArgs {
    fn sender(&self) -> Sender {
        Sender {
            key: self.key.clone(),
            from: self.from.clone(),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.max(1))
    }
}

fn run_send(args: &SendArgs) -> Result<bool, AnyError> {
    let common = &args.common;
    let base = peers::parse_e164(&common.peer_base)?;
    let peers = if args.fates {
        Peers::with_fates(base, args.peers)?
    } else {
        Peers::plain(base, args.peers)?
    };
    let pace = if args.rate == 0.0 {
        Pace::Closed
    } else {
        Pace::Open {
            rate_per_second: args.rate,
        }
    };
    let plan = SendPlan {
        target: Target::parse(&common.target)?,
        sender: common.sender(),
        peers,
        body: BodyText::new(&common.body),
        pace,
        duration: Duration::try_from_secs_f64(args.duration)?,
        connections: common.connections,
        threads: common.threads,
        timeout: common.timeout(),
        keep_accepted: args.reconcile,
        acked_out: args.acked_out.clone(),
        progress: true,
    };
    let outcome = send(&plan)?;
    if !common.json {
        println!("{}", outcome.report);
    }
    let reconciled = match args.reconcile {
        true => Some(reconcile(&reconcile_plan(args, &plan), &outcome.accepted)?),
        false => None,
    };
    if common.json {
        let json = SendJson {
            send: &outcome.report,
            reconcile: reconciled.as_ref(),
        };
        println!("{}", serde_json::to_string(&json)?);
    } else if let Some(report) = &reconciled {
        println!("reconcile   {report}");
    }
    Ok(outcome.report.accepted > 0 && reconciled.is_none_or(|report| report.is_clean()))
}

fn reconcile_plan(args: &SendArgs, plan: &SendPlan) -> ReconcilePlan {
    ReconcilePlan {
        target: plan.target.clone(),
        key: plan.sender.key.clone(),
        peers: plan.peers,
        body: plan.body.clone(),
        sample_max: args.reconcile_sample,
        expectation: Expectation::AtRest,
        drain_timeout: Duration::from_secs(args.drain_timeout),
        connections: plan.connections,
        threads: plan.threads,
        timeout: plan.timeout,
    }
}

fn run_populate(args: &PopulateArgs) -> Result<bool, AnyError> {
    let common = &args.common;
    let report = populate(&PopulatePlan {
        target: Target::parse(&common.target)?,
        sender: common.sender(),
        peers: Peers::plain(peers::parse_e164(&common.peer_base)?, args.count)?,
        body: BodyText::new(&common.body),
        connections: common.connections,
        threads: common.threads,
        timeout: common.timeout(),
        keep_accepted: false,
        progress: true,
    })?
    .report;
    if common.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.is_complete())
}
