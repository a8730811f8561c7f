//! `loadtest callbacks`: floods of a carrier's callbacks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args};
use didfarm_loadtest::callbacks::{
    CirclePlan, FloodPlan, FloodReport, InboundPlan, Shares, circle, flood, made_up, read_ids,
    stock,
};
use didfarm_loadtest::capture::Kind;
use didfarm_loadtest::carriers::post::split_url;
use didfarm_loadtest::carriers::record::Record;
use didfarm_loadtest::dice::parse_share;
use didfarm_loadtest::reading::{Findings, ReadPlan, read_back};
use didfarm_loadtest::{Pace, Peers, Sender, Target, peers};
use serde::Serialize;

use super::AnyError;
use super::carriers::KeyArgs;

/// What to flood with. Everything is made and signed before the clock starts.
#[derive(Args)]
#[command(group(ArgGroup::new("about").required(true).args(["ids", "made_up", "messages"])))]
pub struct CallbacksArgs {
    /// The daemon's HTTP listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The daemon's public address, if it is another: Twilio's signatures are over it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The carrier's name in the daemon's settings.
    #[arg(long)]
    carrier: String,
    /// Whose protocol it is.
    #[arg(long, value_enum)]
    kind: Kind,
    #[command(flatten)]
    keys: KeyArgs,
    /// Requests per second; 0 sends as fast as answers come.
    #[arg(long)]
    rate: f64,
    /// How long arrivals go on, in seconds, if there are messages enough.
    #[arg(long)]
    duration: f64,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Statuses in one request at most; whatsapp only.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Share of statuses and inbound messages that come twice.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    duplicates: f64,
    /// How far a status may come from its turn, in milliseconds.
    #[arg(long, default_value_t = 0)]
    shuffle_ms: u64,
    /// Share of messages whose last receipt comes before the answer to the submit; needs --messages.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share, requires = "messages")]
    early: f64,
    /// Share of statuses about messages that nobody knows.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    unknown: f64,
    /// Share of requests with a wrong signature; each must be answered with 403.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    bad_signature: f64,
    /// Share of requests that bring an inbound message.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    inbound: f64,
    /// Share of WhatsApp messages that are read.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    read: f64,
    /// A file of messages that the daemon has submitted, one a line: MESSAGE_ID CARRIER_ID.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Floods about this many messages that no daemon knows.
    #[arg(long, visible_alias = "range", value_name = "COUNT")]
    made_up: Option<usize>,
    /// Sends this many messages through the daemon first, and takes them as the carrier: its base_url must be --listen.
    #[arg(long, value_name = "COUNT", requires = "api_key")]
    messages: Option<u64>,
    /// Where the carrier listens for --messages.
    #[arg(long, default_value = "127.0.0.1:9099")]
    listen: SocketAddr,
    /// The account's API key: messages are read back by it.
    #[arg(long, env = "DIDFARM_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Our number, in E.164: messages come from it, and inbound messages go to it.
    #[arg(long, default_value = "+31201234567")]
    from: String,
    /// WhatsApp's phone number id of our number.
    #[arg(long, default_value = "100000000000001")]
    phone_number_id: String,
    /// The first peer that messages go to, in E.164.
    #[arg(long, default_value = "+31610000000")]
    peer_base: String,
    /// The first peer that inbound messages come from, in E.164.
    #[arg(long, default_value = "+31690000000")]
    inbound_peer_base: String,
    /// Peers that inbound messages come from, in turn.
    #[arg(long, default_value_t = 1000)]
    inbound_peers: u64,
    /// How long what was not taken is sent again, and messages may take to come to rest, in seconds.
    #[arg(long, default_value_t = 60)]
    drain_timeout: u64,
    /// What the dice start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct FloodJson {
    flood: FloodReport,
    messages: Option<Findings>,
}

/// The public address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the public address {0:?} is not of the form http://host or https://host, without a path")]
struct PublicUrlError(String);

