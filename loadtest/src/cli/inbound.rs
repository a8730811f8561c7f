//! `loadtest inbound`: floods of inbound messages that say when they were due.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use didfarm_loadtest::inbound::{Entrance, InboundFloodPlan, inbound_flood};
use didfarm_loadtest::{Pace, Peers, Target, peers};

use super::AnyError;
use super::carriers::KeyArgs;

/// How messages come in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EntranceArg {
    /// By the simulator's own route.
    Simulator,
    /// As Telnyx's signed callbacks; needs --carrier.
    Telnyx,
}

/// What to send. Texts have the word t= with the microseconds since 1970 at which the message was due, from which
/// "loadtest sink" measures.
#[derive(Args)]
pub struct InboundArgs {
    /// The daemon's HTTP listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// How messages come in.
    #[arg(long, value_enum, default_value = "simulator")]
    entrance: EntranceArg,
    /// The carrier's name in the daemon's settings.
    #[arg(long, required_if_eq("entrance", "telnyx"))]
    carrier: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Messages per second; 0 sends as fast as answers come.
    #[arg(long)]
    rate: f64,
    /// How long arrivals go on, in seconds.
    #[arg(long)]
    duration: f64,
    /// The most messages.
    #[arg(long, value_name = "COUNT")]
    messages: Option<u64>,
    /// Our number, in E.164; several are written to in turn.
    #[arg(long = "to", default_value = "+31201234567")]
    numbers: Vec<String>,
    /// The first peer who writes, in E.164.
    #[arg(long, default_value = "+31690000000")]
    peer_base: String,
    /// Peers who write, in turn.
    #[arg(long, default_value_t = 1_000)]
    peers: u64,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// How long after the end what was not taken is sent again, in seconds.
    #[arg(long, default_value_t = 60)]
    drain_timeout: u64,
    /// Which run it is: give another one for a second run against the same daemon.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Sends; `false` when a message was not taken, or an answer was another than it may be.
///
/// # Errors
/// When the flood cannot start or an option cannot be used.
pub fn run(args: &InboundArgs) -> Result<bool, AnyError> {
    let report = inbound_flood(&plan(args)?)?.report;
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(report.is_sound())
}

fn plan(args: &InboundArgs) -> Result<InboundFloodPlan, AnyError> {
    let entrance = match args.entrance {
        EntranceArg::Simulator => Entrance::Simulator,
        EntranceArg::Telnyx => Entrance::Telnyx {
            carrier: args.carrier.clone().unwrap_or_default(),
            keys: Arc::new(args.keys.keys()?),
        },
    };
    for number in &args.numbers {
        peers::parse_e164(number)?;
    }
    let pace = match args.rate == 0.0 {
        true => Pace::Closed,
        false => Pace::Open {
            rate_per_second: args.rate,
        },
    };
    Ok(InboundFloodPlan {
        target: Target::parse(&args.target)?,
        entrance,
        numbers: args.numbers.clone(),
        peers: Peers::plain(peers::parse_e164(&args.peer_base)?, args.peers)?,
        pace,
        duration: Duration::try_from_secs_f64(args.duration)?,
        messages_max: args.messages.unwrap_or(u64::MAX),
        connections: args.connections,
        threads: args.threads,
        timeout: Duration::from_secs(args.timeout.max(1)),
        retry_for: Duration::from_secs(args.drain_timeout),
        run: args.seed,
        is_timed: true,
        keep_taken: false,
        progress: true,
    })
}
