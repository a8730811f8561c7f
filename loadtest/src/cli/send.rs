//! `loadtest send`: messages at a fixed rate or as fast as answers come.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use didfarm_loadtest::{
    BodyText, Expectation, Pace, Peers, ReconcilePlan, ReconcileReport, SendPlan, SendReport,
    Sender, Target, peers, reconcile, send,
};
use serde::Serialize;

use super::AnyError;

/// Who sends to whom, and over what.
#[derive(Args)]
pub struct SenderArgs {
    /// The daemon's HTTP listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub target: String,
    /// The account's API key.
    #[arg(long, env = "DIDFARM_API_KEY", hide_env_values = true)]
    pub key: String,
    /// The number to send from, in E.164.
    #[arg(long)]
    pub from: String,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// The first peer, in E.164.
    #[arg(long, default_value = "+31610000000")]
    pub peer_base: String,
    /// The body; {n} in it becomes the message's number.
    #[arg(long, default_value = "Load test message {n}")]
    pub body: String,
    /// The longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 30)]
    pub timeout: u64,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What to send.
#[derive(Args)]
pub struct SendArgs {
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

#[derive(Serialize)]
struct SendJson<'a> {
    #[serde(flatten)]
    send: &'a SendReport,
    reconcile: Option<&'a ReconcileReport>,
}

impl SenderArgs {
    /// The key and the number to send from.
    pub fn sender(&self) -> Sender {
        Sender {
            key: self.key.clone(),
            from: self.from.clone(),
        }
    }

    /// The longest wait for one answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.max(1))
    }
}

/// Sends; `false` when nothing was accepted or something was found wrong.
///
/// # Errors
/// When the run cannot start.
pub fn run(args: &SendArgs) -> Result<bool, AnyError> {
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