/// Floods; `false` when something was answered, stored or reported otherwise than it must be.
///
/// # Errors
/// When the flood cannot start or an option cannot be used.
pub fn run(args: &CallbacksArgs) -> Result<bool, AnyError> {
    let plan = plan(args)?;
    match (&args.ids, args.made_up, args.messages) {
        (Some(path), ..) => run_flood(args, &plan, &read_ids(&plan, path)?),
        (_, Some(count), _) => run_flood(args, &plan, &made_up(&plan, count)?),
        (.., count) => run_circle(args, plan, count.unwrap_or_default()),
    }
}

fn plan(args: &CallbacksArgs) -> Result<FloodPlan, AnyError> {
    let public_url = args.public_url.as_ref().unwrap_or(&args.target);
    let public_url = public_url.trim_end_matches('/');
    if split_url(public_url)
        .is_none_or(|(scheme, _, path)| !scheme.starts_with("http") || path != "/")
    {
        return Err(PublicUrlError(public_url.to_owned()).into());
    }
    let pace = match args.rate == 0.0 {
        true => Pace::Closed,
        false => Pace::Open {
            rate_per_second: args.rate,
        },
    };
    Ok(FloodPlan {
        target: Target::parse(&args.target)?,
        public_url: public_url.to_owned(),
        carrier: args.carrier.clone(),
        kind: args.kind,
        keys: args.keys.keys()?,
        pace,
        duration: Duration::try_from_secs_f64(args.duration)?,
        connections: args.connections,
        threads: args.threads,
        timeout: Duration::from_secs(args.timeout.max(1)),
        batch: args.batch,
        shares: Shares {
            duplicates: args.duplicates,
            unknown: args.unknown,
            bad_signature: args.bad_signature,
            inbound: args.inbound,
            read: args.read,
        },
        shuffle: Duration::from_millis(args.shuffle_ms),
        inbound: InboundPlan {
            to: args.from.clone(),
            phone_number_id: args.phone_number_id.clone(),
            peer_base: peers::parse_e164(&args.inbound_peer_base)?,
            peers: args.inbound_peers.max(1),
        },
        seed: args.seed,
        retry_for: Duration::from_secs(args.drain_timeout),
        progress: true,
    })
}

fn run_flood(
    args: &CallbacksArgs,
    plan: &FloodPlan,
    records: &[Arc<Record>],
) -> Result<bool, AnyError> {
    let outcome = flood(plan, stock::make(plan, records)?)?;
    let outcomes = outcome.stock.outcomes.clone();
    let messages = match &args.api_key {
        Some(key) if !outcomes.is_empty() => {
            let reading = ReadPlan {
                target: plan.target.clone(),
                key: key.clone(),
                drain_timeout: plan.retry_for,
                connections: plan.connections,
                threads: plan.threads,
                timeout: plan.timeout,
            };
            Some(read_back(&reading, outcomes)?)
        }
        _ => None,
    };
    let clean = outcome.report.is_sound() && messages.as_ref().is_none_or(Findings::is_clean);
    let json = FloodJson {
        flood: outcome.report,
        messages,
    };
    if args.json {
        println!("{}", serde_json::to_string(&json)?);
        return Ok(clean);
    }
    println!("{}", json.flood);
    if let Some(messages) = &json.messages {
        println!("messages    {messages}");
    }
    Ok(clean)
}

fn run_circle(args: &CallbacksArgs, flood: FloodPlan, count: u64) -> Result<bool, AnyError> {
    let drain_timeout = flood.retry_for;
    let report = circle(&CirclePlan {
        flood,
        sender: Sender {
            key: args.api_key.clone().unwrap_or_default(),
            from: args.from.clone(),
        },
        peers: Peers::plain(peers::parse_e164(&args.peer_base)?, count)?,
        listen: args.listen,
        early: args.early,
        drain_timeout,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(report.is_clean())
}
